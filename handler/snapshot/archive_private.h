/* archive_private.h - between the files that make up archive.h
 *
 *	create --> pack --> contents --> output: tar, zstd, disk, digest
 *	extract --> unpack --> attributes
 *	pack, unpack --> member: what may stand in an archive
 */
#ifndef WAKEGATE_ARCHIVE_PRIVATE_H
#define WAKEGATE_ARCHIVE_PRIVATE_H

#include <archive.h>
#include <archive_entry.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "snapshot/archive.h"
#include "snapshot/child.h"
#include "snapshot/tree.h"

#define ARCHIVE_BLOCK_BYTES  (1 << 20)
#define ARCHIVE_FOLDERS_MAX  4000000
#define ARCHIVE_XATTR_BYTES  65536 /* XATTR_LIST_MAX, XATTR_SIZE_MAX */
#define ARCHIVE_EXTENTS_MAX  8192  /* of a file with holes */
#define ARCHIVE_DATABASE_MAX 4096  /* in one state folder */

/* --- archive_member.c --- */

/* Relative, no empty, "." or ".." component, not the marker, not too long. */
bool member_path_is_safe(const char *path);

/* Does a symlink at path with this target lead to a place in the folder, whatever
 * other symlinks of this kind are there? Relative, and ".." only at its beginning,
 * no more often than path has folders. */
bool member_link_stays(const char *path, const char *target);

/* The user's own attributes and POSIX ACLs. */
bool member_keeps_xattr(const char *name);

/* --- archive_output.c --- */

/* A checksum of bytes, however they are cut: one changed word always shows. It tells
 * what a disk did to them; against people there is the digest. */
struct checksum {
	uint64_t sum;
	uint64_t word; /* filled so far */
	size_t filled;
};

struct output {
	struct archive *archive;
	int fd;
	struct digest *digest;
	struct checksum written;
	int64_t bytes;
	bool failed;
	struct err err; /* why, when failed */
};

/* Makes the file. output_free() removes nothing. */
int output_open(struct output *output, const char *path, struct err *err);

/* The error of a call of libarchive's that failed. */
int output_error(struct output *output, struct err *err);

/* Finishes the archive; synced, read back, compared; with the packer's progress and
 * deadline. */
struct packer;
int output_finish(struct output *output, struct packer *packer,
		  char ret[DIGEST_BYTES], struct err *err);
void output_free(struct output *output);

/* --- archive_pack.c --- */

/* A database that is copied while other files are packed. */
struct pack_database {
	char *path;
	struct stat status;
};

struct packer {
	const struct archive_source *source;
	const struct report *report;
	char directory[PATH_MAX]; /* without a symlink in it */
	char copy[PATH_MAX];	  /* the copy that is being made */
	struct output *output;
	struct archive_entry *entry;
	struct archive_entry_linkresolver *links;
	char *block; /* ARCHIVE_BLOCK_BYTES */
	struct pack_database *databases;
	size_t databases_count, databases_done;
	struct child child; /* copies them */
	bool copying;	    /* the next of them */
	int64_t files, content_bytes;
	/* changes what is known of an entry before it is written; may be NULL */
	void (*adapt)(struct archive_entry *entry, void *user);
	void *adapt_user;
};

/* As tree_walk()'s each(): packs one entry; user is the packer. ERR_BUSY: a file
 * shrank while it was read, and the archive is worth nothing. */
int pack_entry(const struct tree_entry *entry, void *user, struct err *err);

/* Packs the databases that were met, waiting for their copies. */
int pack_databases(struct packer *packer, struct err *err);

/* --- archive_create.c --- */

/* Starts the child that copies databases: before the output's buffers are there, for
 * after a fork each page that is written to is copied first. Source, report, output
 * and adapt are set, the rest is zero; packer_free() at the end, also on failure. */
int packer_begin(struct packer *packer, struct err *err);

/* Packs the whole folder. */
int packer_run(struct packer *packer, struct err *err);
void packer_free(struct packer *packer);

/* One attempt at an archive or an image. */
typedef int archive_attempt(const struct archive_source *source,
			    const char *path, const struct report *report,
			    struct archive_summary *ret, struct err *err);

/* Tries again a few times while a file shrinks under the attempt (ERR_BUSY). */
int archive_attempts(archive_attempt *attempt,
		     const struct archive_source *source, const char *path,
		     const struct report *report, struct archive_summary *ret,
		     struct err *err);

/* --- archive_contents.c --- */

/* A regular file, opened: what of it is known before its header is written. */
struct contents {
	int fd;
	const char *path;
	struct stat status; /* its st_size is what will be packed */
	bool whole;	    /* all of it is in the block */
	size_t len;	    /* in the block */
};

/* Reads the beginning of the file into block; the whole of a small one, again when
 * it changes meanwhile. */
int contents_open(struct contents *contents, char *block, struct err *err);

/* Tells entry which parts hold data, when not all do. */
void contents_map(const struct contents *contents, struct archive_entry *entry);

/* Packs it. ERR_BUSY: it has become smaller than its header says. */
int contents_pack(const struct contents *contents, struct packer *packer,
		  struct err *err);

/* Progress, and the end by the deadline. */
int pack_step(struct packer *packer, int64_t bytes, struct err *err);

/* fsync(2) of what was made, bytes of it, in steps of PACK_FLUSH_BYTES. */
#define PACK_FLUSH_BYTES (8 << 20)
int pack_sync(struct packer *packer, int fd, int64_t bytes, struct err *err);

/* --- archive_unpack.c --- */

/* A folder gets its owner, mode and times when all is in it. */
struct unpack_folder {
	char *path;
	struct archive_entry *entry;
};

struct unpacker {
	struct archive *archive;
	const char *into;
	int root;
	int parent; /* the folder `parent_path`, open; -1: none */
	char parent_path[PATH_MAX];
	struct deadline deadline;
	const struct report *report;
	struct unpack_folder *folders;
	size_t folders_count;
	char **databases;
	size_t databases_count, databases_done;
	struct child child;   /* checks them */
	bool checking;	      /* the next of them */
	struct child flusher; /* calls syncfs(2) from time to time */
	bool flushing;
	bool lost_owner; /* noted once */
	int64_t files, content_bytes;
};

/* Unpacks one member. What libarchive says of its contents is ERR_CORRUPT. */
int unpack_member(struct unpacker *unpacker, struct archive_entry *entry,
		  struct err *err);

/* Checks those databases that are not checked yet, at the end. */
int unpack_databases(struct unpacker *unpacker, struct err *err);

/* Opens the folder path below the root (O_PATH), never through a symlink. */
int unpack_open_folder(const struct unpacker *unpacker, const char *path,
		       struct err *err);

void unpack_free(struct unpacker *unpacker);

/* --- archive_attributes.c --- */

/* Owner, xattrs, mode and times of a file or folder, as far as we may. */
int attributes_set(struct unpacker *unpacker, int fd, const char *path,
		   struct archive_entry *entry, struct err *err);
/* Of a symlink: owner and times. */
int attributes_set_link(struct unpacker *unpacker, int folder_fd,
			const char *name, const char *path,
			struct archive_entry *entry, struct err *err);
/* Of all folders, those within others first. */
int attributes_set_folders(struct unpacker *unpacker, struct err *err);

#endif
