#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/lock.h"

#include "base/banned.h"

#define LOCK_WAITERS_BEGIN 2

char *lock_path(const char *state_dir, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s.lock", state_dir, name) < 0)
		return NULL;
	return path;
}

int lock_open(int *ret, const char *state_dir, const char *name,
	      struct err *err)
{
	CLEANUP_FREE char *path = lock_path(state_dir, name);
	CLEANUP_FD int fd = -1;
	struct statfs fs;

	if (!path)
		return err_set(err, ERR_LIMIT, "out of memory");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, "cannot open '%s'", path);
	if (fstatfs(fd, &fs) == 0 && fs.f_type == NFS_SUPER_MAGIC)
		return err_set(err, ERR_INVALID,
			       "'%s' is on NFS, where locks can't be relied on",
			       path);
	*ret = STEAL_FD(fd);
	return 0;
}

static struct flock range(off_t begin, short type)
{
	return (struct flock){ .l_type = type,
			       .l_whence = SEEK_SET,
			       .l_start = begin,
			       .l_len = 1 };
}

static int take(int fd, off_t at, struct err *err)
{
	struct flock lock = range(at, F_WRLCK);

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return err_set(err, ERR_BUSY, "somebody else holds the lock");
	return err_errno(err, "cannot lock");
}

int lock_take(int fd, enum lock_byte byte, struct err *err)
{
	return take(fd, (off_t)byte, err);
}

int lock_share(int fd, enum lock_byte byte, struct err *err)
{
	struct flock lock = range((off_t)byte, F_RDLCK);

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return err_errno(err, "cannot share the lock");
}

void lock_drop(int fd, enum lock_byte byte)
{
	struct flock lock = range((off_t)byte, F_UNLCK);

	(void)fcntl(fd, F_OFD_SETLK, &lock); /* closing it does the same */
}

int lock_is_taken(int fd, enum lock_byte byte, bool *ret, struct err *err)
{
	struct flock lock = range((off_t)byte, F_WRLCK);

	if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
		return err_errno(err, "cannot ask for the lock");
	*ret = lock.l_type != F_UNLCK;
	return 0;
}

int lock_wait_place(int fd, int max, struct err *err)
{
	/* begin anywhere: a crowd does not try the same places one by one */
	int first = (int)((uintptr_t)&first / 64 + (uintptr_t)getpid()) % max;

	if (first < 0)
		first = -first;
	for (int i = 0; i < max; i++) {
		int place = (first + i) % max;

		if (take(fd, LOCK_WAITERS_BEGIN + place, err) == 0)
			return 0;
		if (err->code != ERR_BUSY)
			return -1;
	}
	return err_set(err, ERR_BUSY, "%d requests wait already", max);
}

void lock_poke(int fd)
{
	(void)futimens(fd, NULL); /* a keeper looks each second anyway */
}

int lock_count_waiters(int fd, int max, int *ret, struct err *err)
{
	int count = 0;

	for (int place = 0; place < max; place++) {
		struct flock lock = range(LOCK_WAITERS_BEGIN + place, F_WRLCK);

		if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
			return err_errno(err, "cannot ask for the lock");
		count += lock.l_type != F_UNLCK;
	}
	*ret = count;
	return 0;
}
