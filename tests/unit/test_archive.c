/* A state folder packed and unpacked: what is kept and what is left out. */
#include "config.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/snapshot_world.h"

#include "base/banned.h"

#define OTHER 4321

/* Times, owner and mode of its own. */
static void mark(const char *folder, const char *name, mode_t mode, int times)
{
	struct timespec both[2] = {
		{ .tv_sec = 1600000000 + times, .tv_nsec = 123456789 + times },
		{ .tv_sec = 1600000000 + times, .tv_nsec = 123456789 + times }
	};
	char path[256];

	world_path(path, folder, name);
	if (geteuid() == 0)
		(void)!lchown(path, OTHER + (uid_t)times, OTHER);
	if (mode != 0 && chmod(path, mode) != 0)
		abort();
	if (utimensat(AT_FDCWD, path, both, AT_SYMLINK_NOFOLLOW) != 0)
		abort();
}

static bool is_alike(const struct world *world, const char *name)
{
	char path[256];
	struct stat a, b;

	world_path(path, world->state, name);
	if (lstat(path, &a) != 0)
		return false;
	world_path(path, world->out, name);
	if (lstat(path, &b) != 0)
		return false;
	return a.st_mode == b.st_mode && a.st_uid == b.st_uid &&
	       a.st_gid == b.st_gid && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
	       a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
	       (S_ISDIR(a.st_mode) || a.st_size == b.st_size);
}

static void make_specials(const char *state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[256];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	world_path(path, state, "fifo");
	if (mkfifo(path, 0600) != 0)
		abort();
	world_path(path, state, "socket");
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%.90s",
		       path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		abort();
	(void)close(fd);
}

static void make_links(const char *state)
{
	char path[256], other[256];

	world_path(path, state, "link");
	if (symlink("folder/plain", path) != 0)
		abort();
	world_path(path, state, "folder/up");
	if (symlink("../\xc3\xa4\xff name", path) != 0)
		abort();
	world_path(path, state, "out");
	if (symlink("/etc/passwd", path) != 0)
		abort();
	world_path(other, state, "folder/plain");
	world_path(path, state, "second");
	if (link(other, path) != 0)
		abort();
}

static void make_sparse(const char *state, const char *name, off_t data)
{
	char path[256];
	int fd;

	world_path(path, state, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, 64 << 20) != 0 ||
	    (data >= 0 && pwrite(fd, "data", 4, data) != 4))
		abort();
	(void)close(fd);
}

static void make_big(const char *state)
{
	static char block[1 << 20];
	char path[256];
	int fd;

	world_path(path, state, "big");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	for (int i = 0; i < 3; i++) {
		memset(block, 'a' + i, sizeof(block));
		if (write(fd, block, sizeof(block)) != sizeof(block))
			abort();
	}
	if (write(fd, "end", 3) != 3)
		abort();
	(void)close(fd);
}

static void make_state(const struct world *world)
{
	char path[256];

	for (int i = 0; i < 4; i++) {
		static const char *const folders[] = { "folder", "empty",
						       "cache", "folder/logs" };

		world_path(path, world->state, folders[i]);
		if (mkdir(path, 0755) != 0)
			abort();
	}
	world_write(world->state, "folder/plain", "content");
	world_write(world->state, "\xc3\xa4\xff name", "strange name");
	world_write(world->state, "nothing", "");
	world_write(world->state, "cache/thing", "not needed");
	world_write(world->state, "folder/logs/a.lock", "not needed");
	world_write(world->state, MARKER_NAME, "{}");
	world_path(path, world->state, "folder/plain");
	if (setxattr(path, "user.wakegate", "a\0b", 3, 0) != 0)
		abort();
	world_path(path, world->state, "empty");
	if (setxattr(path, "user.folder", "yes", 3, 0) != 0)
		abort();
	make_links(world->state);
	make_specials(world->state);
	make_sparse(world->state, "sparse", 40 << 20);
	make_sparse(world->state, "hole", -1);
	make_big(world->state);
	if (!world_sql(world->state, "folder/logs/wal.db",
		       "PRAGMA journal_mode = WAL; CREATE TABLE t (a); "
		       "INSERT INTO t VALUES (1), (2), (3)") ||
	    !world_sql(world->state, "old.db",
		       "CREATE TABLE t (a); INSERT INTO t VALUES (7)"))
		abort();
	mark(world->state, "folder/plain", 0640, 1);
	mark(world->state, "link", 0, 2);
	mark(world->state, "old.db", 0604, 3);
	mark(world->state, "big", 0400, 4);
	mark(world->state, "empty", 0711, 5);
	mark(world->state, "folder", 0750, 6);
	mark(world->state, ".", 0705, 7);
}

static void check_kept(const struct world *world)
{
	static const char *const names[] = {
		".",	  "folder",    "folder/plain",	    "empty",  "link",
		"old.db", "big",       "nothing",	    "sparse", "hole",
		"second", "folder/up", "\xc3\xa4\xff name",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ok(is_alike(world, names[i]),
		   "owner, mode, time and size of entry %zu are kept", i);
	ok(world_reads(world->out, "folder/plain", "content"),
	   "a file's content is kept");
	ok(world_reads(world->out, "folder/up", "strange name"),
	   "a symlink leads where it led, to a name that is no text");
}

static void check_more(const struct world *world)
{
	char path[256], target[64] = "", value[8] = "";
	struct stat a, b;

	world_path(path, world->out, "link");
	ok(readlink(path, target, sizeof(target) - 1) == 12 &&
		   strcmp(target, "folder/plain") == 0,
	   "a symlink's target is kept");
	world_path(path, world->out, "folder/plain");
	ok(getxattr(path, "user.wakegate", value, sizeof(value)) == 3 &&
		   memcmp(value, "a\0b", 3) == 0,
	   "an extended attribute of a file is kept");
	(void)stat(path, &a);
	world_path(path, world->out, "second");
	ok(stat(path, &b) == 0 && a.st_ino == b.st_ino && a.st_nlink == 2,
	   "a hard link is one again");
	world_path(path, world->out, "empty");
	ok(getxattr(path, "user.folder", value, sizeof(value)) == 3,
	   "and that of a folder");
	world_path(path, world->out, "sparse");
	(void)stat(path, &a);
	ok(a.st_size == 64 << 20 && a.st_blocks < 4096,
	   "holes stay holes (%ld blocks)", (long)a.st_blocks);
	world_path(path, world->out, "hole");
	(void)stat(path, &a);
	ok(a.st_size == 64 << 20 && a.st_blocks < 16, "also one that is all");
}

static bool is_same_content(const struct world *world, const char *name)
{
	char command[512];

	(void)snprintf(command, sizeof(command), "%s/%s", world->state, name);
	FILE *a = fopen(command, "re");

	(void)snprintf(command, sizeof(command), "%s/%s", world->out, name);
	FILE *b = fopen(command, "re");
	bool same = a && b;
	int c;

	while (same && (c = getc(a)) != EOF)
		same = c == getc(b);
	same = same && getc(b) == EOF;
	if (a)
		(void)fclose(a);
	if (b)
		(void)fclose(b);
	return same;
}

static void test_round_trip(void)
{
	char *const exclude[] = { (char[]){ "cache" }, (char[]){ "*.lock" },
				  NULL };
	struct archive_summary summary;
	struct world world;
	struct err err;

	world_make(&world);
	make_state(&world);
	ok(world_create(&world, exclude, &summary, &err) == 0,
	   "a folder is packed");
	ok(strstr(world.notes, "fifo 'fifo'") &&
		   strstr(world.notes, "socket 'socket'") &&
		   strstr(world.notes, "symlink 'out'"),
	   "what is left out is said");
	ok(rmdir(world.work) == 0, "copies of databases are removed");
	ok(world_extract(&world, summary.sha256, &err) == 0, "and unpacked: %s",
	   err.text);
	check_kept(&world);
	check_more(&world);
	ok(is_same_content(&world, "big") && is_same_content(&world, "sparse"),
	   "large files and those with holes have their content");
	ok(world_number(world.out, "folder/logs/wal.db",
			"SELECT sum(a) FROM t") == 6 &&
		   world_number(world.out, "old.db", "SELECT a FROM t") == 7,
	   "databases are there");
	ok(!world_has(world.out, "fifo") && !world_has(world.out, "socket") &&
		   !world_has(world.out, "out") &&
		   !world_has(world.out, "cache") &&
		   !world_has(world.out, "folder/logs/a.lock") &&
		   !world_has(world.out, MARKER_NAME),
	   "what is left out is not there");
	world_remove(&world);
}

/* A process of its own has the database open, as a gateway would: SQLite's state
 * must not be carried across fork(2). */
static pid_t start_writer(const char *path)
{
	sqlite3 *writer;
	int ends[2];
	char byte;
	pid_t pid;

	if (pipe(ends) != 0)
		abort();
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		(void)close(ends[0]);
		if (sqlite3_open(path, &writer) == SQLITE_OK &&
		    sqlite3_exec(writer,
				 "PRAGMA journal_mode = WAL;"
				 "PRAGMA wal_autocheckpoint = 0;"
				 "CREATE TABLE t (a);"
				 "INSERT INTO t VALUES (5)",
				 NULL, NULL, NULL) != SQLITE_OK)
			_exit(1);
		(void)!write(ends[1], "", 1);
		for (;;)
			(void)pause();
	}
	(void)close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		abort();
	(void)close(ends[0]);
	return pid;
}

static void test_wal_mode(void)
{
	struct archive_summary summary;
	struct world world;
	pid_t writer;
	char path[256];
	struct err err;

	world_make(&world);
	world_path(path, world.state, "live.db");
	writer = start_writer(path);
	err_fill(&err, ERR_SYSTEM, "no error");
	ok(world_create(&world, NULL, &summary, &err) == 0 &&
		   world_extract(&world, summary.sha256, &err) == 0,
	   "it is packed and unpacked (%s)", err.text);
	ok(world_has(world.out, "live.db") &&
		   !world_has(world.out, "live.db-wal") &&
		   !world_has(world.out, "live.db-shm"),
	   "as one file");
	ok(world_number(world.out, "live.db", "SELECT a FROM t") == 5,
	   "what stood in the -wal is in it");
	ok(world_number(world.out, "live.db",
			"SELECT journal_mode = 'wal' FROM pragma_journal_mode"
			"") == 1,
	   "it is in WAL mode as before");
	ok(world_has(world.state, "live.db-wal"),
	   "the original's -wal is still there");
	(void)kill(writer, SIGKILL);
	(void)waitpid(writer, NULL, 0);
	world_remove(&world);
}

int main(void)
{
	test_round_trip();
	test_wal_mode();
	return done_testing();
}
