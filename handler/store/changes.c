#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "store/store_private.h"

#include "base/banned.h"

static int passed(const char *name, int64_t generation, struct err *err)
{
	return err_set(err, ERR_BUSY,
		       "generation %lld of '%s' is not the newest any more",
		       (long long)generation, name);
}

int change_begin(struct binder *ret, struct store *store, enum query query,
		 const char *name, int64_t generation, struct err *err)
{
	sqlite3_stmt *statement = NULL;

	if (statement_get(&statement, store, query, err))
		return -1;
	*ret = (struct binder){ .statement = statement };
	bind_text(ret, name);
	bind_number(ret, generation);
	return 0;
}

int change_run(struct store *store, const struct binder *binder,
	       const char *name, int64_t generation, struct err *err)
{
	int changes = 0;

	if (statement_run(store, binder->statement, &changes, err))
		return -1;
	return changes == 1 ? 0 : passed(name, generation, err);
}

int change_add_row(struct store *store, const char *name, int64_t generation,
		   struct err *err)
{
	sqlite3_stmt *statement = NULL;
	struct binder binder;

	if (generation != 0)
		return 0;
	if (statement_get(&statement, store, QUERY_ADD, err))
		return -1;
	binder = (struct binder){ .statement = statement };
	bind_text(&binder, name);
	return statement_run(store, statement, NULL, err);
}

struct claim {
	const char *name;
	int64_t generation;
	enum want want;
	const char *address;
	const char *request;
};

static int claim_event(struct store *store, const struct claim *claim,
		       struct err *err)
{
	struct event event = {
		.generation = claim->generation + 1,
		.kind = "claimed",
		.pid = getpid(),
	};

	(void)snprintf(event.gateway, sizeof(event.gateway), "%s", claim->name);
	(void)snprintf(event.request, sizeof(event.request), "%s",
		       claim->request ? claim->request : "");
	return event_add(store, &event, err);
}

/* One UPDATE that compares and swaps: of all who know a generation, one gets the
 * next. It is won only when COMMIT has succeeded. */
static int claim_row(struct store *store, const struct claim *claim,
		     struct err *err)
{
	struct binder binder;

	if (change_add_row(store, claim->name, claim->generation, err) ||
	    change_begin(&binder, store, QUERY_CLAIM, claim->name,
			 claim->generation, err))
		return -1;
	bind_text(&binder, want_names[claim->want]);
	bind_text(&binder, claim->address);
	bind_number(&binder, clock_wall_ms());
	if (change_run(store, &binder, claim->name, claim->generation, err))
		return -1;
	return claim_event(store, claim, err);
}

int store_claim(struct store *store, const char *name, int64_t generation,
		enum want want, const char *address, const char *request,
		int64_t *ret_generation, struct err *err)
{
	const struct claim claim = { name, generation, want, address, request };
	int result;

	if (transaction_begin(store, STORE_BUSY_MS, err))
		return -1;
	result = claim_row(store, &claim, err);
	if (transaction_end(store, result, err))
		return -1;
	*ret_generation = generation + 1;
	return 0;
}

/* The order of KEEPER_COLUMNS in statements.c, without name and generation. */
static void bind_keeper_columns(struct binder *binder,
				const struct gateway_row *row)
{
	bind_text(binder, gateway_state_names[row->state]);
	bind_text(binder, row->reason);
	bind_number_or_null(binder, row->owner.pid);
	bind_number_or_null(binder, (int64_t)row->owner.start);
	bind_text(binder, row->owner_boot);
	bind_number_or_null(binder, row->heartbeat_ms);
	bind_number_or_null(binder, row->process.pid);
	bind_number_or_null(binder, (int64_t)row->process.start);
	bind_text(binder, row->address);
	bind_number(binder, row->adopted);
	bind_number_or_null(binder, row->snapshot);
	bind_number_or_null(binder, row->started_ms);
	bind_number_or_null(binder, row->ready_ms);
	bind_number_or_null(binder, row->stopped_ms);
	if (row->exit_code == EXIT_CODE_NONE)
		binder->last++; /* NULL */
	else
		bind_number(binder, row->exit_code);
	bind_number_or_null(binder, row->exit_signal);
	bind_number(binder, row->failures);
	bind_number_or_null(binder, row->retry_at_ms);
	bind_text(binder, row->detail);
	bind_text(binder, row->output_tail);
	bind_number_or_null(binder, row->progress_bytes);
	bind_number_or_null(binder, row->progress_total);
}

static void bind_other_columns(struct binder *binder,
			       const struct gateway_row *row)
{
	bind_text(binder, want_names[row->want]);
	bind_number(binder, row->hold);
	bind_number(binder, row->restore_wanted);
	bind_number_or_null(binder, row->restore_snapshot);
	bind_number_or_null(binder, row->last_request_ms);
	bind_number_or_null(binder, row->answered_ms);
}

int change_write(struct store *store, const struct gateway_row *row,
		 const struct event *event, struct err *err)
{
	struct binder binder;

	if (change_begin(&binder, store, QUERY_WRITE, row->name,
			 row->generation, err))
		return -1;
	bind_keeper_columns(&binder, row);
	if (change_run(store, &binder, row->name, row->generation, err))
		return -1;
	return event ? event_add(store, event, err) : 0;
}

int store_write(struct store *store, const struct gateway_row *row,
		const struct event *event, struct err *err)
{
	if (transaction_begin(store, STORE_BUSY_MS, err))
		return -1;
	return transaction_end(store, change_write(store, row, event, err),
			       err);
}

int store_rescue(struct store *store, const struct gateway_row *row,
		 struct err *err)
{
	struct binder binder;
	int result;

	if (transaction_begin(store, STORE_BUSY_MS, err))
		return -1;
	result = change_begin(&binder, store, QUERY_RESCUE, row->name,
			      row->generation, err);
	if (result == 0) {
		bind_keeper_columns(&binder, row);
		bind_other_columns(&binder, row);
		result = change_run(store, &binder, row->name, row->generation,
				    err);
	}
	return transaction_end(store, result, err);
}

static int want_event(struct store *store, const char *name, int64_t generation,
		      const char *detail, struct err *err)
{
	struct event event = {
		.generation = generation,
		.kind = "stop_wanted",
		.detail = detail,
	};

	if (!detail)
		return 0;
	(void)snprintf(event.gateway, sizeof(event.gateway), "%s", name);
	return event_add(store, &event, err);
}

int store_want(struct store *store, const char *name, int64_t generation,
	       enum want want, bool hold, struct err *err)
{
	static const char *const details[WANT_MAX_] = {
		[WANT_STOP] = "{\"want\":\"stop\"}",
		[WANT_RESTART] = "{\"want\":\"restart\"}",
	};
	const char *detail = details[want];
	struct binder binder;
	int result;

	hold = hold && want == WANT_STOP;
	if (hold)
		detail = "{\"want\":\"stop\",\"hold\":true}";
	if (transaction_begin(store, STORE_BUSY_MS, err))
		return -1;
	result = change_add_row(store, name, generation, err) ||
				 change_begin(&binder, store, QUERY_WANT, name,
					      generation, err)
			 ? -1
			 : 0;
	if (result == 0) {
		bind_text(&binder, want_names[want]);
		bind_number(&binder, hold);
		result = change_run(store, &binder, name, generation, err);
	}
	if (result == 0)
		result = want_event(store, name, generation, detail, err);
	return transaction_end(store, result, err);
}

static int check_generation(struct store *store, const char *name,
			    int64_t generation, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	struct binder binder;
	int64_t found = 0;
	int result;

	if (statement_get(&statement, store, QUERY_GENERATION, err))
		return -1;
	binder = (struct binder){ .statement = statement };
	bind_text(&binder, name);
	while ((result = sqlite3_step(statement)) == SQLITE_ROW)
		found = sqlite3_column_int64(statement, 0);
	if (result != SQLITE_DONE)
		(void)store_failed(store, result, "read", err);
	statement_done(statement);
	if (result != SQLITE_DONE)
		return -1;
	return found == generation ? 0 : passed(name, generation, err);
}

int store_reset(struct store *store, const char *name, int64_t generation,
		struct err *err)
{
	struct binder binder;
	int result;

	if (transaction_begin(store, STORE_BUSY_MS, err))
		return -1;
	result = check_generation(store, name, generation, err) ||
				 change_begin(&binder, store, QUERY_RESET, name,
					      generation, err) ||
				 statement_run(store, binder.statement, NULL,
					       err)
			 ? -1
			 : 0;
	return transaction_end(store, result, err);
}

int store_touch(struct store *store, const char *name, int64_t generation,
		int64_t at_ms, bool answered, struct err *err)
{
	struct binder binder;
	int result;

	if (transaction_begin(store, STORE_BEST_EFFORT_MS, err))
		return -1;
	result = change_begin(&binder, store, QUERY_TOUCH, name, generation,
			      err);
	if (result == 0) {
		bind_number_or_null(&binder, at_ms);
		bind_number(&binder, answered);
		result = change_run(store, &binder, name, generation, err);
	}
	return transaction_end(store, result, err);
}
