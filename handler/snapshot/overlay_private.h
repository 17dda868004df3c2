/* overlay_private.h - what the overlay*.c share; for them alone */
#ifndef WAKEGATE_OVERLAY_PRIVATE_H
#define WAKEGATE_OVERLAY_PRIVATE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/deadline.h"
#include "base/err.h"
#include "snapshot/child.h"
#include "snapshot/mountinfo.h"

/* The state folder in an image: its root can't have any owner and time in an image
 * from a tar (mksquashfs 4.5.1). */
#define OVERLAY_ROOT "state"

#define OVERLAY_LOOK_MS 5000 /* what has not answered by then hangs */

/* Absolute, without symlinks, as mountinfo has them. */
struct overlay_paths {
	char directory[PATH_MAX];
	char place[PATH_MAX];
};

/* Touches nothing that is mounted there. */
int overlay_paths(struct overlay_paths *ret, const char *directory,
		  const char *place, struct err *err);
bool overlay_is_within(const char *path, const char *folder);

/* Is it at directory, or at or below place? */
bool overlay_is_ours(const struct overlay_paths *paths, const char *at);

/* Unmounts what is ours. */
int overlay_unmount(const struct overlay_paths *paths, struct deadline deadline,
		    struct err *err);

/* Mounts the image, open as image_fd too, read-only at the folder. */
int overlay_mount_image(const char *path, int image_fd, const char *folder,
			struct deadline deadline, struct err *err);

/* Is it, as it is now, noted to have that digest? */
bool overlay_is_remembered(const char *path, int image_fd, const char *sha256);

/* Runs squashfuse or fuse-overlayfs in the folder `within` (or NULL); root's are
 * for all users. Its last argument is the mount point. */
int overlay_run_daemon(const char *const *argv, const char *within,
		       struct deadline deadline, struct err *err);

#endif
