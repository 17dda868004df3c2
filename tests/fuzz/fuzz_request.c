#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "edge/head.h"
#include "edge/origin.h"
#include "edge/request.h"
#include "edge/route.h"

#include "base/banned.h"

#define VARIABLES_MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char mount[] = "/m";
static char every_mount[] = "/";
static char identity[] = "X-Forwarded-User";
static char status_path[] = "/api/status";
static char admin_path[] = "/api/admin";
static char page_path[] = "/_admin";
static char trusted[] = "127.0.0.1";
static char *proxies[] = { trusted, NULL };
static char *none[] = { NULL };

/* One head goes out, and it ends where it ends. */
static void check_head(const struct request *request,
		       const struct settings *settings, enum http_framing body)
{
	struct buffer out = BUFFER_INIT(1 << 20);
	const struct gateway_settings *gateway = NULL;
	struct head head = { .settings = settings, .body = body };

	(void)head_is_loop(request);
	if (route_find(settings, request->host, request->path, &gateway) ==
	    ROUTE_NONE)
		abort();
	head.gateway = gateway;
	(void)origin_allowed(request, gateway);
	head_write(&out, request, &head);
	if (!buffer_ok(&out) || memchr(out.data, '\0', out.len) ||
	    memmem(out.data, out.len, "\r\n\r\n", 4) != out.data + out.len - 4)
		abort();
	for (size_t i = 0; i < out.len; i++) {
		if ((out.data[i] == '\n') != (i > 0 && out.data[i - 1] == '\r'))
			abort();
	}
	buffer_free(&out);
}

/* The input is an environment: its variables end at a NUL. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct request request;
	struct gateway_settings gateways[] = {
		{ .name = "m",
		  .mount = mount,
		  .hosts = none,
		  .strip_mount = true,
		  .forwarded = FORWARDED_RFC7239,
		  .identity_header = identity,
		  .status_path = status_path,
		  .admin_path = admin_path,
		  .page_path = page_path,
		  .no_wake = none },
		{ .name = "all",
		  .mount = every_mount,
		  .hosts = none,
		  .forwarded = FORWARDED_X,
		  .status_path = status_path,
		  .admin_path = admin_path,
		  .page_path = page_path,
		  .no_wake = none },
	};
	struct settings settings = { .gateways = gateways,
				     .gateways_count = 2,
				     .trusted_proxies = proxies };
	char *envp[VARIABLES_MAX + 1];
	size_t count = 0;
	char *text = malloc(size + 1);
	struct err err;

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t at = 0; at < size && count < VARIABLES_MAX;
	     at += strlen(text + at) + 1)
		envp[count++] = text + at;
	envp[count] = NULL;
	if (request_read(&request, envp, &err) == 0)
		check_head(&request, &settings,
			   request.content_length > 0 ? FRAMING_LENGTH
						      : FRAMING_NONE);
	free(text);
	return 0;
}
