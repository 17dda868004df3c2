#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "snapshot/files.h"
#include "snapshot/overlay.h"
#include "snapshot/overlay_private.h"

#include "base/banned.h"

#define NAMES_MAX 4096 /* folders of one kind in a place */

/* --- look ------------------------------------------------------------------- */

/* ERR_CORRUPT: what serves it is gone. Other errors are not the mount's. */
static int no_answer(const char *path, struct err *err)
{
	bool dead = errno == ENOTCONN || errno == ECONNABORTED ||
		    errno == EIO || errno == ESTALE;

	(void)err_errno(err, "cannot read '%s'", path);
	if (dead)
		err->code = ERR_CORRUPT;
	return -1;
}

/* In a child. Each of these asks a FUSE daemon; stat(2) alone may not. */
static int answers(const void *argument, struct err *err)
{
	const char *path = argument;
	DIR *folder = opendir(path);
	struct statfs space;
	struct stat status;

	if (!folder)
		return no_answer(path, err);
	errno = 0;
	(void)readdir(folder);
	if (errno == 0 && statfs(path, &space) == 0)
		/* a name that no cache knows */
		(void)fstatat(dirfd(folder), ".wakegate-look", &status,
			      AT_SYMLINK_NOFOLLOW);
	if (errno != 0 && errno != ENOENT)
		(void)no_answer(path, err);
	else
		path = NULL;
	(void)closedir(folder);
	return path ? -1 : 0;
}

static bool is_type(const struct mount_line *mount, const char *kernel,
		    const char *fuse)
{
	return strcmp(mount->type, kernel) == 0 ||
	       strcmp(mount->type, fuse) == 0 ||
	       strcmp(mount->type, "fuse") == 0;
}

/* The image, when it is the one mount at or below the place; *ret_count: how many
 * there are. */
static const struct mount_line *find_lower(const struct mounts *mounts,
					   const struct overlay_paths *paths,
					   size_t *ret_count)
{
	const struct mount_line *found = NULL;
	size_t len = strlen(paths->place);

	*ret_count = 0;
	for (size_t i = 0; i < mounts->count; i++) {
		const struct mount_line *mount = &mounts->lines[i];

		if (!overlay_is_within(mount->at, paths->place))
			continue;
		++*ret_count;
		if (strncmp(mount->at + len, "/lower-", 7) == 0 &&
		    is_type(mount, "squashfs", "fuse.squashfuse"))
			found = mount;
	}
	return *ret_count == 1 ? found : NULL;
}

/* Only what is surely dead is STALE: a healthy one would be lost with it. */
static int ask(const struct mount_line *merged, const struct mount_line *lower,
	       enum overlay_health *ret, struct err *err)
{
	struct deadline deadline = deadline_in(OVERLAY_LOOK_MS);
	bool by_fuse = strncmp(merged->type, "fuse", 4) == 0 ||
		       strncmp(lower->type, "fuse", 4) == 0;
	struct err why;

	*ret = OVERLAY_MOUNTED;
	if (child_run(answers, merged->at, deadline, &why) == 0 &&
	    child_run(answers, lower->at, deadline, &why) == 0)
		return 0;
	*ret = OVERLAY_STALE;
	if (why.code == ERR_CORRUPT || (why.code == ERR_TIMEOUT && by_fuse))
		return 0;
	*err = why;
	return err_context(err, "cannot tell whether '%.128s' answers",
			   merged->at);
}

int overlay_look(const char *directory, const char *place,
		 enum overlay_health *ret, struct err *err)
{
	CLEANUP_MOUNTS struct mounts mounts = { 0 };
	const struct mount_line *lower;
	const struct mount_line *merged;
	struct overlay_paths paths;
	size_t lowers;
	size_t count;

	if (overlay_paths(&paths, directory, place, err) ||
	    mounts_read(&mounts, err))
		return -1;
	lower = find_lower(&mounts, &paths, &lowers);
	count = mounts_at(&mounts, paths.directory, &merged);
	*ret = OVERLAY_STALE;
	if (count == 0 && lowers == 0)
		*ret = OVERLAY_NONE;
	if (count != 1 || !merged || !lower ||
	    !is_type(merged, "overlay", "fuse.fuse-overlayfs"))
		return 0;
	return ask(merged, lower, ret, err);
}

/* --- clear ------------------------------------------------------------------ */

/* The names in the place that begin with the kind and '-', without order. */
static int list(const char *place, const char *kind, char ***ret,
		size_t *ret_count, struct err *err)
{
	DIR *folder = opendir(place);
	const struct dirent *entry;
	size_t len = strlen(kind);
	size_t count = 0;
	char **names;

	if (!folder && errno != ENOENT)
		return err_errno(err, "cannot open '%s'", place);
	names = calloc(NAMES_MAX, sizeof(*names));
	while (folder && names && count < NAMES_MAX &&
	       (entry = readdir(folder)) != NULL)
		if (strncmp(entry->d_name, kind, len) == 0 &&
		    entry->d_name[len] == '-' &&
		    (names[count] = strdup(entry->d_name)) != NULL)
			count++;
	if (folder)
		(void)closedir(folder);
	if (!names)
		return err_set(err, ERR_LIMIT, "out of memory");
	*ret = names;
	*ret_count = count;
	return 0;
}

static void list_free(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

int overlay_clear(const char *directory, const char *place,
		  struct deadline deadline, struct err *err)
{
	struct overlay_paths paths;
	char **names;
	size_t count;

	if (overlay_paths(&paths, directory, place, err) ||
	    overlay_unmount(&paths, deadline, err) ||
	    list(paths.place, "lower", &names, &count, err))
		return -1;
	for (size_t i = 0; i < count; i++) {
		char path[2 * PATH_MAX];

		(void)snprintf(path, sizeof(path), "%s/%s", paths.place,
			       names[i]);
		(void)rmdir(path); /* of ours it is empty */
	}
	list_free(names, count);
	return 0;
}

/* --- sweep ------------------------------------------------------------------ */

static int discard_but(const struct overlay_paths *paths, const char *kind,
		       const char *mounted, bool keep_newest, struct err *err)
{
	const char *newest = NULL;
	int result = 0;
	char keep[64];
	char **names;
	size_t count;

	if (list(paths->place, kind, &names, &count, err))
		return -1;
	(void)snprintf(keep, sizeof(keep), "%s-%s", kind, mounted);
	for (size_t i = 0; i < count && keep_newest; i++)
		if (strcmp(names[i], keep) != 0 &&
		    (!newest || strverscmp(names[i], newest) > 0))
			newest = names[i];
	for (size_t i = 0; i < count && result == 0; i++) {
		char path[2 * PATH_MAX];

		if (strcmp(names[i], keep) == 0 || names[i] == newest)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", paths->place,
			       names[i]);
		result = files_remove_tree(path, err);
	}
	list_free(names, count);
	return result;
}

int overlay_sweep(const char *directory, const char *place, struct err *err)
{
	CLEANUP_MOUNTS struct mounts mounts = { 0 };
	const struct mount_line *lower;
	struct overlay_paths paths;
	const char *mounted = "";
	size_t count;

	if (overlay_paths(&paths, directory, place, err) ||
	    mounts_read(&mounts, err))
		return -1;
	lower = find_lower(&mounts, &paths, &count);
	if (count > 0 && !lower)
		return err_set(err, ERR_BUSY, "'%s': stale mounts",
			       paths.place);
	if (lower)
		mounted = lower->at + strlen(paths.place) + strlen("/lower-");
	if (discard_but(&paths, "work", mounted, false, err))
		return -1;
	return discard_but(&paths, "upper", mounted, true, err);
}
