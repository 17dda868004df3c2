#include "config.h"

#include <string.h>

#include "store/store_private.h"

#include "base/banned.h"

/* The columns of gateway are in this order in every statement that reads or
 * writes a whole row: rows.c and changes.c count on it. */
#define KEEPER_COLUMNS                                                         \
	"name, generation, state, reason, owner_pid, owner_start, owner_boot," \
	" heartbeat_ms, pid, pid_start, address, adopted, snapshot,"           \
	" started_ms, ready_ms, stopped_ms, exit_code, exit_signal, failures," \
	" retry_at_ms, detail, output_tail, progress_bytes, progress_total"
#define OTHER_COLUMNS                                                          \
	"want, hold, restore_wanted, restore_snapshot, last_request_ms,"       \
	" answered_ms"
#define SNAPSHOT_COLUMNS                                                       \
	"id, gateway, generation, created_ms, bytes, files, content_bytes,"    \
	" sha256, path, remote, fingerprint, state"

#define EVENT_COLUMNS "at_ms, gateway, generation, kind, pid, request, detail"

#define REQUEST_COLUMNS                                                        \
	"request, gateway, at_ms, took_ms, found, found_generation,"           \
	" waited_ms, generation, crashed_generation, retried, status, code"

#define NOT_RUNNING "state IN ('stopped', 'cooldown', 'failed')"
#define IS_HELD	    "(hold OR reason IS 'held')"

static const char *const sql[QUERY_MAX_] = {
	[QUERY_READ] = "SELECT " KEEPER_COLUMNS ", " OTHER_COLUMNS
		       " FROM gateway WHERE name = ?1",
	[QUERY_GENERATION] = "SELECT generation FROM gateway WHERE name = ?1",
	[QUERY_ADD] = "INSERT INTO gateway (name) VALUES (?1)"
		      " ON CONFLICT DO NOTHING",
	[QUERY_CLAIM] =
		"UPDATE gateway SET generation = generation + 1,"
		" state = 'starting', want = ?3,"
		" hold = CASE ?3 WHEN 'run' THEN 0 ELSE hold END,"
		" address = ?4, started_ms = ?5, heartbeat_ms = ?5,"
		" reason = NULL, detail = NULL, owner_pid = NULL,"
		" owner_start = NULL, adopted = 0, answered_ms = NULL,"
		" ready_ms = NULL, exit_code = NULL, exit_signal = NULL,"
		" output_tail = NULL, retry_at_ms = NULL,"
		" progress_bytes = NULL, progress_total = NULL"
		" WHERE name = ?1 AND generation = ?2",
	[QUERY_WRITE] =
		"UPDATE gateway SET state = ?3, reason = ?4, owner_pid = ?5,"
		" owner_start = ?6, owner_boot = ?7, heartbeat_ms = ?8,"
		" pid = ?9, pid_start = ?10, address = ?11, adopted = ?12,"
		" snapshot = ?13, started_ms = ?14, ready_ms = ?15,"
		" stopped_ms = ?16, exit_code = ?17, exit_signal = ?18,"
		" failures = ?19, retry_at_ms = ?20, detail = ?21,"
		" output_tail = ?22, progress_bytes = ?23, progress_total = ?24"
		" WHERE name = ?1 AND generation = ?2",
	[QUERY_RESCUE] =
		"INSERT OR REPLACE INTO gateway (" KEEPER_COLUMNS
		", " OTHER_COLUMNS ") SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
		" ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,"
		" ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30"
		" WHERE NOT EXISTS (SELECT 1 FROM gateway"
		" WHERE name = ?1 AND generation >= ?2)",
	/* What runs takes the last wish. What doesn't: held is held until
	 * somebody wants it to run. */
	[QUERY_WANT] =
		"UPDATE gateway SET want = ?3,"
		" hold = CASE WHEN ?3 = 'stop' THEN max(hold, ?4)"
		" WHEN ?3 = 'run' OR NOT " NOT_RUNNING " THEN 0"
		" ELSE hold END,"
		" state = CASE WHEN NOT " NOT_RUNNING " THEN state"
		" WHEN ?4 THEN 'failed'"
		" WHEN ?3 = 'run' AND " IS_HELD " THEN 'stopped'"
		" ELSE state END,"
		" reason = CASE WHEN NOT " NOT_RUNNING " THEN reason"
		" WHEN ?4 THEN 'held'"
		" WHEN ?3 = 'run' AND " IS_HELD " THEN NULL"
		" ELSE reason END,"
		" detail = CASE WHEN NOT " NOT_RUNNING " THEN detail"
		" WHEN ?4 THEN 'stopped by a person, until `wakegate start`'"
		" WHEN ?3 = 'run' AND " IS_HELD " THEN NULL"
		" ELSE detail END,"
		" retry_at_ms = CASE WHEN " NOT_RUNNING " AND (?4"
		" OR ?3 = 'run' AND " IS_HELD ") THEN NULL"
		" ELSE retry_at_ms END"
		" WHERE name = ?1 AND generation = ?2",
	[QUERY_RESET] =
		"UPDATE gateway SET state = 'stopped', failures = 0,"
		" reason = NULL, detail = NULL, retry_at_ms = NULL, hold = 0"
		" WHERE name = ?1 AND generation = ?2"
		" AND state IN ('cooldown', 'failed')",
	[QUERY_TOUCH] = "UPDATE gateway SET last_request_ms = ?3, answered_ms ="
			" CASE WHEN ?4 THEN coalesce(answered_ms, ?3)"
			" ELSE answered_ms END"
			" WHERE name = ?1 AND generation = ?2",
	[QUERY_EVENT_ADD] = "INSERT INTO event (" EVENT_COLUMNS ")"
			    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[QUERY_EVENT_TRIM] = "DELETE FROM event WHERE id <= ?1",
	[QUERY_EVENT_BOUNDS] =
		"SELECT min(id), max(id) FROM (SELECT id FROM event"
		" WHERE id > ?1 AND (?2 IS NULL OR gateway = ?2)"
		" ORDER BY id DESC LIMIT ?3)",
	[QUERY_EVENT_NEXT] =
		"SELECT id, " EVENT_COLUMNS " FROM event"
		" WHERE id BETWEEN ?1 AND ?2 AND (?3 IS NULL OR gateway = ?3)"
		" ORDER BY id LIMIT 1",
	[QUERY_EVENT_ABOUT] =
		"SELECT id, " EVENT_COLUMNS " FROM event WHERE request = ?1"
		" OR (gateway = ?2 AND (at_ms BETWEEN ?3 AND ?4"
		" OR (generation = ?5 AND at_ms < ?3 AND"
		" kind IN ('exited', 'failed', 'cooldown'))))"
		" ORDER BY id LIMIT 200",
	[QUERY_EXITS] = "SELECT count(*) FROM event WHERE kind = 'exited'"
			" AND gateway = ?1 AND at_ms >= ?2",
	[QUERY_EXITS_NEWEST] =
		"SELECT generation, at_ms,"
		" coalesce(json_extract(detail, '$.exit_code'), -1),"
		" coalesce(json_extract(detail, '$.exit_signal'), 0)"
		" FROM event WHERE kind = 'exited' AND gateway = ?1"
		" ORDER BY at_ms DESC LIMIT ?2",
	[QUERY_STARTS] = "SELECT generation, at_ms, took_ms FROM start_time"
			 " WHERE gateway = ?1 ORDER BY id DESC LIMIT ?2",
	[QUERY_START_TIME_ADD] =
		"INSERT INTO start_time (gateway, generation, at_ms, took_ms)"
		" VALUES (?1, ?2, ?3, ?4)",
	[QUERY_START_TIME_TRIM] =
		"DELETE FROM start_time WHERE gateway = ?1 AND id <="
		" (SELECT id FROM start_time WHERE gateway = ?1"
		" ORDER BY id DESC LIMIT 1 OFFSET ?2)",
	[QUERY_START_TIMES] =
		"SELECT took_ms FROM (SELECT took_ms FROM start_time"
		" WHERE gateway = ?1 ORDER BY id DESC LIMIT ?2)"
		" ORDER BY took_ms",
	[QUERY_RESTORE_WANT] =
		"UPDATE gateway SET restore_wanted = ?3, restore_snapshot = ?4"
		" WHERE name = ?1 AND generation = ?2",
	/* a wish that changed meanwhile stays */
	[QUERY_RESTORE_DONE] =
		"UPDATE gateway SET restore_wanted = 0, restore_snapshot = NULL"
		" WHERE name = ?1 AND generation = ?2 AND restore_wanted = ?3"
		" AND restore_snapshot IS ?4",
	[QUERY_SNAPSHOT_ADD] =
		"INSERT INTO snapshot (" SNAPSHOT_COLUMNS ") VALUES ("
		" CASE WHEN EXISTS (SELECT 1 FROM snapshot WHERE id = ?1)"
		" THEN NULL ELSE ?1 END,"
		" ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
	[QUERY_SNAPSHOT_WRITE] =
		"UPDATE snapshot SET gateway = ?2, generation = ?3,"
		" created_ms = ?4, bytes = ?5, files = ?6, content_bytes = ?7,"
		" sha256 = ?8, path = ?9, remote = ?10, fingerprint = ?11,"
		" state = ?12 WHERE id = ?1",
	[QUERY_SNAPSHOT_DELETE] = "DELETE FROM snapshot WHERE id = ?1",
	[QUERY_SNAPSHOT_NEXT] =
		"SELECT " SNAPSHOT_COLUMNS " FROM snapshot WHERE gateway = ?1"
		" AND (?2 IS NULL OR created_ms < ?2"
		" OR (created_ms = ?2 AND id < ?3))"
		" ORDER BY created_ms DESC, id DESC LIMIT 1",
	[QUERY_COUNT] = "INSERT INTO counter (gateway, name, label, value)"
			" VALUES (?1, ?2, coalesce(?3, ''), ?4) ON CONFLICT"
			" DO UPDATE SET value = value + excluded.value",
	[QUERY_COUNTERS] = "SELECT name, label, value FROM counter"
			   " WHERE gateway = ?1 ORDER BY name, label",
	[QUERY_REQUEST_ADD] =
		"INSERT INTO request (" REQUEST_COLUMNS ") VALUES (?1, ?2, ?3,"
		" ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
	[QUERY_REQUEST_TRIM] = "DELETE FROM request WHERE id <= ?1",
	[QUERY_REQUEST_FIND] = "SELECT " REQUEST_COLUMNS " FROM request"
			       " WHERE request = ?1 ORDER BY id DESC LIMIT 1",
	[QUERY_BEGIN] = "BEGIN IMMEDIATE",
	[QUERY_COMMIT] = "COMMIT",
	[QUERY_ROLLBACK] = "ROLLBACK",
	[QUERY_USER_VERSION] = "PRAGMA user_version",
	[QUERY_JOURNAL_MODE] = "PRAGMA journal_mode",
	[QUERY_INTEGRITY] = "PRAGMA integrity_check(1)",
};

static enum err_code code_of(int result)
{
	switch (result & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* our SQL is fixed: the schema is not ours */
	case SQLITE_SCHEMA:
		return ERR_CORRUPT;
	case SQLITE_IOERR: /* a -wal shorter than the index says */
		return result == SQLITE_IOERR_SHORT_READ ? ERR_CORRUPT
							 : ERR_STORE;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_TOOBIG:
		return ERR_INVALID;
	case SQLITE_READONLY:
		return result == SQLITE_READONLY_DBMOVED ? ERR_STORE_MOVED
							 : ERR_STORE;
	default:
		return ERR_STORE;
	}
}

int store_failed(struct store *store, int result, const char *what,
		 struct err *err)
{
	const char *why =
		store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(result);
	enum err_code code = code_of(result);

	if (code == ERR_CORRUPT)
		store->damaged = true;
	return err_set(err, code, "cannot %s '%s': %s (SQLite %d)", what,
		       store->path, why, result);
}

int statement_get(sqlite3_stmt **ret, struct store *store, enum query query,
		  struct err *err)
{
	int result;

	if (!store->statements[query]) {
		result = sqlite3_prepare_v3(store->db, sql[query], -1,
					    SQLITE_PREPARE_PERSISTENT,
					    &store->statements[query], NULL);
		if (result != SQLITE_OK)
			return store_failed(store, result, "use", err);
	}
	*ret = store->statements[query];
	return 0;
}

void statement_done(sqlite3_stmt *statement)
{
	/* its result repeats that of the last step */
	(void)sqlite3_reset(statement);
	(void)sqlite3_clear_bindings(statement);
}

int statement_run(struct store *store, sqlite3_stmt *statement,
		  int *ret_changes, struct err *err)
{
	int result;

	do
		result = sqlite3_step(statement);
	while (result == SQLITE_ROW);
	if (result != SQLITE_DONE)
		(void)store_failed(store, result, "write", err);
	else if (ret_changes)
		*ret_changes = sqlite3_changes(store->db);
	statement_done(statement);
	return result == SQLITE_DONE ? 0 : -1;
}

int statement_run_plain(struct store *store, enum query query, struct err *err)
{
	sqlite3_stmt *statement = NULL;

	if (statement_get(&statement, store, query, err))
		return -1;
	return statement_run(store, statement, NULL, err);
}

/* A bind fails only without memory, or for a parameter that the statement does
 * not have; the parameter is then NULL, which the schema's NOT NULLs judge. */
void bind_number(struct binder *binder, int64_t number)
{
	(void)sqlite3_bind_int64(binder->statement, ++binder->last, number);
}

void bind_number_or_null(struct binder *binder, int64_t number)
{
	binder->last++;
	if (number != 0)
		(void)sqlite3_bind_int64(binder->statement, binder->last,
					 number);
}

void bind_text(struct binder *binder, const char *text)
{
	binder->last++;
	if (text && *text)
		(void)sqlite3_bind_text(binder->statement, binder->last, text,
					-1, SQLITE_STATIC);
}

void column_text(char *ret, size_t size, sqlite3_stmt *statement, int column)
{
	const unsigned char *text = sqlite3_column_text(statement, column);
	size_t len = text ? strnlen((const char *)text, size - 1) : 0;

	if (text)
		memcpy(ret, text, len);
	ret[len] = '\0';
}
