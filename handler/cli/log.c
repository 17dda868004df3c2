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
	ino_t older_ino;
	off_t moved; /* is in older, and not yet cut off path's front */
	bool key;    /* within a private key */
	bool list;   /* within a list of secrets */
	size_t len;  /* of a line that is not printed yet */
	char line[LINE_BYTES + ROOM_BYTES];
};

/* A line as private keys in PEM have them, whose first one was not read. */
static bool is_of_key(const char *line)
{
	size_t len = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz0123456789+/=");

	return len >= KEY_LINE_MIN && line[len] == '\n';
}

/* Does a list begin at its end? */
static bool opens_list(const char *line)
{
	size_t len = strlen(line);

	while (len > 0 && strchr(" \t\r\n", line[len - 1]))
		len--;
	return len > 0 && line[len - 1] == '[';
}

static bool begins_key(const char *line)
{
	const char *key = strstr(line, "PRIVATE KEY-----");

	return key && strstr(line, "-----BEGIN ") && !strstr(key, "-----END ");
}

/* What people may see of a line, or of as much of it as is at hand. */
static int print_line(struct log *log, struct err *err)
{
	bool opens;

	log->line[log->len] = '\0';
	for (size_t i = 0; i < log->len; i++)
		if (log->line[i] == '\0')
			log->line[i] = '?';
	if (log->key && strstr(log->line, "-----END "))
		log->key = false;
	else if (log->key || is_of_key(log->line))
		(void)snprintf(log->line, sizeof(log->line), "%s\n", REDACTED);
	else
		log->key = begins_key(log->line);
	if (log->list) {
		log->list = !strchr(log->line, ']');
		(void)snprintf(log->line, sizeof(log->line), "%s\n", REDACTED);
	}
	opens = opens_list(log->line);
	redact_all(log->line, sizeof(log->line));
	log->list = log->list || (opens && !opens_list(log->line));
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

static ssize_t read_chunk(char *ret, size_t size, int fd, off_t at,
			  struct err *err)
{
	ssize_t got;

	do
		got = pread(fd, ret, size, at);
	while (got < 0 && errno == EINTR);
	return got < 0 ? err_errno(err, "cannot read the output") : got;
}

static int flush(struct err *err)
{
	return fflush(stdout) ? err_errno(err, "cannot print the output") : 0;
}

static int print_from(struct log *log, int fd, off_t at, struct err *err)
{
	char chunk[RELAY_BYTES];
	ssize_t got;

	while ((got = read_chunk(chunk, sizeof(chunk), fd, at, err)) > 0) {
		at += got;
		if (add_bytes(log, chunk, (size_t)got, err))
			return -1;
	}
	return got < 0 ? -1 : flush(err);
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

static int open_quietly(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

static ino_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

/* 1: the front of the file is now the older one (and is printed from there, if it
 * was not yet); -1: error. */
static int note_moved(struct log *log, struct err *err)
{
	CLEANUP_FD int fd = open_quietly(log->older);
	struct stat st;

	if (fd < 0)
		log->older_ino = 0;
	if (fd < 0 || fstat(fd, &st) || st.st_ino == log->older_ino)
		return 0;
	log->older_ino = st.st_ino;
	log->moved = st.st_size;
	if (log->at >= log->moved)
		return 1;
	if (print_from(log, fd, log->at, err))
		return -1;
	log->at = log->moved;
	return 1;
}

/* 1: what was read before it may not be what was at log->at; -1: error. The keeper
 * first puts the front into the older file, then cuts it off. */
static int notice_rotation(struct log *log, struct err *err)
{
	int changed = log->moved ? 0 : note_moved(log, err);
	struct stat st;

	if (changed < 0)
		return -1;
	if (log->moved && fstat(log->fd, &st) == 0 && st.st_size < log->moved) {
		log->at -= log->moved;
		log->moved = 0;
		changed = 1;
	}
	return changed;
}

/* Prints from log->at up to the end, and moves it there. */
static int print_rest(struct log *log, struct err *err)
{
	char chunk[RELAY_BYTES];
	ssize_t got;
	int changed;

	for (;;) {
		got = read_chunk(chunk, sizeof(chunk), log->fd, log->at, err);
		if (got < 0)
			return -1;
		changed = notice_rotation(log, err);
		if (changed < 0)
			return -1;
		if (changed)
			continue;
		if (got == 0)
			return flush(err);
		log->at += got;
		if (add_bytes(log, chunk, (size_t)got, err))
			return -1;
	}
}

static int print_older(struct log *log, int lines, struct err *err)
{
	CLEANUP_FD int fd = open_quietly(log->older);
	off_t at = 0;

	if (fd < 0 || lines == 0)
		return 0;
	if (find_lines(fd, &lines, &at, err))
		return -1;
	return print_from(log, fd, at, err);
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
	return log->fd < 0 ? 0 : print_rest(log, err);
}

/* The file was replaced (read on in the new one), or cut to nothing. */
static int notice_change(struct log *log, struct err *err)
{
	struct stat there, ours;

	if (stat(log->path, &there))
		return 0; /* not there now: wait for it */
	if (log->fd < 0 || fstat(log->fd, &ours) ||
	    there.st_ino != ours.st_ino || there.st_dev != ours.st_dev) {
		if (log->fd >= 0 && print_rest(log, err))
			return -1;
		if (log->fd >= 0)
			(void)close(log->fd);
		log->older_ino = inode_of(log->older);
		log->fd = open_quietly(log->path);
		log->at = 0;
		log->moved = 0;
		return 0;
	}
	if (notice_rotation(log, err) < 0)
		return -1;
	if (!log->moved && fstat(log->fd, &ours) == 0 && ours.st_size < log->at)
		log->at = 0;
	return 0;
}

static int follow(struct log *log, struct err *err)
{
	for (;;) {
		(void)deadline_pause(deadline_never(), FOLLOW_PAUSE_MS);
		if (notice_change(log, err))
			return -1;
		if (log->fd >= 0 && print_rest(log, err))
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
	log->older_ino = inode_of(log->older);
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
