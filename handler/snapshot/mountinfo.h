/* mountinfo.h - reads a text like /proc/self/mountinfo, see proc(5)
 *
 *	36 35 98:0 /root /mnt/with\040space rw,noatime shared:1 - ext4 /dev/sda rw
 *
 * Strict: a line that is not like that is an error; only the last field, which is
 * each file system's own, is not looked into. In the strings, which lie in the
 * text, \040 and its like are decoded in place; nothing is allocated.
 */
#ifndef WAKEGATE_MOUNTINFO_H
#define WAKEGATE_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"

struct mount_line {
	unsigned id;
	unsigned parent; /* of the mount that it lies on */
	unsigned major;
	unsigned minor;
	const char *root;    /* of the file system, as mounted here */
	const char *at;	     /* the mount point */
	const char *options; /* of the mount: "rw,nosuid,nodev" */
	const char *type;    /* of the file system: "fuse.squashfuse" */
	const char *source;  /* "" when it has none */
};

/* Takes the next line off *rest: 1 and *ret, 0 at the end, -1 when the line is
 * none (ERR_INVALID). *rest is a string that is ours to change. */
int mountinfo_next(char **rest, struct mount_line *ret, struct err *err);

/* Is the word one of these, separated by commas? */
bool mountinfo_has(const char *options, const char *word);

/* Those that we see: all of /proc/self/mountinfo. */
struct mounts {
	char *text; /* the strings of the lines lie here */
	struct mount_line *lines;
	size_t count;
};

#define CLEANUP_MOUNTS CLEANUP(mounts_free)

int mounts_read(struct mounts *ret, struct err *err);
void mounts_free(struct mounts *mounts);

/* How many there are at exactly that path; the topmost, or NULL. */
size_t mounts_at(const struct mounts *mounts, const char *path,
		 const struct mount_line **ret);

#endif
