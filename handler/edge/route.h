/* route.h - whose request is it? Host and the longest mount decide
 */
#ifndef WAKEGATE_ROUTE_H
#define WAKEGATE_ROUTE_H

#include "base/http1.h"
#include "gateway/settings.h"

enum route {
	ROUTE_NONE,    /* no gateway is mounted there */
	ROUTE_GATEWAY, /* is passed on */
	ROUTE_NO_WAKE, /* is passed on, but only to a gateway that is ready */
	ROUTE_STATUS,  /* ours: the gateway's status */
	ROUTE_ADMIN,   /* ours: routes.admin and routes.page, all below them,
			* routes.metrics */
};

/* path: as it came, not decoded. Of two gateways at the same mount, the one that
 * names the host comes first. *ret is NULL for ROUTE_NONE. */
enum route route_find(const struct settings *settings, const char *host,
		      struct slice path, const struct gateway_settings **ret);

/* The path behind the gateway's mount; begins with '/' or is empty. */
struct slice route_below_mount(const struct gateway_settings *gateway,
			       struct slice path);

#endif
