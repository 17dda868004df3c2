/* store_world.h - a state_dir of the test's own, and processes in it */
#ifndef WAKEGATE_STORE_WORLD_H
#define WAKEGATE_STORE_WORLD_H

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"
#include "unit/tap.h"

#define PROCESSES_MAX 64
#define NAME	      "openclaw"
#define ADDRESS	      "127.0.0.1:18789"

struct world {
	char root[64];
	char dir[80]; /* state_dir, not made yet */
};

__attribute__((unused)) static void world_make(struct world *world)
{
	(void)snprintf(world->root, sizeof(world->root),
		       "/tmp/wakegate-test.XXXXXX");
	if (!mkdtemp(world->root))
		abort();
	(void)snprintf(world->dir, sizeof(world->dir), "%s/state", world->root);
}

/* Calls each() for the files of state_dir whose names begin with prefix. */
__attribute__((unused)) static int world_files(const struct world *world,
					       const char *prefix, bool remove)
{
	DIR *dir = opendir(world->dir);
	const struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 ||
		    entry->d_name[0] == '.')
			continue;
		count++;
		if (remove)
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir)
		(void)closedir(dir);
	return count;
}

__attribute__((unused)) static void world_remove(const struct world *world)
{
	(void)world_files(world, "", true);
	(void)rmdir(world->dir);
	(void)rmdir(world->root);
}

__attribute__((unused)) static void world_path(const struct world *world,
					       const char *name, char *ret,
					       size_t size)
{
	(void)snprintf(ret, size, "%s/%s", world->dir, name);
}

/* Runs work(user, n) in count processes that begin together; gives how many
 * ended with each exit status: 0, 1, other. */
struct outcome {
	int zero, one, other;
};

__attribute__((unused)) static struct outcome run_processes(
	int count, int (*work)(void *, int), void *user)
{
	struct outcome outcome = { 0, 0, 0 };
	pid_t pids[PROCESSES_MAX];
	int gate[2];
	int status;
	char byte;

	if (pipe2(gate, O_CLOEXEC) != 0)
		abort();
	for (int i = 0; i < count; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		(void)close(gate[1]);
		(void)!read(gate[0], &byte, 1); /* ends when the gate closes */
		_exit(work(user, i));
	}
	(void)close(gate[1]);
	(void)close(gate[0]);
	for (int i = 0; i < count; i++) {
		if (waitpid(pids[i], &status, 0) != pids[i] ||
		    !WIFEXITED(status) || WEXITSTATUS(status) > 1)
			outcome.other++;
		else if (WEXITSTATUS(status) == 1)
			outcome.one++;
		else
			outcome.zero++;
	}
	return outcome;
}

__attribute__((unused)) static struct store *open_store(
	const struct world *world)
{
	struct store *store = NULL;
	struct err err = { .code = ERR_MAX_ };

	if (store_open(&store, world->dir, &err)) {
		printf("# %s\n", err.text);
		fflush(stdout);
	}
	return store;
}

__attribute__((unused)) static int64_t generation_of(struct store *store)
{
	struct gateway_row row;
	struct err err;

	if (store_read(store, NAME, &row, &err) == 0)
		return row.generation;
	printf("# %s\n", err.text);
	fflush(stdout);
	return -1;
}

__attribute__((unused)) static int open_and_read(void *user, int n)
{
	struct store *store = open_store(user);
	int result = !store || generation_of(store) < 0;

	(void)n;
	store_close(store);
	return result;
}

/* How many databases were moved aside, without their -wal and -shm. */
__attribute__((unused)) static int moved_aside(const struct world *world)
{
	DIR *dir = opendir(world->dir);
	const struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir)) != NULL)
		count += strstr(entry->d_name, ".corrupt-") &&
			 !strstr(entry->d_name, "-wal") &&
			 !strstr(entry->d_name, "-shm");
	if (dir)
		(void)closedir(dir);
	return count;
}

__attribute__((unused)) static bool is_sound(const struct world *world)
{
	sqlite3_stmt *check = NULL;
	sqlite3 *db = NULL;
	char path[128];
	bool sound;

	world_path(world, "wakegate.db", path, sizeof(path));
	sound = sqlite3_open(path, &db) == SQLITE_OK &&
		sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &check,
				   NULL) == SQLITE_OK &&
		sqlite3_step(check) == SQLITE_ROW &&
		strcmp((const char *)sqlite3_column_text(check, 0), "ok") == 0;
	(void)sqlite3_finalize(check);
	(void)sqlite3_close(db);
	return sound;
}

#endif
