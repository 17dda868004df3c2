/* snapshot_world.h - a state folder of the test's own, and a place beside it */
#ifndef WAKEGATE_SNAPSHOT_WORLD_H
#define WAKEGATE_SNAPSHOT_WORLD_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/marker.h"
#include "snapshot/archive.h"
#include "snapshot/tree.h"
#include "unit/tap.h"

struct world {
	char root[64];
	char state[80], work[80], out[80], archive[80];
	char notes[4096]; /* what was noted, a line each */
	struct report report;
};

__attribute__((unused)) static void world_path(char ret[256],
					       const char *folder,
					       const char *name)
{
	(void)snprintf(ret, 256, "%s/%s", folder, name);
}

__attribute__((unused)) static void world_note(void *user, const char *text)
{
	struct world *world = user;
	size_t len = strlen(world->notes);

	(void)snprintf(world->notes + len, sizeof(world->notes) - len, "%s\n",
		       text);
}

__attribute__((unused)) static void world_make(struct world *world)
{
	memset(world, 0, sizeof(*world));
	(void)snprintf(world->root, sizeof(world->root),
		       "/tmp/wakegate-test.XXXXXX");
	if (!mkdtemp(world->root))
		abort();
	(void)snprintf(world->state, sizeof(world->state), "%s/state",
		       world->root);
	(void)snprintf(world->work, sizeof(world->work), "%s/work",
		       world->root);
	(void)snprintf(world->out, sizeof(world->out), "%s/out", world->root);
	(void)snprintf(world->archive, sizeof(world->archive), "%s/archive",
		       world->root);
	if (mkdir(world->state, 0755) != 0 || mkdir(world->work, 0700) != 0 ||
	    mkdir(world->out, 0700) != 0)
		abort();
	world->report = (struct report){ .note = world_note, .user = world };
}

__attribute__((unused)) static int world_remove_one(const char *path,
						    const struct stat *status,
						    int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	return remove(path);
}

__attribute__((unused)) static void world_clear(const char *path)
{
	(void)nftw(path, world_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

__attribute__((unused)) static void world_remove(const struct world *world)
{
	world_clear(world->root);
}

/* An empty folder to unpack into. */
__attribute__((unused)) static void world_fresh_out(const struct world *world)
{
	world_clear(world->out);
	if (mkdir(world->out, 0700) != 0)
		abort();
}

__attribute__((unused)) static void world_write(const char *folder,
						const char *name,
						const char *text)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	(void)close(fd);
}

/* Is the file's content this text? */
__attribute__((unused)) static bool world_reads(const char *folder,
						const char *name,
						const char *text)
{
	char path[512];
	char found[4096];
	ssize_t len;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, found, sizeof(found));
	if (fd >= 0)
		(void)close(fd);
	return len == (ssize_t)strlen(text) &&
	       memcmp(found, text, (size_t)len) == 0;
}

/* How many entries a folder has. */
__attribute__((unused)) static int world_count(const char *folder)
{
	DIR *dir = opendir(folder);
	int count = -2; /* "." and ".." */

	while (dir && readdir(dir))
		count++;
	if (dir)
		(void)closedir(dir);
	return count;
}

__attribute__((unused)) static bool world_has(const char *folder,
					      const char *name)
{
	char path[512];
	struct stat status;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return lstat(path, &status) == 0;
}

__attribute__((unused)) static int world_create(struct world *world,
						char *const *exclude,
						struct archive_summary *ret,
						struct err *err)
{
	struct archive_source source = { .directory = world->state,
					 .exclude = exclude,
					 .work = world->work,
					 .deadline = deadline_in(60000) };

	(void)unlink(world->archive);
	return archive_create(&source, world->archive, &world->report, ret,
			      err);
}

__attribute__((unused)) static int world_extract(struct world *world,
						 const char *sha256,
						 struct err *err)
{
	struct archive_summary summary;

	world_fresh_out(world);
	return archive_extract(world->archive, sha256, world->out,
			       deadline_in(60000), &world->report, &summary,
			       err);
}

/* Runs SQL on a database, makes it when missing; false when it failed. */
__attribute__((unused)) static bool world_sql(const char *folder,
					      const char *name, const char *sql)
{
	char path[512];
	sqlite3 *database = NULL;
	bool done;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	done = sqlite3_open(path, &database) == SQLITE_OK &&
	       sqlite3_busy_timeout(database, 5000) == SQLITE_OK &&
	       sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK;
	(void)sqlite3_close(database);
	return done;
}

/* A number that a database gives; -1 when it gives none. */
__attribute__((unused)) static int world_number(const char *folder,
						const char *name,
						const char *sql)
{
	char path[512];
	sqlite3 *database = NULL;
	sqlite3_stmt *statement = NULL;
	int number = -1;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (sqlite3_open(path, &database) == SQLITE_OK &&
	    sqlite3_busy_timeout(database, 10000) == SQLITE_OK &&
	    sqlite3_prepare_v2(database, sql, -1, &statement, NULL) ==
		    SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int(statement, 0);
	(void)sqlite3_finalize(statement);
	(void)sqlite3_close(database);
	return number;
}

#endif
