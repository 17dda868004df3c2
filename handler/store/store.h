/* store.h - the shared state of all workers: one SQLite file
 *
 * The only module that speaks SQL. Every change names the generation that it was
 * decided on; when somebody was first, nothing changes and the caller gets
 * ERR_BUSY: read again, decide again. The *exclusion* between processes is the
 * owner's lock (gateway/lock.h); this is status, generation and history.
 *
 * One struct store may be used by all threads of a process. No call waits for
 * another process longer than its busy time (2 s; the calls marked "best effort"
 * 20 ms), then ERR_STORE. Errors of all calls:
 *	ERR_STORE	can't be read or written now: disk full, read-only, busy
 *	ERR_STORE_MOVED	the file was deleted or replaced under us: store_reopen()
 *	ERR_CORRUPT	damaged: store_reopen() moves it aside and makes a new one
 *	ERR_INVALID	a row that breaks the schema's rules, or a newer schema
 */
#ifndef WAKEGATE_STORE_H
#define WAKEGATE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/row.h"

struct store;

/* Opens <state_dir>/wakegate.db; makes folder (mode 0700, one level), file (0600)
 * and schema when missing; migrates; moves a damaged one aside as
 * wakegate.db.corrupt-<UTC time> (log level error). Refuses NFS and a schema
 * that is newer than this program. Any number of processes may do so at once. */
int store_open(struct store **ret, const char *state_dir, struct err *err);
void store_close(struct store *store); /* accepts NULL */

/* Closes and opens anew, in place: after ERR_STORE_MOVED and ERR_CORRUPT. On
 * failure the store stays closed, each call gives ERR_STORE, and it may be
 * tried again. */
int store_reopen(struct store *store, struct err *err);

/* 16 hexadecimal digits, made once per state_dir and kept in its file
 * wakegate.id, so that it outlives the database. */
const char *store_id(const struct store *store);

/* A gateway that has no row yet reads as stopped, generation 0. A file that was
 * replaced is noticed within 100 ms. */
int store_read(struct store *store, const char *name, struct gateway_row *ret,
	       struct err *err);

/* Takes the next generation: one UPDATE that names the last one, with its event `claimed`
 * (request: the id of the request that asked, or NULL). The caller holds the
 * owner's lock. The row becomes `starting` with `want` as given, hold cleared
 * when want is WANT_RUN, reason, detail, owner, answered_ms, ready_ms,
 * exit_code, exit_signal, output_tail and retry_at_ms cleared, started_ms = now.
 * pid and pid_start stay: whoever looks for what runs needs the last ones known.
 * ERR_BUSY when the row is no longer at `generation`. ERR_STORE_MOVED is checked
 * first. */
int store_claim(struct store *store, const char *name, int64_t generation,
		enum want want, const char *address, const char *request,
		int64_t *ret_generation, struct err *err);

struct event {
	int64_t id;
	int64_t at_ms; /* 0: now */
	char gateway[GATEWAY_NAME_BYTES];
	int64_t generation;
	char kind[24];			/* one of the schema's list */
	pid_t pid;			/* whom it is about, 0: nobody */
	char request[REQUEST_ID_BYTES]; /* "" : none */
	const char *detail;		/* a JSON object, or NULL; borrowed */
};

/* The keeper's write: all columns of the row except want, hold, restore_wanted,
 * last_request_ms and answered_ms, with an event (or NULL) in the same
 * transaction. ERR_BUSY when the row is no longer at row->generation. */
int store_write(struct store *store, const struct gateway_row *row,
		const struct event *event, struct err *err);

/* Puts the row of a running generation into a new database (the old one was
 * moved aside or deleted): all columns. ERR_BUSY when a row with that
 * generation or a later one is there. */
int store_rescue(struct store *store, const struct gateway_row *row,
		 struct err *err);

/* What a person wants of this generation, with an event `stop_wanted` where that
 * is a stop or restart. hold goes with WANT_STOP. A row that does not run
 * (stopped, cooldown, failed) and is to be held becomes failed/held at once; one
 * that is not to be held any more (WANT_RUN) becomes stopped. ERR_BUSY as above
 * (generation 0 and no row: the row is made). */
int store_want(struct store *store, const char *name, int64_t generation,
	       enum want want, bool hold, struct err *err);

/* cooldown or failed -> stopped, failures 0, reason and hold cleared. Another
 * state is left as it is. ERR_BUSY as above. */
int store_reset(struct store *store, const char *name, int64_t generation,
		struct err *err);

/* Best effort: last_request_ms = at_ms, and answered_ms = at_ms when it was NULL
 * and answered is true. */
int store_touch(struct store *store, const char *name, int64_t generation,
		int64_t at_ms, bool answered, struct err *err);

/* Adds an event. Best effort. */
int store_event(struct store *store, const struct event *event,
		struct err *err);

/* How many `exited` events the gateway has since at_ms. */
int store_exits_since(struct store *store, const char *name, int64_t since_ms,
		      int *ret, struct err *err);

/* How long starts took: add one; the median of the newest ten (0: none known). */
int store_start_time_add(struct store *store, const char *name,
			 int64_t generation, int64_t took_ms, struct err *err);
int store_start_time_usual(struct store *store, const char *name,
			   int64_t *ret_ms, struct err *err);

/* Calls each() for the events with id > after, oldest first; when more than
 * `newest` match, only for the newest that many (0: all). gateway NULL: of all. Stops
 * early when each() gives non-zero, which is then the result. */
int store_events(struct store *store, const char *gateway, int64_t after,
		 int newest, int (*each)(const struct event *, void *),
		 void *user, struct err *err);

#endif
