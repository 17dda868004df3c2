#include "config.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/redact.h"
#include "gateway/output.h"
#include "gateway/settings_redact.h"

#include "base/banned.h"

#define COPY_BYTES  65536
#define SECRETS_MAX 64

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

/* "HOME" and its like may be shown, unless they come from a file. */
static bool is_plain(const struct setting_value *value)
{
	return !value->file && redact_variable_is_plain(value->name);
}

/* The values that no tail may show. What can't be read can't be redacted either,
 * and the gateway did not get it. */
static void read_secrets(char **ret, const struct setting_value *values,
			 size_t *count)
{
	for (; values && values->name; values++) {
		struct err err;
		char *text = NULL;
		char *space;

		if (*count == SECRETS_MAX || is_plain(values) ||
		    settings_value_read(&text, values, &err))
			continue;
		space = strrchr(text, ' '); /* "Bearer TOKEN" */
		if (space)
			memmove(text, space + 1, strlen(space + 1) + 1);
		ret[(*count)++] = text;
	}
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

void output_tail(char *ret, size_t size, int fd, off_t begin,
		 const struct gateway_settings *gateway)
{
	char *secrets[SECRETS_MAX + 1] = { NULL };
	off_t end = output_end(fd);
	size_t count = 0;
	ssize_t len;
	char *line;
	bool cut = false;

	ret[0] = '\0';
	if (begin > end)
		begin = 0; /* rotated or truncated meanwhile */
	if (end - begin > (off_t)(size - 1)) {
		begin = end - (off_t)(size - 1);
		cut = true;
	}
	len = pread(fd, ret, size - 1, begin);
	if (len <= 0)
		return;
	for (ssize_t i = 0; i < len; i++)
		if (ret[i] == '\0')
			ret[i] = '?';
	ret[len] = '\0';
	line = cut ? strchr(ret, '\n') : NULL;
	if (line)
		memmove(ret, line + 1, strlen(line + 1) + 1);
	read_secrets(secrets, gateway->environment, &count);
	read_secrets(secrets, gateway->set_headers, &count);
	redact(ret, size, secrets);
	clean(ret);
	for (size_t i = 0; i < count; i++)
		free(secrets[i]);
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
