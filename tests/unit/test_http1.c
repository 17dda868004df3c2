#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/http1.h"
#include "unit/tap.h"

#include "base/banned.h"

static struct http_response response;
static struct err err;

static enum parse_result parse(const char *text, bool head_request)
{
	return http_response_parse(&response, text, strlen(text), head_request,
				   &err);
}

/* The text right before a page that can't be read: one byte too far is seen. */
static char *at_edge(const char *text, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE))
		abort();
	if (len > 0)
		memcpy(pages + page - len, text, len);
	return pages + page - len;
}

static void drop_edge(char *text, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	(void)munmap(text + len - page, 2 * page);
}

static void test_whole(void)
{
	const char *text = "HTTP/1.1 200 All right\r\nServer: fake\r\n"
			   "Content-Length:  5 \r\nSet-Cookie: a\r\n"
			   "Set-Cookie: b\r\n\r\nhello";

	ok(parse(text, false) == PARSE_DONE, "a response's head is parsed");
	ok(response.status == 200 && response.minor_version == 1,
	   "its status and version are there");
	ok(http_slice_is(response.reason, "all right"), "its reason is");
	ok(response.fields_count == 4, "all fields are, two of one name");
	ok(http_slice_is(response.fields[1].value, "5"),
	   "white space around a value is cut");
	ok(response.framing == FRAMING_LENGTH && response.content_length == 5,
	   "its length is known");
	ok(response.keep_alive, "HTTP/1.1 keeps the connection");
	ok(strcmp(text + response.head_len, "hello") == 0,
	   "the head ends where the body begins");
	ok(http_response_field(&response, "set-cookie") == &response.fields[2],
	   "the first field of a name is found without case");
	ok(!http_response_field(&response, "Cookie"), "no other is");
}

static void test_cut_off(void)
{
	const char *text = "HTTP/1.1 200 OK\r\nA: b\r\n"
			   "Transfer-Encoding: chunked\r\n\r\n";
	size_t wrong = 0;

	for (size_t len = 0; len < strlen(text); len++) {
		char *edge = at_edge(text, len);

		wrong += http_response_parse(&response, edge, len, false,
					     &err) != PARSE_MORE;
		drop_edge(edge, len);
	}
	ok(wrong == 0, "a head that is cut off anywhere needs more");
}

static void test_bad(void)
{
	static const char *const bad[] = {
		"SSH-2.0-OpenSSH\r\n\r\n",
		"HTTP/2 200 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 20\r\n\r\n",
		"HTTP/1.1 099 No\r\n\r\n",
		"HTTP/1.1 600 No\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/1.1 200 O\rK\r\n\r\n",
		"HTTP/1.1 200 OK\r\n A: folded first\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: c\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1 2\r\n\r\n",
		"HTTP/1.1 200 N\r\nContent-Length: 9223372036854775808\n\n",
		"HTTP/1.1 200 N\nContent-Length: 1\nContent-Length: 2\n\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
		"HTTP/1.1 200 N\nTransfer-Encoding: chunked, chunked\n\n",
		"HTTP/1.1 200 N\nTransfer-Encoding: chunked,, chunked\n\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: ,\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: \vchunked\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(parse(bad[i], false) == PARSE_BAD, "bad head %zu is refused",
		   i);
	ok(http_response_parse(&response, "HTTP/1.1 200 OK\r\nA: \0b\r\n\r\n",
			       26, false, &err) == PARSE_BAD,
	   "a NUL is refused");
}

static void test_too_many(void)
{
	struct {
		char text[8 * (HEADERS_MAX + 8)];
		size_t len;
	} head = { .len = 0 };
	const char *status = "HTTP/1.1 200 OK\r\n";

	memcpy(head.text, status, strlen(status));
	head.len = strlen(status);
	for (int i = 0; i <= HEADERS_MAX; i++) {
		memcpy(head.text + head.len, "A: b\r\n", 6);
		head.len += 6;
	}
	memcpy(head.text + head.len, "\r\n", 2);
	head.len += 2;
	ok(http_response_parse(&response, head.text, head.len, false, &err) ==
			   PARSE_BAD &&
		   err.code == ERR_LIMIT,
	   "more than HEADERS_MAX fields are refused");
}

struct framing_case {
	const char *text;
	bool head;
	enum http_framing framing;
	int64_t length;
	bool keep_alive;
};

static void test_framing(void)
{
	static const struct framing_case cases[] = {
		{ "HTTP/1.1 200 OK\n\n", false, FRAMING_CLOSE, -1, false },
		{ "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false,
		  FRAMING_LENGTH, 0, true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 7, 7\r\n\r\n", false,
		  FRAMING_LENGTH, 7, true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n",
		  false, FRAMING_CHUNKED, -1, true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: , chunked ,\r\n\r\n",
		  false, FRAMING_CHUNKED, -1, true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n",
		  false, FRAMING_CHUNKED, -1, false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true,
		  FRAMING_NONE, 9, true },
		{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
		  false, FRAMING_NONE, 9, true },
		{ "HTTP/1.1 204 No Content\r\n\r\n", false, FRAMING_NONE, -1,
		  true },
		{ "HTTP/1.1 100 Continue\r\n\r\n", false, FRAMING_NONE, -1,
		  true },
		{ "HTTP/1.1 204 No\r\nConnection: x, Close\r\n\r\n", false,
		  FRAMING_NONE, -1, false },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", false,
		  FRAMING_LENGTH, 1, false },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n"
		  "Connection: keep-alive\r\n\r\n",
		  false, FRAMING_LENGTH, 1, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct framing_case *one = &cases[i];

		ok(parse(one->text, one->head) == PARSE_DONE &&
			   response.framing == one->framing &&
			   response.content_length == one->length &&
			   response.keep_alive == one->keep_alive,
		   "framing %zu is known", i);
	}
}

static void test_words(void)
{
	struct slice list = { "keep-alive ,\tX-One,", 19 };

	ok(http_has_token(list, "x-one"), "a list's element is found");
	ok(!http_has_token(list, "one"), "a part of one isn't");
	ok(http_is_token("X-A_b.~", 7) && !http_is_token("", 0) &&
		   !http_is_token("a b", 3) && !http_is_token("a\0", 2) &&
		   !http_is_token("\xe4", 1),
	   "a token is one");
}

/* Decodes text in pieces of step bytes. */
static enum parse_result decode(const char *text, size_t len, size_t step,
				char *content, size_t *content_len,
				size_t *used)
{
	struct http_chunks chunks = { 0 };
	enum parse_result result = PARSE_MORE;
	char buf[256];

	*content_len = 0;
	*used = 0;
	while (*used < len && result == PARSE_MORE) {
		size_t part = len - *used < step ? len - *used : step;
		size_t got = 0;
		size_t took = 0;

		memcpy(buf, text + *used, part);
		result = http_chunks_decode(&chunks, buf, part, &got, &took,
					    &err);
		if (result == PARSE_BAD)
			return result;
		memcpy(content + *content_len, buf, got);
		*content_len += got;
		*used += took;
	}
	return result;
}

static void test_chunks(void)
{
	const char *text =
		"4;a=\"b\"\r\nWiki\r\n0005 \r\npedia\r\n"
		"e\r\n in\r\n\r\nchunks.\r\n0\r\nX-Sum: 1\r\n\r\nNEXT";
	const char *content = "Wikipedia in\r\n\r\nchunks.";
	size_t wrong = 0;

	for (size_t step = 1; step <= strlen(text); step++) {
		char out[256];
		size_t len = 0;
		size_t used = 0;

		wrong += decode(text, strlen(text), step, out, &len, &used) !=
				 PARSE_DONE ||
			 len != strlen(content) ||
			 memcmp(out, content, len) != 0 ||
			 strcmp(text + used, "NEXT") != 0;
	}
	ok(wrong == 0, "chunks are decoded, however they are cut");
}

static void test_bad_chunks(void)
{
	static const char *const bad[] = {
		"\r\n",
		"g\r\n",
		"-1\r\n",
		"1\nA\r\n0\r\n\r\n",
		"1\r\nAB\r\n",
		"1\r\nA\n0\r\n\r\n",
		" 1\r\nA\r\n",
		"0x1\r\nA\r\n",
		"8000000000000000\r\n",
		"1 2\r\n",
		"ffffffffffffffffff\r\n",
		"0\r\nno colon\r\n\r\n",
		"0\r\n folded: x\r\n\r\n",
		"0\r\nA: b\rc\r\n\r\n",
		"1;a\rb\r\nA\r\n",
	};
	char out[256];
	size_t len = 0;
	size_t used = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(decode(bad[i], strlen(bad[i]), 1, out, &len, &used) ==
			   PARSE_BAD,
		   "bad chunk %zu is refused", i);
	ok(decode("7fffffffffffffff\r\nA", 19, 19, out, &len, &used) ==
			   PARSE_MORE &&
		   len == 1,
	   "the largest size is taken");
}

static void test_endless_overhead(void)
{
	struct http_chunks zeros = { 0 };
	struct http_chunks extension = { 0 };
	static char buf[20000];
	size_t len = 0;
	size_t used = 0;

	memset(buf, '0', sizeof(buf));
	ok(http_chunks_decode(&zeros, buf, sizeof(buf), &len, &used, &err) ==
		   PARSE_BAD,
	   "a size of endless zeros is refused");
	memset(buf, 'x', sizeof(buf));
	buf[0] = '1';
	buf[1] = ';';
	ok(http_chunks_decode(&extension, buf, sizeof(buf), &len, &used,
			      &err) == PARSE_BAD,
	   "an endless extension is refused");
}

/* An event stream may last for days. */
static void test_many_chunks(void)
{
	static const char chunk[] = "0000001;a=\"b\"\r\nx\r\n";
	struct http_chunks chunks = { 0 };
	size_t wrong = 0;

	for (int i = 0; i < 100000; i++) {
		char buf[sizeof(chunk)];
		size_t len = 0;
		size_t used = 0;

		memcpy(buf, chunk, sizeof(chunk));
		wrong += http_chunks_decode(&chunks, buf, sizeof(chunk) - 1,
					    &len, &used, &err) != PARSE_MORE ||
			 len != 1;
	}
	ok(wrong == 0, "chunks may be many");
}

int main(void)
{
	test_whole();
	test_cut_off();
	test_bad();
	test_too_many();
	test_framing();
	test_words();
	test_chunks();
	test_bad_chunks();
	test_endless_overhead();
	test_many_chunks();
	return done_testing();
}
