/* start, stop, restart, reset: what a person wants of a gateway */
#include "config.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/control.h"
#include "gateway/lock.h"
#include "gateway/probe.h"

#include "base/banned.h"

#define START_MARGIN_S	5
#define RESET_TIMEOUT_S 10

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

enum exit_status start_run(const struct session *session, struct err *err)
{
	struct control control;
	enum exit_status status;

	if (control_open(&control, session,
			 session->gateway->start_timeout_s + START_MARGIN_S,
			 err))
		return EXIT_FAILED;
	warn_root(session);
	status = control_start(&control, err);
	control_close(&control);
	return status;
}

/* One stop: what was asked of which generation. */
struct stop {
	struct control control;
	bool hold;
	bool asked;
	int64_t generation; /* asked, or claimed to be stopped */
	int64_t told;	    /* its row says so, with hold */
};

static bool is_held(const struct gateway_row *row)
{
	return row->state == STATE_FAILED && strcmp(row->reason, "held") == 0;
}

static bool rests(const struct gateway_row *row)
{
	return row->state == STATE_STOPPED || row->state == STATE_COOLDOWN ||
	       row->state == STATE_FAILED;
}

/* Asks the owner, or makes one. */
static int stop_ask(struct stop *stop, struct err *err)
{
	struct control *control = &stop->control;
	struct ensure ensure = control_ensure(control, WANT_STOP);
	int64_t generation = control->row.generation;

	if (!control->owner_alive) {
		if (ensure_claim(&ensure, &generation, err))
			return -1;
		stop->told = stop->hold ? -1 : generation;
	} else if (stop->told == generation || rests(&control->row)) {
		return 0; /* at it, or just leaving or just coming */
	} else {
		if (control_want(control, WANT_STOP, stop->hold, err))
			return -1;
		stop->told = generation;
	}
	stop->asked = true;
	stop->generation = generation;
	return 0;
}

/* Nothing runs: a hold is still to be written. 1: done, 0: look again. */
static int stop_rest(struct stop *stop, struct err *err)
{
	struct control *control = &stop->control;

	if (!stop->hold || is_held(&control->row))
		return 1;
	return control_want(control, WANT_STOP, true, err);
}

/* 1: done, 0: go on, -1: err. */
static int stop_step(struct stop *stop, struct err *err)
{
	struct control *control = &stop->control;
	const struct gateway_row *row = &control->row;

	if (control_look(control, err))
		return -1;
	/* Stopped as asked, and started again by a request since. */
	if (stop->asked && !stop->hold && row->generation > stop->generation &&
	    !row->adopted)
		return 1;
	if (!control->owner_alive && stop->asked &&
	    row->state == STATE_FAILED && !is_held(row)) {
		(void)control_refused(control, err);
		return -1;
	}
	if (!control->owner_alive && rests(row) &&
	    probe_listens(&control->gateway->address) == 0)
		return stop_rest(stop, err);
	if (stop_ask(stop, err))
		return -1;
	return control->no_wait && stop->asked &&
	       stop->told == stop->generation;
}

enum exit_status stop_run(const struct session *session, struct err *err)
{
	struct stop stop = {
		.hold = (session->options->given & OPTION_HOLD) != 0,
		.told = -1,
	};
	enum exit_status status = EXIT_DONE;
	int done;

	if (control_open(&stop.control, session,
			 session->gateway->stop_timeout_s + CONTROL_MARGIN_S,
			 err))
		return EXIT_FAILED;
	do {
		done = stop_step(&stop, err);
		if (done < 0 && err->code == ERR_BUSY)
			done = 0;
	} while (done == 0 && control_pause(&stop.control));
	if (done < 0)
		status = control_failed(&stop.control, err);
	else if (done == 0)
		status = control_timed_out(&stop.control, "stopped", err);
	control_close(&stop.control);
	return status;
}

/* Asks for a restart, once. 1: asked, 0: nothing runs, a start will do. */
static int restart_ask(struct control *control, int64_t *ret_generation,
		       struct err *err)
{
	struct ensure ensure = control_ensure(control, WANT_RESTART);

	if (control->owner_alive && rests(&control->row))
		return err_set(err, ERR_BUSY, "an owner comes or goes");
	if (control->owner_alive) {
		*ret_generation = control->row.generation;
		return control_want(control, WANT_RESTART, false, err) ? -1 : 1;
	}
	if (probe_listens(&control->gateway->address) == 0)
		return 0;
	return ensure_claim(&ensure, ret_generation, err) ? -1 : 1;
}

/* Until the generation that was asked is over: 1, or its owner gone: 0. */
static int restart_wait(struct control *control, int64_t generation,
			struct err *err)
{
	do {
		if (control_look(control, err))
			return -1;
		if (control->row.generation > generation)
			return 1;
		if (control->owner_alive)
			continue;
		if (control->row.state == STATE_FAILED ||
		    control->row.state == STATE_COOLDOWN) {
			(void)control_refused(control, err);
			return -1;
		}
		return 0;
	} while (control_pause(control));
	(void)control_timed_out(control, "stopped", err);
	return -1;
}

/* A generation that came after: wait for it, without clearing its failures. */
static enum exit_status restart_ready(struct control *control, struct err *err)
{
	for (;;) {
		if (control_look(control, err))
			return control_failed(control, err);
		if (control->row.state == STATE_READY)
			return EXIT_DONE;
		if (control->row.state == STATE_FAILED ||
		    control->row.state == STATE_COOLDOWN)
			return control_refused(control, err);
		if (!control->owner_alive)
			return control_start(control, err);
		if (!control_pause(control))
			return control_timed_out(control, "ready", err);
	}
}

static enum exit_status restart(struct control *control, struct err *err)
{
	int64_t generation = 0;
	int asked;

	do {
		if (control_look(control, err))
			return control_failed(control, err);
		asked = restart_ask(control, &generation, err);
	} while (asked < 0 && control_again(control, err));
	if (asked < 0)
		return control_failed(control, err);
	if (asked == 0)
		return control_start(control, err);
	if (control->no_wait)
		return EXIT_DONE;
	asked = restart_wait(control, generation, err);
	if (asked < 0)
		return control_failed(control, err);
	return asked > 0 ? restart_ready(control, err)
			 : control_start(control, err);
}

enum exit_status restart_run(const struct session *session, struct err *err)
{
	const struct gateway_settings *gateway = session->gateway;
	struct control control;
	enum exit_status status;

	if (control_open(&control, session,
			 gateway->stop_timeout_s + gateway->start_timeout_s +
				 CONTROL_MARGIN_S,
			 err))
		return EXIT_FAILED;
	warn_root(session);
	status = restart(&control, err);
	control_close(&control);
	return status;
}

enum exit_status reset_run(const struct session *session, struct err *err)
{
	struct control control;
	enum exit_status status = EXIT_DONE;
	int result;

	if (control_open(&control, session, RESET_TIMEOUT_S, err))
		return EXIT_FAILED;
	do {
		result = control_look(&control, err);
		if (result == 0)
			result = store_reset(session->store,
					     session->gateway->name,
					     control.row.generation, err);
	} while (result && control_again(&control, err));
	if (result)
		status = control_failed(&control, err);
	control_close(&control);
	return status;
}
