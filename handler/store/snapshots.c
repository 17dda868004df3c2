#include "config.h"

#include <string.h>

#include "store/store_private.h"

#include "base/banned.h"

const char *const snapshot_state_names[SNAPSHOT_STATE_MAX_] = {
	[SNAPSHOT_WRITING] = "writing",
	[SNAPSHOT_COMPLETE] = "complete",
	[SNAPSHOT_EXPIRED] = "expired",
	[SNAPSHOT_BAD] = "bad",
};

/* The order of SNAPSHOT_COLUMNS in statements.c. */
static void bind_row(struct binder *binder, const struct snapshot_row *row)
{
	bind_number_or_null(binder, row->id);
	bind_text(binder, row->gateway);
	bind_number(binder, row->generation);
	bind_number(binder, row->created_ms);
	bind_number(binder, row->bytes);
	bind_number(binder, row->files);
	bind_number(binder, row->content_bytes);
	bind_text(binder, row->sha256);
	bind_text(binder, row->path);
	bind_text(binder, row->remote);
	bind_text(binder, row->fingerprint);
	bind_text(binder, snapshot_state_names[row->state]);
}

static int fill(struct snapshot_row *ret, sqlite3_stmt *row)
{
	int state =
		column_word(row, 11, snapshot_state_names, SNAPSHOT_STATE_MAX_);

	ret->id = sqlite3_column_int64(row, 0);
	column_text(ret->gateway, sizeof(ret->gateway), row, 1);
	ret->generation = sqlite3_column_int64(row, 2);
	ret->created_ms = sqlite3_column_int64(row, 3);
	ret->bytes = sqlite3_column_int64(row, 4);
	ret->files = sqlite3_column_int64(row, 5);
	ret->content_bytes = sqlite3_column_int64(row, 6);
	column_text(ret->sha256, sizeof(ret->sha256), row, 7);
	column_text(ret->path, sizeof(ret->path), row, 8);
	column_text(ret->remote, sizeof(ret->remote), row, 9);
	column_text(ret->fingerprint, sizeof(ret->fingerprint), row, 10);
	ret->state = (enum snapshot_state)state;
	return state < 0 || ret->created_ms == 0 ? -1 : 0;
}

/* Begins a change: ?1 to ?12 are the row. */
static int row_begin(struct binder *ret, struct store *store, enum query query,
		     const struct snapshot_row *row, struct err *err)
{
	sqlite3_stmt *statement = NULL;

	if (statement_get(&statement, store, query, err))
		return -1;
	*ret = (struct binder){ .statement = statement };
	bind_row(ret, row);
	return 0;
}

static int add(struct store *store, const struct snapshot_row *row,
	       struct err *err)
{
	struct binder binder;

	if (row_begin(&binder, store, QUERY_SNAPSHOT_ADD, row, err))
		return -1;
	return statement_run(store, binder.statement, NULL, err);
}

int store_snapshot_add(struct store *store, const struct snapshot_row *row,
		       int64_t *ret_id, struct err *err)
{
	int64_t id = 0;
	int result;

	if (transaction_begin(store, STORE_BUSY_MS, err))
		return -1;
	result = add(store, row, err);
	if (result == 0)
		id = sqlite3_last_insert_rowid(store->db);
	if (transaction_end(store, result, err))
		return -1;
	*ret_id = id;
	return 0;
}

int store_snapshot_write(struct store *store, const struct snapshot_row *row,
			 struct err *err)
{
	struct binder binder;
	int changes = 0;
	int result;

	if (transaction_begin(store, STORE_BUSY_MS, err))
		return -1;
	result = row_begin(&binder, store, QUERY_SNAPSHOT_WRITE, row, err);
	if (result == 0)
		result = statement_run(store, binder.statement, &changes, err);
	if (result == 0 && changes == 0)
		result = err_set(err, ERR_MISSING,
				 "there is no snapshot %lld any more",
				 (long long)row->id);
	return transaction_end(store, result, err);
}

int store_snapshot_delete(struct store *store, int64_t id, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	struct binder binder;
	int result;

	if (transaction_begin(store, STORE_BUSY_MS, err))
		return -1;
	result = statement_get(&statement, store, QUERY_SNAPSHOT_DELETE, err);
	if (result == 0) {
		binder = (struct binder){ .statement = statement };
		bind_number(&binder, id);
		result = statement_run(store, statement, NULL, err);
	}
	return transaction_end(store, result, err);
}

static void bind_before(struct binder *binder, const char *gateway,
			const struct snapshot_row *before)
{
	bind_text(binder, gateway);
	bind_number_or_null(binder, before->created_ms);
	bind_number_or_null(binder, before->id);
}

static const char *archive_of(const struct snapshot_row *row)
{
	const char *slash = strrchr(row->path, '/');

	if (row->path[0])
		return slash ? slash + 1 : row->path;
	return row->remote;
}

/* Within a transaction: is there a row of the same archive? */
static int find_archive(struct store *store, const struct snapshot_row *wanted,
			bool *ret, struct err *err)
{
	struct snapshot_row row = { 0 };
	sqlite3_stmt *statement = NULL;
	int result;

	*ret = false;
	if (statement_get(&statement, store, QUERY_SNAPSHOT_NEXT, err))
		return -1;
	do {
		struct binder binder = { .statement = statement };

		bind_before(&binder, wanted->gateway, &row);
		result = sqlite3_step(statement);
		/* one that makes no sense is for readers to tell */
		if (result == SQLITE_ROW && fill(&row, statement))
			result = SQLITE_DONE;
		*ret = result == SQLITE_ROW &&
		       strcmp(archive_of(&row), archive_of(wanted)) == 0;
		if (result != SQLITE_ROW && result != SQLITE_DONE)
			(void)store_failed(store, result, "read", err);
		statement_done(statement);
	} while (result == SQLITE_ROW && !*ret);
	return result == SQLITE_ROW || result == SQLITE_DONE ? 0 : -1;
}

int store_snapshot_adopt(struct store *store, const struct snapshot_row *row,
			 struct err *err)
{
	bool known = false;
	int result;

	if (transaction_begin(store, STORE_BUSY_MS, err))
		return -1;
	result = find_archive(store, row, &known, err);
	if (result == 0 && !known)
		result = add(store, row, err);
	return transaction_end(store, result, err);
}

/* The one before *row; ret->id stays 0 when there is none. */
static int read_next(struct store *store, const char *gateway,
		     const struct snapshot_row *before,
		     struct snapshot_row *ret, struct err *err)
{
	struct binder binder;
	int result;

	if (read_begin(&binder, store, QUERY_SNAPSHOT_NEXT, err))
		return -1;
	bind_before(&binder, gateway, before);
	result = sqlite3_step(binder.statement);
	if (result == SQLITE_ROW && fill(ret, binder.statement)) {
		store->damaged = true;
		(void)read_end(store, &binder, result, err);
		return err_set(err, ERR_CORRUPT,
			       "'%s' is damaged: a snapshot's row makes no "
			       "sense",
			       store->path);
	}
	return read_end(store, &binder, result, err);
}

int store_snapshots(struct store *store, const char *gateway,
		    int (*each)(const struct snapshot_row *, void *),
		    void *user, struct err *err)
{
	struct snapshot_row last = { 0 };
	int stop = 0;

	while (stop == 0) {
		struct snapshot_row row = { 0 };

		if (read_next(store, gateway, &last, &row, err))
			return -1;
		if (row.id == 0)
			break;
		last = row;
		stop = each(&row, user);
	}
	return stop;
}

int store_restore_want(struct store *store, const char *name,
		       int64_t generation, bool wanted, int64_t snapshot,
		       struct err *err)
{
	struct binder binder;
	int result;

	if (transaction_begin(store, STORE_BUSY_MS, err))
		return -1;
	result =
		change_add_row(store, name, generation, err) ||
				change_begin(&binder, store, QUERY_RESTORE_WANT,
					     name, generation, err)
			? -1
			: 0;
	if (result == 0) {
		bind_number(&binder, wanted);
		bind_number_or_null(&binder, snapshot);
		result = change_run(store, &binder, name, generation, err);
	}
	return transaction_end(store, result, err);
}

static int fulfil(struct store *store, const struct gateway_row *row,
		  struct err *err)
{
	struct binder binder;

	if (change_begin(&binder, store, QUERY_RESTORE_DONE, row->name,
			 row->generation, err))
		return -1;
	bind_number(&binder, row->restore_wanted);
	bind_number_or_null(&binder, row->restore_snapshot);
	return statement_run(store, binder.statement, NULL, err);
}

int store_restored(struct store *store, const struct gateway_row *row,
		   const struct event *event, struct err *err)
{
	int result;

	if (transaction_begin(store, STORE_BUSY_MS, err))
		return -1;
	result = change_write(store, row, event, err);
	if (result == 0)
		result = fulfil(store, row, err);
	return transaction_end(store, result, err);
}
