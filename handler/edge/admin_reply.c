#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/redact.h"
#include "edge/admin_private.h"

#include "base/banned.h"

#define DETAIL_BYTES 512

void admin_set(json_t *object, const char *name, json_t *value)
{
	(void)json_object_set_new(object, name, value);
}

static void send_text(struct call *call, bool done, const char *type,
		      struct slice text)
{
	struct err ignored; /* who has gone can't be told */

	buffer_clear(&call->out);
	problem_done_head(&call->out, done, call_id(call));
	buffer_printf(&call->out,
		      "Content-Type: %s\r\n"
		      "X-Content-Type-Options: nosniff\r\n",
		      type);
	if (!call->request.head)
		buffer_printf(&call->out, "Content-Length: %zu\r\n", text.len);
	buffer_puts(&call->out, "\r\n");
	call_send(call);
	if (!call->request.head && text.len > 0)
		(void)call->client->door->write(call->client, text.data,
						text.len, &ignored);
}

void admin_reply(struct admin *admin, bool done, json_t *json)
{
	CLEANUP_FREE char *text = json_dumps(json, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;

	json_decref(json);
	if (admin->page) {
		admin_panel_done(admin);
		return;
	}
	if (text)
		text[len++] = '\n'; /* in the place of its NUL */
	send_text(admin->call, done, "application/json",
		  (struct slice){ text, len });
}

void admin_reply_text(struct admin *admin, const char *type,
		      const struct buffer *text)
{
	send_text(admin->call, true, type,
		  (struct slice){ text->data, text->len });
}

void admin_note(struct admin *admin, const char *what)
{
	const struct request *request = &admin->call->request;
	bool user = admin->access == ACCESS_USER;

	log_line(LEVEL_INFO,
		 "request=%s gateway=%s by=%s user=\"%s\" address=%s "
		 "msg=\"%s\"",
		 call_id(admin->call), admin->call->gateway->name,
		 user ? "user" : "token", user ? request->remote_user : "",
		 request->remote_addr, what);
}

void admin_refuse(struct admin *admin, enum problem_code code,
		  const char *format, ...)
{
	char detail[DETAIL_BYTES];
	const struct refusal refusal = {
		.code = code,
		.text = detail,
		.detail = detail,
	};
	va_list args;

	va_start(args, format);
	(void)vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	redact_all(detail, sizeof(detail));
	if (admin->page && admin->call->store) {
		log_line(LEVEL_INFO, "request=%s gateway=%s code=%s msg=\"%s\"",
			 call_id(admin->call), admin->call->gateway->name,
			 problem_word(code), detail);
		admin_panel_refuse(admin, code, detail);
	} else {
		call_refuse(admin->call, &refusal);
	}
}

void admin_failed(struct admin *admin, const struct err *err)
{
	enum problem_code code = PROBLEM_FAILED;

	if (err->code == ERR_STORE || err->code == ERR_STORE_MOVED ||
	    err->code == ERR_CORRUPT)
		code = PROBLEM_STORE;
	else if (err->code == ERR_MISSING)
		code = PROBLEM_NOT_FOUND;
	admin_refuse(admin, code, "%s", err->text);
}

/* The value of NAME in "a=1&NAME=value"; false when it isn't there. */
static bool query_value(struct slice query, const char *name, struct slice *ret)
{
	size_t len = strlen(name);

	while (query.len > 0) {
		const char *end = memchr(query.data, '&', query.len);
		size_t part = end ? (size_t)(end - query.data) : query.len;

		if (part > len && memcmp(query.data, name, len) == 0 &&
		    query.data[len] == '=') {
			ret->data = query.data + len + 1;
			ret->len = part - len - 1;
			return true;
		}
		part += end ? 1 : 0;
		query.data += part;
		query.len -= part;
	}
	return false;
}

static bool is_number(struct slice text, const struct admin_number *number,
		      int64_t *ret)
{
	int64_t value = 0;

	if (text.len == 0 || text.len > 18)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		value = value * 10 + (text.data[i] - '0');
	}
	if (value < number->min || value > number->max)
		return false;
	*ret = value;
	return true;
}

bool admin_query(const struct admin *admin, const char *name, struct slice *ret)
{
	const struct request *request = &admin->call->request;
	struct slice query = request->target;

	query.data += request->path.len;
	query.len -= request->path.len;
	if (query.len > 0) { /* the question mark */
		query.data++;
		query.len--;
	}
	return query_value(query, name, ret);
}

bool admin_number(struct admin *admin, const struct admin_number *number,
		  int64_t *ret)
{
	struct slice value;

	*ret = number->fallback;
	if (!admin_query(admin, number->name, &value) ||
	    is_number(value, number, ret))
		return true;
	admin_refuse(admin, PROBLEM_BAD_REQUEST,
		     "%s in the query must be a whole number from %lld to "
		     "%lld",
		     number->name, (long long)number->min,
		     (long long)number->max);
	return false;
}
