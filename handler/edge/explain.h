/* explain.h - what one request met, and why it got what it got
 *
 * From the store's row of the request (record.h) and the events about it and its
 * gateway in that time.
 */
#ifndef WAKEGATE_EXPLAIN_H
#define WAKEGATE_EXPLAIN_H

#include <jansson.h>

#include "base/err.h"
#include "store/store.h"

#define EXPLAIN_NOTHING                                                        \
	"no event: it met a ready gateway or was for wakegate itself, or it "  \
	"is older than the events that are kept"

/* {"request", "gateway", "at", "found", "waited_ms", "took_ms", "generation",
 * "status", "code", "retried", "summary", "steps": [{"at_ms", "after_ms",
 * "generation", "text"}]}. ERR_MISSING with EXPLAIN_NOTHING. */
int explain(json_t **ret, struct store *store, const char *request,
	    struct err *err);

#endif
