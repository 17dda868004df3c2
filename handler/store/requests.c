#include "config.h"

#include <string.h>

#include "store/store_private.h"

#include "base/banned.h"

static void bind_or_null(struct binder *binder, bool known, int64_t number)
{
	if (known)
		bind_number(binder, number);
	else
		binder->last++; /* NULL */
}

/* The order of REQUEST_COLUMNS in statements.c. */
static int add(struct store *store, const struct request_row *row,
	       struct err *err)
{
	sqlite3_stmt *statement = NULL;
	struct binder binder;

	if (statement_get(&statement, store, QUERY_REQUEST_ADD, err))
		return -1;
	binder = (struct binder){ .statement = statement };
	bind_text(&binder, row->request);
	bind_text(&binder, row->gateway);
	bind_number(&binder, row->at_ms);
	bind_number(&binder, row->took_ms);
	bind_text(&binder, row->found);
	bind_or_null(&binder, row->found[0] != '\0', row->found_generation);
	bind_number(&binder, row->waited_ms);
	bind_number(&binder, row->generation);
	bind_number_or_null(&binder, row->crashed_generation);
	bind_number(&binder, row->retried);
	bind_number_or_null(&binder, row->status);
	bind_text(&binder, row->code);
	return statement_run(store, statement, NULL, err);
}

static int trim(struct store *store, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	struct binder binder;

	if (statement_get(&statement, store, QUERY_REQUEST_TRIM, err))
		return -1;
	binder = (struct binder){ .statement = statement };
	bind_number(&binder,
		    sqlite3_last_insert_rowid(store->db) - REQUESTS_KEPT);
	return statement_run(store, statement, NULL, err);
}

int store_requests_add(struct store *store, const struct request_row *rows,
		       size_t len, struct err *err)
{
	int result = 0;

	if (transaction_begin(store, STORE_HISTORY_MS, err))
		return -1;
	for (size_t i = 0; result == 0 && i < len; i++)
		result = add(store, &rows[i], err);
	if (result == 0)
		result = trim(store, err);
	return transaction_end(store, result, err);
}

static void fill(struct request_row *ret, sqlite3_stmt *row)
{
	column_text(ret->request, sizeof(ret->request), row, 0);
	column_text(ret->gateway, sizeof(ret->gateway), row, 1);
	ret->at_ms = sqlite3_column_int64(row, 2);
	ret->took_ms = sqlite3_column_int64(row, 3);
	column_text(ret->found, sizeof(ret->found), row, 4);
	ret->found_generation = sqlite3_column_int64(row, 5);
	ret->waited_ms = sqlite3_column_int64(row, 6);
	ret->generation = sqlite3_column_int64(row, 7);
	ret->crashed_generation = sqlite3_column_int64(row, 8);
	ret->retried = sqlite3_column_int(row, 9) != 0;
	ret->status = sqlite3_column_int(row, 10);
	column_text(ret->code, sizeof(ret->code), row, 11);
}

int store_request(struct store *store, const char *request,
		  struct request_row *ret, struct err *err)
{
	struct request_row found = { .at_ms = 0 };
	struct binder binder;
	int result;

	if (read_begin(&binder, store, QUERY_REQUEST_FIND, err))
		return -1;
	bind_text(&binder, request);
	result = sqlite3_step(binder.statement);
	if (result == SQLITE_ROW)
		fill(&found, binder.statement);
	if (read_end(store, &binder, result, err))
		return -1;
	if (found.at_ms == 0)
		return err_set(err, ERR_MISSING, "nothing is known of it");
	*ret = found;
	return 0;
}
