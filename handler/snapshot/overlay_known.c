/* What is noted of an image that was read whole, see overlay_remember(). */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot/digest.h"
#include "snapshot/overlay.h"
#include "snapshot/overlay_private.h"

#include "base/banned.h"

#define NOTE_BYTES 256

static int note_path(char ret[PATH_MAX], const char *path, const char *suffix,
		     struct err *err)
{
	if (snprintf(ret, PATH_MAX, "%s%s", path, suffix) >= PATH_MAX)
		return err_set(err, ERR_LIMIT, "'%.64s...' is too long", path);
	return 0;
}

/* Everything that a change of the file changes with it. */
static void note_text(char ret[NOTE_BYTES], const struct stat *status,
		      const char *sha256)
{
	(void)snprintf(
		ret, NOTE_BYTES, "1 %s %lld %llu %llu %lld.%09ld %lld.%09ld\n",
		sha256, (long long)status->st_size,
		(unsigned long long)status->st_dev,
		(unsigned long long)status->st_ino,
		(long long)status->st_mtim.tv_sec, status->st_mtim.tv_nsec,
		(long long)status->st_ctim.tv_sec, status->st_ctim.tv_nsec);
}

int overlay_remember(const char *path, const char *sha256, struct err *err)
{
	CLEANUP_FD int fd = -1;
	char text[NOTE_BYTES];
	char note[PATH_MAX];
	char new[PATH_MAX];
	struct stat status;

	if (note_path(note, path, OVERLAY_NOTE_SUFFIX, err) ||
	    note_path(new, path, OVERLAY_NOTE_SUFFIX ".new", err))
		return -1;
	if (stat(path, &status) != 0)
		return err_errno(err, "cannot stat '%s'", path);
	note_text(text, &status, sha256);
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		  0600);
	/* not synced: when it gets lost, the image is read whole once more */
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    rename(new, note) != 0)
		return err_errno(err, "cannot write '%s'", note);
	return 0;
}

bool overlay_is_remembered(const char *path, int image_fd, const char *sha256)
{
	CLEANUP_FD int fd = -1;
	char found[NOTE_BYTES];
	char want[NOTE_BYTES];
	char note[PATH_MAX];
	struct stat status;
	struct err ignored;
	ssize_t len;

	if (note_path(note, path, OVERLAY_NOTE_SUFFIX, &ignored) ||
	    fstat(image_fd, &status) != 0)
		return false;
	fd = open(note, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	len = fd >= 0 ? read(fd, found, sizeof(found)) : -1;
	note_text(want, &status, sha256);
	return len == (ssize_t)strlen(want) &&
	       memcmp(found, want, (size_t)len) == 0;
}

int overlay_remove(const char *path, struct err *err)
{
	static const char *const suffixes[] = { "", OVERLAY_NOTE_SUFFIX,
						OVERLAY_NOTE_SUFFIX ".new" };
	char name[PATH_MAX];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (note_path(name, path, suffixes[i], err))
			return -1;
		if (unlink(name) != 0 && errno != ENOENT)
			return err_errno(err, "cannot remove '%s'", name);
	}
	return 0;
}
