/* lock.h - <state_dir>/<name>.lock: who owns a gateway, and who waits for it
 *
 * Open-file-description locks (fcntl(2), F_OFD_SETLK) on ranges of one file:
 *	byte 0		the owner: held by the claimer, then, by inheritance of the
 *			descriptor, by the keeper for its whole life
 *	byte 1		the replacer of an owner that lives but is silent
 *	byte 2...	one each for every request that waits
 *	byte 2^20	the program that restores
 *	byte 2^20 + 1	the program that makes or removes snapshots
 *	byte 2^20 + 2	shared by all processes that pass requests on, while they do
 *	byte 2^20 + 3	the same for requests that must not keep it awake
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

enum lock_byte {
	LOCK_OWNER = 0,
	LOCK_REPLACER = 1,
	LOCK_RESTORE = 1 << 20,
	LOCK_SNAPSHOT,
	LOCK_IN_USE,
	LOCK_PASSING,
};

/* Takes the byte without waiting: ERR_BUSY when another holder has it. */
int lock_take(int fd, enum lock_byte byte, struct err *err);
/* Takes it without waiting, as one of many. */
int lock_share(int fd, enum lock_byte byte, struct err *err);
void lock_drop(int fd, enum lock_byte byte);

/* Does another holder have it? Asks, takes nothing. */
int lock_is_taken(int fd, enum lock_byte byte, bool *ret, struct err *err);

/* Takes one of max waiters' places; closing fd gives it back. ERR_BUSY: none is
 * free. */
int lock_wait_place(int fd, int max, struct err *err);

/* Wakes the keeper (inotify IN_ATTRIB): it looks at its row and its process. */
void lock_poke(int fd);

/* How many of the max places others have taken. */
int lock_count_waiters(int fd, int max, int *ret, struct err *err);

#endif
