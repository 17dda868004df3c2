/* spawn.h - starts the gateway's program, and tells why it could not
 *
 * In two steps, so that the row names the process before the program runs: the
 * child waits for spawn_go(); when the keeper dies before that, so does the child.
 * The program gets its own session; /dev/null as standard input; the output file
 * as standard output and error; default signals; and an environment of PATH,
 * HOME, USER, LOGNAME, SHELL, LANG, LC_*, TZ and TMPDIR, then the configured
 * variables and WAKEGATE_INSTANCE. Nothing of a request reaches it.
 */
#ifndef WAKEGATE_SPAWN_H
#define WAKEGATE_SPAWN_H

#include "base/err.h"
#include "gateway/settings.h"

struct spawned {
	pid_t pid;  /* also its session */
	int pidfd;  /* the caller closes it */
	int go_fd;  /* closed by spawn_go() and spawn_cancel() */
	int err_fd; /* likewise */
};

/* instance: "WAKEGATE_INSTANCE=..." whole. */
int spawn_prepare(struct spawned *ret, const struct gateway_settings *gateway,
		  const char *instance, int output_fd, struct err *err);

/* Lets it run. ERR_SYSTEM with exec's own reason when it could not. */
int spawn_go(struct spawned *spawned, struct err *err);
void spawn_cancel(struct spawned *spawned);

/* The environment that it gets, "NAME=value" each, NULL at the end; for what runs
 * beside it (instance NULL) without WAKEGATE_INSTANCE, which marks what is the
 * gateway itself. */
int spawn_environment(char ***ret, const struct gateway_settings *gateway,
		      const char *instance, struct err *err);
void spawn_environment_free(char **environment); /* accepts NULL */

/* A NULL-terminated list of "NAME=value" of what may be passed on, from this
 * process's own environment; the strings are borrowed, the list is the caller's. */
char **spawn_clean_environment(size_t extra);

#endif
