#include "config.h"

#include <string.h>

#include "base/log.h"
#include "edge/access.h"
#include "edge/admin.h"
#include "edge/admit.h"
#include "edge/answer.h"
#include "edge/head.h"
#include "edge/loading.h"
#include "edge/origin.h"
#include "edge/proxy.h"
#include "edge/route.h"
#include "edge/status.h"
#include "gateway/view.h"

#include "base/banned.h"

/* The status never wakes the gateway, and does not count as a request. */
static void answer_status(struct call *call)
{
	char problem[512] = "";
	struct status status = {
		.gateway = call->gateway->name,
		.row = &call->row,
		.head = call->request.head,
		.id = call_id(call),
	};
	struct err err;

	if (!call->request.head && strcmp(call->request.method, "GET") != 0) {
		call_problem(call, PROBLEM_METHOD_NOT_ALLOWED,
			     "the status is read only");
		return;
	}
	if (edge_store(call->edge, call->settings, &call->store, &err) ||
	    view_row(&call->row, call->settings, call->gateway, call->store,
		     &err)) {
		call_problem(call, PROBLEM_STORE, err.text);
		return;
	}
	status.outlook = call_outlook(call);
	if (loading_is_asked(&call->request))
		status.page = loading_json(call);
	/* the text names files and may quote values: it is for the log */
	if (edge_config_problem(call->edge, problem, sizeof(problem)))
		status.config_error = "the configuration file has an error, "
				      "an older one is in force; see the log";
	buffer_clear(&call->out);
	status_render(&call->out, &status);
	json_decref(status.page);
	call_send(call);
}

/* The administrators' token is for us, wherever it is sent. */
static void keep_token(struct call *call)
{
	struct slice token;

	if (access_bearer(&call->request, &token) &&
	    edge_is_token(call->edge, call->settings, token))
		request_drop(&call->request, "Authorization");
}

static void leave(struct call *call)
{
	edge_leave(call->edge, call->settings, call->gateway,
		   call->passage.wake);
}

static bool pass_on(struct call *call, bool wake)
{
	const struct request *request = &call->request;
	struct body_limits limits = {
		.max = call->gateway->body_max_bytes,
		.replay_max = call->gateway->replay_bytes,
	};

	if (request->content_length > limits.max) {
		call_problem(call, PROBLEM_BODY_TOO_LARGE,
			     "Content-Length is over body_max_bytes");
		return true;
	}
	call->unseen = !wake && call->gateway->idle_stop_s > 0;
	keep_token(call);
	if (!call->client->can_switch)
		call->request.upgrade.len = 0;
	body_begin(&call->body, call->client, request->content_length, limits);
	if (!edge_store_is_free(call->edge, call->settings))
		client_step_aside(call->client);
	edge_enter(call->edge, call->settings, call->gateway, wake);
	if (!proxy_begin(call, wake))
		return false;
	leave(call);
	return true;
}

static void admit(struct call *call, bool wake)
{
	edge_enter(call->edge, call->settings, call->gateway, wake);
	admit_answer(call, wake);
	edge_leave(call->edge, call->settings, call->gateway, wake);
}

/* Gives false when it is not answered yet. */
static bool answer_gateway(struct call *call, bool wake)
{
	const struct request *request = &call->request;

	if (request->role == ROLE_RESPONDER &&
	    (!request->websocket || origin_allowed(request, call->gateway)))
		return pass_on(call, wake);
	client_step_aside(call->client);
	if (request->websocket && !origin_allowed(request, call->gateway))
		call_problem(call, PROBLEM_FORBIDDEN,
			     "a WebSocket from an Origin that is not in "
			     "websocket_origins");
	else if (request->role == ROLE_AUTHORIZER && request->asks_password)
		call_problem(
			call, PROBLEM_UNAUTHORIZED,
			"an authenticator is wanted; we know no passwords");
	else if (request->role == ROLE_AUTHORIZER)
		admit(call, wake);
	else
		admit_refusal(call);
	return true;
}

/* Gives false when it is not answered yet. */
static bool answer_route(struct call *call)
{
	enum route route = route_find(call->settings, call->request.host,
				      call->request.path, &call->gateway);

	if (route == ROUTE_NONE) {
		call_problem(call, PROBLEM_NOT_FOUND,
			     "no gateway has this host and path");
		return true;
	}
	call->tally = edge_tally(call->edge, call->settings, call->gateway);
	call->counts = route == ROUTE_GATEWAY || route == ROUTE_NO_WAKE;
	/* what we answer ourselves is nothing to be let through */
	if (route == ROUTE_STATUS && call->request.role != ROLE_RESPONDER)
		route = ROUTE_NO_WAKE;
	if (call->counts || route == ROUTE_NO_WAKE)
		return answer_gateway(call, route == ROUTE_GATEWAY);
	client_step_aside(call->client);
	if (route == ROUTE_STATUS)
		answer_status(call);
	else if (call->request.role != ROLE_RESPONDER)
		call_problem(call, PROBLEM_FORBIDDEN,
			     "what is for wakegate is not let through");
	else
		admin_answer(call);
	return true;
}

bool answer_begin(struct call *call)
{
	struct client *client = call->client;
	struct err err;

	call_reset(call);
	if (request_read(&call->request, client->door->envp(client), &err))
		call_problem(call, PROBLEM_BAD_REQUEST, err.text);
	else if (call->request.role == ROLE_UNKNOWN)
		call_problem(call, PROBLEM_NOT_CONFIGURED,
			     "WAKEGATE_ROLE is none of responder, authorizer, "
			     "refusal");
	else if (head_is_loop(&call->request))
		call_problem(call, PROBLEM_LOOP_DETECTED, "Via names wakegate");
	else if (edge_settings(call->edge, &call->settings, &err))
		call_problem(call, PROBLEM_NOT_CONFIGURED, err.text);
	else
		return answer_route(call);
	return true;
}

void answer_end(struct call *call)
{
	proxy_end(call);
	leave(call);
}
