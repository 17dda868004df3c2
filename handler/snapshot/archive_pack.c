#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/archive_private.h"
#include "snapshot/sqlite_copy.h"

#include "base/banned.h"

#define OPEN_FLAGS   (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define COPY_LOOK_MS 1000

int pack_step(struct packer *packer, int64_t bytes, struct err *err)
{
	packer->content_bytes += bytes;
	report_progress(packer->report, packer->content_bytes, packer->files);
	if (deadline_passed(packer->source->deadline))
		return err_set(err, ERR_TIMEOUT,
			       "the deadline passed while packing");
	return 0;
}

int pack_sync(struct packer *packer, int fd, int64_t bytes, struct err *err)
{
	for (int64_t at = 0; at < bytes; at += PACK_FLUSH_BYTES) {
		(void)sync_file_range(fd, at, PACK_FLUSH_BYTES,
				      SYNC_FILE_RANGE_WAIT_BEFORE |
					      SYNC_FILE_RANGE_WRITE |
					      SYNC_FILE_RANGE_WAIT_AFTER);
		if (pack_step(packer, 0, err))
			return -1;
	}
	if (fsync(fd) != 0) /* only the rest is left to do */
		return err_errno(err, "cannot sync the archive");
	return 0;
}

static void describe(struct packer *packer, const char *path,
		     const struct stat *status)
{
	struct archive_entry *entry = archive_entry_clear(packer->entry);

	archive_entry_copy_pathname(entry, path[0] ? path : ".");
	archive_entry_set_mode(entry, status->st_mode);
	archive_entry_set_uid(entry, (la_int64_t)status->st_uid);
	archive_entry_set_gid(entry, (la_int64_t)status->st_gid);
	archive_entry_set_mtime(entry, status->st_mtim.tv_sec,
				status->st_mtim.tv_nsec);
	archive_entry_set_dev(entry, status->st_dev);
	archive_entry_set_ino(entry, (la_int64_t)status->st_ino);
	archive_entry_set_nlink(entry, (unsigned)status->st_nlink);
	archive_entry_set_size(entry, S_ISREG(status->st_mode)
					      ? (la_int64_t)status->st_size
					      : 0);
}

/* What can't be read of them is not there. */
static void add_xattrs(struct packer *packer, int fd)
{
	char names[ARCHIVE_XATTR_BYTES];
	ssize_t len = flistxattr(fd, names, sizeof(names));

	for (const char *name = names; len > 0;) {
		size_t name_len = strlen(name) + 1;
		char value[ARCHIVE_XATTR_BYTES];
		ssize_t value_len = -1;

		if (member_keeps_xattr(name))
			value_len = fgetxattr(fd, name, value, sizeof(value));
		if (value_len >= 0)
			archive_entry_xattr_add_entry(packer->entry, name,
						      value, (size_t)value_len);
		name += name_len;
		len -= (ssize_t)name_len;
	}
}

static int put_header(struct packer *packer, const char *path, struct err *err)
{
	int result;

	if (packer->adapt)
		packer->adapt(packer->entry, packer->adapt_user);
	result = archive_write_header(packer->output->archive, packer->entry);
	if (result == ARCHIVE_WARN)
		report_note(packer->report, "'%s': %s", path,
			    archive_error_string(packer->output->archive));
	else if (result != ARCHIVE_OK)
		return output_error(packer->output, err);
	packer->files++;
	return pack_step(packer, 0, err);
}

static int pack_contents(struct packer *packer, const struct contents *contents,
			 struct err *err)
{
	if (put_header(packer, contents->path, err))
		return -1;
	if (archive_entry_hardlink(packer->entry))
		return 0;
	return contents_pack(contents, packer, err);
}

static int queue_database(struct packer *packer, const struct tree_entry *entry,
			  const struct stat *status, struct err *err)
{
	struct pack_database *databases;
	size_t count = packer->databases_count;

	if (count == ARCHIVE_DATABASE_MAX)
		return err_set(err, ERR_LIMIT, "more than %d databases",
			       ARCHIVE_DATABASE_MAX);
	databases =
		reallocarray(packer->databases, count + 1, sizeof(*databases));
	if (!databases)
		return err_set(err, ERR_LIMIT, "out of memory");
	packer->databases = databases;
	databases[count].status = *status;
	databases[count].path = strdup(entry->path);
	if (!databases[count].path)
		return err_set(err, ERR_LIMIT, "out of memory");
	packer->databases_count++;
	return 0;
}

/* Gone, or something else by now. */
static int leave_out(struct packer *packer, const char *path, int number,
		     struct err *err)
{
	if (number == ENOENT)
		return 0;
	if (number == ELOOP || number == ENXIO) {
		report_note(packer->report, "left out '%s': it was replaced",
			    path);
		return 0;
	}
	errno = number;
	return err_errno(err, "cannot open '%s'", path);
}

static int pack_file(struct packer *packer, const struct tree_entry *entry,
		     struct err *err)
{
	CLEANUP_FD int fd = openat(entry->parent_fd, entry->name, OPEN_FLAGS);
	struct contents contents = { .fd = fd, .path = entry->path };
	struct archive_entry *spare = NULL;

	if (fd < 0)
		return leave_out(packer, entry->path, errno, err);
	if (contents_open(&contents, packer->block, err))
		return -1;
	if (!S_ISREG(contents.status.st_mode))
		return leave_out(packer, entry->path, ENXIO, err);
	if (sqlite_is_magic(packer->block, contents.len))
		return queue_database(packer, entry, &contents.status, err);
	describe(packer, entry->path, &contents.status);
	add_xattrs(packer, fd);
	archive_entry_linkify(packer->links, &packer->entry, &spare);
	if (!archive_entry_hardlink(packer->entry))
		contents_map(&contents, packer->entry);
	return pack_contents(packer, &contents, err);
}

static int pack_folder(struct packer *packer, const struct tree_entry *entry,
		       struct err *err)
{
	CLEANUP_FD int fd =
		openat(entry->parent_fd, entry->name, OPEN_FLAGS | O_DIRECTORY);

	if (entry->mounted)
		report_note(packer->report, "left out what is mounted at '%s'",
			    entry->path);
	/* one that comes again meanwhile would be members without their folder */
	if (fd < 0)
		return leave_out(packer, entry->path, errno, err)
			       ? -1
			       : TREE_STAY_OUT;
	describe(packer, entry->path, entry->status);
	add_xattrs(packer, fd);
	return put_header(packer, entry->path, err);
}

static int pack_link(struct packer *packer, const struct tree_entry *entry,
		     struct err *err)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(entry->parent_fd, entry->name, target,
				 sizeof(target) - 1);

	if (len < 0)
		return leave_out(packer, entry->path,
				 errno == EINVAL ? ENXIO : errno, err);
	target[len] = '\0';
	if (!member_link_stays(entry->path, target)) {
		report_note(packer->report,
			    "left out the symlink '%s': it leads out of the "
			    "folder, to '%s'",
			    entry->path, target);
		return 0;
	}
	describe(packer, entry->path, entry->status);
	archive_entry_copy_symlink(packer->entry, target);
	return put_header(packer, entry->path, err);
}

static const char *kind(mode_t mode)
{
	return S_ISSOCK(mode) ? "socket" : S_ISFIFO(mode) ? "fifo" : "device";
}

static int start_copy(struct packer *packer, struct err *err)
{
	const struct pack_database *next =
		&packer->databases[packer->databases_done];
	char from[PATH_MAX];
	int len = snprintf(from, sizeof(from), "%s/%s", packer->directory,
			   next->path);
	int copy_len =
		snprintf(packer->copy, sizeof(packer->copy), "%s/database-%zu",
			 packer->source->work, packer->databases_done);

	if (len >= (int)sizeof(from) || copy_len >= (int)sizeof(packer->copy))
		return err_set(err, ERR_LIMIT,
			       "the path of '%.200s' is too long", next->path);
	(void)unlink(packer->copy); /* of one that was killed */
	packer->copying = true;
	return sqlite_ask_copy(&packer->child, from, packer->copy,
			       packer->source->deadline, err);
}

/* Those of the original. */
static void add_database_xattrs(struct packer *packer, const char *path)
{
	char original[PATH_MAX];
	int len = snprintf(original, sizeof(original), "%s/%s",
			   packer->directory, path);
	CLEANUP_FD int fd =
		len < (int)sizeof(original) ? open(original, OPEN_FLAGS) : -1;

	if (fd >= 0)
		add_xattrs(packer, fd);
}

static int pack_copy(struct packer *packer,
		     const struct pack_database *database, const char *copy,
		     struct err *err)
{
	CLEANUP_FD int fd = open(copy, OPEN_FLAGS);
	struct contents contents = { .fd = fd, .path = database->path };
	struct stat status = database->status;

	if (fd < 0)
		return err_errno(err, "cannot open '%s'", copy);
	if (contents_open(&contents, packer->block, err))
		return -1;
	status.st_size = contents.status.st_size;
	describe(packer, database->path, &status);
	add_database_xattrs(packer, database->path);
	return pack_contents(packer, &contents, err);
}

static bool is_copy_wanted(const struct packer *packer)
{
	return !packer->copying &&
	       packer->databases_done < packer->databases_count;
}

/* -1: not known. */
static int64_t cpu_time_ns(pid_t pid)
{
	struct timespec time;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 ||
	    clock_gettime(clock, &time) != 0)
		return -1;
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* A large database takes its time: as long as the child does something. */
static void await_copy(const struct packer *packer)
{
	struct deadline deadline = packer->source->deadline;
	int64_t before_ns = 0;

	while (!child_is_done(&packer->child) && !deadline_passed(deadline)) {
		int64_t now_ns = cpu_time_ns(packer->child.pid);

		if (now_ns > before_ns)
			report_progress(packer->report, packer->content_bytes,
					packer->files);
		before_ns = now_ns;
		(void)deadline_poll(
			packer->child.fd, POLLIN,
			deadline_min(deadline, deadline_in(COPY_LOOK_MS)));
	}
}

/* Packs the copy that is made, or has vanished, while the next one is being made. */
static int finish_copy(struct packer *packer, struct err *err)
{
	const struct pack_database *database =
		&packer->databases[packer->databases_done];
	char copy[PATH_MAX];
	bool vanished;
	int result;

	await_copy(packer);
	result = child_answer(&packer->child, packer->source->deadline, err);
	vanished = result != 0 && err->code == ERR_MISSING;
	memcpy(copy, packer->copy, sizeof(copy));
	packer->databases_done++;
	packer->copying = false;
	if (result != 0 && !vanished)
		err_prepend(err, "cannot copy the database '%s'",
			    database->path);
	else
		result = is_copy_wanted(packer) ? start_copy(packer, err) : 0;
	if (result == 0 && !vanished)
		result = pack_copy(packer, database, copy, err);
	(void)unlink(copy);
	return result;
}

/* One copy at a time: the next is made while others are packed. */
static int go_on_copying(struct packer *packer, struct err *err)
{
	if (packer->copying && child_is_done(&packer->child) &&
	    finish_copy(packer, err))
		return -1;
	return is_copy_wanted(packer) ? start_copy(packer, err) : 0;
}

int pack_databases(struct packer *packer, struct err *err)
{
	while (packer->databases_done < packer->databases_count) {
		if (is_copy_wanted(packer) && start_copy(packer, err))
			return -1;
		if (finish_copy(packer, err))
			return -1;
	}
	return 0;
}

int pack_entry(const struct tree_entry *entry, void *user, struct err *err)
{
	struct packer *packer = user;
	mode_t mode = entry->status->st_mode;

	if (go_on_copying(packer, err))
		return -1;
	if (S_ISDIR(mode))
		return pack_folder(packer, entry, err);
	if (S_ISLNK(mode))
		return pack_link(packer, entry, err);
	if (!S_ISREG(mode)) {
		report_note(packer->report, "left out the %s '%s'", kind(mode),
			    entry->path);
		return 0;
	}
	if (sqlite_is_companion(entry->parent_fd, entry->name))
		return 0;
	return pack_file(packer, entry, err);
}
