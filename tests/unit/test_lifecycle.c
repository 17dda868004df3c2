/* The lifecycle's table, cell by cell, and the pure decisions beside it. */
#include "config.h"

#include <string.h>

#include "gateway/lifecycle.h"
#include "unit/tap.h"

#include "base/banned.h"

#define NOW 1000000

/* Every cell that means something: all others must be ACTION_NONE and stay. */
static const struct cell {
	enum gateway_state state;
	enum lifecycle_event event;
	enum gateway_state next;
	enum lifecycle_action action;
} cells[] = {
	{ STATE_STOPPED, EVENT_CLAIMED, STATE_STARTING, ACTION_LOOK },
	{ STATE_RESTORING, EVENT_CLAIMED, STATE_STARTING, ACTION_LOOK },
	{ STATE_RESTORING, EVENT_RESTORED, STATE_STARTING, ACTION_SPAWN },
	{ STATE_RESTORING, EVENT_RESTORE_FAILED, STATE_FAILED, ACTION_END },
	{ STATE_RESTORING, EVENT_STOP_WANTED, STATE_STOPPING, ACTION_PROVE },
	{ STATE_STARTING, EVENT_CLAIMED, STATE_STARTING, ACTION_LOOK },
	{ STATE_STARTING, EVENT_NOTHING_RUNS, STATE_STARTING, ACTION_SPAWN },
	{ STATE_STARTING, EVENT_RUNS, STATE_STARTING, ACTION_ADOPT },
	{ STATE_STARTING, EVENT_BOOTS, STATE_STARTING, ACTION_ADOPT },
	{ STATE_STARTING, EVENT_STRAYS, STATE_STARTING, ACTION_CLEAN },
	{ STATE_STARTING, EVENT_STRANGER, STATE_FAILED, ACTION_END },
	{ STATE_STARTING, EVENT_LOOK_TIMEOUT, STATE_COOLDOWN, ACTION_END },
	{ STATE_STARTING, EVENT_RESTORE_DUE, STATE_RESTORING, ACTION_RESTORE },
	{ STATE_STARTING, EVENT_SPAWN_FAILED, STATE_FAILED, ACTION_END },
	{ STATE_STARTING, EVENT_PROBE_OK, STATE_READY, ACTION_SERVE },
	{ STATE_STARTING, EVENT_NOT_LISTENING, STATE_STARTING, ACTION_PROBE },
	{ STATE_STARTING, EVENT_START_TIMEOUT, STATE_STOPPING, ACTION_STOP },
	{ STATE_STARTING, EVENT_ENDED, STATE_STOPPING, ACTION_PROVE },
	{ STATE_STARTING, EVENT_STOP_WANTED, STATE_STOPPING, ACTION_STOP },
	{ STATE_STARTING, EVENT_NOT_DEAD, STATE_FAILED, ACTION_END },
	{ STATE_READY, EVENT_CLAIMED, STATE_STARTING, ACTION_LOOK },
	{ STATE_READY, EVENT_PROBE_OK, STATE_READY, ACTION_SERVE },
	{ STATE_READY, EVENT_NOT_LISTENING, STATE_STARTING, ACTION_PROBE },
	{ STATE_READY, EVENT_ENDED, STATE_STOPPING, ACTION_PROVE },
	{ STATE_READY, EVENT_STOP_WANTED, STATE_STOPPING, ACTION_STOP },
	{ STATE_READY, EVENT_IDLE, STATE_STOPPING, ACTION_DRAIN },
	{ STATE_STOPPING, EVENT_USED, STATE_READY, ACTION_SERVE },
	{ STATE_STOPPING, EVENT_UNUSED, STATE_STOPPING, ACTION_STOP },
	{ STATE_STOPPING, EVENT_CLAIMED, STATE_STARTING, ACTION_LOOK },
	{ STATE_STOPPING, EVENT_GONE, STATE_STOPPED, ACTION_SETTLE },
	{ STATE_STOPPING, EVENT_NOT_DEAD, STATE_FAILED, ACTION_END },
	{ STATE_COOLDOWN, EVENT_CLAIMED, STATE_STARTING, ACTION_LOOK },
	{ STATE_COOLDOWN, EVENT_RESET, STATE_STOPPED, ACTION_END },
	{ STATE_FAILED, EVENT_CLAIMED, STATE_STARTING, ACTION_LOOK },
	{ STATE_FAILED, EVENT_RESET, STATE_STOPPED, ACTION_END },
};

static struct lifecycle_step expected(enum gateway_state state,
				      enum lifecycle_event event)
{
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		if (cells[i].state == state && cells[i].event == event)
			return (struct lifecycle_step){ cells[i].next,
							cells[i].action };
	return (struct lifecycle_step){ state, ACTION_NONE };
}

static void test_table(void)
{
	for (int state = 0; state < STATE_MAX_; state++)
		for (int event = 0; event < EVENT_MAX_; event++) {
			struct lifecycle_step want =
				expected((enum gateway_state)state,
					 (enum lifecycle_event)event);
			struct lifecycle_step got =
				lifecycle_next((enum gateway_state)state,
					       (enum lifecycle_event)event);

			ok(got.state == want.state && got.action == want.action,
			   "state %d, event %d", state, event);
		}
}

static bool spawns_only_after_a_look(void)
{
	for (int state = 0; state < STATE_MAX_; state++)
		for (int event = 0; event < EVENT_MAX_; event++)
			if (lifecycle_next((enum gateway_state)state,
					   (enum lifecycle_event)event)
					    .action == ACTION_SPAWN &&
			    event != EVENT_NOTHING_RUNS &&
			    event != EVENT_RESTORED)
				return false;
	return true;
}

static struct gateway_row row_in(enum gateway_state state)
{
	return (struct gateway_row){ .state = state,
				     .generation = 7,
				     .ready_ms = 500,
				     .heartbeat_ms = NOW - 1000,
				     .exit_code = EXIT_CODE_NONE };
}

static enum request_action ask(const struct gateway_row *row, bool owner_alive,
			       int64_t seen_generation, int64_t seen_ready_ms)
{
	struct request_view view = { .seen_generation = seen_generation,
				     .seen_ready_ms = seen_ready_ms,
				     .owner_alive = owner_alive,
				     .now_ms = NOW,
				     .lease_ms = 30000 };

	return lifecycle_request(row, &view);
}

static void test_requests(void)
{
	struct gateway_row row = row_in(STATE_READY);

	ok(ask(&row, true, 0, 0) == REQUEST_PASS, "ready is passed on");
	ok(ask(&row, false, 0, 0) == REQUEST_PASS,
	   "ready is passed on without a keeper, too");
	ok(ask(&row, true, 7, 500) == REQUEST_POKE,
	   "ready as it was seen to fail: the keeper is asked");
	ok(ask(&row, false, 7, 500) == REQUEST_CLAIM,
	   "ready as it was seen to fail, and no keeper: claimed");
	ok(ask(&row, true, 7, 400) == REQUEST_PASS,
	   "ready again in the same generation is passed on");
	row.hold = true;
	ok(ask(&row, true, 0, 0) == REQUEST_REFUSE, "held is refused at once");

	for (int state = STATE_RESTORING; state <= STATE_STOPPING; state++) {
		if (state == STATE_READY)
			continue;
		row = row_in((enum gateway_state)state);
		ok(ask(&row, true, 0, 0) == REQUEST_WAIT,
		   "state %d with an owner is waited for", state);
		ok(ask(&row, false, 0, 0) == REQUEST_CLAIM,
		   "state %d without an owner is claimed", state);
		row.heartbeat_ms = NOW - 30001;
		ok(ask(&row, true, 0, 0) == REQUEST_REPLACE,
		   "state %d with a silent owner is taken from it", state);
	}
	row = row_in(STATE_STOPPED);
	ok(ask(&row, false, 0, 0) == REQUEST_CLAIM, "stopped is claimed");
	row = row_in(STATE_COOLDOWN);
	row.retry_at_ms = NOW + 1;
	ok(ask(&row, false, 0, 0) == REQUEST_REFUSE, "cooldown is refused");
	row.retry_at_ms = NOW + 3600000;
	ok(ask(&row, false, 0, 0) == REQUEST_CLAIM,
	   "a clock that was put back makes it no longer");
	row.retry_at_ms = NOW;
	ok(ask(&row, false, 0, 0) == REQUEST_CLAIM, "cooldown over: claimed");
	row = row_in(STATE_FAILED);
	ok(ask(&row, false, 0, 0) == REQUEST_REFUSE, "failed is refused");
}

static struct settlement end_with(struct ending ending)
{
	static int final[] = { 78 };
	const struct gateway_settings gateway = { .max_failures = 6,
						  .restarts_max = 10,
						  .final_exit_codes = final,
						  .final_exit_codes_count = 1 };

	ending.now_ms = NOW;
	return lifecycle_settle(&ending, &gateway);
}

static void test_failures(void)
{
	static const int64_t waits_s[] = { -1, 0, 1, 2, 4, 8 };
	struct settlement end;

	for (int failures = 0; failures < 5; failures++) {
		end = end_with((struct ending){ .failures = failures,
						.exit_code = 1 });
		ok(end.failures == failures + 1, "failure %d counts",
		   failures + 1);
		ok(failures == 0
			   ? end.state == STATE_STOPPED
			   : end.state == STATE_COOLDOWN &&
				     end.retry_at_ms ==
					     NOW + waits_s[failures + 1] * 1000,
		   "failure %d waits %lld s", failures + 1,
		   (long long)waits_s[failures + 1]);
	}
	end = end_with((struct ending){ .failures = 5, .exit_code = 1 });
	ok(end.state == STATE_FAILED && strcmp(end.reason, "max_failures") == 0,
	   "the sixth needs a person");
	end = end_with((struct ending){
		.failures = 5, .exit_code = 1, .served_ms = 59999 });
	ok(end.state == STATE_FAILED, "also when it was ready for a while");
	end = end_with((struct ending){
		.failures = 5, .exit_code = 1, .served_ms = 60000 });
	ok(end.state == STATE_STOPPED && end.failures == 0,
	   "one that was ready for a minute had started");
}

static void test_endings(void)
{
	struct settlement end;

	end = end_with((struct ending){ .exit_code = 78 });
	ok(end.state == STATE_FAILED && strcmp(end.reason, "exit_code") == 0,
	   "a final exit code needs a person at once");
	end = end_with((struct ending){ .exit_code = 78, .wanted = true });
	ok(end.state == STATE_STOPPED, "but not when a person stopped it");
	end = end_with((struct ending){ .wanted = true, .hold = true });
	ok(end.state == STATE_FAILED && strcmp(end.reason, "held") == 0,
	   "stop --hold holds");
	end = end_with((struct ending){ .answered = true,
					.failures = 4,
					.exits = 10,
					.exit_code = EXIT_CODE_NONE });
	ok(end.state == STATE_STOPPED && end.failures == 0,
	   "a generation that answered sets the count to 0");
	end = end_with((struct ending){
		.answered = true, .exits = 11, .exit_code = EXIT_CODE_NONE });
	ok(end.state == STATE_COOLDOWN && end.retry_at_ms > NOW,
	   "too many restarts within a minute are a loop");
	end = end_with((struct ending){
		.timeout = true, .failures = 5, .exit_code = EXIT_CODE_NONE });
	ok(strcmp(end.reason, "start_timeout") == 0,
	   "the reason says that it was never ready in time");
}

static int64_t idle_in(int64_t request_ms, int64_t active_ms, bool passing)
{
	const struct usage_view view = { .ready_ms = 100000,
					 .request_ms = request_ms,
					 .active_ms = active_ms,
					 .passing = passing };

	return lifecycle_idle_in(&view, 3);
}

static void test_idle(void)
{
	const struct usage_view young = { .ready_ms = 1000,
					  .request_ms = INT64_MAX,
					  .active_ms = INT64_MAX };
	struct settlement end = end_with(
		(struct ending){ .idle = true, .exit_code = EXIT_CODE_NONE });

	ok(idle_in(INT64_MAX, INT64_MAX, false) == 0,
	   "never used since it is ready: idle");
	ok(idle_in(3400, INT64_MAX, false) == 100,
	   "a request that was not written may have followed the last");
	ok(idle_in(3500, INT64_MAX, false) == 0, "but not later than that");
	ok(idle_in(9000, 1000, false) == 2000, "seen in use: not idle");
	ok(idle_in(9000, -500, false) == 3500, "in use until a moment to come");
	ok(idle_in(9000, 9000, true) > 0, "what does not count is not cut off");
	ok(lifecycle_idle_in(&young, 3) == 2000, "readiness counts as use");
	ok(lifecycle_idle_in(&young, 0) == -1, "0 is never");
	ok(lifecycle_touch_ms(0) == 5000 && lifecycle_touch_ms(600) == 5000 &&
		   lifecycle_touch_ms(3) == 500,
	   "the row is never older than a sixth of the time");
	ok(end.state == STATE_STOPPED && strcmp(end.reason, "idle") == 0,
	   "an idle stop ends as stopped, and says why");
	end = end_with(
		(struct ending){ .idle = true, .wanted = true, .hold = true });
	ok(strcmp(end.reason, "held") == 0, "a person's hold goes first");
}

static void test_clock(void)
{
	ok(!lifecycle_clock_was_set(NOW, NOW, 30000) &&
		   !lifecycle_clock_was_set(NOW + 11000, NOW, 30000),
	   "a clock that goes on as it should was not set");
	ok(lifecycle_clock_was_set(NOW + 31000, NOW, 30000),
	   "one that leaps past the lease was");
	ok(lifecycle_clock_was_set(NOW - 1, NOW, 30000), "one put back was");
}

int main(void)
{
	test_table();
	ok(spawns_only_after_a_look(), "nothing is spawned without a look");
	test_requests();
	test_failures();
	test_endings();
	test_idle();
	test_clock();
	return done_testing();
}
