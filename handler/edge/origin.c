#include "config.h"

#include <string.h>
#include <strings.h>

#include "edge/origin.h"

#include "base/banned.h"

/* HOST or HOST:PORT, cut in two; the port is empty where there is none. */
struct authority {
	struct slice host;
	struct slice port;
};

static struct authority cut(struct slice text)
{
	struct authority ret = { .host = text };
	size_t at = text.len;

	while (at > 0 && text.data[at - 1] != ':' && text.data[at - 1] != ']')
		at--;
	if (at > 0 && text.data[at - 1] == ':') {
		ret.host.len = at - 1;
		ret.port = (struct slice){ text.data + at, text.len - at };
	}
	return ret;
}

static bool same(struct slice a, struct slice b)
{
	return a.len == b.len && strncasecmp(a.data, b.data, a.len) == 0;
}

static struct slice slice_of(const char *text)
{
	return (struct slice){ text, strlen(text) };
}

/* A port that isn't said is the scheme's; a web server may also have cut it off
 * Host (nginx's $host), and then it is the one that it listens on. */
static bool same_port(struct slice origin, struct slice host, const char *usual,
		      const struct request *request)
{
	if (origin.len == 0)
		origin = slice_of(usual);
	if (host.len > 0)
		return same(origin, host);
	return same(origin, slice_of(usual)) ||
	       same(origin, slice_of(request->server_port));
}

bool origin_is_own(struct slice origin, const struct request *request)
{
	static const struct {
		const char *prefix, *port;
	} schemes[] = { { "http://", "80" }, { "https://", "443" } };
	struct authority own = cut(slice_of(request->host));

	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(schemes[i].prefix);
		struct authority other;

		if (origin.len <= len ||
		    strncasecmp(origin.data, schemes[i].prefix, len) != 0)
			continue;
		other = cut(
			(struct slice){ origin.data + len, origin.len - len });
		return same(other.host, own.host) &&
		       same_port(other.port, own.port, schemes[i].port,
				 request);
	}
	return false;
}

bool origin_allowed(const struct request *request,
		    const struct gateway_settings *gateway)
{
	const struct request_field *origin = request_field(request, "ORIGIN");
	char **one = gateway->websocket_origins;

	if (!origin || origin_is_own(origin->value, request))
		return true;
	for (; one && *one; one++) {
		if (strcmp(*one, "*") == 0 ||
		    http_slice_is(origin->value, *one))
			return true;
	}
	return false;
}
