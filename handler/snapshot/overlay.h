/* overlay.h - a state folder as a squashfs image under a writable overlay
 *
 *	<place>/lower-<generation>	the image, mounted read-only
 *	<place>/upper-<generation>	what was written since
 *	<place>/work-<generation>	overlayfs's own
 *	directory			the three, merged: the gateway's state folder
 *
 * As root by the kernel (loop, squashfs, overlay); what the kernel can't, and as
 * another user all, by squashfuse and fuse-overlayfs. All is mounted nosuid,nodev.
 * The programs (mksquashfs, squashfuse, fuse-overlayfs, fusermount3) are run, never
 * a shell. The daemons among them outlive us: a keeper that waits for us must be no
 * subreaper then, or they become its children.
 *
 * A mount that does not answer hangs whoever touches it: every look at one is
 * taken by a child process with a deadline.
 */
#ifndef WAKEGATE_OVERLAY_H
#define WAKEGATE_OVERLAY_H

#include <stdint.h>

#include "base/deadline.h"
#include "base/err.h"
#include "snapshot/archive.h"
#include "snapshot/report.h"

/* The counterpart of archive_create(), the same promises, for mksquashfs (zstd -3)
 * is fed with the same tar: live databases as consistent copies, hard links, holes,
 * extended attributes. What squashfs itself can't hold: times have full seconds
 * (from 1970 to 2106), and there are no ACLs. */
int overlay_create(const struct archive_source *source, const char *path,
		   const struct report *report, struct archive_summary *ret,
		   struct err *err);

/* squashfs has no checksums, and reading an image whole would take as long as it is
 * large. So who has just read all of it from the disk, and renamed it into place,
 * may note so: beside it, in a file of that suffix (0600), with the size, inode, mtime
 * and ctime that it has. overlay_mount() then takes an image that is still so for
 * good. A disk that rots below us shows in neither: to find that, read it
 * (digest_file()) while the gateway already runs. */
#define OVERLAY_NOTE_SUFFIX ".verified"
int overlay_remember(const char *path, const char *sha256, struct err *err);
/* Removes an image and what is noted of it. One that is not there is no error. */
int overlay_remove(const char *path, struct err *err);

enum overlay_health {
	OVERLAY_NONE,	 /* nothing is mounted there */
	OVERLAY_MOUNTED, /* one overlay of ours, and it answers */
	OVERLAY_STALE,	 /* stacked, dead, hung, or not ours: to be cleared */
};

/* By /proc/self/mountinfo and a look from a child (5 s at most). A look that fails
 * otherwise than a dead mount makes it (no memory, a slow disk below the kernel's
 * own) is an error: it says nothing of the overlay. */
int overlay_look(const char *directory, const char *place,
		 enum overlay_health *ret, struct err *err);

/* Unmounts whatever is mounted at directory and at or below place, however many
 * are stacked and whether their daemons are well, dead or stopped, until
 * mountinfo shows none. Ends those daemons, removes lower-*. Loop devices go with
 * the mounts. ERR_TIMEOUT, ERR_SYSTEM: something is still mounted. */
int overlay_clear(const char *directory, const char *place,
		  struct deadline deadline, struct err *err);

/* Is the image there, with that digest? For before overlay_clear(). Errors as
 * overlay_mount(). */
int overlay_check(const char *path, const char *sha256,
		  struct deadline deadline, const struct report *report,
		  struct err *err);

/* Checks the image's digest (see overlay_remember()), mounts it, and an overlay with
 * a fresh upper and work folder over it, at directory (made when missing; what is in
 * the folder below the mount is hidden, not touched). On failure nothing of it
 * stays mounted. Errors as archive_extract(); ERR_BUSY: overlay_clear() first. */
int overlay_mount(const char *path, const char *sha256, const char *directory,
		  const char *place, int64_t generation,
		  struct deadline deadline, struct err *err);

/* Removes the upper and work folders of earlier generations, but the newest upper,
 * which a person may still want, and what is mounted. May take seconds: for when
 * the gateway runs again. */
int overlay_sweep(const char *directory, const char *place, struct err *err);

#endif
