#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/redact.h"
#include "store/store_private.h"

#include "base/banned.h"

const int store_start_bounds_ms[] = { 100,   250,   500,   1000,  2500,	 5000,
				      10000, 20000, 40000, 80000, 160000 };
const size_t store_start_bounds_len =
	sizeof(store_start_bounds_ms) / sizeof(store_start_bounds_ms[0]);

int count_add(struct store *store, const struct count *count, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	struct binder binder;

	if (statement_get(&statement, store, QUERY_COUNT, err))
		return -1;
	binder = (struct binder){ .statement = statement };
	bind_text(&binder, count->gateway);
	bind_text(&binder, count->name);
	bind_text(&binder, count->label);
	bind_number(&binder, count->amount);
	return statement_run(store, statement, NULL, err);
}

int count_start(struct store *store, const char *gateway, int64_t took_ms,
		struct err *err)
{
	char bound[24] = "inf";
	const struct count counts[] = {
		{ gateway, "starts", "ready", 1 },
		{ gateway, "start_ms", "", took_ms > 0 ? took_ms : 0 },
		{ gateway, "start_le", bound, 1 },
	};

	for (size_t i = store_start_bounds_len; i-- > 0;)
		if (took_ms <= store_start_bounds_ms[i])
			(void)snprintf(bound, sizeof(bound), "%d",
				       store_start_bounds_ms[i]);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (count_add(store, &counts[i], err))
			return -1;
	return 0;
}

static const struct counted {
	const char *kind;
	const char *name;
	const char *label;
	const char *took; /* NULL: it took no time */
	const char *size;
} counted[] = {
	{ "adopted", "starts", "adopted", NULL, NULL },
	{ "restore_done", "restores", "ok", "restore_ms", "restore_bytes" },
	{ "restore_failed", "restores", "failed", NULL, NULL },
	{ "backup_done", "backups", "ok", "backup_ms", "backup_bytes" },
	{ "backup_failed", "backups", "failed", NULL, NULL },
};

static int count_members(struct store *store, const struct event *event,
			 const struct counted *as, json_t *detail,
			 struct err *err)
{
	const struct {
		const char *name, *member;
	} sums[] = { { as->took, "took_ms" }, { as->size, "bytes" } };

	for (size_t i = 0; i < 2; i++) {
		json_int_t amount = json_integer_value(
			json_object_get(detail, sums[i].member));
		const struct count count = { event->gateway, sums[i].name, "",
					     amount };

		if (sums[i].name && amount > 0 && count_add(store, &count, err))
			return -1;
	}
	return 0;
}

static int count_as(struct store *store, const struct event *event,
		    const struct counted *as, struct err *err)
{
	const struct count count = { event->gateway, as->name, as->label, 1 };
	json_t *detail =
		json_loads(event->detail ? event->detail : "", 0, NULL);
	int result = 0;

	/* a snapshot that was passed over: the next older one is tried */
	if (!json_object_get(detail, "state"))
		result = count_add(store, &count, err) ||
					 count_members(store, event, as, detail,
						       err)
				 ? -1
				 : 0;
	json_decref(detail);
	return result;
}

int count_event(struct store *store, const struct event *event, struct err *err)
{
	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
		if (strcmp(counted[i].kind, event->kind) == 0)
			return count_as(store, event, &counted[i], err);
	return 0;
}

int store_count(struct store *store, const struct count *counts, size_t len,
		struct err *err)
{
	int result = 0;

	if (transaction_begin(store, STORE_BEST_EFFORT_MS, err))
		return -1;
	for (size_t i = 0; result == 0 && i < len; i++)
		result = count_add(store, &counts[i], err);
	return transaction_end(store, result, err);
}

int store_counters(struct store *store, const char *gateway,
		   void (*each)(const struct count *, void *), void *user,
		   struct err *err)
{
	struct binder binder;
	int result;

	if (read_begin(&binder, store, QUERY_COUNTERS, err))
		return -1;
	bind_text(&binder, gateway);
	while ((result = sqlite3_step(binder.statement)) == SQLITE_ROW) {
		const struct count count = {
			gateway,
			(const char *)sqlite3_column_text(binder.statement, 0),
			(const char *)sqlite3_column_text(binder.statement, 1),
			sqlite3_column_int64(binder.statement, 2),
		};

		if (count.name && count.label) /* else memory is out */
			each(&count, user);
	}
	return read_end(store, &binder, result, err);
}
