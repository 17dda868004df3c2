/* child.h - a piece of work in a child process of its own
 *
 * It dies with us, holds none of our descriptors, and may crash or hang: what
 * reads a stranger's file does it here.
 */
#ifndef WAKEGATE_CHILD_H
#define WAKEGATE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/deadline.h"
#include "base/err.h"

struct child {
	pid_t pid; /* 0: none */
	int fd;	   /* says how it went */
};

#define CHILD_NONE                                                             \
	{                                                                      \
		.fd = -1                                                       \
	}

/* Runs work(argument, err) in a child; what it returns is what child_end() gives.
 * *argument need not outlive this call. */
int child_begin(struct child *ret,
		int (*work)(const void *argument, struct err *err),
		const void *argument, struct err *err);

/* Has it ended, or answered? Then child_end() and child_answer() do not wait. */
bool child_is_done(const struct child *child);

/* Waits for it, reaps it, and leaves *child empty. Killed when the deadline passes:
 * ERR_TIMEOUT. One that crashed is ERR_CLOSED. */
int child_end(struct child *child, struct deadline deadline, struct err *err);
void child_kill(struct child *child); /* accepts an empty one */

/* Both at once, for what may hang. */
int child_run(int (*work)(const void *argument, struct err *err),
	      const void *argument, struct deadline deadline, struct err *err);

/* The same for many pieces of work, one after another: answer() runs in the child for
 * each request. Started before a process grows large: after a fork each page that
 * it writes to is copied first. */
#define CHILD_REQUEST_BYTES 16384
int child_serve(struct child *ret,
		int (*answer)(const void *request, size_t len, struct err *err),
		struct err *err);

/* Hands it a request; one at a time. */
int child_ask(const struct child *child, const void *request, size_t len,
	      struct err *err);

/* Waits for the answer. On ERR_TIMEOUT and ERR_CLOSED the child is gone, and *child
 * empty; an answer may have these codes too, then it is not. */
int child_answer(struct child *child, struct deadline deadline,
		 struct err *err);

/* Reaps pid, after SIGKILL when kill is set; one that hangs in the kernel is left
 * after a moment (false). *status as waitpid(2)'s. */
bool child_reap(pid_t pid, bool kill, int *status);

#endif
