/* spill.h - <state_dir>/wakegate.counts: what CGI processes count
 *
 * Each answers one request, and a transaction of its own would cost it more than
 * that: so it appends a line to a file, and whoever reads metrics, or finds the file
 * large, adds all of them to the store at once.
 */
#ifndef WAKEGATE_SPILL_H
#define WAKEGATE_SPILL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "store/observed.h"

/* Appends. *ret_large: it is time for spill_collect(). */
int spill_add(const char *state_dir, const struct count *counts, size_t len,
	      bool *ret_large, struct err *err);

/* Adds what there is to the store, and empties the file. */
int spill_collect(const char *state_dir, struct store *store, struct err *err);

#endif
