/* http1.h - HTTP/1.1 messages, as a client reads them (RFC 9112)
 *
 * The parsers borrow their input, allocate nothing, and say done, more or bad.
 */
#ifndef WAKEGATE_HTTP1_H
#define WAKEGATE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"

enum parse_result { PARSE_DONE, PARSE_MORE, PARSE_BAD };

struct slice {
	const char *data; /* not terminated */
	size_t len;
};

struct http_field {
	struct slice name;
	struct slice value; /* white space around it cut */
};

/* How the end of a body is known (RFC 9112, 6.3). */
enum http_framing {
	FRAMING_NONE,	 /* no body */
	FRAMING_LENGTH,	 /* content_length bytes */
	FRAMING_CHUNKED, /* chunks */
	FRAMING_CLOSE,	 /* until the connection closes */
};

struct http_response {
	int minor_version; /* of HTTP/1 */
	int status;
	struct slice reason;
	struct http_field fields[HEADERS_MAX];
	size_t fields_count;
	enum http_framing framing;
	int64_t content_length; /* -1: none; also for HEAD and 304 what was said */
	bool keep_alive;	/* may the connection be used again */
	size_t head_len;	/* bytes of buf that the head took */
};

/* Parses a response's head, with the status line. head_request: it answers HEAD.
 * PARSE_BAD fills err (ERR_INVALID, or ERR_LIMIT for more than HEADERS_MAX
 * fields): no HTTP/1.x status line, a bare CR, a NUL, obs-fold, white space
 * before the colon, a field name that is no token, Content-Length that is no
 * number, overflows or conflicts, a Transfer-Encoding whose last coding is not
 * chunked (or any in HTTP/1.0), 101 where no upgrade was asked is the caller's.
 * A single LF as line end is taken. Transfer-Encoding wins over Content-Length:
 * content_length is then -1 and keep_alive false when both were there. */
enum parse_result http_response_parse(struct http_response *ret,
				      const char *buf, size_t len,
				      bool head_request, struct err *err);

/* The first field of that name (compared without case), or NULL. */
const struct http_field *http_response_field(
	const struct http_response *response, const char *name);

/* Is token an element of the comma-separated value (without case)? */
bool http_has_token(struct slice value, const char *token);
bool http_slice_is(struct slice slice, const char *text); /* without case */
bool http_is_token(const char *text, size_t len);	  /* RFC 9110, 5.6.2 */

/* The chunk decoder: a zeroed struct begins a body. Works in place: takes len
 * bytes at buf, moves the content to the front of buf and gives its length in
 * *ret_len; *ret_used says how many input bytes were consumed (less than len
 * only at the end of the body). PARSE_DONE: the last chunk and the trailer
 * section are through. Sizes that overflow, more than 16 KB around one chunk's
 * content or of trailers, and everything else not in RFC 9112, 7.1, is PARSE_BAD. */
struct http_chunks {
	int state;
	int64_t left;
	size_t overhead;
};
enum parse_result http_chunks_decode(struct http_chunks *chunks, char *buf,
				     size_t len, size_t *ret_len,
				     size_t *ret_used, struct err *err);

#endif
