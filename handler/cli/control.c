#include "config.h"

#include <string.h>
#include <unistd.h>

#include "cli/control.h"
#include "gateway/lock.h"

#include "base/banned.h"

#define PAUSE_FIRST_MS 10
#define PAUSE_MAX_MS   100
#define SLICE_MS       250 /* of a wait for readiness, between two looks */

int control_open(struct control *ret, const struct session *session,
		 int timeout_s, struct err *err)
{
	struct control control = {
		.session = session,
		.gateway = session->gateway,
		.deadline = deadline_in((int64_t)timeout_s * 1000),
		.lock_fd = -1,
		.pause_ms = PAUSE_FIRST_MS,
		.no_wait = (session->options->given & OPTION_NO_WAIT) != 0,
	};

	if (lock_open(&control.lock_fd, session->settings->state_dir,
		      session->gateway->name, err))
		return -1;
	progress_begin(&control.progress);
	*ret = control;
	return 0;
}

void control_close(struct control *control)
{
	progress_end(&control->progress);
	(void)close(control->lock_fd);
}

int control_look(struct control *control, struct err *err)
{
	struct store *store = control->session->store;

	if (store_read(store, control->gateway->name, &control->row, err)) {
		if (err->code != ERR_STORE_MOVED && err->code != ERR_CORRUPT)
			return -1;
		if (store_reopen(store, err) ||
		    store_read(store, control->gateway->name, &control->row,
			       err))
			return -1;
	}
	return lock_is_taken(control->lock_fd, LOCK_OWNER,
			     &control->owner_alive, err);
}

bool control_pause(struct control *control)
{
	progress_show(&control->progress, &control->row);
	if (!deadline_pause(control->deadline, control->pause_ms))
		return false;
	control->pause_ms *= 2;
	if (control->pause_ms > PAUSE_MAX_MS)
		control->pause_ms = PAUSE_MAX_MS;
	return true;
}

bool control_again(struct control *control, const struct err *err)
{
	return err->code == ERR_BUSY && control_pause(control);
}

int control_want(struct control *control, enum want want, bool hold,
		 struct err *err)
{
	if (store_want(control->session->store, control->gateway->name,
		       control->row.generation, want, hold, err))
		return -1;
	lock_poke(control->lock_fd);
	return 0;
}

struct ensure control_ensure(const struct control *control, enum want want)
{
	struct ensure ensure = {
		.settings = control->session->settings,
		.gateway = control->gateway,
		.store = control->session->store,
		.want = want,
		.watch_fd = -1,
	};

	return ensure;
}

enum exit_status control_failed(struct control *control, const struct err *err)
{
	progress_end(&control->progress);
	return err->code == ERR_TIMEOUT || err->code == ERR_BUSY
		       ? EXIT_TIMED_OUT
		       : EXIT_FAILED;
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

enum exit_status control_refused(struct control *control, struct err *err)
{
	const struct gateway_row *row = &control->row;
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
	progress_end(&control->progress);
	return EXIT_FAILED;
}

enum exit_status control_timed_out(struct control *control, const char *aim,
				   struct err *err)
{
	err_fill(err, ERR_TIMEOUT, "%s: not %s in time, it is %s",
		 control->row.name, aim,
		 gateway_state_names[control->row.state]);
	progress_end(&control->progress);
	return EXIT_TIMED_OUT;
}

/* After it nothing of what persons or crashes left keeps the gateway down. */
static int clear_way(struct control *control, struct err *err)
{
	for (;;) {
		const struct gateway_row *row = &control->row;
		int result = 0;

		if (control_look(control, err))
			return -1;
		if (row->state == STATE_FAILED || row->state == STATE_COOLDOWN)
			result = store_reset(control->session->store, row->name,
					     row->generation, err);
		else if (row->hold || row->want == WANT_STOP)
			result = control_want(control, WANT_RUN, false, err);
		if (result == 0)
			return 0;
		if (!control_again(control, err))
			return -1;
	}
}

enum exit_status control_start(struct control *control, struct err *err)
{
	struct ensure ensure = control_ensure(control, WANT_RUN);
	const struct seen nothing = { 0 };

	if (clear_way(control, err))
		return control_failed(control, err);
	/* a row that says ready proves nothing when its keeper is gone */
	if (ensure_watched(&ensure, err) && !control_again(control, err))
		return control_failed(control, err);
	for (;;) {
		struct deadline slice = deadline_min(
			control->deadline,
			deadline_in(control->no_wait ? 0 : SLICE_MS));
		enum ensure_answer answer = ENSURE_STARTING;

		if (ensure_ready(&ensure, nothing, slice, &answer,
				 &control->row, err)) {
			if (control_again(control, err))
				continue;
			return control_failed(control, err);
		}
		if (answer == ENSURE_READY)
			return EXIT_DONE;
		if (answer == ENSURE_REFUSED)
			return control_refused(control, err);
		if (control->no_wait)
			return EXIT_DONE;
		/* OVERLOADED does not wait by itself, so pause here */
		if (!control_pause(control))
			return control_timed_out(control, "ready", err);
	}
}
