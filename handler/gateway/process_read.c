#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/process_private.h"

#include "base/banned.h"

#define PROC_PATH_BYTES	  64
#define STAT_BYTES	  1024
#define ENVIRON_BYTES_MAX (256 * 1024)
#define SOCKETS_MAX	  32
#define TCP_LISTEN	  0x0A
#define UNIX_ACCEPTS	  0x10000 /* __SO_ACCEPTCON */

/* The inodes of the sockets that listen on the address. */
struct sockets {
	unsigned long inodes[SOCKETS_MAX];
	size_t count;
	uid_t uid;
};

ssize_t process_read_file(const char *path, char *buf, size_t size)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	if (fd < 0)
		return -1;
	while (len < size - 1) {
		ssize_t more = read(fd, buf + len, size - 1 - len);

		if (more < 0)
			return -1;
		if (more == 0)
			break;
		len += (size_t)more;
	}
	buf[len] = '\0';
	return (ssize_t)len;
}

static uint64_t ms_of(const unsigned long long ticks[4])
{
	return (ticks[0] + ticks[1] + ticks[2] + ticks[3]) * 1000 /
	       (uint64_t)sysconf(_SC_CLK_TCK);
}

/* proc_pid_stat(5): pid (comm) state ppid pgrp session ... starttime(22); comm
 * may hold anything, so the last ')' ends it. */
int process_read_stat(pid_t pid, struct process *ret)
{
	char path[PROC_PATH_BYTES];
	char text[STAT_BYTES];
	unsigned long long start = 0, ticks[4] = { 0 };
	long pages = 0;
	const char *comm;
	const char *rest;
	int parent = 0;
	int session = 0;
	size_t len;
	char state = 0;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	if (process_read_file(path, text, sizeof(text)) <= 0)
		return -1;
	comm = strchr(text, '(');
	rest = strrchr(text, ')');
	if (!comm || !rest || rest < comm)
		return -1;
	/* NOLINTNEXTLINE(cert-err34-c): the count is what matters */
	if (sscanf(rest + 1,
		   " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu"
		   " %llu %*d %*d %*d %*d %llu %*u %ld",
		   &state, &parent, &session, &ticks[0], &ticks[1], &ticks[2],
		   &ticks[3], &start, &pages) != 9)
		return -1;
	*ret = (struct process){ .id = { .pid = pid, .start = start },
				 .parent = parent,
				 .session = session,
				 .zombie = state == 'Z' || state == 'X',
				 .cpu_ms = ms_of(ticks),
				 .memory_bytes =
					 (uint64_t)pages *
					 (uint64_t)sysconf(_SC_PAGESIZE) };
	len = (size_t)(rest - comm - 1);
	if (len >= sizeof(ret->name))
		len = sizeof(ret->name) - 1;
	memcpy(ret->name, comm + 1, len);
	return 0;
}

/* Does a variable of the environment begin with this text? */
static bool bears(pid_t pid, const char *instance)
{
	static char buf[16384]; /* the child has one thread */
	size_t want = strlen(instance);
	char path[PROC_PATH_BYTES];
	CLEANUP_FD int fd = -1;
	size_t have = 0;
	size_t total = 0;

	(void)snprintf(path, sizeof(path), "/proc/%ld/environ", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || want + 1 >= sizeof(buf) / 2)
		return false;
	buf[have++] = '\0'; /* every variable follows a NUL */
	while (total < ENVIRON_BYTES_MAX) {
		ssize_t len = read(fd, buf + have, sizeof(buf) - have);

		if (len <= 0)
			return false;
		have += (size_t)len;
		total += (size_t)len;
		for (size_t i = 0; i + want < have; i++)
			if (buf[i] == '\0' &&
			    memcmp(buf + i + 1, instance, want) == 0)
				return true;
		if (have > want + 1) { /* keep what may be half of it */
			memmove(buf, buf + have - want - 1, want + 1);
			have = want + 1;
		}
	}
	return false;
}

static void add_socket(struct sockets *sockets, unsigned long inode, uid_t uid)
{
	if (sockets->count == SOCKETS_MAX)
		return;
	sockets->inodes[sockets->count++] = inode;
	sockets->uid = uid;
}

static bool is_any(const unsigned *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (words[i] != 0)
			return false;
	return true;
}

/* Would a connection to the address reach a socket that listens on these words
 * (network byte order, as /proc/net/tcp prints them)? A listener on every address
 * would, and so would, on a dual-stack socket, an IPv4-mapped one. */
static bool reaches(const struct address *address, const unsigned *words,
		    size_t count)
{
	unsigned want[4] = { 0 };

	if (is_any(words, count))
		return true;
	if (address->socket.any.sa_family == AF_INET) {
		memcpy(want, &address->socket.in.sin_addr, 4);
		return words[count - 1] == want[0] &&
		       (count == 1 || (words[0] == 0 && words[1] == 0));
	}
	if (count != 4)
		return false;
	memcpy(want, &address->socket.in6.sin6_addr, 16);
	return memcmp(want, words, sizeof(want)) == 0;
}

/* NOLINTBEGIN(cert-err34-c): sscanf(3) checks well enough what the kernel wrote */
static void read_tcp_line(const char *line, const struct address *address,
			  size_t words_count, struct sockets *sockets)
{
	unsigned words[4] = { 0 };
	unsigned long inode = 0;
	unsigned port = 0;
	unsigned state = 0;
	unsigned uid = 0;
	int fields;

	if (words_count == 1)
		fields = sscanf(
			line, " %*d: %8x:%x %*x:%*x %x %*s %*s %*s %u %*d %lu",
			&words[0], &port, &state, &uid, &inode);
	else
		fields =
			sscanf(line,
			       " %*d: %8x%8x%8x%8x:%x %*x:%*x %x %*s %*s %*s %u"
			       " %*d %lu",
			       &words[0], &words[1], &words[2], &words[3],
			       &port, &state, &uid, &inode) -
			3;
	if (fields == 5 && state == TCP_LISTEN &&
	    port == address_port(address) &&
	    reaches(address, words, words_count))
		add_socket(sockets, inode, (uid_t)uid);
}
/* NOLINTEND(cert-err34-c) */

static void read_unix_line(const char *line, const struct address *address,
			   struct sockets *sockets)
{
	const char *path = address->socket.un.sun_path;
	const char *found = strchr(line, '/');
	unsigned long inode = 0;
	unsigned flags = 0;
	/* NOLINTNEXTLINE(cert-err34-c) */
	if (sscanf(line, "%*s %*x %*x %x %*x %*x %lu", &flags, &inode) != 2)
		return;
	if (!(flags & UNIX_ACCEPTS) || !found ||
	    strncmp(found, path, strlen(path)) != 0 ||
	    found[strlen(path)] != '\n')
		return;
	add_socket(sockets, inode, getuid());
}

static void read_sockets(const char *path, const struct address *address,
			 size_t words_count, struct sockets *sockets)
{
	FILE *file = fopen(path, "re");
	char line[512];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (words_count == 0)
			read_unix_line(line, address, sockets);
		else
			read_tcp_line(line, address, words_count, sockets);
	}
	(void)fclose(file);
}

static void find_sockets(const struct address *address, struct sockets *ret)
{
	if (address->socket.any.sa_family == AF_UNIX) {
		read_sockets("/proc/net/unix", address, 0, ret);
		return;
	}
	if (address->socket.any.sa_family == AF_INET)
		read_sockets("/proc/net/tcp", address, 1, ret);
	read_sockets("/proc/net/tcp6", address, 4, ret);
}

static bool is_one_of(const char *target, const struct sockets *sockets)
{
	unsigned long inode = 0;

	/* NOLINTNEXTLINE(cert-err34-c) */
	if (sscanf(target, "socket:[%lu]", &inode) != 1)
		return false;
	for (size_t i = 0; i < sockets->count; i++)
		if (sockets->inodes[i] == inode)
			return true;
	return false;
}

static bool holds(pid_t pid, const struct sockets *sockets)
{
	char path[PROC_PATH_BYTES];
	const struct dirent *entry;
	bool found = false;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)) != NULL) {
		char target[64];
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target,
					 sizeof(target) - 1);

		if (len <= 0)
			continue;
		target[len] = '\0';
		found = is_one_of(target, sockets);
	}
	(void)closedir(dir);
	return found;
}

static uid_t owner_of(pid_t pid)
{
	char path[PROC_PATH_BYTES];
	struct stat status;

	(void)snprintf(path, sizeof(path), "/proc/%ld", (long)pid);
	return stat(path, &status) == 0 ? status.st_uid : (uid_t)-1;
}

static void read_one(struct scout *scout, const struct look *look,
		     const struct sockets *sockets, pid_t pid)
{
	struct look_record record = { .is_listener = false };
	struct process *process = &record.process;

	(void)scout_at(scout, 0);
	if (process_read_stat(pid, process))
		return;
	process->uid = owner_of(pid);
	if (sockets->count > 0)
		process->listens = holds(pid, sockets);
	if (!process->zombie && scout_at(scout, pid)) /* its memory may hang */
		process->bears = bears(pid, look->instance);
	scout_put(scout, &record, sizeof(record));
}

void process_read_all(struct scout *scout, const void *argument)
{
	const struct look *look = argument;
	struct sockets sockets = { .count = 0 };
	const struct dirent *entry;
	DIR *proc;

	(void)scout_at(scout, 0);
	if (look->address)
		find_sockets(look->address, &sockets);
	if (sockets.count > 0) {
		struct look_record record = { .is_listener = true,
					      .listener_uid = sockets.uid };

		scout_put(scout, &record, sizeof(record));
	}
	proc = opendir("/proc");
	if (!proc)
		_exit(1);
	while ((entry = readdir(proc)) != NULL) {
		char *end = NULL;
		long pid = strtol(entry->d_name, &end, 10);

		if (pid > 0 && *end == '\0' && !scout_is_one((pid_t)pid))
			read_one(scout, look, &sockets, (pid_t)pid);
	}
	(void)closedir(proc);
}
