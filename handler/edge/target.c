#include "config.h"

#include <string.h>
#include <strings.h>

#include "edge/target.h"

#include "base/banned.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool port_is_valid(struct slice port)
{
	if (port.len > 5)
		return false;
	for (size_t i = 0; i < port.len; i++) {
		if (!is_digit(port.data[i]))
			return false;
	}
	return true;
}

static struct slice after(struct slice slice, size_t count)
{
	slice.data += count;
	slice.len -= count;
	return slice;
}

/* "[...]" or "[...]:port" */
static bool literal_is_valid(struct slice host)
{
	size_t i = 1;

	while (i < host.len && (is_alnum(host.data[i]) || host.data[i] == ':' ||
				host.data[i] == '.'))
		i++;
	if (i == 1 || i >= host.len || host.data[i] != ']')
		return false;
	i++;
	return i == host.len ||
	       (host.data[i] == ':' && port_is_valid(after(host, i + 1)));
}

bool target_host_is_valid(struct slice host)
{
	size_t i = 0;

	if (host.len > 0 && *host.data == '[')
		return literal_is_valid(host);
	while (i < host.len && host.data[i] != ':') {
		char c = host.data[i++];

		if (!is_alnum(c) &&
		    (c == '\0' || !strchr("-._~%!$&'()*+;=", c)))
			return false;
	}
	if (i == 0)
		return false;
	return i == host.len || port_is_valid(after(host, i + 1));
}

static int check_characters(const char *uri, struct err *err)
{
	for (const char *at = uri; *at; at++) {
		unsigned char c = (unsigned char)*at;

		if (c <= ' ' || c >= 0x7f || c == '#')
			return err_set(err, ERR_INVALID,
				       "the request target has the character "
				       "0x%02x",
				       c);
	}
	return 0;
}

static size_t scheme_length(const char *uri)
{
	if (strncasecmp(uri, "http://", 7) == 0)
		return 7;
	return strncasecmp(uri, "https://", 8) == 0 ? 8 : 0;
}

static int absolute_form(struct target *ret, const char *rest,
			 const char *method, struct err *err)
{
	struct slice authority = { rest, strcspn(rest, "/?") };

	rest += authority.len;
	if (!target_host_is_valid(authority))
		return err_set(err, ERR_INVALID,
			       "the request target names no valid host");
	ret->authority = authority;
	ret->origin.data = rest;
	ret->origin.len = strlen(rest);
	if (*rest == '?')
		return err_set(err, ERR_INVALID,
			       "the request target has a query without a path");
	if (*rest == '\0') {
		ret->origin.data = strcmp(method, "OPTIONS") == 0 ? "*" : "/";
		ret->origin.len = 1;
	}
	return 0;
}

int target_parse(struct target *ret, const char *uri, const char *method,
		 struct err *err)
{
	struct target target = { .origin = { uri, strlen(uri) } };
	size_t scheme = scheme_length(uri);
	bool asterisk = strcmp(uri, "*") == 0 && strcmp(method, "OPTIONS") == 0;
	const char *query;

	if (check_characters(uri, err))
		return -1;
	if (scheme > 0) {
		if (absolute_form(&target, uri + scheme, method, err))
			return -1;
	} else if (*uri != '/' && !asterisk) {
		return err_set(err, ERR_INVALID,
			       "the request target has no form that is taken");
	}
	target.path = target.origin;
	query = memchr(target.origin.data, '?', target.origin.len);
	if (query)
		target.path.len = (size_t)(query - target.origin.data);
	*ret = target;
	return 0;
}
