#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "snapshot/archive_private.h"

#include "base/banned.h"

#define READS_MAX 3

static const char zeros[ARCHIVE_BLOCK_BYTES];

static ssize_t read_at(int fd, char *block, size_t len, off_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t got =
			pread(fd, block + done, len - done, at + (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static size_t begin_len(const struct stat *status)
{
	return status->st_size < ARCHIVE_BLOCK_BYTES ? (size_t)status->st_size
						     : ARCHIVE_BLOCK_BYTES;
}

int contents_open(struct contents *contents, char *block, struct err *err)
{
	struct stat *status = &contents->status;
	struct stat after;

	for (int reads = 0; reads < READS_MAX; reads++) {
		ssize_t len;

		if (fstat(contents->fd, status) != 0)
			return err_errno(err, "cannot look at '%s'",
					 contents->path);
		contents->len = 0;
		if (!S_ISREG(status->st_mode))
			return 0; /* the caller looks */
		len = read_at(contents->fd, block, begin_len(status), 0);
		if (len < 0 || fstat(contents->fd, &after) != 0)
			return err_errno(err, "cannot read '%s'",
					 contents->path);
		contents->len = (size_t)len;
		contents->whole = status->st_size <= ARCHIVE_BLOCK_BYTES;
		if (!contents->whole ||
		    (is_same(status, &after) && len == status->st_size))
			return 0;
	}
	/* it changes all the time: what was read is what it was for a moment. When
	 * that ended too early, zeros at its end were the hole before something. */
	while (contents->len < begin_len(status) && contents->len > 0 &&
	       block[contents->len - 1] == '\0')
		contents->len--;
	status->st_size = (off_t)contents->len;
	return 0;
}

/* What lies behind the end of a file that is being written anew looks like a hole. */
static bool has_changed(const struct contents *contents,
			const struct stat *since)
{
	struct stat now;

	return fstat(contents->fd, &now) != 0 || !is_same(since, &now);
}

void contents_map(const struct contents *contents, struct archive_entry *entry)
{
	const struct stat *status = &contents->status;
	off_t at = 0;

	if (contents->whole || status->st_blocks * 512 >= status->st_size)
		return;
	for (int i = 0; at < status->st_size; i++) {
		off_t data = lseek(contents->fd, at, SEEK_DATA);
		off_t hole = -1;

		if (data < 0 && errno != ENXIO)
			data = at; /* the file system does not say */
		if (data < 0 || data >= status->st_size)
			break;
		if (i < ARCHIVE_EXTENTS_MAX)
			hole = lseek(contents->fd, data, SEEK_HOLE);
		if (hole <= data || hole > status->st_size)
			hole = status->st_size;
		if (data == 0 && hole == status->st_size)
			return;
		archive_entry_sparse_add_entry(entry, data, hole - data);
		at = hole;
	}
	/* an end that is a hole needs an entry behind it */
	if (at < status->st_size)
		archive_entry_sparse_add_entry(entry, status->st_size, 0);
	if (has_changed(contents, status))
		archive_entry_sparse_clear(entry);
}

static int put(struct packer *packer, const void *data, size_t len,
	       struct err *err)
{
	la_ssize_t done =
		archive_write_data(packer->output->archive, data, len);

	if (done != (la_ssize_t)len)
		return output_error(packer->output, err);
	return pack_step(packer, (int64_t)len, err);
}

/* libarchive leaves out what lies in a hole, but wants to be given it. */
static int put_hole(struct packer *packer, off_t len, struct err *err)
{
	while (len > 0) {
		size_t now = len < (off_t)sizeof(zeros) ? (size_t)len
							: sizeof(zeros);

		if (put(packer, zeros, now, err))
			return -1;
		len -= (off_t)now;
	}
	return 0;
}

static int shrank(const struct contents *contents, struct err *err)
{
	return err_set(err, ERR_BUSY, "'%s' shrank while it was read",
		       contents->path);
}

/* Where data goes on at or after at; the end when nothing follows. In a file that
 * changes just now, no hole is believed. */
static int next_data(const struct contents *contents, off_t at, off_t *ret,
		     struct err *err)
{
	off_t size = contents->status.st_size;
	struct stat now;
	off_t data;

	*ret = at;
	if (contents->status.st_blocks * 512 >= size ||
	    fstat(contents->fd, &now) != 0)
		return 0;
	if (now.st_size < size)
		return shrank(contents, err);
	data = lseek(contents->fd, at, SEEK_DATA);
	if ((data < 0 && errno != ENXIO) || has_changed(contents, &now))
		return 0;
	*ret = data >= 0 && data < size ? data : size;
	return 0;
}

static int pack_rest(const struct contents *contents, struct packer *packer,
		     off_t at, struct err *err)
{
	off_t size = contents->status.st_size;

	while (at < size) {
		ssize_t got;
		size_t len;
		off_t data;

		if (next_data(contents, at, &data, err))
			return -1;
		len = size - data < ARCHIVE_BLOCK_BYTES ? (size_t)(size - data)
							: ARCHIVE_BLOCK_BYTES;
		if (put_hole(packer, data - at, err))
			return -1;
		got = read_at(contents->fd, packer->block, len, data);
		if (got < 0)
			return err_errno(err, "cannot read '%s'",
					 contents->path);
		if (got < (ssize_t)len)
			return shrank(contents, err);
		if (put(packer, packer->block, len, err))
			return -1;
		at = data + (off_t)len;
	}
	return 0;
}

int contents_pack(const struct contents *contents, struct packer *packer,
		  struct err *err)
{
	if (put(packer, packer->block, contents->len, err))
		return -1;
	if (contents->whole)
		return 0;
	return pack_rest(contents, packer, (off_t)contents->len, err);
}
