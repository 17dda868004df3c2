#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/child.h"

#include "base/banned.h"

#define DEATH_MS 200

/* What a child says at its end; less than PIPE_BUF, so whole or not at all. */
struct outcome {
	bool failed;
	struct err err;
};

/* It dies with us, and holds nothing but fd. */
static void settle(int fd, pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGINT, SIG_DFL);
	(void)close_range(3, (unsigned)fd - 1, 0);
	(void)close_range((unsigned)fd + 1, ~0U, 0);
}

static _Noreturn void be_child(int fd, pid_t parent,
			       int (*work)(const void *, struct err *),
			       const void *argument)
{
	struct outcome outcome = { .failed = false };

	settle(fd, parent);
	outcome.failed = work(argument, &outcome.err) != 0;
	(void)!write(fd, &outcome, sizeof(outcome));
	_exit(0);
}

static _Noreturn void be_server(int fd, pid_t parent,
				int (*answer)(const void *, size_t,
					      struct err *))
{
	static char request[CHILD_REQUEST_BYTES];

	settle(fd, parent);
	for (;;) {
		struct outcome outcome = { .failed = false };
		ssize_t len = recv(fd, request, sizeof(request), 0);

		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			_exit(0);
		outcome.failed =
			answer(request, (size_t)len, &outcome.err) != 0;
		if (send(fd, &outcome, sizeof(outcome), MSG_NOSIGNAL) < 0)
			_exit(1);
	}
}

int child_begin(struct child *ret, int (*work)(const void *, struct err *),
		const void *argument, struct err *err)
{
	CLEANUP_FD int from = -1;
	CLEANUP_FD int to = -1;
	pid_t parent = getpid();
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_errno(err, "cannot make a pipe");
	from = ends[0];
	to = ends[1];
	pid = fork();
	if (pid < 0)
		return err_errno(err, "cannot start a child");
	if (pid == 0)
		be_child(to, parent, work, argument);
	*ret = (struct child){ .pid = pid, .fd = STEAL_FD(from) };
	return 0;
}

int child_serve(struct child *ret,
		int (*answer)(const void *, size_t, struct err *),
		struct err *err)
{
	CLEANUP_FD int ours = -1;
	CLEANUP_FD int its = -1;
	pid_t parent = getpid();
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return err_errno(err, "cannot make a socket");
	ours = ends[0];
	its = ends[1];
	pid = fork();
	if (pid < 0)
		return err_errno(err, "cannot start a child");
	if (pid == 0)
		be_server(its, parent, answer);
	*ret = (struct child){ .pid = pid, .fd = STEAL_FD(ours) };
	return 0;
}

int child_ask(const struct child *child, const void *request, size_t len,
	      struct err *err)
{
	if (child->pid == 0 ||
	    send(child->fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
		return err_set(err, ERR_CLOSED, "the child is gone");
	return 0;
}

bool child_is_done(const struct child *child)
{
	return deadline_poll(child->fd, POLLIN, deadline_in(0)) != 0;
}

bool child_reap(pid_t pid, bool kill_it, int *status)
{
	struct deadline deadline = deadline_in(DEATH_MS);
	pid_t got;

	if (!kill_it) {
		while ((got = waitpid(pid, status, 0)) < 0 && errno == EINTR)
			;
		return got == pid;
	}
	(void)kill(pid, SIGKILL);
	while ((got = waitpid(pid, status, WNOHANG)) == 0)
		if (!deadline_pause(deadline, 1))
			return false;
	return got == pid;
}

/* 0 it said something; -1 it did not, and is gone. */
static int await(struct child *child, struct outcome *outcome,
		 struct deadline deadline, struct err *err)
{
	ssize_t len;

	if (deadline_poll(child->fd, POLLIN, deadline) <= 0) {
		child_kill(child);
		return err_set(err, ERR_TIMEOUT, "the deadline passed");
	}
	do
		len = read(child->fd, outcome, sizeof(*outcome));
	while (len < 0 && errno == EINTR);
	if (len == (ssize_t)sizeof(*outcome))
		return 0;
	child_kill(child);
	return err_set(err, ERR_CLOSED, "the child crashed");
}

static int give(const struct outcome *outcome, struct err *err)
{
	if (!outcome->failed)
		return 0;
	*err = outcome->err;
	return -1;
}

int child_answer(struct child *child, struct deadline deadline, struct err *err)
{
	struct outcome outcome;

	return await(child, &outcome, deadline, err) ? -1 : give(&outcome, err);
}

int child_end(struct child *child, struct deadline deadline, struct err *err)
{
	struct outcome outcome;
	int status;

	if (await(child, &outcome, deadline, err))
		return -1;
	(void)close(child->fd);
	(void)child_reap(child->pid, false, &status);
	*child = (struct child)CHILD_NONE;
	return give(&outcome, err);
}

int child_run(int (*work)(const void *, struct err *), const void *argument,
	      struct deadline deadline, struct err *err)
{
	struct child child = CHILD_NONE;

	if (child_begin(&child, work, argument, err))
		return -1;
	return child_end(&child, deadline, err);
}

void child_kill(struct child *child)
{
	int status;

	if (child->pid == 0)
		return;
	(void)child_reap(child->pid, true, &status);
	(void)close(child->fd);
	*child = (struct child)CHILD_NONE;
}
