/* settings_place.h - where in the configuration file a value stands
 *
 * Jansson keeps no lines for values, so the line is looked for in the text when
 * there is an error to tell. Places are linked from the value up to the whole
 * file and live on the stack of whoever reads.
 */
#ifndef WAKEGATE_SETTINGS_PLACE_H
#define WAKEGATE_SETTINGS_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct source {
	const char *file;
	const char *text; /* JSON that was parsed without an error */
	size_t len;
};

struct place {
	const struct source *source;
	const struct place *parent; /* NULL: the whole file */
	const char *key;	    /* NULL: the element at index */
	size_t index;
	bool unshown; /* gives the line, but is no part of the path shown */
};

/* The line of the key, or of a list's element; 1 for the whole file. */
int place_line(const struct place *place);

/* "FILE:LINE: gateways.openclaw.command[2]: text", ERR_INVALID. Gives -1. */
#define place_error(place, err, ...)                                           \
	(place_fill((place), (err), __VA_ARGS__), -1)

void place_fill(const struct place *place, struct err *err, const char *format,
		...) __attribute__((format(printf, 3, 4)));

#endif
