/* marker.h - <state folder>/.wakegate-state: where the state in a folder came from
 *
 *	{"store": "0123456789abcdef", "snapshot": 12, "restored_at": "2026-...Z",
 *	 "generation": 7}
 *
 * Written by a restore before the folder is put in its place, and by the first
 * start where no snapshot exists (snapshot null). A folder that bears one is never
 * restored over unless a person asks, and only one that bears ours is backed up.
 * It is never part of a snapshot.
 */
#ifndef WAKEGATE_MARKER_H
#define WAKEGATE_MARKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/deadline.h"
#include "base/err.h"

#define MARKER_NAME ".wakegate-state"

struct marker {
	char store[17];	  /* store_id() */
	int64_t snapshot; /* 0: none */
	int64_t restored_ms;
	int64_t generation;
	bool started_empty; /* a restore failed, and it was to start without */
};

enum marker_kind {
	MARKER_NONE,	 /* no folder, or none in it */
	MARKER_OURS,	 /* may be backed up */
	MARKER_UNBACKED, /* ours, but it was started without its snapshot */
	MARKER_FOREIGN,	 /* of another store, or not to be understood */
};

/* Reads the folder's marker; *ret is filled for the first two but NONE. Errors:
 * ERR_SYSTEM, the folder can't be read. */
int marker_read(const char *directory, const char *store_id,
		enum marker_kind *ret_kind, struct marker *ret,
		struct err *err);

/* Puts it in place in one step, synced. */
int marker_write(const char *directory, const struct marker *marker,
		 struct err *err);

/* marker_read() in a child process, for who must not hang with the folder:
 * ERR_TIMEOUT when it does. For a process with one thread. */
int marker_look(const char *directory, const char *store_id,
		struct deadline deadline, enum marker_kind *ret,
		struct err *err);
/* marker_write(), likewise; makes the folder when it is missing. */
int marker_put(const char *directory, const struct marker *marker,
	       struct deadline deadline, struct err *err);

#endif
