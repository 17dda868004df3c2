/* edge_world.h - requests and settings for the tests of the edge
 */
#ifndef WAKEGATE_EDGE_WORLD_H
#define WAKEGATE_EDGE_WORLD_H

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "edge/head.h"
#include "edge/request.h"
#include "gateway/settings.h"

#define WORLD_BYTES	4096
#define WORLD_VARIABLES 64

/* more: variables that end at a line feed. The environment stays until the next
 * call. */
static int world_request(struct request *ret, const char *method,
			 const char *uri, const char *more)
{
	static char text[WORLD_BYTES];
	char *envp[WORLD_VARIABLES];
	size_t count = 0;
	struct err err;
	char *end;

	(void)snprintf(text, sizeof(text),
		       "REQUEST_METHOD=%s\nREQUEST_URI=%s\n%s", method, uri,
		       more);
	for (char *at = text; at && *at && count < WORLD_VARIABLES - 1;
	     at = end) {
		envp[count++] = at;
		end = strchr(at, '\n');
		if (end)
			*end++ = '\0';
	}
	envp[count] = NULL;
	return request_read(ret, envp, &err);
}

/* app at /app, host at /app for h.example, all at / */
static const struct settings *world_settings(void)
{
	static char host[] = "h.example";
	static char *hosts[] = { host, NULL };
	static char *nothing[] = { NULL };
	static char app[] = "/app";
	static char root[] = "/";
	static char status[] = "/api/status";
	static char admin[] = "/api/admin";
	static char page[] = "/_admin";
	static char favicon[] = "/favicon.ico";
	static char *no_wake[] = { favicon, NULL };
	static char proxy[] = "::ffff:127.0.0.1";
	static char *proxies[] = { proxy, NULL };
	static char authorization[] = "Authorization";
	static char bearer[] = "Bearer set";
	static char x_set[] = "X-Set";
	static char yes[] = "yes";
	static char identity[] = "X-Forwarded-User";
	static struct setting_value set_headers[] = {
		{ .name = authorization, .text = bearer },
		{ .name = x_set, .text = yes },
		{ 0 },
	};
	static struct gateway_settings gateways[] = {
		{ .name = "app",
		  .mount = app,
		  .hosts = nothing,
		  .status_path = status,
		  .admin_path = admin,
		  .page_path = page,
		  .no_wake = nothing },
		{ .name = "host",
		  .mount = app,
		  .hosts = hosts,
		  .status_path = status,
		  .admin_path = admin,
		  .page_path = page,
		  .no_wake = nothing },
		{ .name = "all",
		  .mount = root,
		  .hosts = nothing,
		  .status_path = status,
		  .admin_path = admin,
		  .page_path = page,
		  .no_wake = no_wake,
		  .forwarded = FORWARDED_X,
		  .identity_header = identity,
		  .set_headers = set_headers },
	};
	static struct settings settings = { .gateways = gateways,
					    .gateways_count = 3,
					    .trusted_proxies = proxies };

	return &settings;
}

/* The head that the gateway `all` gets. */
__attribute__((unused)) static void world_head(struct buffer *out,
					       const char *method,
					       const char *uri,
					       const char *more)
{
	static struct request request;
	const struct settings *settings = world_settings();
	struct head head = { .settings = settings,
			     .gateway = &settings->gateways[2],
			     .body = FRAMING_NONE };

	if (world_request(&request, method, uri, more) == 0)
		head_write(out, &request, &head);
}

#endif
