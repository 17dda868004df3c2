#include "config.h"

#include "store/store_private.h"

#include "base/banned.h"

int store_starts(struct store *store, const char *name,
		 struct gateway_start *ret, int max, int *ret_count,
		 struct err *err)
{
	struct binder binder;
	int count = 0;
	int result;

	if (read_begin(&binder, store, QUERY_STARTS, err))
		return -1;
	bind_text(&binder, name);
	bind_number(&binder, max);
	while ((result = sqlite3_step(binder.statement)) == SQLITE_ROW &&
	       count < max)
		ret[count++] = (struct gateway_start){
			.generation = sqlite3_column_int64(binder.statement, 0),
			.at_ms = sqlite3_column_int64(binder.statement, 1),
			.took_ms = sqlite3_column_int64(binder.statement, 2),
		};
	if (read_end(store, &binder, result, err))
		return -1;
	*ret_count = count;
	return 0;
}

int store_exits(struct store *store, const char *name, struct gateway_exit *ret,
		int max, int *ret_count, struct err *err)
{
	struct binder binder;
	int count = 0;
	int result;

	if (read_begin(&binder, store, QUERY_EXITS_NEWEST, err))
		return -1;
	bind_text(&binder, name);
	bind_number(&binder, max);
	while ((result = sqlite3_step(binder.statement)) == SQLITE_ROW &&
	       count < max)
		ret[count++] = (struct gateway_exit){
			.generation = sqlite3_column_int64(binder.statement, 0),
			.at_ms = sqlite3_column_int64(binder.statement, 1),
			.exit_code = sqlite3_column_int(binder.statement, 2),
			.exit_signal = sqlite3_column_int(binder.statement, 3),
		};
	if (read_end(store, &binder, result, err))
		return -1;
	*ret_count = count;
	return 0;
}
