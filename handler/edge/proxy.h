/* proxy.h - passes a request on: ensure, send, relay; again, if that is allowed
 */
#ifndef WAKEGATE_PROXY_H
#define WAKEGATE_PROXY_H

#include <stdbool.h>

#include "edge/call.h"

/* Answers call->request from call->gateway, or with a problem or the loading
 * page. wake: start the gateway if it isn't ready. False: not yet, the gateway has
 * the request, and what it answers comes to call->exchange; proxy_end() has to
 * follow. */
bool proxy_begin(struct call *call, bool wake);
void proxy_end(struct call *call);

#endif
