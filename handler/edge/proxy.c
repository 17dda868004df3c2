#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "edge/exchange.h"
#include "edge/page.h"
#include "edge/proxy.h"
#include "edge/relay.h"
#include "edge/retry.h"
#include "gateway/ensure.h"

#include "base/banned.h"

struct passage {
	bool wake;
	bool page;	  /* a browser, that gets the loading page */
	bool crashed;	  /* a crash was seen */
	bool fresh;	  /* no kept connection any more */
	bool blind;	  /* the store is silent: the port alone decides */
	struct seen seen; /* what has failed */
};

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

static void leave(struct call *call)
{
	log_line(LEVEL_DEBUG, "gateway=%s msg=\"the client has gone\"",
		 call->gateway->name);
	call->client->door->abort(call->client);
}

static bool may_see_output(const struct call *call)
{
	char **user = call->settings->admin_users;

	if (call->gateway->show_output_to_anyone)
		return true;
	for (; user && *user && *call->request.remote_user; user++) {
		if (strcmp(*user, call->request.remote_user) == 0)
			return true;
	}
	return false;
}

static void send_page(struct call *call)
{
	struct page page = {
		.gateway = call->gateway->name,
		.row = &call->row,
		.outlook = call_outlook(call),
		.show_output = may_see_output(call),
		.id = call_id(call),
	};

	buffer_clear(&call->out);
	page_render(&call->out, &page);
	call_send(call);
}

static void refuse(struct call *call, const struct passage *passage)
{
	char text[sizeof(call->row.reason) + sizeof(call->row.detail) + 32];
	enum problem_code code = problem_of_row(&call->row);

	if (passage->page) {
		send_page(call);
		return;
	}
	(void)snprintf(text, sizeof(text), "%s%s: %s %s",
		       passage->crashed ? "after a crash: " : "",
		       gateway_state_names[call->row.state], call->row.reason,
		       call->row.detail);
	call_problem(call, passage->crashed ? PROBLEM_CRASHED : code, text);
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
			send_page(call);
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
		leave(call);
		break;
	}
	return false;
}

static struct ensure ensure_of(struct call *call)
{
	return (struct ensure){
		.settings = call->settings,
		.gateway = call->gateway,
		.store = call->store,
		.request = call_id(call),
		.want = WANT_RUN,
		.watch_fd = call->client->watch_fd,
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

/* Gives true when the request can be sent; else it has been answered. */
static bool reach(struct call *call, struct passage *passage)
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

static void note(struct call *call, const char *kind)
{
	struct event event = {
		.generation = call->row.generation,
		.pid = call->row.process.pid,
	};
	struct err ignored; /* history is best effort */

	(void)snprintf(event.gateway, sizeof(event.gateway), "%s",
		       call->gateway->name);
	(void)snprintf(event.kind, sizeof(event.kind), "%s", kind);
	(void)snprintf(event.request, sizeof(event.request), "%s",
		       call_id(call));
	if (call->store)
		(void)store_event(call->store, &event, &ignored);
}

/* The gateway that was ready is not: gives true when the request can be sent
 * once more. */
static bool recover(struct call *call, struct passage *passage,
		    const struct exchange *exchange, const struct err *err)
{
	if (passage->blind) {
		call_problem(call, PROBLEM_STORE, err->text);
		return false;
	}
	note(call, "crash_seen");
	if (!passage->wake) {
		call_problem(call, PROBLEM_STARTING, err->text);
		return false;
	}
	log_line(LEVEL_INFO,
		 "request=%s gateway=%s generation=%lld written=%zu "
		 "msg=\"a crash: %s\"",
		 call_id(call), call->gateway->name,
		 (long long)call->row.generation, exchange->written, err->text);
	passage->crashed = true;
	passage->seen.generation = call->row.generation;
	passage->seen.ready_ms = call->row.ready_ms;
	if (!reach(call, passage))
		return false;
	note(call, "retried");
	call->retried = true;
	return true;
}

/* Gives true when the request is to be sent again; else it has been answered. */
static bool broken(struct call *call, struct passage *passage,
		   const struct exchange *exchange, const struct err *err)
{
	const struct retry_evidence evidence = {
		.fresh = exchange->fresh,
		.written = exchange->written,
		.seen = exchange->seen,
		.repeatable = call->request.repeatable,
		.body_replayable = body_replayable(&call->body),
		.retried = call->retried,
	};

	switch (retry_decide(&evidence)) {
	case RETRY_DIAL:
		passage->fresh = true;
		return true;
	case RETRY_ENSURE:
		return recover(call, passage, exchange, err);
	case RETRY_CRASHED:
		note(call, "crash_seen");
		call_problem(call, PROBLEM_CRASHED, err->text);
		return false;
	case RETRY_CLOSED:
	case RETRY_MAX_:
		call_problem(call, PROBLEM_GATEWAY_CLOSED, err->text);
		return false;
	}
	return false;
}

/* A response that broke off before anything of it had left. */
static enum problem_code problem_of_break(const struct err *err)
{
	if (err->code == ERR_INVALID || err->code == ERR_LIMIT)
		return PROBLEM_BAD_RESPONSE;
	return err->code == ERR_TIMEOUT ? PROBLEM_GATEWAY_TIMEOUT
					: PROBLEM_GATEWAY_CLOSED;
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

static void relay(struct call *call, const struct passage *passage,
		  struct exchange *exchange)
{
	struct err err;
	enum relay_end end;

	if (passage->wake && edge_touch(call->store, &call->row))
		see_to_keeper(call);
	end = relay_response(call, exchange, &err);
	if (end == RELAY_DONE)
		return;
	if (end == RELAY_BROKEN && call->client->door->discard(call->client)) {
		call_problem(call, problem_of_break(&err), err.text);
		return;
	}
	log_line(end == RELAY_BROKEN ? LEVEL_WARNING : LEVEL_DEBUG,
		 "request=%s gateway=%s generation=%lld msg=\"%s\"",
		 call_id(call), call->gateway->name,
		 (long long)call->row.generation, err.text);
	call->client->door->abort(call->client);
}

/* What can't be repeated, or might turn out not to be, never meets a connection
 * that may be stale. */
static bool may_reuse(const struct call *call)
{
	const struct request *request = &call->request;
	int64_t held = (int64_t)call->gateway->replay_bytes;

	if (call->client->one_shot || !request->idempotent ||
	    call->row.generation == 0)
		return false;
	if (request->content_length >= 0)
		return request->content_length <= held;
	return !request->transfer_coded && strcmp(request->method, "PUT") != 0;
}

/* One attempt; gives true when there is to be another. */
static bool attempt(struct call *call, struct passage *passage)
{
	bool reuse = !passage->fresh && may_reuse(call);
	struct exchange exchange;
	bool again = false;
	struct err err;

	switch (exchange_run(call, reuse, &exchange, &err)) {
	case EXCHANGE_HEAD:
		relay(call, passage, &exchange);
		break;
	case EXCHANGE_BROKEN:
		again = broken(call, passage, &exchange, &err);
		break;
	case EXCHANGE_TIMEOUT:
		call_problem(call, PROBLEM_GATEWAY_TIMEOUT, err.text);
		break;
	case EXCHANGE_BAD:
		call_problem(call, PROBLEM_BAD_RESPONSE, err.text);
		break;
	case EXCHANGE_UNREACHABLE:
		call_problem(call, PROBLEM_UNREACHABLE, err.text);
		break;
	case EXCHANGE_GONE:
		leave(call);
		break;
	case EXCHANGE_TOO_LARGE:
		call_problem(call, PROBLEM_BODY_TOO_LARGE, err.text);
		break;
	}
	exchange_close(&exchange);
	return again;
}

void proxy_answer(struct call *call, bool wake)
{
	struct passage passage = {
		.wake = wake,
		.page = wake && call->gateway->loading_page &&
			call->request.navigation,
	};

	if (!reach(call, &passage))
		return;
	while (attempt(call, &passage))
		;
}
