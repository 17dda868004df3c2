/* usage.h - tells a gateway's keeper that this process passes requests on to it
 *
 * One shared lock (lock.h) for all threads of the process, taken with the first
 * request and given back with the last; the kernel gives it back for a process
 * that dies.
 */
#ifndef WAKEGATE_USAGE_H
#define WAKEGATE_USAGE_H

#include <stdbool.h>

#include "base/err.h"

struct usage;

int usage_new(struct usage **ret, struct err *err);
void usage_free(struct usage *usage); /* accepts NULL */

/* counts: does it keep the gateway awake? usage_end() follows, also after a
 * failure. */
int usage_begin(struct usage *usage, const char *state_dir, const char *name,
		bool counts, struct err *err);
void usage_end(struct usage *usage, const char *state_dir, const char *name,
	       bool counts);

#endif
