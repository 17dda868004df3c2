#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/child.h"
#include "snapshot/digest.h"

#include "base/banned.h"

#define PROGRAM	     "sha256sum"
#define SOCKET_BYTES (4 << 20)
#define STEP_MS	     200

/* One socket: we write the data to it, and read the digest from it. So a child that
 * died is an error of send(2), not a signal. */
struct digest {
	pid_t pid;
	int fd;
};

static pid_t run(int in, int out)
{
	char *const argv[] = { (char[]){ PROGRAM }, NULL };
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && dup2(in, 0) == 0 && dup2(out, 1) == 1) {
		(void)signal(SIGPIPE, SIG_DFL);
		(void)execvp(argv[0], argv);
	}
	_exit(127);
}

/* in: what the child reads; -1: what digest_add() sends. */
static int start(struct digest **ret, int in, struct err *err)
{
	CLEANUP_FREE struct digest *digest = calloc(1, sizeof(*digest));
	CLEANUP_FD int ours = -1;
	CLEANUP_FD int its = -1;
	int size = SOCKET_BYTES;
	int ends[2];

	if (!digest)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return err_errno(err, "cannot make a socket");
	ours = ends[0];
	its = ends[1];
	/* so that the two of us seldom wait for each other; as much of it as the
	 * kernel gives */
	if (setsockopt(ours, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) !=
	    0)
		(void)setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &size,
				 sizeof(size));
	digest->pid = run(in >= 0 ? in : its, its);
	if (digest->pid < 0)
		return err_errno(err, "cannot start " PROGRAM);
	digest->fd = STEAL_FD(ours);
	*ret = STEAL_PTR(digest);
	return 0;
}

int digest_begin(struct digest **ret, struct err *err)
{
	return start(ret, -1, err);
}

int digest_add(struct digest *digest, const void *data, size_t len,
	       struct err *err)
{
	const char *at = data;

	while (len > 0) {
		ssize_t sent = send(digest->fd, at, len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return err_errno(err, "cannot write to " PROGRAM);
		at += sent;
		len -= (size_t)sent;
	}
	return 0;
}

/* Reads the child's whole answer, "DIGITS  -\n". */
static int read_answer(int fd, char ret[DIGEST_BYTES], struct deadline deadline,
		       struct err *err)
{
	char answer[DIGEST_BYTES + 16];
	size_t len = 0;

	while (len < sizeof(answer)) {
		ssize_t got;

		if (deadline_poll(fd, POLLIN, deadline) <= 0)
			return err_set(err, ERR_TIMEOUT,
				       PROGRAM " is not done in time");
		got = read(fd, answer + len, sizeof(answer) - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	if (len < DIGEST_BYTES ||
	    strspn(answer, "0123456789abcdef") != DIGEST_BYTES - 1)
		return err_set(err, ERR_SYSTEM,
			       PROGRAM " (coreutils) gave no digest");
	memcpy(ret, answer, DIGEST_BYTES - 1);
	ret[DIGEST_BYTES - 1] = '\0';
	return 0;
}

int digest_end(struct digest *digest, char ret[DIGEST_BYTES],
	       struct deadline deadline, struct err *err)
{
	char answer[DIGEST_BYTES];
	int status = -1;

	(void)shutdown(digest->fd, SHUT_WR);
	if (read_answer(digest->fd, answer, deadline, err)) {
		digest_free(digest);
		return -1;
	}
	(void)child_reap(digest->pid, false, &status);
	digest->pid = 0;
	digest_free(digest);
	/* it prints no digest of what it could not read to the end */
	if (status != 0)
		return err_set(err, ERR_SYSTEM, PROGRAM " failed");
	memcpy(ret, answer, DIGEST_BYTES);
	return 0;
}

void digest_free(struct digest *digest)
{
	int status;

	if (!digest)
		return;
	if (digest->pid > 0)
		(void)child_reap(digest->pid, true, &status);
	(void)close(digest->fd);
	free(digest);
}

/* Until there is an answer to read. The child shares the offset of fd. */
static void follow(const struct digest *digest, int fd,
		   const struct report *report, struct deadline deadline)
{
	off_t seen = 0;
	off_t at;

	while (deadline_poll(digest->fd, POLLIN,
			     deadline_min(deadline, deadline_in(STEP_MS))) ==
		       0 &&
	       !deadline_passed(deadline)) {
		at = lseek(fd, 0, SEEK_CUR);
		if (at > seen)
			report_progress(report, at, 0);
		seen = at;
	}
}

int digest_file(int fd, const struct report *report, char ret[DIGEST_BYTES],
		struct deadline deadline, struct err *err)
{
	struct digest *digest;

	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (lseek(fd, 0, SEEK_SET) != 0)
		return err_errno(err, "cannot read it from its beginning");
	if (start(&digest, fd, err))
		return -1;
	follow(digest, fd, report, deadline);
	return digest_end(digest, ret, deadline, err);
}
