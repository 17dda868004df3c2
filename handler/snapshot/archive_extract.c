#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/archive_private.h"
#include "snapshot/sqlite_copy.h"

#include "base/banned.h"

/* Less than sha256sum's socket takes without us waiting for it. */
#define READ_BYTES 131072

/* The archive's file: read once, for libarchive and for the digest. */
struct input {
	int fd;
	struct digest *digest;
	char *block;
	struct deadline deadline;
	int64_t bytes;
	bool failed; /* it, not the archive, is what is wrong */
	struct err err;
};

static void input_free(struct input *input)
{
	digest_free(input->digest);
	free(input->block);
	if (input->fd >= 0)
		(void)close(input->fd);
}

static int input_open(struct input *input, const char *path, struct err *err)
{
	input->block = malloc(READ_BYTES);
	if (!input->block)
		return err_set(err, ERR_LIMIT, "out of memory");
	input->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (input->fd < 0 && errno == ENOENT)
		return err_set(err, ERR_MISSING, "'%s' is missing", path);
	if (input->fd < 0)
		return err_errno(err, "cannot open '%s'", path);
	(void)posix_fadvise(input->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return digest_begin(&input->digest, err);
}

/* Gives the bytes read, 0 at the end; -1 sets failed. */
static ssize_t input_read(struct input *input)
{
	ssize_t len;

	if (input->failed)
		return -1;
	do
		len = read(input->fd, input->block, READ_BYTES);
	while (len < 0 && errno == EINTR);
	input->failed = true;
	if (len < 0)
		return err_errno(&input->err, "cannot read the archive");
	if (deadline_passed(input->deadline))
		return err_set(&input->err, ERR_TIMEOUT,
			       "the deadline passed while unpacking");
	if (digest_add(input->digest, input->block, (size_t)len, &input->err))
		return -1;
	input->failed = false;
	input->bytes += len;
	return len;
}

static la_ssize_t give(struct archive *archive, void *user, const void **ret)
{
	struct input *input = user;
	ssize_t len = input_read(input);

	if (len < 0)
		archive_set_error(archive, EIO, "%s", input->err.text);
	*ret = input->block;
	return len;
}

/* Is it what it is to be? Reads what libarchive did not want. */
static int check_digest(struct input *input, const char *sha256,
			struct err *err)
{
	char found[DIGEST_BYTES];
	ssize_t len;

	do
		len = input_read(input);
	while (len > 0);
	if (len < 0) {
		*err = input->err;
		return -1;
	}
	if (digest_end(STEAL_PTR(input->digest), found, input->deadline, err))
		return -1;
	if (strcmp(found, sha256) != 0)
		return err_set(err, ERR_CORRUPT,
			       "the archive is damaged: its digest is %s, not "
			       "%s",
			       found, sha256);
	return 0;
}

static int no_archive(struct archive *archive, struct err *err)
{
	return err_set(err, ERR_INVALID, "it is no archive of ours: %s",
		       archive_error_string(archive)
			       ? archive_error_string(archive)
			       : "not tar in zstd");
}

/* One layer of zstd, no other: what we write. */
static bool is_ours(struct archive *archive)
{
	return archive_filter_count(archive) == 2 &&
	       archive_filter_code(archive, 0) == ARCHIVE_FILTER_ZSTD;
}

static int unpack_all(struct unpacker *unpacker, struct input *input,
		      struct err *err)
{
	struct archive *archive = unpacker->archive;
	struct archive_entry *entry;
	int result;

	if (archive_read_support_filter_zstd(archive) != ARCHIVE_OK ||
	    archive_read_support_format_tar(archive) != ARCHIVE_OK)
		return err_set(err, ERR_SYSTEM, "this libarchive has no zstd");
	if (archive_read_open(archive, input, NULL, give, NULL) != ARCHIVE_OK)
		return no_archive(archive, err);
	while ((result = archive_read_next_header(archive, &entry)) ==
	       ARCHIVE_OK) {
		if (unpacker->files == 0 && !is_ours(archive))
			return no_archive(archive, err);
		if (unpack_member(unpacker, entry, err))
			return -1;
	}
	if (unpacker->files == 0)
		return no_archive(archive, err);
	if (result != ARCHIVE_EOF)
		return err_set(err, ERR_CORRUPT, "the archive is damaged: %s",
			       archive_error_string(archive));
	return 0;
}

/* Whatever went wrong: if the file is not what it was, that is why. */
static int unpack_checked(struct unpacker *unpacker, struct input *input,
			  const char *sha256, struct err *err)
{
	struct err digest_err;

	if (unpack_all(unpacker, input, err) == 0)
		return check_digest(input, sha256, err);
	if (input->failed) {
		*err = input->err;
		return -1;
	}
	if (err->code != ERR_TIMEOUT &&
	    check_digest(input, sha256, &digest_err) &&
	    digest_err.code == ERR_CORRUPT)
		*err = digest_err;
	return -1;
}

/* In a child; its errors are ours too, at the end. */
static int flush(const void *request, size_t len, struct err *err)
{
	CLEANUP_FD int fd = open(request, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)len;
	return fd >= 0 && syncfs(fd) == 0 ? 0 : err_errno(err, "syncfs");
}

static int finish(struct unpacker *unpacker, struct err *err)
{
	if (unpack_databases(unpacker, err) ||
	    attributes_set_folders(unpacker, err))
		return -1;
	if (syncfs(unpacker->root) != 0)
		return err_errno(err, "cannot sync '%s'", unpacker->into);
	return 0;
}

int archive_extract(const char *path, const char *sha256, const char *into,
		    struct deadline deadline, const struct report *report,
		    struct archive_summary *ret, struct err *err)
{
	CLEANUP(input_free)
	struct input input = { .fd = -1, .deadline = deadline };
	CLEANUP(unpack_free)
	struct unpacker unpacker = { .into = into,
				     .root = -1,
				     .parent = -1,
				     .deadline = deadline,
				     .report = report,
				     .child = CHILD_NONE,
				     .flusher = CHILD_NONE };

	if (sqlite_serve(&unpacker.child, err) ||
	    child_serve(&unpacker.flusher, flush, err) ||
	    input_open(&input, path, err))
		return -1;
	unpacker.root = open(into, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (unpacker.root < 0)
		return err_errno(err, "cannot open '%s'", into);
	unpacker.archive = archive_read_new();
	if (!unpacker.archive)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (unpack_checked(&unpacker, &input, sha256, err) ||
	    finish(&unpacker, err))
		return -1;
	*ret = (struct archive_summary){
		.bytes = input.bytes,
		.files = unpacker.files,
		.content_bytes = unpacker.content_bytes,
	};
	memcpy(ret->sha256, sha256, DIGEST_BYTES);
	return 0;
}
