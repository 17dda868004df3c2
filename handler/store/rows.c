#include "config.h"

#include <string.h>

#include "store/store_private.h"

#include "base/banned.h"

const char *const gateway_state_names[STATE_MAX_] = {
	[STATE_STOPPED] = "stopped",   [STATE_RESTORING] = "restoring",
	[STATE_STARTING] = "starting", [STATE_READY] = "ready",
	[STATE_STOPPING] = "stopping", [STATE_COOLDOWN] = "cooldown",
	[STATE_FAILED] = "failed",
};

const char *const want_names[WANT_MAX_] = {
	[WANT_RUN] = "run",
	[WANT_STOP] = "stop",
	[WANT_RESTART] = "restart",
};

int64_t row_since_ms(const struct gateway_row *row)
{
	switch (row->state) {
	case STATE_READY:
		return row->ready_ms;
	case STATE_RESTORING:
	case STATE_STARTING:
		return row->started_ms;
	case STATE_STOPPED:
	case STATE_COOLDOWN:
	case STATE_FAILED:
		return row->stopped_ms;
	case STATE_STOPPING:
	case STATE_MAX_:
		break;
	}
	return 0;
}

/* The order of KEEPER_COLUMNS and OTHER_COLUMNS in statements.c. */
enum column {
	COLUMN_NAME,
	COLUMN_GENERATION,
	COLUMN_STATE,
	COLUMN_REASON,
	COLUMN_OWNER_PID,
	COLUMN_OWNER_START,
	COLUMN_OWNER_BOOT,
	COLUMN_HEARTBEAT,
	COLUMN_PID,
	COLUMN_PID_START,
	COLUMN_ADDRESS,
	COLUMN_ADOPTED,
	COLUMN_SNAPSHOT,
	COLUMN_STARTED,
	COLUMN_READY,
	COLUMN_STOPPED,
	COLUMN_EXIT_CODE,
	COLUMN_EXIT_SIGNAL,
	COLUMN_FAILURES,
	COLUMN_RETRY_AT,
	COLUMN_DETAIL,
	COLUMN_OUTPUT_TAIL,
	COLUMN_PROGRESS_BYTES,
	COLUMN_PROGRESS_TOTAL,
	COLUMN_WANT,
	COLUMN_HOLD,
	COLUMN_RESTORE_WANTED,
	COLUMN_RESTORE_SNAPSHOT,
	COLUMN_LAST_REQUEST,
	COLUMN_ANSWERED,
};

int column_word(sqlite3_stmt *row, int column, const char *const *words,
		int count)
{
	const char *text = (const char *)sqlite3_column_text(row, column);

	for (int i = 0; text && i < count; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	return -1;
}

static struct process_id column_process(sqlite3_stmt *row, int column)
{
	return (struct process_id){
		.pid = sqlite3_column_int(row, column),
		.start = (uint64_t)sqlite3_column_int64(row, column + 1),
	};
}

#define TEXT(member, column)                                                   \
	column_text((member), sizeof(member), (row), (column))

/* A truncated file reads as rows of NULLs, with no error from SQLite. */
static bool makes_sense(sqlite3_stmt *row, const char *name)
{
	const char *text = (const char *)sqlite3_column_text(row, COLUMN_NAME);

	return text && strcmp(text, name) == 0 &&
	       sqlite3_column_type(row, COLUMN_GENERATION) == SQLITE_INTEGER &&
	       sqlite3_column_type(row, COLUMN_FAILURES) == SQLITE_INTEGER &&
	       column_word(row, COLUMN_STATE, gateway_state_names,
			   STATE_MAX_) >= 0 &&
	       column_word(row, COLUMN_WANT, want_names, WANT_MAX_) >= 0;
}

static void fill(struct gateway_row *ret, sqlite3_stmt *row)
{
	TEXT(ret->name, COLUMN_NAME);
	ret->state = (enum gateway_state)column_word(
		row, COLUMN_STATE, gateway_state_names, STATE_MAX_);
	ret->want =
		(enum want)column_word(row, COLUMN_WANT, want_names, WANT_MAX_);
	ret->generation = sqlite3_column_int64(row, COLUMN_GENERATION);
	TEXT(ret->reason, COLUMN_REASON);
	ret->owner = column_process(row, COLUMN_OWNER_PID);
	TEXT(ret->owner_boot, COLUMN_OWNER_BOOT);
	ret->heartbeat_ms = sqlite3_column_int64(row, COLUMN_HEARTBEAT);
	ret->process = column_process(row, COLUMN_PID);
	TEXT(ret->address, COLUMN_ADDRESS);
	ret->adopted = sqlite3_column_int(row, COLUMN_ADOPTED) != 0;
	ret->snapshot = sqlite3_column_int64(row, COLUMN_SNAPSHOT);
	ret->started_ms = sqlite3_column_int64(row, COLUMN_STARTED);
	ret->ready_ms = sqlite3_column_int64(row, COLUMN_READY);
	ret->stopped_ms = sqlite3_column_int64(row, COLUMN_STOPPED);
	ret->exit_code =
		sqlite3_column_type(row, COLUMN_EXIT_CODE) == SQLITE_NULL
			? EXIT_CODE_NONE
			: sqlite3_column_int(row, COLUMN_EXIT_CODE);
	ret->exit_signal = sqlite3_column_int(row, COLUMN_EXIT_SIGNAL);
	ret->failures = sqlite3_column_int(row, COLUMN_FAILURES);
	ret->retry_at_ms = sqlite3_column_int64(row, COLUMN_RETRY_AT);
	TEXT(ret->detail, COLUMN_DETAIL);
	TEXT(ret->output_tail, COLUMN_OUTPUT_TAIL);
	ret->hold = sqlite3_column_int(row, COLUMN_HOLD) != 0;
	ret->restore_wanted =
		sqlite3_column_int(row, COLUMN_RESTORE_WANTED) != 0;
	ret->restore_snapshot =
		sqlite3_column_int64(row, COLUMN_RESTORE_SNAPSHOT);
	ret->progress_bytes = sqlite3_column_int64(row, COLUMN_PROGRESS_BYTES);
	ret->progress_total = sqlite3_column_int64(row, COLUMN_PROGRESS_TOTAL);
	ret->last_request_ms = sqlite3_column_int64(row, COLUMN_LAST_REQUEST);
	ret->answered_ms = sqlite3_column_int64(row, COLUMN_ANSWERED);
}

static void fill_absent(struct gateway_row *ret, const char *name)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->name, name, strnlen(name, sizeof(ret->name) - 1));
	ret->exit_code = EXIT_CODE_NONE;
}

static int read_row(struct store *store, const char *name,
		    struct gateway_row *ret, struct err *err)
{
	sqlite3_stmt *row = NULL;
	struct binder binder;
	int result;
	int status = 0;

	if (statement_get(&row, store, QUERY_READ, err))
		return -1;
	binder = (struct binder){ .statement = row };
	bind_text(&binder, name);
	result = sqlite3_step(row);
	if (result == SQLITE_DONE) {
		fill_absent(ret, name);
	} else if (result != SQLITE_ROW) {
		status = store_failed(store, result, "read", err);
	} else if (makes_sense(row, name)) {
		fill(ret, row);
	} else {
		store->damaged = true;
		status = err_set(err, ERR_CORRUPT,
				 "'%s' is damaged: the row of '%s' makes no "
				 "sense",
				 store->path, name);
	}
	statement_done(row);
	return status;
}

/* Was the file replaced? Not at each read: a stat(2) costs as much as the read. */
static int look_at_times(struct store *store, struct err *err)
{
	if (!deadline_passed(store->next_look))
		return 0;
	store->next_look = deadline_in(STORE_LOOK_MS);
	return connection_check_moved(store, err);
}

int store_read(struct store *store, const char *name, struct gateway_row *ret,
	       struct err *err)
{
	int result;

	if (store_lock(store, err))
		return -1;
	result = look_at_times(store, err);
	if (result == 0)
		result = read_row(store, name, ret, err);
	store_unlock(store);
	return result;
}
