#include "config.h"

#include <string.h>
#include <strings.h>

#include "base/http1.h"

#include "base/banned.h"

#define STATUS_LINE_MIN 12 /* HTTP/1.1 200 */

/* RFC 9110, 5.6.2 */
static bool is_tchar(unsigned char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* White space inside a line, and what a field's content may be. */
static bool is_text(unsigned char c)
{
	return c == '\t' || (c >= ' ' && c != 0x7f);
}

static struct slice trim(struct slice text)
{
	while (text.len > 0 && (*text.data == ' ' || *text.data == '\t')) {
		text.data++;
		text.len--;
	}
	while (text.len > 0 && (text.data[text.len - 1] == ' ' ||
				text.data[text.len - 1] == '\t'))
		text.len--;
	return text;
}

bool http_is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!is_tchar((unsigned char)text[i]))
			return false;
	}
	return len > 0;
}

bool http_slice_is(struct slice slice, const char *text)
{
	return strlen(text) == slice.len &&
	       strncasecmp(slice.data, text, slice.len) == 0;
}

/* Cuts the first element off a comma-separated list. */
static struct slice list_next(struct slice *list)
{
	const char *comma = memchr(list->data, ',', list->len);
	struct slice element = *list;

	if (comma) {
		element.len = (size_t)(comma - list->data);
		list->data = comma + 1;
		list->len -= element.len + 1;
	} else {
		list->data += list->len;
		list->len = 0;
	}
	return trim(element);
}

bool http_has_token(struct slice value, const char *token)
{
	while (value.len > 0) {
		if (http_slice_is(list_next(&value), token))
			return true;
	}
	return false;
}

const struct http_field *http_response_field(
	const struct http_response *response, const char *name)
{
	for (size_t i = 0; i < response->fields_count; i++) {
		if (http_slice_is(response->fields[i].name, name))
			return &response->fields[i];
	}
	return NULL;
}

/* The length of the head with its empty line, 0 while that is not there. */
static size_t head_length(const char *buf, size_t len)
{
	const char *at = buf;
	const char *end = buf + len;

	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		at++;
		if (at < end && *at == '\n')
			return (size_t)(at - buf) + 1;
		if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
			return (size_t)(at - buf) + 2;
		if (at == end)
			break;
	}
	return 0;
}

/* Gives the line at *at without its end and moves *at behind it. */
static int line_next(const char **at, const char *end, struct slice *ret,
		     struct err *err)
{
	const char *newline = memchr(*at, '\n', (size_t)(end - *at));
	struct slice line = { .data = *at };

	if (!newline)
		return err_set(err, ERR_INVALID, "a line has no end");
	line.len = (size_t)(newline - *at);
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	for (size_t i = 0; i < line.len; i++) {
		if (!is_text((unsigned char)line.data[i]))
			return err_set(err, ERR_INVALID,
				       "a control character in the head");
	}
	*at = newline + 1;
	*ret = line;
	return 0;
}

static int status_line(struct http_response *ret, struct slice line,
		       struct err *err)
{
	const char *at = line.data;

	if (line.len < STATUS_LINE_MIN || memcmp(at, "HTTP/1.", 7) != 0 ||
	    !is_digit(at[7]) || at[8] != ' ' || !is_digit(at[9]) ||
	    !is_digit(at[10]) || !is_digit(at[11]) ||
	    (line.len > STATUS_LINE_MIN && at[12] != ' '))
		return err_set(err, ERR_INVALID, "no HTTP/1 status line");
	ret->minor_version = at[7] - '0';
	ret->status =
		(at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
	if (ret->status < 100 || ret->status > 599)
		return err_set(err, ERR_INVALID, "status %d", ret->status);
	ret->reason.data = at + STATUS_LINE_MIN;
	ret->reason.len = line.len - STATUS_LINE_MIN;
	ret->reason = trim(ret->reason);
	return 0;
}

static int field_line(struct http_response *ret, struct slice line,
		      struct err *err)
{
	const char *colon = memchr(line.data, ':', line.len);
	struct http_field *field = &ret->fields[ret->fields_count];

	if (ret->fields_count == HEADERS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d fields",
			       HEADERS_MAX);
	if (*line.data == ' ' || *line.data == '\t')
		return err_set(err, ERR_INVALID, "a folded field");
	if (!colon || !http_is_token(line.data, (size_t)(colon - line.data)))
		return err_set(err, ERR_INVALID, "a field without a name");
	field->name.data = line.data;
	field->name.len = (size_t)(colon - line.data);
	field->value.data = colon + 1;
	field->value.len = line.len - field->name.len - 1;
	field->value = trim(field->value);
	ret->fields_count++;
	return 0;
}

static int parse_length(struct slice digits, int64_t *ret)
{
	int64_t number = 0;

	if (digits.len == 0)
		return -1;
	for (size_t i = 0; i < digits.len; i++) {
		int digit = digits.data[i] - '0';

		if (digit < 0 || digit > 9 || number > (INT64_MAX - digit) / 10)
			return -1;
		number = number * 10 + digit;
	}
	*ret = number;
	return 0;
}

/* A list of the same number is that number (RFC 9110, 8.6). */
static int content_length(struct http_response *ret, struct slice value,
			  struct err *err)
{
	do {
		int64_t number = -1;

		if (parse_length(list_next(&value), &number))
			return err_set(err, ERR_INVALID,
				       "Content-Length is no number");
		if (ret->content_length >= 0 && ret->content_length != number)
			return err_set(err, ERR_INVALID,
				       "Content-Length contradicts itself");
		ret->content_length = number;
	} while (value.len > 0);
	return 0;
}

/* We never ask for another coding than chunked, so there is no other one. What is
 * empty between commas is none (RFC 9110, 5.6.1). */
static int transfer_encoding(const struct http_response *ret,
			     struct slice value, bool *chunked, struct err *err)
{
	if (ret->minor_version == 0)
		return err_set(err, ERR_INVALID,
			       "Transfer-Encoding in HTTP/1.0");
	while (value.len > 0) {
		struct slice coding = list_next(&value);

		if (coding.len == 0)
			continue;
		if (*chunked || !http_slice_is(coding, "chunked"))
			return err_set(err, ERR_INVALID,
				       "Transfer-Encoding is not chunked");
		*chunked = true;
	}
	if (!*chunked)
		return err_set(err, ERR_INVALID, "Transfer-Encoding is empty");
	return 0;
}

static bool has_no_body(const struct http_response *response, bool head_request)
{
	return head_request || response->status < 200 ||
	       response->status == 204 || response->status == 304;
}

static int framing(struct http_response *ret, bool head_request,
		   struct err *err)
{
	bool chunked = false;
	bool close = false;
	bool keep = false;

	ret->content_length = -1;
	for (size_t i = 0; i < ret->fields_count; i++) {
		struct slice name = ret->fields[i].name;
		struct slice value = ret->fields[i].value;

		if (http_slice_is(name, "Content-Length")) {
			if (content_length(ret, value, err))
				return -1;
		} else if (http_slice_is(name, "Transfer-Encoding")) {
			if (transfer_encoding(ret, value, &chunked, err))
				return -1;
		} else if (http_slice_is(name, "Connection")) {
			close = close || http_has_token(value, "close");
			keep = keep || http_has_token(value, "keep-alive");
		}
	}
	ret->keep_alive = !close && (ret->minor_version > 0 || keep);
	if (chunked && ret->content_length >= 0) {
		ret->content_length = -1;
		ret->keep_alive = false;
	}
	if (has_no_body(ret, head_request))
		ret->framing = FRAMING_NONE;
	else if (chunked)
		ret->framing = FRAMING_CHUNKED;
	else if (ret->content_length >= 0)
		ret->framing = FRAMING_LENGTH;
	else
		ret->framing = FRAMING_CLOSE;
	if (ret->framing == FRAMING_CLOSE)
		ret->keep_alive = false;
	return 0;
}

enum parse_result http_response_parse(struct http_response *ret,
				      const char *buf, size_t len,
				      bool head_request, struct err *err)
{
	static const char version[] = "HTTP/1.";
	size_t check = len < sizeof(version) - 1 ? len : sizeof(version) - 1;
	size_t head_len;
	const char *at = buf;
	const char *end;
	struct slice line = { 0 };

	if (len == 0)
		return PARSE_MORE;
	if (memcmp(buf, version, check) != 0) {
		err_fill(err, ERR_INVALID, "no HTTP/1 status line");
		return PARSE_BAD;
	}
	head_len = head_length(buf, len);
	if (head_len == 0)
		return PARSE_MORE;
	end = buf + head_len;
	ret->fields_count = 0;
	if (line_next(&at, end, &line, err) || status_line(ret, line, err))
		return PARSE_BAD;
	for (;;) {
		if (line_next(&at, end, &line, err))
			return PARSE_BAD;
		if (line.len == 0)
			break;
		if (field_line(ret, line, err))
			return PARSE_BAD;
	}
	if (framing(ret, head_request, err))
		return PARSE_BAD;
	ret->head_len = head_len;
	return PARSE_DONE;
}
