/* store_private.h - what the files of store/ share, and nobody else includes
 *
 *	store.c		open, close, reopen; transactions
 *	connection.c	one SQLite connection: how it is set, whether it is sound
 *	guard.c		the folder, wakegate.id and its lock, moving files aside
 *	statements.c	all SQL
 *	rows.c, changes.c, events.c, snapshots.c, counters.c, requests.c
 *			the calls
 *
 * Everybody holds a shared lock on wakegate.id while opening the database;
 * whoever makes, migrates or replaces it holds the exclusive one. So nobody
 * opens half of an old set of files (database, -wal, -shm) and half of a new.
 */
#ifndef WAKEGATE_STORE_PRIVATE_H
#define WAKEGATE_STORE_PRIVATE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/deadline.h"
#include "store/observed.h"
#include "store/store.h"

#define STORE_BUSY_MS	     2000
#define STORE_BEST_EFFORT_MS 20
#define STORE_HISTORY_MS     250 /* history: its writers have the time */
#define STORE_LOOK_MS	     100 /* how long a replaced file may go unnoticed */
#define STORE_ID_BYTES	     17	 /* 16 hexadecimal digits and a NUL */

enum query {
	QUERY_READ,
	QUERY_GENERATION,
	QUERY_ADD,
	QUERY_CLAIM,
	QUERY_WRITE,
	QUERY_RESCUE,
	QUERY_WANT,
	QUERY_RESET,
	QUERY_TOUCH,
	QUERY_EVENT_ADD,
	QUERY_EVENT_TRIM,
	QUERY_EVENT_BOUNDS,
	QUERY_EVENT_NEXT,
	QUERY_EVENT_ABOUT,
	QUERY_EXITS,
	QUERY_EXITS_NEWEST,
	QUERY_START_TIME_ADD,
	QUERY_START_TIME_TRIM,
	QUERY_START_TIMES,
	QUERY_STARTS,
	QUERY_RESTORE_WANT,
	QUERY_RESTORE_DONE,
	QUERY_SNAPSHOT_ADD,
	QUERY_SNAPSHOT_WRITE,
	QUERY_SNAPSHOT_DELETE,
	QUERY_SNAPSHOT_NEXT,
	QUERY_COUNT,
	QUERY_COUNTERS,
	QUERY_REQUEST_ADD,
	QUERY_REQUEST_TRIM,
	QUERY_REQUEST_FIND,
	QUERY_BEGIN,
	QUERY_COMMIT,
	QUERY_ROLLBACK,
	QUERY_USER_VERSION,
	QUERY_JOURNAL_MODE,
	QUERY_INTEGRITY,
	QUERY_MAX_
};

struct store {
	pthread_mutex_t mutex; /* around all below that changes */
	char *state_dir;
	char *path;    /* wakegate.db */
	char *id_path; /* wakegate.id */
	char id[STORE_ID_BYTES];
	sqlite3 *db; /* NULL: closed */
	sqlite3_stmt *statements[QUERY_MAX_];
	int busy_ms; /* how long SQLite itself may wait for a lock */
	struct deadline busy_until;
	struct deadline next_look; /* is the file still the one? */
	bool damaged;	       /* ERR_CORRUPT was given since it was opened */
	struct deadline retry; /* closed: when it may be opened again */
	struct err why;	       /* closed: since that failed */
};

/* --- store.c */

/* Takes the mutex of an open store; ERR_STORE_MOVED (mutex not held) when closed. */
int store_lock(struct store *store, struct err *err);
void store_unlock(struct store *store);

/* Begins a write. On success the mutex is held until transaction_end(). Waits
 * for other processes without the mutex, so that this process's reads go on. */
int transaction_begin(struct store *store, int busy_ms, struct err *err);

/* Commits when result is 0, else rolls back; gives result, or -1 when the
 * commit failed: then nothing has changed. */
int transaction_end(struct store *store, int result, struct err *err);

/* --- connection.c */

enum look {
	LOOK_GOOD,
	LOOK_NEW,     /* no file, or an empty one, or an older schema */
	LOOK_DAMAGED, /* err says how */
	LOOK_FAILED,  /* it can't be told now: err */
};

/* Opens store->db if the file is there, and looks at it: deep reads all of it.
 * The connection stays open only when the look is good or new. */
enum look connection_open(struct store *store, bool deep, struct err *err);
void connection_close(struct store *store);

/* Applies the schema from the version that is there. Under the exclusive lock. */
int connection_migrate(struct store *store, struct err *err);

/* Is the path still the file that we have open? */
int connection_check_moved(struct store *store, struct err *err);

/* Pauses 0.3 to 1.5 ms, or less at the deadline; false when it has passed. */
bool jitter_pause(struct deadline deadline);

/* --- guard.c */

/* Makes the folder when missing; refuses NFS. */
int guard_check_folder(const struct store *store, struct err *err);

/* Opens and locks wakegate.id; closing *ret unlocks it. Exclusive: makes the
 * file and the id when missing. Reads the id into store->id; *ret_valid (never
 * false when exclusive): is there one? */
int guard_lock(int *ret, struct store *store, bool exclusive, bool *ret_valid,
	       struct err *err);

/* Both under the exclusive lock, with store->db closed. */
int guard_make_file(const struct store *store, struct err *err);
int guard_move_aside(const struct store *store, const char *why,
		     struct err *err);

/* --- statements.c */

/* The statement, prepared at its first use and ready to be bound. */
int statement_get(sqlite3_stmt **ret, struct store *store, enum query query,
		  struct err *err);
/* Resets it and lets go of what was bound. */
void statement_done(sqlite3_stmt *statement);
/* Steps a statement without rows to its end, and is done with it. *ret_changes
 * (may be NULL): rows changed. */
int statement_run(struct store *store, sqlite3_stmt *statement,
		  int *ret_changes, struct err *err);
int statement_run_plain(struct store *store, enum query query, struct err *err);

/* Gives -1 with the error that SQLite's result means. */
int store_failed(struct store *store, int result, const char *what,
		 struct err *err);

/* Binds parameter after parameter; text is borrowed until statement_done(). */
struct binder {
	sqlite3_stmt *statement;
	int last;
};
void bind_number(struct binder *binder, int64_t number);
void bind_number_or_null(struct binder *binder, int64_t number); /* 0: NULL */
void bind_text(struct binder *binder, const char *text); /* NULL, "": NULL */

/* Copies a column's text, cut to fit; "" for NULL. */
void column_text(char *ret, size_t size, sqlite3_stmt *statement, int column);
/* -1 for a word that is none of them, or NULL. */
int column_word(sqlite3_stmt *row, int column, const char *const *words,
		int count);

/* --- changes.c: a change of a gateway's row, within a transaction */

/* Begins the statement: ?1 is the name, ?2 the generation. */
int change_begin(struct binder *ret, struct store *store, enum query query,
		 const char *name, int64_t generation, struct err *err);
/* ERR_BUSY unless it changes one row. */
int change_run(struct store *store, const struct binder *binder,
	       const char *name, int64_t generation, struct err *err);
/* Where nothing is known of a gateway yet (generation 0), its row is made. */
int change_add_row(struct store *store, const char *name, int64_t generation,
		   struct err *err);

/* The keeper's columns and an event (or NULL). */
int change_write(struct store *store, const struct gateway_row *row,
		 const struct event *event, struct err *err);

/* --- events.c: within a transaction */
int event_add(struct store *store, const struct event *event, struct err *err);

/* A JSON object without secrets, if it had some: the caller's to free; NULL: it
 * has none. */
char *event_redacted(const char *detail);

/* --- counters.c: within a transaction */
int count_add(struct store *store, const struct count *count, struct err *err);
int count_start(struct store *store, const char *gateway, int64_t took_ms,
		struct err *err);
/* What the event is counted as. */
int count_event(struct store *store, const struct event *event,
		struct err *err);

/* --- events.c */

/* A read outside of one. On success the mutex is held, until read_end(). */
int read_begin(struct binder *ret, struct store *store, enum query query,
	       struct err *err);
/* result: what the last step gave, SQLITE_ROW and SQLITE_DONE being success. */
int read_end(struct store *store, const struct binder *binder, int result,
	     struct err *err);

#endif
