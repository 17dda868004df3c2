/* operation.h - what a person wants of a gateway: start, stop, restart, reset
 *
 * Asks the owner, or claims where nobody owns; what has been asked goes on in the
 * keeper, whether or not anybody waits for it here.
 *
 *	operation_open(&operation, ms, &err);
 *	do
 *		failed = operation_step(&operation, &state, &err);
 *	while (!failed && state <= OPERATION_RUNS && operation_pause(&operation));
 *	operation_close(&operation);
 *
 * Who does not want to wait until it is done leaves at OPERATION_RUNS.
 */
#ifndef WAKEGATE_OPERATION_H
#define WAKEGATE_OPERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/deadline.h"
#include "base/err.h"
#include "gateway/settings.h"
#include "store/store.h"

enum operation_kind {
	OPERATION_START, /* clears what keeps it down; done when it is ready */
	OPERATION_STOP,	 /* done when all of it is dead and the port closed */
	OPERATION_RESTART, /* done when a later process is ready */
	OPERATION_RESET,   /* forgets failures, a hold and a wish to restore;
			    * starts nothing */
	OPERATION_RESTORE, /* a restart that puts a snapshot back */
	OPERATION_MAX_
};

/* "start", "stop", "restart", "reset", "restore" */
extern const char *const operation_names[OPERATION_MAX_];

enum operation_state {
	OPERATION_ASKS, /* somebody was first: not asked yet */
	OPERATION_RUNS, /* asked, and not done */
	OPERATION_DONE,
	OPERATION_REFUSED, /* it failed: the row says why */
};

enum operation_phase {
	PHASE_CLEAR, /* what keeps it down goes, then PHASE_START */
	PHASE_START,
	PHASE_STOP,
	PHASE_RESTART,
	PHASE_OVER,  /* until the generation that was asked is over */
	PHASE_READY, /* until the one after it is ready */
	PHASE_RESET,
	PHASE_WISH, /* the restore is asked for, then PHASE_RESTART */
};

struct operation {
	/* to be set */
	const struct settings *settings;
	const struct gateway_settings *gateway;
	struct store *store;
	const char *request; /* the request's id, for events; NULL: none */
	int watch_fd;	     /* a client's socket, -1: none */
	enum operation_kind kind;
	bool hold;	  /* of a stop: it stays down until a start */
	bool join;	  /* of a restart: a start that goes on is as good */
	int64_t snapshot; /* of a restore; 0: the newest that verifies */

	/* to be read */
	struct gateway_row row; /* as seen last */
	int64_t generation;	/* that was joined, or that it leads to */
	bool joined;		/* somebody else had asked for the same */
	bool gone;		/* the client has: nobody waits any more */

	/* its own */
	enum operation_phase phase;
	struct deadline deadline;
	int lock_fd;
	int pause_ms;
	bool owner_alive;
	bool asked;
	int64_t first; /* the generation that was met; -1: none yet */
	int64_t told;  /* the generation that was asked; -1: none yet */
};

/* The longest that it may take until it is done, in seconds. What a keeper does
 * with snapshots meanwhile, within bounds of its own, comes on top of it. */
int operation_timeout_s(const struct gateway_settings *gateway,
			enum operation_kind kind);

/* ERR_MISSING: there is no such snapshot; ERR_INVALID: no backup is configured. */
int operation_open(struct operation *operation, int64_t timeout_ms,
		   struct err *err);
void operation_close(struct operation *operation);

int operation_step(struct operation *operation, enum operation_state *ret,
		   struct err *err);

/* A short pause; false when time is up or the client has gone. */
bool operation_pause(struct operation *operation);

/* What it waits for: "ready", "stopped", "reset". */
const char *operation_aim(const struct operation *operation);

#endif
