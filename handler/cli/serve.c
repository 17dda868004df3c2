/* serve: a worker on a socket of its own, for a web server that starts none */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/command.h"
#include "edge/worker.h"

#include "base/banned.h"

#define BACKLOG	    4096
#define PROBE_MS    1000
#define PASSED_FD   3 /* sd_listen_fds(3): the first one */
#define DESCRIPTORS 16384

static bool is_listening(int fd)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 &&
	       listens;
}

/* The socket that systemd passes on, or -1. Read before there are threads. */
static int passed_socket(void)
{
	const char *pid =
		getenv("LISTEN_PID"); /* NOLINT(concurrency-mt-unsafe) */
	const char *count =
		getenv("LISTEN_FDS"); /* NOLINT(concurrency-mt-unsafe) */

	if (!pid || !count || strtol(pid, NULL, 10) != (long)getpid() ||
	    strtol(count, NULL, 10) != 1 || !is_listening(PASSED_FD))
		return -1;
	(void)fcntl(PASSED_FD, F_SETFD, FD_CLOEXEC);
	return PASSED_FD;
}

/* A path may come without "unix:", and relative. */
static int parse(struct address *ret, const char *text, struct err *err)
{
	char whole[PATH_MAX + 8];
	char folder[PATH_MAX];

	if (!strchr(text, '/') || strncmp(text, "unix:", 5) == 0)
		return address_parse(ret, text, err);
	if (text[0] == '/')
		(void)snprintf(whole, sizeof(whole), "unix:%s", text);
	else if (getcwd(folder, sizeof(folder)))
		(void)snprintf(whole, sizeof(whole), "unix:%.*s/%s",
			       (int)sizeof(whole) / 2, folder, text);
	else
		return err_errno(err, "cannot find the current folder");
	return address_parse(ret, whole, err);
}

/* The folder of a Unix socket, locked: one program at a time looks whether the
 * path is free, and takes it. */
static int lock_folder(int *ret, const char *path, struct err *err)
{
	char folder[PATH_MAX];
	CLEANUP_FD int fd = -1;

	(void)snprintf(folder, sizeof(folder), "%s", path);
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		return err_errno(err, "cannot use the folder of '%s'", path);
	*ret = STEAL_FD(fd);
	return 0;
}

/* Takes away the socket of a program that is gone; nothing else. */
static int clear_stale(const struct address *address, struct err *err)
{
	const char *path = address->socket.un.sun_path;
	CLEANUP_FD int fd = -1;
	struct stat st;
	struct err why;

	if (lstat(path, &st) != 0)
		return errno == ENOENT
			       ? 0
			       : err_errno(err, "cannot look at '%s'", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_INVALID, "'%s' is not a socket", path);
	if (address_connect(&fd, address, deadline_in(PROBE_MS), &why) == 0 ||
	    why.code != ERR_REFUSED)
		return err_set(err, ERR_BUSY, "somebody listens on '%s'", path);
	if (unlink(path) != 0 && errno != ENOENT)
		return err_errno(err, "cannot remove '%s'", path);
	return 0;
}

static int bind_and_listen(int fd, const struct address *address,
			   const char *text, struct err *err)
{
	mode_t mask = umask(S_IRWXG | S_IRWXO); /* the owner's only */
	int failed = bind(fd, &address->socket.any, address->len) != 0;

	(void)umask(mask);
	if (failed || listen(fd, BACKLOG) != 0)
		return err_errno(err, "cannot listen on '%s'", text);
	return 0;
}

static int open_unix(int fd, const struct address *address, const char *text,
		     struct err *err)
{
	CLEANUP_FD int folder_fd = -1;

	if (lock_folder(&folder_fd, address->socket.un.sun_path, err) ||
	    clear_stale(address, err))
		return -1;
	return bind_and_listen(fd, address, text, err);
}

static int open_socket(int *ret, const struct address *address,
		       const char *text, struct err *err)
{
	int family = address->socket.any.sa_family;
	CLEANUP_FD int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return err_errno(err, "cannot make a socket");
	if (family == AF_UNIX) {
		if (open_unix(fd, address, text, err))
			return -1;
	} else {
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind_and_listen(fd, address, text, err))
			return -1;
	}
	*ret = STEAL_FD(fd);
	return 0;
}

/* Ours is taken away at the end; somebody else's, by now, is not. */
static void remove_socket(const char *path, ino_t inode)
{
	CLEANUP_FD int folder_fd = -1;
	struct stat st;
	struct err err;

	if (lock_folder(&folder_fd, path, &err) == 0 && lstat(path, &st) == 0 &&
	    st.st_ino == inode)
		(void)unlink(path);
}

/* A parked connection costs a descriptor. What is started inherits the limit, so
 * it is not raised to the sky. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur =
		limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static enum exit_status serve(const struct options *options, int fd,
			      struct err *err)
{
	raise_limit();
	if (worker_serve(options->config, fd, options->threads) == 0)
		return EXIT_DONE;
	err_fill(err, ERR_SYSTEM, "it ended; the log says why");
	return EXIT_FAILED;
}

enum exit_status serve_run(const struct session *session, struct err *err)
{
	const struct options *options = session->options;
	struct address address = { .len = 0 };
	enum exit_status status;
	struct stat st = { .st_ino = 0 };
	int fd = passed_socket();

	if (options->gateway) {
		err_fill(err, ERR_INVALID, "'serve' is for all gateways");
		return EXIT_USAGE;
	}
	if (fd >= 0)
		return serve(options, fd, err);
	if (!options->listen) {
		err_fill(err, ERR_INVALID,
			 "'serve' needs --listen PATH or HOST:PORT");
		return EXIT_USAGE;
	}
	if (parse(&address, options->listen, err))
		return EXIT_USAGE;
	if (open_socket(&fd, &address, options->listen, err))
		return EXIT_FAILED;
	if (address.socket.any.sa_family == AF_UNIX)
		(void)lstat(address.socket.un.sun_path, &st);
	status = serve(options, fd, err);
	if (st.st_ino != 0)
		remove_socket(address.socket.un.sun_path, st.st_ino);
	return status;
}
