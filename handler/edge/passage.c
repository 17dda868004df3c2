#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "edge/exchange.h"
#include "edge/loading.h"
#include "edge/passage.h"
#include "gateway/ensure.h"
#include "gateway/view.h"

#include "base/banned.h"

static bool is_store_trouble(const struct err *err)
{
	return err->code == ERR_STORE || err->code == ERR_STORE_MOVED ||
	       err->code == ERR_CORRUPT || err->code == ERR_INVALID;
}

static void go_blind(struct call *call, struct passage *passage,
		     const struct err *err)
{
	log_line(LEVEL_WARNING,
		 "gateway=%s msg=\"%s, going on without the store\"",
		 call->gateway->name, err->text);
	passage->blind = true;
	call->row.generation = 0;
	call->row.ready_ms = 0;
}

static void refuse(struct call *call, const struct passage *passage)
{
	char text[sizeof(call->row.reason) + sizeof(call->row.detail) + 32];
	enum problem_code code = problem_of_row(&call->row);

	if (passage->page) {
		loading_send(call);
		return;
	}
	(void)snprintf(text, sizeof(text), "%s%s: %s %s",
		       passage->crashed ? "after a crash: " : "",
		       gateway_state_names[call->row.state], call->row.reason,
		       call->row.detail);
	call_refuse(call,
		    &(struct refusal){
			    .code = passage->crashed ? PROBLEM_CRASHED : code,
			    .text = text,
			    /* what was wrong with the snapshot is told
				   * to those who wait for it, too */
			    .detail = code == PROBLEM_RESTORE_FAILED
					      ? call->row.detail
					      : NULL,
		    });
}

/* Gives true when the gateway is ready; else the request has been answered. */
static bool by_answer(struct call *call, const struct passage *passage,
		      enum ensure_answer answer)
{
	switch (answer) {
	case ENSURE_READY:
		return true;
	case ENSURE_STARTING:
		if (passage->page)
			loading_send(call);
		else
			call_problem(call, PROBLEM_STARTING,
				     "not ready in time");
		break;
	case ENSURE_REFUSED:
		refuse(call, passage);
		break;
	case ENSURE_OVERLOADED:
		call_problem(call, PROBLEM_OVERLOADED, "too many wait");
		break;
	case ENSURE_GONE:
		call_leave(call);
		break;
	}
	return false;
}

static bool on_wait(void *user, bool begins)
{
	struct client *client = ((struct call *)user)->client;

	return !client->door->wait || client->door->wait(client, begins);
}

/* An abort is heard, too. */
static bool on_pause(void *user, int ms)
{
	const struct exchange none = { .fd = -1 };

	return exchange_wait(user, &none, 0, deadline_in(ms)) != 0;
}

static void on_slow(void *user)
{
	client_step_aside(((struct call *)user)->client);
}

static struct ensure ensure_of(struct call *call)
{
	return (struct ensure){
		.settings = call->settings,
		.gateway = call->gateway,
		.store = call->store,
		.request = call_id(call),
		.want = WANT_RUN,
		.watch_fd = -1,
		.on_pause = on_pause,
		.on_wait = on_wait,
		.on_slow = on_slow,
		.user = call,
		.found = &call->found,
	};
}

/* Runs ensure_ready(), and once more when the database was replaced. */
static int ensure(struct call *call, const struct passage *passage,
		  enum ensure_answer *ret, struct err *err)
{
	const struct ensure ensure = ensure_of(call);
	bool at_once = passage->page && !passage->crashed;
	struct deadline deadline = deadline_in(
		at_once ? 0 : (int64_t)call->gateway->wait_s * 1000);

	if (ensure_ready(&ensure, passage->seen, deadline, ret, &call->row,
			 err) == 0)
		return 0;
	if ((err->code != ERR_STORE_MOVED && err->code != ERR_CORRUPT) ||
	    store_reopen(call->store, err))
		return -1;
	return ensure_ready(&ensure, passage->seen, deadline, ret, &call->row,
			    err);
}

/* A request that must not wake: only a look at the row. */
static bool look(struct call *call, struct passage *passage)
{
	struct err err;

	if (store_read(call->store, call->gateway->name, &call->row, &err)) {
		go_blind(call, passage, &err);
		return true;
	}
	if (call->row.state == STATE_READY)
		return true;
	call_problem(call,
		     call->row.hold || call->row.state == STATE_FAILED ||
				     call->row.state == STATE_COOLDOWN
			     ? problem_of_row(&call->row)
			     : PROBLEM_STARTING,
		     "not ready, and not to be woken");
	return false;
}

bool passage_reach(struct call *call, struct passage *passage)
{
	enum ensure_answer answer = ENSURE_STARTING;
	struct err err;

	if (!call->store &&
	    edge_store(call->edge, call->settings, &call->store, &err)) {
		go_blind(call, passage, &err);
		return true;
	}
	if (!passage->wake)
		return look(call, passage);
	if (ensure(call, passage, &answer, &err) == 0)
		return by_answer(call, passage, answer);
	if (!is_store_trouble(&err)) {
		call_problem(call, PROBLEM_FAILED, err.text);
		return false;
	}
	if (passage->crashed) {
		call_problem(call, PROBLEM_STORE, err.text);
		return false;
	}
	go_blind(call, passage, &err);
	return true;
}

static void note(struct call *call, const char *kind, const char *detail)
{
	struct event event = {
		.generation = call->row.generation,
		.pid = call->row.process.pid,
		.detail = detail,
	};
	struct err ignored; /* history is best effort */

	client_step_aside(call->client);
	(void)snprintf(event.gateway, sizeof(event.gateway), "%s",
		       call->gateway->name);
	(void)snprintf(event.kind, sizeof(event.kind), "%s", kind);
	(void)snprintf(event.request, sizeof(event.request), "%s",
		       call_id(call));
	if (call->store)
		(void)store_event(call->store, &event, &ignored);
}

void passage_note(struct call *call, const char *kind)
{
	note(call, kind, NULL);
}

static void note_crash(struct call *call, size_t written, const struct err *err)
{
	json_t *detail = json_pack("{s:o, s:I}", "why", view_text(err->text),
				   "written", (json_int_t)written);
	CLEANUP_FREE char *text = json_dumps(detail, JSON_COMPACT);

	json_decref(detail);
	ensure_note_found(&call->found, &call->row);
	note(call, "crash_seen", text);
	call->crashed_generation = call->row.generation;
}

bool passage_recover(struct call *call, struct passage *passage, size_t written,
		     const struct err *err)
{
	if (passage->blind) {
		call_problem(call, PROBLEM_STORE, err->text);
		return false;
	}
	note_crash(call, written, err);
	if (!passage->wake) {
		call_problem(call, PROBLEM_STARTING, err->text);
		return false;
	}
	log_line(LEVEL_INFO,
		 "request=%s gateway=%s generation=%lld written=%zu "
		 "msg=\"a crash: %s\"",
		 call_id(call), call->gateway->name,
		 (long long)call->row.generation, written, err->text);
	passage->crashed = true;
	passage->seen.generation = call->row.generation;
	passage->seen.ready_ms = call->row.ready_ms;
	if (!passage_reach(call, passage))
		return false;
	passage_note(call, "retried");
	call->retried = true;
	return true;
}

/* Now and then: a gateway whose keeper was killed gets a new one before it is
 * missed. */
static void see_to_keeper(struct call *call)
{
	const struct ensure ensure = ensure_of(call);
	struct err err;

	if (ensure_watched(&ensure, &err))
		log_line(LEVEL_WARNING, "gateway=%s msg=\"%s, going on\"",
			 call->gateway->name, err.text);
}

void passage_answered(struct call *call, const struct passage *passage)
{
	if (!passage->wake || !call->store ||
	    !edge_touch_is_due(&call->row, call->gateway))
		return;
	client_step_aside(call->client);
	edge_touch(call->store, &call->row);
	see_to_keeper(call);
}
