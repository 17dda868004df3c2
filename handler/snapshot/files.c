#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/files.h"

#include "base/banned.h"

int files_make_folder(const char *path, struct err *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return err_set(err, ERR_LIMIT, "'%s' is too long", path);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return err_errno(err, "cannot make '%s'", part);
	}
	return 0;
}

int files_sync_parent(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	int fd;
	int result;

	(void)snprintf(folder, sizeof(folder), "%.*s/", (int)(slash - path),
		       path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	result = fd < 0 ? -1 : fsync(fd);
	if (result)
		(void)err_errno(err, "cannot sync '%s'", folder);
	if (fd >= 0)
		(void)close(fd);
	return result;
}

static int write_whole(const char *path, const char *text, struct err *err)
{
	CLEANUP_FD int fd = open(
		path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		0600);
	size_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fsync(fd) != 0)
		return err_errno(err, "cannot write '%s'", path);
	return 0;
}

int files_write(const char *path, const char *text, struct err *err)
{
	char fresh[PATH_MAX];

	(void)snprintf(fresh, sizeof(fresh), "%s.new", path);
	if (write_whole(fresh, text, err)) {
		(void)unlink(fresh);
		return -1;
	}
	if (rename(fresh, path) != 0) {
		(void)err_errno(err, "cannot rename '%s'", fresh);
		(void)unlink(fresh);
		return -1;
	}
	return files_sync_parent(path, err);
}

int files_read(const char *path, size_t max, char **ret, size_t *ret_len,
	       struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	CLEANUP_FREE char *text = NULL;
	ssize_t len;

	if (fd < 0) {
		(void)err_errno(err, "cannot open '%s'", path);
		if (errno == ENOENT)
			err->code = ERR_MISSING;
		return -1;
	}
	text = malloc(max + 1);
	if (!text)
		return err_set(err, ERR_SYSTEM, "out of memory");
	len = read(fd, text, max + 1);
	if (len < 0)
		return err_errno(err, "cannot read '%s'", path);
	if ((size_t)len > max)
		return err_set(err, ERR_LIMIT, "'%s' is too large", path);
	text[len] = '\0';
	*ret = STEAL_PTR(text);
	*ret_len = (size_t)len;
	return 0;
}

int files_rename(const char *from, const char *to, struct err *err)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) != 0)
		return err_errno(err, "cannot rename '%s' to '%s'", from, to);
	return files_sync_parent(to, err);
}

static int remove_entry(const FTSENT *entry)
{
	switch (entry->fts_info) {
	case FTS_D: /* a folder that we can't write to can't be emptied */
		if ((entry->fts_statp->st_mode & S_IRWXU) != S_IRWXU)
			(void)chmod(entry->fts_accpath, S_IRWXU);
		return 0;
	case FTS_DP:
		return rmdir(entry->fts_accpath);
	default:
		return unlink(entry->fts_accpath);
	}
}

/* Also a folder of the same file system that is mounted a second time. */
static bool is_mount_root(const FTSENT *entry)
{
	struct statx more;

	return statx(AT_FDCWD, entry->fts_accpath,
		     AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE,
		     &more) == 0 &&
	       (more.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

int files_remove_tree(const char *path, struct err *err)
{
	char *const roots[] = { (char *)(uintptr_t)path, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_XDEV, NULL);
	FTSENT *entry;
	int failed = 0;

	if (!tree)
		return err_errno(err, "cannot remove '%s'", path);
	while ((entry = fts_read(tree))) {
		if (entry->fts_info == FTS_NS && entry->fts_errno == ENOENT)
			continue;
		if (entry->fts_info == FTS_D && is_mount_root(entry))
			(void)fts_set(tree, entry, FTS_SKIP);
		else if (remove_entry(entry) != 0 && errno != ENOENT &&
			 failed == 0)
			failed = errno;
	}
	(void)fts_close(tree);
	errno = failed;
	return failed ? err_errno(err, "cannot remove all of '%s'", path) : 0;
}
