/* dial.h - the connection to the gateway that one attempt goes out on */
#ifndef WAKEGATE_DIAL_H
#define WAKEGATE_DIAL_H

#include <stdbool.h>

#include "base/err.h"
#include "edge/exchange.h"

/* Puts it in exchange->fd: a kept one, where that may be (reuse) and there is one, or
 * a new one (fresh). EXCHANGE_HEAD, or what went wrong: BROKEN when nobody listens,
 * TIMEOUT after response_timeout_s, GONE when the client left meanwhile,
 * UNREACHABLE else. */
enum exchange_end dial(struct call *call, bool reuse, struct exchange *exchange,
		       struct err *err);

#endif
