#include "config.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/output.h"
#include "gateway/secrets.h"

#include "base/banned.h"

#define COPY_BYTES 65536

static char *output_path(const char *state_dir, const char *name,
			 const char *suffix)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s.log%s", state_dir, name, suffix) < 0)
		return NULL;
	return path;
}

int output_open(int *ret, const char *state_dir, const char *name,
		struct err *err)
{
	CLEANUP_FREE char *path = output_path(state_dir, name, "");
	int fd;

	if (!path)
		return err_set(err, ERR_LIMIT, "out of memory");
	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return err_errno(err, "cannot open '%s'", path);
	*ret = fd;
	return 0;
}

off_t output_end(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 ? status.st_size : 0;
}

static void clean(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if ((unsigned char)*from >= ' ' || *from == '\n' ||
		    *from == '\t')
			*to++ = *from;
	while (to > text && to[-1] == '\n')
		to--;
	*to = '\0';
}

void output_make_fit(char *text, size_t size,
		     const struct gateway_settings *gateway)
{
	secrets_redact(text, size, gateway);
	clean(text);
}

/* Reads what is from begin on, or its last size - 1 bytes, and gives how many
 * came; *cut: something was left out in front. */
static size_t read_end(char *ret, size_t size, int fd, off_t begin, bool *cut)
{
	off_t end = output_end(fd);
	ssize_t len;

	if (begin > end)
		begin = 0; /* rotated or truncated meanwhile */
	*cut = end - begin > (off_t)(size - 1);
	if (*cut)
		begin = end - (off_t)(size - 1);
	len = pread(fd, ret, size - 1, begin);
	if (len < 0)
		len = 0;
	for (ssize_t i = 0; i < len; i++)
		if (ret[i] == '\0')
			ret[i] = '?';
	ret[len] = '\0';
	return (size_t)len;
}

/* To the next line, or word where there is none: what was cut in half may be half of a
 * secret. */
static void cut_line(char *text)
{
	char *next = strchr(text, '\n');

	if (!next || !next[1])
		next = strpbrk(text, " \t\"',;");
	if (next)
		memmove(text, next + 1, strlen(next + 1) + 1);
	else
		*text = '\0';
}

void output_tail(char *ret, size_t size, int fd, off_t begin,
		 const struct gateway_settings *gateway)
{
	bool cut = false;

	if (read_end(ret, size, fd, begin, &cut) == 0)
		return;
	if (cut)
		cut_line(ret);
	output_make_fit(ret, size, gateway);
}

static int open_quietly(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* The end of both files as one text; ret has 2 * size bytes. */
static void read_both(char *ret, size_t size, const char *older,
		      const char *newer, bool *cut)
{
	CLEANUP_FD int old_fd = open_quietly(older);
	CLEANUP_FD int fd = open_quietly(newer);
	bool newer_cut = false;
	size_t len = 0;

	ret[0] = '\0';
	*cut = false;
	if (old_fd >= 0 && (fd < 0 || output_end(fd) < (off_t)(size - 1)))
		len = read_end(ret, size, old_fd, 0, cut);
	if (fd >= 0)
		(void)read_end(ret + len, size, fd, 0, &newer_cut);
	*cut = *cut || newer_cut;
}

static char *last_lines(char *text, int lines)
{
	char *at = text + strlen(text);

	while (at > text && (at[-1] != '\n' || --lines > 0))
		at--;
	return at;
}

int output_lines(char **ret, const char *state_dir,
		 const struct gateway_settings *gateway, int lines,
		 struct err *err)
{
	CLEANUP_FREE char *newer = output_path(state_dir, gateway->name, "");
	CLEANUP_FREE char *older = output_path(state_dir, gateway->name, ".1");
	CLEANUP_FREE char *text = malloc((size_t)2 * OUTPUT_LINES_BYTES);
	char *copy;
	bool cut;

	if (!newer || !older || !text)
		return err_set(err, ERR_LIMIT, "out of memory");
	read_both(text, OUTPUT_LINES_BYTES, older, newer, &cut);
	if (cut)
		cut_line(text);
	output_make_fit(text, (size_t)2 * OUTPUT_LINES_BYTES, gateway);
	copy = strdup(last_lines(text, lines));
	if (!copy)
		return err_set(err, ERR_LIMIT, "out of memory");
	*ret = copy;
	return 0;
}

static int copy(int from, int to, off_t len, struct err *err)
{
	CLEANUP_FREE char *buf = malloc(COPY_BYTES);
	off_t done = 0;

	if (!buf)
		return err_set(err, ERR_LIMIT, "out of memory");
	while (done < len) {
		ssize_t got = pread(from, buf, COPY_BYTES, done);

		if (got <= 0)
			break;
		if (got > len - done)
			got = (ssize_t)(len - done);
		if (write(to, buf, (size_t)got) != got)
			return err_errno(err, "cannot write the old output");
		done += got;
	}
	return 0;
}

/* Cuts len bytes off the front; falls back on emptying the file. */
static off_t cut_front(int fd, off_t len)
{
	if (fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, len) == 0)
		return len;
	len = output_end(fd);
	return ftruncate(fd, 0) == 0 ? len : 0;
}

int output_rotate(int fd, const char *state_dir, const char *name, off_t *begin,
		  struct err *err)
{
	CLEANUP_FREE char *old = output_path(state_dir, name, ".1");
	CLEANUP_FREE char *temporary = output_path(state_dir, name, ".1.new");
	CLEANUP_FD int to = -1;
	struct stat status;
	off_t len;

	if (fstat(fd, &status) != 0 || status.st_size <= OUTPUT_LOG_BYTES)
		return 0;
	if (!old || !temporary)
		return err_set(err, ERR_LIMIT, "out of memory");
	to = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		return err_errno(err, "cannot open '%s'", temporary);
	len = status.st_size - status.st_size % (1 << 16); /* whole blocks */
	if (copy(fd, to, len, err))
		return -1;
	if (rename(temporary, old) != 0)
		return err_errno(err, "cannot rename '%s'", temporary);
	len = cut_front(fd, len);
	*begin = *begin > len ? *begin - len : 0;
	return 0;
}
