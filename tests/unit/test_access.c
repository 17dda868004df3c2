/* Who may administer: decided, limited, and read from the token's file */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "edge/access.h"
#include "edge/tries.h"
#include "gateway/settings_token.h"
#include "unit/edge_world.h"
#include "unit/settings_world.h"
#include "unit/tap.h"

#include "base/banned.h"

#define RIGHT "0123456789abcdef0123456789abcdef"

static char alice[] = "alice";
static char bob[] = "bob";
static char *const users[] = { alice, bob, NULL };

/* --- who ------------------------------------------------------------------- */

static void test_who(void)
{
	static const struct {
		const char *user;
		enum bearer bearer;
		enum access access;
	} cases[] = {
		{ "", BEARER_NONE, ACCESS_NOBODY },
		{ "", BEARER_RIGHT, ACCESS_TOKEN },
		{ "", BEARER_WRONG, ACCESS_WRONG_TOKEN },
		{ "", BEARER_LIMITED, ACCESS_LIMITED },
		{ "alice", BEARER_NONE, ACCESS_USER },
		{ "bob", BEARER_NONE, ACCESS_USER },
		{ "alice", BEARER_WRONG, ACCESS_USER },
		{ "Alice", BEARER_NONE, ACCESS_NO_ADMIN },
		{ "alic", BEARER_NONE, ACCESS_NO_ADMIN },
		{ "alice2", BEARER_NONE, ACCESS_NO_ADMIN },
		{ "mallory", BEARER_NONE, ACCESS_NO_ADMIN },
		{ "mallory", BEARER_RIGHT, ACCESS_TOKEN },
		{ "mallory", BEARER_WRONG, ACCESS_WRONG_TOKEN },
		{ "mallory", BEARER_LIMITED, ACCESS_LIMITED },
	};
	static char *const none[] = { NULL };
	static struct request request;
	char more[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(more, sizeof(more), "REMOTE_USER=%s\n",
			       cases[i].user);
		(void)world_request(&request, "GET", "/", more);
		ok(access_decide(&request, users, cases[i].bearer) ==
			   cases[i].access,
		   "user '%s' with bearer %d: %d", cases[i].user,
		   (int)cases[i].bearer, (int)cases[i].access);
	}
	(void)world_request(&request, "GET", "/", "");
	ok(access_decide(&request, none, BEARER_NONE) == ACCESS_NOBODY &&
		   access_decide(&request, NULL, BEARER_NONE) == ACCESS_NOBODY,
	   "without users nobody is one");
	(void)world_request(&request, "GET", "/", "HTTP_REMOTE_USER=alice\n");
	ok(access_decide(&request, users, BEARER_NONE) == ACCESS_NOBODY,
	   "a header field makes no user");
}

/* --- from where ------------------------------------------------------------ */

static const struct {
	const char *method, *more;
	bool passes;
} origins[] = {
	{ "POST", "", true },
	{ "POST", "HTTP_SEC_FETCH_SITE=same-origin\n", true },
	{ "POST", "HTTP_SEC_FETCH_SITE=none\n", true },
	{ "POST", "HTTP_SEC_FETCH_SITE=same-site\n", false },
	{ "POST", "HTTP_SEC_FETCH_SITE=cross-site\n", false },
	{ "POST", "HTTP_SEC_FETCH_SITE=\n", false },
	{ "POST",
	  "HTTP_SEC_FETCH_SITE=cross-site\nHTTP_ORIGIN=http://h.example\n",
	  false },
	{ "POST",
	  "HTTP_SEC_FETCH_SITE=same-origin\nHTTP_ORIGIN=https://front\n",
	  true },
	{ "POST", "HTTP_ORIGIN=http://h.example\n", true },
	{ "POST", "HTTP_ORIGIN=https://H.example\n", true },
	{ "POST", "HTTP_ORIGIN=http://h.example:80\n", true },
	{ "POST", "HTTP_ORIGIN=http://h.example:8080\n", false },
	{ "POST", "HTTP_ORIGIN=http://other.example\n", false },
	{ "POST", "HTTP_ORIGIN=http://h.example.org\n", false },
	{ "POST", "HTTP_ORIGIN=http://xh.example\n", false },
	{ "POST", "HTTP_ORIGIN=null\n", false },
	{ "POST", "HTTP_ORIGIN=\n", false },
	{ "POST", "HTTP_ORIGIN=h.example\n", false },
	{ "POST", "HTTP_ORIGIN=file://h.example\n", false },
	{ "POST", "HTTP_ORIGIN=http://\n", false },
	{ "DELETE", "HTTP_ORIGIN=http://other.example\n", false },
	{ "GET", "HTTP_ORIGIN=http://other.example\n", true },
	{ "HEAD", "HTTP_SEC_FETCH_SITE=cross-site\n", true },
};

static void test_origin(void)
{
	static struct request request;
	char more[256];

	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
		(void)snprintf(more, sizeof(more),
			       "HTTP_HOST=h.example\nREMOTE_USER=alice\n%s",
			       origins[i].more);
		(void)world_request(&request, origins[i].method, "/", more);
		ok(access_decide(&request, users, BEARER_NONE) ==
				   (origins[i].passes ? ACCESS_USER
						      : ACCESS_FOREIGN) &&
			   access_decide(&request, NULL, BEARER_RIGHT) ==
				   (origins[i].passes ? ACCESS_TOKEN
						      : ACCESS_FOREIGN),
		   "origin %zu of a %s: %s", i, origins[i].method,
		   origins[i].passes ? "own" : "foreign");
	}
	(void)world_request(&request, "POST", "/",
			    "HTTP_HOST=h.example:8080\nREMOTE_USER=alice\n"
			    "HTTP_ORIGIN=http://h.example:8080\n");
	ok(access_decide(&request, users, BEARER_NONE) == ACCESS_USER,
	   "a port that both name is the same");
	(void)world_request(&request, "POST", "/",
			    "HTTP_HOST=h.example:443\nREMOTE_USER=alice\n"
			    "HTTP_ORIGIN=https://h.example\n");
	ok(access_decide(&request, users, BEARER_NONE) == ACCESS_USER,
	   "a default port need not be named");
	(void)world_request(&request, "POST", "/",
			    "HTTP_HOST=h.example\n"
			    "HTTP_ORIGIN=http://other.example\n");
	ok(access_decide(&request, users, BEARER_NONE) == ACCESS_NOBODY,
	   "who is nobody is told nothing else");
}

/* --- the token ------------------------------------------------------------- */

static void test_bearer(void)
{
	static const struct {
		const char *value, *token; /* NULL: none */
	} cases[] = {
		{ "Bearer abc", "abc" },
		{ "bearer  abc ", "abc" },
		{ "Bearer ", "" },
		{ "Bearer", NULL },
		{ "Bearerabc", NULL },
		{ "Basic abc", NULL },
		{ "", NULL },
	};
	static struct request request;
	struct slice token;
	char more[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool there;

		(void)snprintf(more, sizeof(more), "HTTP_AUTHORIZATION=%s\n",
			       cases[i].value);
		(void)world_request(&request, "GET", "/", more);
		there = access_bearer(&request, &token);
		ok(there == (cases[i].token != NULL) &&
			   (!there || http_slice_is(token, cases[i].token)),
		   "'%s' bears '%s'", cases[i].value,
		   cases[i].token ? cases[i].token : "nothing");
	}
	(void)world_request(&request, "GET", "/",
			    "HTTP_AUTHORIZATION=Bearer a\nHTTP_X=y\n"
			    "HTTP_AUTHORIZATION=Bearer b\n");
	request_drop(&request, "Authorization");
	ok(!access_bearer(&request, &token) && request.fields_count == 1 &&
		   request_field(&request, "X"),
	   "a dropped field is gone, and only that");
}

static struct slice slice(const char *text)
{
	return (struct slice){ text, strlen(text) };
}

static void test_same(void)
{
	ok(token_same(slice(RIGHT), slice(RIGHT)), "a token is itself");
	ok(!token_same(slice(RIGHT "x"), slice(RIGHT)) &&
		   !token_same(slice(RIGHT), slice(RIGHT "x")) &&
		   !token_same(slice(RIGHT RIGHT), slice(RIGHT)),
	   "another length is another token");
	ok(!token_same(slice("x123456789abcdef0123456789abcdef"),
		       slice(RIGHT)) &&
		   !token_same(slice("0123456789abcdef0123456789abcdeX"),
			       slice(RIGHT)),
	   "another byte is another token");
	ok(!token_same(slice(""), slice("")), "nothing is no token");
}

static void test_file(void)
{
	struct settings_token *token = NULL;
	struct err err;

	if (settings_token_open(&token, &err))
		exit(99);
	(void)unlink(secret);
	ok(!settings_token_is(token, secret, slice(RIGHT)),
	   "a missing file lets nobody in");
	write_text(secret, RIGHT "\n");
	ok(settings_token_is(token, secret, slice(RIGHT)),
	   "its token does, when it is there");
	ok(!settings_token_is(token, secret, slice(RIGHT "\n")) &&
		   !settings_token_is(token, secret, slice("")),
	   "another does not");
	write_text(secret, "another-token-another-token-another\n");
	ok(!settings_token_is(token, secret, slice(RIGHT)) &&
		   settings_token_is(token, secret,
				     slice("another-token-another-token-"
					   "another")),
	   "a file that was replaced is read anew");
	write_text(secret, "0123456789abcdef0123456789abcde\n");
	ok(!settings_token_is(token, secret,
			      slice("0123456789abcdef0123456789abcde")),
	   "31 characters are none");
	ok(settings_token_check(secret, &err) != 0 &&
		   strstr(err.text, "31 characters") &&
		   !strstr(err.text, "0123"),
	   "which is said without showing them");
	settings_token_close(token);
}

static void test_mode(void)
{
	static const struct {
		mode_t mode;
		bool good;
	} modes[] = {
		{ 0600, true },	 { 0400, true },  { 0640, true },
		{ 0644, false }, { 0604, false }, { 0602, false },
		{ 0660, false }, { 0666, false }, { 0601, false },
	};
	struct settings_token *token = NULL;
	struct err err;

	if (settings_token_open(&token, &err))
		exit(99);
	write_text(secret, RIGHT "\n");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (chmod(secret, modes[i].mode))
			exit(99);
		ok(settings_token_is(token, secret, slice(RIGHT)) ==
				   modes[i].good &&
			   (settings_token_check(secret, &err) == 0) ==
				   modes[i].good,
		   "a token of mode %04o is %s", (unsigned int)modes[i].mode,
		   modes[i].good ? "taken" : "refused");
	}
	settings_token_close(token);
}

/* --- tries ----------------------------------------------------------------- */

static int64_t left(const char *address, int64_t now_ms)
{
	int64_t left_ms = -1;
	struct err err;

	if (tries_left_ms(folder, address, now_ms, &left_ms, &err))
		printf("# %s\n", err.text);
	return left_ms;
}

static void add(const char *address, int64_t now_ms)
{
	struct err err;

	if (tries_add(folder, address, now_ms, &err))
		printf("# %s\n", err.text);
}

static void test_tries(void)
{
	const int64_t now = INT64_C(1800000000000);
	int free_tries = 0;
	struct err err;
	int64_t left_ms;
	char path[64];

	while (left("192.0.2.1", now) == 0 && free_tries < 1000) {
		add("192.0.2.1", now);
		free_tries++;
	}
	ok(free_tries == TRIES_AT_ONCE, "%d wrong tokens are free",
	   TRIES_AT_ONCE);
	ok(left("192.0.2.1", now) == TRIES_PAUSE_MS, "then there is a pause");
	ok(left("192.0.2.2", now) == 0, "another address isn't touched");
	ok(left("192.0.2.1", now + TRIES_PAUSE_MS) == 0,
	   "after it one is looked at");
	add("192.0.2.1", now + TRIES_PAUSE_MS);
	ok(left("192.0.2.1", now + TRIES_PAUSE_MS) == TRIES_PAUSE_MS,
	   "and no more");
	ok(left("192.0.2.1", now + 3600000) == 0, "in time all is forgotten");
	ok(left("192.0.2.1", now - 3600000) == 0,
	   "a clock that was set back locks nobody out");
	(void)snprintf(path, sizeof(path), "%s/wakegate.tries", folder);
	ok(unlink(path) == 0, "all of it is in one file");
	ok(tries_left_ms("/nonexistent", "a", now, &left_ms, &err) != 0,
	   "a folder that is not there is an error");
}

int main(void)
{
	world_begin();
	test_who();
	test_origin();
	test_bearer();
	test_same();
	test_file();
	test_mode();
	test_tries();
	world_end();
	return done_testing();
}
