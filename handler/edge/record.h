/* record.h - what is noted of a request, once it has been answered
 *
 * A request that met a ready gateway is counted (tally.h), no more. One that waited,
 * saw a crash or got a problem leaves a row, for `wakegate explain`, and unless
 * that was told already, a line in the log.
 */
#ifndef WAKEGATE_RECORD_H
#define WAKEGATE_RECORD_H

#include "base/err.h"
#include "edge/call.h"

/* Stands where a problem's code does. */
#define RECORD_PAGE "loading_page"

/* Rows on their way to the store: whoever comes while another writes leaves its
 * row to that. */
struct records;

int records_new(struct records **ret, struct err *err);
void records_free(struct records *records); /* accepts NULL */

/* The answer has gone out: lets go of the request's settings. */
void record_end(struct call *call);

#endif
