/* relay.h - the gateway's response, to the client, as it comes
 *
 * What came is written; when the gateway pauses it is flushed. Only the head
 * of a short answer is held back, for 100 ms at most, until its body begins.
 */
#ifndef WAKEGATE_RELAY_H
#define WAKEGATE_RELAY_H

#include "base/buffer.h"
#include "base/err.h"
#include "base/http1.h"
#include "edge/call.h"
#include "edge/exchange.h"

/* Appends a response's head as RFC 3875, 6 has it, without what is of one hop or
 * would make the web server act. */
void relay_head(struct buffer *out, const struct http_response *response);

enum relay_end {
	RELAY_DONE,
	RELAY_BROKEN, /* by the gateway; err says how */
	RELAY_GONE,   /* the client left */
};

/* After a 101 the connection is in call->tunnel_fd. Else:
 * call->response is in call->in, with the body's beginning. Keeps or closes the
 * connection. A response that broke off is the caller's to discard or abort, so
 * that it does not look complete. */
enum relay_end relay_response(struct call *call, struct exchange *exchange,
			      struct err *err);

#endif
