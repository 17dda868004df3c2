#include "config.h"

#include <string.h>

#include "base/log.h"
#include "edge/answer.h"
#include "edge/head.h"
#include "edge/proxy.h"
#include "edge/route.h"
#include "edge/status.h"

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
	    store_read(call->store, call->gateway->name, &call->row, &err)) {
		call_problem(call, PROBLEM_STORE, err.text);
		return;
	}
	status.outlook = call_outlook(call);
	/* the text names files and may quote values: it is for the log */
	if (edge_config_problem(call->edge, problem, sizeof(problem)))
		status.config_error = "the configuration file has an error, "
				      "an older one is in force; see the log";
	buffer_clear(&call->out);
	status_render(&call->out, &status);
	call_send(call);
}

static void answer_gateway(struct call *call, bool wake)
{
	const struct request *request = &call->request;
	struct body_limits limits = {
		.max = call->gateway->body_max_bytes,
		.replay_max = call->gateway->replay_bytes,
	};

	if (request->content_length > limits.max) {
		call_problem(call, PROBLEM_BODY_TOO_LARGE,
			     "Content-Length is over body_max_bytes");
		return;
	}
	body_begin(&call->body, call->client, request->content_length, limits);
	proxy_answer(call, wake);
}

static void answer_route(struct call *call)
{
	enum route route = route_find(call->settings, call->request.host,
				      call->request.path, &call->gateway);

	switch (route) {
	case ROUTE_NONE:
		call_problem(call, PROBLEM_NOT_FOUND,
			     "no gateway has this host and path");
		break;
	case ROUTE_STATUS:
		answer_status(call);
		break;
	case ROUTE_GATEWAY:
	case ROUTE_NO_WAKE:
		answer_gateway(call, route == ROUTE_GATEWAY);
		break;
	}
}

void answer_request(struct call *call)
{
	struct client *client = call->client;
	struct err err;

	call_reset(call);
	if (request_read(&call->request, client->door->envp(client), &err))
		call_problem(call, PROBLEM_BAD_REQUEST, err.text);
	else if (head_is_loop(&call->request))
		call_problem(call, PROBLEM_LOOP_DETECTED, "Via names wakegate");
	else if (edge_settings(call->edge, &call->settings, &err))
		call_problem(call, PROBLEM_NOT_CONFIGURED, err.text);
	else
		answer_route(call);
	settings_unref(call->settings);
	call->settings = NULL;
}
