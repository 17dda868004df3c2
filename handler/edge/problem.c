#include "config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "edge/html.h"
#include "edge/problem.h"
#include "gateway/view.h"

#include "base/banned.h"

struct row {
	const char *word;
	int status;
	const char *reason; /* of the status line */
	int retry_after_s;  /* 0: none */
	const char *error;  /* RFC 9209, 2.3 */
	const char *title;
	const char *detail;
	const char *hint;
};

#define UNAVAILABLE 503, "Service Unavailable"

static const struct row table[] = {
	[PROBLEM_STARTING] = { "starting", UNAVAILABLE, 2,
			       "destination_unavailable",
			       "The gateway is starting",
			       "It was not ready within the time that a "
			       "request waits.",
			       "Send the request again in a few seconds." },
	[PROBLEM_COOLDOWN] = { "cooldown", UNAVAILABLE, 10,
			       "destination_unavailable",
			       "The gateway is cooling down",
			       "It ended by itself too often; it is started "
			       "again after a "
			       "pause.",
			       "Send the request again after the time in "
			       "Retry-After." },
	[PROBLEM_FAILED] = { "failed", UNAVAILABLE, 60,
			     "destination_unavailable",
			     "The gateway can't be started",
			     "It is not started again until its operator looks "
			     "at it.",
			     "For the operator: wakegate status, wakegate log, "
			     "then "
			     "wakegate reset." },
	[PROBLEM_RESTORE_FAILED] = { "restore_failed", UNAVAILABLE, 60,
				     "destination_unavailable",
				     "The gateway's data is not back",
				     "Its last snapshot could not be restored.",
				     "For the operator: wakegate status says "
				     "why." },
	[PROBLEM_PORT_TAKEN] = { "port_taken", UNAVAILABLE, 60,
				 "destination_unavailable",
				 "The gateway's port is taken",
				 "Another program listens where the gateway "
				 "should.",
				 "For the operator: wakegate status names the "
				 "program." },
	[PROBLEM_CRASHED] = { "crashed", UNAVAILABLE, 2,
			      "connection_terminated", "The gateway crashed",
			      "It ended while this request was on its way, and "
			      "starting it "
			      "again did not help.",
			      "Send the request again in a few seconds." },
	[PROBLEM_HELD] = { "held", UNAVAILABLE, 60, "destination_unavailable",
			   "The gateway is switched off",
			   "Its operator stopped it.",
			   "For the operator: wakegate start." },
	[PROBLEM_OVERLOADED] = { "overloaded", UNAVAILABLE, 5,
				 "destination_unavailable",
				 "Too many requests wait",
				 "The gateway is starting, and as many "
				 "requests as may wait "
				 "for it do already.",
				 "Send the request again in a few seconds." },
	[PROBLEM_STORE] = { "store", UNAVAILABLE, 5, "proxy_internal_error",
			    "The gateway's state can't be read",
			    "The gateway does not answer, and it can't be "
			    "started without "
			    "the record of its state.",
			    "For the operator: is the disk full or read-only? "
			    "The web "
			    "server's error log says more." },
	[PROBLEM_GATEWAY_CLOSED] = { "gateway_closed", 502, "Bad Gateway", 0,
				     "connection_terminated",
				     "The gateway closed the connection",
				     "It ended the connection before it had "
				     "answered. The request "
				     "may have been carried out, so it was not "
				     "sent again.",
				     "Look whether it was carried out before "
				     "you send it again; an "
				     "Idempotency-Key field allows us to "
				     "repeat it." },
	[PROBLEM_BAD_RESPONSE] = { "bad_response", 502, "Bad Gateway", 0,
				   "http_protocol_error",
				   "The gateway's answer is not HTTP",
				   "What it sent is no valid HTTP/1.1 message.",
				   "For the operator: is the address the "
				   "gateway's HTTP port?" },
	[PROBLEM_UNREACHABLE] = { "unreachable", 502, "Bad Gateway", 0,
				  "destination_unavailable",
				  "The gateway can't be reached",
				  "No connection to it could be made.",
				  "For the operator: the web server's error "
				  "log says why." },
	[PROBLEM_GATEWAY_TIMEOUT] = { "gateway_timeout", 504, "Gateway Timeout",
				      0, "http_response_timeout",
				      "The gateway did not answer in time",
				      "It took the request, or was about to, "
				      "and sent no answer.",
				      "Look whether the request was carried "
				      "out before you send it "
				      "again." },
	[PROBLEM_BODY_TOO_LARGE] = { "body_too_large", 413, "Content Too Large",
				     0, "http_request_error",
				     "The request's body is too large",
				     "It is larger than this gateway takes.",
				     "For the operator: body_max_bytes." },
	[PROBLEM_BAD_REQUEST] = { "bad_request", 400, "Bad Request", 0,
				  "http_request_error",
				  "The request is not valid",
				  "Its request line or header is malformed or "
				  "too large.",
				  "Look at the request target and the header "
				  "fields." },
	[PROBLEM_UNAUTHORIZED] = { "unauthorized", 401, "Unauthorized", 0,
				   "http_request_denied", "Who are you?",
				   "This needs a name and its proof.",
				   "Log in." },
	[PROBLEM_FORBIDDEN] = { "forbidden", 403, "Forbidden", 0,
				"http_request_denied", "Not for you",
				"You may not do this.", "Ask the operator." },
	[PROBLEM_NOT_FOUND] = { "not_found", 404, "Not Found", 0,
				"destination_not_found",
				"There is nothing here",
				"No gateway is mounted at this host and path.",
				"For the operator: mount and hosts." },
	[PROBLEM_METHOD_NOT_ALLOWED] = { "method_not_allowed", 405,
					 "Method Not Allowed", 0,
					 "http_request_error",
					 "The method is not allowed here",
					 "The Allow field lists those that "
					 "are.",
					 "Use one of the methods in Allow." },
	[PROBLEM_CONFLICT] = { "conflict", 409, "Conflict", 0,
			       "http_request_error", "Not now",
			       "The gateway's state does not allow this.",
			       "Look at the gateway's status." },
	[PROBLEM_NOT_RESTORED] = { "not_restored", 409, "Conflict", 0,
				   "http_request_error",
				   "This state is no restored one",
				   "The gateway's files were never restored, "
				   "or it was started without them: a "
				   "snapshot of them could push out a good "
				   "one.",
				   "Restore a snapshot; or, when these files "
				   "are the right ones, wakegate backup "
				   "--force." },
	[PROBLEM_BACKUP_NOT_CONFIGURED] = { "backup_not_configured", 400,
					    "Bad Request", 0,
					    "http_request_error",
					    "No backup is configured",
					    "The gateway has no backup in the "
					    "configuration.",
					    "For the operator: backup." },
	[PROBLEM_BACKUP_FAILED] = { "backup_failed", 500,
				    "Internal Server Error", 0,
				    "proxy_internal_error",
				    "The snapshot could not be taken",
				    "Older snapshots are as they were.",
				    "For the operator: wakegate events." },
	[PROBLEM_OPERATION_TIMEOUT] = { "operation_timeout", 504,
					"Gateway Timeout", 0,
					"proxy_internal_response",
					"It is not done yet",
					"It took longer than its time-outs "
					"allow, and may still go on.",
					"Look at the gateway's status." },
	[PROBLEM_ACTION_FAILED] = { "action_failed", 500,
				    "Internal Server Error", 0,
				    "proxy_internal_error",
				    "The action could not be run",
				    "Its command was not started.",
				    "For the operator: actions." },
	[PROBLEM_TOO_MANY_REQUESTS] = { "too_many_requests", 429,
					"Too Many Requests", 2,
					"http_request_denied",
					"Too many wrong tokens",
					"So many came from this address that "
					"none is looked at for a while.",
					"Send the right one after the time in "
					"Retry-After." },
	[PROBLEM_LOOP_DETECTED] = { "loop_detected", 508, "Loop Detected", 0,
				    "proxy_loop_detected",
				    "The request goes in a circle",
				    "It has come through wakegate before.",
				    "For the operator: does the gateway's "
				    "address lead back to "
				    "the web server?" },
	[PROBLEM_NOT_CONFIGURED] = { "not_configured", 500,
				     "Internal Server Error", 0,
				     "proxy_configuration_error",
				     "There is no valid configuration",
				     "The configuration can't be read, so no "
				     "gateway is known.",
				     "For the operator: wakegate check says "
				     "where it is wrong." },
};

_Static_assert(sizeof(table) / sizeof(table[0]) == PROBLEM_MAX_,
	       "each problem has its row");

static void cleanup_json(json_t *const *json)
{
	json_decref(*json);
}

const char *problem_word(enum problem_code code)
{
	return table[code].word;
}

int problem_status(enum problem_code code)
{
	return table[code].status;
}

enum problem_code problem_of_row(const struct gateway_row *row)
{
	static const enum problem_code own[] = { PROBLEM_HELD,
						 PROBLEM_PORT_TAKEN,
						 PROBLEM_RESTORE_FAILED };

	if (row->state == STATE_COOLDOWN)
		return PROBLEM_COOLDOWN;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (strcmp(row->reason, table[own[i]].word) == 0)
			return own[i];
	}
	return PROBLEM_FAILED;
}

static int retry_after(const struct problem *problem)
{
	const struct row *row = &table[problem->code];

	return row->retry_after_s > 0 && problem->retry_after_s > 0
		       ? problem->retry_after_s
		       : row->retry_after_s;
}

static const char *detail(const struct problem *problem)
{
	return problem->detail ? problem->detail : table[problem->code].detail;
}

static const char *hint(const struct problem *problem)
{
	return problem->hint ? problem->hint : table[problem->code].hint;
}

static void render_json(struct buffer *out, const struct problem *problem)
{
	const struct row *row = &table[problem->code];
	CLEANUP_FREE char *text = NULL;
	CLEANUP(cleanup_json) json_t *json = json_object();
	json_t *after = retry_after(problem) > 0
				? json_integer(retry_after(problem))
				: NULL;

	(void)json_object_set_new(
		json, "type",
		json_sprintf("urn:problem-type:wakegate:%s", row->word));
	(void)json_object_set_new(json, "title", json_string(row->title));
	(void)json_object_set_new(json, "status", json_integer(row->status));
	(void)json_object_set_new(json, "detail", view_text(detail(problem)));
	(void)json_object_set_new(json, "code", json_string(row->word));
	(void)json_object_set_new(json, "instance", json_string(problem->id));
	(void)json_object_set_new(
		json, "gateway",
		problem->gateway ? json_string(problem->gateway) : json_null());
	(void)json_object_set_new(json, "generation",
				  json_integer(problem->generation));
	(void)json_object_set_new(json, "retried",
				  json_boolean(problem->retried));
	if (after)
		(void)json_object_set_new(json, "retry_after", after);
	(void)json_object_set_new(json, "hint", json_string(hint(problem)));
	text = json_dumps(json, JSON_COMPACT);
	buffer_puts(out, text ? text : "{}");
	buffer_puts(out, "\n");
}

static void render_html(struct buffer *out, const struct html *html,
			const struct problem *problem)
{
	const struct row *row = &table[problem->code];

	html_begin(out, html);
	buffer_printf(out, "<h1>%s</h1>\n<p>", row->title);
	html_text(out, detail(problem));
	buffer_puts(out, "</p>\n<p>");
	html_text(out, hint(problem));
	buffer_printf(out, "</p>\n<p><small>%d %s", row->status, row->word);
	buffer_puts(out, ", request ");
	html_text(out, problem->id);
	buffer_puts(out, "</small></p>\n");
	html_end(out, html);
}

static void render_whole(struct buffer *out, const struct problem *problem)
{
	const struct row *row = &table[problem->code];
	struct html html = { .title = row->title };
	struct buffer body = BUFFER_INIT(16384);

	if (problem->html) {
		html_nonce(&html);
		html_fields(out, &html);
		render_html(&body, &html, problem);
	} else {
		buffer_puts(out, "Content-Type: application/problem+json\r\n");
		render_json(&body, problem);
	}
	buffer_puts(out, "Cache-Control: no-store\r\n");
	buffer_printf(out, "Proxy-Status: wakegate; error=%s\r\n", row->error);
	buffer_printf(out, "X-Request-Id: %s\r\n", problem->id);
	if (retry_after(problem) > 0)
		buffer_printf(out, "Retry-After: %d\r\n", retry_after(problem));
	if (problem->code == PROBLEM_UNAUTHORIZED)
		buffer_puts(out, "WWW-Authenticate: Bearer\r\n");
	if (problem->allow)
		buffer_printf(out, "Allow: %s\r\n", problem->allow);
	if (!problem->head && problem->extent == PROBLEM_WHOLE)
		buffer_printf(out, "Content-Length: %zu\r\n", body.len);
	buffer_puts(out, "\r\n");
	if (!problem->head && body.len > 0)
		buffer_append(out, body.data, body.len);
	buffer_free(&body);
}

void problem_render(struct buffer *out, const struct problem *problem)
{
	const struct row *row = &table[problem->code];

	buffer_printf(out, "Status: %d %s\r\n", row->status, row->reason);
	if (problem->extent == PROBLEM_STATUS_ONLY)
		buffer_puts(out, "\r\n");
	else
		render_whole(out, problem);
}

void problem_head(struct buffer *out, bool ready, int retry_after_s,
		  const char *id)
{
	buffer_puts(out, ready ? "Status: 200 OK\r\n"
			       : "Status: 503 Service Unavailable\r\n");
	if (!ready)
		buffer_printf(out, "Retry-After: %d\r\n", retry_after_s);
	buffer_printf(out, "Cache-Control: no-store\r\nX-Request-Id: %s\r\n",
		      id);
}

void problem_done_head(struct buffer *out, bool done, const char *id)
{
	buffer_puts(out,
		    done ? "Status: 200 OK\r\n" : "Status: 202 Accepted\r\n");
	buffer_printf(out, "Cache-Control: no-store\r\nX-Request-Id: %s\r\n",
		      id);
}

void problem_page_head(struct buffer *out, enum problem_code code,
		       const char *id)
{
	const struct row *row = &table[code];

	buffer_printf(out,
		      "Status: %d %s\r\nProxy-Status: wakegate; error=%s\r\n"
		      "Cache-Control: no-store\r\nX-Request-Id: %s\r\n",
		      row->status, row->reason, row->error, id);
}

void problem_see_head(struct buffer *out, const char *location, const char *id)
{
	buffer_printf(out,
		      "Status: 303 See Other\r\nLocation: %s\r\n"
		      "Cache-Control: no-store\r\nX-Request-Id: %s\r\n"
		      "Content-Length: 0\r\n\r\n",
		      location, id);
}
