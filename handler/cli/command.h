/* command.h - a command of the command line, and what it works with
 *
 * main.c has the table. A command gives its exit status; with anything but
 * EXIT_DONE it has filled err, which main prints as one line.
 */
#ifndef WAKEGATE_COMMAND_H
#define WAKEGATE_COMMAND_H

#include <stddef.h>

#include "base/err.h"
#include "cli/options.h"
#include "gateway/settings.h"
#include "store/store.h"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2, /* or a bad configuration */
	EXIT_TIMED_OUT = 3,
};

struct session {
	const struct options *options;
	struct settings *settings;
	const struct gateway_settings *gateway; /* NULL: all of them */
	struct store *store;
	const char *snapshot; /* of `restore ID`, or NULL */
	const char *request;  /* of `explain ID`, or NULL */
};

enum command_needs {
	NEEDS_NOTHING,
	NEEDS_SETTINGS,
	NEEDS_STORE,   /* for one gateway or, when none is named, all */
	NEEDS_GATEWAY, /* a store and one gateway */
};

struct command {
	const char *name; /* NULL ends a table */
	/* NULL: prints the table */
	enum exit_status (*run)(const struct session *session, struct err *err);
	enum command_needs needs;
	unsigned int options; /* enum option_flag that it takes */
	const char *synopsis; /* NULL: internal, not in the help */
	const char *help;
};

/* Finds the command, opens what it needs, and runs it. */
enum exit_status command_run(const struct command *commands,
			     const struct options *options, struct err *err);

/* session_each() calls for the session's gateway, or for each. Stops at the first
 * that is not EXIT_DONE. */
enum exit_status session_each(
	const struct session *session,
	enum exit_status (*each)(const struct session *session,
				 const struct gateway_settings *gateway,
				 void *user, struct err *err),
	void *user, struct err *err);

/* Has the store learn which snapshots there are, by their manifests: here and in the
 * bucket. */
int snapshots_find(const struct session *session, struct err *err);

/* The commands. */
enum exit_status check_run(const struct session *session, struct err *err);
enum exit_status status_run(const struct session *session, struct err *err);
enum exit_status start_run(const struct session *session, struct err *err);
enum exit_status stop_run(const struct session *session, struct err *err);
enum exit_status restart_run(const struct session *session, struct err *err);
enum exit_status reset_run(const struct session *session, struct err *err);
enum exit_status events_run(const struct session *session, struct err *err);
enum exit_status explain_run(const struct session *session, struct err *err);
enum exit_status log_run(const struct session *session, struct err *err);
enum exit_status backup_run(const struct session *session, struct err *err);
enum exit_status restore_run(const struct session *session, struct err *err);
enum exit_status snapshots_run(const struct session *session, struct err *err);
enum exit_status serve_run(const struct session *session, struct err *err);
enum exit_status figures_run(const struct session *session, struct err *err);
enum exit_status keep_run(const struct session *session, struct err *err);

#endif
