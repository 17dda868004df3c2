/* origin.h - which pages may ask, by their origin (RFC 6454), above all for a WebSocket
 * (RFC 6455, 10.2)
 *
 * Browsers ask nobody before they open one across origins, and send cookies with
 * it, so that the handshake is where it must be refused.
 */
#ifndef WAKEGATE_ORIGIN_H
#define WAKEGATE_ORIGIN_H

#include <stdbool.h>

#include "edge/request.h"
#include "gateway/settings.h"

/* The request's own host and port; the scheme may be another, as a proxy before the web
 * server may end TLS. */
bool origin_is_own(struct slice origin, const struct request *request);

/* Yes for a request without Origin (no browser), from the request's own host, and
 * for what websocket_origins has. */
bool origin_allowed(const struct request *request,
		    const struct gateway_settings *gateway);

#endif
