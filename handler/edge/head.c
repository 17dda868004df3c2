#include "config.h"

#include <string.h>
#include <strings.h>

#include "edge/forwarded.h"
#include "edge/head.h"
#include "edge/route.h"

#include "base/banned.h"

#define VIA_NAME "wakegate"

/* Of this hop only, or written by us. */
static const char *const not_passed[] = {
	"Host",		"Connection",	  "Keep-Alive", "Proxy-Connection",
	"TE",		"Trailer",	  "Upgrade",	"Transfer-Encoding",
	"Proxy",	"Expect",	  "Via",	"Content-Length",
	"Content-Type", "HTTP2-Settings",
};

static bool is(const struct request_field *field, const char *name)
{
	return request_name_is(field->name, field->name_len, name);
}

/* Cuts the first element off a comma-separated list; a comma inside a comment
 * (RFC 9110, 5.6.5) ends none. */
static struct slice list_next(struct slice *list)
{
	struct slice element = { .data = list->data };
	int depth = 0;

	while (list->len > 0 && (*list->data != ',' || depth > 0)) {
		depth += *list->data == '(';
		depth -= *list->data == ')' && depth > 0;
		list->data++;
		list->len--;
	}
	element.len = (size_t)(list->data - element.data);
	if (list->len > 0) {
		list->data++;
		list->len--;
	}
	return element;
}

static struct slice word_next(struct slice *text)
{
	struct slice word;

	while (text->len > 0 && (*text->data == ' ' || *text->data == '\t')) {
		text->data++;
		text->len--;
	}
	word.data = text->data;
	while (text->len > 0 && *text->data != ' ' && *text->data != '\t') {
		text->data++;
		text->len--;
	}
	word.len = (size_t)(text->data - word.data);
	return word;
}

bool head_is_loop(const struct request *request)
{
	const struct request_field *via = request_field(request, "VIA");
	struct slice list = via ? via->value : (struct slice){ 0 };

	while (list.len > 0) {
		struct slice member = list_next(&list);

		(void)word_next(&member); /* the protocol */
		if (http_slice_is(word_next(&member), VIA_NAME))
			return true;
	}
	return false;
}

/* As request_name_is(), for a name that isn't terminated. */
static bool same_name(struct slice name, const struct request_field *field)
{
	for (size_t i = 0; i < name.len && name.len == field->name_len; i++) {
		char a = name.data[i] == '-' ? '_' : name.data[i];
		char b = field->name[i] == '-' ? '_' : field->name[i];

		if (strncasecmp(&a, &b, 1) != 0)
			return false;
	}
	return name.len == field->name_len;
}

static bool is_named_by_connection(const struct request_field *connection,
				   const struct request_field *field)
{
	struct slice list =
		connection ? connection->value : (struct slice){ 0 };

	while (list.len > 0) {
		struct slice member = list_next(&list);

		if (same_name(word_next(&member), field))
			return true;
	}
	return false;
}

/* A set Authorization stands back behind the client's; others replace it. */
static bool is_replaced(const struct gateway_settings *gateway,
			const struct request_field *field)
{
	const struct setting_value *set = gateway->set_headers;

	if (gateway->identity_header && is(field, gateway->identity_header))
		return true;
	for (; set && set->name; set++) {
		if (is(field, set->name))
			return strcasecmp(set->name, "Authorization") != 0;
	}
	return false;
}

static bool passes(const struct request *request,
		   const struct request_field *field,
		   const struct request_field *connection,
		   const struct head *head, bool trusted)
{
	for (size_t i = 0; i < sizeof(not_passed) / sizeof(not_passed[0]);
	     i++) {
		if (is(field, not_passed[i]))
			return false;
	}
	if (is_replaced(head->gateway, field) ||
	    is_named_by_connection(connection, field))
		return false;
	return !forwarded_is_field(field) ||
	       forwarded_passes(request, field, head->gateway->forwarded,
				trusted);
}

/* USER_AGENT becomes User-Agent. */
static void write_name(struct buffer *out, const struct request_field *field)
{
	char *to = buffer_room(out, field->name_len);
	bool first = true;

	if (!to)
		return;
	for (size_t i = 0; i < field->name_len; i++) {
		char c = field->name[i];

		if (!first && c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		to[i] = c == '_' ? '-' : c;
		first = to[i] == '-';
	}
	out->len += field->name_len;
}

static void write_line(struct buffer *out, const char *name, const char *value)
{
	buffer_puts(out, name);
	buffer_puts(out, ": ");
	buffer_puts(out, value);
	buffer_puts(out, "\r\n");
}

static void write_request_line(struct buffer *out,
			       const struct request *request,
			       const struct gateway_settings *gateway)
{
	struct slice target = request->target;

	buffer_puts(out, request->method);
	buffer_puts(out, " ");
	if (gateway->strip_mount && *target.data == '/') {
		target = route_below_mount(gateway, target);
		if (target.len == 0 || *target.data != '/')
			buffer_puts(out, "/");
	}
	buffer_append(out, target.data, target.len);
	buffer_puts(out, " HTTP/1.1\r\n");
	write_line(out, "Host", request->host);
}

static void write_set_headers(struct buffer *out, const struct request *request,
			      const struct gateway_settings *gateway)
{
	const struct setting_value *set = gateway->set_headers;

	for (; set && set->name; set++) {
		if (strcasecmp(set->name, "Authorization") == 0 &&
		    request_field(request, "AUTHORIZATION"))
			continue;
		if (set->text)
			write_line(out, set->name, set->text);
	}
	if (gateway->identity_header && *request->remote_user)
		write_line(out, gateway->identity_header, request->remote_user);
}

static void write_framing(struct buffer *out, const struct request *request,
			  enum http_framing body)
{
	static const char *const expect_one[] = { "POST", "PUT", "PATCH" };

	if (request->content_type)
		write_line(out, "Content-Type", request->content_type);
	if (body == FRAMING_CHUNKED)
		write_line(out, "Transfer-Encoding", "chunked");
	if (body == FRAMING_LENGTH)
		buffer_printf(out, "Content-Length: %lld\r\n",
			      (long long)request->content_length);
	if (body != FRAMING_NONE)
		return;
	for (size_t i = 0; i < sizeof(expect_one) / sizeof(expect_one[0]);
	     i++) {
		if (strcmp(request->method, expect_one[i]) == 0)
			write_line(out, "Content-Length", "0");
	}
}

static void write_upgrade(struct buffer *out, struct slice protocols)
{
	buffer_puts(out, "Connection: Upgrade\r\nUpgrade: ");
	buffer_append(out, protocols.data, protocols.len);
	buffer_puts(out, "\r\n");
}

void head_write(struct buffer *out, const struct request *request,
		const struct head *head)
{
	const struct request_field *connection =
		request_field(request, "CONNECTION");
	const struct request_field *via = request_field(request, "VIA");
	bool trusted =
		forwarded_is_trusted(head->settings, request->remote_addr);

	write_request_line(out, request, head->gateway);
	for (size_t i = 0; i < request->fields_count; i++) {
		const struct request_field *field = &request->fields[i];

		if (!passes(request, field, connection, head, trusted))
			continue;
		write_name(out, field);
		buffer_puts(out, ": ");
		buffer_append(out, field->value.data, field->value.len);
		buffer_puts(out, "\r\n");
	}
	buffer_puts(out, "Via: ");
	if (via && via->value.len > 0) {
		buffer_append(out, via->value.data, via->value.len);
		buffer_puts(out, ", ");
	}
	buffer_puts(out, "1.1 " VIA_NAME "\r\n");
	forwarded_write(out, request, head->gateway->forwarded, trusted);
	write_set_headers(out, request, head->gateway);
	write_framing(out, request, head->body);
	if (request->upgrade.len > 0)
		write_upgrade(out, request->upgrade);
	else if (head->close)
		write_line(out, "Connection", "close");
	buffer_puts(out, "\r\n");
}
