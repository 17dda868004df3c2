/* upstream.h - connections to the gateways, kept and used again by all threads
 *
 * Last in, first out; at most keepalive_max wait for a gateway's next
 * request. One that was closed or spoke unasked is never given out, nor one that
 * belongs to another generation.
 */
#ifndef WAKEGATE_UPSTREAM_H
#define WAKEGATE_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/deadline.h"
#include "base/err.h"
#include "gateway/settings.h"

struct upstream;

/* arm() is called when the first connection comes in after upstream_expire()
 * found none: somebody should call that again, keepalive_s later. */
int upstream_new(struct upstream **ret, void (*arm)(void *user), void *user,
		 struct err *err);
void upstream_free(struct upstream *upstream); /* accepts NULL */

/* A kept connection to this gateway's generation, or -1. */
int upstream_take(struct upstream *upstream,
		  const struct gateway_settings *gateway, int64_t generation);

/* Takes fd over, to keep it or close it. */
void upstream_keep(struct upstream *upstream,
		   const struct gateway_settings *gateway, int64_t generation,
		   int fd);

/* Closes what waited for keepalive_s. Gives the time of the next that will, or
 * never. */
struct deadline upstream_expire(struct upstream *upstream);

#endif
