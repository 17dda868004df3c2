#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "snapshot/mountinfo.h"

#include "base/banned.h"

#define MOUNTINFO_BYTES_MAX (16 << 20)
#define READ_BYTES	    65536
#define MOUNTS_MAX	    100000

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* False: a backslash that begins no octal number of a byte but NUL. */
static bool decode(char *text)
{
	char *to = text;
	int value;

	for (const char *from = text; *from; to++) {
		if (*from != '\\') {
			*to = *from++;
			continue;
		}
		if (!is_octal(from[1]) || !is_octal(from[2]) ||
		    !is_octal(from[3]))
			return false;
		value = (from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] -
			'0';
		if (value == 0 || value > UCHAR_MAX)
			return false;
		*to = (char)value;
		from += 4;
	}
	*to = '\0';
	return true;
}

/* A decimal number that ends at `end`, which is passed over. */
static bool take_number(char **rest, char end, unsigned *ret)
{
	unsigned value = 0;
	char *at = *rest;

	if (*at < '0' || *at > '9')
		return false;
	for (; *at >= '0' && *at <= '9'; at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (value > (INT_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (*at != end)
		return false;
	*rest = at + 1;
	*ret = value;
	return true;
}

/* A field up to the next space, which becomes its end. */
static char *take_field(char **rest)
{
	char *field = *rest;
	char *space = field ? strchr(field, ' ') : NULL;

	if (!field)
		return NULL;
	if (space)
		*space = '\0';
	*rest = space ? space + 1 : NULL;
	return field;
}

static bool take_string(char **rest, const char **ret)
{
	char *field = take_field(rest);

	*ret = field;
	return field && decode(field);
}

static bool is_path(const char *text)
{
	return text[0] == '/';
}

static bool parse_line(char *line, struct mount_line *ret)
{
	char *tag;

	if (!take_number(&line, ' ', &ret->id) ||
	    !take_number(&line, ' ', &ret->parent) ||
	    !take_number(&line, ':', &ret->major) ||
	    !take_number(&line, ' ', &ret->minor))
		return false;
	/* a root may also be "net:[4026531840]" or "pid:[...]" */
	if (!take_string(&line, &ret->root) || !*ret->root ||
	    !take_string(&line, &ret->at) || !is_path(ret->at) ||
	    !take_string(&line, &ret->options) || !*ret->options)
		return false;
	do { /* shared:1, master:2...: as many as the kernel likes */
		tag = take_field(&line);
	} while (tag && strcmp(tag, "-") != 0);
	return tag && take_string(&line, &ret->type) && *ret->type &&
	       take_string(&line, &ret->source) && line && *line;
}

int mountinfo_next(char **rest, struct mount_line *ret, struct err *err)
{
	struct mount_line mount;
	char *line = *rest;
	char *end;

	if (!*line)
		return 0;
	end = strchr(line, '\n');
	if (!end)
		return err_set(err, ERR_INVALID, "mountinfo: cut off");
	*end = '\0';
	*rest = end + 1;
	if (!parse_line(line, &mount))
		return err_set(err, ERR_INVALID, "mountinfo: not a line of it");
	*ret = mount;
	return 1;
}

bool mountinfo_has(const char *options, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = options;; at++) {
		size_t item = strcspn(at, ",");

		if (item == len && strncmp(at, word, len) == 0)
			return true;
		at += item;
		if (!*at)
			return false;
	}
}

static int read_text(struct buffer *text, struct err *err)
{
	CLEANUP_FD int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	ssize_t got;
	char *room;

	if (fd < 0)
		return err_errno(err, "cannot open '/proc/self/mountinfo'");
	do {
		room = buffer_room(text, READ_BYTES);
		if (!room)
			return err_set(err, ERR_LIMIT, "too many mounts");
		got = read(fd, room, READ_BYTES);
		if (got < 0)
			return err_errno(err, "cannot read mountinfo");
		text->len += (size_t)got;
	} while (got > 0);
	return 0;
}

static int parse(struct mounts *mounts, struct err *err)
{
	char *rest = mounts->text;
	size_t lines = 0;
	int more;

	for (const char *c = rest; *c; c++)
		lines += *c == '\n';
	if (lines > MOUNTS_MAX)
		return err_set(err, ERR_LIMIT, "too many mounts");
	mounts->lines = calloc(lines + 1, sizeof(*mounts->lines));
	if (!mounts->lines)
		return err_set(err, ERR_LIMIT, "out of memory");
	while ((more = mountinfo_next(&rest, &mounts->lines[mounts->count],
				      err)) > 0)
		mounts->count++;
	return more;
}

int mounts_read(struct mounts *ret, struct err *err)
{
	struct buffer text = BUFFER_INIT(MOUNTINFO_BYTES_MAX);
	struct mounts mounts = { 0 };

	if (read_text(&text, err)) {
		buffer_free(&text);
		return -1;
	}
	if (!buffer_text(&text)) {
		buffer_free(&text);
		return err_set(err, ERR_LIMIT, "out of memory");
	}
	mounts.text = STEAL_PTR(text.data);
	if (parse(&mounts, err)) {
		mounts_free(&mounts);
		return -1;
	}
	*ret = mounts;
	return 0;
}

void mounts_free(struct mounts *mounts)
{
	free(mounts->text);
	free(mounts->lines);
	*mounts = (struct mounts){ 0 };
}

static bool carries_one_there(const struct mounts *mounts,
			      const struct mount_line *mount)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (mounts->lines[i].parent == mount->id &&
		    &mounts->lines[i] != mount &&
		    strcmp(mounts->lines[i].at, mount->at) == 0)
			return true;
	return false;
}

size_t mounts_at(const struct mounts *mounts, const char *path,
		 const struct mount_line **ret)
{
	size_t count = 0;

	*ret = NULL;
	for (size_t i = 0; i < mounts->count; i++) {
		const struct mount_line *mount = &mounts->lines[i];

		if (strcmp(mount->at, path) != 0)
			continue;
		count++;
		if (!carries_one_there(mounts, mount))
			*ret = mount;
	}
	return count;
}
