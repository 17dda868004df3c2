#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/settings.h"
#include "gateway/settings_key.h"
#include "gateway/settings_private.h"

#include "base/banned.h"

static struct file_stamp stamp_from(const struct stat *st)
{
	struct file_stamp stamp = {
		.device = st->st_dev,
		.inode = st->st_ino,
		.mode = st->st_mode,
		.size = st->st_size,
		.modified = st->st_mtim,
		.changed = st->st_ctim,
	};

	return stamp;
}

struct file_stamp file_stamp_of(const char *path)
{
	struct file_stamp none = { 0 };
	struct stat st;

	return stat(path, &st) ? none : stamp_from(&st);
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->device == b->device && a->inode == b->inode &&
	       a->mode == b->mode && a->size == b->size &&
	       same_time(a->modified, b->modified) &&
	       same_time(a->changed, b->changed);
}

/* Reads up to room bytes: the end of the file, or more than there may be. */
static ssize_t read_all(int fd, char *text, size_t room)
{
	size_t len = 0;
	ssize_t got;

	while (len < room) {
		got = read(fd, text + len, room - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		len += (size_t)got;
	}
	return (ssize_t)len;
}

/* Gives the content, at most max + 1 bytes of it, with room for a NUL. It has
 * `size` bytes, unless somebody writes just now. */
static char *read_file(int fd, size_t size, size_t max, size_t *ret_len)
{
	CLEANUP_FREE char *text = malloc(size + 2);
	ssize_t len = text ? read_all(fd, text, size + 1) : -1;

	if (len > (ssize_t)size && size < max) {
		char *grown = realloc(text, max + 2);
		ssize_t more;

		if (!grown)
			return NULL;
		text = grown;
		more = read_all(fd, text + len, max + 1 - (size_t)len);
		len = more < 0 ? -1 : len + more;
	}
	if (len < 0)
		return NULL;
	*ret_len = (size_t)len;
	return __extension__ STEAL_PTR(text);
}

int small_file_read(struct small_file *ret, const char *path, size_t max,
		    struct err *err)
{
	/* Not blocking: a FIFO has no place here, but must not hang us. */
	CLEANUP_FD int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	CLEANUP_FREE char *text = NULL;
	struct stat st;
	size_t len = 0;

	if (fd < 0 || fstat(fd, &st))
		return err_errno(err, "cannot open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, "'%s' is no regular file",
			       path);
	if (st.st_size < 0 || (size_t)st.st_size > max)
		return err_set(err, ERR_LIMIT, "'%s' is larger than %zu bytes",
			       path, max);
	text = read_file(fd, (size_t)st.st_size, max, &len);
	if (!text)
		return err_errno(err, "cannot read '%s'", path);
	if (len > max)
		return err_set(err, ERR_LIMIT, "'%s' is larger than %zu bytes",
			       path, max);
	text[len] = '\0';
	ret->text = __extension__ STEAL_PTR(text);
	ret->len = (size_t)len;
	ret->stamp = stamp_from(&st);
	return 0;
}

int secret_file_read(struct small_file *ret, const char *path, struct err *err)
{
	struct small_file file = { 0 };
	size_t len;

	if (small_file_read(&file, path, SECRET_BYTES_MAX, err))
		return -1;
	len = file.len;
	if (len > 0 && file.text[len - 1] == '\n')
		len--;
	if (len > 0 && len < file.len && file.text[len - 1] == '\r')
		len--;
	file.text[len] = '\0';
	if (len == 0 || strcspn(file.text, "\r\n") != len) {
		free(file.text);
		return err_set(err, ERR_INVALID, "'%s' %s", path,
			       len == 0 ? "is empty"
					: "holds more than one line of text");
	}
	file.len = len;
	*ret = file;
	return 0;
}

int settings_value_read(char **ret, const struct setting_value *value,
			struct err *err)
{
	struct small_file file = { 0 };

	if (value->text)
		return key_text_copy(ret, value->text, err);
	if (secret_file_read(&file, value->file, err))
		return err_context(err, "cannot read the value of '%s'",
				   value->name);
	*ret = file.text;
	return 0;
}
