#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/process.h"
#include "snapshot/freeze_private.h"

#include "base/banned.h"

#define THAW_MS	   2000
#define LINE_BYTES (2 * PATH_MAX)

static void close_file(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

/* The cgroup v2 line of /proc/PID/cgroup: "0::PATH". */
static bool read_cgroup(const char *file, char ret[PATH_MAX])
{
	CLEANUP(close_file) FILE *lines = fopen(file, "re");
	char line[LINE_BYTES];

	while (lines && fgets(line, sizeof(line), lines)) {
		size_t len = strcspn(line, "\n");

		if (strncmp(line, "0::/", 4) != 0 || len - 3 >= PATH_MAX)
			continue;
		memcpy(ret, line + 3, len - 3);
		ret[len - 3] = '\0';
		return true;
	}
	return false;
}

/* "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [...] - TYPE SOURCE OPTIONS" */
static bool parse_mount(const char *line, char root[PATH_MAX],
			char point[PATH_MAX])
{
	const char *type = strstr(line, " - ");

	if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0 ||
	    strchr(line, '\\'))
		return false;
	/* 4095: PATH_MAX - 1 */
	return sscanf(line, "%*d %*d %*s %4095s %4095s", root, point) == 2;
}

static bool find_mount(char root[PATH_MAX], char point[PATH_MAX])
{
	CLEANUP(close_file) FILE *lines = fopen("/proc/self/mountinfo", "re");
	char line[LINE_BYTES];

	while (lines && fgets(line, sizeof(line), lines))
		if (parse_mount(line, root, point))
			return true;
	return false;
}

void group_find(struct group *ret)
{
	char root[PATH_MAX], point[PATH_MAX];
	const char *below = ret->cgroup;
	int len;

	memset(ret, 0, sizeof(*ret));
	if (!read_cgroup("/proc/self/cgroup", ret->cgroup) ||
	    strncmp(ret->cgroup, "/..", 3) == 0 || !find_mount(root, point))
		return;
	if (strcmp(root, "/") != 0) {
		if (strncmp(below, root, strlen(root)) != 0)
			return;
		below += strlen(root);
		if (*below != '\0' && *below != '/')
			return;
	}
	if (strcmp(below, "/") == 0)
		below = "";
	len = snprintf(ret->own, sizeof(ret->own), "%s%s", point, below);
	if (len >= (int)sizeof(ret->own))
		return;
	len = snprintf(ret->path, sizeof(ret->path), "%s/wakegate-freeze-%ld",
		       ret->own, (long)getpid());
	if (len >= (int)sizeof(ret->path))
		ret->path[0] = '\0';
}

static int open_in(const char *folder, const char *name, int flags)
{
	CLEANUP_FD int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -1 : openat(fd, name, flags | O_CLOEXEC);
}

static int write_in(const char *folder, const char *name, const char *text)
{
	CLEANUP_FD int fd = open_in(folder, name, O_WRONLY);

	if (fd < 0)
		return -1;
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

int group_make(const struct group *group, struct err *err)
{
	if (!group->path[0])
		return err_set(err, ERR_MISSING, "there is no cgroup v2");
	if (mkdir(group->path, 0755) != 0)
		return err_errno(err, "cannot make '%s'", group->path);
	return 0;
}

bool group_may_take(const struct group *group, pid_t pid)
{
	const char *name = strrchr(group->path, '/') + 1;
	size_t len = strlen(group->cgroup);
	char file[64], found[PATH_MAX];

	(void)snprintf(file, sizeof(file), "/proc/%ld/cgroup", (long)pid);
	if (!read_cgroup(file, found))
		return true; /* gone */
	if (strcmp(found, group->cgroup) == 0)
		return true;
	if (len > 1 && strncmp(found, group->cgroup, len) != 0)
		return false;
	return strcmp(found + (len > 1 ? len + 1 : 1), name) == 0;
}

static int move(const char *folder, pid_t pid)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%ld", (long)pid);
	return write_in(folder, "cgroup.procs", text);
}

int group_add(const struct group *group, struct process_id id, struct err *err)
{
	if (move(group->path, id.pid) != 0)
		return errno == ESRCH ? 0
				      : err_errno(err, "cannot move pid %ld",
						  (long)id.pid);
	/* somebody else's by now: not into our group */
	if (process_start(id.pid) != id.start)
		(void)move(group->own, id.pid);
	return 0;
}

static bool is_frozen(int events)
{
	char text[256];
	ssize_t len = pread(events, text, sizeof(text) - 1, 0);

	if (len < 0)
		return false;
	text[len] = '\0';
	return strstr(text, "frozen 1") != NULL;
}

int group_freeze(const struct group *group, struct deadline deadline,
		 struct err *err)
{
	CLEANUP_FD int events = open_in(group->path, "cgroup.events", O_RDONLY);

	if (events < 0 || write_in(group->path, "cgroup.freeze", "1") != 0)
		return err_errno(err, "cannot freeze '%s'", group->path);
	while (!is_frozen(events)) {
		if (deadline_passed(deadline))
			return err_set(err, ERR_TIMEOUT, "'%s' does not freeze",
				       group->path);
		(void)deadline_poll(events, POLLPRI,
				    deadline_min(deadline, deadline_in(10)));
	}
	return 0;
}

static void move_all_back(const struct group *group)
{
	CLEANUP_FD int fd = open_in(group->path, "cgroup.procs", O_RDONLY);
	CLEANUP(close_file) FILE *lines = fd >= 0 ? fdopen(fd, "r") : NULL;
	char line[32];

	if (lines)
		(void)STEAL_FD(fd);
	while (lines && fgets(line, sizeof(line), lines))
		(void)move(group->own, (pid_t)strtol(line, NULL, 10));
}

bool group_thaw(const struct group *group)
{
	struct deadline deadline = deadline_in(THAW_MS);

	if (!group->path[0])
		return true;
	(void)write_in(group->path, "cgroup.freeze", "0");
	/* they fork, and one in a fork or an exit can't be moved for a moment */
	while (rmdir(group->path) != 0 && errno != ENOENT) {
		move_all_back(group);
		if (rmdir(group->path) == 0 || errno == ENOENT)
			return true;
		if (!deadline_pause(deadline, 1))
			return false;
	}
	return true;
}
