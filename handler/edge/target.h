/* target.h - the request target's forms (RFC 9112, 3.2)
 */
#ifndef WAKEGATE_TARGET_H
#define WAKEGATE_TARGET_H

#include <stdbool.h>

#include "base/err.h"
#include "base/http1.h"

struct target {
	struct slice origin;	/* "/path?query" or "*" */
	struct slice path;	/* without the query */
	struct slice authority; /* of the absolute form; else empty */
};

/* Takes the origin form, the absolute form (http and https: its path and query
 * are the origin, "/" where there is none), and "*" for OPTIONS. ERR_INVALID
 * for others, and for a space, a control or non-ASCII character, a fragment. */
int target_parse(struct target *ret, const char *uri, const char *method,
		 struct err *err);

/* A host with an optional port, and nothing else in it. */
bool target_host_is_valid(struct slice host);

#endif
