#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot/overlay_private.h"

#include "base/banned.h"

#define SYMLINKS_MAX 16

/* What is not there can't be a mount point: then its name is as it was given. */
static int resolve_parent(char ret[PATH_MAX], const char *parent,
			  struct err *err)
{
	size_t len = strlen(parent);

	if (realpath(len > 0 ? parent : ".", ret))
		return 0;
	if (errno != ENOENT || parent[0] != '/')
		return err_errno(err, "cannot resolve '%s'", parent);
	memcpy(ret, parent, len + 1);
	while (len > 1 && ret[len - 1] == '/')
		ret[--len] = '\0';
	return 0;
}

/* The folder that it is in, without symlinks, and its name in there. */
static int split(char ret[PATH_MAX], const char *path, struct err *err)
{
	char parent[PATH_MAX];
	char real[PATH_MAX];
	size_t len = strlen(path);
	const char *name;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len >= sizeof(parent))
		return err_set(err, ERR_LIMIT, "'%.64s...' is too long", path);
	name = memrchr(path, '/', len);
	name = name ? name + 1 : path;
	len -= (size_t)(name - path);
	if (len == 0 || strncmp(name, "..", len) == 0)
		return err_set(err, ERR_INVALID, "'%s' names no folder", path);
	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(name - path),
		       path);
	if (resolve_parent(real, parent, err))
		return -1;
	if (snprintf(ret, PATH_MAX, "%s%s%.*s", real, real[1] ? "/" : "",
		     (int)len, name) >= PATH_MAX)
		return err_set(err, ERR_LIMIT, "'%.64s...' is too long", path);
	return 0;
}

/* Follows a symlink's text from where the link lies. */
static int follow(char path[PATH_MAX], struct err *err)
{
	char target[PATH_MAX];
	char next[2 * PATH_MAX];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	if (len < 0)
		return err_errno(err, "cannot read the link '%s'", path);
	target[len] = '\0';
	if (target[0] == '/')
		return split(path, target, err);
	(void)snprintf(next, sizeof(next), "%.*s%s",
		       (int)(strrchr(path, '/') + 1 - path), path, target);
	return split(path, next, err);
}

/* The last component is looked at only when mountinfo shows nothing there. */
static int resolve(char ret[PATH_MAX], const char *path,
		   const struct mounts *mounts, struct err *err)
{
	const struct mount_line *top;
	struct stat status;

	if (split(ret, path, err))
		return -1;
	for (int i = 0; i < SYMLINKS_MAX; i++) {
		if (mounts_at(mounts, ret, &top) > 0 ||
		    lstat(ret, &status) != 0 || !S_ISLNK(status.st_mode))
			return 0;
		if (follow(ret, err))
			return -1;
	}
	return err_set(err, ERR_INVALID, "'%s': too many symlinks", path);
}

int overlay_paths(struct overlay_paths *ret, const char *directory,
		  const char *place, struct err *err)
{
	CLEANUP_MOUNTS struct mounts mounts = { 0 };

	if (mounts_read(&mounts, err) ||
	    resolve(ret->directory, directory, &mounts, err) ||
	    resolve(ret->place, place, &mounts, err))
		return -1;
	if (overlay_is_within(ret->place, ret->directory))
		return err_set(err, ERR_INVALID,
			       "'%s' lies in '%s', which would hide it",
			       ret->place, ret->directory);
	return 0;
}

bool overlay_is_within(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 &&
	       (path[len] == '\0' || path[len] == '/');
}

bool overlay_is_ours(const struct overlay_paths *paths, const char *at)
{
	return strcmp(at, paths->directory) == 0 ||
	       overlay_is_within(at, paths->place);
}
