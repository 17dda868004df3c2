#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "snapshot/overlay_private.h"
#include "snapshot/run.h"

#include "base/banned.h"

#define STEP_MS	      2000 /* one attempt at one mount */
#define DAEMON_END_MS 500
#define ATTEMPTS_MAX  64 /* without that there is one mount less */
#define CMDLINE_BYTES 16384

/* --- in children ------------------------------------------------------------ */

struct attempt {
	const char *at;
	bool detach;
};

static int try_unmount(const void *argument, struct err *err)
{
	const struct attempt *attempt = argument;
	int flags = UMOUNT_NOFOLLOW | (attempt->detach ? MNT_DETACH : 0);

	if (umount2(attempt->at, flags) != 0)
		return err_errno(err, "cannot unmount '%s'", attempt->at);
	return 0;
}

static int try_sync(const void *at, struct err *err)
{
	CLEANUP_FD int fd = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) != 0)
		return err_errno(err, "cannot sync '%s'", (const char *)at);
	return 0;
}

static bool read_proc(int proc_fd, const char *pid, const char *what,
		      char ret[CMDLINE_BYTES], size_t *ret_len)
{
	CLEANUP_FD int fd = -1;
	char path[64];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "%s/%s", pid, what);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	len = fd >= 0 ? read(fd, ret, CMDLINE_BYTES - 1) : -1;
	if (len <= 0)
		return false;
	ret[len] = '\0';
	*ret_len = (size_t)len;
	return true;
}

/* In another mount name space the same path is another place. */
static bool sees_our_mounts(int proc_fd, const char *pid)
{
	char path[64];
	char its[64] = "";
	char ours[64] = "";

	(void)snprintf(path, sizeof(path), "%s/ns/mnt", pid);
	return readlinkat(proc_fd, path, its, sizeof(its) - 1) > 0 &&
	       readlinkat(proc_fd, "self/ns/mnt", ours, sizeof(ours) - 1) > 0 &&
	       strcmp(its, ours) == 0;
}

/* The mount point is the last word of its command line. */
static bool is_daemon_of(int proc_fd, const char *pid,
			 const struct overlay_paths *paths)
{
	char text[CMDLINE_BYTES];
	const char *last;
	size_t len;

	/* a command line may hang where a name does not */
	if (!read_proc(proc_fd, pid, "comm", text, &len) ||
	    (strcmp(text, "squashfuse\n") != 0 &&
	     strcmp(text, "fuse-overlayfs\n") != 0))
		return false;
	if (!read_proc(proc_fd, pid, "cmdline", text, &len) || len < 2)
		return false;
	last = memrchr(text, '\0', len - 1);
	return last && overlay_is_ours(paths, last + 1) &&
	       sees_our_mounts(proc_fd, pid);
}

/* The file system went before, or goes with it. */
static void end_daemon(const char *pid, int proc_fd,
		       const struct overlay_paths *paths)
{
	long number = strtol(pid, NULL, 10);
	CLEANUP_FD int fd = (int)syscall(SYS_pidfd_open, number, 0L);

	/* once more: now it is sure whose pidfd that is */
	if (fd >= 0 && is_daemon_of(proc_fd, pid, paths) &&
	    deadline_poll(fd, POLLIN, deadline_in(DAEMON_END_MS)) == 0) {
		(void)syscall(SYS_pidfd_send_signal, (long)fd, (long)SIGKILL,
			      NULL, 0L);
		(void)deadline_poll(fd, POLLIN, deadline_in(DAEMON_END_MS));
	}
}

static int end_daemons(const void *argument, struct err *err)
{
	const struct overlay_paths *paths = argument;
	DIR *proc = opendir("/proc");
	const struct dirent *entry;

	if (!proc)
		return err_errno(err, "cannot open '/proc'");
	while ((entry = readdir(proc)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    is_daemon_of(dirfd(proc), entry->d_name, paths))
			end_daemon(entry->d_name, dirfd(proc), paths);
	(void)closedir(proc);
	return 0;
}

/* --- one mount -------------------------------------------------------------- */

static bool is_fuse(const struct mount_line *mount)
{
	return strncmp(mount->type, "fuse", 4) == 0;
}

/* Whoever waits for that file system gets an error. */
static void abort_fuse(const struct mount_line *mount)
{
	CLEANUP_FD int fd = -1;
	char path[64];

	(void)snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort",
		       mount->minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, "1", 1);
}

/* By fusermount3, which is root's and asks whose mount it is. */
static int fuse_unmount(const char *at, bool detach, struct deadline deadline,
			struct err *err)
{
	const char *argv[] = { "fusermount3", "-u", "--", at, NULL };
	const char *lazy[] = { "fusermount3", "-u", "-z", "--", at, NULL };
	struct program program = { .argv = detach ? lazy : argv, .in_fd = -1 };

	return run_program(&program, deadline, err);
}

static int unmount_once(const struct mount_line *mount, bool detach,
			struct deadline deadline, struct err *err)
{
	struct attempt attempt = { .at = mount->at, .detach = detach };

	deadline = deadline_min(deadline, deadline_in(STEP_MS));
	if (is_fuse(mount) && geteuid() != 0)
		return fuse_unmount(mount->at, detach, deadline, err);
	if (child_run(try_unmount, &attempt, deadline, err))
		return err_context(err, "unmount '%s'", mount->at);
	return 0;
}

static int unmount(const struct overlay_paths *paths,
		   const struct mount_line *mount, struct deadline deadline,
		   struct err *err)
{
	struct deadline step = deadline_in(STEP_MS);
	struct err why;

	if (unmount_once(mount, false, deadline, &why) == 0)
		return 0;
	/* busy: what is written there shall not be lost with it */
	if (is_fuse(mount) &&
	    (why.code == ERR_TIMEOUT ||
	     child_run(try_sync, mount->at, deadline_min(deadline, step),
		       &why) != 0)) {
		(void)child_run(end_daemons, paths,
				deadline_min(deadline, step), &why);
		abort_fuse(mount);
	}
	return unmount_once(mount, true, deadline, err);
}

/* --- all of them ------------------------------------------------------------ */

static bool carries_one_of_ours(const struct mounts *mounts,
				const struct mount_line *mount,
				const struct overlay_paths *paths)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (mounts->lines[i].parent == mount->id &&
		    &mounts->lines[i] != mount &&
		    overlay_is_ours(paths, mounts->lines[i].at))
			return true;
	return false;
}

/* The one to go next: the overlay before what it lies on. */
static const struct mount_line *next(const struct mounts *mounts,
				     const struct overlay_paths *paths)
{
	const struct mount_line *found = NULL;

	if (mounts_at(mounts, paths->directory, &found) > 0)
		return found;
	for (size_t i = 0; i < mounts->count; i++) {
		const struct mount_line *mount = &mounts->lines[i];

		if (overlay_is_ours(paths, mount->at) &&
		    !carries_one_of_ours(mounts, mount, paths))
			found = mount;
	}
	return found;
}

int overlay_unmount(const struct overlay_paths *paths, struct deadline deadline,
		    struct err *err)
{
	const struct mount_line *mount;
	size_t before = SIZE_MAX;
	struct err ignored;
	int attempts = 0;

	for (;;) {
		CLEANUP_MOUNTS struct mounts mounts = { 0 };
		struct err why = { .text = "" };

		if (mounts_read(&mounts, err))
			return -1;
		mount = next(&mounts, paths);
		if (!mount)
			break;
		if (deadline_passed(deadline))
			return err_set(err, ERR_TIMEOUT,
				       "'%s' is still mounted", mount->at);
		if (mounts.count < before)
			attempts = 0;
		before = mounts.count;
		if (unmount(paths, mount, deadline, &why) &&
		    ++attempts == ATTEMPTS_MAX) {
			*err = why;
			return -1;
		}
		if (attempts > 0)
			(void)deadline_pause(deadline, 10);
	}
	/* they serve nothing any more; one that is stopped would stay for ever */
	(void)child_run(end_daemons, paths, deadline_in(2 * STEP_MS), &ignored);
	return 0;
}
