/* Requests that switch to another protocol: what is asked for, who may, in which
 * role */
#include "config.h"

#include <string.h>

#include "edge/head.h"
#include "edge/origin.h"
#include "edge/relay.h"
#include "edge/request.h"
#include "unit/edge_world.h"
#include "unit/tap.h"

#include "base/banned.h"

#define WEBSOCKET                                                              \
	"HTTP_CONNECTION=keep-alive, upgrade\nHTTP_UPGRADE=websocket\n"        \
	"HTTP_SEC_WEBSOCKET_KEY=x\n"

static struct request request;

static void test_upgrade(void)
{
	ok(world_request(&request, "GET", "/", WEBSOCKET) == 0 &&
		   http_slice_is(request.upgrade, "websocket") &&
		   request.websocket && request.role == ROLE_RESPONDER,
	   "an upgrade is read");
	(void)world_request(&request, "GET", "/", "HTTP_UPGRADE=foo\n");
	ok(request.upgrade.len == 0, "Upgrade that Connection doesn't name");
	(void)world_request(&request, "GET", "/",
			    "HTTP_CONNECTION=upgrade\nHTTP_UPGRADE=foo, h2c\n");
	ok(request.upgrade.len == 0, "none to HTTP/2");
	(void)world_request(&request, "POST", "/",
			    "HTTP_CONNECTION=upgrade\nHTTP_UPGRADE=foo\n"
			    "HTTP_TRANSFER_ENCODING=chunked\n");
	ok(request.upgrade.len == 0, "none behind a body without an end");
	(void)world_request(&request, "GET", "/",
			    "HTTP_CONNECTION=upgrade\nHTTP_UPGRADE=foo\n");
	ok(http_slice_is(request.upgrade, "foo") && !request.websocket,
	   "another protocol is no WebSocket");
	(void)world_request(&request, "GET", "/", "HTTP_SEC_WEBSOCKET_KEY=x\n");
	ok(request.websocket && request.upgrade.len == 0,
	   "a WebSocket is known where Upgrade is hidden");
	ok(world_request(&request, "CONNECT", "/", "") == 0 &&
		   request.websocket,
	   "and as an extended CONNECT");
}

static void test_role(void)
{
	static const struct {
		const char *variables;
		enum request_role role;
	} cases[] = {
		{ "", ROLE_RESPONDER },
		{ "FCGI_ROLE=RESPONDER\n", ROLE_RESPONDER },
		{ "FCGI_ROLE=AUTHORIZER\n", ROLE_AUTHORIZER },
		{ "WAKEGATE_ROLE=authorizer\n", ROLE_AUTHORIZER },
		{ "WAKEGATE_ROLE=refusal\nFCGI_ROLE=AUTHORIZER\n",
		  ROLE_REFUSAL },
		{ "WAKEGATE_ROLE=responder\nFCGI_ROLE=AUTHORIZER\n",
		  ROLE_RESPONDER },
		{ "WAKEGATE_ROLE=\nFCGI_ROLE=AUTHORIZER\n", ROLE_AUTHORIZER },
		{ "WAKEGATE_ROLE=Authorizer\n", ROLE_UNKNOWN },
		{ "HTTP_WAKEGATE_ROLE=authorizer\nHTTP_FCGI_ROLE=AUTHORIZER\n",
		  ROLE_RESPONDER },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)world_request(&request, "GET", "/", cases[i].variables);
		ok(request.role == cases[i].role, "role %zu", i);
	}
	(void)world_request(&request, "GET", "/",
			    "FCGI_ROLE=AUTHORIZER\n"
			    "FCGI_APACHE_ROLE=ACCESS_CHECKER\n");
	ok(request.bare_verdict && !request.asks_password,
	   "mod_fcgid's access checker is known");
	(void)world_request(&request, "GET", "/",
			    "FCGI_ROLE=AUTHORIZER\n"
			    "FCGI_APACHE_ROLE=AUTHENTICATOR\n");
	ok(!request.bare_verdict, "and what is none");
}

static bool allowed(const char *origin, const char *more)
{
	static char listed[] = "https://App.example";
	static char null[] = "null";
	static char *origins[] = { listed, null, NULL };
	const struct gateway_settings gateway = { .websocket_origins =
							  origins };
	char variables[512];

	(void)snprintf(variables, sizeof(variables), "%sHTTP_ORIGIN=%s\n", more,
		       origin);
	return world_request(&request, "GET", "/", variables) == 0 &&
	       origin_allowed(&request, &gateway);
}

static void test_origin(void)
{
	static const char plain[] = "HTTP_HOST=a.example\n";
	static const char port[] = "HTTP_HOST=a.example:81\n";
	static const char cut[] = "HTTP_HOST=a.example\nSERVER_PORT=81\n";
	static const char v6[] = "HTTP_HOST=[::1]:81\n";

	ok(allowed("http://a.example", plain), "the own host");
	ok(allowed("https://A.EXAMPLE", plain), "with TLS");
	ok(allowed("https://a.example", "HTTP_HOST=a.example:443\n"),
	   "with the usual port");
	ok(allowed("http://a.example:81", port), "with a port");
	ok(allowed("http://a.example:81", cut), "whose port was cut off");
	ok(allowed("http://[::1]:81", v6), "as an address");
	ok(allowed("https://app.example", plain), "one that is listed");
	ok(allowed("null", plain), "null, where it is listed");
	ok(!allowed("https://a.example", port), "not with another port");
	ok(!allowed("http://a.example:82", cut), "nor with one cut off");
	ok(!allowed("http://a.example:", port),
	   "a port that is empty is no wild card");
	ok(!allowed("http://a.example.evil", plain), "not one that begins so");
	ok(!allowed("http://evil/a.example", plain), "not one that ends so");
	ok(!allowed("http://a.example@evil", plain), "not as a user");
	ok(!allowed("ws://a.example", plain), "not with another scheme");
	ok(!allowed("http://", plain), "not without a host");
	ok(!allowed("", plain), "not an empty one");
	ok(!allowed("http://[::2]:81", v6), "not another address");
	ok(world_request(&request, "GET", "/", plain) == 0 &&
		   origin_allowed(&request,
				  &(struct gateway_settings){ .name = "x" }),
	   "who says none is no browser");
}

static void test_heads(void)
{
	static struct http_response response;
	struct buffer out = BUFFER_INIT(65536);
	struct err err;
	const char *text =
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		"connection: upgrade, x-hop\r\nSec-WebSocket-Accept: a\r\n"
		"X-Hop: 1\r\nContent-Length: 3\r\n\r\n";

	world_head(&out, "GET", "/", WEBSOCKET "HTTP_X_A=1\n");
	ok(strstr(buffer_text(&out),
		  "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n") &&
		   strstr(buffer_text(&out), "\r\nSec-Websocket-Key: x\r\n") &&
		   !strstr(buffer_text(&out), "keep-alive"),
	   "the gateway is asked to switch");
	buffer_clear(&out);
	(void)http_response_parse(&response, text, strlen(text), false, &err);
	relay_head(&out, &response);
	ok(strcmp(buffer_text(&out),
		  "Status: 101 Switching Protocols\r\n"
		  "Sec-WebSocket-Accept: a\r\nConnection: Upgrade\r\n"
		  "Upgrade: websocket\r\n\r\n") == 0,
	   "and its 101 is the client's");
	buffer_free(&out);
}

int main(void)
{
	test_upgrade();
	test_role();
	test_origin();
	test_heads();
	return done_testing();
}
