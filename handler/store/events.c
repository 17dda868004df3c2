#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/store_private.h"

#include "base/banned.h"

#define START_TIMES_KEPT 100
#define START_TIMES_USED 10

int event_add(struct store *store, const struct event *event, struct err *err)
{
	CLEANUP_FREE char *redacted = event_redacted(event->detail);
	sqlite3_stmt *statement = NULL;
	struct binder binder;

	if (statement_get(&statement, store, QUERY_EVENT_ADD, err))
		return -1;
	binder = (struct binder){ .statement = statement };
	bind_number(&binder,
		    event->at_ms != 0 ? event->at_ms : clock_wall_ms());
	bind_text(&binder, event->gateway);
	bind_number(&binder, event->generation);
	bind_text(&binder, event->kind);
	bind_number_or_null(&binder, event->pid);
	bind_text(&binder, event->request);
	bind_text(&binder, redacted ? redacted : event->detail);
	if (statement_run(store, statement, NULL, err))
		return -1;
	/* ids have no gaps: this deletes one row, found by its key */
	if (statement_get(&statement, store, QUERY_EVENT_TRIM, err))
		return -1;
	binder = (struct binder){ .statement = statement };
	bind_number(&binder,
		    sqlite3_last_insert_rowid(store->db) - EVENTS_KEPT);
	if (statement_run(store, statement, NULL, err))
		return -1;
	return count_event(store, event, err);
}

int store_event(struct store *store, const struct event *event, struct err *err)
{
	if (transaction_begin(store, STORE_HISTORY_MS, err))
		return -1;
	return transaction_end(store, event_add(store, event, err), err);
}

int read_begin(struct binder *ret, struct store *store, enum query query,
	       struct err *err)
{
	sqlite3_stmt *statement = NULL;

	if (store_lock(store, err))
		return -1;
	if (connection_check_moved(store, err) ||
	    statement_get(&statement, store, query, err)) {
		store_unlock(store);
		return -1;
	}
	*ret = (struct binder){ .statement = statement };
	return 0;
}

int read_end(struct store *store, const struct binder *binder, int result,
	     struct err *err)
{
	int status = 0;

	if (result != SQLITE_ROW && result != SQLITE_DONE)
		status = store_failed(store, result, "read", err);
	statement_done(binder->statement);
	store_unlock(store);
	return status;
}

int store_exits_since(struct store *store, const char *name, int64_t since_ms,
		      int *ret, struct err *err)
{
	struct binder binder;
	int count = 0;
	int result;

	if (read_begin(&binder, store, QUERY_EXITS, err))
		return -1;
	bind_text(&binder, name);
	bind_number(&binder, since_ms);
	result = sqlite3_step(binder.statement);
	if (result == SQLITE_ROW)
		count = sqlite3_column_int(binder.statement, 0);
	if (read_end(store, &binder, result, err))
		return -1;
	*ret = count;
	return 0;
}

static int start_time_insert(struct store *store, const char *name,
			     int64_t generation, int64_t took_ms,
			     struct err *err)
{
	sqlite3_stmt *statement = NULL;
	struct binder binder;

	if (statement_get(&statement, store, QUERY_START_TIME_ADD, err))
		return -1;
	binder = (struct binder){ .statement = statement };
	bind_text(&binder, name);
	bind_number(&binder, generation);
	bind_number(&binder, clock_wall_ms());
	bind_number(&binder, took_ms);
	if (statement_run(store, statement, NULL, err) ||
	    statement_get(&statement, store, QUERY_START_TIME_TRIM, err))
		return -1;
	binder = (struct binder){ .statement = statement };
	bind_text(&binder, name);
	bind_number(&binder, START_TIMES_KEPT);
	if (statement_run(store, statement, NULL, err))
		return -1;
	return count_start(store, name, took_ms, err);
}

int store_start_time_add(struct store *store, const char *name,
			 int64_t generation, int64_t took_ms, struct err *err)
{
	int result;

	if (transaction_begin(store, STORE_BUSY_MS, err))
		return -1;
	result = start_time_insert(store, name, generation, took_ms, err);
	return transaction_end(store, result, err);
}

int store_start_time_usual(struct store *store, const char *name,
			   int64_t *ret_ms, struct err *err)
{
	int64_t times[START_TIMES_USED] = { 0 };
	struct binder binder;
	int count = 0;
	int result;

	if (read_begin(&binder, store, QUERY_START_TIMES, err))
		return -1;
	bind_text(&binder, name);
	bind_number(&binder, START_TIMES_USED);
	while ((result = sqlite3_step(binder.statement)) == SQLITE_ROW &&
	       count < START_TIMES_USED)
		times[count++] = sqlite3_column_int64(binder.statement, 0);
	if (read_end(store, &binder, result, err))
		return -1;
	*ret_ms = count == 0 ? 0
			     : (times[(count - 1) / 2] + times[count / 2]) / 2;
	return 0;
}

struct range {
	const char *gateway;
	int64_t first;
	int64_t last;
};

static int find_range(struct store *store, struct range *range, int64_t after,
		      int newest, struct err *err)
{
	struct binder binder;
	int result;

	if (read_begin(&binder, store, QUERY_EVENT_BOUNDS, err))
		return -1;
	bind_number(&binder, after);
	bind_text(&binder, range->gateway);
	bind_number(&binder, newest > 0 ? newest : -1);
	result = sqlite3_step(binder.statement);
	if (result == SQLITE_ROW &&
	    sqlite3_column_type(binder.statement, 0) != SQLITE_NULL) {
		range->first = sqlite3_column_int64(binder.statement, 0);
		range->last = sqlite3_column_int64(binder.statement, 1);
	}
	return read_end(store, &binder, result, err);
}

/* The order of EVENT_COLUMNS in statements.c, with the id before it. */
static void fill(struct event *ret, sqlite3_stmt *row)
{
	ret->id = sqlite3_column_int64(row, 0);
	ret->at_ms = sqlite3_column_int64(row, 1);
	column_text(ret->gateway, sizeof(ret->gateway), row, 2);
	ret->generation = sqlite3_column_int64(row, 3);
	column_text(ret->kind, sizeof(ret->kind), row, 4);
	ret->pid = sqlite3_column_int(row, 5);
	column_text(ret->request, sizeof(ret->request), row, 6);
}

/* The first event of the range; ret->id stays 0 when there is none. *detail is
 * the caller's to free. */
static int read_next(struct store *store, const struct range *range,
		     struct event *ret, char **detail, struct err *err)
{
	const char *text;
	struct binder binder;
	int result;

	if (read_begin(&binder, store, QUERY_EVENT_NEXT, err))
		return -1;
	bind_number(&binder, range->first);
	bind_number(&binder, range->last);
	bind_text(&binder, range->gateway);
	result = sqlite3_step(binder.statement);
	if (result == SQLITE_ROW) {
		fill(ret, binder.statement);
		text = (const char *)sqlite3_column_text(binder.statement, 7);
		*detail = text ? strdup(text) : NULL;
		if (text && !*detail)
			result = SQLITE_NOMEM;
	}
	ret->detail = *detail;
	return read_end(store, &binder, result, err);
}

/* Event by event, so that nothing is held while each() runs, however slow. */
int store_events(struct store *store, const char *gateway, int64_t after,
		 int newest, int (*each)(const struct event *, void *),
		 void *user, struct err *err)
{
	struct range range = { .gateway = gateway, .first = 1 };
	int stop = 0;

	if (find_range(store, &range, after, newest, err))
		return -1;
	while (stop == 0 && range.first <= range.last) {
		CLEANUP_FREE char *detail = NULL;
		struct event event = { 0 };

		if (read_next(store, &range, &event, &detail, err))
			return -1;
		if (event.id == 0)
			break;
		range.first = event.id + 1;
		stop = each(&event, user);
	}
	return stop;
}

int store_events_about(struct store *store, const struct event_about *about,
		       void (*each)(const struct event *, void *), void *user,
		       struct err *err)
{
	struct binder binder;
	int result;

	if (read_begin(&binder, store, QUERY_EVENT_ABOUT, err))
		return -1;
	bind_text(&binder, about->request);
	bind_text(&binder, about->gateway);
	bind_number(&binder, about->from_ms);
	bind_number(&binder, about->until_ms);
	bind_number(&binder, about->generation);
	while ((result = sqlite3_step(binder.statement)) == SQLITE_ROW) {
		struct event event = { 0 };

		fill(&event, binder.statement);
		event.detail =
			(const char *)sqlite3_column_text(binder.statement, 7);
		each(&event, user);
	}
	return read_end(store, &binder, result, err);
}
