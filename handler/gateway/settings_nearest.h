/* settings_nearest.h - "did you mean": the known name nearest to a mistyped one
 *
 *	struct nearest nearest = { .wanted = "adress" };
 *	nearest_try(&nearest, "address");		for each known name
 *	nearest_name(&nearest)				"address", or NULL
 */
#ifndef WAKEGATE_SETTINGS_NEAREST_H
#define WAKEGATE_SETTINGS_NEAREST_H

#include <stddef.h>

struct nearest {
	const char *wanted;
	const char *name; /* the best so far; borrowed */
	size_t distance;
};

void nearest_try(struct nearest *nearest, const char *name);

/* NULL when none is near enough to be what was meant. */
const char *nearest_name(const struct nearest *nearest);

#endif
