#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "gateway/holder.h"
#include "gateway/keeper_private.h"
#include "gateway/lock.h"
#include "gateway/output.h"

#include "base/banned.h"

#define REPLACE_DEADLINE_MS 5000
#define LOCK_PAUSE_MS	    5
#define SIGN_MS		    3000 /* more than a claim and a start take */

/* Without it a poke is seen at the next tick. */
static void watch_lock(struct keeper *keeper)
{
	CLEANUP_FREE char *path =
		lock_path(keeper->settings->state_dir, keeper->gateway->name);

	keeper->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (!path || keeper->inotify_fd < 0 ||
	    inotify_add_watch(keeper->inotify_fd, path, IN_ATTRIB) < 0)
		log_line(LEVEL_WARNING,
			 "gateway=%s msg=\"no inotify: %s, going on\"",
			 keeper->gateway->name, strerrorname_np(errno));
}

static int take_signals_by_descriptor(struct keeper *keeper, struct err *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	keeper->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (keeper->signal_fd < 0)
		return err_errno(err, "cannot use signalfd");
	return 0;
}

/* The claimer left us its descriptor: make sure that it is the lock's. */
static int inherit_lock(struct keeper *keeper, int own_fd, enum lock_byte byte,
			struct err *err)
{
	struct stat inherited;
	struct stat own;

	if (fstat(KEEPER_LOCK_FD, &inherited) != 0 || fstat(own_fd, &own) != 0)
		return err_errno(err, "cannot see the lock");
	if (inherited.st_dev != own.st_dev || inherited.st_ino != own.st_ino)
		return err_set(err, ERR_INVALID,
			       "descriptor %d is not the lock file",
			       KEEPER_LOCK_FD);
	if (lock_take(KEEPER_LOCK_FD, byte, err))
		return -1;
	(void)fcntl(KEEPER_LOCK_FD, F_SETFD, FD_CLOEXEC);
	keeper->lock_fd = KEEPER_LOCK_FD;
	return 0;
}

static int check_silent(const struct keeper *keeper, struct err *err)
{
	int64_t silent_ms = clock_wall_ms() - keeper->row.heartbeat_ms;

	if (silent_ms > (int64_t)keeper->gateway->lease_s * 1000)
		return 0;
	return err_set(err, ERR_BUSY, "the owner speaks again");
}

static int kill_owners(const struct keeper *keeper,
		       const struct process_list *list, struct err *err)
{
	int count = process_signal(list, NULL, SIGKILL, err);

	if (count > 0)
		log_line(LEVEL_WARNING,
			 "gateway=%s generation=%lld msg=\"an owner that was "
			 "silent since %lld was killed\"",
			 keeper->row.name, (long long)keeper->row.generation,
			 (long long)keeper->row.heartbeat_ms);
	return count;
}

/* Ends the owner that the row names; gives how many that were. */
static int kill_named(const struct keeper *keeper, struct err *err)
{
	CLEANUP(process_list_free) struct process_list list = { .count = 0 };
	const struct process_id *owner = &keeper->row.owner;

	if (process_look(&list, keeper->instance, NULL, err))
		return -1;
	for (size_t i = 0; i < list.count; i++)
		list.items[i].ours = list.items[i].id.pid == owner->pid &&
				     list.items[i].id.start == owner->start;
	return kill_owners(keeper, &list, err);
}

/* The row names nobody who lives: whoever holds the byte has not signed. It gets
 * time to, since it may have taken the byte only now. */
static int kill_unnamed(struct keeper *keeper, struct err *err)
{
	CLEANUP(process_list_free) struct process_list before = { .count = 0 };
	CLEANUP(process_list_free) struct process_list list = { .count = 0 };

	if (holder_list(&before, keeper->lock_fd, err))
		return -1;
	(void)deadline_pause(deadline_never(), SIGN_MS);
	if (holder_list(&list, keeper->lock_fd, err) ||
	    store_read(keeper->store, keeper->gateway->name, &keeper->row,
		       err) ||
	    check_silent(keeper, err))
		return -1;
	for (size_t i = 0; i < list.count; i++)
		list.items[i].ours =
			process_find(&before, list.items[i].id) != NULL;
	return kill_owners(keeper, &list, err);
}

/* Ends the owner that lives but is silent, and takes its byte. */
static int replace_owner(struct keeper *keeper, struct err *err)
{
	struct deadline deadline;
	int count;

	if (check_silent(keeper, err))
		return -1;
	count = kill_named(keeper, err);
	if (count == 0)
		count = kill_unnamed(keeper, err);
	if (count < 0)
		return -1;
	deadline = deadline_in(REPLACE_DEADLINE_MS);
	while (lock_take(keeper->lock_fd, LOCK_OWNER, err)) {
		if (err->code != ERR_BUSY)
			return -1;
		if (!deadline_pause(deadline, LOCK_PAUSE_MS))
			return err_context(err, "the silent owner stays");
	}
	return 0;
}

static int claim(struct keeper *keeper, enum want want, struct err *err)
{
	int64_t generation = 0;

	if (store_claim(keeper->store, keeper->row.name, keeper->row.generation,
			want, keeper->gateway->address_text, NULL, &generation,
			err))
		return -1;
	return store_read(keeper->store, keeper->gateway->name, &keeper->row,
			  err);
}

static int take_lock(struct keeper *keeper,
		     const struct keeper_options *options, struct err *err)
{
	enum lock_byte byte = options->replace ? LOCK_REPLACER : LOCK_OWNER;
	CLEANUP_FD int own_fd = -1;

	if (lock_open(&own_fd, keeper->settings->state_dir,
		      keeper->gateway->name, err))
		return -1;
	if (options->generation == 0) {
		if (lock_take(own_fd, LOCK_OWNER, err))
			return -1;
		keeper->lock_fd = STEAL_FD(own_fd);
		return 0;
	}
	return inherit_lock(keeper, own_fd, byte, err);
}

/* Becomes the owner of a generation: ours by claim, or claimed for us. */
static int take_over(struct keeper *keeper,
		     const struct keeper_options *options, struct err *err)
{
	struct gateway_row *row = &keeper->row;

	if (take_lock(keeper, options, err) ||
	    store_read(keeper->store, keeper->gateway->name, row, err))
		return -1;
	if (options->replace) {
		if (replace_owner(keeper, err) || claim(keeper, row->want, err))
			return -1;
		lock_drop(keeper->lock_fd, LOCK_REPLACER);
	} else if (options->generation == 0) {
		if (claim(keeper, WANT_RUN, err))
			return -1;
	} else if (row->generation != options->generation) {
		return err_set(err, ERR_BUSY,
			       "generation %lld was claimed, but it is %lld by "
			       "now",
			       (long long)options->generation,
			       (long long)row->generation);
	}
	return 0;
}

static int prepare(struct keeper *keeper, struct err *err)
{
	int len = snprintf(keeper->instance, sizeof(keeper->instance),
			   "WAKEGATE_INSTANCE=%s/%s/", store_id(keeper->store),
			   keeper->gateway->name);

	if (len < 0 || (size_t)len >= sizeof(keeper->instance))
		return err_set(err, ERR_LIMIT,
			       "the gateway's name is too long");
	(void)prctl(PR_SET_NAME, KEEPER_NAME);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		return err_errno(err, "cannot become a subreaper");
	if (take_signals_by_descriptor(keeper, err))
		return -1;
	return output_open(&keeper->output_fd, keeper->settings->state_dir,
			   keeper->gateway->name, err);
}

static void run_actions(struct keeper *keeper)
{
	static enum lifecycle_action (*const handlers[ACTION_MAX_])(
		struct keeper *) = {
		[ACTION_LOOK] = keeper_look,
		[ACTION_CLEAN] = keeper_clean,
		[ACTION_RESTORE] = keeper_restore,
		[ACTION_SPAWN] = keeper_spawn,
		[ACTION_ADOPT] = keeper_adopt,
		[ACTION_PROBE] = keeper_watch,
		[ACTION_SERVE] = keeper_watch,
		[ACTION_DRAIN] = keeper_drain,
		[ACTION_STOP] = keeper_stop,
		[ACTION_PROVE] = keeper_prove,
		[ACTION_SETTLE] = keeper_settle,
	};
	enum lifecycle_action action = ACTION_LOOK;

	while (!keeper->lost && handlers[action])
		action = handlers[action](keeper);
}

static void release(struct keeper *keeper)
{
	const int fds[] = { keeper->inotify_fd, keeper->signal_fd,
			    keeper->output_fd, keeper->pidfd, keeper->lock_fd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

int keeper_run(const struct settings *settings,
	       const struct gateway_settings *gateway, struct store *store,
	       const struct keeper_options *options, struct err *err)
{
	struct keeper keeper = {
		.settings = settings,
		.gateway = gateway,
		.store = store,
		.idle_stop_s = gateway->idle_stop_s,
		.lock_fd = -1,
		.signal_fd = -1,
		.inotify_fd = -1,
		.output_fd = -1,
		.pidfd = -1,
		.work_fd = -1,
		.next_backup = deadline_never(),
	};
	int result = -1;

	if (prepare(&keeper, err) == 0 &&
	    take_over(&keeper, options, err) == 0) {
		watch_lock(&keeper);
		keeper_sign(&keeper);
		run_actions(&keeper);
		keeper_stay_on(&keeper);
		result = 0;
	}
	release(&keeper);
	return result;
}
