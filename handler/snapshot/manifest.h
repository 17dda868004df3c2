/* manifest.h - what there is to know of a snapshot, beside its archive
 *
 * ARCHIVE.json lies beside each ARCHIVE, here and in the bucket, and is written
 * last: a snapshot without one is none. So the archives say themselves what they
 * are when the database is lost.
 */
#ifndef WAKEGATE_MANIFEST_H
#define WAKEGATE_MANIFEST_H

#include <stdbool.h>

#include "base/err.h"
#include "gateway/settings.h"
#include "store/store.h"

#define MANIFEST_BYTES_MAX 65536
#define MANIFEST_MS_MAX                                                        \
	INT64_C(253370764800000) /* the year 9999: names end there */
#define MANIFEST_SUFFIX ".json"
#define FETCHED_SUFFIX	".fetch"   /* of an archive that still comes */
#define PARTIAL_SUFFIX	".partial" /* of one that is still written */
#define WORK_SUFFIX	".work"	   /* of a folder beside it, meanwhile */

/* Makes "<gateway>-<UTC time>-<8 random digits>.tar.zst" or ".squashfs", a name
 * that was never used before. */
int manifest_new_name(char *ret, size_t size, const char *gateway,
		      int64_t created_ms, enum restore_mode mode,
		      struct err *err);

/* Is it a name of that form of that gateway, and which? */
bool manifest_is_archive(const char *name, const char *gateway,
			 enum restore_mode *ret);

/* The last part of row->path or row->remote. */
const char *manifest_archive(const struct snapshot_row *row);

/* The text; the caller frees it. NULL: out of memory. */
char *manifest_text(const struct snapshot_row *row);

/* Reads one that may be anything. *ret: state complete, path and remote "";
 * archive: its archive's name, without '/'. ERR_CORRUPT. */
int manifest_parse(const char *text, size_t len, const char *gateway,
		   struct snapshot_row *ret, char *archive, size_t size,
		   struct err *err);

/* Writes row->path with the suffix, synced, in one step. */
int manifest_write(const struct snapshot_row *row, struct err *err);

#endif
