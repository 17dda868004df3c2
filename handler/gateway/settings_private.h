/* settings_private.h - what the files of settings share: the counted struct, and
 * the small files that it was read from
 */
#ifndef WAKEGATE_SETTINGS_PRIVATE_H
#define WAKEGATE_SETTINGS_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "gateway/settings.h"

/* What tells one content of a file from another; all zero: no file. */
struct file_stamp {
	dev_t device;
	ino_t inode;
	mode_t mode;
	off_t size;
	struct timespec modified, changed;
};

struct watched_file {
	char *path;
	struct file_stamp stamp; /* of the content that was read */
};

struct settings_counted {
	struct settings settings; /* first: one pointer is the other */
	atomic_int references;
	struct watched_file *watched;
	size_t watched_count;
};

/* Reads a regular file of at most max bytes; the text is terminated, len is
 * without that. The caller frees it. */
struct small_file {
	char *text;
	size_t len;
	struct file_stamp stamp;
};
int small_file_read(struct small_file *ret, const char *path, size_t max,
		    struct err *err);

struct file_stamp file_stamp_of(const char *path);
bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b);

/* The content of a secret's file, as settings_value_read() gives it. */
int secret_file_read(struct small_file *ret, const char *path, struct err *err);

/* Notes that the settings rest on this content of the file. */
int settings_add_watched(struct settings_counted *counted, const char *path,
			 const struct file_stamp *stamp, struct err *err);

#endif
