#include "config.h"

#include <string.h>

#include "edge/admin_private.h"

#include "base/banned.h"

#define BODY_BYTES_MAX	     4096
#define PARAMETERS_BYTES_MAX 16384

static int read_text(struct call *call, char *text, size_t max, size_t *ret_len,
		     struct err *err)
{
	const struct request *request = &call->request;
	const struct body_limits limits = { (int64_t)max, max };
	struct slice piece = { 0 };
	size_t len = 0;

	if (request->content_length > limits.max)
		return err_set(err, ERR_LIMIT, "more than %zu bytes", max);
	body_begin(&call->body, call->client, request->content_length, limits);
	if (request->content_length < 0 && call->client->no_length &&
	    !request->transfer_coded)
		call->body.ended = true;
	do {
		if (body_next(&call->body, call->in, &piece, err))
			return -1;
		memcpy(text + len, piece.data, piece.len);
		len += piece.len;
	} while (piece.len > 0);
	*ret_len = len;
	return 0;
}

/* --- a form: NAME=VALUE&... -------------------------------------------------- */

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | (c >= 'A' ? 0x20 : 0)) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Decodes in place; false: it is none, or has a NUL in it. */
static bool decode(struct slice *text)
{
	char *to = (char *)(uintptr_t)text->data; /* of our own buffer */
	const char *from = text->data;
	const char *end = from + text->len;

	while (from < end) {
		char c = *from++;

		if (c == '%') {
			int high = from + 1 < end ? digit(from[0]) : -1;
			int low = high >= 0 ? digit(from[1]) : -1;

			if (low < 0 || high + low == 0)
				return false;
			c = (char)(high * 16 + low);
			from += 2;
		}
		*to++ = c == '+' && from[-1] == '+' ? ' ' : c;
	}
	text->len = (size_t)(to - text->data);
	return true;
}

/* A name that comes again makes it a list. */
static bool add_field(json_t *form, struct slice name, struct slice value)
{
	json_t *text = json_stringn(value.data, value.len);
	json_t *have;
	char key[128];

	if (!text || name.len == 0 || name.len >= sizeof(key)) {
		json_decref(text);
		return false;
	}
	memcpy(key, name.data, name.len);
	key[name.len] = '\0';
	have = json_object_get(form, key);
	if (!have)
		return json_object_set_new(form, key, text) == 0;
	if (json_is_string(have)) {
		(void)json_object_set_new(form, key, json_pack("[O]", have));
		have = json_object_get(form, key);
	}
	return json_array_append_new(have, text) == 0;
}

static json_t *read_form(char *text, size_t len)
{
	json_t *form = json_object();
	char *end = text + len;
	bool good = true;

	while (good && text < end) {
		char *next = memchr(text, '&', (size_t)(end - text));
		char *stop = next ? next : end;
		char *equals = memchr(text, '=', (size_t)(stop - text));
		struct slice name = { text, (size_t)((equals ? equals : stop) -
						     text) };
		struct slice value = { stop, 0 };

		if (equals)
			value = (struct slice){ equals + 1,
						(size_t)(stop - equals - 1) };
		good = stop == text || (decode(&name) && decode(&value) &&
					add_field(form, name, value));
		text = next ? next + 1 : end;
	}
	if (good)
		return form;
	json_decref(form);
	return NULL;
}

/* --- whichever it is --------------------------------------------------------- */

static bool fits(json_t *body, enum admin_body what)
{
	size_t allowed = 0;

	if (!json_is_object(body))
		return false;
	if (what == BODY_PARAMETERS)
		return true;
	if (what == BODY_SNAPSHOT && json_object_get(body, "snapshot"))
		allowed = 1;
	return json_object_size(body) == allowed;
}

/* By what it begins with: many a client says of everything that it is a form. */
static bool is_form(const char *text, size_t len)
{
	while (len > 0 && (*text == ' ' || (*text >= '\t' && *text <= '\r'))) {
		text++;
		len--;
	}
	return len > 0 && *text != '{' && *text != '[' && *text != '"';
}

static const char *wanted(enum admin_body what)
{
	static const char *const texts[] = {
		[BODY_NOTHING] = "a JSON object without members",
		[BODY_SNAPSHOT] = "a JSON object with nothing but snapshot",
		[BODY_PARAMETERS] = "a JSON object, or a form",
	};

	return texts[what];
}

bool admin_read_body(struct admin *admin, const struct admin_route *route)
{
	bool form_too = route->body == BODY_PARAMETERS || route->page;
	size_t max = form_too ? PARAMETERS_BYTES_MAX : BODY_BYTES_MAX;
	char text[PARAMETERS_BYTES_MAX];
	json_error_t why = { .text = "" };
	size_t len = 0;
	struct err err;

	if (read_text(admin->call, text, max, &len, &err)) {
		admin_refuse(admin,
			     err.code == ERR_LIMIT ? PROBLEM_BODY_TOO_LARGE
						   : PROBLEM_BAD_REQUEST,
			     "the body: %s", err.text);
		return false;
	}
	if (len == 0)
		admin->body = json_object();
	else if (form_too && is_form(text, len))
		admin->body = read_form(text, len);
	else
		admin->body =
			json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (admin->body && fits(admin->body, route->body))
		return true;
	if (!admin->body && *why.text)
		admin_refuse(admin, PROBLEM_BAD_REQUEST,
			     "the body is not JSON: %s", why.text);
	else
		admin_refuse(admin, PROBLEM_BAD_REQUEST, "the body must be %s",
			     wanted(route->body));
	return false;
}
