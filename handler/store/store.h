/* store.h - the shared state of all workers: one SQLite file
 *
 * The only module that speaks SQL. Every change names the generation that it was
 * decided on; when somebody was first, nothing changes and the caller gets
 * ERR_BUSY: read again, decide again. The *exclusion* between processes is the
 * owner's lock (gateway/lock.h); this is status, generation and history.
 *
 * One struct store may be used by all threads of a process. No call waits for
 * another process longer than its busy time (2 s; the calls marked "best effort"
 * 20 ms; store_open() and store_reopen() 10 s for their turn), then ERR_STORE. Errors of all calls:
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
 * failure the store stays closed, each call gives ERR_STORE_MOVED, and this one the
 * same error for a second before it tries again. */
int store_reopen(struct store *store, struct err *err);

/* Does no other thread of this process work with it right now? */
bool store_is_free(struct store *store);

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

/* Adds an event. Gives up when others write for 250 ms. */
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

/* The newest starts that succeeded, and the newest processes that ended by
 * themselves, newest first; at most max of them. */
struct gateway_start {
	int64_t generation;
	int64_t at_ms; /* when it was ready */
	int64_t took_ms;
};
int store_starts(struct store *store, const char *name,
		 struct gateway_start *ret, int max, int *ret_count,
		 struct err *err);

struct gateway_exit {
	int64_t generation;
	int64_t at_ms;
	int exit_code;	 /* EXIT_CODE_NONE: not known, or by a signal */
	int exit_signal; /* 0: none */
};
int store_exits(struct store *store, const char *name, struct gateway_exit *ret,
		int max, int *ret_count, struct err *err);

/* Calls each() for the events with id > after, oldest first; when more than
 * `newest` match, only for the newest that many (0: all). gateway NULL: of all. Stops
 * early when each() gives non-zero, which is then the result. */
int store_events(struct store *store, const char *gateway, int64_t after,
		 int newest, int (*each)(const struct event *, void *),
		 void *user, struct err *err);

/* Calls each(), oldest first, for the events about the request; for those of the
 * gateway from from_ms to until_ms; and for those that say how the generation
 * ended, before that. Nothing else may be asked of the store meanwhile. */
struct event_about {
	const char *request;
	const char *gateway;
	int64_t from_ms;
	int64_t until_ms;
	int64_t generation;
};
int store_events_about(struct store *store, const struct event_about *about,
		       void (*each)(const struct event *, void *), void *user,
		       struct err *err);

/* --- snapshots */

enum snapshot_state {
	SNAPSHOT_WRITING,  /* not to be used */
	SNAPSHOT_COMPLETE, /* read back and good */
	SNAPSHOT_EXPIRED,  /* its archive is gone */
	SNAPSHOT_BAD,	   /* its archive did not verify */
	SNAPSHOT_STATE_MAX_
};

/* As they stand in the database and in JSON. */
extern const char *const snapshot_state_names[SNAPSHOT_STATE_MAX_];

struct snapshot_row {
	int64_t id;
	char gateway[GATEWAY_NAME_BYTES];
	int64_t generation; /* that it was taken of */
	int64_t created_ms;
	int64_t bytes; /* of the archive */
	int64_t files;
	int64_t content_bytes; /* of its files, unpacked */
	char sha256[65];
	char path[SNAPSHOT_PATH_BYTES];	  /* "": none on this machine */
	char remote[SNAPSHOT_PATH_BYTES]; /* "": none in the bucket */
	char fingerprint[40];
	enum snapshot_state state;
};

/* Adds a row; row->id is kept where it is free, 0: the next. ERR_INVALID: a
 * rule of the schema, such as a path that has a row already. */
int store_snapshot_add(struct store *store, const struct snapshot_row *row,
		       int64_t *ret_id, struct err *err);
/* The same for one that was found, unless the gateway has a row of that archive
 * already: the last part of its path, or else remote. */
int store_snapshot_adopt(struct store *store, const struct snapshot_row *row,
			 struct err *err);
/* All columns of the row with that id. ERR_MISSING: there is none. */
int store_snapshot_write(struct store *store, const struct snapshot_row *row,
			 struct err *err);
int store_snapshot_delete(struct store *store, int64_t id, struct err *err);

/* Calls each() for the gateway's snapshots, whatever their state, newest first.
 * Ends early as store_events() does; what it shows may be changed meanwhile. */
int store_snapshots(struct store *store, const char *gateway,
		    int (*each)(const struct snapshot_row *, void *),
		    void *user, struct err *err);

/* wanted: the next start puts a snapshot back (0: the newest that verifies),
 * whichever start that is; else that wish is taken back. ERR_BUSY as store_want(). */
int store_restore_want(struct store *store, const char *name,
		       int64_t generation, bool wanted, int64_t snapshot,
		       struct err *err);

/* store_write(), and the wish that row->restore_wanted and restore_snapshot tell
 * is fulfilled, unless it has changed: all in one transaction. */
int store_restored(struct store *store, const struct gateway_row *row,
		   const struct event *event, struct err *err);

#endif
