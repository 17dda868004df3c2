#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/archive_private.h"

#include "base/banned.h"

/* No set-user-ID, no set-group-ID. */
#define MODE_MASK 01777

static bool may_not(int number)
{
	return number == EPERM || number == EINVAL || number == EOPNOTSUPP;
}

/* Whoever is not root keeps what he unpacks. */
static int set_owner(struct unpacker *unpacker, int fd, const char *name,
		     const char *path, struct archive_entry *entry,
		     struct err *err)
{
	uid_t uid = (uid_t)archive_entry_uid(entry);
	gid_t gid = (gid_t)archive_entry_gid(entry);
	int flags = name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;

	if (uid == geteuid() && gid == getegid())
		return 0;
	if (fchownat(fd, name ? name : "", uid, gid, flags) == 0)
		return 0;
	if (!may_not(errno))
		return err_errno(err, "cannot set the owner of '%s'", path);
	if (!unpacker->lost_owner)
		report_note(unpacker->report,
			    "owners are not all kept: '%s' was %ld:%ld", path,
			    (long)uid, (long)gid);
	unpacker->lost_owner = true;
	/* the group alone, if we are in it */
	(void)!fchownat(fd, name ? name : "", (uid_t)-1, gid, flags);
	return 0;
}

static int set_xattrs(struct unpacker *unpacker, int fd, const char *path,
		      struct archive_entry *entry, struct err *err)
{
	const char *name;
	const void *value;
	size_t len;

	if (archive_entry_xattr_reset(entry) == 0)
		return 0;
	while (archive_entry_xattr_next(entry, &name, &value, &len) ==
	       ARCHIVE_OK) {
		if (!name || !member_keeps_xattr(name) ||
		    fsetxattr(fd, name, value, len, 0) == 0)
			continue;
		if (!may_not(errno))
			return err_errno(err, "cannot set '%s' of '%s'", name,
					 path);
		report_note(unpacker->report, "lost '%s' of '%s': %s", name,
			    path, strerror(errno));
	}
	return 0;
}

static void get_times(struct archive_entry *entry, struct timespec times[2])
{
	times[0].tv_nsec = UTIME_NOW;
	times[1].tv_sec = archive_entry_mtime(entry);
	times[1].tv_nsec = archive_entry_mtime_nsec(entry);
}

int attributes_set(struct unpacker *unpacker, int fd, const char *path,
		   struct archive_entry *entry, struct err *err)
{
	struct timespec times[2] = { { .tv_sec = 0 } };

	if (set_owner(unpacker, fd, NULL, path, entry, err))
		return -1;
	/* an ACL makes the mode again that it was packed with */
	if (fchmod(fd, archive_entry_perm(entry) & MODE_MASK) != 0)
		return err_errno(err, "cannot set the mode of '%s'", path);
	if (set_xattrs(unpacker, fd, path, entry, err))
		return -1;
	get_times(entry, times);
	if (futimens(fd, times) != 0)
		return err_errno(err, "cannot set the times of '%s'", path);
	return 0;
}

int attributes_set_link(struct unpacker *unpacker, int folder_fd,
			const char *name, const char *path,
			struct archive_entry *entry, struct err *err)
{
	struct timespec times[2] = { { .tv_sec = 0 } };

	if (set_owner(unpacker, folder_fd, name, path, entry, err))
		return -1;
	get_times(entry, times);
	if (utimensat(folder_fd, name, times, AT_SYMLINK_NOFOLLOW) != 0)
		return err_errno(err, "cannot set the times of '%s'", path);
	return 0;
}

static int set_folder(struct unpacker *unpacker,
		      const struct unpack_folder *folder, struct err *err)
{
	CLEANUP_FD int place = unpack_open_folder(unpacker, folder->path, err);
	CLEANUP_FD int fd = -1;

	if (place < 0)
		return -1;
	fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot open '%s'", folder->path);
	return attributes_set(unpacker, fd, folder->path, folder->entry, err);
}

int attributes_set_folders(struct unpacker *unpacker, struct err *err)
{
	for (size_t i = unpacker->folders_count; i > 0; i--)
		if (set_folder(unpacker, &unpacker->folders[i - 1], err))
			return -1;
	return 0;
}
