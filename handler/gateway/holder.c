#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "gateway/holder.h"
#include "gateway/process_private.h"
#include "gateway/scout.h"

#include "base/banned.h"

#define HOLDER_DEADLINE_MS 5000
#define HOLDER_BYTES_MAX   (1 << 20)
#define HOLDER_PATH_BYTES  64
#define FDINFO_BYTES	   8192

/* The file, and who looks for others. */
struct search {
	dev_t device;
	ino_t inode;
	pid_t looker;
};

/* proc_pid_fdinfo(5): "lock: 1: OFDLCK ADVISORY WRITE -1 00:2a:77 0 0"; the two
 * last are the range. */
static bool has_owner_lock(char *text)
{
	char *rest = NULL;

	for (const char *line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		size_t len = strlen(line);

		if (strncmp(line, "lock:", 5) == 0 && strstr(line, "OFDLCK") &&
		    len > 4 && strcmp(line + len - 4, " 0 0") == 0)
			return true;
	}
	return false;
}

static bool holds_by(pid_t pid, const char *fd, const struct search *search)
{
	char path[HOLDER_PATH_BYTES];
	char text[FDINFO_BYTES];
	struct stat status;

	(void)snprintf(path, sizeof(path), "/proc/%ld/fd/%.12s", (long)pid, fd);
	if (stat(path, &status) != 0 || status.st_dev != search->device ||
	    status.st_ino != search->inode)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%ld/fdinfo/%.12s", (long)pid,
		       fd);
	return process_read_file(path, text, sizeof(text)) > 0 &&
	       has_owner_lock(text);
}

static bool holds_any(pid_t pid, const struct search *search)
{
	char path[HOLDER_PATH_BYTES];
	const struct dirent *entry;
	bool found = false;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)) != NULL)
		found = entry->d_name[0] != '.' &&
			holds_by(pid, entry->d_name, search);
	(void)closedir(dir);
	return found;
}

/* In the child. */
static void search_all(struct scout *scout, const void *argument)
{
	const struct search *search = argument;
	const struct dirent *entry;
	DIR *proc = opendir("/proc");

	if (!proc)
		_exit(1);
	while ((entry = readdir(proc)) != NULL) {
		struct process process;
		char *end = NULL;
		long pid = strtol(entry->d_name, &end, 10);

		if (pid <= 0 || *end != '\0' || pid == search->looker ||
		    scout_is_one((pid_t)pid) || !scout_at(scout, (pid_t)pid) ||
		    !holds_any((pid_t)pid, search) ||
		    process_read_stat((pid_t)pid, &process))
			continue;
		process.ours = true;
		scout_put(scout, &process, sizeof(process));
	}
	(void)closedir(proc);
}

int holder_list(struct process_list *ret, int lock_fd, struct err *err)
{
	CLEANUP(buffer_free) struct buffer raw = BUFFER_INIT(HOLDER_BYTES_MAX);
	struct search search = { .looker = getpid() };
	struct process_list list = { .count = 0 };
	struct stat status;
	bool hung = false;

	if (fstat(lock_fd, &status) != 0)
		return err_errno(err, "cannot see the lock");
	search.device = status.st_dev;
	search.inode = status.st_ino;
	if (scout_run(search_all, &search, deadline_in(HOLDER_DEADLINE_MS),
		      &raw, &hung, err))
		return -1;
	list.count = raw.len / sizeof(*list.items);
	list.items = calloc(list.count + 1, sizeof(*list.items));
	if (!list.items)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (list.count > 0)
		memcpy(list.items, raw.data, list.count * sizeof(*list.items));
	*ret = list;
	return 0;
}
