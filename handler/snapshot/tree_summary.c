#include "config.h"

#include <stdio.h>
#include <string.h>

#include "snapshot/sqlite_copy.h"
#include "snapshot/tree.h"

#include "base/banned.h"

/* FNV-1a, 128 bits: whoever could make it collide on purpose writes the folder, and
 * would only keep its own change out of a snapshot. */
__extension__ typedef unsigned __int128 hash_t;
#define HASH(high, low) (((hash_t)(high) << 64) | (low))
#define HASH_BEGIN	HASH(0x6c62272e07bb0142ULL, 0x62b821756295c58dULL)
#define HASH_PRIME	HASH(0x0000000001000000ULL, 0x000000000000013bULL)

struct summing {
	hash_t hash;
	int64_t bytes, files;
};

static void add(struct summing *summing, uint64_t number)
{
	summing->hash = (summing->hash ^ number) * HASH_PRIME;
}

static void add_text(struct summing *summing, const char *text)
{
	for (; *text; text++)
		add(summing, (unsigned char)*text);
	add(summing, 0);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

/* Readers make and remove these. */
static bool is_passing(const struct tree_entry *entry)
{
	bool is_candidate =
		ends_with(entry->name, "-shm") ||
		(ends_with(entry->name, "-wal") && entry->status->st_size == 0);

	return is_candidate && S_ISREG(entry->status->st_mode) &&
	       sqlite_is_companion(entry->parent_fd, entry->name);
}

static int add_entry(const struct tree_entry *entry, void *user,
		     struct err *err)
{
	struct summing *summing = user;
	const struct stat *status = entry->status;
	/* a folder's time and size are those of its names, which are in it anyway */
	bool has_content = !S_ISDIR(status->st_mode);

	(void)err;
	if (is_passing(entry))
		return 0;
	add_text(summing, entry->path);
	add(summing, (uint64_t)status->st_mode);
	add(summing, (uint64_t)status->st_uid);
	add(summing, (uint64_t)status->st_gid);
	if (has_content) {
		add(summing, (uint64_t)status->st_size);
		add(summing, (uint64_t)status->st_mtim.tv_sec);
		add(summing, (uint64_t)status->st_mtim.tv_nsec);
	}
	if (S_ISREG(status->st_mode))
		summing->bytes += (int64_t)status->st_size;
	if (entry->path[0])
		summing->files++;
	return 0;
}

int tree_summarize(const char *directory, char *const *exclude,
		   struct tree_summary *ret, struct err *err)
{
	struct summing summing = { .hash = HASH_BEGIN };

	if (tree_walk(directory, exclude, add_entry, &summing, err))
		return -1;
	ret->bytes = summing.bytes;
	ret->files = summing.files;
	(void)snprintf(ret->fingerprint, sizeof(ret->fingerprint),
		       "%016llx%016llx",
		       (unsigned long long)(summing.hash >> 64),
		       (unsigned long long)summing.hash);
	return 0;
}
