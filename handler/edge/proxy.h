/* proxy.h - passes a request on: ensure, send, relay; again, if that is allowed
 */
#ifndef WAKEGATE_PROXY_H
#define WAKEGATE_PROXY_H

#include <stdbool.h>

#include "edge/call.h"

/* Answers call->request from call->gateway, or with a problem or the loading
 * page. wake: start the gateway if it isn't ready. */
void proxy_answer(struct call *call, bool wake);

#endif
