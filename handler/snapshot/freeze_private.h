/* freeze_private.h - between the files that make up freeze.h
 *
 *	freeze ----> group: a cgroup of our own
 *	   |  \----> SIGSTOP
 *	guardian --> thaw: both, whichever was used
 */
#ifndef WAKEGATE_FREEZE_PRIVATE_H
#define WAKEGATE_FREEZE_PRIVATE_H

#include <limits.h>
#include <stddef.h>

#include "base/deadline.h"
#include "base/process_id.h"
#include "snapshot/freeze.h"

#define FREEZE_PROCESSES_MAX 4096

/* --- freeze_group.c --- */

/* A group below the one that we are in; path "" when there is none to be had. */
struct group {
	char own[PATH_MAX];    /* the folder of our own */
	char cgroup[PATH_MAX]; /* its name in /proc/PID/cgroup */
	char path[PATH_MAX];   /* the folder of the new one, in it */
};

/* Finds where it would be; makes nothing. */
void group_find(struct group *ret);
int group_make(const struct group *group, struct err *err);

/* Is pid in our own group, or in the new one? A process that somebody put elsewhere
 * stays there. */
bool group_may_take(const struct group *group, pid_t pid);

/* Moves a process into it; one that has gone is no error. */
int group_add(const struct group *group, struct process_id id, struct err *err);

/* Freezes it, and waits until all in it stand still. */
int group_freeze(const struct group *group, struct deadline deadline,
		 struct err *err);

/* Thaws it, moves all back and removes it; true when it is gone. Can be called
 * when there is none. */
bool group_thaw(const struct group *group);

/* --- freeze_guardian.c --- */

struct guardian {
	pid_t pid;
	int fd;
};

int guardian_start(struct guardian *ret, const struct group *group,
		   struct err *err);

/* From now on it will also continue this process. */
int guardian_tell(const struct guardian *guardian, struct process_id id,
		  struct err *err);

/* Has it thaw everything, and reaps it. ERR_TIMEOUT: it had done so before.
 * ERR_CLOSED: it was gone. */
int guardian_end(struct guardian *guardian, struct err *err);

/* Reads /proc/PID/stat: 'T' is stopped. False when it is not that process. */
bool process_state(struct process_id id, char *ret);

/* Thaws the group and continues the processes. */
void thaw(const struct group *group, const struct process_id *stopped,
	  size_t count);

#endif
