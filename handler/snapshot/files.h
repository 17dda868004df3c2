/* files.h - small deeds on files that must be done whole */
#ifndef WAKEGATE_FILES_H
#define WAKEGATE_FILES_H

#include <stddef.h>

#include "base/err.h"

/* Makes the folder and those above it that are missing, mode 0700. */
int files_make_folder(const char *path, struct err *err);

/* Puts a small file (mode 0600) in its place in one step, synced. */
int files_write(const char *path, const char *text, struct err *err);

/* Reads one of at most max bytes; the caller frees *ret. ERR_MISSING. */
int files_read(const char *path, size_t max, char **ret, size_t *ret_len,
	       struct err *err);

/* Renames without replacing anything, and syncs the folder. */
int files_rename(const char *from, const char *to, struct err *err);

/* Syncs the folder that path is in. */
int files_sync_parent(const char *path, struct err *err);

/* Removes all that the path is, without following a symlink or touching what is in
 * a folder that something is mounted on: that folder stays, which is an error. What
 * is not there is removed already. */
int files_remove_tree(const char *path, struct err *err);

#endif
