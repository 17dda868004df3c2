/* retry.h - may a request that failed be sent again? Decided by evidence
 *
 *	reused connection, nothing lost		dial anew, silently
 *	new connection, repeatable, first time	the gateway crashed: ensure, once more
 *	the second time				give up: 503 crashed
 *	it may have been delivered		give up: 502 gateway_closed
 *
 * A request can be repeated when not one byte of it was written; or when its
 * method is idempotent or it has an Idempotency-Key. What was read of its body must
 * still be held, and nothing of a response may have left for the client: for that
 * the caller sees.
 */
#ifndef WAKEGATE_RETRY_H
#define WAKEGATE_RETRY_H

#include <stdbool.h>
#include <stddef.h>

struct retry_evidence {
	bool fresh;	      /* the connection was made for this attempt */
	size_t written;	      /* bytes of the request, to this connection */
	size_t seen;	      /* bytes of a response */
	bool repeatable;      /* idempotent, or has an Idempotency-Key */
	bool body_replayable; /* all that was read of the body is held */
	bool retried;	      /* it was sent after a crash once already */
};

enum retry {
	RETRY_DIAL,    /* on a new connection, at once */
	RETRY_ENSURE,  /* once, when the gateway is ready again */
	RETRY_CRASHED, /* 503 */
	RETRY_CLOSED,  /* 502 */
	RETRY_MAX_
};

enum retry retry_decide(const struct retry_evidence *evidence);

#endif
