#include "config.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "edge/forwarded.h"

#include "base/banned.h"

/* IPv4 in its place inside IPv6, so that both forms of one address agree. */
static bool numeric(const char *text, struct in6_addr *ret)
{
	struct in_addr v4;

	if (inet_pton(AF_INET6, text, ret) == 1)
		return true;
	if (inet_pton(AF_INET, text, &v4) != 1)
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->s6_addr[10] = 0xff;
	ret->s6_addr[11] = 0xff;
	memcpy(&ret->s6_addr[12], &v4, sizeof(v4));
	return true;
}

bool forwarded_is_trusted(const struct settings *settings,
			  const char *remote_addr)
{
	struct in6_addr remote;
	struct in6_addr proxy;

	if (!settings->trusted_proxies || !numeric(remote_addr, &remote))
		return false;
	for (char **one = settings->trusted_proxies; *one; one++) {
		if (numeric(*one, &proxy) &&
		    memcmp(&remote, &proxy, sizeof(remote)) == 0)
			return true;
	}
	return false;
}

static bool is(const struct request_field *field, const char *name)
{
	return request_name_is(field->name, field->name_len, name);
}

bool forwarded_is_field(const struct request_field *field)
{
	static const char prefix[] = "X-Forwarded-";
	size_t len = sizeof(prefix) - 1;

	if (field->name_len > len) {
		struct request_field start = *field;

		start.name_len = len;
		if (is(&start, prefix))
			return true;
	}
	return is(field, "Forwarded") || is(field, "X-Real-Ip");
}

/* The field of this name, where it is the only one. */
static const struct request_field *single(const struct request *request,
					  const char *name, size_t len)
{
	const struct request_field *found = NULL;

	for (size_t i = 0; i < request->fields_count; i++) {
		const struct request_field *field = &request->fields[i];

		if (field->name_len != len ||
		    strncasecmp(field->name, name, len) != 0)
			continue;
		if (found)
			return NULL;
		found = field;
	}
	return found;
}

static const struct request_field *believed(const struct request *request,
					    const char *name, bool trusted)
{
	return trusted ? single(request, name, strlen(name)) : NULL;
}

bool forwarded_passes(const struct request *request,
		      const struct request_field *field, enum forwarded mode,
		      bool trusted)
{
	if (!trusted || mode == FORWARDED_NONE ||
	    !single(request, field->name, field->name_len))
		return false;
	return !is(field,
		   mode == FORWARDED_X ? "X-Forwarded-For" : "Forwarded");
}

static void puts_slice(struct buffer *out, struct slice slice)
{
	buffer_append(out, slice.data, slice.len);
}

/* The client's own value first, where it counts. */
static void begin(struct buffer *out, const struct request *request,
		  const char *line, const char *name, bool trusted)
{
	const struct request_field *sent = believed(request, name, trusted);

	buffer_puts(out, line);
	if (sent && sent->value.len > 0) {
		puts_slice(out, sent->value);
		buffer_puts(out, ", ");
	}
}

static const char *scheme(const struct request *request)
{
	return request->https ? "https" : "http";
}

static void write_x(struct buffer *out, const struct request *request,
		    bool trusted)
{
	const char *remote = request->remote_addr;

	begin(out, request, "X-Forwarded-For: ", "X_FORWARDED_FOR", trusted);
	buffer_puts(out, *remote ? remote : "unknown");
	buffer_puts(out, "\r\n");
	if (!believed(request, "X_FORWARDED_HOST", trusted)) {
		buffer_puts(out, "X-Forwarded-Host: ");
		buffer_puts(out, request->host);
		buffer_puts(out, "\r\n");
	}
	if (!believed(request, "X_FORWARDED_PROTO", trusted)) {
		buffer_puts(out, "X-Forwarded-Proto: ");
		buffer_puts(out, scheme(request));
		buffer_puts(out, "\r\n");
	}
}

static void write_rfc7239(struct buffer *out, const struct request *request,
			  bool trusted)
{
	const char *remote = request->remote_addr;
	bool v6 = strchr(remote, ':') != NULL;

	begin(out, request, "Forwarded: ", "FORWARDED", trusted);
	buffer_puts(out, v6 ? "for=\"[" : "for=");
	buffer_puts(out, *remote ? remote : "unknown");
	buffer_puts(out, v6 ? "]\";host=\"" : ";host=\"");
	buffer_puts(out, request->host);
	buffer_puts(out, "\";proto=");
	buffer_puts(out, scheme(request));
	buffer_puts(out, "\r\n");
}

void forwarded_write(struct buffer *out, const struct request *request,
		     enum forwarded mode, bool trusted)
{
	switch (mode) {
	case FORWARDED_X:
		write_x(out, request, trusted);
		break;
	case FORWARDED_RFC7239:
		write_rfc7239(out, request, trusted);
		break;
	case FORWARDED_NONE:
	case FORWARDED_MAX_:
		break;
	}
}
