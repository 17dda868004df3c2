#include "config.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "gateway/keeper_private.h"
#include "gateway/lock.h"
#include "gateway/output.h"
#include "gateway/probe.h"
#include "gateway/scout.h"

#include "base/banned.h"

#define TICK_MS		       1000
#define REFUSED_PAUSE_FIRST_MS 2
#define REFUSED_PAUSE_MAX_MS   10
#define DEATH_MS	       30 /* a closed port may be a process that is about to end */
#define DETAIL_BYTES	       160

/* The children that the subreaper got; the gateway's own status is kept. */
static void reap(struct keeper *keeper)
{
	int status = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		scout_reaped(pid);
		if (pid != keeper->row.process.pid)
			continue;
		keeper->exited = true;
		keeper->row.exit_code = WIFEXITED(status) ? WEXITSTATUS(status)
							  : EXIT_CODE_NONE;
		keeper->row.exit_signal =
			WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	}
}

static void take_signals(struct keeper *keeper)
{
	struct signalfd_siginfo info;

	while (read(keeper->signal_fd, &info, sizeof(info)) ==
	       (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			keeper->told_to_end = true;
	reap(keeper);
}

static void take_pokes(struct keeper *keeper)
{
	char buf[sizeof(struct inotify_event) * 16];

	while (read(keeper->inotify_fd, buf, sizeof(buf)) > 0)
		keeper->poked = true;
}

void keeper_poll(struct keeper *keeper, struct deadline deadline)
{
	struct pollfd fds[] = {
		{ .fd = keeper->signal_fd, .events = POLLIN },
		{ .fd = keeper->inotify_fd, .events = POLLIN },
		{ .fd = keeper->exited ? -1 : keeper->pidfd, .events = POLLIN },
		{ .fd = keeper->work_fd, .events = POLLIN },
	};

	if (poll(fds, sizeof(fds) / sizeof(fds[0]),
		 deadline_left_ms(deadline)) <= 0)
		return;
	if (fds[2].revents) {
		reap(keeper);
		keeper->exited = true; /* adopted ones leave us no status */
	}
	if (fds[0].revents)
		take_signals(keeper);
	if (fds[1].revents)
		take_pokes(keeper);
}

static void is_ready(struct keeper *keeper)
{
	struct gateway_row *row = &keeper->row;
	bool was_ready = row->state == STATE_READY;
	int64_t now_ms = clock_wall_ms();
	char detail[DETAIL_BYTES];
	struct err err;

	/* always another one: who saw it fail knows that this is newer */
	row->ready_ms = now_ms > row->ready_ms ? now_ms : row->ready_ms + 1;
	(void)keeper_decide(keeper, EVENT_PROBE_OK);
	(void)snprintf(detail, sizeof(detail), "{\"took_ms\":%lld}",
		       (long long)(now_ms - row->started_ms));
	keeper_write(keeper, was_ready ? NULL : "ready", detail);
	if (!was_ready)
		keeper_backup_begin(keeper);
	if (keeper->spawned && !keeper->timed) {
		keeper->timed =
			true; /* an estimate only: failing is no matter */
		(void)store_start_time_add(keeper->store, row->name,
					   row->generation,
					   now_ms - row->started_ms, &err);
	}
}

static void probe_again(struct keeper *keeper, enum probe_result result)
{
	int ms = keeper->gateway->probe.interval_ms;

	if (result == PROBE_REFUSED) {
		keeper->probe_pause_ms +=
			keeper->probe_pause_ms / 4 + REFUSED_PAUSE_FIRST_MS;
		if (keeper->probe_pause_ms > REFUSED_PAUSE_MAX_MS)
			keeper->probe_pause_ms = REFUSED_PAUSE_MAX_MS;
		ms = keeper->probe_pause_ms < ms ? keeper->probe_pause_ms : ms;
	}
	keeper->next_probe = deadline_in(ms);
}

static enum lifecycle_action probe_start(struct keeper *keeper)
{
	struct err why = { .code = ERR_TIMEOUT };
	enum probe_result result = probe_gateway(keeper->gateway, 0, &why);

	if (result == PROBE_READY) {
		is_ready(keeper);
		return ACTION_NONE;
	}
	if (!deadline_passed(keeper->start_deadline)) {
		probe_again(keeper, result);
		return ACTION_NONE;
	}
	keeper->timed_out = true;
	keeper_reason(keeper, "start_timeout", "not ready in %d s: %s",
		      keeper->gateway->start_timeout_s, why.text);
	return keeper_decide(keeper, EVENT_START_TIMEOUT);
}

/* A request saw it fail. Its process may be about to end, may restart itself, or
 * all may be well again. */
static void check(struct keeper *keeper)
{
	struct err why = { .code = ERR_CLOSED };
	enum probe_result result =
		probe_gateway(keeper->gateway, DEATH_MS, &why);

	if (result != PROBE_READY && keeper->pidfd >= 0)
		(void)deadline_poll(keeper->pidfd, POLLIN,
				    deadline_in(DEATH_MS));
	keeper_poll(keeper, deadline_in(0));
	if (keeper->exited)
		return;
	if (result == PROBE_READY) {
		is_ready(keeper);
		return;
	}
	(void)keeper_decide(keeper, EVENT_NOT_LISTENING);
	keeper_begin_probing(keeper);
	keeper_write(keeper, "not_ready", NULL);
}

/* The tracked process has ended. Does another one of ours carry on: the gateway of
 * a wrapper that was killed, the child of one that daemonised? */
static bool carries_on(struct keeper *keeper)
{
	CLEANUP(process_list_free) struct process_list list = { .count = 0 };
	const struct process *heir;
	struct err err;

	if (keeper_list(keeper, &list, &err)) {
		log_line(LEVEL_WARNING, "gateway=%s msg=\"%s\"",
			 keeper->row.name, err.text);
		return false;
	}
	heir = process_listener(&list);
	if (!heir && keeper->row.state == STATE_STARTING &&
	    keeper->row.exit_code == 0)
		heir = process_eldest(&list);
	return heir && keeper_track(keeper, heir->id) == 0;
}

static enum lifecycle_action handle_exit(struct keeper *keeper)
{
	struct gateway_row *row = &keeper->row;
	char detail[DETAIL_BYTES];

	output_tail(row->output_tail, sizeof(row->output_tail),
		    keeper->output_fd, keeper->output_begin, keeper->gateway);
	(void)snprintf(detail, sizeof(detail),
		       "{\"exit_code\":%d,\"exit_signal\":%d}", row->exit_code,
		       row->exit_signal);
	if (carries_on(keeper)) {
		keeper_write(keeper, "exited", detail);
		return ACTION_NONE;
	}
	if (row->exit_signal)
		keeper_reason(keeper, "", "ended by signal %d",
			      row->exit_signal);
	else if (row->exit_code != EXIT_CODE_NONE)
		keeper_reason(keeper, "", "ended with exit code %d",
			      row->exit_code);
	else
		keeper_reason(keeper, "", "ended");
	(void)keeper_decide(keeper, EVENT_ENDED);
	keeper_write(keeper, "exited", detail);
	if (keeper->timed || row->adopted)
		keeper_count(keeper, "crashes", "");
	return ACTION_PROVE;
}

/* Where inotify is not to be had. */
static void see_poke(struct keeper *keeper)
{
	struct stat status;

	if (fstat(keeper->lock_fd, &status) != 0)
		return;
	if (keeper->poked_at.tv_sec != 0 &&
	    (keeper->poked_at.tv_sec != status.st_mtim.tv_sec ||
	     keeper->poked_at.tv_nsec != status.st_mtim.tv_nsec))
		keeper->poked = true;
	keeper->poked_at = status.st_mtim;
}

static void tick(struct keeper *keeper)
{
	struct err err;

	keeper->next_tick = deadline_in(TICK_MS);
	see_poke(keeper);
	keeper_read(keeper);
	if (output_rotate(keeper->output_fd, keeper->settings->state_dir,
			  keeper->row.name, &keeper->output_begin, &err))
		log_line(LEVEL_WARNING, "gateway=%s msg=\"%s, going on\"",
			 keeper->row.name, err.text);
}

/* What is due now; ACTION_NONE: keep watching. */
static enum lifecycle_action watch_once(struct keeper *keeper)
{
	bool poked;

	if (keeper->exited)
		return handle_exit(keeper);
	keeper_heartbeat(keeper);
	if (keeper->poked || deadline_passed(keeper->next_tick))
		tick(keeper);
	poked = keeper->poked;
	keeper->poked = false;
	if (keeper->lost)
		return ACTION_END;
	if (keeper_wants_end(keeper))
		return keeper_decide(keeper, EVENT_STOP_WANTED);
	keeper_backup_tick(keeper);
	if (keeper->row.state == STATE_READY) {
		if (poked)
			check(keeper);
		return poked ? ACTION_NONE : keeper_usage(keeper);
	}
	return deadline_passed(keeper->next_probe) ? probe_start(keeper)
						   : ACTION_NONE;
}

enum lifecycle_action keeper_watch(struct keeper *keeper)
{
	keeper->next_tick = deadline_in(0);
	for (;;) {
		enum lifecycle_action action = watch_once(keeper);
		struct deadline until =
			deadline_min(keeper->next_tick, keeper->next_heartbeat);

		if (action != ACTION_NONE)
			return action;
		if (keeper->row.state == STATE_STARTING)
			until = deadline_min(until, keeper->next_probe);
		else
			until = deadline_min(until, keeper->next_usage);
		if (!keeper->exited)
			keeper_poll(keeper, until);
	}
}
