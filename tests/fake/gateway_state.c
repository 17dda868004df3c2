/* gateway_state.c - what the fake gateway remembers: a live SQLite database and small
 * files in its state folder
 *
 *	state.sqlite	kept: what POST /state?key=K wrote
 *			debit, credit, journal: what --state-writes moves; each
 *			transaction touches pages all over the file
 *			invariant: a view with one row, ok 1 or 0, that a torn or
 *			incomplete copy breaks
 *	files/K		what POST /state?key=K wrote
 *	empty/		stays empty
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway.h"

#define ACCOUNTS  "64"
#define KEY_BYTES 64

static const char schema[] =
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
	"PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE;"
	"CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, pid INTEGER);"
	"CREATE TABLE IF NOT EXISTS debit (id INTEGER PRIMARY KEY,"
	" amount INTEGER, padding TEXT);"
	"CREATE TABLE IF NOT EXISTS credit (id INTEGER PRIMARY KEY,"
	" amount INTEGER, padding TEXT);"
	"CREATE TABLE IF NOT EXISTS journal (n INTEGER PRIMARY KEY,"
	" total INTEGER);"
	"INSERT OR IGNORE INTO debit"
	" WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i"
	" WHERE n + 1 < " ACCOUNTS ") SELECT n, 0, hex(zeroblob(200)) FROM i;"
	"INSERT OR IGNORE INTO credit SELECT id, 0, padding FROM debit;"
	"INSERT OR IGNORE INTO journal SELECT 0, 0"
	" WHERE NOT EXISTS (SELECT 1 FROM journal);"
	"CREATE VIEW IF NOT EXISTS invariant AS SELECT"
	" (SELECT sum(amount) FROM debit) = (SELECT total FROM journal"
	"  ORDER BY n DESC LIMIT 1)"
	" AND (SELECT sum(amount) FROM credit) = (SELECT sum(amount) FROM "
	"debit)"
	" AND (SELECT max(n) - min(n) + 1 = count(*) FROM journal)"
	" AND (SELECT max(n) * (max(n) + 1) / 2 = max(total) FROM journal)"
	" AS ok; COMMIT;";

/* The n-th moves n. */
static const char next_write[] =
	"BEGIN IMMEDIATE;"
	"INSERT INTO journal SELECT n + 1, total + n + 1 FROM journal"
	" ORDER BY n DESC LIMIT 1;"
	"UPDATE debit SET amount = amount + (SELECT max(n) FROM journal)"
	" WHERE id = (SELECT max(n) FROM journal) % " ACCOUNTS ";"
	"UPDATE credit SET amount = amount + (SELECT max(n) FROM journal)"
	" WHERE id = (SELECT max(n) FROM journal) * 7 % " ACCOUNTS ";"
	"DELETE FROM journal WHERE n < (SELECT max(n) FROM journal) - 500;"
	"COMMIT;";

struct state {
	const char *folder;
	int writes; /* a second */
	sqlite3 *database;
	pthread_mutex_t mutex;
};

static struct state state = { .mutex = PTHREAD_MUTEX_INITIALIZER };

_Noreturn static void fail(const char *what, const char *why)
{
	fprintf(stderr, "gateway: state: %s: %s\n", what, why);
	exit(1);
}

static void make_folder(const char *name)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", state.folder, name);
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		fail(path, strerror(errno));
}

static sqlite3 *open_database(void)
{
	sqlite3 *database = NULL;
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/state.sqlite", state.folder);
	if (sqlite3_open(path, &database) != SQLITE_OK ||
	    sqlite3_exec(database, schema, NULL, NULL, NULL) != SQLITE_OK)
		fail(path, sqlite3_errmsg(database));
	return database;
}

/* Paced by the clock, however long a transaction takes. */
static void *write_on(void *argument)
{
	sqlite3 *database = argument;
	int64_t begin = wall_ms();
	int64_t done;

	for (done = 0;; done++) {
		if (sqlite3_exec(database, next_write, NULL, NULL, NULL) !=
		    SQLITE_OK)
			fail("write", sqlite3_errmsg(database));
		if (done > (wall_ms() - begin) * state.writes / 1000)
			sleep_ms(1);
	}
}

void state_open(const struct manners *manners)
{
	pthread_t thread;

	if (!manners->state)
		return;
	state.folder = manners->state;
	state.writes = manners->state_writes;
	make_folder("");
	make_folder("files");
	make_folder("empty");
	state.database = open_database();
	if (state.writes > 0 &&
	    pthread_create(&thread, NULL, write_on, open_database()) != 0)
		fail("thread", strerror(errno));
}

static int64_t ask(const char *sql, const char *key)
{
	sqlite3_stmt *statement = NULL;
	int64_t answer = -1;

	if (sqlite3_prepare_v2(state.database, sql, -1, &statement, NULL) ==
	    SQLITE_OK) {
		(void)sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
		(void)sqlite3_bind_int(statement, 2, (int)getpid());
		if (sqlite3_step(statement) == SQLITE_ROW)
			answer = sqlite3_column_int64(statement, 0);
	}
	(void)sqlite3_finalize(statement);
	return answer;
}

/* Letters, digits, '_' and '-' of key=. */
static void read_key(const struct conn *conn, char ret[KEY_BYTES])
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t len;

	*ret = '\0';
	if (strncmp(conn->query, "key=", 4) != 0)
		return;
	len = strspn(conn->query + 4, allowed);
	if (len < KEY_BYTES)
		(void)snprintf(ret, KEY_BYTES, "%.*s", (int)len,
			       conn->query + 4);
}

static bool write_file(const char *key)
{
	char path[4096];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/files/%s", state.folder, key);
	file = fopen(path, "we");
	if (!file)
		return false;
	fprintf(file, "%s\n", key);
	return fclose(file) == 0;
}

static bool has_file(const char *key)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/files/%s", state.folder, key);
	return *key && access(path, F_OK) == 0;
}

static bool keep(const char *key)
{
	return ask("INSERT OR REPLACE INTO kept VALUES (?1, ?2) RETURNING 1",
		   key) == 1 &&
	       write_file(key);
}

bool state_answer(struct conn *conn)
{
	bool is_post = strcmp(conn->method, "POST") == 0;
	char key[KEY_BYTES];
	char text[256];
	bool done = true;

	if (!state.folder) {
		reply(conn, 404, "text/plain", "", "no --state\n");
		return true;
	}
	read_key(conn, key);
	(void)pthread_mutex_lock(&state.mutex);
	if (is_post)
		done = *key && keep(key);
	(void)snprintf(
		text, sizeof(text),
		"{\"key\":\"%s\",\"row\":%s,\"file\":%s,\"rows\":%lld,"
		"\"writes\":%lld,\"ok\":%s}\n",
		key,
		ask("SELECT 1 FROM kept WHERE key = ?1", key) == 1 ? "true"
								   : "false",
		has_file(key) ? "true" : "false",
		(long long)ask("SELECT count(*) FROM kept", ""),
		(long long)ask("SELECT max(n) FROM journal", ""),
		ask("SELECT ok FROM invariant", "") == 1 ? "true" : "false");
	(void)pthread_mutex_unlock(&state.mutex);
	reply(conn, done ? 200 : 500, "application/json", "", text);
	return true;
}
