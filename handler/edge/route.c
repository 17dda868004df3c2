#include "config.h"

#include <string.h>
#include <strings.h>

#include "edge/route.h"

#include "base/banned.h"

/* Length of the host without its port. */
static size_t name_length(const char *host)
{
	const char *bracket = strchr(host, ']');
	const char *colon = strchr(bracket ? bracket : host, ':');

	return colon ? (size_t)(colon - host) : strlen(host);
}

static bool names_host(const struct gateway_settings *gateway, const char *host)
{
	size_t len = name_length(host);

	for (char **one = gateway->hosts; one && *one; one++) {
		if (strcasecmp(*one, host) == 0 ||
		    (strlen(*one) == len && strncasecmp(*one, host, len) == 0))
			return true;
	}
	return false;
}

static bool takes_every_host(const struct gateway_settings *gateway)
{
	return !gateway->hosts || !*gateway->hosts;
}

/* "/" is no text before the path "/x", it is the path's own first byte. */
static size_t mount_length(const struct gateway_settings *gateway)
{
	return strcmp(gateway->mount, "/") == 0 ? 0 : strlen(gateway->mount);
}

static bool is_mounted(const struct gateway_settings *gateway,
		       struct slice path)
{
	size_t len = mount_length(gateway);

	return path.len >= len && memcmp(path.data, gateway->mount, len) == 0 &&
	       (path.len == len || len == 0 || path.data[len] == '/');
}

struct slice route_below_mount(const struct gateway_settings *gateway,
			       struct slice path)
{
	size_t len = mount_length(gateway);

	return (struct slice){ path.data + len, path.len - len };
}

static const struct gateway_settings *find(const struct settings *settings,
					   const char *host, struct slice path)
{
	const struct gateway_settings *any = NULL;

	for (size_t i = 0; i < settings->gateways_count; i++) {
		const struct gateway_settings *one = &settings->gateways[i];

		if (!is_mounted(one, path))
			continue;
		if (any && mount_length(one) < mount_length(any))
			break;
		if (names_host(one, host))
			return one;
		if (!any && takes_every_host(one))
			any = one;
	}
	return any;
}

static bool is_path(struct slice path, const char *text)
{
	return strlen(text) == path.len &&
	       memcmp(path.data, text, path.len) == 0;
}

static bool is_below(struct slice path, const char *text)
{
	size_t len = strlen(text);

	return path.len > len && memcmp(path.data, text, len) == 0 &&
	       path.data[len] == '/';
}

enum route route_find(const struct settings *settings, const char *host,
		      struct slice path, const struct gateway_settings **ret)
{
	const struct gateway_settings *gateway = find(settings, host, path);
	struct slice below;

	*ret = gateway;
	if (!gateway)
		return ROUTE_NONE;
	below = route_below_mount(gateway, path);
	if (is_path(below, gateway->status_path))
		return ROUTE_STATUS;
	if (is_path(below, gateway->admin_path) ||
	    is_below(below, gateway->admin_path) ||
	    is_path(below, gateway->page_path) ||
	    is_below(below, gateway->page_path) ||
	    (gateway->metrics_path && is_path(below, gateway->metrics_path)))
		return ROUTE_ADMIN;
	for (char **one = gateway->no_wake; one && *one; one++) {
		if (is_path(below, *one) || is_path(path, *one))
			return ROUTE_NO_WAKE;
	}
	return ROUTE_GATEWAY;
}
