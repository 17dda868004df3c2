/* A gateway's processes held still for a moment, and none left so. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

#include "gateway/process.h"
#include "snapshot/freeze_private.h"
#include "unit/snapshot_world.h"

#include "base/banned.h"

#define INSTANCE "WAKEGATE_INSTANCE=fedcba9876543210/freeze/"
#define STILL_MS 300
#define AWAIT_MS 15000

/* Forks all the time, and writes a line each time; one child of it was stopped
 * by somebody. */
static const char script[] =
	"(kill -STOP $(sh -c 'echo $PPID'); exec sleep 60) &"
	"echo $! >stopped;"
	"while :; do (sh -c 'echo x' >>lines; sleep 0.003) & wait $!; done";

static struct gateway_settings gateway;
static struct gateway_row row;

static void set_up(void)
{
	struct err err;

	gateway.process = (char[]){ "none" };
	if (address_parse(&gateway.address, "127.0.0.1:1", &err))
		abort();
}

/* Not a child of ours: those are never a gateway. */
static void start_gateway(const struct world *world)
{
	char *const argv[] = { (char[]){ "sh" }, (char[]){ "-c" },
			       (char[sizeof(script)]){ 0 }, NULL };
	char *const envp[] = { (char[]){ INSTANCE "1" },
			       (char[]){ "PATH=/usr/bin:/bin" }, NULL };
	pid_t pid = fork();

	memcpy(argv[2], script, sizeof(script));
	if (pid == 0) {
		if (fork() == 0) {
			(void)setsid();
			if (chdir(world->state) == 0)
				(void)execve("/bin/sh", argv, envp);
			_exit(127);
		}
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
}

static off_t lines(const struct world *world)
{
	char path[256];
	struct stat status;

	(void)snprintf(path, sizeof(path), "%s/lines", world->state);
	return stat(path, &status) == 0 ? status.st_size : 0;
}

static bool runs(const struct world *world)
{
	struct deadline deadline = deadline_in(AWAIT_MS);
	off_t before = lines(world);

	while (lines(world) == before)
		if (!deadline_pause(deadline, 1))
			return false;
	return true;
}

/* A gateway that writes 100 times a second. */
static bool stands_still(const struct world *world)
{
	struct deadline deadline = deadline_in(STILL_MS);
	off_t before = lines(world);

	while (deadline_pause(deadline, 10))
		;
	return lines(world) == before;
}

static pid_t stopped_child(const struct world *world)
{
	char path[256], text[16] = "";
	int fd;

	(void)snprintf(path, sizeof(path), "%s/stopped", world->state);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		abort();
	(void)close(fd);
	return (pid_t)strtol(text, NULL, 10);
}

static char state_of(pid_t pid)
{
	struct process_id id = { .pid = pid, .start = process_start(pid) };
	char state = '?';

	(void)process_state(id, &state);
	return state;
}

static bool becomes_stopped(pid_t pid)
{
	struct deadline deadline = deadline_in(AWAIT_MS);

	while (state_of(pid) != 'T')
		if (!deadline_pause(deadline, 1))
			return false;
	return true;
}

static void kill_gateway(void)
{
	struct process_claim claim = { .uid = getuid(), .name = "none" };
	struct err err;

	for (size_t left = 1; left > 0;) {
		struct process_list list = { .count = 0 };

		if (process_look(&list, INSTANCE, NULL, &err))
			abort();
		process_mark(&list, &claim);
		left = process_ours(&list);
		(void)process_signal(&list, NULL, SIGKILL, &err);
		process_list_free(&list);
	}
}

/* No group of a freeze is left beside or below ours. */
static bool left_nothing(const struct group *group)
{
	DIR *dir = group->own[0] ? opendir(group->own) : NULL;
	const struct dirent *entry;
	char mine[64];
	bool clean = true;

	(void)snprintf(mine, sizeof(mine), "wakegate-freeze-%ld",
		       (long)getpid());
	while (dir && (entry = readdir(dir)) != NULL)
		clean = clean && strcmp(entry->d_name, mine) != 0;
	if (dir)
		(void)closedir(dir);
	return clean;
}

static void test_nothing_runs(void)
{
	struct freeze *freeze = (struct freeze *)&gateway;
	struct err err;

	ok(freeze_begin(&freeze, &gateway, &row, INSTANCE, &err) == 0 &&
		   !freeze,
	   "where nothing runs nothing is frozen");
	ok(freeze_end(NULL, &err) == 0, "and there is nothing to thaw");
}

static void freeze_and_thaw(const struct world *world, const char *what)
{
	struct freeze *freeze = NULL;
	struct group group;
	struct err err = { .text = "" };

	ok(freeze_begin(&freeze, &gateway, &row, INSTANCE, &err) == 0 && freeze,
	   "%s: a gateway that forks is frozen %s", what, err.text);
	group_find(&group);
	printf("# held by %s\n", group.path[0] && access(group.path, F_OK) == 0
					 ? "a cgroup"
					 : "signals");
	ok(stands_still(world), "%s: all of it stands still", what);
	ok(freeze_end(freeze, &err) == 0, "%s: it is thawed %s", what,
	   err.text);
	ok(runs(world), "%s: and runs", what);
}

static void test_each_way(void)
{
	struct world world;
	struct group group;
	pid_t stopped;

	world_make(&world);
	group_find(&group);
	start_gateway(&world);
	ok(runs(&world), "a gateway runs");
	stopped = stopped_child(&world);
	ok(becomes_stopped(stopped), "a child of it was stopped before");
	for (int i = 0; i < 5; i++)
		freeze_and_thaw(&world, "as it is");
	ok(left_nothing(&group), "no group is left");
	ok(state_of(stopped) == 'T', "the stopped child is still stopped");
	kill_gateway();
	world_remove(&world);
}

/* The kernel empties it a moment after its last process. */
static bool goes(const char *folder)
{
	struct deadline deadline = deadline_in(10000);

	while (rmdir(folder) != 0)
		if (errno != EBUSY || !deadline_pause(deadline, 1))
			return false;
	return true;
}

/* A gateway in a group of its own is stopped by signals: it stays where it is. */
static void test_other_group(void)
{
	char folder[PATH_MAX + 64], file[PATH_MAX + 96], path[64];
	struct world world;
	struct group group;
	pid_t stopped;
	int fd;

	group_find(&group);
	(void)snprintf(folder, sizeof(folder), "%s/wakegate-test-%ld",
		       group.own, (long)getpid());
	(void)snprintf(file, sizeof(file), "%s/cgroup.procs", folder);
	if (!group.own[0] || mkdir(folder, 0755) != 0)
		return; /* the other test has used signals */
	world_make(&world);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "%ld", (long)getpid());
	ok(fd >= 0 && write(fd, path, strlen(path)) > 0, "we change groups");
	(void)close(fd);
	start_gateway(&world);
	(void)snprintf(file, sizeof(file), "%s/cgroup.procs", group.own);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	ok(fd >= 0 && write(fd, path, strlen(path)) > 0, "and go back");
	(void)close(fd);
	ok(runs(&world), "a gateway runs in another group");
	stopped = stopped_child(&world);
	ok(becomes_stopped(stopped), "a child of it was stopped before");
	for (int i = 0; i < 5; i++)
		freeze_and_thaw(&world, "by signals");
	ok(state_of(stopped) == 'T', "the stopped child is still stopped");
	kill_gateway();
	ok(goes(folder), "it never left its group");
	world_remove(&world);
}

/* Freezes in a child, which says so and waits. */
static pid_t start_freezer(int *ret)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		abort();
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		struct freeze *freeze = NULL;
		struct err err;

		(void)close(ends[0]);
		if (freeze_begin(&freeze, &gateway, &row, INSTANCE, &err) != 0)
			_exit(1);
		(void)!write(ends[1], "x", 1);
		for (;;)
			(void)pause();
	}
	(void)close(ends[1]);
	*ret = ends[0];
	return pid;
}

static void test_killed(void)
{
	struct world world;

	world_make(&world);
	start_gateway(&world);
	ok(runs(&world), "a gateway runs");
	for (int i = 0; i < 5; i++) {
		int fd;
		pid_t freezer = start_freezer(&fd);
		char byte;

		ok(read(fd, &byte, 1) == 1 && stands_still(&world),
		   "another process has frozen it");
		(void)kill(freezer, SIGKILL);
		(void)waitpid(freezer, NULL, 0);
		ok(runs(&world), "that is killed, and the gateway runs");
		(void)close(fd);
	}
	kill_gateway();
	world_remove(&world);
}

/* Killed while it is freezing: at some moment of the first 30 ms. */
static void test_killed_early(void)
{
	struct world world;
	bool all = true;

	world_make(&world);
	start_gateway(&world);
	ok(runs(&world), "a gateway runs");
	for (int ms = 0; ms < 30; ms++) {
		int fd;
		pid_t freezer = start_freezer(&fd);

		(void)poll(NULL, 0, ms);
		(void)kill(freezer, SIGKILL);
		(void)waitpid(freezer, NULL, 0);
		all = all && runs(&world);
		(void)close(fd);
	}
	ok(all, "a freezer that is killed on the way leaves nothing frozen");
	kill_gateway();
	world_remove(&world);
}

static pid_t find_guardian(void)
{
	struct process_list list = { .count = 0 };
	struct err err;
	pid_t found = 0;

	if (process_look(&list, INSTANCE, NULL, &err))
		abort();
	for (size_t i = 0; i < list.count; i++)
		if (list.items[i].parent == getpid() &&
		    strcmp(list.items[i].name, "wakegate-thaw") == 0)
			found = list.items[i].id.pid;
	process_list_free(&list);
	return found;
}

static void test_guardian(void)
{
	struct freeze *freeze = NULL;
	struct world world;
	struct err err;

	world_make(&world);
	start_gateway(&world);
	ok(runs(&world), "a gateway runs");
	ok(freeze_begin(&freeze, &gateway, &row, INSTANCE, &err) == 0 && freeze,
	   "it is frozen");
	ok(find_guardian() > 0 && kill(find_guardian(), SIGKILL) == 0,
	   "the guardian is killed");
	ok(freeze_end(freeze, &err) == 0 && runs(&world),
	   "it is thawed all the same");
	ok(freeze_begin(&freeze, &gateway, &row, INSTANCE, &err) == 0 && freeze,
	   "it is frozen for too long");
	ok(runs(&world), "the guardian thaws it");
	ok(freeze_end(freeze, &err) == -1 && err.code == ERR_TIMEOUT,
	   "which is said in the end");
	ok(runs(&world), "and it runs");
	kill_gateway();
	world_remove(&world);
}

int main(void)
{
	set_up();
	test_nothing_runs();
	test_each_way();
	test_other_group();
	test_killed();
	test_killed_early();
	test_guardian();
	return done_testing();
}
