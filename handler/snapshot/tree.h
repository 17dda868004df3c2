/* tree.h - a state folder as it is: its size, and whether it changed
 *
 * `exclude` are patterns of fnmatch(3), FNM_PATHNAME|FNM_PERIOD off: one without
 * '/' is compared with the name of each entry, at any depth ("cache", "*.lock");
 * one with '/' with the path from the state folder ("logs/old"). What matches is
 * left out with all that is in it. The marker (gateway/marker.h) is always left out. Mount points below
 * the folder are named, but not entered.
 */
#ifndef WAKEGATE_TREE_H
#define WAKEGATE_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

#define TREE_FINGERPRINT_BYTES 33

/* Borrowed by the walk: valid in the call only. */
struct tree_entry {
	const char *path; /* from the folder, without "./"; "" : itself */
	int parent_fd; /* the folder that it is in; of the folder itself: it */
	const char *name; /* in that folder; of the folder itself: "." */
	const struct stat *status;
	bool mounted; /* something else is mounted there: not entered */
};

/* Does the entry itself match? What a matching folder holds is not asked about. */
bool tree_excluded(char *const *exclude, const char *path);

#define TREE_STAY_OUT (-2)

/* Calls each() for the folder itself and all that is in it and not excluded, a
 * folder before what it holds, names in the order of strcmp(3), each once, without
 * following a symlink. TREE_STAY_OUT from each(): what this folder holds is left
 * out; other non-zero ends the walk and is the result. An entry that vanishes
 * meanwhile is left out. ERR_MISSING: there is no such folder. */
int tree_walk(const char *directory, char *const *exclude,
	      int (*each)(const struct tree_entry *entry, void *user,
			  struct err *err),
	      void *user, struct err *err);

struct tree_summary {
	int64_t bytes; /* of regular files, apparent */
	int64_t files; /* all entries but the folder itself */
	/* of paths, types, modes and owners, and of all but folders the sizes and
	 * times of change (mtime) in ns. SQLite's -shm files and empty -wal files
	 * count nowhere: who only reads makes and removes them. */
	char fingerprint[TREE_FINGERPRINT_BYTES];
};

/* 5,000 files in some 20 ms: reads no content. */
int tree_summarize(const char *directory, char *const *exclude,
		   struct tree_summary *ret, struct err *err);

#endif
