/* swap.h - a folder made beside the state folder, and exchanged with it in one step
 *
 *	<directory>.wakegate-<UTC time>/	mode 0700, on the same file system
 *		unpacking	an empty file, as long as `state` is no whole state
 *		state/		what is being unpacked; after the exchange, the old one
 *
 * Killed at any moment, the state folder is the old one or the new one. A symlink that
 * leads to the state folder stays: all this is where it leads.
 */
#ifndef WAKEGATE_SWAP_H
#define WAKEGATE_SWAP_H

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"
#include "snapshot/report.h"

struct swap {
	char directory[PATH_MAX]; /* without symlinks */
	char place[PATH_MAX];
	char state[PATH_MAX]; /* where to unpack: made, empty */
};

/* ERR_INVALID: directory is a mount point, which can't be exchanged. */
int swap_check_mount(const char *directory, struct err *err);

/* Makes them, and the folders above directory when they are missing. ERR_INVALID:
 * as swap_check_mount(), but if it is covered by a mount that the caller takes away
 * before the commit; or something is mounted within directory. */
int swap_begin(struct swap *ret, const char *directory, bool covered,
	       struct err *err);

/* The exchange; both sides are on the disk before and after it. */
int swap_commit(struct swap *swap, struct err *err);

/* Removes what was unpacked. */
void swap_abandon(struct swap *swap);

/* Removes what restores that were killed had unpacked. */
int swap_sweep(const char *directory, struct err *err);

/* Removes all that earlier swaps left beside directory, except a state that
 * nothing says is ours (no marker, and not empty): that one is kept under the name
 * <directory>.kept-<UTC time>, and noted. */
int swap_clean(const char *directory, const struct report *report,
	       struct err *err);

#endif
