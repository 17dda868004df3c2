#include "config.h"

#include <string.h>

#include "base/http1.h"

#include "base/banned.h"

#define CHUNKS_OVERHEAD_MAX 16384 /* of one chunk, or of the trailers */

enum chunk_state {
	CHUNK_SIZE,	 /* before the first digit */
	CHUNK_SIZE_MORE, /* after one */
	CHUNK_SPACE,	 /* white space behind the size */
	CHUNK_EXTENSION, /* behind ';' */
	CHUNK_SIZE_LF,	 /* behind the CR of that line */
	CHUNK_DATA,	 /* inside the content */
	CHUNK_DATA_CR,	 /* behind the content */
	CHUNK_DATA_LF,	 /* and its CR */
	CHUNK_LINE,	 /* at the beginning of a trailer line */
	CHUNK_NAME,	 /* in a trailer's name */
	CHUNK_VALUE,	 /* in a trailer's value */
	CHUNK_VALUE_LF,	 /* behind the CR of that line */
	CHUNK_END_LF,	 /* behind the CR of the last line */
	CHUNK_END,	 /* all is through */
};

static int digit_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool is_text(unsigned char c)
{
	return c == '\t' || (c >= ' ' && c != 0x7f);
}

/* One more digit. Leading zeros count as overhead, or a size could go on for
 * ever. Gives the next state, or -1. */
static int size_digit(struct http_chunks *chunks, int digit)
{
	if (chunks->left > (INT64_MAX - digit) / 16)
		return -1;
	if (chunks->left == 0 && digit == 0)
		chunks->overhead++;
	chunks->left = chunks->left * 16 + digit;
	return CHUNK_SIZE_MORE;
}

static int size_step(struct http_chunks *chunks, unsigned char c)
{
	int digit = digit_value(c);

	if (chunks->state != CHUNK_SPACE && digit >= 0)
		return size_digit(chunks, digit);
	if (chunks->state == CHUNK_SIZE)
		return -1;
	if (c == '\r')
		return CHUNK_SIZE_LF;
	chunks->overhead++;
	if (c == ';')
		return CHUNK_EXTENSION;
	return c == ' ' || c == '\t' ? CHUNK_SPACE : -1;
}

static int trailer_step(struct http_chunks *chunks, unsigned char c)
{
	const char name = (char)c;

	if (chunks->state == CHUNK_LINE && c == '\r')
		return CHUNK_END_LF;
	if (chunks->state == CHUNK_VALUE && c == '\r')
		return CHUNK_VALUE_LF;
	chunks->overhead++;
	if (chunks->state == CHUNK_VALUE)
		return is_text(c) ? CHUNK_VALUE : -1;
	if (chunks->state == CHUNK_NAME && c == ':')
		return CHUNK_VALUE;
	return http_is_token(&name, 1) ? CHUNK_NAME : -1;
}

/* What follows the byte c of anything but content; -1 for what may not. */
static int step(struct http_chunks *chunks, unsigned char c)
{
	switch ((enum chunk_state)chunks->state) {
	case CHUNK_SIZE:
	case CHUNK_SIZE_MORE:
	case CHUNK_SPACE:
		return size_step(chunks, c);
	case CHUNK_EXTENSION:
		chunks->overhead++;
		if (c == '\r')
			return CHUNK_SIZE_LF;
		return is_text(c) ? CHUNK_EXTENSION : -1;
	case CHUNK_SIZE_LF:
		if (c != '\n')
			return -1;
		return chunks->left > 0 ? CHUNK_DATA : CHUNK_LINE;
	case CHUNK_DATA_CR:
		return c == '\r' ? CHUNK_DATA_LF : -1;
	case CHUNK_DATA_LF:
		chunks->overhead = 0;
		return c == '\n' ? CHUNK_SIZE : -1;
	case CHUNK_LINE:
	case CHUNK_NAME:
	case CHUNK_VALUE:
		return trailer_step(chunks, c);
	case CHUNK_VALUE_LF:
		return c == '\n' ? CHUNK_LINE : -1;
	case CHUNK_END_LF:
		return c == '\n' ? CHUNK_END : -1;
	case CHUNK_DATA:
	case CHUNK_END:
	default:
		return -1;
	}
}

/* Moves the content at buf + from to buf + to; gives how many bytes. */
static size_t take_content(struct http_chunks *chunks, char *buf, size_t from,
			   size_t to, size_t len)
{
	size_t count = len - from;

	if ((int64_t)count > chunks->left)
		count = (size_t)chunks->left;
	memmove(buf + to, buf + from, count);
	chunks->left -= (int64_t)count;
	if (chunks->left == 0)
		chunks->state = CHUNK_DATA_CR;
	return count;
}

enum parse_result http_chunks_decode(struct http_chunks *chunks, char *buf,
				     size_t len, size_t *ret_len,
				     size_t *ret_used, struct err *err)
{
	size_t in = 0;
	size_t out = 0;

	while (in < len && chunks->state != CHUNK_END) {
		int next;

		if (chunks->state == CHUNK_DATA) {
			size_t count = take_content(chunks, buf, in, out, len);

			in += count;
			out += count;
			continue;
		}
		next = step(chunks, (unsigned char)buf[in++]);
		if (next < 0 || chunks->overhead > CHUNKS_OVERHEAD_MAX) {
			err_fill(err, next < 0 ? ERR_INVALID : ERR_LIMIT,
				 "malformed chunks");
			return PARSE_BAD;
		}
		chunks->state = next;
	}
	*ret_len = out;
	*ret_used = in;
	return chunks->state == CHUNK_END ? PARSE_DONE : PARSE_MORE;
}
