/* lock.h - <state_dir>/<name>.lock: who owns a gateway, and who waits for it
 *
 * Open-file-description locks (fcntl(2), F_OFD_SETLK) on ranges of one file:
 *	byte 0		the owner: held by the claimer, then, by inheritance of the
 *			descriptor, by the keeper for its whole life
 *	byte 1		the replacer of an owner that lives but is silent
 *	byte 2...	one each for every request that waits
 * The kernel frees them when the last process that has the descriptor dies,
 * whatever happened to the database. The file is never deleted by us.
 */
#ifndef WAKEGATE_LOCK_H
#define WAKEGATE_LOCK_H

#include <stdbool.h>

#include "base/err.h"

/* Its path; the caller frees it. NULL: out of memory. */
char *lock_path(const char *state_dir, const char *name);

/* Opens (and makes, mode 0600) the file; each call is a new holder. */
int lock_open(int *ret, const char *state_dir, const char *name,
	      struct err *err);

enum lock_byte { LOCK_OWNER, LOCK_REPLACER };

/* Takes the byte without waiting: ERR_BUSY when another holder has it. */
int lock_take(int fd, enum lock_byte byte, struct err *err);
void lock_drop(int fd, enum lock_byte byte);

/* Does another holder have it? Asks, takes nothing. */
int lock_is_taken(int fd, enum lock_byte byte, bool *ret, struct err *err);

/* Takes one of max waiters' places; closing fd gives it back. ERR_BUSY: none is
 * free. */
int lock_wait_place(int fd, int max, struct err *err);

/* Wakes the keeper (inotify IN_ATTRIB): it looks at its row and its process. */
void lock_poke(int fd);

#endif
