#include "config.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "gateway/ensure.h"
#include "gateway/lock.h"
#include "gateway/operation.h"
#include "gateway/operation_private.h"
#include "gateway/probe.h"

#include "base/banned.h"

#define PAUSE_FIRST_MS	10
#define PAUSE_MAX_MS	100
#define SLICE_MS	250 /* of a wait for readiness, between two looks */
#define START_MARGIN_S	5   /* beside the gateway's own time-outs */
#define STOP_MARGIN_S	25
#define RESET_TIMEOUT_S 10

const char *const operation_names[OPERATION_MAX_] = {
	[OPERATION_START] = "start",	 [OPERATION_STOP] = "stop",
	[OPERATION_RESTART] = "restart", [OPERATION_RESET] = "reset",
	[OPERATION_RESTORE] = "restore",
};

int operation_timeout_s(const struct gateway_settings *gateway,
			enum operation_kind kind)
{
	switch (kind) {
	case OPERATION_START:
		return gateway->start_timeout_s + START_MARGIN_S;
	case OPERATION_STOP:
		return gateway->stop_timeout_s + STOP_MARGIN_S;
	case OPERATION_RESTART:
	case OPERATION_RESTORE:
		return gateway->stop_timeout_s + gateway->start_timeout_s +
		       STOP_MARGIN_S;
	case OPERATION_RESET:
	case OPERATION_MAX_:
		break;
	}
	return RESET_TIMEOUT_S;
}

static int is_it(const struct snapshot_row *row, void *user)
{
	const struct operation *operation = user;

	return row->state == SNAPSHOT_COMPLETE &&
	       (operation->snapshot == 0 || row->id == operation->snapshot);
}

/* A gateway is not stopped for a snapshot that is not there. */
static int may_restore(struct operation *operation, struct err *err)
{
	const struct gateway_settings *gateway = operation->gateway;
	int found;

	if (!gateway->backup.directory)
		return err_set(err, ERR_INVALID,
			       "'%s' has no backup configured", gateway->name);
	found = store_snapshots(operation->store, gateway->name, is_it,
				operation, err);
	if (found < 0)
		return -1;
	if (found == 0 && operation->snapshot != 0)
		return err_set(err, ERR_MISSING,
			       "'%s' has no complete snapshot %lld",
			       gateway->name, (long long)operation->snapshot);
	if (found == 0)
		return err_set(err, ERR_MISSING, "'%s' has no snapshot",
			       gateway->name);
	return 0;
}

int operation_open(struct operation *operation, int64_t timeout_ms,
		   struct err *err)
{
	static const enum operation_phase first[OPERATION_MAX_] = {
		[OPERATION_START] = PHASE_CLEAR,
		[OPERATION_STOP] = PHASE_STOP,
		[OPERATION_RESTART] = PHASE_RESTART,
		[OPERATION_RESET] = PHASE_RESET,
		[OPERATION_RESTORE] = PHASE_WISH,
	};

	operation->phase = first[operation->kind];
	operation->deadline = deadline_in(timeout_ms);
	operation->pause_ms = PAUSE_FIRST_MS;
	operation->first = -1;
	operation->told = -1;
	if (operation->kind == OPERATION_RESTORE && may_restore(operation, err))
		return -1;
	return lock_open(&operation->lock_fd, operation->settings->state_dir,
			 operation->gateway->name, err);
}

void operation_close(struct operation *operation)
{
	(void)close(operation->lock_fd);
}

bool operation_pause(struct operation *operation)
{
	struct pollfd client = { .fd = operation->watch_fd,
				 .events = POLLRDHUP };
	int left = deadline_left_ms(operation->deadline);
	int ms = left >= 0 && left < operation->pause_ms ? left
							 : operation->pause_ms;

	if (operation->gone || left == 0)
		return false;
	operation->gone = poll(&client, 1, ms) > 0;
	operation->pause_ms *= 2;
	if (operation->pause_ms > PAUSE_MAX_MS)
		operation->pause_ms = PAUSE_MAX_MS;
	return !operation->gone;
}

const char *operation_aim(const struct operation *operation)
{
	switch (operation->phase) {
	case PHASE_STOP:
	case PHASE_RESTART:
	case PHASE_OVER:
		return "stopped";
	case PHASE_RESET:
		return "reset";
	case PHASE_CLEAR:
	case PHASE_START:
	case PHASE_READY:
	case PHASE_WISH:
		break;
	}
	return "ready";
}

struct ensure operation_ensure(const struct operation *operation,
			       enum want want)
{
	return (struct ensure){
		.settings = operation->settings,
		.gateway = operation->gateway,
		.store = operation->store,
		.request = operation->request,
		.want = want,
		.watch_fd = operation->watch_fd,
	};
}

/* A keeper that restores, or takes a snapshot of what has ended, sees to its own
 * deadlines: ours begins when it is done. */
static void extend(struct operation *operation)
{
	const struct backup_settings *backup = &operation->gateway->backup;
	struct deadline later = deadline_in(
		(int64_t)(operation->gateway->start_timeout_s + STOP_MARGIN_S) *
		1000);

	if (backup->directory && operation->owner_alive &&
	    (operation->row.state == STATE_RESTORING ||
	     operation->row.state == STATE_STOPPING) &&
	    operation->deadline.at_ms < later.at_ms)
		operation->deadline = later;
}

int operation_look(struct operation *operation, struct err *err)
{
	const struct ensure ensure = operation_ensure(operation, WANT_RUN);

	if (ensure_read(&ensure, &operation->row, err) ||
	    lock_is_taken(operation->lock_fd, LOCK_OWNER,
			  &operation->owner_alive, err))
		return -1;
	/* in a database that was just lost; what is asked there is lost, too */
	if (operation->owner_alive && operation->row.generation == 0)
		return err_set(err, ERR_BUSY,
			       "its keeper has not written its row yet");
	if (operation->first < 0)
		operation->first = operation->row.generation;
	extend(operation);
	return 0;
}

int operation_look_for_row(struct operation *operation, struct err *err)
{
	if (operation_look(operation, err))
		return -1;
	if (operation->row.generation > 0 || !operation->owner_alive)
		return 0;
	operation->first = -1;
	lock_poke(operation->lock_fd);
	return err_set(err, ERR_BUSY, "its owner has not written its row");
}

int operation_want(struct operation *operation, enum want what, struct err *err)
{
	if (store_want(operation->store, operation->gateway->name,
		       operation->row.generation, what,
		       operation->hold && what == WANT_STOP, err))
		return -1;
	lock_poke(operation->lock_fd);
	return 0;
}

void operation_asked(struct operation *operation, int64_t generation)
{
	operation->asked = true;
	operation->generation = generation;
}

bool operation_rests(const struct gateway_row *row)
{
	return row->state == STATE_STOPPED || row->state == STATE_COOLDOWN ||
	       row->state == STATE_FAILED;
}

bool operation_is_down(const struct gateway_row *row)
{
	return row->state == STATE_FAILED || row->state == STATE_COOLDOWN;
}

static bool is_held(const struct gateway_row *row)
{
	return row->state == STATE_FAILED && strcmp(row->reason, "held") == 0;
}

/* --- start ----------------------------------------------------------------- */

/* After it nothing of what persons or crashes left keeps the gateway down. What
 * is being stopped comes again as the next generation: so nobody has to wait to
 * start it. */
static int clear_step(struct operation *operation, enum operation_state *ret,
		      struct err *err)
{
	const struct ensure ensure = operation_ensure(operation, WANT_RUN);
	const struct gateway_row *row = &operation->row;
	int result = 0;

	*ret = OPERATION_ASKS;
	if (operation_look(operation, err))
		return -1;
	if (operation_is_down(row))
		result = store_reset(operation->store, row->name,
				     row->generation, err);
	else if (!row->hold && row->state == STATE_STOPPING &&
		 operation->owner_alive && row->want != WANT_RESTART)
		result = operation_want(operation, WANT_RESTART, err);
	else if (row->hold || row->want == WANT_STOP)
		result = operation_want(operation, WANT_RUN, err);
	else
		operation->phase = PHASE_START;
	if (result || operation->phase != PHASE_START)
		return result;
	/* a row that says ready proves nothing when its keeper is gone */
	return ensure_watched(&ensure, err);
}

/* What the first look at a start leads to. */
static int start_asked(struct operation *operation, struct err *err)
{
	const struct gateway_row *row = &operation->row;

	if (operation->asked)
		return 0;
	operation->joined =
		row->state == STATE_STARTING || row->state == STATE_RESTORING;
	if (operation_look(operation, err))
		return -1;
	operation_asked(operation,
			row->generation + (row->want == WANT_RESTART));
	return 0;
}

static int start_step(struct operation *operation, enum operation_state *ret,
		      struct err *err)
{
	const struct ensure ensure = operation_ensure(operation, WANT_RUN);
	const struct seen nothing = { 0 };
	struct deadline slice =
		deadline_min(operation->deadline,
			     deadline_in(operation->asked ? SLICE_MS : 0));
	enum ensure_answer answer = ENSURE_STARTING;

	*ret = operation->asked ? OPERATION_RUNS : OPERATION_ASKS;
	if (ensure_ready(&ensure, nothing, slice, &answer, &operation->row,
			 err))
		return -1;
	switch (answer) {
	case ENSURE_READY:
		operation_asked(operation, operation->row.generation);
		*ret = OPERATION_DONE;
		return 0;
	case ENSURE_REFUSED:
		*ret = OPERATION_REFUSED;
		return 0;
	case ENSURE_GONE:
		operation->gone = true;
		break;
	case ENSURE_STARTING:
	case ENSURE_OVERLOADED: /* it does not wait by itself */
		break;
	}
	if (start_asked(operation, err))
		return -1;
	*ret = OPERATION_RUNS;
	return 0;
}

/* --- stop ------------------------------------------------------------------ */

/* Has all been asked that is to be? A hold is, once its row says so. */
static bool is_told(const struct operation *operation)
{
	return operation->asked && (operation->kind != OPERATION_STOP ||
				    operation->told == operation->generation);
}

/* Asks the owner, or makes one. */
static int stop_ask(struct operation *operation, struct err *err)
{
	const struct ensure ensure = operation_ensure(operation, WANT_STOP);
	const struct gateway_row *row = &operation->row;
	int64_t generation = row->generation;

	if (!operation->owner_alive) {
		if (ensure_claim(&ensure, &generation, err))
			return -1;
		operation->told = operation->hold ? -1 : generation;
		operation_asked(operation, generation);
		return 0;
	}
	if (operation->told == generation || operation_rests(row))
		return 0; /* at it, or just leaving or just coming */
	operation->joined =
		row->want == WANT_STOP && (row->hold || !operation->hold);
	if (!operation->joined && operation_want(operation, WANT_STOP, err))
		return -1;
	operation->told = generation;
	operation_asked(operation, generation);
	return 0;
}

/* Would it start by itself, though nothing of it runs? */
static bool comes_back(const struct operation *operation)
{
	return operation->gateway->always_on &&
	       (operation->row.state == STATE_COOLDOWN ||
		operation->row.state == STATE_STOPPED) &&
	       operation->row.want == WANT_RUN;
}

static int stop_step(struct operation *operation, enum operation_state *ret,
		     struct err *err)
{
	const struct gateway_row *row = &operation->row;
	bool fresh = false;

	*ret = OPERATION_DONE;
	if (operation_look(operation, err))
		return -1;
	/* Stopped as asked, and started again by a request since. */
	if (operation->asked && !operation->hold &&
	    row->generation > operation->generation &&
	    operation_is_fresh(operation, &fresh, err))
		return -1;
	if (fresh)
		return 0;
	if (!operation->owner_alive && operation->asked &&
	    row->state == STATE_FAILED && !is_held(row)) {
		*ret = OPERATION_REFUSED;
		return 0;
	}
	if (!operation->owner_alive && operation_rests(row) &&
	    probe_listens(&operation->gateway->address) == 0) {
		if (!operation->asked)
			operation->generation = row->generation;
		if (operation->hold ? is_held(row) : !comes_back(operation))
			return 0;
		*ret = OPERATION_ASKS;
		return operation_want(operation, WANT_STOP, err);
	}
	*ret = OPERATION_ASKS;
	if (stop_ask(operation, err))
		return -1;
	if (is_told(operation))
		*ret = OPERATION_RUNS;
	return 0;
}

/* --- restore --------------------------------------------------------------- */

/* Whichever start is next fulfils it; one that is past its gate is none. */
static int wish_step(struct operation *operation, enum operation_state *ret,
		     struct err *err)
{
	*ret = OPERATION_ASKS;
	if (operation_look_for_row(operation, err) ||
	    store_restore_want(operation->store, operation->gateway->name,
			       operation->row.generation, true,
			       operation->snapshot, err))
		return -1;
	/* the one that the wish came after is the one to be over */
	operation->first = operation->row.generation;
	operation->join = false;
	operation->phase = PHASE_RESTART;
	return 0;
}

/* --- reset ----------------------------------------------------------------- */

static int reset_step(struct operation *operation, enum operation_state *ret,
		      struct err *err)
{
	*ret = OPERATION_DONE;
	if (operation_look(operation, err) ||
	    store_reset(operation->store, operation->gateway->name,
			operation->row.generation, err) ||
	    (operation->row.restore_wanted &&
	     store_restore_want(operation->store, operation->gateway->name,
				operation->row.generation, false, 0, err)))
		return -1;
	operation->generation = operation->row.generation;
	return 0;
}

int operation_step(struct operation *operation, enum operation_state *ret,
		   struct err *err)
{
	static int (*const steps[])(struct operation *, enum operation_state *,
				    struct err *) = {
		[PHASE_CLEAR] = clear_step,
		[PHASE_START] = start_step,
		[PHASE_STOP] = stop_step,
		[PHASE_RESTART] = operation_restart,
		[PHASE_OVER] = operation_over,
		[PHASE_READY] = operation_ready,
		[PHASE_RESET] = reset_step,
		[PHASE_WISH] = wish_step,
	};
	enum operation_state state = OPERATION_ASKS;
	struct err why;

	if (steps[operation->phase](operation, &state, &why)) {
		if (why.code != ERR_BUSY) {
			*err = why;
			return -1;
		}
		/* somebody was first: look again */
		state = is_told(operation) ? OPERATION_RUNS : OPERATION_ASKS;
	}
	*ret = state;
	return 0;
}
