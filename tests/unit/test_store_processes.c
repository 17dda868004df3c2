/* The store between processes: claims, kills, locks and replaced files. */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>

#include "base/deadline.h"
#include "unit/store_world.h"

#include "base/banned.h"

static void test_new_at_once(struct world *world)
{
	int good = 0;

	for (int round = 0; round < 5; round++) {
		(void)world_files(world, "", true);
		good += run_processes(30, open_and_read, world).zero;
	}
	ok(good == 150, "30 processes at once make one database (%d of 150)",
	   good);
	ok(is_sound(world) && moved_aside(world) == 0,
	   "which is sound, and nothing was moved aside");
}

static const char *stranger; /* NULL, or the file that one makes */

/* Takes unlink(2)'s place in what is tested. When the old -wal goes, which is just
 * before a new database is made, a stranger makes an empty file there, as the
 * shell of SQLite does for a SELECT. */
int unlink(const char *path)
{
	int result = unlinkat(AT_FDCWD, path, 0);

	if (stranger && strstr(path, "-wal")) {
		(void)close(open(stranger, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
		stranger = NULL;
	}
	return result;
}

static void test_new_beside_a_stranger(struct world *world)
{
	char path[128];

	(void)world_files(world, "", true);
	world_path(world, "wakegate.db", path, sizeof(path));
	stranger = path;
	ok(open_and_read(world, 0) == 0 && !stranger && moved_aside(world) == 0,
	   "an empty file that somebody else makes meanwhile is used");
}

struct contest {
	const struct world *world;
	int64_t generation;
};

static int try_claim(void *user, int n)
{
	const struct contest *contest = user;
	struct store *store = open_store(contest->world);
	struct err err = { .code = ERR_MAX_ };
	int64_t next = 0;
	int result;

	(void)n;
	if (!store)
		return 2;
	result = store_claim(store, NAME, contest->generation, WANT_RUN,
			     ADDRESS, NULL, &next, &err);
	if (result != 0 && err.code != ERR_BUSY)
		printf("# %s\n", err.text);
	store_close(store);
	if (result == 0)
		return next == contest->generation + 1 ? 0 : 3;
	return err.code == ERR_BUSY ? 1 : 4;
}

static void test_claims(const struct world *world)
{
	struct contest contest = { .world = world };
	struct outcome outcome;
	int fair = 0;

	for (int round = 0; round < 10; round++, contest.generation++) {
		outcome = run_processes(50, try_claim, &contest);
		fair += outcome.zero == 1 && outcome.one == 49;
	}
	ok(fair == 10, "of 50 processes one wins each generation (%d of 10)",
	   fair);
}

static void test_replaced(struct world *world)
{
	struct store *store;
	struct gateway_row row;
	struct err err = { .code = ERR_MAX_ };
	struct deadline soon;
	int64_t next = 0;
	char id[32];

	(void)world_files(world, "wakegate.db", true);
	store = open_store(world);
	(void)snprintf(id, sizeof(id), "%s", store_id(store));
	(void)store_claim(store, NAME, 0, WANT_RUN, ADDRESS, NULL, &next, &err);
	(void)store_read(store, NAME, &row, &err);
	{
		char path[128];

		world_path(world, "wakegate.db", path, sizeof(path));
		(void)unlink(path);
	}
	ok(store_claim(store, NAME, 1, WANT_RUN, ADDRESS, NULL, &next, &err) &&
		   err.code == ERR_STORE_MOVED,
	   "a claim on a deleted database is refused");
	ok(run_processes(5, open_and_read, world).zero == 5,
	   "others make a new one, beside the old -wal and -shm");
	soon = deadline_in(5000);
	while (store_read(store, NAME, &row, &err) == 0 &&
	       deadline_pause(soon, 10))
		;
	ok(err.code == ERR_STORE_MOVED && !deadline_passed(soon),
	   "a read says that the file was replaced");
	ok(store_reopen(store, &err) == 0 && generation_of(store) == 0 &&
		   strcmp(id, store_id(store)) == 0,
	   "opened anew it is the new one, and the id is the old");
	ok(store_rescue(store, &row, &err) == 0 && generation_of(store) == 1,
	   "a row can be carried over");
	store_close(store);
	ok(is_sound(world) && moved_aside(world) == 0, "and all is sound");
}

/* Says so when it has begun. */
static int write_for_ever(const struct world *world, int begun)
{
	struct store *store = open_store(world);
	struct event event = { .gateway = NAME, .kind = "not_ready" };
	struct err err;
	int64_t next = generation_of(store);

	for (;;) {
		(void)store_claim(store, NAME, next, WANT_RUN, ADDRESS, NULL,
				  &next, &err);
		(void)!write(begun, "x", 1);
		(void)store_event(store, &event, &err);
	}
	return 0;
}

static void test_killed(struct world *world)
{
	int sound = 0;
	int64_t last = 0;
	int64_t now = 0;

	for (int round = 0; round < 20; round++) {
		struct store *store;
		int begun[2];
		char byte;
		pid_t pid;

		if (pipe2(begun, O_CLOEXEC) != 0)
			abort();
		pid = fork();
		if (pid < 0)
			abort();
		if (pid == 0)
			_exit(write_for_ever(world, begun[1]));
		(void)close(begun[1]);
		(void)!read(begun[0], &byte, 1);
		(void)close(begun[0]);
		(void)deadline_pause(deadline_in(1000), 1 + round);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		store = open_store(world);
		now = store ? generation_of(store) : -1;
		store_close(store);
		sound += now >= last && is_sound(world);
		last = now;
	}
	ok(sound == 20 && last > 20,
	   "after SIGKILL in mid-write the database is sound (%d of 20, "
	   "generation %lld)",
	   sound, (long long)last);
}

/* Holds the write lock and sleeps, as a stopped process would. */
static int hold_lock(const struct world *world, int ready)
{
	sqlite3 *db = NULL;
	char path[128];

	world_path(world, "wakegate.db", path, sizeof(path));
	(void)sqlite3_open(path, &db);
	(void)sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	(void)!write(ready, "x", 1);
	for (;;)
		(void)pause();
	return 0;
}

struct claimer {
	struct store *store;
	int64_t generation;
	int result;
};

static void *claim_in_thread(void *user)
{
	struct claimer *claimer = user;
	struct err err;
	int64_t next = 0;

	claimer->result = store_claim(claimer->store, NAME, claimer->generation,
				      WANT_RUN, ADDRESS, NULL, &next, &err);
	return NULL;
}

/* The lock is held by another process meanwhile. */
static void test_reads_beside_a_write(struct store *store, int64_t generation)
{
	struct claimer claimer = { .store = store, .generation = generation };
	int64_t begin;
	int64_t slowest = 0;
	pthread_t thread;

	if (pthread_create(&thread, NULL, claim_in_thread, &claimer) != 0)
		abort();
	for (int i = 0; i < 100; i++) {
		begin = clock_mono_ms();
		if (generation_of(store) != generation)
			slowest = INT64_MAX;
		if (clock_mono_ms() - begin > slowest)
			slowest = clock_mono_ms() - begin;
		(void)deadline_pause(deadline_in(1000), 5);
	}
	(void)pthread_join(thread, NULL);
	ok(slowest < 1500 && claimer.result != 0,
	   "while one thread waits to write, others read (%lld ms at most)",
	   (long long)slowest);
}

static void test_locked(const struct world *world)
{
	struct store *store;
	struct err err = { .code = ERR_MAX_ };
	int64_t begin;
	int64_t took;
	int64_t next = 0;
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) != 0)
		abort();
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0)
		_exit(hold_lock(world, ready[1]));
	(void)!read(ready[0], &byte, 1);
	store = open_store(world);
	next = generation_of(store);
	ok(next > 0, "while a process holds the write lock, others read");
	begin = clock_mono_ms();
	ok(store_touch(store, NAME, next, 1, true, &err) != 0 &&
		   err.code == ERR_STORE && clock_mono_ms() - begin < 1000,
	   "a best effort is given up at once");
	test_reads_beside_a_write(store, next);
	begin = clock_mono_ms();
	ok(store_claim(store, NAME, next, WANT_RUN, ADDRESS, NULL, &next,
		       &err) != 0 &&
		   err.code == ERR_STORE,
	   "a claim is given up: %s", err.text);
	took = clock_mono_ms() - begin;
	ok(took >= 1900 && took < 4000, "after 2 s (%lld ms)", (long long)took);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	ok(store_claim(store, NAME, next, WANT_RUN, ADDRESS, NULL, &next,
		       &err) == 0,
	   "and won when the lock is free");
	store_close(store);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

int main(void)
{
	struct world world;

	world_make(&world);
	test_new_at_once(&world);
	test_new_beside_a_stranger(&world);
	test_claims(&world);
	test_killed(&world);
	test_locked(&world);
	test_replaced(&world);
	world_remove(&world);
	return done_testing();
}
