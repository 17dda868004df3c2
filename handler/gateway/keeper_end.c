#include "config.h"

#include <glob.h>
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

#include "base/banned.h"

#define PROVE_DEADLINE_MS    10000
#define PROVE_PAUSE_FIRST_MS 2
#define MEND_AFTER_MS	     2000 /* who does not die by then may hang */
#define PROVE_PAUSE_MAX_MS   100
#define STOP_LOOK_MS	     100
#define EXITS_WINDOW_MS	     60000
#define DETAIL_BYTES	     160

/* One look at what is left. */
struct remains {
	bool known; /* the look succeeded */
	size_t ours;
	bool port_ours; /* the port is open, and not by a stranger */
};

static void signal_main(const struct keeper *keeper, int number)
{
	if (keeper->pidfd >= 0 && !keeper->exited)
		(void)syscall(SYS_pidfd_send_signal, (long)keeper->pidfd,
			      (long)number, NULL, 0L);
}

static struct remains look_and_signal(struct keeper *keeper, int number,
				      int *signalled)
{
	CLEANUP(process_list_free) struct process_list list = { .count = 0 };
	struct remains remains = { .known = false };
	struct err err;
	int hits;

	if (keeper_list(keeper, &list, &err)) {
		if (number != 0)
			signal_main(keeper, number);
		remains.port_ours = probe_listens(&keeper->gateway->address);
		return remains;
	}
	remains.known = true;
	remains.ours = process_ours(&list);
	remains.port_ours = list.listening && !process_stranger(&list) &&
			    list.listener_uid == geteuid();
	if (number == 0 || remains.ours == 0)
		return remains;
	hits = process_signal(&list, NULL, number, &err);
	if (hits > 0)
		*signalled += hits;
	return remains;
}

static bool is_over(const struct keeper *keeper, struct remains remains)
{
	if (remains.known)
		return remains.ours == 0 && !remains.port_ours;
	/* /proc does not answer: our process is known to be gone, and so is its
	 * port */
	return !keeper_may_live(keeper) && !remains.port_ours;
}

/* SIGKILL to all that is left until none is, and the port is closed. */
static bool kill_all(struct keeper *keeper)
{
	struct deadline deadline = deadline_in(PROVE_DEADLINE_MS);
	struct deadline mend = deadline_in(MEND_AFTER_MS);
	int pause_ms = PROVE_PAUSE_FIRST_MS;
	char detail[DETAIL_BYTES];
	int killed = 0;
	bool over;

	keeper_backup_cancel(keeper);
	keeper_read(
		keeper); /* nothing is killed for a generation that is past */
	for (;;) {
		if (keeper->lost)
			return true;
		over = is_over(keeper,
			       look_and_signal(keeper, SIGKILL, &killed));
		if (over || deadline_passed(deadline))
			break;
		if (deadline_passed(mend)) {
			keeper_mend_mounts(keeper);
			mend = deadline_never();
			deadline = deadline_in(PROVE_DEADLINE_MS);
		}
		keeper_poll(keeper, deadline_in(pause_ms));
		keeper_heartbeat(keeper);
		if (pause_ms < PROVE_PAUSE_MAX_MS)
			pause_ms *= 2;
	}
	if (killed > 0) {
		(void)snprintf(detail, sizeof(detail), "{\"processes\":%d}",
			       killed);
		keeper_write(keeper, "killed", detail);
	}
	return over;
}

static enum lifecycle_action not_dead(struct keeper *keeper)
{
	keeper_reason(keeper, "not_dead",
		      "a process of the gateway, or its port %s, can't be "
		      "ended",
		      keeper->gateway->address_text);
	keeper->row.stopped_ms = clock_wall_ms();
	(void)keeper_decide(keeper, EVENT_NOT_DEAD);
	keeper_write(keeper, "failed", "{\"reason\":\"not_dead\"}");
	return ACTION_END;
}

/* What a gateway may leave behind: only once it is proven dead. */
static void remove_lock_files(const struct gateway_settings *gateway)
{
	for (char **pattern = gateway->lock_files; pattern && *pattern;
	     pattern++) {
		glob_t found;

		if (glob(*pattern, GLOB_NOSORT, NULL, &found) != 0)
			continue;
		for (size_t i = 0; i < found.gl_pathc; i++)
			(void)unlink(found.gl_pathv[i]); /* gone is fine */
		globfree(&found);
	}
}

enum lifecycle_action keeper_clean(struct keeper *keeper)
{
	if (!kill_all(keeper))
		return not_dead(keeper);
	remove_lock_files(keeper->gateway);
	keeper->row.process = (struct process_id){ .pid = 0 };
	return keeper->lost ? ACTION_END : ACTION_LOOK;
}

enum lifecycle_action keeper_prove(struct keeper *keeper)
{
	if (!kill_all(keeper))
		return not_dead(keeper);
	remove_lock_files(keeper->gateway);
	if (keeper_wants_end(keeper) || keeper->idle)
		keeper_backup_on_stop(keeper);
	return keeper->lost ? ACTION_END : keeper_decide(keeper, EVENT_GONE);
}

/* SIGTERM to the process that holds the port, where that is another one: the
 * gateway of a wrapper that does not pass signals on. */
static void signal_listener(struct keeper *keeper)
{
	CLEANUP(process_list_free) struct process_list list = { .count = 0 };
	const struct process *listener;
	struct err err;

	if (keeper_list(keeper, &list, &err))
		return;
	listener = process_listener(&list);
	if (listener && listener->id.pid != keeper->row.process.pid)
		(void)process_signal(&list, listener, SIGTERM, &err);
}

/* Until it ended, or the time for that is over. */
static void await_end(struct keeper *keeper, struct deadline deadline)
{
	bool told_rest = false;
	int told = 0;

	while (!deadline_passed(deadline) && !keeper->lost) {
		if (keeper->exited || keeper->pidfd < 0) {
			int number = told_rest ? 0 : SIGTERM;

			if (is_over(keeper,
				    look_and_signal(keeper, number, &told)))
				return;
			told_rest = true;
		}
		keeper_poll(keeper,
			    deadline_min(deadline_in(STOP_LOOK_MS), deadline));
		keeper_heartbeat(keeper);
	}
}

static void signal_end(const struct keeper *keeper)
{
	signal_main(keeper, SIGTERM);
	signal_main(keeper, SIGCONT); /* a stopped one would not hear it */
}

enum lifecycle_action keeper_stop(struct keeper *keeper)
{
	struct deadline deadline =
		deadline_in((int64_t)keeper->gateway->stop_timeout_s * 1000);

	/* Nobody was there a moment ago. Each moment more may bring a request past
	 * us, straight from a web server: so the event is written afterwards. */
	if (keeper->idle && !keeper->lost)
		signal_end(keeper);
	keeper_backup_cancel(keeper);
	keeper_write(keeper, "stopping",
		     keeper->idle ? "{\"reason\":\"idle\"}" : NULL);
	if (keeper->lost)
		return ACTION_END;
	if (!keeper->idle)
		signal_end(keeper);
	signal_listener(keeper);
	await_end(keeper, deadline);
	output_tail(keeper->row.output_tail, sizeof(keeper->row.output_tail),
		    keeper->output_fd, keeper->output_begin, keeper->gateway);
	return keeper_prove(keeper);
}

static struct settlement settle(struct keeper *keeper)
{
	struct gateway_row *row = &keeper->row;
	struct ending ending = {
		.wanted = keeper_wants_end(keeper),
		.hold = row->hold,
		.idle = keeper->idle && !keeper_wants_end(keeper),
		.timeout = keeper->timed_out,
		.answered = row->answered_ms != 0,
		.exit_code = row->exit_code,
		.failures = row->failures,
		.now_ms = clock_wall_ms(),
	};
	struct err err;

	if (row->ready_ms != 0)
		ending.served_ms = ending.now_ms - row->ready_ms;
	if (store_exits_since(keeper->store, row->name,
			      ending.now_ms - EXITS_WINDOW_MS, &ending.exits,
			      &err))
		ending.exits = 0; /* not to be known now: no loop is assumed */
	return lifecycle_settle(&ending, keeper->gateway);
}

/* How a start ended that never became ready. */
static const char *failed_start(const struct keeper *keeper)
{
	if (keeper->timed_out)
		return "timeout";
	return keeper_wants_end(keeper) ? "stopped" : "exited";
}

static void write_settlement(struct keeper *keeper,
			     const struct settlement *settlement)
{
	static const char *const kinds[STATE_MAX_] = {
		[STATE_STOPPED] = "stopped",
		[STATE_COOLDOWN] = "cooldown",
		[STATE_FAILED] = "failed",
	};
	struct gateway_row *row = &keeper->row;
	char detail[DETAIL_BYTES];

	row->state = settlement->state;
	row->failures = settlement->failures;
	row->retry_at_ms = settlement->retry_at_ms;
	row->stopped_ms = clock_wall_ms();
	row->process = (struct process_id){ .pid = 0 };
	(void)snprintf(row->reason, sizeof(row->reason), "%s",
		       settlement->reason);
	if (settlement->state == STATE_STOPPED)
		row->detail[0] = '\0';
	else if (strcmp(settlement->reason, "held") == 0)
		keeper_reason(keeper, "held",
			      "stopped by a person until "
			      "`wakegate start`");
	(void)snprintf(detail, sizeof(detail),
		       "{\"reason\":\"%s\",\"failures\":%d}",
		       settlement->reason, settlement->failures);
	keeper_write(keeper, kinds[settlement->state], detail);
	if (keeper->spawned && !keeper->timed)
		keeper_count(keeper, "starts", failed_start(keeper));
}

/* A restart goes on as the next generation, in a keeper of its own that reads the
 * configuration anew; it inherits the lock, which is never free in between. */
static void start_next(struct keeper *keeper)
{
	struct gateway_row *row = &keeper->row;
	int64_t generation = 0;
	struct err err;

	if (store_claim(keeper->store, row->name, row->generation, WANT_RUN,
			keeper->gateway->address_text, NULL, &generation,
			&err) ||
	    keeper_start(keeper->settings, keeper->gateway, keeper->lock_fd,
			 generation, false, &err))
		log_line(LEVEL_ERROR, "gateway=%s msg=\"cannot restart: %s\"",
			 row->name, err.text);
}

enum lifecycle_action keeper_settle(struct keeper *keeper)
{
	struct settlement settlement;
	bool again;

	keeper_read(keeper); /* what workers and people wrote meanwhile */
	if (keeper->lost)
		return ACTION_END;
	settlement = settle(keeper);
	again = keeper->row.want == WANT_RESTART && !keeper->told_to_end;
	write_settlement(keeper, &settlement);
	if (again && !keeper->lost)
		start_next(keeper);
	return ACTION_END;
}
