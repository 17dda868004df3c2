#include "config.h"

#include <string.h>

#include "base/deadline.h"
#include "base/log.h"
#include "edge/admin.h"
#include "edge/admin_private.h"
#include "edge/route.h"
#include "edge/tries.h"

#include "base/banned.h"

#define ROUTE(how, where, what)                                                \
	.method = (how), .path = (where), .answer = (what)

#define PAGE(how, where, what)                                                 \
	ROUTE(how, where, what), .page = true, .body = BODY_PARAMETERS

const struct admin_route admin_routes[] = {
	{ ROUTE("GET", "/gateway", admin_gateway) },
	{ ROUTE("POST", "/gateway/start", admin_start) },
	{ ROUTE("POST", "/gateway/stop", admin_stop) },
	{ ROUTE("POST", "/gateway/restart", admin_restart) },
	{ ROUTE("POST", "/gateway/reset", admin_reset) },
	{ ROUTE("GET", "/storage", admin_storage) },
	{ ROUTE("POST", "/storage/sync", admin_sync), .backup = true },
	{ ROUTE("POST", "/storage/restore", admin_restore), .backup = true,
	  .body = BODY_SNAPSHOT },
	{ ROUTE("GET", "/events", admin_events) },
	{ ROUTE("GET", "/log", admin_log) },
	{ ROUTE("GET", "/explain/", admin_explain) },
	{ ROUTE("GET", "/metrics", admin_metrics) },
	{ ROUTE("GET", "/actions", admin_actions) },
	{ ROUTE("POST", "/actions/", admin_action), .body = BODY_PARAMETERS },
	{ PAGE("GET", "", admin_panel_place) },
	{ PAGE("GET", "/", admin_panel) },
	{ PAGE("GET", "/confirm", admin_panel_confirm) },
	{ PAGE("POST", "/start", admin_start) },
	{ PAGE("POST", "/stop", admin_panel_stop) },
	{ PAGE("POST", "/restart", admin_restart) },
	{ PAGE("POST", "/reset", admin_reset) },
	{ PAGE("POST", "/backup", admin_sync), .backup = true },
	{ PAGE("POST", "/restore", admin_panel_restore), .backup = true },
	{ PAGE("POST", "/action", admin_panel_action) },
	{ 0 },
};

/* --- access ---------------------------------------------------------------- */

/* What can't be limited now is still only a token of TOKEN_MIN characters. */
static void no_limit(struct call *call, const struct err *err)
{
	log_line(LEVEL_WARNING,
		 "request=%s msg=\"wrong tokens are not limited: %s\"",
		 call_id(call), err->text);
}

/* *left_ms: until a token is looked at again, for BEARER_LIMITED. */
static enum bearer look_at_token(struct call *call, int64_t *left_ms)
{
	const char *state_dir = call->settings->state_dir;
	const char *address = call->request.remote_addr;
	int64_t now_ms = clock_wall_ms();
	struct slice token;
	struct err err;

	if (access_is_admin(&call->request, call->settings->admin_users) ||
	    !access_bearer(&call->request, &token))
		return BEARER_NONE;
	if (tries_left_ms(state_dir, address, now_ms, left_ms, &err))
		no_limit(call, &err);
	if (*left_ms > 0)
		return BEARER_LIMITED;
	if (edge_is_token(call->edge, call->settings, token))
		return BEARER_RIGHT;
	if (tries_add(state_dir, address, now_ms, &err))
		no_limit(call, &err);
	return BEARER_WRONG;
}

static const struct refusal refusals[ACCESS_MAX_] = {
	[ACCESS_NOBODY] = { .code = PROBLEM_UNAUTHORIZED,
			    .text = "no credentials",
			    .detail = "The web server names no user, and there "
				      "is no token.",
			    .hint = "Log in as one of admin.users, or send the "
				    "token of admin.token_file as "
				    "Authorization: Bearer." },
	[ACCESS_WRONG_TOKEN] = { .code = PROBLEM_UNAUTHORIZED,
				 .text = "a wrong token",
				 .detail = "The token is not the right one.",
				 .hint = "For the operator: admin.token_file; "
					 "the web server's error log says when "
					 "it lets nobody in." },
	[ACCESS_LIMITED] = { .code = PROBLEM_TOO_MANY_REQUESTS,
			     .text = "too many wrong tokens" },
	[ACCESS_NO_ADMIN] = { .code = PROBLEM_FORBIDDEN,
			      .text = "no administrator",
			      .detail = "The user whom the web server names is "
					"none of admin.users.",
			      .hint = "Log in as another, or ask the "
				      "operator." },
	[ACCESS_FOREIGN] = { .code = PROBLEM_FORBIDDEN,
			     .text = "a page from elsewhere",
			     .detail = "A page of another origin sent this.",
			     .hint = "Send it from a page of this site, or "
				     "without a browser." },
};

/* False: it was refused. */
static bool let_in(struct admin *admin)
{
	struct call *call = admin->call;
	int64_t left_ms = 0;
	enum bearer bearer = look_at_token(call, &left_ms);
	enum access access = access_decide(&call->request,
					   call->settings->admin_users, bearer);
	struct refusal refusal = refusals[access];

	admin->access = access;
	if (access == ACCESS_USER || access == ACCESS_TOKEN)
		return true;
	refusal.retry_after_s = (int)((left_ms + 999) / 1000);
	call_refuse(call, &refusal);
	return false;
}

/* --- which one --------------------------------------------------------------- */

static bool is_method(const struct request *request, const char *method)
{
	return strcmp(request->method, method) == 0 ||
	       (request->head && strcmp(method, "GET") == 0);
}

/* What is asked for, behind where the route's path begins; false: it is not there. */
static bool path_behind(const struct call *call,
			const struct admin_route *route, struct slice *ret)
{
	const struct gateway_settings *gateway = call->gateway;
	const char *base =
		route->page ? gateway->page_path : gateway->admin_path;
	struct slice path = route_below_mount(gateway, call->request.path);
	size_t len = strlen(base);

	if (!route->page && gateway->metrics_path &&
	    action_name_is(path, gateway->metrics_path)) {
		*ret = (struct slice){ "/metrics", strlen("/metrics") };
		return true;
	}
	if (path.len < len || memcmp(path.data, base, len) != 0)
		return false;
	*ret = (struct slice){ path.data + len, path.len - len };
	return true;
}

/* *name: what follows a path that ends with '/'. */
static bool is_path(const struct call *call, const struct admin_route *route,
		    struct slice *name)
{
	size_t len = strlen(route->path);
	bool named = len > 1 && route->path[len - 1] == '/';
	struct slice rest;

	if (!path_behind(call, route, &rest) || rest.len < len ||
	    memcmp(rest.data, route->path, len) != 0)
		return false;
	*name = (struct slice){ rest.data + len, rest.len - len };
	return named ? name->len > 0 && !memchr(name->data, '/', name->len)
		     : name->len == 0;
}

static void refuse_path(struct call *call, const struct admin_route *other)
{
	struct refusal refusal = {
		.code = PROBLEM_METHOD_NOT_ALLOWED,
		.text = "another method",
	};

	if (other) {
		refusal.allow = strcmp(other->method, "GET") == 0
					? "GET, HEAD"
					: other->method;
	} else {
		refusal.code = PROBLEM_NOT_FOUND;
		refusal.text = "no such endpoint";
		refusal.detail = "No endpoint has this path.";
		refusal.hint = "wakegate(8) lists them.";
	}
	call_refuse(call, &refusal);
}

/* The route, or NULL: it was refused. */
static const struct admin_route *find(struct admin *admin)
{
	struct call *call = admin->call;
	const struct admin_route *route, *other = NULL;

	for (route = admin_routes; route->method; route++) {
		if (!is_path(call, route, &admin->name))
			continue;
		if (is_method(&call->request, route->method))
			return route;
		other = route;
	}
	refuse_path(call, other);
	return NULL;
}

static void answer(struct admin *admin)
{
	const struct admin_route *route = find(admin);
	struct call *call = admin->call;

	if (!route)
		return;
	admin->page = route->page;
	if (!admin_read_body(admin, route))
		return;
	if (!call->store)
		call_problem(call, PROBLEM_STORE, "the store can't be opened");
	else if (route->backup && !call->gateway->backup.directory)
		admin_refuse(admin, PROBLEM_BACKUP_NOT_CONFIGURED,
			     "no backup is configured");
	else
		route->answer(admin);
}

void admin_answer(struct call *call)
{
	struct admin admin = { .call = call };
	struct err err;

	/* before access is decided: it makes the folder that tries are in */
	if (edge_store(call->edge, call->settings, &call->store, &err))
		log_line(LEVEL_WARNING, "request=%s msg=\"%s\"", call_id(call),
			 err.text);
	if (let_in(&admin))
		answer(&admin);
	json_decref(admin.body);
}
