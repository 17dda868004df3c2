/* run.h - runs a program of the system, without a shell
 *
 * Found in RUN_PATH; a clean environment (PATH, LC_ALL=C); default signals; no
 * descriptor of ours but 0, 1 and 2. What it writes to 1 and 2 goes to memory
 * that cannot grow beyond RUN_OUTPUT_BYTES, so that it never waits for us, and
 * stands in the error's text when it fails. It is killed when we die.
 */
#ifndef WAKEGATE_RUN_H
#define WAKEGATE_RUN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/deadline.h"
#include "base/err.h"

#define RUN_PATH	 "/usr/bin:/bin:/usr/sbin:/sbin"
#define RUN_OUTPUT_BYTES 65536

struct program {
	const char *const
		*argv;	       /* argv[0] a name without '/'; NULL at the end */
	const char *directory; /* to be in; NULL: where we are */
	int in_fd;	       /* standard input; -1: /dev/null */
	bool daemon; /* goes into the background by itself, and outlives us */
};

struct run {
	char name[32];
	pid_t pid;
	int pid_fd;
	int out_fd;
};

/* ERR_SYSTEM also when there is no such program: the text says so. in_fd stays
 * the caller's. */
int run_begin(struct run *ret, const struct program *program, struct err *err);

/* Waits until it has ended. ERR_SYSTEM when its exit code is not 0, ERR_TIMEOUT
 * when it had to be killed. Frees what *run holds. */
int run_end(struct run *run, struct deadline deadline, struct err *err);

/* Kills it, and frees what *run holds. Nothing, when it was ended. */
void run_kill(struct run *run);

/* Both at once. */
int run_program(const struct program *program, struct deadline deadline,
		struct err *err);

#endif
