#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot/digest.h"
#include "snapshot/files.h"
#include "snapshot/overlay.h"
#include "snapshot/overlay_private.h"

#include "base/banned.h"

#define CLEAN_UP_MS 10000

/* Names from within the place: in the options of a mount ',', ':' and '\' would
 * mean something. */
struct layers {
	struct overlay_paths paths;
	char lower[32];
	char root[48]; /* of the state, in it */
	char upper[32];
	char work[32];
};

static int layers_name(struct layers *ret, const char *directory,
		       const char *place, int64_t generation, struct err *err)
{
	struct overlay_paths paths;
	long long number = generation;

	if (overlay_paths(&paths, directory, place, err))
		return -1;
	ret->paths = paths;
	(void)snprintf(ret->lower, sizeof(ret->lower), "lower-%lld", number);
	(void)snprintf(ret->root, sizeof(ret->root), "%s/" OVERLAY_ROOT,
		       ret->lower);
	(void)snprintf(ret->upper, sizeof(ret->upper), "upper-%lld", number);
	(void)snprintf(ret->work, sizeof(ret->work), "work-%lld", number);
	return 0;
}

/* --- the image -------------------------------------------------------------- */

/* Gives the descriptor of an image that has that digest. */
static int open_image(const char *path, const char *sha256,
		      struct deadline deadline, const struct report *report,
		      struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char found[DIGEST_BYTES];
	struct stat status;
	struct err ignored;

	if (fd < 0 || fstat(fd, &status) != 0)
		return err_errno(err, "cannot open '%s'", path);
	if (!S_ISREG(status.st_mode))
		return err_set(err, ERR_INVALID, "'%s' is no file", path);
	if (overlay_is_remembered(path, fd, sha256))
		return STEAL_FD(fd);
	if (digest_file(fd, report, found, deadline, err))
		return err_context(err, "'%s'", path);
	if (strcmp(found, sha256) != 0)
		return err_set(err, ERR_CORRUPT, "'%s' has SHA-256 %s, not %s",
			       path, found, sha256);
	(void)overlay_remember(path, sha256, &ignored); /* or read again */
	return STEAL_FD(fd);
}

int overlay_check(const char *path, const char *sha256,
		  struct deadline deadline, const struct report *report,
		  struct err *err)
{
	int fd = open_image(path, sha256, deadline, report, err);

	if (fd < 0)
		return -1;
	(void)close(fd);
	return 0;
}

/* --- folders ---------------------------------------------------------------- */

static int make_folder(const char *path, struct err *err)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return err_errno(err, "cannot make the folder '%s'", path);
	return 0;
}

/* Fresh: what bears the name already (the generations began anew, say) makes
 * room. */
static int make_fresh(int place_fd, const char *name, struct err *err)
{
	char aside_name[64];

	if (mkdirat(place_fd, name, 0700) == 0)
		return 0;
	(void)snprintf(aside_name, sizeof(aside_name), "%s-%lld", name,
		       (long long)clock_wall_ms());
	if (errno != EEXIST ||
	    renameat(place_fd, name, place_fd, aside_name) != 0 ||
	    mkdirat(place_fd, name, 0700) != 0)
		return err_errno(err, "cannot make the folder '%s'", name);
	return 0;
}

/* In a child: the merged folder has the attributes of its upper one. */
static int dress_upper(const void *argument, struct err *err)
{
	const struct layers *layers = argument;
	struct timespec times[2];
	struct stat status;

	if (chdir(layers->paths.place) != 0)
		return err_errno(err, "cannot enter '%s'", layers->paths.place);
	if (stat(layers->root, &status) != 0 || !S_ISDIR(status.st_mode))
		return err_set(err, ERR_INVALID, "it holds no '%s'",
			       OVERLAY_ROOT);
	times[0] = status.st_atim;
	times[1] = status.st_mtim;
	if (chmod(layers->upper, status.st_mode & 03777) != 0)
		return err_errno(err, "cannot chmod '%s'", layers->upper);
	/* as far as we may: a user keeps what is root's for himself */
	(void)!chown(layers->upper, status.st_uid, status.st_gid);
	(void)utimensat(AT_FDCWD, layers->upper, times, 0);
	return 0;
}

static int prepare(const struct layers *layers, struct err *err)
{
	CLEANUP_FD int place_fd = -1;

	if (make_folder(layers->paths.place, err) ||
	    make_folder(layers->paths.directory, err))
		return -1;
	place_fd =
		open(layers->paths.place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place_fd < 0)
		return err_errno(err, "cannot open '%s'", layers->paths.place);
	return make_fresh(place_fd, layers->lower, err) ||
			       make_fresh(place_fd, layers->upper, err) ||
			       make_fresh(place_fd, layers->work, err)
		       ? err_context(err, "'%s'", layers->paths.place)
		       : 0;
}

/* --- the overlay ------------------------------------------------------------ */

/* In a child. */
static int try_overlay(const void *argument, struct err *err)
{
	/* the first lets folders of the image be renamed, and gives all files
	 * one st_dev; not every kernel and upper file system can */
	static const char *const extras[] = {
		",redirect_dir=on,metacopy=off,index=off,xino=on",
		",index=off",
		"",
	};
	const struct layers *layers = argument;
	char options[256];

	if (chdir(layers->paths.place) != 0)
		return err_errno(err, "cannot enter '%s'", layers->paths.place);
	for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
		(void)snprintf(options, sizeof(options),
			       "lowerdir=%s,upperdir=%s,workdir=%s%s",
			       layers->root, layers->upper, layers->work,
			       extras[i]);
		if (mount("wakegate", layers->paths.directory, "overlay",
			  MS_NOSUID | MS_NODEV, options) == 0)
			return 0;
		if (errno != EINVAL)
			break;
	}
	return err_errno(err, "cannot mount an overlay on '%s'",
			 layers->paths.directory);
}

static int by_fuse(const struct layers *layers, struct deadline deadline,
		   struct err *err)
{
	char options[256];
	const char *argv[] = { "fuse-overlayfs", "-o", options,
			       layers->paths.directory, NULL };

	/* it lets root's be used by all by itself */
	(void)snprintf(options, sizeof(options),
		       "lowerdir=%s,upperdir=%s,workdir=%s,nosuid,nodev",
		       layers->root, layers->upper, layers->work);
	return overlay_run_daemon(argv, layers->paths.place, deadline, err);
}

static int mount_overlay(const struct layers *layers, struct deadline deadline,
			 struct err *err)
{
	struct err kernel = { .text = "" };

	if (geteuid() == 0 &&
	    child_run(try_overlay, layers, deadline, &kernel) == 0)
		return 0;
	if (kernel.code == ERR_TIMEOUT) {
		*err = kernel;
		return -1;
	}
	if (by_fuse(layers, deadline, err) == 0)
		return 0;
	return kernel.text[0] ? err_context(err, "%s; then", kernel.text) : -1;
}

/* --- all of it -------------------------------------------------------------- */

/* What was asked for must also be so: programs may know better. */
static int check_flags(const struct layers *layers, struct err *err)
{
	CLEANUP_MOUNTS struct mounts mounts = { 0 };

	if (mounts_read(&mounts, err))
		return -1;
	for (size_t i = 0; i < mounts.count; i++) {
		const struct mount_line *line = &mounts.lines[i];

		if (overlay_is_ours(&layers->paths, line->at) &&
		    (!mountinfo_has(line->options, "nosuid") ||
		     !mountinfo_has(line->options, "nodev")))
			return err_set(err, ERR_SYSTEM,
				       "'%s' is not mounted nosuid,nodev",
				       line->at);
	}
	return 0;
}

static int check_clear(const struct overlay_paths *paths, struct err *err)
{
	CLEANUP_MOUNTS struct mounts mounts = { 0 };

	if (mounts_read(&mounts, err))
		return -1;
	for (size_t i = 0; i < mounts.count; i++)
		if (overlay_is_ours(paths, mounts.lines[i].at))
			return err_set(err, ERR_BUSY, "'%s' is still mounted",
				       mounts.lines[i].at);
	return 0;
}

static int mount_layers(const struct layers *layers, const char *path,
			int image_fd, struct deadline deadline, struct err *err)
{
	char lower[PATH_MAX + sizeof(layers->lower)];
	enum overlay_health health;

	(void)snprintf(lower, sizeof(lower), "%s/%s", layers->paths.place,
		       layers->lower);
	if (overlay_mount_image(path, image_fd, lower, deadline, err))
		return -1;
	if (child_run(dress_upper, layers, deadline, err))
		return err_context(err, "image '%s'", path);
	if (mount_overlay(layers, deadline, err) || check_flags(layers, err) ||
	    overlay_look(layers->paths.directory, layers->paths.place, &health,
			 err))
		return -1;
	return health == OVERLAY_MOUNTED
		       ? 0
		       : err_set(err, ERR_SYSTEM,
				 "'%s' is mounted, but does not answer",
				 layers->paths.directory);
}

static void discard(const struct layers *layers, const char *name)
{
	char path[PATH_MAX + sizeof(layers->upper)];
	struct err ignored;

	(void)snprintf(path, sizeof(path), "%s/%s", layers->paths.place, name);
	(void)files_remove_tree(path, &ignored); /* overlay_sweep() tries too */
}

/* What failed is as if it had not begun. */
static void undo(const struct layers *layers)
{
	struct err ignored;

	if (overlay_unmount(&layers->paths, deadline_in(CLEAN_UP_MS), &ignored))
		return; /* overlay_clear() tries again */
	discard(layers, layers->lower);
	discard(layers, layers->upper);
	discard(layers, layers->work);
}

int overlay_mount(const char *path, const char *sha256, const char *directory,
		  const char *place, int64_t generation,
		  struct deadline deadline, struct err *err)
{
	CLEANUP_FD int image_fd = -1;
	struct layers layers;

	if (layers_name(&layers, directory, place, generation, err) ||
	    check_clear(&layers.paths, err))
		return -1;
	image_fd = open_image(path, sha256, deadline, NULL, err);
	if (image_fd < 0)
		return -1;
	if (prepare(&layers, err) == 0 &&
	    mount_layers(&layers, path, image_fd, deadline, err) == 0)
		return 0;
	undo(&layers);
	return -1;
}
