#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/deadline.h"
#include "base/limits.h"
#include "base/redact.h"
#include "cli/command.h"

#include "base/banned.h"

#define LINES_DEFAULT	50
#define FOLLOW_PAUSE_MS 200
#define LINE_BYTES	65536 /* a longer one is looked at in parts */
#define KEY_LINE_MIN	60
#define ROOM_BYTES	4096 /* for what takes the place of secrets */

/* <state_dir>/NAME.log and, before it, NAME.log.1 */
struct log {
	char path[PATH_MAX];
	char older[PATH_MAX];
	int fd; /* of path; -1: not there yet */
	off_t at;
	off_t older_size;
	bool key;   /* within a private key */
	size_t len; /* of a line that is not printed yet */
	char line[LINE_BYTES + ROOM_BYTES];
};

/* A line as private keys in PEM have them, whose first one was not read. */
static bool is_of_key(const char *line)
{
	size_t len = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz0123456789+/=");

	return len >= KEY_LINE_MIN && line[len] == '\n';
}

/* What people may see of a line, or of as much of it as is at hand. */
static int print_line(struct log *log, struct err *err)
{
	log->line[log->len] = '\0';
	for (size_t i = 0; i < log->len; i++)
		if (log->line[i] == '\0')
			log->line[i] = '?';
	if (log->key && strstr(log->line, "-----END "))
		log->key = false;
	else if (log->key || is_of_key(log->line))
		(void)snprintf(log->line, sizeof(log->line), "%s\n", REDACTED);
	else if (strstr(log->line, "PRIVATE KEY-----"))
		log->key = strstr(log->line, "-----BEGIN ") != NULL;
	redact_all(log->line, sizeof(log->line));
	log->len = 0;
	if (fputs(log->line, stdout) == EOF)
		return err_errno(err, "cannot print the output");
	return 0;
}

static int add_bytes(struct log *log, const char *data, size_t len,
		     struct err *err)
{
	for (size_t i = 0; i < len; i++) {
		log->line[log->len++] = data[i];
		if ((data[i] == '\n' || log->len == LINE_BYTES) &&
		    print_line(log, err))
			return -1;
	}
	return 0;
}

/* Prints from *at up to the end, and moves *at there. */
static int print_rest(struct log *log, int fd, off_t *at, struct err *err)
{
	char chunk[RELAY_BYTES];
	ssize_t got;

	for (;;) {
		got = pread(fd, chunk, sizeof(chunk), *at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, "cannot read the output");
		if (got == 0)
			break;
		*at += got;
		if (add_bytes(log, chunk, (size_t)got, err))
			return -1;
	}
	if (fflush(stdout))
		return err_errno(err, "cannot print the output");
	return 0;
}

/* Where the last *lines lines begin; what is missing stays in *lines. */
static int find_lines(int fd, int *lines, off_t *ret, struct err *err)
{
	char chunk[RELAY_BYTES];
	off_t end = lseek(fd, 0, SEEK_END), begin;
	bool last = true; /* the newline that ends the file begins no line */
	ssize_t got, i;

	for (; end > 0 && *lines > 0; end = begin) {
		begin = end > (off_t)sizeof(chunk) ? end - (off_t)sizeof(chunk)
						   : 0;
		got = pread(fd, chunk, (size_t)(end - begin), begin);
		if (got < 0)
			return err_errno(err, "cannot read the output");
		for (i = got; i > 0; i--) {
			if (chunk[i - 1] == '\n' && !last && --*lines == 0) {
				*ret = begin + i;
				return 0;
			}
			last = false;
		}
	}
	if (*lines == 0) { /* none was asked for */
		*ret = end;
		return 0;
	}
	if (!last)
		--*lines; /* the first line of the file */
	*ret = 0;
	return 0;
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_size;
}

static int open_quietly(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

static int print_older(struct log *log, int lines, struct err *err)
{
	CLEANUP_FD int fd = open_quietly(log->older);
	off_t at = 0;

	if (fd < 0 || lines == 0)
		return 0;
	if (find_lines(fd, &lines, &at, err))
		return -1;
	return print_rest(log, fd, &at, err);
}

static int print_last(struct log *log, int lines, struct err *err)
{
	log->fd = open_quietly(log->path);
	if (log->fd < 0 && errno != ENOENT)
		return err_errno(err, "cannot open '%s'", log->path);
	if (log->fd >= 0 && find_lines(log->fd, &lines, &log->at, err))
		return -1;
	if (print_older(log, lines, err))
		return -1;
	return log->fd < 0 ? 0 : print_rest(log, log->fd, &log->at, err);
}

/* The file was replaced (read on in the new one), cut to nothing, or its front
 * went to the older file (what we have read is that much further in front). */
static int notice_change(struct log *log, struct err *err)
{
	struct stat there, ours;
	off_t moved = size_of(log->older);

	if (stat(log->path, &there))
		return 0; /* not there now: wait for it */
	if (log->fd < 0 || fstat(log->fd, &ours) ||
	    there.st_ino != ours.st_ino || there.st_dev != ours.st_dev) {
		if (log->fd >= 0 && print_rest(log, log->fd, &log->at, err))
			return -1;
		if (log->fd >= 0)
			(void)close(log->fd);
		log->fd = open_quietly(log->path);
		log->at = 0;
	} else if (there.st_size < log->at) {
		log->at = moved != log->older_size && moved <= log->at
				  ? log->at - moved
				  : 0;
	}
	log->older_size = moved;
	return 0;
}

static int follow(struct log *log, struct err *err)
{
	for (;;) {
		(void)deadline_pause(deadline_never(), FOLLOW_PAUSE_MS);
		if (notice_change(log, err))
			return -1;
		if (log->fd >= 0 && print_rest(log, log->fd, &log->at, err))
			return -1;
	}
}

static int run(struct log *log, const struct session *session, struct err *err)
{
	const struct options *options = session->options;
	int lines = options->count < 0 ? LINES_DEFAULT : options->count;
	const char *state_dir = session->settings->state_dir;
	int result;

	log->fd = -1;
	(void)snprintf(log->path, sizeof(log->path), "%s/%s.log", state_dir,
		       session->gateway->name);
	if (snprintf(log->older, sizeof(log->older), "%s/%s.log.1", state_dir,
		     session->gateway->name) >= (int)sizeof(log->older))
		return err_set(err, ERR_LIMIT,
			       "the path of the log is too long");
	log->older_size = size_of(log->older);
	result = print_last(log, lines, err);
	if (result == 0 && options->given & OPTION_FOLLOW)
		result = follow(log, err);
	else if (result == 0 && log->len > 0)
		result = print_line(log, err);
	if (log->fd >= 0)
		(void)close(log->fd);
	return result;
}

enum exit_status log_run(const struct session *session, struct err *err)
{
	struct log *log = calloc(1, sizeof(*log));
	int result = log ? run(log, session, err)
			 : err_set(err, ERR_LIMIT, "out of memory");

	free(log);
	return result ? EXIT_FAILED : EXIT_DONE;
}
