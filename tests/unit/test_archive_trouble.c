/* Packing while something goes wrong: files that change, a disk that is bad, a disk
 * that is full. */
#include "config.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "snapshot/digest.h"
#include "unit/snapshot_world.h"

#include "base/banned.h"

/* Blocks of 64 KB that no one can compress. */
static void make_noise(const char *state, int blocks)
{
	int from = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	char path[256], block[65536];
	int to;

	world_path(path, state, "noise");
	to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	for (int i = 0; i < blocks; i++)
		if (read(from, block, sizeof(block)) != sizeof(block) ||
		    write(to, block, sizeof(block)) != sizeof(block))
			abort();
	(void)close(from);
	(void)close(to);
}

enum change { GROW, SHRINK, SHRINK_HOLE };

/* Its second third may be a hole. */
static void empty_and_write(int fd, const char *content, size_t size,
			    enum change change)
{
	size_t begin = change == SHRINK_HOLE ? size / 3 : size;

	if (ftruncate(fd, 0) != 0 || pwrite(fd, content, begin, 0) < 0)
		abort();
	if (begin < size &&
	    pwrite(fd, content, begin, (off_t)(size - begin)) < 0)
		abort();
}

/* A child that changes the size of a file as fast as it can: it grows, or is emptied
 * and written again. */
static pid_t start_changing(const char *path, size_t size, enum change change)
{
	pid_t pid = fork();

	if (pid < 0)
		abort();
	if (pid == 0) {
		int fd = open(path, O_RDWR | O_CLOEXEC);
		char *content = malloc(size);

		if (!content)
			abort();
		memset(content, 'x', size);
		(void)lseek(fd, 0, SEEK_END);
		for (int step = 0; step < 1000000; step++)
			if (change != GROW)
				empty_and_write(fd, content, size, change);
			else if (write(fd, "more", 4) != 4)
				abort();
		_exit(0);
	}
	return pid;
}

static void stop(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* Is what was unpacked whole, with no zeros after what was read? */
static bool has_no_padding(const struct world *world, const char *name)
{
	char path[256];
	FILE *file;
	int c, last = 'x';

	world_path(path, world->out, name);
	file = fopen(path, "re");
	while (file && (c = getc(file)) != EOF)
		last = c;
	if (file)
		(void)fclose(file);
	return file && last != '\0';
}

static void fill(const char *folder, const char *name, size_t size)
{
	char path[256];
	FILE *file;

	world_path(path, folder, name);
	file = fopen(path, "we");
	for (size_t i = 0; file && i < size; i++)
		(void)putc('x', file);
	if (!file || fclose(file) != 0)
		abort();
}

/* Packed whole, or not at all. */
static bool is_packed_well(struct world *world)
{
	struct archive_summary summary;
	struct err err;

	if (world_create(world, NULL, &summary, &err)) {
		if (err.code == ERR_BUSY && !world_has(world->root, "archive"))
			return true;
	} else if (world_extract(world, summary.sha256, &err) == 0) {
		if (has_no_padding(world, "file"))
			return true;
		err_fill(&err, ERR_CORRUPT, "zeros at its end");
	}
	printf("# %s\n", err.text);
	return false;
}

static void test_changing(void)
{
	static const struct {
		const char *name;
		size_t size;
		enum change change;
	} cases[] = {
		{ "a small file that shrinks", 100000, SHRINK },
		{ "a large file that shrinks", 3000000, SHRINK },
		{ "a small file with a hole", 600000, SHRINK_HOLE },
		{ "a large file with a hole", 6000000, SHRINK_HOLE },
		{ "a small file that grows", 100, GROW },
		{ "a large file that grows", 3000000, GROW },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world world;
		char path[256];
		bool well = true;
		pid_t child;

		world_make(&world);
		fill(world.state, "file", cases[i].size);
		world_path(path, world.state, "file");
		child = start_changing(path, cases[i].size, cases[i].change);
		for (int times = 0; times < 10; times++)
			well = well && is_packed_well(&world);
		ok(well, "%s is packed without padding", cases[i].name);
		stop(child);
		world_remove(&world);
	}
}

/* What a bad disk does to the archive while it is being written. */
static void spoil(void *user, int64_t bytes, int64_t files)
{
	struct world *world = user;
	int fd = open(world->archive, O_RDWR | O_CLOEXEC);
	char byte = 0;

	(void)bytes;
	(void)files;
	if (fd >= 0 && world->report.progress &&
	    pread(fd, &byte, 1, 100000) == 1) {
		byte ^= 1;
		if (pwrite(fd, &byte, 1, 100000) != 1)
			abort();
		world->report.progress = NULL; /* once */
	}
	if (fd >= 0)
		(void)close(fd);
}

static void test_spoilt(void)
{
	struct archive_summary summary;
	struct world world;
	struct err err;

	world_make(&world);
	make_noise(world.state, 400); /* zstd keeps the first 8 MB */
	world.report.progress = spoil;
	ok(world_create(&world, NULL, &summary, &err) == -1 &&
		   err.code == ERR_CORRUPT && !world.report.progress,
	   "a disk that changes a bit is found out: %s", err.text);
	ok(!world_has(world.root, "archive"), "and no archive is left");
	world_remove(&world);
}

static int vanished; /* so often there is nothing of the name "folder" */

int openat(int fd, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, mode_t);
	va_end(args);
	if (vanished > 0 && strcmp(path, "folder") == 0) {
		vanished--;
		errno = ENOENT;
		return -1;
	}
	return (int)syscall(SYS_openat, fd, path, flags, mode);
}

static void test_come_again(void)
{
	struct archive_summary summary;
	struct world world;
	char path[256];
	struct err err;

	world_make(&world);
	world_path(path, world.state, "folder");
	if (mkdir(path, 0755) != 0)
		abort();
	world_write(world.state, "folder/x", "x");
	world_write(world.state, "other", "x");
	vanished = 1;
	ok(world_create(&world, NULL, &summary, &err) == 0 && vanished == 0 &&
		   world_extract(&world, summary.sha256, &err) == 0 &&
		   world_has(world.out, "other") &&
		   !world_has(world.out, "folder"),
	   "a folder that vanished and came again is left out whole");
	world_remove(&world);
}

/* How long nothing was said, and how often the last was said. */
struct silence {
	int64_t last_ms, longest_ms;
	int64_t bytes, times;
};

static void hear(void *user, int64_t bytes, int64_t files)
{
	struct silence *silence = user;
	int64_t now_ms = clock_wall_ms();

	(void)files;
	if (now_ms - silence->last_ms > silence->longest_ms)
		silence->longest_ms = now_ms - silence->last_ms;
	silence->last_ms = now_ms;
	silence->times = bytes == silence->bytes ? silence->times + 1 : 1;
	silence->bytes = bytes;
}

static void test_read_back(void)
{
	struct silence silence = { .last_ms = clock_wall_ms() };
	struct archive_summary summary;
	struct world world;
	struct err err;
	int result;

	world_make(&world);
	make_noise(world.state, 400);
	world.report.progress = hear;
	world.report.user = &silence;
	result = world_create(&world, NULL, &summary, &err);
	ok(result == 0 && silence.bytes == 400 * 65536 && silence.times > 25,
	   "what is read back is progress: %lld times",
	   (long long)silence.times);
	world_remove(&world);
}

/* Locked for so long. */
static pid_t start_locking(const struct world *world, const char *name)
{
	char path[256], byte;
	int ends[2];
	pid_t pid;

	if (pipe(ends) != 0 || (pid = fork()) < 0)
		abort();
	if (pid == 0) {
		sqlite3 *database = NULL;

		world_path(path, world->state, name);
		if (sqlite3_open(path, &database) != SQLITE_OK ||
		    sqlite3_exec(database, "BEGIN EXCLUSIVE", NULL, NULL,
				 NULL) != SQLITE_OK ||
		    write(ends[1], "x", 1) != 1)
			abort();
		(void)deadline_pause(deadline_never(), 4000);
		_exit(0);
	}
	(void)close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		abort();
	(void)close(ends[0]);
	return pid;
}

static void test_slow_database(void)
{
	struct silence silence = { .longest_ms = 0 };
	struct archive_summary summary;
	struct world world;
	struct err err;
	pid_t child;
	int result;

	world_make(&world);
	if (!world_sql(world.state, "a.db", "CREATE TABLE t (a)"))
		abort();
	child = start_locking(&world, "a.db");
	world.report.progress = hear;
	world.report.user = &silence;
	silence.last_ms = clock_wall_ms();
	result = world_create(&world, NULL, &summary, &err);
	ok(result == 0 && silence.longest_ms < 3000,
	   "a copy that takes long is progress: %lld ms without",
	   (long long)silence.longest_ms);
	stop(child);
	world_remove(&world);
}

/* A disk of 1 MB for what is made. */
static void test_full_disk(void)
{
	struct archive_summary summary;
	struct archive_source source;
	struct world world;
	char path[256];
	struct err err;

	world_make(&world);
	if (mount("none", world.out, "tmpfs", 0, "size=1m") != 0) {
		ok(geteuid() != 0, "root can mount a small disk");
		world_remove(&world);
		return;
	}
	make_noise(world.state, 48);
	source = (struct archive_source){ .directory = world.state,
					  .work = world.work,
					  .deadline = deadline_in(60000) };
	world_path(path, world.out, "archive");
	ok(archive_create(&source, path, &world.report, &summary, &err) == -1 &&
		   err.code == ERR_SYSTEM && strstr(err.text, "No space left"),
	   "a full disk is told: %s", err.text);
	ok(!world_has(world.out, "archive"), "and leaves no half archive");
	ok(world_create(&world, NULL, &summary, &err) == 0 &&
		   archive_extract(world.archive, summary.sha256, world.out,
				   deadline_in(60000), NULL, &summary,
				   &err) == -1 &&
		   err.code == ERR_SYSTEM && strstr(err.text, "No space left"),
	   "unpacked onto a full disk an archive is not called bad: %s",
	   err.text);
	(void)umount2(world.out, MNT_DETACH);
	world_remove(&world);
}

static pid_t
	check; /* the child that checks databases: the first one; 0: not yet */

/* Takes fork(2)'s place in what is tested. */
pid_t fork(void)
{
	pid_t pid = _Fork();

	if (pid > 0 && check == 0)
		check = pid;
	return pid;
}

/* A helper that ends the check by a signal while it is at work. */
static void end_check(void *user, int64_t bytes, int64_t files)
{
	const int *number = user;
	static pid_t ended;

	(void)bytes;
	(void)files;
	if (ended == check)
		return;
	ended = check;
	(void)kill(check, SIGSTOP);
	if (fork() == 0) {
		(void)usleep(1000000); /* it will have been asked */
		(void)kill(check, *number);
		(void)kill(check, SIGCONT);
		_exit(0);
	}
}

static void test_check_ends(void)
{
	static const struct {
		int number;
		enum err_code code;
	} cases[] = { { SIGKILL, ERR_SYSTEM }, { SIGABRT, ERR_CORRUPT } };
	struct archive_summary summary;
	struct world world;
	struct err err;

	world_make(&world);
	if (!world_sql(world.state, "a.db", "CREATE TABLE t (a)") ||
	    world_create(&world, NULL, &summary, &err))
		abort();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int number = cases[i].number;

		world.report = (struct report){ .progress = end_check,
						.user = &number };
		check = 0;
		ok(world_extract(&world, summary.sha256, &err) == -1 &&
			   err.code == cases[i].code,
		   "a check that signal %d ends: %s", number, err.text);
		while (waitpid(-1, NULL, 0) > 0)
			;
	}
	world_remove(&world);
}

struct heard {
	int64_t newest;
	int count;
	bool sound; /* ever more, never more than there is */
};

#define LARGE (64LL << 30)

static void hear_digest(void *user, int64_t bytes, int64_t files)
{
	struct heard *heard = user;

	(void)files;
	heard->count++;
	heard->sound &= bytes > heard->newest && bytes <= LARGE;
	heard->newest = bytes;
}

static void test_long_digest(void)
{
	struct heard heard = { .sound = true };
	struct report report = { .progress = hear_digest, .user = &heard };
	struct err err = { .code = ERR_MAX_ };
	char digest[DIGEST_BYTES];
	int fd = memfd_create("large", MFD_CLOEXEC);
	int result;

	if (fd < 0 || ftruncate(fd, LARGE) != 0) /* a hole, all of it */
		abort();
	result = digest_file(fd, &report, digest, deadline_in(2000), &err);
	ok(result == -1 && err.code == ERR_TIMEOUT,
	   "a digest that is not done in time is given up: %s", err.text);
	ok(heard.count > 0 && heard.sound,
	   "how far it came was told meanwhile (%lld bytes)",
	   (long long)heard.newest);
	(void)close(fd);
}

int main(void)
{
	test_changing();
	test_check_ends();
	test_spoilt();
	test_come_again();
	test_read_back();
	test_slow_database();
	test_long_digest();
	test_full_disk();
	return done_testing();
}
