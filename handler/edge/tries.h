/* tries.h - wrong tokens are limited, for all workers of a machine together
 *
 * <state_dir>/wakegate.tries: for each client address (those that share a place
 * share it) the time until which its wrong tokens count. TRIES_AT_ONCE are free,
 * then one each TRIES_PAUSE_MS; until then no token from there is looked at, not
 * even a right one. Who is known by REMOTE_USER isn't touched.
 */
#ifndef WAKEGATE_TRIES_H
#define WAKEGATE_TRIES_H

#include <stdint.h>

#include "base/err.h"

#define TRIES_AT_ONCE  30
#define TRIES_PAUSE_MS 2000

/* Milliseconds until a token of this address is looked at again; 0: now. When
 * the file can't be used that is an error, and no reason to refuse anybody. */
int tries_left_ms(const char *state_dir, const char *address, int64_t now_ms,
		  int64_t *ret, struct err *err);

/* A wrong token came from there. */
int tries_add(const char *state_dir, const char *address, int64_t now_ms,
	      struct err *err);

#endif
