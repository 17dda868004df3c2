#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/deadline.h"
#include "base/when.h"
#include "gateway/marker.h"
#include "snapshot/files.h"
#include "snapshot/mountinfo.h"
#include "snapshot/swap.h"

#include "base/banned.h"

#define TRIES	    10
#define PLACE_INFIX ".wakegate-"
#define KEPT_INFIX  ".kept-"
#define UNPACKING   "unpacking"
#define PATH_ROOM   64 /* for the names that we append */

static bool is_there(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

/* "/a/b" of "/a/b/c" */
static void parent_of(char *ret, const char *path)
{
	size_t len = (size_t)(strrchr(path, '/') - path);

	memcpy(ret, path, len);
	ret[len] = '\0';
	if (len == 0)
		memcpy(ret, "/", 2);
}

/* Where the folder is, when its path ends in a symlink: that one is to stay. */
static int resolve(char ret[PATH_MAX], const char *directory, struct err *err)
{
	if (strlen(directory) > PATH_MAX - 2 * PATH_ROOM)
		return err_set(err, ERR_LIMIT, "'%s' is too long", directory);
	if (!is_there(directory)) {
		memcpy(ret, directory, strlen(directory) + 1);
		return 0;
	}
	if (!realpath(directory, ret))
		return err_errno(err, "cannot find '%s'", directory);
	if (strlen(ret) > PATH_MAX - 2 * PATH_ROOM)
		return err_set(err, ERR_LIMIT, "'%s' is too long", ret);
	return 0;
}

int swap_check_mount(const char *directory, struct err *err)
{
	char path[PATH_MAX], parent[PATH_MAX];
	struct stat inner, outer;

	if (resolve(path, directory, err))
		return -1;
	parent_of(parent, path);
	if (stat(path, &inner) != 0)
		return errno == ENOENT
			       ? 0
			       : err_errno(err, "cannot look at '%s'", path);
	if (stat(parent, &outer) != 0)
		return err_errno(err, "cannot look at '%s'", parent);
	if (inner.st_dev == outer.st_dev)
		return 0;
	return err_set(err, ERR_INVALID,
		       "'%s' is a mount point, which can't be exchanged: name "
		       "a folder in it",
		       path);
}

/* They would move with the old state, to where it is removed. */
static int check_within(const char *path, struct err *err)
{
	CLEANUP_MOUNTS struct mounts mounts = { 0 };
	size_t len = strlen(path);

	if (mounts_read(&mounts, err))
		return -1;
	for (size_t i = 0; i < mounts.count; i++) {
		const char *at = mounts.lines[i].at;

		if (strncmp(at, path, len) == 0 && at[len] == '/')
			return err_set(err, ERR_INVALID,
				       "'%.200s' is a mount point in '%.200s', "
				       "which can't be exchanged: unmount it",
				       at, path);
	}
	return 0;
}

static int make_place(struct swap *swap, struct err *err)
{
	char when[WHEN_BYTES];

	for (int i = 0; i < TRIES; i++) {
		(void)snprintf(swap->place, sizeof(swap->place),
			       "%.*s" PLACE_INFIX "%s", PATH_MAX - PATH_ROOM,
			       swap->directory,
			       when_utc(when, clock_wall_ms() + i));
		if (mkdir(swap->place, 0700) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return err_errno(err, "cannot make '%s'", swap->place);
}

static int make_inner(struct swap *swap, struct err *err)
{
	char unpacking[PATH_MAX];
	int fd;

	(void)snprintf(unpacking, sizeof(unpacking), "%.*s/" UNPACKING,
		       PATH_MAX - PATH_ROOM, swap->place);
	(void)snprintf(swap->state, sizeof(swap->state), "%.*s/state",
		       PATH_MAX - PATH_ROOM, swap->place);
	fd = open(unpacking, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "cannot make '%s'", unpacking);
	(void)close(fd);
	if (mkdir(swap->state, 0700) != 0)
		return err_errno(err, "cannot make '%s'", swap->state);
	return 0;
}

int swap_begin(struct swap *ret, const char *directory, bool covered,
	       struct err *err)
{
	struct swap swap = { .place = "" };
	char parent[PATH_MAX];

	if (resolve(swap.directory, directory, err))
		return -1;
	parent_of(parent, swap.directory);
	if (files_make_folder(parent, err) ||
	    (!covered && swap_check_mount(swap.directory, err)) ||
	    check_within(swap.directory, err) || make_place(&swap, err))
		return -1;
	if (make_inner(&swap, err)) {
		swap_abandon(&swap);
		return -1;
	}
	*ret = swap;
	return 0;
}

static int exchange(const struct swap *swap, struct err *err)
{
	unsigned int flags =
		is_there(swap->directory) ? RENAME_EXCHANGE : RENAME_NOREPLACE;

	if (renameat2(AT_FDCWD, swap->state, AT_FDCWD, swap->directory,
		      flags) != 0)
		return err_errno(err, "cannot put '%s' in its place",
				 swap->directory);
	return 0;
}

int swap_commit(struct swap *swap, struct err *err)
{
	char unpacking[PATH_MAX];

	(void)snprintf(unpacking, sizeof(unpacking), "%.*s/" UNPACKING,
		       PATH_MAX - PATH_ROOM, swap->place);
	if (unlink(unpacking) != 0)
		return err_errno(err, "cannot remove '%s'", unpacking);
	if (files_sync_parent(unpacking, err) || exchange(swap, err) ||
	    files_sync_parent(swap->directory, err))
		return -1;
	return files_sync_parent(swap->state, err);
}

void swap_abandon(struct swap *swap)
{
	struct err err;

	(void)files_remove_tree(swap->place,
				&err); /* swap_clean() tries again */
}

static bool is_unpacking(const char *place)
{
	char path[PATH_MAX + PATH_ROOM];

	(void)snprintf(path, sizeof(path), "%s/" UNPACKING, place);
	return is_there(path);
}

/* May what lies there be thrown away? */
static bool is_spare(const char *place)
{
	char path[PATH_MAX + PATH_ROOM];

	if (is_unpacking(place))
		return true;
	(void)snprintf(path, sizeof(path), "%s/state/" MARKER_NAME, place);
	if (is_there(path))
		return true;
	/* gone, or empty: then it can go */
	(void)snprintf(path, sizeof(path), "%s/state", place);
	return rmdir(path) == 0 || errno == ENOENT;
}

static int clean_place(const char *directory, const char *place,
		       const struct report *report, struct err *err)
{
	char state[PATH_MAX + PATH_ROOM];
	char kept[PATH_MAX + PATH_ROOM];
	char when[WHEN_BYTES];

	if (is_spare(place))
		return files_remove_tree(place, err);
	(void)snprintf(state, sizeof(state), "%s/state", place);
	(void)snprintf(kept, sizeof(kept), "%s" KEPT_INFIX "%s", directory,
		       when_utc(when, clock_wall_ms()));
	if (files_rename(state, kept, err))
		return -1;
	report_note(report,
		    "what was in '%s' before the restore bears no marker of "
		    "ours: it is kept as '%s'",
		    directory, kept);
	return files_remove_tree(place, err);
}

/* A pattern that means this text only. */
static void escape(char *ret, const char *text)
{
	for (; *text; text++) {
		if (strchr("*?[]\\", *text))
			*ret++ = '\\';
		*ret++ = *text;
	}
	*ret = '\0';
}

static int sweep_place(const char *directory, const char *place,
		       const struct report *report, struct err *err)
{
	(void)directory;
	(void)report;
	return is_unpacking(place) ? files_remove_tree(place, err) : 0;
}

static int each_place(const char *directory, const struct report *report,
		      int (*each)(const char *directory, const char *place,
				  const struct report *report, struct err *err),
		      struct err *err)
{
	char pattern[2 * PATH_MAX + PATH_ROOM];
	char path[PATH_MAX];
	glob_t found;
	int result = 0;

	if (resolve(path, directory, err))
		return -1;
	escape(pattern, path);
	memcpy(pattern + strlen(pattern), PLACE_INFIX "[0-9]*",
	       sizeof(PLACE_INFIX "[0-9]*"));
	if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc && result == 0; i++)
		result = each(path, found.gl_pathv[i], report, err);
	globfree(&found);
	return result;
}

int swap_sweep(const char *directory, struct err *err)
{
	return each_place(directory, NULL, sweep_place, err);
}

int swap_clean(const char *directory, const struct report *report,
	       struct err *err)
{
	return each_place(directory, report, clean_place, err);
}
