/* Archives that were made to do harm, or that took harm: refused, and nothing outside
 * the folder is touched. */
#include "config.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "snapshot/digest.h"
#include "unit/snapshot_world.h"

#include "base/banned.h"

/* One member. */
struct piece {
	const char *path;
	unsigned type;
	const char
		*text; /* content, or a symlink's target, or "=" and the other
			   * name of a hard link */
	unsigned mode;
};

#define PIECES_MAX 4

struct hostile {
	const char *what;
	struct piece pieces[PIECES_MAX];
	bool taken; /* it is harmless after all */
};

/* "@" in a path or target is the world's root. */
static const struct hostile hostiles[] = {
	{ "a path with '..'", { { "../evil", AE_IFREG, "x", 0644 } }, false },
	{ "a path with '..' inside",
	  { { "a", AE_IFDIR, "", 0755 },
	    { "a/../../evil", AE_IFREG, "x", 0644 } },
	  false },
	{ "an absolute path", { { "@/evil", AE_IFREG, "x", 0644 } }, false },
	{ "a file through a symlink that leads out",
	  { { "a", AE_IFLNK, "@/canary", 0777 },
	    { "a/evil", AE_IFREG, "x", 0644 } },
	  false },
	{ "a file through a symlink within",
	  { { "b", AE_IFDIR, "", 0755 },
	    { "a", AE_IFLNK, "b", 0777 },
	    { "a/evil", AE_IFREG, "x", 0644 } },
	  false },
	{ "a folder over a symlink",
	  { { "b", AE_IFDIR, "", 0755 },
	    { "a", AE_IFLNK, "b", 0777 },
	    { "a", AE_IFDIR, "", 0755 } },
	  false },
	{ "a file over a symlink",
	  { { "a", AE_IFLNK, "b", 0777 }, { "a", AE_IFREG, "x", 0644 } },
	  false },
	{ "a symlink with '..' that leads out",
	  { { "a", AE_IFLNK, "../canary", 0777 } },
	  false },
	{ "a symlink that leads out by another",
	  { { "b", AE_IFLNK, ".", 0777 },
	    { "a", AE_IFLNK, "b/b/../..", 0777 } },
	  false },
	{ "an absolute symlink", { { "a", AE_IFLNK, "/etc", 0777 } }, false },
	{ "a character device", { { "a", AE_IFCHR, "", 0666 } }, false },
	{ "a block device", { { "a", AE_IFBLK, "", 0666 } }, false },
	{ "a fifo", { { "a", AE_IFIFO, "", 0666 } }, false },
	{ "a hard link to an absolute path",
	  { { "a", AE_IFREG, "=@/canary/file", 0644 } },
	  false },
	{ "a hard link to '..'",
	  { { "a", AE_IFREG, "=../canary/file", 0644 } },
	  false },
	{ "a hard link to what is not there",
	  { { "a", AE_IFREG, "=b", 0644 } },
	  false },
	{ "a hard link to a symlink",
	  { { "b", AE_IFLNK, "c", 0777 }, { "a", AE_IFREG, "=b", 0644 } },
	  false },
	{ "a hard link through a symlink",
	  { { "d", AE_IFDIR, "", 0755 },
	    { "d/f", AE_IFREG, "x", 0644 },
	    { "s", AE_IFLNK, "d", 0777 },
	    { "a", AE_IFREG, "=s/f", 0644 } },
	  false },
	{ "two members of one name",
	  { { "a", AE_IFREG, "x", 0644 }, { "a", AE_IFREG, "y", 0644 } },
	  false },
	{ "two folders of one name",
	  { { "a", AE_IFDIR, "", 0755 }, { "a", AE_IFDIR, "", 0755 } },
	  false },
	{ "the folder itself twice",
	  { { ".", AE_IFDIR, "", 0755 }, { ".", AE_IFDIR, "", 0755 } },
	  false },
	{ "a marker of its own",
	  { { MARKER_NAME, AE_IFREG, "{}", 0644 } },
	  false },
	{ "a file in no folder", { { "a/b", AE_IFREG, "x", 0644 } }, false },
	{ "an empty component",
	  { { "a", AE_IFDIR, "", 0755 }, { "a//b", AE_IFREG, "x", 0644 } },
	  false },
	{ "a damaged database",
	  { { "a", AE_IFREG, "SQLite format 3", 0644 } },
	  false },
	{ "a file with the set-user-ID bit",
	  { { "a", AE_IFREG, "x", 06755 }, { "b", AE_IFDIR, "", 06755 } },
	  true },
};

/* CAP_NET_BIND_SERVICE, as capabilities(7) has it in a file */
static const unsigned char capability[20] = { 1, 0, 0, 2, 0, 4 };

static void expand(char *ret, size_t size, const struct world *world,
		   const char *text)
{
	(void)snprintf(ret, size, "%s%s", text[0] == '@' ? world->root : "",
		       text[0] == '@' ? text + 1 : text);
}

static size_t text_len(const char *text)
{
	/* the magic has its NUL */
	return strlen(text) + (strncmp(text, "SQLite", 6) == 0);
}

static void put_piece(struct archive *archive, const struct world *world,
		      const struct piece *piece)
{
	struct archive_entry *entry = archive_entry_new();
	bool is_hard = piece->text[0] == '=';
	bool is_file = piece->type == AE_IFREG && !is_hard;
	char path[256], text[256];

	expand(path, sizeof(path), world, piece->path);
	expand(text, sizeof(text), world, piece->text + is_hard);
	archive_entry_copy_pathname(entry, path);
	archive_entry_set_mode(entry, piece->mode | piece->type);
	archive_entry_set_uid(entry, geteuid());
	archive_entry_set_gid(entry, getegid());
	archive_entry_set_rdev(entry, makedev(1, 3));
	archive_entry_set_size(entry, is_file ? (la_int64_t)text_len(text) : 0);
	if (piece->type == AE_IFLNK)
		archive_entry_copy_symlink(entry, text);
	if (is_hard)
		archive_entry_copy_hardlink(entry, text);
	archive_entry_xattr_add_entry(entry, "security.capability", capability,
				      sizeof(capability));
	if (archive_write_header(archive, entry) != ARCHIVE_OK ||
	    (is_file && archive_write_data(archive, text, text_len(text)) !=
				(la_ssize_t)text_len(text)))
		abort();
	archive_entry_free(entry);
}

static void make_archive(const struct world *world, const struct piece *pieces)
{
	struct archive *archive = archive_write_new();

	(void)unlink(world->archive);
	if (archive_write_set_format_pax(archive) != ARCHIVE_OK ||
	    archive_write_add_filter_zstd(archive) != ARCHIVE_OK ||
	    archive_write_open_filename(archive, world->archive) != ARCHIVE_OK)
		abort();
	for (int i = 0; i < PIECES_MAX && pieces[i].path; i++)
		put_piece(archive, world, &pieces[i]);
	if (archive_write_free(archive) != ARCHIVE_OK)
		abort();
}

static void digest_of(const char *path, char ret[DIGEST_BYTES])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct err err;

	if (fd < 0 || digest_file(fd, NULL, ret, deadline_in(10000), &err))
		abort();
	(void)close(fd);
}

static void make_canary(const struct world *world)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/canary", world->root);
	if (mkdir(path, 0755) != 0)
		abort();
	world_write(path, "file", "untouched");
}

/* Nothing new beside the folder, nothing changed in the canary. */
static bool is_untouched(const struct world *world)
{
	char path[256];
	struct stat file;

	(void)snprintf(path, sizeof(path), "%s/canary", world->root);
	/* state, work, out, the archive, the canary */
	if (world_count(world->root) != 5 || world_count(path) != 1 ||
	    !world_reads(path, "file", "untouched"))
		return false;
	(void)snprintf(path, sizeof(path), "%s/canary/file", world->root);
	return stat(path, &file) == 0 && file.st_nlink == 1 &&
	       (file.st_mode & 07777) == 0644;
}

static void test_hostile(void)
{
	for (size_t i = 0; i < sizeof(hostiles) / sizeof(hostiles[0]); i++) {
		const struct hostile *hostile = &hostiles[i];
		char sha256[DIGEST_BYTES];
		struct world world;
		struct err err = { .text = "" };
		int result;

		world_make(&world);
		make_canary(&world);
		make_archive(&world, hostile->pieces);
		digest_of(world.archive, sha256);
		result = world_extract(&world, sha256, &err);
		ok(hostile->taken ? result == 0
				  : result == -1 && err.code == ERR_CORRUPT,
		   "%s is %s (%s)", hostile->what,
		   hostile->taken ? "taken" : "refused", err.text);
		ok(is_untouched(&world), "and nothing outside is touched");
		world_remove(&world);
	}
}

static bool has_capability(const struct world *world, const char *name)
{
	char path[256];

	world_path(path, world->out, name);
	return getxattr(path, "security.capability", NULL, 0) >= 0;
}

static void test_bits(void)
{
	static const struct piece pieces[PIECES_MAX] = {
		{ "file", AE_IFREG, "x", 06755 },
		{ "folder", AE_IFDIR, "", 07755 },
	};
	char sha256[DIGEST_BYTES], path[256];
	struct stat file = { 0 }, folder = { 0 };
	struct world world;
	struct err err;

	world_make(&world);
	make_archive(&world, pieces);
	digest_of(world.archive, sha256);
	ok(world_extract(&world, sha256, &err) == 0, "it is unpacked");
	(void)snprintf(path, sizeof(path), "%s/file", world.out);
	(void)stat(path, &file);
	(void)snprintf(path, sizeof(path), "%s/folder", world.out);
	(void)stat(path, &folder);
	ok((file.st_mode & 07777) == 0755, "set-user-ID is dropped");
	ok(!has_capability(&world, "file") && world.notes[0] == '\0',
	   "so is a capability, and nobody tried to set it");
	ok((folder.st_mode & 07777) == 01755,
	   "a folder keeps its sticky bit only");
	world_remove(&world);
}

/* --- archives that took harm ------------------------------------------------ */

static void make_good(struct world *world, char sha256[DIGEST_BYTES])
{
	struct archive_summary summary;
	struct err err;

	for (int i = 0; i < 20; i++) {
		char name[16], text[2048];

		(void)snprintf(name, sizeof(name), "file%d", i);
		for (size_t k = 0; k < sizeof(text) - 1; k++)
			text[k] = (char)('a' + (k * k + (size_t)i) % 23);
		text[sizeof(text) - 1] = '\0';
		world_write(world->state, name, text);
	}
	if (world_create(world, NULL, &summary, &err))
		abort();
	memcpy(sha256, summary.sha256, DIGEST_BYTES);
}

static off_t archive_size(const struct world *world)
{
	struct stat status;

	return stat(world->archive, &status) == 0 ? status.st_size : 0;
}

static void flip(const struct world *world, off_t at)
{
	int fd = open(world->archive, O_RDWR | O_CLOEXEC);
	char byte;

	if (pread(fd, &byte, 1, at) != 1)
		abort();
	byte ^= 0x10;
	if (pwrite(fd, &byte, 1, at) != 1)
		abort();
	(void)close(fd);
}

static void test_flipped(void)
{
	char sha256[DIGEST_BYTES];
	struct world world;
	bool refused = true;
	struct err err;
	off_t size;

	world_make(&world);
	make_good(&world, sha256);
	size = archive_size(&world);
	for (off_t at = 0; at < size; at += size / 40 + 1) {
		flip(&world, at);
		refused = refused && world_extract(&world, sha256, &err) &&
			  err.code == ERR_CORRUPT;
		flip(&world, at);
	}
	ok(refused, "a flipped bit is ERR_CORRUPT wherever it is");
	ok(world_extract(&world, sha256, &err) == 0, "flipped back it is good");
	world_remove(&world);
}

static void test_truncated(void)
{
	char sha256[DIGEST_BYTES];
	struct world world;
	bool refused = true;
	struct err err;

	world_make(&world);
	make_good(&world, sha256);
	for (off_t size = archive_size(&world) - 1; size > 0;
	     size -= size / 3 + 1) {
		if (truncate(world.archive, size) != 0)
			abort();
		refused = refused && world_extract(&world, sha256, &err) &&
			  err.code == ERR_CORRUPT;
	}
	ok(refused, "a truncated archive is ERR_CORRUPT, however short");
	world_remove(&world);
}

static void test_wrong_files(void)
{
	char sha256[DIGEST_BYTES], other[DIGEST_BYTES];
	struct archive_summary summary;
	struct world world;
	struct err err;

	world_make(&world);
	make_good(&world, sha256);
	memcpy(other, sha256, sizeof(other));
	other[5] = other[5] == '0' ? '1' : '0';
	ok(world_extract(&world, other, &err) && err.code == ERR_CORRUPT,
	   "another digest is ERR_CORRUPT");
	ok(archive_extract(world.archive, sha256, world.out, deadline_in(0),
			   NULL, &summary, &err) &&
		   err.code == ERR_TIMEOUT,
	   "a deadline that has passed is ERR_TIMEOUT");
	(void)unlink(world.archive);
	ok(world_extract(&world, sha256, &err) && err.code == ERR_MISSING,
	   "an archive that is not there is ERR_MISSING");
	world_write(world.root, "archive", "this is no archive at all, is it?");
	digest_of(world.archive, sha256);
	ok(world_extract(&world, sha256, &err) && err.code == ERR_INVALID,
	   "what is no archive is ERR_INVALID");
	world_write(world.root, "archive", "");
	digest_of(world.archive, sha256);
	ok(world_extract(&world, sha256, &err) && err.code == ERR_INVALID,
	   "so is an empty file (%s)", err.text);
	world_remove(&world);
}

int main(void)
{
	test_hostile();
	test_bits();
	test_flipped();
	test_truncated();
	test_wrong_files();
	return done_testing();
}
