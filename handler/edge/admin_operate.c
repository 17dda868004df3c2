#include "config.h"

#include "edge/admin_private.h"

#include "base/banned.h"

/* Until it is asked: when that takes longer, somebody is in the way. */
#define ASK_TIMEOUT_MS 5000

static void done(struct admin *admin, const struct operation *operation,
		 bool wait)
{
	json_t *shown = json_object();
	int64_t generation =
		wait ? operation->row.generation : operation->generation;

	admin_set(shown, "success", json_true());
	admin_set(shown, "operation",
		  json_string(operation_names[operation->kind]));
	admin_set(shown, "generation", json_integer(generation));
	admin_set(shown, "joined", json_boolean(operation->joined));
	admin_set(shown, "state",
		  json_string(gateway_state_names[operation->row.state]));
	admin_reply(admin, wait, shown);
}

static void refused(struct admin *admin, const struct gateway_row *row)
{
	admin_refuse(admin, problem_of_row(row), "it is %s%s%s%s%s",
		     gateway_state_names[row->state], *row->reason ? ", " : "",
		     row->reason, *row->detail ? ": " : "", row->detail);
}

static void too_late(struct admin *admin, const struct operation *operation,
		     enum operation_state state)
{
	const char *now = gateway_state_names[operation->row.state];

	if (operation->gone)
		call_leave(admin->call);
	else if (state == OPERATION_RUNS)
		admin_refuse(admin, PROBLEM_OPERATION_TIMEOUT,
			     "not %s in time, it is %s",
			     operation_aim(operation), now);
	else
		admin_refuse(admin, PROBLEM_CONFLICT,
			     "somebody else changes it just now, it is %s",
			     now);
}

static int run(struct operation *operation, bool wait,
	       enum operation_state *ret, struct err *err)
{
	enum operation_state enough = wait ? OPERATION_DONE : OPERATION_RUNS;

	do {
		if (operation_step(operation, ret, err))
			return -1;
	} while (*ret < enough && operation_pause(operation));
	return 0;
}

static void answer(struct admin *admin, const struct operation *operation,
		   enum operation_state state, bool wait)
{
	if (state == OPERATION_REFUSED)
		refused(admin, &operation->row);
	else if (state == OPERATION_DONE || (state == OPERATION_RUNS && !wait))
		done(admin, operation, wait);
	else
		too_late(admin, operation, state);
}

void admin_operate(struct admin *admin, struct operation *operation)
{
	static const struct admin_number number = { "wait", 0, 1, 0 };
	enum operation_state state = OPERATION_ASKS;
	struct call *call = admin->call;
	int64_t wait = 0, timeout_ms = ASK_TIMEOUT_MS;
	struct err err;
	int failed;

	if (!admin_number(admin, &number, &wait))
		return;
	operation->settings = call->settings;
	operation->gateway = call->gateway;
	operation->store = call->store;
	operation->request = call_id(call);
	operation->watch_fd = call->client->watch_fd;
	if (wait)
		timeout_ms = (int64_t)operation_timeout_s(call->gateway,
							  operation->kind) *
			     1000;
	if (operation_open(operation, timeout_ms, &err)) {
		admin_failed(admin, &err);
		return;
	}
	admin_note(admin, operation_names[operation->kind]);
	failed = run(operation, wait != 0, &state, &err);
	operation_close(operation);
	call->row = operation->row;
	if (failed)
		admin_failed(admin, &err);
	else
		answer(admin, operation, state, wait != 0);
}

static void operate(struct admin *admin, enum operation_kind kind, bool hold)
{
	struct operation operation = {
		.kind = kind,
		.hold = hold,
		.join = true,
	};

	admin_operate(admin, &operation);
}

void admin_start(struct admin *admin)
{
	operate(admin, OPERATION_START, false);
}

void admin_stop(struct admin *admin)
{
	static const struct admin_number number = { "hold", 0, 1, 0 };
	int64_t hold = 0;

	if (admin_number(admin, &number, &hold))
		operate(admin, OPERATION_STOP, hold != 0);
}

void admin_restart(struct admin *admin)
{
	operate(admin, OPERATION_RESTART, false);
}

void admin_reset(struct admin *admin)
{
	operate(admin, OPERATION_RESET, false);
}
