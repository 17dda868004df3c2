/* The store and what is wrong with its files: damage, schema, rights, folders. */
#include "config.h"

#include <sqlite3.h>

#include "base/deadline.h"
#include "unit/store_world.h"

#include "base/banned.h"

#define NOBODY 65534

static void damage(const struct world *world, const char *how)
{
	char garbage[8192];
	char path[128];
	int fd;

	world_path(world, "wakegate.db", path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	memset(garbage, 'g', sizeof(garbage));
	if (strcmp(how, "garbage") == 0)
		(void)!pwrite(fd, garbage, sizeof(garbage), 0);
	else if (strcmp(how, "short garbage") == 0)
		(void)(!ftruncate(fd, 0) && pwrite(fd, garbage, 10, 0));
	else if (strcmp(how, "truncated") == 0)
		(void)!ftruncate(fd, 3 * 4096L);
	else
		(void)!ftruncate(fd, 0);
	(void)close(fd);
}

/* All that was written is in the database file, nothing in -wal. */
static void checkpoint(const struct world *world)
{
	sqlite3 *db = NULL;
	char path[128];

	world_path(world, "wakegate.db", path, sizeof(path));
	if (sqlite3_open(path, &db) == SQLITE_OK)
		(void)sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL,
				   NULL, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_close(db);
}

static void test_damaged_at_once(struct world *world)
{
	static const char *const ways[] = { "garbage", "short garbage",
					    "truncated", "empty" };
	struct outcome outcome;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		(void)world_files(world, "wakegate.db", true);
		(void)open_and_read(world, 0);
		checkpoint(world);
		damage(world, ways[i]);
		outcome = run_processes(20, open_and_read, world);
		ok(outcome.zero == 20 && moved_aside(world) == 1 &&
			   is_sound(world),
		   "20 processes that meet a damaged database (%s) move it "
		   "aside once (%d, %d)",
		   ways[i], outcome.zero, moved_aside(world));
	}
}

/* Runs SQL behind the store's back; gives the first number of the answer. */
static int64_t run_sql(const struct world *world, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *db = NULL;
	char path[128];
	int64_t number = -1;

	world_path(world, "wakegate.db", path, sizeof(path));
	if (sqlite3_open(path, &db) == SQLITE_OK) {
		(void)sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON",
				   NULL, NULL, NULL);
		(void)sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
		if (sqlite3_step(statement) == SQLITE_ROW)
			number = sqlite3_column_int64(statement, 0);
		(void)sqlite3_finalize(statement);
	}
	(void)sqlite3_close(db);
	return number;
}

static struct store *open_fresh(const struct world *world)
{
	struct store *store;
	struct err err;
	int64_t next = 0;

	(void)world_files(world, "wakegate.db", true);
	store = open_store(world);
	(void)store_claim(store, NAME, 0, WANT_RUN, ADDRESS, NULL, &next, &err);
	return store;
}

static void test_damaged_page(const struct world *world)
{
	struct event event = { .gateway = NAME, .kind = "ready" };
	struct store *store = open_fresh(world);
	struct err err = { .code = ERR_MAX_ };
	char garbage[4096];
	char path[128];
	int64_t page;
	int fd;

	store_close(store);
	checkpoint(world);
	page = run_sql(world, "SELECT rootpage FROM sqlite_schema"
			      " WHERE name = 'event'");
	world_path(world, "wakegate.db", path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	memset(garbage, 'g', sizeof(garbage));
	(void)!pwrite(fd, garbage, sizeof(garbage), (page - 1) * 4096);
	(void)close(fd);
	store = open_store(world);
	ok(generation_of(store) == 1, "a page that is not met does no harm");
	ok(store_event(store, &event, &err) != 0 && err.code == ERR_CORRUPT,
	   "a damaged page is seen when it is met");
	ok(store_reopen(store, &err) == 0 && moved_aside(world) == 1 &&
		   store_event(store, &event, &err) == 0 && is_sound(world),
	   "and mended by opening anew");
	store_close(store);
}

static void test_senseless_row(const struct world *world)
{
	struct store *store = open_fresh(world);
	struct gateway_row row;
	struct err err = { .code = ERR_MAX_ };

	(void)run_sql(world, "UPDATE gateway SET state = 'nonsense'");
	ok(store_read(store, NAME, &row, &err) != 0 && err.code == ERR_CORRUPT,
	   "a row that makes no sense is damage: %s", err.text);
	ok(store_reopen(store, &err) == 0 && generation_of(store) == 0,
	   "which opening anew mends");
	store_close(store);
}

static void test_dropped_table(const struct world *world)
{
	struct event event = { .gateway = NAME, .kind = "ready" };
	struct store *store = open_fresh(world);
	struct err err = { .code = ERR_MAX_ };

	(void)run_sql(world, "DROP TABLE event");
	ok(store_event(store, &event, &err) != 0 && err.code == ERR_CORRUPT,
	   "a table that is missing is damage");
	ok(store_reopen(store, &err) == 0 && moved_aside(world) == 1 &&
		   store_event(store, &event, &err) == 0,
	   "which opening anew mends, though the file is well formed");
	store_close(store);
}

/* A file in the folder's place, for a while. */
static void test_closed(const struct world *world)
{
	struct store *store = open_fresh(world);
	struct deadline deadline = deadline_in(10000);
	struct gateway_row row;
	struct err err = { .code = ERR_MAX_ };
	char away[96];
	int result;

	(void)snprintf(away, sizeof(away), "%s.away", world->dir);
	(void)rename(world->dir, away);
	(void)close(open(world->dir, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	ok(store_reopen(store, &err) != 0 && err.code != ERR_STORE_MOVED,
	   "what can't be opened anew stays closed: %s", err.text);
	ok(store_read(store, NAME, &row, &err) != 0 &&
		   err.code == ERR_STORE_MOVED,
	   "and says so until it is opened: %s", err.text);
	(void)unlink(world->dir);
	(void)rename(away, world->dir);
	do
		result = store_reopen(store, &err);
	while (result != 0 && deadline_pause(deadline, 10));
	ok(result == 0 && generation_of(store) == 1,
	   "which it can be when the cause has gone");
	store_close(store);
}

static void test_newer(const struct world *world)
{
	struct store *store = NULL;
	struct err err = { .code = ERR_MAX_ };

	store_close(open_fresh(world));
	(void)run_sql(world, "PRAGMA user_version = 99");
	ok(store_open(&store, world->dir, &err) != 0 &&
		   err.code == ERR_INVALID && moved_aside(world) == 0,
	   "a newer schema is refused: %s", err.text);
}

/* As nobody: with what root may do, no folder is read-only. */
static int use_read_only(void *user, int n)
{
	const struct world *world = user;
	struct store *store = NULL;
	struct err err = { .code = ERR_MAX_ };
	int64_t next = 0;
	char path[128];

	if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		return 2;
	if (store_open(&store, world->dir, &err)) {
		world_path(world, n == 1 ? "wakegate.db" : "wakegate.id", path,
			   sizeof(path));
		printf("# %s\n", err.text);
		return n > 0 && err.code == ERR_STORE && strstr(err.text, path)
			       ? 0
			       : 3;
	}
	if (generation_of(store) != 1)
		return 4;
	if (store_claim(store, NAME, 1, WANT_RUN, ADDRESS, NULL, &next, &err) ==
		    0 ||
	    err.code != ERR_STORE)
		return 5;
	printf("# %s\n", err.text);
	store_close(store);
	return n == 0 ? 0 : 6;
}

static int make_as_nobody(void *user, int n)
{
	const struct world *world = user;
	struct store *store;
	struct err err;
	int64_t next = 0;
	char path[128];

	(void)n;
	if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		return 2;
	store = open_store(world);
	if (!store ||
	    store_claim(store, NAME, 0, WANT_RUN, ADDRESS, NULL, &next, &err))
		return 3;
	store_close(store);
	world_path(world, "wakegate.db", path, sizeof(path));
	return chmod(path, 0400) || chmod(world->dir, 0500);
}

static int use_as_nobody(struct world *world, int n)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(n < 0 ? make_as_nobody(world, 0)
			    : use_read_only(world, n));
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void test_read_only(void)
{
	struct world world;
	char path[128];
	int result;

	if (geteuid() != 0) {
		ok(true, "read-only # SKIP only root can become somebody else");
		return;
	}
	world_make(&world);
	(void)!chown(world.root, NOBODY, NOBODY);
	ok(use_as_nobody(&world, -1) == 0, "a store of somebody else's");
	result = use_as_nobody(&world, 0);
	ok(result == 0, "read-only it is read, and a claim says so (%d)",
	   result);
	(void)world_files(&world, "wakegate.db", true);
	result = use_as_nobody(&world, 1);
	ok(result == 0, "without a database the error names it (%d)", result);
	world_path(&world, "wakegate.id", path, sizeof(path));
	(void)unlink(path);
	result = use_as_nobody(&world, 2);
	ok(result == 0, "without an id it names that (%d)", result);
	world_remove(&world);
}

static void test_no_folder(void)
{
	struct store *store = NULL;
	struct err err = { .code = ERR_MAX_ };

	ok(store_open(&store, "/dev/null", &err) != 0 &&
		   err.code == ERR_STORE && strstr(err.text, "'/dev/null'"),
	   "a state_dir that is no folder is named: %s", err.text);
	ok(store_open(&store, "/nonexistent/a/b", &err) != 0 &&
		   err.code == ERR_STORE,
	   "only one level is made: %s", err.text);
}

int main(void)
{
	struct world world;

	world_make(&world);
	test_damaged_at_once(&world);
	test_damaged_page(&world);
	test_senseless_row(&world);
	test_dropped_table(&world);
	test_closed(&world);
	test_newer(&world);
	test_read_only();
	test_no_folder();
	world_remove(&world);
	return done_testing();
}
