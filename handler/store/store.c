#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/store_private.h"

#include "base/banned.h"

#define DATABASE_NAME "wakegate.db"
#define ID_NAME	      "wakegate.id"

#define REOPEN_PAUSE_MS 1000

/* The daily way: everything is there, and others may open it too. */
static enum look open_shared(struct store *store, struct err *err)
{
	CLEANUP_FD int guard = -1;
	bool valid = false;
	enum look look;

	if (guard_lock(&guard, store, false, &valid, err))
		return LOOK_FAILED;
	if (!valid)
		return LOOK_NEW;
	look = connection_open(store, false, err);
	if (look != LOOK_GOOD)
		connection_close(store);
	return look;
}

static int make_new(struct store *store, struct err *err)
{
	enum look look = LOOK_NEW;

	if (!store->db) {
		if (guard_make_file(store, err))
			return -1;
		look = connection_open(store, false, err);
	}
	if (look == LOOK_DAMAGED || look == LOOK_FAILED)
		return -1;
	return connection_migrate(store, err);
}

/* The exclusive lock is held. */
static int make_or_mend(struct store *store, bool deep, struct err *err)
{
	enum look look = connection_open(store, deep, err);
	struct err why;

	if (look == LOOK_GOOD)
		return 0;
	if (look == LOOK_FAILED)
		return -1;
	if (look == LOOK_NEW) {
		if (make_new(store, err) == 0)
			return 0;
		if (err->code != ERR_CORRUPT)
			return -1;
	}
	why = *err;
	connection_close(store);
	if (guard_move_aside(store, why.text, err))
		return -1;
	return make_new(store, err);
}

/* Alone, and looking again: somebody may have been first. */
static int open_exclusive(struct store *store, bool deep, struct err *err)
{
	CLEANUP_FD int guard = -1;
	bool valid = false;
	int result;

	if (guard_lock(&guard, store, true, &valid, err))
		return -1;
	result = make_or_mend(store, deep, err);
	if (result != 0)
		connection_close(store);
	return result;
}

static int open_again(struct store *store, struct err *err)
{
	bool deep = store->damaged;
	enum look look = LOOK_DAMAGED;
	struct err why;

	connection_close(store);
	if (guard_check_folder(store, err))
		return -1;
	if (!deep)
		look = open_shared(store, &why);
	if (look != LOOK_GOOD && look != LOOK_FAILED)
		look = open_exclusive(store, deep, &why) ? LOOK_FAILED
							 : LOOK_GOOD;
	if (look != LOOK_GOOD) {
		*err = why;
		return -1;
	}
	store->damaged = false;
	return 0;
}

static char *join(const char *folder, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

int store_open(struct store **ret, const char *state_dir, struct err *err)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return err_errno(err, "cannot open the store");
	(void)pthread_mutex_init(&store->mutex, NULL); /* can't fail on Linux */
	store->state_dir = strdup(state_dir);
	store->path = join(state_dir, DATABASE_NAME);
	store->id_path = join(state_dir, ID_NAME);
	if (!store->state_dir || !store->path || !store->id_path) {
		store_close(store);
		return err_set(err, ERR_SYSTEM, "out of memory");
	}
	if (open_again(store, err)) {
		store_close(store);
		return -1;
	}
	*ret = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	connection_close(store);
	(void)pthread_mutex_destroy(&store->mutex); /* nobody holds it */
	free(store->state_dir);
	free(store->path);
	free(store->id_path);
	free(store);
}

int store_reopen(struct store *store, struct err *err)
{
	int result = -1;

	(void)pthread_mutex_lock(&store->mutex);
	if (store->db || deadline_passed(store->retry)) {
		result = open_again(store, &store->why);
		store->retry = deadline_in(REOPEN_PAUSE_MS);
	}
	*err = store->why;
	store_unlock(store);
	return result;
}

const char *store_id(const struct store *store)
{
	return store->id;
}

int store_lock(struct store *store, struct err *err)
{
	(void)pthread_mutex_lock(&store->mutex); /* plain: never refused */
	if (store->db)
		return 0;
	store_unlock(store);
	return err_set(err, ERR_STORE_MOVED, "'%s' is not open", store->path);
}

bool store_is_free(struct store *store)
{
	if (pthread_mutex_trylock(&store->mutex) != 0)
		return false;
	store_unlock(store);
	return true;
}

void store_unlock(struct store *store)
{
	(void)pthread_mutex_unlock(&store->mutex);
}

/* One try, the mutex held: 0, -1, or 1 when another process writes. */
static int try_begin(struct store *store, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	int result;

	if (statement_get(&statement, store, QUERY_BEGIN, err))
		return -1;
	store->busy_ms = 0;
	result = sqlite3_step(statement);
	store->busy_ms = STORE_BUSY_MS;
	if (result != SQLITE_DONE)
		(void)store_failed(store, result, "write", err);
	statement_done(statement);
	if ((result & 0xff) == SQLITE_BUSY)
		return 1;
	return result == SQLITE_DONE ? 0 : -1;
}

static void roll_back(struct store *store)
{
	struct err ignored;

	/* SQLite may have done it by itself */
	if (!sqlite3_get_autocommit(store->db))
		(void)statement_run_plain(store, QUERY_ROLLBACK, &ignored);
}

int transaction_begin(struct store *store, int busy_ms, struct err *err)
{
	struct deadline deadline = deadline_in(busy_ms);
	struct err why;
	int result;

	do {
		if (store_lock(store, err))
			return -1;
		result = try_begin(store, &why);
		if (result == 0 && connection_check_moved(store, &why)) {
			roll_back(store);
			result = -1;
		}
		if (result == 0)
			return 0;
		store_unlock(store);
	} while (result > 0 && jitter_pause(deadline));
	*err = why;
	return -1;
}

int transaction_end(struct store *store, int result, struct err *err)
{
	if (result == 0)
		result = statement_run_plain(store, QUERY_COMMIT, err);
	if (result != 0)
		roll_back(store);
	store_unlock(store);
	return result;
}
