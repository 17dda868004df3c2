#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/schema.h"
#include "store/store_private.h"

#include "base/banned.h"

/* A worker is to stay under 1 MB in all: the working set is a few pages. */
#define LOOKASIDE_BYTES	 256
#define LOOKASIDE_COUNT	 64
#define CHECKPOINT_PAGES 250
#define CONNECTION_PRAGMAS                                                     \
	"PRAGMA cache_size = -64; PRAGMA synchronous = NORMAL;"                \
	" PRAGMA cell_size_check = ON;"

#define JITTER_MIN_US 300
#define JITTER_US     1200

bool jitter_pause(struct deadline deadline)
{
	struct timespec now;
	struct timespec pause = { 0, 0 };
	unsigned long mixed;

	if (deadline_passed(deadline))
		return false;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	mixed = ((unsigned long)now.tv_nsec ^ (unsigned long)getpid() << 12) *
		2654435761UL;
	pause.tv_nsec = (long)(JITTER_MIN_US + (mixed >> 8) % JITTER_US) * 1000;
	(void)nanosleep(&pause, NULL); /* cut short by a signal: no harm */
	return true;
}

static int on_busy(void *user, int count)
{
	struct store *store = user;

	if (count == 0)
		store->busy_until = deadline_in(store->busy_ms);
	return jitter_pause(store->busy_until);
}

/* The first column of a pragma's only row; the statement is not kept. */
static int pragma_read(struct store *store, enum query query, char *ret,
		       size_t size, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	int result;

	if (statement_get(&statement, store, query, err))
		return -1;
	result = sqlite3_step(statement);
	if (result == SQLITE_ROW)
		column_text(ret, size, statement, 0);
	else
		(void)store_failed(store, result, "read", err);
	(void)sqlite3_finalize(statement); /* repeats step's result */
	store->statements[query] = NULL;
	return result == SQLITE_ROW ? 0 : -1;
}

static int user_version(struct store *store, int *ret, struct err *err)
{
	char text[16];
	long version;

	if (pragma_read(store, QUERY_USER_VERSION, text, sizeof(text), err))
		return -1;
	version = strtol(text, NULL, 10);
	if (version < 0 || version > schema_version)
		return err_set(err, ERR_INVALID,
			       "'%s' has schema version %ld, and this program "
			       "knows none after %d",
			       store->path, version, schema_version);
	*ret = (int)version;
	return 0;
}

static enum look look_failed(struct store *store, const struct err *err)
{
	connection_close(store);
	return err->code == ERR_CORRUPT ? LOOK_DAMAGED : LOOK_FAILED;
}

/* What the daily look does not find: a page that is not the first, a table that
 * is missing, a row that breaks its rules. */
static int look_deep(struct store *store, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	char found[256];

	for (int i = 0; i < QUERY_MAX_; i++)
		if (statement_get(&statement, store, (enum query)i, err))
			return -1;
	if (pragma_read(store, QUERY_INTEGRITY, found, sizeof(found), err))
		return -1;
	if (strcmp(found, "ok") != 0)
		return err_set(err, ERR_CORRUPT, "'%s' is damaged: %s",
			       store->path, found);
	return 0;
}

static enum look look(struct store *store, bool deep, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	char mode[16];
	int version = 0;

	if (sqlite3_exec(store->db, CONNECTION_PRAGMAS, NULL, NULL, NULL) !=
	    SQLITE_OK) {
		(void)store_failed(store, sqlite3_extended_errcode(store->db),
				   "read", err);
		return look_failed(store, err);
	}
	if (user_version(store, &version, err))
		return look_failed(store, err);
	if (version < schema_version)
		return LOOK_NEW;
	if (pragma_read(store, QUERY_JOURNAL_MODE, mode, sizeof(mode), err))
		return look_failed(store, err);
	if (strcmp(mode, "wal") != 0)
		return LOOK_NEW;
	if (statement_get(&statement, store, QUERY_READ, err))
		return look_failed(store, err);
	if (deep && look_deep(store, err))
		return look_failed(store, err);
	return LOOK_GOOD;
}

/* Files of a database that was in use: an empty one beside them lost something */
static bool has_wal(const struct store *store)
{
	static const char *const suffixes[] = { "-wal", "-shm" };
	char path[4096];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", store->path,
			       suffixes[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/* SQLite counts its memory under a mutex for each allocation unless told not to, and
 * makes 20 pages of cache where we need five: a CGI process spends a good part of its
 * time there. */
static void configure(void)
{
	/* refused when somebody has used SQLite before: no harm */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	(void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
	/* small pieces, taken from one block */
	(void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, LOOKASIDE_BYTES,
			     LOOKASIDE_COUNT);
}

static int connect_file(struct store *store, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int result;

	(void)pthread_once(&once, configure);
	result = sqlite3_open_v2(store->path, &store->db,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
					 SQLITE_OPEN_PRIVATECACHE,
				 NULL);
	if (result != SQLITE_OK) {
		result = store->db ? sqlite3_extended_errcode(store->db)
				   : result;
		return store_failed(store, result, "open", err);
	}
	(void)sqlite3_extended_result_codes(store->db, 1);
	store->busy_ms = STORE_BUSY_MS;
	(void)sqlite3_busy_handler(store->db, on_busy, store);
	/* A close must never delete -wal and -shm by their path (another
	 * database may be there by then), nor cost a CGI process a sync. */
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
				NULL);
	(void)sqlite3_wal_autocheckpoint(store->db, CHECKPOINT_PAGES);
	return 0;
}

enum look connection_open(struct store *store, bool deep, struct err *err)
{
	struct stat status;

	if (stat(store->path, &status) != 0) {
		if (errno == ENOENT)
			return LOOK_NEW;
		(void)err_errno(err, "cannot look at '%s'", store->path);
		err->code = ERR_STORE;
		return LOOK_FAILED;
	}
	if (status.st_size == 0 && has_wal(store)) {
		(void)err_set(err, ERR_CORRUPT, "'%s' was emptied",
			      store->path);
		return LOOK_DAMAGED;
	}
	if (connect_file(store, err))
		return look_failed(store, err);
	return look(store, deep, err);
}

void connection_close(struct store *store)
{
	for (int i = 0; i < QUERY_MAX_; i++) {
		/* repeats the last step's result */
		(void)sqlite3_finalize(store->statements[i]);
		store->statements[i] = NULL;
	}
	(void)sqlite3_close(store->db); /* no statement is left: it succeeds */
	store->db = NULL;
}

/* The change to WAL is not covered by the busy handler. */
static int use_wal(struct store *store, struct err *err)
{
	struct deadline deadline = deadline_in(STORE_BUSY_MS);
	int result;

	do
		result = sqlite3_exec(store->db, "PRAGMA journal_mode = WAL",
				      NULL, NULL, NULL);
	while ((result & 0xff) == SQLITE_BUSY && jitter_pause(deadline));
	if (result != SQLITE_OK)
		return store_failed(store, result, "set up", err);
	return 0;
}

static int apply_migrations(struct store *store, struct err *err)
{
	int version = 0;
	int result;

	if (user_version(store, &version, err))
		return -1;
	for (; version < schema_version; version++) {
		result = sqlite3_exec(store->db, schema_migrations[version],
				      NULL, NULL, NULL);
		if (result != SQLITE_OK)
			return store_failed(store, result, "set up", err);
	}
	return statement_run_plain(store, QUERY_COMMIT, err);
}

int connection_migrate(struct store *store, struct err *err)
{
	if (use_wal(store, err) || statement_run_plain(store, QUERY_BEGIN, err))
		return -1;
	if (apply_migrations(store, err) == 0)
		return 0;
	/* an error may have rolled back already */
	(void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

int connection_check_moved(struct store *store, struct err *err)
{
	int moved = 0;
	int result = sqlite3_file_control(store->db, "main",
					  SQLITE_FCNTL_HAS_MOVED, &moved);

	if (result != SQLITE_OK)
		return store_failed(store, result, "look at", err);
	if (moved)
		return err_set(err, ERR_STORE_MOVED,
			       "'%s' was deleted or replaced", store->path);
	return 0;
}
