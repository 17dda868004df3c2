#include "config.h"

#include "gateway/lifecycle.h"

#include "base/banned.h"

#define COOLDOWN_MAX_S	 60
#define LOOP_COOLDOWN_MS 10000
#define SERVED_MS	 60000
#define TOUCH_MAX_MS	 5000
#define IDLE_AGAIN_MS	 500

#define ON(event, next, what) [event] = { .state = (next), .action = (what) }

/* A cell that is not named is all zero: ACTION_NONE, and the state stays. */
static const struct lifecycle_step table[STATE_MAX_][EVENT_MAX_] = {
	[STATE_STOPPED] = {
		ON(EVENT_CLAIMED, STATE_STARTING, ACTION_LOOK),
	},
	[STATE_RESTORING] = {
		ON(EVENT_CLAIMED, STATE_STARTING, ACTION_LOOK),
		ON(EVENT_RESTORED, STATE_STARTING, ACTION_SPAWN),
		ON(EVENT_RESTORE_FAILED, STATE_FAILED, ACTION_END),
		ON(EVENT_STOP_WANTED, STATE_STOPPING, ACTION_PROVE),
	},
	[STATE_STARTING] = {
		ON(EVENT_CLAIMED, STATE_STARTING, ACTION_LOOK),
		ON(EVENT_NOTHING_RUNS, STATE_STARTING, ACTION_SPAWN),
		ON(EVENT_RUNS, STATE_STARTING, ACTION_ADOPT),
		ON(EVENT_BOOTS, STATE_STARTING, ACTION_ADOPT),
		ON(EVENT_STRAYS, STATE_STARTING, ACTION_CLEAN),
		ON(EVENT_STRANGER, STATE_FAILED, ACTION_END),
		ON(EVENT_LOOK_TIMEOUT, STATE_COOLDOWN, ACTION_END),
		ON(EVENT_RESTORE_DUE, STATE_RESTORING, ACTION_RESTORE),
		ON(EVENT_SPAWN_FAILED, STATE_FAILED, ACTION_END),
		ON(EVENT_PROBE_OK, STATE_READY, ACTION_SERVE),
		ON(EVENT_NOT_LISTENING, STATE_STARTING, ACTION_PROBE),
		ON(EVENT_START_TIMEOUT, STATE_STOPPING, ACTION_STOP),
		ON(EVENT_ENDED, STATE_STOPPING, ACTION_PROVE),
		ON(EVENT_STOP_WANTED, STATE_STOPPING, ACTION_STOP),
		ON(EVENT_NOT_DEAD, STATE_FAILED, ACTION_END),
	},
	[STATE_READY] = {
		ON(EVENT_CLAIMED, STATE_STARTING, ACTION_LOOK),
		ON(EVENT_PROBE_OK, STATE_READY, ACTION_SERVE),
		ON(EVENT_NOT_LISTENING, STATE_STARTING, ACTION_PROBE),
		ON(EVENT_ENDED, STATE_STOPPING, ACTION_PROVE),
		ON(EVENT_STOP_WANTED, STATE_STOPPING, ACTION_STOP),
		ON(EVENT_IDLE, STATE_STOPPING, ACTION_DRAIN),
	},
	[STATE_STOPPING] = {
		ON(EVENT_CLAIMED, STATE_STARTING, ACTION_LOOK),
		ON(EVENT_USED, STATE_READY, ACTION_SERVE),
		ON(EVENT_UNUSED, STATE_STOPPING, ACTION_STOP),
		ON(EVENT_GONE, STATE_STOPPED, ACTION_SETTLE),
		ON(EVENT_NOT_DEAD, STATE_FAILED, ACTION_END),
	},
	[STATE_COOLDOWN] = {
		ON(EVENT_CLAIMED, STATE_STARTING, ACTION_LOOK),
		ON(EVENT_RESET, STATE_STOPPED, ACTION_END),
	},
	[STATE_FAILED] = {
		ON(EVENT_CLAIMED, STATE_STARTING, ACTION_LOOK),
		ON(EVENT_RESET, STATE_STOPPED, ACTION_END),
	},
};

struct lifecycle_step lifecycle_next(enum gateway_state state,
				     enum lifecycle_event event)
{
	struct lifecycle_step step = table[state][event];

	if (step.action == ACTION_NONE)
		step.state = state;
	return step;
}

static bool is_refused(const struct gateway_row *row, int64_t now_ms)
{
	if (row->hold || row->state == STATE_FAILED)
		return true;
	/* none is longer: else the clock was put back */
	return row->state == STATE_COOLDOWN && now_ms < row->retry_at_ms &&
	       row->retry_at_ms - now_ms <= COOLDOWN_MAX_S * 1000;
}

enum request_action lifecycle_request(const struct gateway_row *row,
				      const struct request_view *view)
{
	bool seen = row->generation == view->seen_generation &&
		    row->ready_ms == view->seen_ready_ms;

	if (is_refused(row, view->now_ms))
		return REQUEST_REFUSE;
	if (row->state == STATE_READY && !seen)
		return REQUEST_PASS;
	if (!view->owner_alive)
		return REQUEST_CLAIM;
	if (view->now_ms - row->heartbeat_ms > view->lease_ms &&
	    row->heartbeat_ms > 0)
		return REQUEST_REPLACE;
	/* ready, but not for us; or at rest, though an owner lives: it writes to
	 * a database that was replaced */
	if (row->state == STATE_READY || row->state == STATE_STOPPED ||
	    row->state == STATE_COOLDOWN)
		return REQUEST_POKE;
	return REQUEST_WAIT;
}

bool lifecycle_restore_due(const struct restore_view *view)
{
	return view->configured &&
	       (view->wanted || view->marker == MARKER_NONE);
}

bool lifecycle_clock_was_set(int64_t now_ms, int64_t heartbeat_ms,
			     int64_t lease_ms)
{
	/* by its own clock it speaks each third of the lease */
	return now_ms < heartbeat_ms || now_ms - heartbeat_ms > lease_ms / 2;
}

static bool is_final(int exit_code, const struct gateway_settings *gateway)
{
	for (size_t i = 0; i < gateway->final_exit_codes_count; i++)
		if (exit_code == gateway->final_exit_codes[i])
			return true;
	return false;
}

/* The n-th failed start in a row: the first is tried again at once. */
static struct settlement settle_failure(const struct ending *ending, int max)
{
	int count = ending->failures + 1;
	int wait_s = COOLDOWN_MAX_S;

	if (count >= max)
		return (struct settlement){ STATE_FAILED,
					    ending->timeout ? "start_timeout"
							    : "max_failures",
					    count, 0 };
	if (count == 1)
		return (struct settlement){ STATE_STOPPED, "", count, 0 };
	if (count - 2 < 6 && (1 << (count - 2)) < COOLDOWN_MAX_S)
		wait_s = 1 << (count - 2);
	return (struct settlement){ STATE_COOLDOWN,
				    ending->timeout ? "start_timeout"
						    : "crash_loop",
				    count,
				    ending->now_ms + (int64_t)wait_s * 1000 };
}

int lifecycle_touch_ms(int idle_stop_s)
{
	int64_t ms = (int64_t)idle_stop_s * 1000 / 6;

	return idle_stop_s == 0 || ms > TOUCH_MAX_MS ? TOUCH_MAX_MS : (int)ms;
}

static int64_t min_ms(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t lifecycle_idle_in(const struct usage_view *view, int idle_stop_s)
{
	int64_t idle_ms = (int64_t)idle_stop_s * 1000;
	/* there may have been later ones that were not written */
	int64_t age_ms = view->request_ms - lifecycle_touch_ms(idle_stop_s);

	if (idle_stop_s == 0)
		return -1;
	age_ms = min_ms(min_ms(age_ms, view->ready_ms), view->active_ms);
	if (age_ms < idle_ms)
		return idle_ms - age_ms;
	return view->passing ? IDLE_AGAIN_MS : 0;
}

struct settlement lifecycle_settle(const struct ending *ending,
				   const struct gateway_settings *gateway)
{
	if (ending->wanted && ending->hold)
		return (struct settlement){ STATE_FAILED, "held", 0, 0 };
	if (ending->idle)
		return (struct settlement){ STATE_STOPPED, "idle", 0, 0 };
	if (ending->wanted)
		return (struct settlement){ STATE_STOPPED, "", 0, 0 };
	if (is_final(ending->exit_code, gateway))
		return (struct settlement){ STATE_FAILED, "exit_code",
					    ending->failures + 1, 0 };
	if (!ending->answered && ending->served_ms < SERVED_MS)
		return settle_failure(ending, gateway->max_failures);
	if (ending->exits > gateway->restarts_max)
		return (struct settlement){ STATE_COOLDOWN, "crash_loop", 0,
					    ending->now_ms + LOOP_COOLDOWN_MS };
	return (struct settlement){ STATE_STOPPED, "", 0, 0 };
}
