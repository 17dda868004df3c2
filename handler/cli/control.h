/* control.h - what start, stop and restart share: a gateway, and time to act */
#ifndef WAKEGATE_CONTROL_H
#define WAKEGATE_CONTROL_H

#include <stdbool.h>

#include "base/deadline.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "gateway/ensure.h"

#define CONTROL_MARGIN_S 25 /* beside the gateway's own time-outs */

struct control {
	const struct session *session;
	const struct gateway_settings *gateway;
	struct progress progress;
	struct deadline deadline;
	int lock_fd;
	int pause_ms;
	struct gateway_row row; /* as read last */
	bool owner_alive;
	bool no_wait;
};

int control_open(struct control *ret, const struct session *session,
		 int timeout_s, struct err *err);
void control_close(struct control *control);

/* Reads the row and asks whether an owner lives. */
int control_look(struct control *control, struct err *err);

/* A short pause, with the progress shown; false when time is up. */
bool control_pause(struct control *control);

/* Is err only "somebody was first"? Then look again; counts as a pause. */
bool control_again(struct control *control, const struct err *err);

/* Asks the owner of the row for something and wakes it. */
int control_want(struct control *control, enum want want, bool hold,
		 struct err *err);

/* What ensure.h needs. */
struct ensure control_ensure(const struct control *control, enum want want);

/* The exit status of a failure that err tells. */
enum exit_status control_failed(struct control *control, const struct err *err);
/* Fills err from the row: state, reason, detail, last line of output. */
enum exit_status control_refused(struct control *control, struct err *err);
enum exit_status control_timed_out(struct control *control, const char *aim,
				   struct err *err);

/* Clears what keeps the gateway down, starts it, and waits until it is ready. */
enum exit_status control_start(struct control *control, struct err *err);

#endif
