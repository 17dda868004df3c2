/* Walking a state folder; seeing whether it changed. */
#include "config.h"

#include <dlfcn.h>
#include <sys/mount.h>

#include <sched.h>
#include <sys/mount.h>

#include "snapshot/files.h"
#include "unit/snapshot_world.h"

#include "base/banned.h"

static char *const exclude[] = { (char[]){ "cache" }, (char[]){ "*.lock" },
				 (char[]){ "logs/old*" }, NULL };

static void test_excluded(void)
{
	static const struct {
		const char *path;
		bool excluded;
	} cases[] = {
		{ "cache", true },	     { "a/cache", true },
		{ "a/b/x.lock", true },	     { "caches", false },
		{ "logs/old", true },	     { "logs/older/x", true },
		{ "a/logs/old", false },     { MARKER_NAME, true },
		{ "a/" MARKER_NAME, false }, { ".lock", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(tree_excluded(exclude, cases[i].path) == cases[i].excluded,
		   "'%s' is %sexcluded", cases[i].path,
		   cases[i].excluded ? "" : "not ");
	ok(!tree_excluded(NULL, "cache"), "no pattern excludes nothing");
}

static void make_folder(const struct world *world, const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", world->state, name);
	if (mkdir(path, 0755) != 0)
		abort();
}

static bool twice; /* the first name of a folder is told so */

int scandirat(int fd, const char *path, struct dirent ***ret,
	      int (*choose)(const struct dirent *),
	      int (*compare)(const struct dirent **, const struct dirent **))
{
	int (*real)(int, const char *, struct dirent ***,
		    int (*)(const struct dirent *),
		    int (*)(const struct dirent **, const struct dirent **));
	int count;

	*(void **)&real = dlsym(RTLD_NEXT, "scandirat");
	count = real(fd, path, ret, choose, compare);
	if (!twice || count < 1)
		return count;
	*ret = reallocarray(*ret, (size_t)count + 1, sizeof(**ret));
	if (!*ret)
		abort();
	memmove(*ret + 1, *ret, (size_t)count * sizeof(**ret));
	(*ret)[0] = malloc((*ret)[1]->d_reclen);
	if (!(*ret)[0])
		abort();
	memcpy((*ret)[0], (*ret)[1], (*ret)[1]->d_reclen);
	return count + 1;
}

struct seen {
	char paths[1024];
	int stop_after;
	const char *stay_out;
};

static int see(const struct tree_entry *entry, void *user, struct err *err)
{
	struct seen *seen = user;
	size_t len = strlen(seen->paths);

	(void)err;
	(void)snprintf(seen->paths + len, sizeof(seen->paths) - len, "[%s]",
		       entry->path);
	if (seen->stay_out && strcmp(entry->path, seen->stay_out) == 0)
		return TREE_STAY_OUT;
	return --seen->stop_after == 0 ? 7 : 0;
}

static void test_walk(void)
{
	struct seen seen = { .stop_after = 0 };
	struct world world;
	char path[256];
	struct err err;

	world_make(&world);
	make_folder(&world, "b");
	make_folder(&world, "cache");
	world_write(world.state, "b/2", "");
	world_write(world.state, "b/10", "");
	world_write(world.state, "c.lock", "");
	world_write(world.state, "cache/x", "");
	world_write(world.state, "B", "");
	(void)snprintf(path, sizeof(path), "%s/a", world.state);
	if (symlink("b", path) != 0)
		abort();
	ok(tree_walk(world.state, exclude, see, &seen, &err) == 0 &&
		   strcmp(seen.paths, "[][B][a][b][b/10][b/2]") == 0,
	   "a folder before what it holds, sorted, no symlink followed: %s",
	   seen.paths);
	seen = (struct seen){ .stop_after = 3 };
	ok(tree_walk(world.state, exclude, see, &seen, &err) == 7 &&
		   strcmp(seen.paths, "[][B][a]") == 0,
	   "non-zero ends the walk");
	seen = (struct seen){ .stay_out = "b" };
	ok(tree_walk(world.state, exclude, see, &seen, &err) == 0 &&
		   strcmp(seen.paths, "[][B][a][b]") == 0,
	   "a folder to stay out of is not entered: %s", seen.paths);
	seen = (struct seen){ .stay_out = "" };
	ok(tree_walk(world.state, exclude, see, &seen, &err) == -1 &&
		   err.code == ERR_MISSING,
	   "nor is there anything without the first one");
	seen = (struct seen){ .stop_after = 0 };
	twice = true;
	ok(tree_walk(world.state, exclude, see, &seen, &err) == 0 &&
		   strcmp(seen.paths, "[][B][a][b][b/10][b/2]") == 0,
	   "what a folder tells twice is walked once: %s", seen.paths);
	twice = false;
	if (geteuid() == 0) {
		(void)snprintf(path, sizeof(path), "%s/b", world.state);
		if (mount(world.root, path, NULL, MS_BIND, NULL) == 0) {
			seen = (struct seen){ .stop_after = 0 };
			ok(tree_walk(world.state, exclude, see, &seen, &err) ==
					   0 &&
				   strcmp(seen.paths, "[][B][a][b]") == 0,
			   "what is mounted there is not entered: %s",
			   seen.paths);
			(void)umount2(path, MNT_DETACH);
		}
	}
	ok(tree_walk(world.work, NULL, see, &seen, &err) == 0,
	   "an empty folder is walked");
	(void)snprintf(path, sizeof(path), "%s/none", world.root);
	ok(tree_walk(path, NULL, see, &seen, &err) == -1 &&
		   err.code == ERR_MISSING,
	   "one that is not there is ERR_MISSING");
	world_remove(&world);
}

static void test_deep(void)
{
	struct seen seen = { .stop_after = 0 };
	struct world world;
	struct err err;
	int fd;

	world_make(&world);
	fd = open(world.state, O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < 300; i++) {
		int next;

		if (mkdirat(fd, "d", 0755) != 0)
			abort();
		next = openat(fd, "d", O_RDONLY | O_CLOEXEC);
		(void)close(fd);
		fd = next;
	}
	(void)close(fd);
	ok(tree_walk(world.state, NULL, see, &seen, &err) == -1 &&
		   err.code == ERR_LIMIT,
	   "a bottomless folder is ERR_LIMIT");
	world_remove(&world);
}

static bool differs(const struct world *world, struct tree_summary *last)
{
	struct tree_summary now;
	struct err err;
	bool changed;

	if (tree_summarize(world->state, exclude, &now, &err))
		abort();
	changed = strcmp(now.fingerprint, last->fingerprint) != 0;
	*last = now;
	return changed;
}

static void test_fingerprint(void)
{
	struct tree_summary last = { .files = 0 };
	struct world world;
	char path[256], other[256];

	world_make(&world);
	make_folder(&world, "folder");
	world_write(world.state, "folder/file", "12345");
	(void)differs(&world, &last);
	ok(last.files == 2 && last.bytes == 5, "entries and bytes are counted");
	ok(!differs(&world, &last), "nothing changed: the same fingerprint");
	world_write(world.state, "x.lock", "");
	ok(!differs(&world, &last), "what is excluded does not count");
	(void)snprintf(path, sizeof(path), "%s/x.lock", world.state);
	(void)unlink(path);
	ok(!differs(&world, &last), "nor does a folder's time");
	world_write(world.state, "folder/file", "54321");
	(void)snprintf(path, sizeof(path), "%s/folder/file", world.state);
	/* before Linux 6.13 the clock of files may stand still for 4 ms */
	(void)utimensat(AT_FDCWD, path,
			(struct timespec[]){ { 0 }, { .tv_nsec = 1 } }, 0);
	ok(differs(&world, &last), "new content of the same size counts");
	(void)chmod(path, 0600);
	ok(differs(&world, &last), "a mode counts");
	(void)snprintf(other, sizeof(other), "%s/folder/name", world.state);
	(void)rename(path, other);
	ok(differs(&world, &last), "a name counts");
	(void)unlink(other);
	ok(differs(&world, &last), "a file that is gone counts");
	make_folder(&world, "empty");
	ok(differs(&world, &last), "an empty folder counts");
	world_remove(&world);
}

static void test_database_readers(void)
{
	struct archive_summary summary;
	struct tree_summary last;
	struct world world;
	struct err err;

	world_make(&world);
	if (!world_sql(world.state, "a.db",
		       "PRAGMA journal_mode = WAL; CREATE TABLE t (a)"))
		abort();
	(void)differs(&world, &last);
	ok(world_create(&world, NULL, &summary, &err) == 0 &&
		   !differs(&world, &last),
	   "a snapshot is no change");
	ok(world_number(world.state, "a.db", "SELECT count(*) FROM t") == 0 &&
		   !differs(&world, &last),
	   "nor is reading a database");
	ok(world_sql(world.state, "a.db", "INSERT INTO t VALUES (1)") &&
		   differs(&world, &last),
	   "writing is");
	world_remove(&world);
}

/* What is mounted in a tree is not the tree's. */
static void test_remove_mounted(void)
{
	struct world world;
	char path[256];
	struct err err;

	world_make(&world);
	make_folder(&world, "folder");
	make_folder(&world, "folder/mounted");
	world_write(world.state, "folder/file", "1");
	world_write(world.work, "mine", "mine");
	world_path(path, world.state, "folder/mounted");
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount(world.work, path, NULL, MS_BIND, NULL) != 0) {
		ok(geteuid() != 0, "root can mount a folder twice");
		world_remove(&world);
		return;
	}
	ok(files_remove_tree(world.state, &err) == -1 &&
		   world_reads(world.work, "mine", "mine"),
	   "what is mounted in a tree stays: %s", err.text);
	ok(!world_has(world.state, "folder/file"), "all else goes");
	(void)umount2(path, MNT_DETACH);
	ok(files_remove_tree(world.state, &err) == 0 &&
		   !world_has(world.root, "state"),
	   "and all when nothing is");
	world_remove(&world);
}

int main(void)
{
	test_remove_mounted();
	test_excluded();
	test_walk();
	test_deep();
	test_fingerprint();
	test_database_readers();
	return done_testing();
}
