/* start, stop, restart, reset, restore: what a person wants of a gateway */
#include "config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "gateway/operation.h"

#include "base/banned.h"

/* A gateway that root starts runs as root, whoever owns the state. */
static void warn_root(const struct session *session)
{
	struct stat st;

	if (geteuid() != 0 || stat(session->settings->state_dir, &st))
		return;
	if (st.st_uid == 0)
		log_line(LEVEL_WARNING,
			 "msg=\"running as root: so will what is started\"");
	else
		log_line(LEVEL_WARNING,
			 "msg=\"running as root, but '%s' belongs to user %u: "
			 "run this command as that user\"",
			 session->settings->state_dir, (unsigned int)st.st_uid);
}

/* The last line, without the newline that ends it. */
static void last_line(const char *text, const char **ret, int *ret_len)
{
	size_t len = strlen(text), begin;

	while (len > 0 && text[len - 1] == '\n')
		len--;
	for (begin = len; begin > 0 && text[begin - 1] != '\n'; begin--)
		;
	*ret = text + begin;
	*ret_len = (int)(len - begin);
}

/* State, reason, detail, last line of output. */
static enum exit_status refused(const struct gateway_row *row, struct err *err)
{
	const char *line;
	int len;

	last_line(row->output_tail, &line, &len);
	err_fill(err, ERR_CLOSED, "%s: %s%s%s%s%s%s", row->name,
		 gateway_state_names[row->state], *row->reason ? " (" : "",
		 row->reason, *row->reason ? ")" : "", *row->detail ? ": " : "",
		 row->detail);
	if (len > 0) {
		struct err whole = *err;

		err_fill(err, whole.code, "%s; its last output: '%.*s'",
			 whole.text, len, line);
	}
	return EXIT_FAILED;
}

static enum exit_status timed_out(const struct operation *operation,
				  struct err *err)
{
	err_fill(err, ERR_TIMEOUT, "%s: not %s in time, it is %s",
		 operation->row.name, operation_aim(operation),
		 gateway_state_names[operation->row.state]);
	return EXIT_TIMED_OUT;
}

static enum exit_status run(struct operation *operation, bool wait,
			    struct err *err)
{
	enum operation_state state = OPERATION_ASKS;
	enum exit_status status = EXIT_DONE;
	struct progress progress;

	progress_begin(&progress);
	for (;;) {
		if (operation_step(operation, &state, err)) {
			status = err->code == ERR_TIMEOUT ? EXIT_TIMED_OUT
							  : EXIT_FAILED;
			break;
		}
		if (state == OPERATION_REFUSED)
			status = refused(&operation->row, err);
		if (state > OPERATION_RUNS ||
		    (state == OPERATION_RUNS && !wait))
			break;
		progress_show(&progress, &operation->row);
		if (!operation_pause(operation)) {
			status = timed_out(operation, err);
			break;
		}
	}
	progress_end(&progress);
	return status;
}

/* The database may be new: then it does not know the snapshots yet. */
static int open_operation(const struct session *session,
			  struct operation *operation, struct err *err)
{
	int64_t timeout_ms = (int64_t)operation_timeout_s(session->gateway,
							  operation->kind) *
			     1000;

	if (operation_open(operation, timeout_ms, err) == 0)
		return 0;
	if (operation->kind != OPERATION_RESTORE || err->code != ERR_MISSING)
		return -1;
	if (snapshots_find(session, err))
		return err_context(err, "cannot look for snapshots");
	return operation_open(operation, timeout_ms, err);
}

static enum exit_status operate(const struct session *session,
				enum operation_kind kind, struct err *err)
{
	unsigned int given = session->options->given;
	struct operation operation = {
		.settings = session->settings,
		.gateway = session->gateway,
		.store = session->store,
		.watch_fd = -1,
		.kind = kind,
		.hold = (given & OPTION_HOLD) != 0,
	};
	enum exit_status status;

	if (kind == OPERATION_RESTORE && session->snapshot) {
		operation.snapshot = strtoll(session->snapshot, NULL, 10);
		if (operation.snapshot < 1 ||
		    session->snapshot[strspn(session->snapshot,
					     "0123456789")]) {
			err_fill(err, ERR_INVALID,
				 "expected a snapshot's ID, got '%s'",
				 session->snapshot);
			return EXIT_USAGE;
		}
	}
	if (open_operation(session, &operation, err))
		return kind == OPERATION_RESTORE &&
				       !session->gateway->backup.directory
			       ? EXIT_USAGE
			       : EXIT_FAILED;
	if (kind != OPERATION_STOP && kind != OPERATION_RESET)
		warn_root(session);
	status = run(&operation, !(given & OPTION_NO_WAIT), err);
	operation_close(&operation);
	return status;
}

/* What a person holds down stays down: only his `start` ends that. */
static bool is_to_start(const struct session *session,
			const struct gateway_settings *gateway)
{
	struct gateway_row row;
	struct err err;

	if (!gateway->always_on)
		return false;
	return store_read(session->store, gateway->name, &row, &err) != 0 ||
	       !row.hold;
}

/* All that are always on, or to be stopped: all there are. One that fails does not
 * hold the others up. The last failure is told by the caller, those before it in
 * the log. */
static enum exit_status operate_each(const struct session *session,
				     enum operation_kind kind,
				     unsigned int given, struct err *err)
{
	const struct settings *settings = session->settings;
	struct options options = *session->options;
	struct session one = *session;
	enum exit_status worst = EXIT_DONE;

	options.given |= given;
	one.options = &options;
	for (size_t i = 0; i < settings->gateways_count; i++) {
		enum exit_status status;
		struct err why;

		one.gateway = &settings->gateways[i];
		if (kind == OPERATION_START &&
		    !is_to_start(session, one.gateway))
			continue;
		status = operate(&one, kind, &why);
		if (status == EXIT_DONE)
			continue;
		if (worst != EXIT_DONE)
			log_line(LEVEL_ERROR, "msg=\"%s\"", err->text);
		*err = why;
		worst = status > worst ? status : worst;
	}
	return worst;
}

enum exit_status start_run(const struct session *session, struct err *err)
{
	enum exit_status status;

	if (!(session->options->given & OPTION_ALL))
		return operate(session, OPERATION_START, err);
	/* all at once, then wait for each */
	status = operate_each(session, OPERATION_START, OPTION_NO_WAIT, err);
	if (session->options->given & OPTION_NO_WAIT)
		return status;
	return operate_each(session, OPERATION_START, 0, err);
}

enum exit_status stop_run(const struct session *session, struct err *err)
{
	struct err why;

	if (!(session->options->given & OPTION_ALL))
		return operate(session, OPERATION_STOP, err);
	if (session->options->given & OPTION_NO_WAIT)
		return operate_each(session, OPERATION_STOP, 0, err);
	/* what fails here fails again below, or is done by then */
	(void)operate_each(session, OPERATION_STOP, OPTION_NO_WAIT, &why);
	return operate_each(session, OPERATION_STOP, 0, err);
}

enum exit_status restart_run(const struct session *session, struct err *err)
{
	return operate(session, OPERATION_RESTART, err);
}

enum exit_status reset_run(const struct session *session, struct err *err)
{
	return operate(session, OPERATION_RESET, err);
}

enum exit_status restore_run(const struct session *session, struct err *err)
{
	return operate(session, OPERATION_RESTORE, err);
}
