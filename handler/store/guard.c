#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "store/store_private.h"

#include "base/banned.h"

#define ID_DIGITS	 (STORE_ID_BYTES - 1)
#define NAME_TRIES_MAX	 100
#define TURN_MS		 10000 /* many may mend or make it, one after another */
#define STORE_PATH_BYTES 4096

/* As err_errno(), but the store is what can't be used now. */
static int store_errno(struct err *err, const char *what, const char *path)
{
	(void)err_errno(err, "cannot %s '%s'", what, path);
	err->code = ERR_STORE;
	return -1;
}

int guard_check_folder(const struct store *store, struct err *err)
{
	struct statfs filesystem;
	struct stat status;

	if (mkdir(store->state_dir, 0700) == 0) {
		/* the umask may have taken more */
		if (chmod(store->state_dir, 0700) != 0)
			return store_errno(err, "set the mode of",
					   store->state_dir);
	} else if (errno != EEXIST && errno != EROFS && errno != EACCES) {
		return store_errno(err, "make folder", store->state_dir);
	}
	if (stat(store->state_dir, &status) != 0)
		return store_errno(err, "use folder", store->state_dir);
	if (!S_ISDIR(status.st_mode))
		return err_set(err, ERR_STORE, "'%s' is not a folder",
			       store->state_dir);
	if (statfs(store->state_dir, &filesystem) != 0)
		return store_errno(err, "use folder", store->state_dir);
	if (filesystem.f_type == NFS_SUPER_MAGIC)
		return err_set(err, ERR_STORE,
			       "'%s' is on NFS, where locks and shared memory "
			       "can't be relied on: state_dir must be local",
			       store->state_dir);
	return 0;
}

/* Opens the file, makes it with mode 0600 whatever the umask, or opens it for
 * reading only where that is all that may be done. */
static int open_id(int *ret, const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0)
			(void)fchmod(fd, 0600); /* ours: can't be refused */
		else if (errno == EEXIST)
			fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (fd < 0 && (errno == EACCES || errno == EROFS))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return store_errno(err, "open", path);
	*ret = fd;
	return 0;
}

static int take_lock(int fd, const char *path, bool exclusive,
		     struct deadline deadline, struct err *err)
{
	struct flock lock = {
		.l_type = exclusive ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
	};

	while (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return store_errno(err, "lock", path);
		if (!jitter_pause(deadline))
			return err_set(err, ERR_STORE,
				       "'%s' is locked by another process",
				       path);
	}
	return 0;
}

/* A file that was deleted while we waited guards nothing any more. */
static bool is_at(int fd, const char *path)
{
	struct stat open_file;
	struct stat named;

	return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 &&
	       open_file.st_ino == named.st_ino &&
	       open_file.st_dev == named.st_dev;
}

static bool read_id(int fd, char *ret)
{
	char text[ID_DIGITS + 1];

	if (pread(fd, text, sizeof(text), 0) != (ssize_t)sizeof(text) ||
	    text[ID_DIGITS] != '\n')
		return false;
	text[ID_DIGITS] = '\0';
	if (strspn(text, "0123456789abcdef") != ID_DIGITS)
		return false;
	memcpy(ret, text, sizeof(text));
	return true;
}

static int write_id(int fd, const char *path, struct err *err)
{
	unsigned char bytes[ID_DIGITS / 2];
	char text[ID_DIGITS + 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return store_errno(err, "make an id for", path);
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	text[ID_DIGITS] = '\n';
	if (pwrite(fd, text, ID_DIGITS + 1, 0) != ID_DIGITS + 1 ||
	    ftruncate(fd, ID_DIGITS + 1) != 0 || fdatasync(fd) != 0)
		return store_errno(err, "write", path);
	return 0;
}

/* The id almost never changes; other threads may be reading it. */
static bool take_id(struct store *store, int fd)
{
	char id[STORE_ID_BYTES];

	if (!read_id(fd, id))
		return false;
	if (strcmp(store->id, id) != 0)
		memcpy(store->id, id, sizeof(id));
	return true;
}

int guard_lock(int *ret, struct store *store, bool exclusive, bool *ret_valid,
	       struct err *err)
{
	struct deadline deadline = deadline_in(TURN_MS);
	CLEANUP_FD int fd = -1;
	bool valid;

	for (;;) {
		if (open_id(&fd, store->id_path, err) ||
		    take_lock(fd, store->id_path, exclusive, deadline, err))
			return -1;
		if (is_at(fd, store->id_path))
			break;
		if (!jitter_pause(deadline))
			return err_set(err, ERR_STORE,
				       "'%s' is deleted again and again",
				       store->id_path);
		(void)close(STEAL_FD(fd)); /* nothing was written */
	}
	valid = take_id(store, fd);
	if (!valid && exclusive) {
		if (write_id(fd, store->id_path, err))
			return -1;
		valid = take_id(store, fd);
	}
	*ret_valid = valid;
	*ret = STEAL_FD(fd);
	return 0;
}

static int beside(char *ret, const char *path, const char *suffix,
		  struct err *err)
{
	int len = snprintf(ret, STORE_PATH_BYTES, "%s%s", path, suffix);

	if (len < 0 || len >= STORE_PATH_BYTES)
		return err_set(err, ERR_INVALID, "'%s' is too long", path);
	return 0;
}

/* What SQLite keeps beside a database, and takes for part of it by its name. */
static const char *const suffixes[] = { "-wal", "-shm", "-journal" };
#define SUFFIXES_COUNT (sizeof(suffixes) / sizeof(suffixes[0]))

int guard_make_file(const struct store *store, struct err *err)
{
	char path[STORE_PATH_BYTES];
	CLEANUP_FD int fd = -1;

	/* left over from a database that was deleted: worth nothing alone */
	for (size_t i = 0; i < SUFFIXES_COUNT; i++) {
		if (beside(path, store->path, suffixes[i], err))
			return -1;
		if (unlink(path) != 0 && errno != ENOENT)
			return store_errno(err, "remove", path);
	}
	fd = open(store->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return 0; /* a stranger's, such as sqlite3's: it will be looked at */
	if (fd < 0 || fchmod(fd, 0600) != 0)
		return store_errno(err, "make", store->path);
	return 0;
}

/* The first name of the kind that nobody has: wakegate.db.corrupt-TIME[-N] */
static int rename_aside(const struct store *store, char *ret, struct err *err)
{
	time_t now = time(NULL);
	struct tm utc;
	char suffix[64];
	size_t len;

	(void)gmtime_r(&now, &utc);
	len = strftime(suffix, sizeof(suffix), ".corrupt-%Y%m%dT%H%M%SZ", &utc);
	for (int i = 2; i < NAME_TRIES_MAX; i++) {
		if (beside(ret, store->path, suffix, err))
			return -1;
		if (renameat2(AT_FDCWD, store->path, AT_FDCWD, ret,
			      RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			break;
		(void)snprintf(suffix + len, sizeof(suffix) - len, "-%d", i);
	}
	return store_errno(err, "move aside the damaged", store->path);
}

int guard_move_aside(const struct store *store, const char *why,
		     struct err *err)
{
	char aside[STORE_PATH_BYTES];
	char from[STORE_PATH_BYTES];
	char to[STORE_PATH_BYTES];

	if (rename_aside(store, aside, err))
		return -1;
	log_line(LEVEL_ERROR,
		 "msg=\"%s: moved aside as '%s', going on with a new one\"",
		 why, aside);
	for (size_t i = 0; i < SUFFIXES_COUNT; i++) {
		if (beside(from, store->path, suffixes[i], err) ||
		    beside(to, aside, suffixes[i], err))
			return -1;
		if (rename(from, to) != 0 && errno != ENOENT)
			return store_errno(err, "move aside", from);
	}
	return 0;
}
