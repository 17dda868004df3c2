#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "edge/head.h"
#include "edge/html.h"
#include "edge/problem.h"
#include "edge/relay.h"
#include "edge/request.h"
#include "edge/retry.h"
#include "edge/route.h"
#include "edge/target.h"
#include "unit/edge_world.h"
#include "unit/tap.h"

#include "base/banned.h"

static bool has(struct buffer *buffer, const char *text)
{
	return strstr(buffer_text(buffer), text) != NULL;
}

/* --- request ------------------------------------------------------------- */

static void test_request(void)
{
	static struct request request;

	ok(world_request(&request, "GET", "/a%2Fb//c?d=%20",
			 "HTTP_HOST=Example.org:81\n"
			 "HTTP_ACCEPT=text/plain, text/html;q=1\n"
			 "CONTENT_LENGTH=\n") == 0,
	   "a request is read");
	ok(request.target.len == 15 &&
		   memcmp(request.target.data, "/a%2Fb//c?d=%20", 15) == 0,
	   "its target is as it came");
	ok(request.path.len == 9, "its path ends at the query");
	ok(strcmp(request.host, "Example.org:81") == 0, "its host is Host");
	ok(request.content_length == -1,
	   "an empty CONTENT_LENGTH says nothing");
	ok(request.navigation && request.wants_html, "a browser is known");
	ok(request.idempotent && request.repeatable && !request.head,
	   "GET is idempotent");
	ok(world_request(&request, "POST", "/",
			 "HTTP_IDEMPOTENCY_KEY=1\nSERVER_NAME=::1\n"
			 "SERVER_PORT=8080\n") == 0 &&
		   !request.idempotent && request.repeatable,
	   "an Idempotency-Key makes POST repeatable");
	ok(strcmp(request.host, "[::1]:8080") == 0,
	   "without Host it is SERVER_NAME with its port");
	ok(world_request(&request, "GET", "/",
			 "HTTP_ACCEPT=text/html\n"
			 "HTTP_SEC_WEBSOCKET_KEY=x\n") == 0 &&
		   !request.navigation,
	   "a WebSocket is no navigation");
}

static void test_targets(void)
{
	static struct request request;

	ok(world_request(&request, "GET", "http://h.example:8/x?y",
			 "HTTP_HOST=other\n") == 0 &&
		   http_slice_is(request.target, "/x?y") &&
		   strcmp(request.host, "h.example:8") == 0,
	   "the absolute form's host counts before Host");
	ok(world_request(&request, "GET", "HTTPS://h", "") == 0 &&
		   http_slice_is(request.target, "/"),
	   "an absolute form without a path means /");
	ok(world_request(&request, "OPTIONS", "http://h", "") == 0 &&
		   http_slice_is(request.target, "*"),
	   "for OPTIONS it means the whole server");
	ok(world_request(&request, "OPTIONS", "*", "") == 0,
	   "* is taken for OPTIONS");
}

static void test_bad_requests(void)
{
	static struct request request;
	static const struct {
		const char *method, *uri, *more;
	} bad[] = {
		{ "GET", "*", "" },
		{ "GET", "", "" },
		{ "GET", "a", "" },
		{ "CONNECT", "a:80", "" },
		{ "GET", "/a b", "" },
		{ "GET", "/a#b", "" },
		{ "GET", "/\x01", "" },
		{ "GET", "/\xc3\xa4", "" },
		{ "GET", "ftp://a/", "" },
		{ "GET", "http:///", "" },
		{ "GET", "http://u@h/", "" },
		{ "GET", "http://h:x/", "" },
		{ "GET", "http://h?x", "" },
		{ "G T", "/", "" },
		{ "", "/", "" },
		{ "GET", "/", "HTTP_X=a\rb" },
		{ "GET", "/", "HTTP_X Y=a" },
		{ "GET", "/", "HTTP_=a" },
		{ "GET", "/", "HTTP_HOST=a b" },
		{ "GET", "/", "HTTP_HOST=a, b" },
		{ "GET", "/", "HTTP_HOST=a/b" },
		{ "GET", "/", "HTTP_HOST=[::1" },
		{ "GET", "/", "CONTENT_LENGTH=-1" },
		{ "GET", "/", "CONTENT_LENGTH=1 2" },
		{ "GET", "/", "CONTENT_LENGTH=9223372036854775808" },
		{ "GET", "/", "CONTENT_TYPE=a\rb" },
		{ "POST", "/", "HTTP_TRANSFER_ENCODING=gzip, chunked" },
		{ "POST", "/", "HTTP_TRANSFER_ENCODING=chunked, chunked" },
		{ "GET", "/", "REMOTE_USER=a\x7f" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(world_request(&request, bad[i].method, bad[i].uri,
				 bad[i].more) != 0,
		   "bad request %zu is refused", i);
}

/* --- the head for the gateway ---------------------------------------------- */

static void test_head(void)
{
	struct buffer out = BUFFER_INIT(65536);

	world_head(&out, "POST", "/x?y",
		   "HTTP_HOST=h\nHTTP_USER_AGENT=u\nHTTP_CONNECTION=X-A, "
		   "keep-alive\nHTTP_X_A=1\nHTTP_KEEP_ALIVE=5\nHTTP_TE=x\n"
		   "HTTP_PROXY=evil\nHTTP_EXPECT=100-continue\n"
		   "HTTP_X_FORWARDED_FOR=evil\nHTTP_X_FORWARDED_USER=root\n"
		   "HTTP_VIA=1.0 before\nREMOTE_ADDR=192.0.2.1\n"
		   "REMOTE_USER=alice\nCONTENT_LENGTH=0\n");
	ok(strcmp(buffer_text(&out), "POST /x?y HTTP/1.1\r\n"
				     "Host: h\r\n"
				     "User-Agent: u\r\n"
				     "Via: 1.0 before, 1.1 wakegate\r\n"
				     "X-Forwarded-For: 192.0.2.1\r\n"
				     "X-Forwarded-Host: h\r\n"
				     "X-Forwarded-Proto: http\r\n"
				     "Authorization: Bearer set\r\n"
				     "X-Set: yes\r\n"
				     "X-Forwarded-User: alice\r\n"
				     "Content-Length: 0\r\n\r\n") == 0,
	   "the gateway gets what it should, and nothing else");
	buffer_clear(&out);
	world_head(&out, "GET", "/",
		   "HTTP_AUTHORIZATION=Basic x\nHTTP_X_SET=no\n"
		   "HTTP_X_FORWARDED_FOR=a\nREMOTE_ADDR=127.0.0.1\n"
		   "HTTP_X_FORWARDED_PROTO=https\nCONTENT_LENGTH=0\n");
	ok(has(&out, "Authorization: Basic x\r\n") && !has(&out, "Bearer set"),
	   "the client's Authorization stays");
	ok(has(&out, "X-Set: yes\r\n") && !has(&out, "X-Set: no"),
	   "other set fields replace the client's");
	ok(has(&out, "X-Forwarded-For: a, 127.0.0.1\r\n") &&
		   has(&out, "X-Forwarded-Proto: https\r\n"),
	   "what a trusted proxy says stays");
	ok(!has(&out, "Content-Length"), "a GET has no Content-Length: 0");
	buffer_free(&out);
}

static void test_loop(void)
{
	static const struct {
		const char *via;
		bool loop;
	} cases[] = {
		{ "1.1 wakegate", true },
		{ "1.0 a, HTTP/1.1 WakeGate (x)", true },
		{ "1.1 a (b, 1.1 wakegate)", false },
		{ "1.1 wakegate2, 1.1 my.wakegate", false },
		{ "", false },
	};
	static struct request request;
	char more[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(more, sizeof(more), "HTTP_VIA=%s\n",
			       cases[i].via);
		ok(world_request(&request, "GET", "/", more) == 0 &&
			   head_is_loop(&request) == cases[i].loop,
		   "Via '%s' is %s loop", cases[i].via,
		   cases[i].loop ? "a" : "no");
	}
}

/* --- route ----------------------------------------------------------------- */

static void test_route(void)
{
	static const struct {
		const char *host, *path;
		enum route route;
		const char *gateway;
	} cases[] = {
		{ "a", "/", ROUTE_GATEWAY, "all" },
		{ "a", "/application", ROUTE_GATEWAY, "all" },
		{ "a", "/app", ROUTE_GATEWAY, "app" },
		{ "a", "/app/x", ROUTE_GATEWAY, "app" },
		{ "h.example:8080", "/app/x", ROUTE_GATEWAY, "host" },
		{ "H.example", "/app", ROUTE_GATEWAY, "host" },
		{ "a", "/api/status", ROUTE_STATUS, "all" },
		{ "a", "/app/api/status", ROUTE_STATUS, "app" },
		{ "a", "/api/status/", ROUTE_GATEWAY, "all" },
		{ "a", "/api/admin", ROUTE_ADMIN, "all" },
		{ "a", "/api/admin/x", ROUTE_ADMIN, "all" },
		{ "a", "/api/admin/", ROUTE_ADMIN, "all" },
		{ "a", "/app/api/admin//x", ROUTE_ADMIN, "app" },
		{ "a", "/api/administer", ROUTE_GATEWAY, "all" },
		{ "a", "/_admin/", ROUTE_ADMIN, "all" },
		{ "a", "/app/_admin", ROUTE_ADMIN, "app" },
		{ "a", "/_administer", ROUTE_GATEWAY, "all" },
		{ "a", "/favicon.ico", ROUTE_NO_WAKE, "all" },
		{ "a", "*", ROUTE_GATEWAY, "all" },
	};
	const struct settings *settings = world_settings();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice path = { cases[i].path, strlen(cases[i].path) };
		const struct gateway_settings *gateway = NULL;
		enum route route =
			route_find(settings, cases[i].host, path, &gateway);

		ok(route == cases[i].route && gateway &&
			   strcmp(gateway->name, cases[i].gateway) == 0,
		   "%s%s goes to %s", cases[i].host, cases[i].path,
		   cases[i].gateway);
	}
}

/* --- retry ----------------------------------------------------------------- */

static void test_retry(void)
{
	/* fresh, written, seen, repeatable, body_replayable, retried */
	static const struct {
		struct retry_evidence evidence;
		enum retry answer;
		const char *title;
	} cases[] = {
		{ { true, 0, 0, false, true, false },
		  RETRY_ENSURE,
		  "a refused POST is sent again" },
		{ { true, 9, 0, false, true, false },
		  RETRY_CLOSED,
		  "a written POST is not" },
		{ { true, 9, 0, true, true, false },
		  RETRY_ENSURE,
		  "a written GET is" },
		{ { true, 9, 0, true, false, false },
		  RETRY_CLOSED,
		  "not without its body" },
		{ { true, 9, 1, true, true, false },
		  RETRY_ENSURE,
		  "also when a part of its response was lost" },
		{ { false, 9, 1, true, true, false },
		  RETRY_ENSURE,
		  "which on a kept connection is a crash, too" },
		{ { true, 9, 1, true, true, true },
		  RETRY_CLOSED,
		  "but the second time it is no crash of ours to name" },
		{ { true, 0, 1, false, true, false },
		  RETRY_CLOSED,
		  "what was answered before it was written is not" },
		{ { true, 0, 0, true, true, true },
		  RETRY_CRASHED,
		  "not a second time" },
		{ { true, 9, 0, false, true, true },
		  RETRY_CRASHED,
		  "the second time is a crash, whatever it was" },
		{ { false, 9, 0, true, true, false },
		  RETRY_DIAL,
		  "a kept connection that was closed is dialled anew" },
		{ { false, 9, 0, true, true, true },
		  RETRY_DIAL,
		  "after a crash, too" },
		{ { false, 0, 0, false, true, false },
		  RETRY_DIAL,
		  "or with nothing written" },
		{ { false, 9, 0, false, true, false },
		  RETRY_CLOSED,
		  "but not with a written POST" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(retry_decide(&cases[i].evidence) == cases[i].answer, "%s",
		   cases[i].title);
}

static void test_retry_of_what_may_be_delivered(void)
{
	for (int bits = 0; bits < 32; bits++) {
		struct retry_evidence evidence = {
			.fresh = bits & 1,
			.written = 100,
			.seen = bits & 2 ? 1 : 0,
			.repeatable = false,
			.body_replayable = bits & 8,
			.retried = bits & 16,
		};
		enum retry answer = retry_decide(&evidence);

		ok(answer == RETRY_CLOSED || answer == RETRY_CRASHED,
		   "what may have been delivered is not repeated (%d)", bits);
	}
}

/* --- our own answers --------------------------------------------------------- */

static void test_problems(void)
{
	for (int code = 0; code < PROBLEM_MAX_; code++) {
		struct buffer out = BUFFER_INIT(65536);
		struct problem problem = { .code = (enum problem_code)code,
					   .id = "0123",
					   .gateway = "g",
					   .generation = 7 };
		int status = problem_status(problem.code);
		char type[128];

		(void)snprintf(type, sizeof(type),
			       "\"urn:problem-type:wakegate:%s\"",
			       problem_word(problem.code));
		problem_render(&out, &problem);
		ok(buffer_ok(&out) && has(&out, type) &&
			   has(&out, "Proxy-Status: wakegate; error=") &&
			   has(&out, "X-Request-Id: 0123\r\n") &&
			   has(&out, "Cache-Control: no-store\r\n") &&
			   has(&out, "\"retried\":false"),
		   "%s is a problem", problem_word(problem.code));
		ok((status == 503 || status == 429) ==
			   has(&out, "Retry-After: "),
		   "%s says when to come again if it is 503 or 429",
		   problem_word(problem.code));
		ok((status == 401) == has(&out, "WWW-Authenticate: Bearer\r\n"),
		   "%s says how to come in if it is 401",
		   problem_word(problem.code));
		buffer_free(&out);
	}
}

static void test_problem_forms(void)
{
	struct buffer out = BUFFER_INIT(65536);
	struct problem problem = { .code = PROBLEM_CRASHED,
				   .id = "<0>",
				   .html = true,
				   .retried = true,
				   .retry_after_s = 9 };

	problem_render(&out, &problem);
	ok(has(&out, "Content-Type: text/html") && has(&out, "&lt;0&gt;") &&
		   has(&out, "Retry-After: 9\r\n"),
	   "a problem is a page for who wants one");
	buffer_clear(&out);
	problem.head = true;
	problem_render(&out, &problem);
	ok(memcmp(out.data + out.len - 4, "\r\n\r\n", 4) == 0,
	   "and has no body for HEAD");
	buffer_free(&out);
}

static void test_problem_of_row(void)
{
	struct gateway_row row = { .state = STATE_FAILED, .reason = "held" };

	ok(problem_of_row(&row) == PROBLEM_HELD, "held is its own problem");
	row.state = STATE_COOLDOWN;
	ok(problem_of_row(&row) == PROBLEM_COOLDOWN, "so is cooldown");
	row = (struct gateway_row){ .state = STATE_FAILED,
				    .reason = "crash_loop" };
	ok(problem_of_row(&row) == PROBLEM_FAILED, "the rest is failed");
}

static void test_relay_head(void)
{
	static struct http_response response;
	struct buffer out = BUFFER_INIT(65536);
	struct err err;
	const char *text =
		"HTTP/1.1 200 Fine\r\nLocation: /a\r\nStatus: 500\r\n"
		"X-Accel-Redirect: /a\r\nX-Sendfile: /a\r\n"
		"X-LIGHTTPD-send-file: /a\r\nX-A: 1\r\n"
		"Connection: x-a\r\nSet-Cookie: b\r\n"
		"Set-Cookie: c\r\nContent-Length: 3\r\n\r\n";

	ok(http_response_parse(&response, text, strlen(text), false, &err) ==
		   PARSE_DONE,
	   "a response is parsed");
	relay_head(&out, &response);
	ok(strcmp(buffer_text(&out),
		  "Status: 200 Fine\r\nSet-Cookie: b\r\nSet-Cookie: c\r\n"
		  "Content-Length: 3\r\n\r\n") == 0,
	   "no order to the web server passes");
	buffer_free(&out);
}

int main(void)
{
	test_request();
	test_targets();
	test_bad_requests();
	test_head();
	test_loop();
	test_route();
	test_retry();
	test_retry_of_what_may_be_delivered();
	test_problems();
	test_problem_forms();
	test_problem_of_row();
	test_relay_head();
	return done_testing();
}
