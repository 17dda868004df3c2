/* mksquashfs makes the image from the tar that archive_create() would compress: it
 * reads nothing of the folder itself, so databases, excluded and changing files are
 * the packer's in both. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/archive_private.h"
#include "snapshot/overlay.h"
#include "snapshot/overlay_private.h"
#include "snapshot/run.h"

#include "base/banned.h"

#define FEED_BYTES    (1 << 20) /* on their way to mksquashfs */
#define MEMORY	      "256M"	/* that it may take; its default is a quarter */
#define GONE_MS	      1000	/* for it to end when it has closed its end */
#define STEP_MS	      200
#define INODES_OFFSET 4 /* of their number in the superblock */

/* One attempt. */
struct image {
	const struct archive_source *source;
	const char *path;
	int fd;		/* the image */
	int64_t inodes; /* that were fed, one for all names of a file */
	struct run run; /* mksquashfs */
	struct output output;
	struct packer packer;
};

/* --- feeding ---------------------------------------------------------------- */

static la_ssize_t feed(struct archive *archive, void *user, const void *data,
		       size_t len)
{
	struct image *image = user;
	struct output *output = &image->output;
	ssize_t sent = -1;

	(void)archive;
	if (output->failed)
		return -1;
	errno = ETIMEDOUT;
	while (sent < 0 && deadline_poll(output->fd, POLLOUT,
					 image->source->deadline) > 0) {
		sent = send(output->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			break;
		errno = sent < 0 ? ETIMEDOUT : errno;
	}
	if (sent < 0) {
		err_fill_errno(&output->err, "cannot write to mksquashfs");
		if (errno == ETIMEDOUT)
			output->err.code = ERR_TIMEOUT;
		output->failed = true;
	}
	return sent;
}

static int open_tar(struct image *image, struct err *err)
{
	struct output *output = &image->output;
	struct archive *archive = archive_write_new();

	output->archive = archive;
	if (!archive)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (archive_write_set_format_pax_restricted(archive) != ARCHIVE_OK ||
	    archive_write_set_format_option(archive, "pax", "hdrcharset",
					    "BINARY") != ARCHIVE_OK ||
	    archive_write_set_format_option(archive, "pax", "xattrheader",
					    "SCHILY") != ARCHIVE_OK ||
	    archive_write_add_filter_none(archive) != ARCHIVE_OK ||
	    archive_write_open(archive, image, NULL, feed, NULL) != ARCHIVE_OK)
		return output_error(output, err);
	return 0;
}

static void adapt_name(char ret[PATH_MAX + sizeof(OVERLAY_ROOT)],
		       const char *path)
{
	const char *slash = strcmp(path, ".") == 0 ? "" : "/";

	(void)snprintf(ret, PATH_MAX + sizeof(OVERLAY_ROOT), "%s%s%s",
		       OVERLAY_ROOT, slash, *slash ? path : "");
}

/* To what squashfs can hold, and mksquashfs takes from a tar. */
static void adapt(struct archive_entry *entry, void *user)
{
	struct image *image = user;
	const char *target = archive_entry_hardlink(entry);
	time_t seconds = archive_entry_mtime(entry);
	char name[PATH_MAX + sizeof(OVERLAY_ROOT)];

	adapt_name(name, archive_entry_pathname(entry));
	archive_entry_copy_pathname(entry, name);
	if (target) {
		adapt_name(name, target);
		archive_entry_copy_hardlink(entry, name);
	} else {
		image->inodes++;
	}
	if (seconds < 0)
		seconds = 0;
	if (seconds > (time_t)UINT32_MAX)
		seconds = (time_t)UINT32_MAX;
	archive_entry_set_mtime(entry, seconds, 0);
}

/* --- mksquashfs ------------------------------------------------------------- */

static int start(struct image *image, struct err *err)
{
	const char *argv[] = {
		"mksquashfs",
		"-",
		image->path,
		"-tar",
		"-noappend",
		"-comp",
		"zstd",
		"-Xcompression-level",
		"3",
		"-exit-on-error",
		"-no-recovery",
		"-no-progress",
		"-quiet",
		"-mem",
		MEMORY,
		"-root-mode",
		"755",
		NULL,
	};
	struct program program = { .argv = argv };
	int size = FEED_BYTES;
	int ends[2];
	int result;

	/* a socket: one that died is an error of send(2), and no signal */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return err_errno(err, "cannot make a socket");
	(void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	image->output.fd = ends[0];
	program.in_fd = ends[1];
	result = run_begin(&image->run, &program, err);
	(void)close(ends[1]);
	return result;
}

static int finish_tar(struct output *output, struct err *err)
{
	return archive_write_close(output->archive) == ARCHIVE_OK
		       ? 0
		       : output_error(output, err);
}

/* While the image grows, that is progress. */
static void follow(struct image *image)
{
	struct deadline deadline = image->source->deadline;
	struct stat status;
	blkcnt_t seen = 0;
	struct err err;

	while (deadline_poll(image->run.pid_fd, POLLIN,
			     deadline_min(deadline, deadline_in(STEP_MS))) ==
		       0 &&
	       !deadline_passed(deadline)) {
		if (fstat(image->fd, &status) != 0 || status.st_blocks == seen)
			continue;
		seen = status.st_blocks;
		(void)pack_step(&image->packer, 0, &err); /* run_end() says */
	}
}

/* A tar that ends too early between two entries is a tar for it: so it must not
 * live to see an end that is not the end. */
static int fill(struct image *image, struct err *err)
{
	struct output *output = &image->output;
	struct deadline deadline = image->source->deadline;
	struct err why;

	if (packer_run(&image->packer, err) == 0 &&
	    finish_tar(output, err) == 0) {
		(void)close(STEAL_FD(output->fd));
		follow(image);
		return run_end(&image->run, deadline, err);
	}
	/* its own words say more than that it has gone */
	if (output->failed && output->err.code != ERR_TIMEOUT &&
	    run_end(&image->run, deadline_in(GONE_MS), &why) != 0)
		*err = why;
	run_kill(&image->run);
	return -1;
}

/* --- an image --------------------------------------------------------------- */

/* Did all that it was given come to be in it? */
static int check_inodes(const struct image *image, struct err *err)
{
	unsigned char at[4] = { 0 };
	int64_t inodes;

	if (pread(image->fd, at, sizeof(at), INODES_OFFSET) !=
	    (ssize_t)sizeof(at))
		return err_errno(err, "cannot read the image");
	inodes = at[0] | at[1] << 8 | at[2] << 16 | (int64_t)at[3] << 24;
	if (inodes != image->inodes + 1)
		return err_set(err, ERR_CORRUPT,
			       "the image has %lld inodes, not %lld",
			       (long long)inodes, (long long)image->inodes + 1);
	return 0;
}

/* What is reported is what was packed, not what was read. */
static void on_read(void *user, int64_t bytes, int64_t files)
{
	struct err err;

	(void)bytes;
	(void)files;
	(void)pack_step(user, 0, &err); /* the digest ends by the deadline */
}

/* Twice: what mksquashfs wrote, and what the disk holds. */
static int read_back(struct image *image, int64_t bytes, char ret[DIGEST_BYTES],
		     struct err *err)
{
	struct deadline deadline = image->source->deadline;
	struct report report = { .progress = on_read, .user = &image->packer };
	char written[DIGEST_BYTES];

	if (digest_file(image->fd, &report, written, deadline, err) ||
	    pack_sync(&image->packer, image->fd, bytes, err) ||
	    digest_file(image->fd, &report, ret, deadline, err))
		return -1;
	if (strcmp(written, ret) != 0)
		return err_set(err, ERR_CORRUPT,
			       "what the disk holds is not what was written");
	return 0;
}

static int build(struct image *image, struct archive_summary *ret,
		 struct err *err)
{
	struct archive_summary summary;
	struct stat status;

	if (packer_begin(&image->packer, err) || start(image, err) ||
	    open_tar(image, err) || fill(image, err) ||
	    check_inodes(image, err))
		return -1;
	if (fstat(image->fd, &status) != 0)
		return err_errno(err, "cannot stat the image");
	if (read_back(image, status.st_size, summary.sha256, err))
		return -1;
	summary.bytes = status.st_size;
	summary.files = image->packer.files;
	summary.content_bytes = image->packer.content_bytes;
	*ret = summary;
	return 0;
}

static int create_once(const struct archive_source *source, const char *path,
		       const struct report *report, struct archive_summary *ret,
		       struct err *err)
{
	struct image image = {
		.source = source,
		.path = path,
		.run = { .pid_fd = -1, .out_fd = -1 },
		.output = { .fd = -1 },
		.packer = { .source = source,
			    .report = report,
			    .adapt = adapt,
			    .child = CHILD_NONE },
	};
	int result;

	image.packer.adapt_user = &image;
	image.packer.output = &image.output;
	image.fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (image.fd < 0)
		return err_errno(err, "cannot make '%s'", path);
	result = build(&image, ret, err);
	run_kill(&image.run);
	packer_free(&image.packer);
	output_free(&image.output);
	(void)close(image.fd);
	if (result)
		(void)unlink(path);
	return result;
}

int overlay_create(const struct archive_source *source, const char *path,
		   const struct report *report, struct archive_summary *ret,
		   struct err *err)
{
	return archive_attempts(create_once, source, path, report, ret, err);
}
