/* archive.h - a state folder as one tar file, compressed by zstd (libarchive)
 *
 * Kept: owner (as numbers), mode, mtime in ns, symlinks, hard links, the user's
 * extended attributes (user.*) and POSIX ACLs, holes, empty folders. Left out and
 * noted: sockets, fifos, devices, and symlinks that lead out of the folder (absolute,
 * or with ".." behind a name), for no archive that holds one is unpacked.
 * A live SQLite database (a file with its magic) is copied by sqlite_copy.h; its
 * -wal, -shm and -journal files are left out, for the copy needs none.
 */
#ifndef WAKEGATE_ARCHIVE_H
#define WAKEGATE_ARCHIVE_H

#include <stdint.h>

#include "base/deadline.h"
#include "base/err.h"
#include "snapshot/digest.h"
#include "snapshot/report.h"

struct archive_summary {
	int64_t bytes;	       /* of the archive's file */
	int64_t files;	       /* entries in it */
	int64_t content_bytes; /* of the files in it, unpacked */
	char sha256[DIGEST_BYTES];
};

struct archive_source {
	const char *directory;	  /* the state folder */
	char *const *exclude;	  /* see tree.h */
	const char *work;	  /* an existing folder of ours for copies of
				 * databases; emptied again */
	struct deadline deadline; /* of the whole */
	/* called when all of the folder has been read; NULL: nobody asks */
	void (*on_read)(void *user);
	void *user;
};

/* Writes the archive to path, which must not exist (O_EXCL, mode 0600): synced, read
 * back from the disk, and compared. A file is packed as it was at one look: one of up
 * to 1 MB is read again, up to 3 times, when it changes meanwhile; of one that grows,
 * as logs do, there is what it held when it was opened; when a larger one shrinks, all
 * begins anew, up to 3 times in all, then ERR_BUSY. One that vanishes is left out.
 * ERR_CORRUPT: a database in the folder is damaged, or the disk did not keep what was
 * written. On failure the file is removed. */
int archive_create(const struct archive_source *source, const char *path,
		   const struct report *report, struct archive_summary *ret,
		   struct err *err);

/* Unpacks into the folder `into`, which exists and is empty, on the way checking
 * the whole file against sha256; databases pass `PRAGMA quick_check`. All is
 * synced (syncfs(2)) before it returns.
 * Refused with ERR_CORRUPT, leaving nothing outside `into`: a bad digest, a damaged
 * archive, `..`, absolute paths, a path through a symlink, symlinks that lead out
 * of the folder, hard links to anything but a file unpacked before, devices,
 * fifos, sockets, two members of one name, a marker, a damaged database. Set-user-ID
 * and set-group-ID bits and all attributes but those above are dropped.
 * ERR_INVALID: it is what was put there, but no archive of ours. ERR_MISSING: there is
 * no such file. ERR_TIMEOUT, ERR_SYSTEM (a full disk, an I/O error: text says so) are
 * passing failures: they say nothing against the archive. What was unpacked stays for
 * the caller to remove. Owners are kept as far as we may. */
int archive_extract(const char *path, const char *sha256, const char *into,
		    struct deadline deadline, const struct report *report,
		    struct archive_summary *ret, struct err *err);

#endif
