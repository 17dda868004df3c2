/* passage.h - one request's way to a gateway that is ready
 *
 * Ensures, waits, and answers itself when the gateway can't be had: with the
 * loading page where that is wanted, else with the problem.
 */
#ifndef WAKEGATE_PASSAGE_H
#define WAKEGATE_PASSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "edge/call.h"

/* Gives true when the gateway is ready: call->row says which; else the request has
 * been answered. */
bool passage_reach(struct call *call, struct passage *passage);

/* The gateway that was ready is not (err says how; written: bytes that it got).
 * Gives true when it is ready again, once; else the request has been answered. */
bool passage_recover(struct call *call, struct passage *passage, size_t written,
		     const struct err *err);

/* The gateway does its work for this request. */
void passage_answered(struct call *call, const struct passage *passage);

/* Writes an event about the request; best effort. */
void passage_note(struct call *call, const char *kind);

#endif
