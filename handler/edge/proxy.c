#include "config.h"

#include <string.h>

#include "base/deadline.h"
#include "base/log.h"
#include "edge/exchange.h"
#include "edge/passage.h"
#include "edge/proxy.h"
#include "edge/relay.h"
#include "edge/retry.h"

#include "base/banned.h"

#define DRAIN_MS 30000

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
		return passage_recover(call, passage, exchange->written, err);
	case RETRY_CRASHED:
		passage_note(call, "crash_seen");
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

/* The answer came before the request was through. A web server that is not done
 * sending would not take it, and wait for us to read as we for it. */
static void drain(struct call *call, const struct exchange *exchange)
{
	const struct request *request = &call->request;

	if (!exchange->sent_all && request->half_duplex &&
	    (request->content_length >= 0 || request->transfer_coded))
		body_drain(&call->body, deadline_in(DRAIN_MS));
}

/* Gives true when the request is to be sent again: the gateway died, and nothing
 * of its answer has left yet. */
static bool relay(struct call *call, struct passage *passage,
		  struct exchange *exchange)
{
	struct err err;
	enum relay_end end;

	drain(call, exchange);
	passage_answered(call, passage);
	end = relay_response(call, exchange, &err);
	if (end == RELAY_DONE)
		return false;
	if (end == RELAY_BROKEN && call->client->door->discard(call->client)) {
		if (problem_of_break(&err) == PROBLEM_GATEWAY_CLOSED)
			return broken(call, passage, exchange, &err);
		call_problem(call, problem_of_break(&err), err.text);
		return false;
	}
	log_line(end == RELAY_BROKEN ? LEVEL_WARNING : LEVEL_DEBUG,
		 "request=%s gateway=%s generation=%lld msg=\"%s\"",
		 call_id(call), call->gateway->name,
		 (long long)call->row.generation, err.text);
	call->status = 0;
	call->client->door->abort(call->client);
	return false;
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

static enum exchange_end try(struct call *call, struct err *err)
{
	return exchange_send(call, !call->passage.fresh && may_reuse(call),
			     &call->exchange, err);
}

/* An attempt has ended; gives true when there is to be another. */
static bool settle(struct call *call, enum exchange_end end,
		   const struct err *err)
{
	bool again = false;

	switch (end) {
	case EXCHANGE_SENT:
	case EXCHANGE_HEAD:
		again = relay(call, &call->passage, &call->exchange);
		break;
	case EXCHANGE_BROKEN:
		again = broken(call, &call->passage, &call->exchange, err);
		break;
	case EXCHANGE_TIMEOUT:
		call_problem(call, PROBLEM_GATEWAY_TIMEOUT, err->text);
		break;
	case EXCHANGE_BAD:
		call_problem(call, PROBLEM_BAD_RESPONSE, err->text);
		break;
	case EXCHANGE_UNREACHABLE:
		call_problem(call, PROBLEM_UNREACHABLE, err->text);
		break;
	case EXCHANGE_GONE:
		call_leave(call);
		break;
	case EXCHANGE_TOO_LARGE:
		call_problem(call, PROBLEM_BODY_TOO_LARGE, err->text);
		break;
	}
	exchange_close(&call->exchange);
	return again;
}

static void go_on(struct call *call, enum exchange_end end, struct err *err)
{
	for (;;) {
		if (end == EXCHANGE_SENT)
			end = exchange_hear(call, &call->exchange, err);
		if (!settle(call, end, err))
			return;
		end = try(call, err);
	}
}

bool proxy_begin(struct call *call, bool wake)
{
	enum exchange_end end;
	struct err err;

	call->passage = (struct passage){
		.wake = wake,
		.page = wake && call->gateway->loading_page &&
			call->request.navigation,
	};
	if (!passage_reach(call, &call->passage))
		return true;
	end = try(call, &err);
	if (end == EXCHANGE_SENT)
		return false;
	go_on(call, end, &err);
	return true;
}

void proxy_end(struct call *call)
{
	struct err err;

	go_on(call, EXCHANGE_SENT, &err);
}
