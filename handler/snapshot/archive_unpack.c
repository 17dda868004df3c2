#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/archive_private.h"
#include "snapshot/sqlite_copy.h"

#include "base/banned.h"

#define FLUSH_BYTES  (32 << 20)
#define DEATH_MS     2000
#define FOLDER_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* A member that is being unpacked. */
struct member {
	const char *path;
	int folder; /* open; borrowed */
	const char *name;
	struct archive_entry *entry;
};

/* The kernel's answer to a path that an honest archive does not hold. */
static bool is_archives_fault(int number)
{
	return number == EEXIST || number == ENOENT || number == ENOTDIR ||
	       number == ELOOP || number == EISDIR;
}

static int fail(const char *what, const char *path, struct err *err)
{
	if (is_archives_fault(errno))
		return err_set(err, ERR_CORRUPT, "refused: cannot %s '%s': %s",
			       what, path, strerror(errno));
	return err_errno(err, "cannot %s '%s'", what, path);
}

int unpack_open_folder(const struct unpacker *unpacker, const char *path,
		       struct err *err)
{
	CLEANUP_FD int fd = openat(unpacker->root, ".", FOLDER_FLAGS);
	const char *at = path;

	while (fd >= 0 && *at) {
		char name[NAME_MAX + 1];
		size_t len = strcspn(at, "/");
		int next;

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, at);
		next = openat(fd, name, FOLDER_FLAGS);
		(void)close(fd);
		fd = next;
		at += len + (at[len] == '/');
	}
	if (fd < 0)
		return fail("enter", path, err);
	return STEAL_FD(fd);
}

/* Opens the folder that the member is in, if it is not the same as before. */
static int find_place(struct unpacker *unpacker, struct member *member,
		      struct err *err)
{
	const char *slash = strrchr(member->path, '/');
	size_t len = slash ? (size_t)(slash - member->path) : 0;
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%.*s", (int)len, member->path);
	member->name = slash ? slash + 1 : member->path;
	if (unpacker->parent < 0 || strcmp(path, unpacker->parent_path) != 0) {
		int fd = unpack_open_folder(unpacker, path, err);

		if (fd < 0)
			return -1;
		if (unpacker->parent >= 0)
			(void)close(unpacker->parent);
		unpacker->parent = fd;
		(void)snprintf(unpacker->parent_path,
			       sizeof(unpacker->parent_path), "%s", path);
	}
	member->folder = unpacker->parent;
	return 0;
}

/* Has the disk begin while we go on; what fails shows again at the end. */
static void flush(struct unpacker *unpacker)
{
	struct err ignored;

	if (unpacker->flushing && !child_is_done(&unpacker->flusher))
		return;
	if (unpacker->flushing)
		(void)child_answer(&unpacker->flusher, deadline_in(0),
				   &ignored);
	unpacker->flushing =
		child_ask(&unpacker->flusher, unpacker->into,
			  strlen(unpacker->into) + 1, &ignored) == 0;
}

static int step(struct unpacker *unpacker, size_t bytes, struct err *err)
{
	int64_t before = unpacker->content_bytes;

	unpacker->content_bytes += (int64_t)bytes;
	if (before / FLUSH_BYTES != unpacker->content_bytes / FLUSH_BYTES)
		flush(unpacker);
	report_progress(unpacker->report, unpacker->content_bytes,
			unpacker->files);
	if (deadline_passed(unpacker->deadline))
		return err_set(err, ERR_TIMEOUT,
			       "the deadline passed while unpacking");
	return 0;
}

static int write_at(int fd, const char *data, size_t len, off_t at,
		    const char *path, struct err *err)
{
	while (len > 0) {
		ssize_t done = pwrite(fd, data, len, at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_errno(err, "cannot write '%s'", path);
		data += done;
		at += done;
		len -= (size_t)done;
	}
	return 0;
}

static int unpack_contents(struct unpacker *unpacker,
			   const struct member *member, int fd,
			   bool *is_database, struct err *err)
{
	la_int64_t size = archive_entry_size(member->entry);
	la_int64_t end = 0;
	const void *data;
	la_int64_t at;
	size_t len;
	int result;

	while ((result = archive_read_data_block(unpacker->archive, &data, &len,
						 &at)) == ARCHIVE_OK) {
		if (at < end || at > size || (la_int64_t)len > size - at)
			return err_set(err, ERR_CORRUPT,
				       "refused: '%s' is not what its header "
				       "says",
				       member->path);
		if (at == 0)
			*is_database = sqlite_is_magic(data, len);
		if (write_at(fd, data, len, at, member->path, err) ||
		    step(unpacker, len, err))
			return -1;
		end = at + (la_int64_t)len;
	}
	if (result != ARCHIVE_EOF)
		return err_set(err, ERR_CORRUPT, "'%s' is damaged: %s",
			       member->path,
			       archive_error_string(unpacker->archive));
	if (end < size && ftruncate(fd, size) != 0)
		return err_errno(err, "cannot write '%s'", member->path);
	return 0;
}

static int queue_check(struct unpacker *unpacker, const char *path,
		       struct err *err)
{
	size_t count = unpacker->databases_count;
	char **paths;

	if (count == ARCHIVE_DATABASE_MAX)
		return err_set(err, ERR_LIMIT, "more than %d databases",
			       ARCHIVE_DATABASE_MAX);
	paths = reallocarray(unpacker->databases, count + 1, sizeof(*paths));
	if (!paths)
		return err_set(err, ERR_LIMIT, "out of memory");
	unpacker->databases = paths;
	if (asprintf(&paths[count], "%s/%s", unpacker->into, path) < 0)
		return err_set(err, ERR_LIMIT, "out of memory");
	unpacker->databases_count++;
	return 0;
}

static int unpack_file(struct unpacker *unpacker, const struct member *member,
		       struct err *err)
{
	CLEANUP_FD int fd = openat(
		member->folder, member->name,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool is_database = false;

	if (fd < 0)
		return fail("make", member->path, err);
	if (unpack_contents(unpacker, member, fd, &is_database, err) ||
	    attributes_set(unpacker, fd, member->path, member->entry, err))
		return -1;
	return is_database ? queue_check(unpacker, member->path, err) : 0;
}

static int keep_folder(struct unpacker *unpacker, const char *path,
		       struct archive_entry *entry, struct err *err)
{
	size_t count = unpacker->folders_count;
	struct unpack_folder *folders = unpacker->folders;

	if (count == ARCHIVE_FOLDERS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d folders",
			       ARCHIVE_FOLDERS_MAX);
	/* twice as large at each power of two */
	if ((count & (count - 1)) == 0) {
		folders = reallocarray(folders, count == 0 ? 1 : count * 2,
				       sizeof(*folders));
		if (!folders)
			return err_set(err, ERR_LIMIT, "out of memory");
		unpacker->folders = folders;
	}
	folders[count].path = strdup(path);
	folders[count].entry = archive_entry_clone(entry);
	unpacker->folders_count++;
	if (!folders[count].path || !folders[count].entry)
		return err_set(err, ERR_LIMIT, "out of memory");
	return 0;
}

static int unpack_folder(struct unpacker *unpacker, const struct member *member,
			 struct err *err)
{
	if (mkdirat(member->folder, member->name, 0700) != 0)
		return fail("make", member->path, err);
	return keep_folder(unpacker, member->path, member->entry, err);
}

static int unpack_link(struct unpacker *unpacker, const struct member *member,
		       struct err *err)
{
	const char *target = archive_entry_symlink(member->entry);

	if (!target || !member_link_stays(member->path, target))
		return err_set(err, ERR_CORRUPT,
			       "refused: the symlink '%s' leads out of the "
			       "folder",
			       member->path);
	if (symlinkat(target, member->folder, member->name) != 0)
		return fail("make", member->path, err);
	return attributes_set_link(unpacker, member->folder, member->name,
				   member->path, member->entry, err);
}

/* All in the folder was unpacked by us: so it is enough that the other name is in
 * it, not by a symlink, and a file. */
static int unpack_hard_link(struct unpacker *unpacker,
			    const struct member *member, const char *other,
			    struct err *err)
{
	CLEANUP_FD int folder = -1;
	char path[PATH_MAX];
	struct stat status;
	char *slash;

	if (!member_path_is_safe(other) ||
	    archive_entry_size(member->entry) > 0)
		return err_set(err, ERR_CORRUPT,
			       "refused: '%s' is a hard link to '%.200s'",
			       member->path, other);
	(void)snprintf(path, sizeof(path), "%s", other);
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	folder = unpack_open_folder(unpacker, slash ? path : "", err);
	if (folder < 0)
		return -1;
	slash = strrchr(other, '/');
	other = slash ? slash + 1 : other;
	if (fstatat(folder, other, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return fail("link", member->path, err);
	if (!S_ISREG(status.st_mode))
		return err_set(err, ERR_CORRUPT,
			       "refused: '%s' is a hard link to no file",
			       member->path);
	if (linkat(folder, other, member->folder, member->name, 0) != 0)
		return fail("link", member->path, err);
	return 0;
}

static int unpack_by_type(struct unpacker *unpacker,
			  const struct member *member, struct err *err)
{
	const char *other = archive_entry_hardlink(member->entry);

	if (other)
		return unpack_hard_link(unpacker, member, other, err);
	switch (archive_entry_filetype(member->entry)) {
	case AE_IFREG:
		return unpack_file(unpacker, member, err);
	case AE_IFDIR:
		return unpack_folder(unpacker, member, err);
	case AE_IFLNK:
		return unpack_link(unpacker, member, err);
	default:
		return err_set(err, ERR_CORRUPT,
			       "refused: '%s' is a device, fifo or socket",
			       member->path);
	}
}

/* Copies the member's path, without the '/' at a folder's end. */
static int take_path(struct archive_entry *entry, char ret[PATH_MAX],
		     struct err *err)
{
	const char *path = archive_entry_pathname(entry);
	bool is_folder = archive_entry_filetype(entry) == AE_IFDIR;
	size_t len = path ? strlen(path) : 0;

	if (len > 1 && is_folder && path[len - 1] == '/')
		len--;
	if (len == 0 || len >= PATH_MAX)
		return err_set(err, ERR_CORRUPT,
			       "refused: a path that is empty or too long");
	(void)snprintf(ret, PATH_MAX, "%.*s", (int)len, path);
	if (is_folder && strcmp(ret, ".") == 0)
		return 0; /* the folder itself */
	if (!member_path_is_safe(ret))
		return err_set(err, ERR_CORRUPT, "refused: the path '%.200s'",
			       ret);
	return 0;
}

/* Did what it was given make the check crash? One that was killed, because memory
 * was short, say, tells nothing. */
static bool has_crashed(const struct unpacker *unpacker)
{
	const struct child *child = &unpacker->child;
	struct deadline deadline;
	siginfo_t how = { 0 };
	char byte;

	if (deadline_poll(child->fd, POLLIN, unpacker->deadline) <= 0 ||
	    recv(child->fd, &byte, 1, MSG_PEEK) > 0)
		return false;
	deadline = deadline_in(DEATH_MS); /* it is at it: its end is closed */
	while (waitid(P_PID, (id_t)child->pid, &how,
		      WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       how.si_pid == 0 && deadline_pause(deadline, 1))
		;
	return (how.si_code == CLD_KILLED || how.si_code == CLD_DUMPED) &&
	       (how.si_status == SIGSEGV || how.si_status == SIGBUS ||
		how.si_status == SIGABRT);
}

static int finish_check(struct unpacker *unpacker, struct err *err)
{
	const char *path = unpacker->databases[unpacker->databases_done];
	bool crashed = has_crashed(unpacker);

	unpacker->databases_done++;
	unpacker->checking = false;
	if (child_answer(&unpacker->child, unpacker->deadline, err) == 0)
		return 0;
	if (err->code == ERR_CLOSED)
		err->code = crashed ? ERR_CORRUPT : ERR_SYSTEM;
	return err_context(err, "'%s'", path + strlen(unpacker->into) + 1);
}

/* One database at a time is checked while others are unpacked. */
static int go_on_checking(struct unpacker *unpacker, struct err *err)
{
	if (unpacker->checking && child_is_done(&unpacker->child) &&
	    finish_check(unpacker, err))
		return -1;
	if (unpacker->checking ||
	    unpacker->databases_done == unpacker->databases_count)
		return 0;
	unpacker->checking = true;
	return sqlite_ask_check(&unpacker->child,
				unpacker->databases[unpacker->databases_done],
				err);
}

int unpack_databases(struct unpacker *unpacker, struct err *err)
{
	while (unpacker->databases_done < unpacker->databases_count) {
		if (go_on_checking(unpacker, err))
			return -1;
		if (unpacker->checking && finish_check(unpacker, err))
			return -1;
	}
	return 0;
}

int unpack_member(struct unpacker *unpacker, struct archive_entry *entry,
		  struct err *err)
{
	char path[PATH_MAX];
	struct member member = { .path = path, .entry = entry };

	if (take_path(entry, path, err) || go_on_checking(unpacker, err))
		return -1;
	unpacker->files++;
	if (strcmp(path, ".") == 0 && unpacker->folders_count == 0)
		return keep_folder(unpacker, "", entry, err);
	if (find_place(unpacker, &member, err) ||
	    unpack_by_type(unpacker, &member, err))
		return -1;
	return step(unpacker, 0, err);
}

void unpack_free(struct unpacker *unpacker)
{
	child_kill(&unpacker->child);
	child_kill(&unpacker->flusher);
	for (size_t i = 0; i < unpacker->folders_count; i++) {
		free(unpacker->folders[i].path);
		archive_entry_free(unpacker->folders[i].entry);
	}
	free(unpacker->folders);
	for (size_t i = 0; i < unpacker->databases_count; i++)
		free(unpacker->databases[i]);
	free(unpacker->databases);
	if (unpacker->parent >= 0)
		(void)close(unpacker->parent);
	if (unpacker->root >= 0)
		(void)close(unpacker->root);
	(void)archive_read_free(unpacker->archive);
}
