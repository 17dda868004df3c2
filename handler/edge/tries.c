#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/deadline.h"
#include "edge/tries.h"

#include "base/banned.h"

#define PLACES	      256
#define LOCK_MS	      50 /* for one that was stopped while it held the lock */
#define LOCK_PAUSE_MS 2
#define FULL_MS	      ((int64_t)TRIES_AT_ONCE * TRIES_PAUSE_MS)

static int open_tries(int *ret, const char *state_dir, struct err *err)
{
	CLEANUP_FREE char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/wakegate.tries", state_dir) < 0) {
		path = NULL;
		return err_set(err, ERR_LIMIT, "out of memory");
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, "cannot open '%s'", path);
	*ret = fd;
	return 0;
}

/* FNV-1a */
static off_t place_of(const char *address)
{
	uint32_t hash = 2166136261U;

	for (; *address; address++)
		hash = (hash ^ (unsigned char)*address) * 16777619U;
	return (off_t)(hash % PLACES) * (off_t)sizeof(int64_t);
}

/* The lock goes with the descriptor. */
static int lock(int fd, off_t place, struct err *err)
{
	struct flock range = { .l_type = F_WRLCK,
			       .l_whence = SEEK_SET,
			       .l_start = place,
			       .l_len = (off_t)sizeof(int64_t) };
	struct deadline deadline = deadline_in(LOCK_MS);

	while (fcntl(fd, F_OFD_SETLK, &range) != 0) {
		if (errno != EAGAIN && errno != EACCES)
			return err_errno(err, "cannot lock the tries");
		if (!deadline_pause(deadline, LOCK_PAUSE_MS))
			return err_set(err, ERR_BUSY, "the tries are locked");
	}
	return 0;
}

/* Until when tries from there count. What is not yet in the file is 0; what lies
 * too far ahead is of another clock. */
static int64_t read_until(int fd, off_t place, int64_t now_ms)
{
	int64_t until_ms = 0;

	if (pread(fd, &until_ms, sizeof(until_ms), place) !=
		    (ssize_t)sizeof(until_ms) ||
	    until_ms < now_ms || until_ms > now_ms + 2 * FULL_MS)
		return now_ms;
	return until_ms;
}

int tries_left_ms(const char *state_dir, const char *address, int64_t now_ms,
		  int64_t *ret, struct err *err)
{
	CLEANUP_FD int fd = -1;
	int64_t over_ms;

	if (open_tries(&fd, state_dir, err))
		return -1;
	over_ms = read_until(fd, place_of(address), now_ms) - now_ms +
		  TRIES_PAUSE_MS - FULL_MS;
	*ret = over_ms > 0 ? over_ms : 0;
	return 0;
}

int tries_add(const char *state_dir, const char *address, int64_t now_ms,
	      struct err *err)
{
	off_t place = place_of(address);
	CLEANUP_FD int fd = -1;
	int64_t until_ms;

	if (open_tries(&fd, state_dir, err) || lock(fd, place, err))
		return -1;
	until_ms = read_until(fd, place, now_ms) + TRIES_PAUSE_MS;
	if (pwrite(fd, &until_ms, sizeof(until_ms), place) !=
	    (ssize_t)sizeof(until_ms))
		return err_errno(err, "cannot note a try");
	return 0;
}
