#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/deadline.h"
#include "edge/spill.h"

#include "base/banned.h"

#define LARGE_BYTES 65536
#define FILE_BYTES_MAX                                                         \
	(1 << 20) /* of what nobody can collect: then counts are lost */
#define LINE_BYTES 192
#define COUNTS_MAX 512
#define LOCK_MS	   100
#define PAUSE_MS   1

static int open_file(const char *state_dir, int flags)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/wakegate.counts", state_dir) >=
	    (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* Held for as long as a write takes. */
static int take_lock(int fd, int operation, struct err *err)
{
	struct deadline deadline = deadline_in(LOCK_MS);

	while (flock(fd, operation | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_errno(err, "cannot lock the counts");
		if (!deadline_pause(deadline, PAUSE_MS))
			return err_set(err, ERR_TIMEOUT,
				       "somebody keeps the counts locked");
	}
	return 0;
}

int spill_add(const char *state_dir, const struct count *counts, size_t len,
	      bool *ret_large, struct err *err)
{
	CLEANUP_FD int fd = open_file(state_dir, O_WRONLY | O_APPEND | O_CREAT);
	struct buffer lines = BUFFER_INIT(COUNTS_MAX * LINE_BYTES);
	struct stat status;
	ssize_t written = -1;

	if (fd < 0)
		return err_errno(err, "cannot open the counts");
	if (take_lock(fd, LOCK_SH, err))
		return -1;
	for (size_t i = 0; i < len; i++)
		buffer_printf(&lines, "%s %s %s %lld\n", counts[i].gateway,
			      counts[i].name, counts[i].label,
			      (long long)counts[i].amount);
	if (fstat(fd, &status) == 0 && status.st_size < FILE_BYTES_MAX &&
	    buffer_ok(&lines))
		written = write(fd, lines.data, lines.len);
	buffer_free(&lines);
	if (written < 0)
		return err_errno(err, "cannot write the counts");
	*ret_large = status.st_size > LARGE_BYTES;
	return 0;
}

/* A count with texts of its own: the lines are too many to be kept. */
struct sum {
	char gateway[64];
	char name[24];
	char label[32];
	int64_t amount;
};

/* The next word, if it fits; "" is one. */
static bool take_word(char **rest, char *ret, size_t size)
{
	const char *word = strsep(rest, " ");

	if (!word || !*rest || strlen(word) >= size)
		return false;
	memcpy(ret, word, strlen(word) + 1);
	return true;
}

static bool parse(char *line, struct sum *ret)
{
	char *rest = line;
	char *end = NULL;

	if (!take_word(&rest, ret->gateway, sizeof(ret->gateway)) ||
	    !take_word(&rest, ret->name, sizeof(ret->name)) ||
	    !take_word(&rest, ret->label, sizeof(ret->label)))
		return false;
	errno = 0;
	ret->amount = strtoll(rest, &end, 10);
	return errno == 0 && end != rest && *end == '\n' && ret->amount > 0;
}

/* A line that a full disk has cut off is none. */
static void add_line(char *line, struct sum *sums, size_t *len)
{
	struct sum one;
	size_t i = 0;

	if (!parse(line, &one))
		return;
	while (i < *len && (strcmp(sums[i].label, one.label) != 0 ||
			    strcmp(sums[i].name, one.name) != 0 ||
			    strcmp(sums[i].gateway, one.gateway) != 0))
		i++;
	if (i == *len && *len < COUNTS_MAX) {
		sums[i] = one;
		sums[i].amount = 0;
		(*len)++;
	}
	if (i < *len)
		sums[i].amount += one.amount;
}

static int read_sums(int fd, struct sum *sums, size_t *len, struct err *err)
{
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *file = copy >= 0 ? fdopen(copy, "r") : NULL;

	if (!file) {
		(void)err_errno(err, "cannot read the counts");
		if (copy >= 0)
			(void)close(copy);
		return -1;
	}
	while (getline(&line, &size, file) > 0)
		add_line(line, sums, len);
	(void)fclose(file); /* it was only read */
	return 0;
}

static int store_sums(struct store *store, const struct sum *sums, size_t len,
		      struct err *err)
{
	CLEANUP_FREE struct count *counts = calloc(len + 1, sizeof(*counts));

	if (!counts)
		return err_set(err, ERR_LIMIT, "out of memory");
	for (size_t i = 0; i < len; i++)
		counts[i] = (struct count){ sums[i].gateway, sums[i].name,
					    sums[i].label, sums[i].amount };
	return len == 0 ? 0 : store_count(store, counts, len, err);
}

int spill_collect(const char *state_dir, struct store *store, struct err *err)
{
	CLEANUP_FREE struct sum *sums = NULL;
	CLEANUP_FD int fd = open_file(state_dir, O_RDWR);
	size_t len = 0;

	if (fd < 0)
		return errno == ENOENT
			       ? 0
			       : err_errno(err, "cannot open the counts");
	sums = calloc(COUNTS_MAX, sizeof(*sums));
	if (!sums)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (take_lock(fd, LOCK_EX, err) || read_sums(fd, sums, &len, err) ||
	    store_sums(store, sums, len, err))
		return -1;
	if (ftruncate(fd, 0) != 0)
		return err_errno(err, "cannot empty the counts");
	return 0;
}
