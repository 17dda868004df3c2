/* Unpacks the input as a tar file: nothing may be made or changed outside the
 * folder. */
#include "config.h"

#include <stdint.h>

#include "base/cleanup.h"
#include "snapshot/archive_private.h"
#include "snapshot/sqlite_copy.h"
#include "unit/snapshot_world.h"

#include "base/banned.h"

#define TAR_BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world world;

static void clean_up(void)
{
	world_remove(&world);
}

static void set_up(void)
{
	if (world.root[0])
		return;
	world_make(&world);
	world_write(world.state, "canary", "untouched");
	(void)atexit(clean_up);
}

static void unpack(const uint8_t *data, size_t size)
{
	CLEANUP(unpack_free)
	struct unpacker unpacker = { .into = world.out,
				     .parent = -1,
				     .deadline = deadline_in(10000),
				     .child = CHILD_NONE,
				     .flusher = CHILD_NONE };
	struct archive_entry *entry;
	struct err err;

	if (sqlite_serve(&unpacker.child, &err))
		abort();
	unpacker.root = open(world.out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unpacker.archive = archive_read_new();
	if (unpacker.root < 0 || !unpacker.archive ||
	    archive_read_support_format_tar(unpacker.archive) != ARCHIVE_OK)
		abort();
	if (archive_read_open_memory(unpacker.archive, data, size) !=
	    ARCHIVE_OK)
		return;
	while (archive_read_next_header(unpacker.archive, &entry) == ARCHIVE_OK)
		if (unpack_member(&unpacker, entry, &err))
			return;
	if (unpack_databases(&unpacker, &err) == 0)
		(void)attributes_set_folders(&unpacker, &err);
}

static bool is_untouched(void)
{
	/* state, work, out */
	return world_count(world.root) == 3 && world_count(world.state) == 1 &&
	       world_reads(world.state, "canary", "untouched");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > TAR_BYTES_MAX)
		return 0;
	set_up();
	world_fresh_out(&world);
	unpack(data, size);
	if (!is_untouched())
		abort();
	return 0;
}
