#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/remote_private.h"

#include "base/banned.h"

#define FLUSH_BYTES (8 << 20)

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t put = write(fd, data, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		data += put;
		len -= (size_t)put;
	}
	return 0;
}

static int content_begin(void *user, int64_t offset, struct err *err)
{
	struct remote_content *content = user;

	if (offset > 0)
		return 0;
	digest_free(content->digest);
	content->digest = NULL;
	content->taken = 0;
	if (content->fd >= 0 &&
	    (ftruncate(content->fd, 0) || lseek(content->fd, 0, SEEK_SET) < 0))
		return err_errno(err, "cannot begin '%.200s' anew",
				 content->name);
	/* libcurl opens a pair of sockets without close-on-exec */
	(void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	return digest_begin(&content->digest, err);
}

/* Has the disk keep up, so that little is left for fsync, which tells no progress. */
static void flush(const struct remote_content *content, int64_t before)
{
	int64_t end = content->taken / FLUSH_BYTES * FLUSH_BYTES;

	if (content->fd < 0 || before >= end)
		return;
	if (end > FLUSH_BYTES)
		(void)sync_file_range(content->fd, end - 2 * FLUSH_BYTES,
				      FLUSH_BYTES, SYNC_FILE_RANGE_WAIT_BEFORE);
	(void)sync_file_range(content->fd, end - FLUSH_BYTES, FLUSH_BYTES,
			      SYNC_FILE_RANGE_WRITE);
}

static int content_take(void *user, const char *data, size_t len,
			struct err *err)
{
	struct remote_content *content = user;

	if (len > (uint64_t)(content->bytes - content->taken))
		return err_set(err, ERR_CORRUPT,
			       "'%.200s' in the store is longer than %" PRId64
			       " bytes",
			       content->name, content->bytes);
	if (content->fd >= 0 && write_all(content->fd, data, len))
		return err_errno(err, "cannot write what comes of '%.200s'",
				 content->name);
	content->taken += (int64_t)len;
	flush(content, content->taken - (int64_t)len);
	return digest_add(content->digest, data, len, err);
}

const struct remote_sink remote_content_sink = {
	.begin = content_begin,
	.take = content_take,
};

int remote_content_check(struct remote_content *content, const char *sha256,
			 struct deadline deadline, struct err *err)
{
	char digest[DIGEST_BYTES];

	if (content->taken != content->bytes)
		return err_set(err, ERR_CORRUPT,
			       "'%.200s' in the store has %" PRId64
			       " bytes instead of %" PRId64,
			       content->name, content->taken, content->bytes);
	if (digest_end(STEAL_PTR(content->digest), digest, deadline, err))
		return -1;
	if (strcmp(digest, sha256) != 0)
		return err_set(err, ERR_CORRUPT,
			       "'%.200s' in the store is not what was put: "
			       "its sha256 is %s instead of %.64s",
			       content->name, digest, sha256);
	return 0;
}

static int buffer_begin(void *user, int64_t offset, struct err *err)
{
	(void)err;
	if (offset == 0)
		buffer_clear(user);
	return 0;
}

static int buffer_take(void *user, const char *data, size_t len,
		       struct err *err)
{
	struct buffer *buffer = user;

	buffer_append(buffer, data, len);
	return buffer_ok(buffer) ? 0
				 : err_set(err, ERR_LIMIT,
					   "the store's answer is larger than "
					   "%zu bytes",
					   buffer->max);
}

const struct remote_sink remote_buffer_sink = {
	.begin = buffer_begin,
	.take = buffer_take,
};
