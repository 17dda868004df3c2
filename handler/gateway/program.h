/* program.h - runs a program to its end, within a time, and takes what it prints
 *
 * Without a shell, with /dev/null as its input, default signals, no descriptor of
 * ours, and a session of its own. At its end or at its time, whichever is first,
 * all that is left of that session's process group is killed. Safe in a process
 * with threads.
 */
#ifndef WAKEGATE_PROGRAM_H
#define WAKEGATE_PROGRAM_H

#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/err.h"

struct program {
	char *const *words;	  /* the first is looked for in PATH */
	char *const *environment; /* NULL at the end, as words */
	const char *directory;
	int timeout_ms;
	bool merged; /* errors go to output too, in their order */
};

struct program_end {
	struct buffer output; /* zeroed but for its max, by the caller, who */
	struct buffer errors; /* frees them; what is more is let go */
	bool cut;	      /* there was more */
	bool timed_out;
	int exit_code; /* -1: by a signal */
	int exit_signal;
};

int program_run(struct program_end *ret, const struct program *program,
		struct err *err);

/* This program's own file: execve(2)'s argument, without asking /proc. */
int program_own(char ret[PATH_MAX], struct err *err);

/* The attributes of what runs beside the gateway: default signals, none of them
 * blocked, and the given POSIX_SPAWN_ flags. posix_spawnattr_destroy() ends it. */
void program_attributes(posix_spawnattr_t *ret, short flags);

#endif
