#include "config.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/archive_private.h"

#include "base/banned.h"

#define LEVEL	       "3"
#define THREADS	       "2" /* that compress while this one reads */
#define CHECKSUM_PRIME 0x9e3779b97f4a7c15ULL /* odd */

static void checksum_word(struct checksum *checksum, uint64_t word)
{
	checksum->sum = (checksum->sum ^ word) * CHECKSUM_PRIME;
}

static void checksum_add(struct checksum *checksum, const char *data,
			 size_t len)
{
	while (len > 0) {
		uint64_t word;

		if (checksum->filled == 0 && len >= sizeof(word)) {
			memcpy(&word, data, sizeof(word));
			checksum_word(checksum, word);
			data += sizeof(word);
			len -= sizeof(word);
			continue;
		}
		checksum->word = checksum->word << 8 | (unsigned char)*data++;
		len--;
		if (++checksum->filled == sizeof(word)) {
			/* as memcpy() reads them */
			checksum_word(checksum, be64toh(checksum->word));
			checksum->filled = 0;
		}
	}
}

static bool checksum_is(const struct checksum *a, const struct checksum *b)
{
	return a->sum == b->sum && a->filled == b->filled &&
	       (a->filled == 0 || a->word << (64 - 8 * a->filled) ==
					  b->word << (64 - 8 * b->filled));
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, data, len);

		if (done < 0 && errno != EINTR)
			return -1;
		data += done > 0 ? done : 0;
		len -= done > 0 ? (size_t)done : 0;
	}
	return 0;
}

/* Has the disk begin early, so that there is little left for fsync. */
static void begin_flush(const struct output *output, int64_t before)
{
	if (before / PACK_FLUSH_BYTES != output->bytes / PACK_FLUSH_BYTES)
		(void)sync_file_range(output->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static la_ssize_t take(struct archive *archive, void *user, const void *data,
		       size_t len)
{
	struct output *output = user;
	int64_t before = output->bytes;

	(void)archive;
	if (output->failed)
		return -1;
	if (write_all(output->fd, data, len) != 0) {
		err_fill_errno(&output->err, "cannot write the archive");
		output->failed = true;
		return -1;
	}
	if (digest_add(output->digest, data, len, &output->err)) {
		output->failed = true;
		return -1;
	}
	checksum_add(&output->written, data, len);
	output->bytes += (int64_t)len;
	begin_flush(output, before);
	return (la_ssize_t)len;
}

int output_error(struct output *output, struct err *err)
{
	const char *text;

	if (output->failed) {
		*err = output->err;
		return -1;
	}
	text = archive_error_string(output->archive);
	return err_set(err, ERR_SYSTEM, "cannot write the archive: %s",
		       text ? text : "libarchive failed");
}

static int set_up(struct output *output)
{
	struct archive *archive = output->archive;

	/* a libzstd without threads says no: then ours compresses */
	/* not pax_restricted: that would cut times to seconds */
	if (archive_write_set_format_pax(archive) != ARCHIVE_OK ||
	    archive_write_add_filter_zstd(archive) != ARCHIVE_OK)
		return -1;
	(void)archive_write_set_filter_option(archive, "zstd", "threads",
					      THREADS);
	/* names are bytes, whatever the locale */
	if (archive_write_set_format_option(archive, "pax", "hdrcharset",
					    "BINARY") != ARCHIVE_OK ||
	    archive_write_set_format_option(archive, "pax", "xattrheader",
					    "SCHILY") != ARCHIVE_OK ||
	    archive_write_set_filter_option(archive, "zstd",
					    "compression-level",
					    LEVEL) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(archive, 0) != ARCHIVE_OK)
		return -1;
	return archive_write_open(archive, output, NULL, take, NULL) ==
			       ARCHIVE_OK
		       ? 0
		       : -1;
}

int output_open(struct output *output, const char *path, struct err *err)
{
	*output = (struct output){ .fd = -1 };
	output->archive = archive_write_new();
	if (!output->archive)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (digest_begin(&output->digest, err))
		return -1;
	output->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (output->fd < 0)
		return err_errno(err, "cannot make '%s'", path);
	if (set_up(output) == 0)
		return 0;
	(void)unlink(path);
	return output_error(output, err);
}

/* Reads from the disk what was written: not what memory still has of it. */
static int read_back(const struct output *output, struct packer *packer,
		     struct err *err)
{
	CLEANUP_FREE char *block = malloc(ARCHIVE_BLOCK_BYTES);
	struct checksum found = { .sum = 0 };
	off_t at = 0;
	ssize_t len;

	if (!block)
		return err_set(err, ERR_LIMIT, "out of memory");
	(void)posix_fadvise(output->fd, 0, 0, POSIX_FADV_DONTNEED);
	while ((len = pread(output->fd, block, ARCHIVE_BLOCK_BYTES, at)) != 0) {
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return err_errno(err, "cannot read the archive back");
		if (pack_step(packer, 0, err))
			return -1;
		checksum_add(&found, block, (size_t)len);
		at += len;
	}
	if (at != output->bytes || !checksum_is(&found, &output->written))
		return err_set(err, ERR_CORRUPT,
			       "what the disk holds is not what was written");
	return 0;
}

int output_finish(struct output *output, struct packer *packer,
		  char ret[DIGEST_BYTES], struct err *err)
{
	if (archive_write_close(output->archive) != ARCHIVE_OK)
		return output_error(output, err);
	if (pack_sync(packer, output->fd, output->bytes, err) ||
	    read_back(output, packer, err))
		return -1;
	return digest_end(STEAL_PTR(output->digest), ret,
			  packer->source->deadline, err);
}

void output_free(struct output *output)
{
	/* libarchive would write the rest: it is not wanted any more */
	output->failed = true;
	(void)archive_write_free(output->archive);
	digest_free(output->digest);
	if (output->fd >= 0)
		(void)close(output->fd);
	*output = (struct output){ .fd = -1 };
}
