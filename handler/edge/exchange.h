/* exchange.h - one attempt: a request goes out on a connection, a head comes back
 */
#ifndef WAKEGATE_EXCHANGE_H
#define WAKEGATE_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "edge/call.h"

enum exchange_end {
	EXCHANGE_SENT,	      /* the request is; no head yet */
	EXCHANGE_HEAD,	      /* call->response, its body begins in call->in */
	EXCHANGE_BROKEN,      /* refused, closed or reset: see the evidence */
	EXCHANGE_TIMEOUT,     /* no connection or no head in time */
	EXCHANGE_BAD,	      /* what came is not HTTP */
	EXCHANGE_UNREACHABLE, /* no connection, but it wasn't refused */
	EXCHANGE_GONE,	      /* the client left */
	EXCHANGE_TOO_LARGE,   /* the request's body is */
};

/* reuse: a kept connection may be taken. Sends call->request with call->body from
 * its beginning; an answer that comes before the body is through ends that,
 * unless it is a success. Fills err where there is trouble. The connection is in
 * *ret whatever the end is: exchange_close(), or exchange_keep(). */
enum exchange_end exchange_send(struct call *call, bool reuse,
				struct exchange *ret, struct err *err);

/* After EXCHANGE_SENT: the head. */
enum exchange_end exchange_hear(struct call *call, struct exchange *exchange,
				struct err *err);

void exchange_close(struct exchange *exchange);

/* For a response that was read to its end, and not further. */
void exchange_keep(struct call *call, struct exchange *exchange);

/* When the gateway will have been silent for response_timeout_s. */
struct deadline exchange_deadline(const struct call *call);

/* Waits until the connection has one of events (1), the client has gone (0) or
 * the deadline has passed (-1). */
int exchange_wait(const struct call *call, const struct exchange *exchange,
		  short events, struct deadline deadline);

#endif
