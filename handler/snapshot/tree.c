#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/marker.h"
#include "snapshot/tree.h"

#include "base/banned.h"

#define TREE_DEPTH_MAX 256 /* a folder is open for each */

struct walk {
	char *const *exclude;
	int (*each)(const struct tree_entry *, void *, struct err *);
	void *user;
	dev_t device;
	int depth;
	size_t len;
	char path[PATH_MAX];
};

bool tree_excluded(char *const *exclude, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (strcmp(path, MARKER_NAME) == 0)
		return true;
	for (; exclude && *exclude; exclude++)
		if (fnmatch(*exclude, strchr(*exclude, '/') ? path : name, 0) ==
		    0)
			return true;
	return false;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 &&
	       strcmp(entry->d_name, "..") != 0;
}

/* Another file system, or a folder mounted a second time. name: "" for fd itself. */
static bool is_mount_point(const struct walk *walk, int fd, const char *name,
			   const struct stat *status)
{
	int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	struct statx more;

	if (status->st_dev != walk->device)
		return true;
	return statx(fd, name, flags, STATX_TYPE, &more) == 0 &&
	       (more.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static bool has_vanished(int number)
{
	return number == ENOENT || number == ENOTDIR || number == ELOOP;
}

static int walk_folder(struct walk *walk, int fd, struct err *err);

static int walk_into(struct walk *walk, int parent_fd, const char *name,
		     const struct stat *status, struct err *err)
{
	CLEANUP_FD int fd = openat(parent_fd, name,
				   O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
					   O_NONBLOCK | O_CLOEXEC);
	int result;

	if (fd < 0 && has_vanished(errno))
		return 0;
	if (fd < 0)
		return err_errno(err, "cannot open '%s'", walk->path);
	if (is_mount_point(walk, fd, "", status)) /* since a moment ago */
		return 0;
	if (walk->depth == TREE_DEPTH_MAX)
		return err_set(err, ERR_LIMIT,
			       "more than %d folders in each other: '%.200s'",
			       TREE_DEPTH_MAX, walk->path);
	walk->depth++;
	result = walk_folder(walk, fd, err);
	walk->depth--;
	return result;
}

static int walk_entry(struct walk *walk, int parent_fd, const char *name,
		      struct err *err)
{
	struct stat status;
	struct tree_entry entry = { .path = walk->path,
				    .parent_fd = parent_fd,
				    .name = name,
				    .status = &status };
	int result;

	if (tree_excluded(walk->exclude, walk->path))
		return 0;
	if (fstatat(parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return has_vanished(errno)
			       ? 0
			       : err_errno(err, "cannot look at '%s'",
					   walk->path);
	entry.mounted = S_ISDIR(status.st_mode) &&
			is_mount_point(walk, parent_fd, name, &status);
	result = walk->each(&entry, walk->user, err);
	if (result == TREE_STAY_OUT || (result == 0 && entry.mounted))
		return 0;
	if (result != 0 || !S_ISDIR(status.st_mode))
		return result;
	return walk_into(walk, parent_fd, name, &status, err);
}

static int append(struct walk *walk, const char *name, struct err *err)
{
	size_t len = strlen(name);
	size_t slash = walk->len > 0;

	if (walk->len + slash + len >= sizeof(walk->path))
		return err_set(err, ERR_LIMIT,
			       "a path is longer than %d: '%.200s...'",
			       PATH_MAX, walk->path);
	if (slash)
		walk->path[walk->len] = '/';
	memcpy(walk->path + walk->len + slash, name, len + 1);
	walk->len += slash + len;
	return 0;
}

/* A large folder that is written to while it is read may tell a name twice. */
static int scan(int fd, struct dirent ***ret)
{
	int found = scandirat(fd, ".", ret, is_entry, by_name);
	struct dirent **entries = *ret;
	int count = found < 1 ? found : 1;

	for (int i = 1; i < found; i++)
		if (strcmp(entries[i]->d_name, entries[count - 1]->d_name) == 0)
			free(entries[i]);
		else
			entries[count++] = entries[i];
	return count;
}

static int walk_folder(struct walk *walk, int fd, struct err *err)
{
	struct dirent **entries = NULL;
	int count = scan(fd, &entries);
	size_t len = walk->len;
	int result = 0;

	if (count < 0)
		return has_vanished(errno)
			       ? 0
			       : err_errno(err, "cannot read '%s'", walk->path);
	for (int i = 0; i < count; i++) {
		if (result == 0)
			result = append(walk, entries[i]->d_name, err);
		if (result == 0)
			result = walk_entry(walk, fd, entries[i]->d_name, err);
		walk->len = len;
		walk->path[len] = '\0';
		free(entries[i]);
	}
	free(entries);
	return result;
}

int tree_walk(const char *directory, char *const *exclude,
	      int (*each)(const struct tree_entry *, void *, struct err *),
	      void *user, struct err *err)
{
	struct walk walk = { .exclude = exclude, .each = each, .user = user };
	CLEANUP_FD int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat status;
	struct tree_entry entry = {
		.path = "", .parent_fd = fd, .name = ".", .status = &status
	};
	int result;

	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_MISSING, "there is no folder '%s'",
			       directory);
	if (fd < 0 || fstat(fd, &status) != 0)
		return err_errno(err, "cannot open '%s'", directory);
	walk.device = status.st_dev;
	result = each(&entry, user, err);
	if (result == TREE_STAY_OUT)
		return err_set(err, ERR_MISSING, "'%s' has vanished",
			       directory);
	return result != 0 ? result : walk_folder(&walk, fd, err);
}
