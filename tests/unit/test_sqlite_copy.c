/* Databases that are written while they are copied. */
#include "config.h"

#include <signal.h>

#include "snapshot/sqlite_copy.h"
#include "unit/snapshot_world.h"

#include "base/banned.h"

#define COPIES	 100 /* of each journal mode */
#define ARCHIVES 10  /* packed and unpacked */

/* The writer's invariant: a transfer from one account to another in each
 * commit, and a row that says how many there were. */
#define SET_UP                                                                 \
	"CREATE TABLE account (id INTEGER PRIMARY KEY, money INTEGER);"        \
	"WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n "    \
	"WHERE i < 500) INSERT INTO account SELECT i, 100 FROM n;"             \
	"CREATE TABLE transfer (id INTEGER PRIMARY KEY, text TEXT);"
#define TRANSFER                                                               \
	"BEGIN IMMEDIATE;"                                                     \
	"INSERT INTO transfer (text) VALUES (hex(randomblob(200)));"           \
	"UPDATE account SET money = money - 1 WHERE id = "                     \
	"(SELECT max(id) FROM transfer) % 250 + 1;"                            \
	"UPDATE account SET money = money + 1 WHERE id = "                     \
	"(SELECT max(id) FROM transfer) % 250 + 251;"                          \
	"DELETE FROM transfer WHERE id < (SELECT max(id) FROM transfer) - "    \
	"1000;"                                                                \
	"COMMIT"
#define IS_SOUND                                                               \
	"SELECT (SELECT sum(money) FROM account) = 50000 AND "                 \
	"(SELECT count(*) FROM account) = 500 AND "                            \
	"(SELECT max(id) - min(id) + 1 = count(*) FROM transfer) AND "         \
	"(SELECT integrity_check = 'ok' FROM pragma_integrity_check)"

static pid_t start_writer(const char *folder, const char *mode)
{
	char path[256];
	sqlite3 *database;
	int result;
	pid_t pid = fork();

	if (pid < 0)
		abort();
	if (pid != 0)
		return pid;
	(void)snprintf(path, sizeof(path), "%s/live.db", folder);
	if (sqlite3_open(path, &database) != SQLITE_OK ||
	    sqlite3_busy_timeout(database, 10000) != SQLITE_OK)
		abort();
	do /* the busy time does not cover this */
		result = sqlite3_exec(database, mode, NULL, NULL, NULL);
	while (result == SQLITE_BUSY);
	if (result != SQLITE_OK)
		abort();
	while (sqlite3_exec(database, TRANSFER, NULL, NULL, NULL) == SQLITE_OK)
		;
	_exit(1);
}

static int count_commits(const char *folder)
{
	return world_number(folder, "live.db", "SELECT max(id) FROM transfer");
}

static int count_sound_copies(const struct world *world)
{
	char from[256], to[256];
	struct err err;
	int sound = 0;

	(void)snprintf(from, sizeof(from), "%s/live.db", world->state);
	(void)snprintf(to, sizeof(to), "%s/copy", world->work);
	for (int i = 0; i < COPIES; i++) {
		if (sqlite_copy(from, to, deadline_in(60000), &err))
			printf("# %s\n", err.text);
		else
			sound += world_number(world->work, "copy", IS_SOUND) ==
				 1;
		(void)unlink(to);
	}
	return sound;
}

static int count_sound_archives(struct world *world)
{
	struct archive_summary summary;
	struct err err;
	int sound = 0;

	for (int i = 0; i < ARCHIVES; i++) {
		if (world_create(world, NULL, &summary, &err) ||
		    world_extract(world, summary.sha256, &err))
			printf("# %s\n", err.text);
		else
			sound += world_number(world->out, "live.db",
					      IS_SOUND) == 1;
	}
	return sound;
}

static void test_live(const char *mode, const char *what)
{
	struct world world;
	struct deadline deadline = deadline_in(60000);
	int sound, at_first, commits, status;
	pid_t writer;

	world_make(&world);
	if (!world_sql(world.state, "live.db", SET_UP TRANSFER))
		abort();
	writer = start_writer(world.state, mode);
	while (count_commits(world.state) < 100 && deadline_pause(deadline, 1))
		;
	at_first = count_commits(world.state);
	sound = count_sound_copies(&world);
	ok(sound == COPIES, "%s: each copy is sound (%d of %d)", what, sound,
	   COPIES);
	sound = count_sound_archives(&world);
	ok(sound == ARCHIVES, "%s: so is each that is packed (%d of %d)", what,
	   sound, ARCHIVES);
	commits = count_commits(world.state) - at_first;
	ok(commits > COPIES, "%s: it was written to all the time (%d commits)",
	   what, commits);
	ok(waitpid(writer, &status, WNOHANG) == 0,
	   "%s: the writer saw no error", what);
	(void)kill(writer, SIGKILL);
	(void)waitpid(writer, &status, 0);
	world_remove(&world);
}

static void overwrite(const char *path, off_t at)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char damage[4000];

	memset(damage, 0x5a, sizeof(damage));
	if (fd < 0 || pwrite(fd, damage, sizeof(damage), at) < 0)
		abort();
	(void)close(fd);
}

static void test_damaged(void)
{
	struct archive_summary summary;
	char from[256], to[256];
	struct world world;
	struct err err;

	world_make(&world);
	(void)snprintf(from, sizeof(from), "%s/live.db", world.state);
	(void)snprintf(to, sizeof(to), "%s/copy", world.work);
	if (!world_sql(world.state, "live.db", SET_UP TRANSFER))
		abort();
	ok(sqlite_check(from, deadline_in(10000), &err) == 0,
	   "a good database passes");
	ok(sqlite_copy(from, to, deadline_in(10000), &err) == 0 &&
		   world_number(world.work, "copy", IS_SOUND) == 1,
	   "and is copied");
	ok(sqlite_copy(from, to, deadline_in(10000), &err) &&
		   err.code == ERR_SYSTEM && world_has(world.work, "copy"),
	   "never over another file: %s", err.text);
	(void)unlink(to);
	overwrite(from, 4096);
	ok(sqlite_check(from, deadline_in(10000), &err) &&
		   err.code == ERR_CORRUPT,
	   "a damaged one does not pass: %s", err.text);
	ok(sqlite_copy(from, to, deadline_in(10000), &err) &&
		   err.code == ERR_CORRUPT && !world_has(world.work, "copy"),
	   "and leaves no copy: %s", err.text);
	ok(world_create(&world, NULL, &summary, &err) &&
		   err.code == ERR_CORRUPT && strstr(err.text, "live.db") &&
		   !world_has(world.root, "archive"),
	   "nor an archive: %s", err.text);
	ok(rmdir(world.work) == 0, "nor anything in the place for copies");
	world_remove(&world);
}

static void test_locked(void)
{
	char from[256], to[256];
	struct world world;
	sqlite3 *holder;
	struct err err;

	world_make(&world);
	(void)snprintf(from, sizeof(from), "%s/live.db", world.state);
	(void)snprintf(to, sizeof(to), "%s/copy", world.work);
	if (!world_sql(world.state, "live.db", SET_UP) ||
	    sqlite3_open(from, &holder) != SQLITE_OK ||
	    sqlite3_exec(holder, "BEGIN EXCLUSIVE", NULL, NULL, NULL) !=
		    SQLITE_OK)
		abort();
	ok(sqlite_copy(from, to, deadline_in(300), &err) &&
		   err.code == ERR_TIMEOUT && !world_has(world.work, "copy"),
	   "a locked database is waited for till the deadline: %s", err.text);
	(void)sqlite3_close(holder);
	(void)unlink(from);
	ok(sqlite_copy(from, to, deadline_in(10000), &err) &&
		   err.code == ERR_MISSING,
	   "one that is gone is ERR_MISSING: %s", err.text);
	world_remove(&world);
}

int main(void)
{
	test_live("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF", "WAL");
	test_live("PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF",
		  "rollback journal");
	test_damaged();
	test_locked();
	return done_testing();
}
