#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "gateway/keeper_private.h"
#include "gateway/output.h"
#include "gateway/probe.h"
#include "gateway/spawn.h"

#include "base/banned.h"

#define LOOK_AGAIN_MS	  5000
#define DETAIL_BYTES	  256
#define UNKNOWN_LOOKS_MAX 20
#define UNKNOWN_PAUSE_MS  50
#define WISH_PAUSE_MS	  250

int keeper_list(struct keeper *keeper, struct process_list *ret,
		struct err *err)
{
	struct process_claim claim = {
		.main = keeper->row.process,
		.session = keeper->session,
		.keeper = getpid(),
		.uid = geteuid(),
		.name = keeper->gateway->process,
	};

	if (process_look(ret, keeper->instance, &keeper->gateway->address, err))
		return -1;
	/* its number is not used again while a member lives */
	if (claim.session != 0 && !process_has_session(ret, claim.session)) {
		claim.session = 0;
		keeper->session = 0;
	}
	process_mark(ret, &claim);
	return 0;
}

int keeper_track(struct keeper *keeper, struct process_id id)
{
	int pidfd = (int)syscall(SYS_pidfd_open, (long)id.pid, 0L);

	if (pidfd < 0)
		return -1;
	if (id.start != 0 && process_start(id.pid) != id.start) {
		(void)close(pidfd); /* somebody else by now */
		return -1;
	}
	if (keeper->pidfd >= 0)
		(void)close(keeper->pidfd);
	keeper->pidfd = pidfd;
	keeper->row.process = id;
	keeper->exited = false;
	return 0;
}

bool keeper_may_live(const struct keeper *keeper)
{
	pid_t pid = keeper->row.process.pid;

	return pid != 0 && !keeper->exited &&
	       (kill(pid, 0) == 0 || errno == EPERM);
}

void keeper_begin_probing(struct keeper *keeper)
{
	keeper->start_deadline =
		deadline_in((int64_t)keeper->gateway->start_timeout_s * 1000);
	keeper->next_probe = deadline_in(0);
	keeper->probe_pause_ms = 0;
}

/* Somebody else's process has the port. */
static enum lifecycle_action refuse_stranger(struct keeper *keeper,
					     const struct process_list *list)
{
	const struct process *stranger = process_stranger(list);
	char detail[DETAIL_BYTES];
	pid_t pid = stranger ? stranger->id.pid : 0;
	uid_t uid = stranger ? stranger->uid : list->listener_uid;
	const char *name =
		stranger && stranger->name[0] ? stranger->name : "unknown";

	keeper_reason(keeper, "port_taken",
		      "%s is held by somebody else's process: pid %ld, uid "
		      "%ld, name '%s'",
		      keeper->gateway->address_text, (long)pid, (long)uid,
		      name);
	(void)snprintf(detail, sizeof(detail),
		       "{\"reason\":\"port_taken\",\"pid\":%ld,\"uid\":%ld}",
		       (long)pid, (long)uid);
	keeper->row.process = (struct process_id){ .pid = 0 };
	keeper->row.stopped_ms = clock_wall_ms();
	(void)keeper_decide(keeper, EVENT_STRANGER);
	keeper_write(keeper, "failed", detail);
	return ACTION_END;
}

/* The port is open, or the last process known lives, and nobody can say more:
 * nothing is started. */
static enum lifecycle_action look_later(struct keeper *keeper,
					const struct err *err)
{
	keeper_reason(keeper, "look_timeout",
		      "cannot find out who holds %s: %s",
		      keeper->gateway->address_text, err->text);
	keeper->row.retry_at_ms = clock_wall_ms() + LOOK_AGAIN_MS;
	(void)keeper_decide(keeper, EVENT_LOOK_TIMEOUT);
	keeper_write(keeper, "cooldown", "{\"reason\":\"look_timeout\"}");
	return ACTION_END;
}

static enum lifecycle_action nothing_runs(struct keeper *keeper)
{
	struct err err;

	if (keeper->row.want == WANT_STOP || keeper->told_to_end)
		return keeper_decide(keeper, EVENT_STOP_WANTED);
	if (keeper->row.want == WANT_RESTART &&
	    store_want(keeper->store, keeper->row.name, keeper->row.generation,
		       WANT_RUN, false, &err) == 0)
		keeper->row.want =
			WANT_RUN; /* starting it is all there is to do */
	keeper->row.process = (struct process_id){ .pid = 0 };
	return keeper_gate(keeper);
}

/* Ours lives and has not got the port: is it one that boots, or a leftover? The
 * row names the process of every start; without a row the eldest must do. */
static enum lifecycle_action runs_without_port(struct keeper *keeper,
					       const struct process_list *list)
{
	const struct process *found =
		keeper->row.process.pid
			? process_find(list, keeper->row.process)
			: process_eldest(list);

	if (found && found->ours && keeper_track(keeper, found->id) == 0)
		return keeper_decide(keeper, EVENT_BOOTS);
	return keeper_decide(keeper, EVENT_STRAYS);
}

/* A socket of our user that nobody is seen to hold may be a process's that is just
 * ending: to be looked at again before it is called somebody else's. */
static bool is_passing(struct keeper *keeper, const struct process_list *list)
{
	return !process_stranger(list) && list->listener_uid == geteuid() &&
	       keeper->unknown_looks++ < UNKNOWN_LOOKS_MAX;
}

static enum lifecycle_action decide_by(struct keeper *keeper,
				       const struct process_list *list)
{
	const struct process *listener = process_listener(list);
	const struct process *known = process_find(list, keeper->row.process);

	/* what listens may not say so to us; then it is the one that we know */
	if (!listener && list->listening && !process_stranger(list) && known &&
	    known->ours)
		listener = known;
	if (listener) {
		/* the process that we started, if it lives, is the gateway;
		 * what listens may be a child of it */
		if (known && known->ours)
			listener = known;
		if (keeper_track(keeper, listener->id))
			return ACTION_LOOK; /* gone meanwhile */
		return keeper_decide(keeper, EVENT_RUNS);
	}
	if (list->listening && is_passing(keeper, list)) {
		keeper_poll(keeper, deadline_in(UNKNOWN_PAUSE_MS));
		return ACTION_LOOK;
	}
	if (list->listening)
		return refuse_stranger(keeper, list);
	if (process_ours(list) > 0)
		return runs_without_port(keeper, list);
	return nothing_runs(keeper);
}

enum lifecycle_action keeper_look(struct keeper *keeper)
{
	CLEANUP(process_list_free) struct process_list list = { .count = 0 };
	struct err err;

	keeper_heartbeat(keeper);
	if (keeper->lost)
		return ACTION_END;
	if (keeper_list(keeper, &list, &err) == 0)
		return decide_by(keeper, &list);
	log_line(LEVEL_WARNING, "gateway=%s msg=\"cannot look around: %s\"",
		 keeper->row.name, err.text);
	if (probe_listens(&keeper->gateway->address) || keeper_may_live(keeper))
		return look_later(keeper, &err);
	return nothing_runs(keeper);
}

enum lifecycle_action keeper_adopt(struct keeper *keeper)
{
	keeper->row.adopted = true;
	keeper->spawned = false;
	keeper->session = 0;
	keeper->output_begin = output_end(keeper->output_fd);
	keeper->row.started_ms = clock_wall_ms();
	keeper_begin_probing(keeper);
	keeper_write(keeper, "adopted", NULL);
	return ACTION_PROBE;
}

static enum lifecycle_action spawn_failed(struct keeper *keeper,
					  const struct err *why)
{
	keeper_reason(keeper, "spawn_failed", "%s", why->text);
	keeper->row.stopped_ms = clock_wall_ms();
	keeper->row.process = (struct process_id){ .pid = 0 };
	(void)keeper_decide(keeper, EVENT_SPAWN_FAILED);
	keeper_write(keeper, "failed", "{\"reason\":\"spawn_failed\"}");
	keeper_count(keeper, "starts", "spawn_failed");
	return ACTION_END;
}

/* The child waits until the row names it; so no start is ever unknown. */
static int write_and_go(struct keeper *keeper, struct spawned *spawned,
			struct err *err)
{
	struct process_id id = { .pid = spawned->pid,
				 .start = process_start(spawned->pid) };

	if (keeper_track(keeper, id)) {
		spawn_cancel(spawned);
		return err_errno(err, "cannot open a pidfd");
	}
	keeper->session = id.pid;
	keeper->spawned = true;
	keeper->timed = false;
	keeper->row.adopted = false;
	keeper->row.started_ms = clock_wall_ms();
	keeper_write(keeper, "spawned", NULL);
	if (keeper->lost) {
		spawn_cancel(spawned);
		return err_set(err, ERR_BUSY, "another generation was first");
	}
	return spawn_go(spawned, err);
}

/* A wish that is fulfilled and stays would undo at a later start what this one is
 * going to do. */
static int await_wish(struct keeper *keeper, struct err *err)
{
	struct deadline deadline =
		deadline_in((int64_t)keeper->gateway->start_timeout_s * 1000);

	while (keeper->wish_done && !keeper->lost &&
	       !keeper_wants_end(keeper)) {
		if (deadline_passed(deadline))
			return err_set(err, ERR_TIMEOUT,
				       "it is restored, but the database does "
				       "not take that the wish is fulfilled");
		keeper_poll(keeper, deadline_in(WISH_PAUSE_MS));
		keeper_read(keeper);
	}
	return 0;
}

enum lifecycle_action keeper_spawn(struct keeper *keeper)
{
	char instance[sizeof(keeper->instance) + 24];
	struct spawned spawned = { .pidfd = -1 };
	struct err err;

	if (await_wish(keeper, &err))
		return spawn_failed(keeper, &err);
	if (keeper->lost)
		return ACTION_END;
	if (keeper->wish_done)
		return keeper_decide(keeper, EVENT_STOP_WANTED);
	(void)snprintf(instance, sizeof(instance), "%s%lld", keeper->instance,
		       (long long)keeper->row.generation);
	keeper->output_begin = output_end(keeper->output_fd);
	if (spawn_prepare(&spawned, keeper->gateway, instance,
			  keeper->output_fd, &err))
		return spawn_failed(keeper, &err);
	(void)close(spawned.pidfd);
	if (write_and_go(keeper, &spawned, &err)) {
		if (keeper->lost)
			return ACTION_END;
		/* an exec that hangs may go through later: not by then */
		if (keeper_clean(keeper) == ACTION_END)
			return ACTION_END;
		return spawn_failed(keeper, &err);
	}
	keeper_begin_probing(keeper);
	return ACTION_PROBE;
}
