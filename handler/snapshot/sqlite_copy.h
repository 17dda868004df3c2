/* sqlite_copy.h - a consistent copy of an SQLite database that is being written
 *
 * By SQLite's backup interface in one step, in a child process that opens nothing
 * else: a close of the file in this process would drop the locks that another
 * handle of ours holds. The child has a deadline.
 */
#ifndef WAKEGATE_SQLITE_COPY_H
#define WAKEGATE_SQLITE_COPY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/deadline.h"
#include "base/err.h"
#include "snapshot/child.h"

#define SQLITE_MAGIC_BYTES 16

/* Does the file begin with SQLite's magic? fd's offset is left alone. */
bool sqlite_is_database(int fd);
bool sqlite_is_magic(const void *data, size_t len);

/* Is name the -wal, -shm or -journal file of a database beside it? Such a file
 * means nothing without its database, and a copy needs none. */
bool sqlite_is_companion(int folder_fd, const char *name);

/* Copies the database `from` to the new file `to`: one file, no journal of any
 * kind, its journal mode (WAL or not) as in the original; the copy passes
 * sqlite_check(), so that no restore refuses it later. Owner, mode and times are
 * the caller's to set. The original stays as it is, its -wal too, but for what
 * any reader does to it. On failure `to` is removed.
 * ERR_CORRUPT: the original is damaged. ERR_MISSING: it is not there (any more).
 * ERR_TIMEOUT: it was locked all the time, a minute at most. */
int sqlite_copy(const char *from, const char *to, struct deadline deadline,
		struct err *err);

/* `PRAGMA quick_check` of a database at rest: ERR_CORRUPT with its first
 * complaint. Leaves no -wal or -shm behind. What only an extension of the gateway's
 * could check passes. */
int sqlite_check(const char *path, struct deadline deadline, struct err *err);

/* The same, not waited for: in a child for all databases of an archive, where
 * child_answer() gives the result. When it is ERR_TIMEOUT or ERR_CLOSED, `to` is the
 * caller's to remove. */
int sqlite_serve(struct child *ret, struct err *err);
int sqlite_ask_copy(const struct child *child, const char *from, const char *to,
		    struct deadline deadline, struct err *err);
int sqlite_ask_check(const struct child *child, const char *path,
		     struct err *err);

#endif
