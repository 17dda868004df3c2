#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/child.h"
#include "snapshot/freeze_private.h"

#include "base/banned.h"

#define STAT_BYTES 1024
#define END_MS	   5000

/* What the guardian says when it has thawed. */
enum word { WORD_TOLD = 'e', WORD_LATE = 'l' };

static bool read_stat(pid_t pid, char text[STAT_BYTES])
{
	char path[64];
	CLEANUP_FD int fd = -1;
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, STAT_BYTES - 1);
	if (len <= 0)
		return false;
	text[len] = '\0';
	return true;
}

bool process_state(struct process_id id, char *ret)
{
	unsigned long long start;
	char text[STAT_BYTES];
	const char *after_name;
	char state;

	if (!read_stat(id.pid, text))
		return false;
	after_name = strrchr(text, ')');
	if (!after_name)
		return false;
	/* NOLINTNEXTLINE(cert-err34-c): the count is what matters */
	if (sscanf(after_name,
		   ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u "
		   "%*d %*d %*d %*d %*d %*d %llu",
		   &state, &start) != 2 ||
	    start != id.start)
		return false;
	*ret = state;
	return true;
}

static void go_on(struct process_id id)
{
	CLEANUP_FD int fd = (int)syscall(SYS_pidfd_open, (long)id.pid, 0L);
	char state;

	if (fd >= 0 && process_state(id, &state))
		(void)syscall(SYS_pidfd_send_signal, (long)fd, (long)SIGCONT,
			      NULL, 0L);
}

void thaw(const struct group *group, const struct process_id *stopped,
	  size_t count)
{
	for (size_t i = 0; i < count; i++)
		go_on(stopped[i]);
	(void)group_thaw(group);
}

/* A life of its own: it goes on when we are killed, and holds nothing of ours. */
static void detach(int fd)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE,
				       SIGQUIT };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)setsid();
	(void)prctl(PR_SET_NAME, "wakegate-thaw");
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_IGN);
	for (int i = 0; null >= 0 && i < 3; i++)
		(void)dup2(null, i);
	(void)close_range(3, (unsigned)fd - 1, 0);
	(void)close_range((unsigned)fd + 1, ~0U, 0);
}

static _Noreturn void guard(int fd, const struct group *group,
			    struct process_id *stopped)
{
	struct deadline deadline = deadline_in(FREEZE_MAX_MS);
	char word = WORD_LATE;
	size_t count = 0;

	detach(fd);
	while (count < FREEZE_PROCESSES_MAX &&
	       deadline_poll(fd, POLLIN, deadline) > 0) {
		ssize_t len = recv(fd, &stopped[count], sizeof(*stopped), 0);

		if (len == (ssize_t)sizeof(*stopped)) {
			count++;
		} else if (len == 0 || errno != EINTR) {
			word = WORD_TOLD;
			break;
		}
	}
	thaw(group, stopped, count);
	(void)send(fd, &word, 1, MSG_NOSIGNAL);
	_exit(0);
}

int guardian_start(struct guardian *ret, const struct group *group,
		   struct err *err)
{
	/* before the fork: afterwards nothing may fail */
	CLEANUP_FREE struct process_id *stopped =
		calloc(FREEZE_PROCESSES_MAX, sizeof(*stopped));
	CLEANUP_FD int ours = -1;
	CLEANUP_FD int its = -1;
	int ends[2];
	pid_t pid;

	if (!stopped)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return err_errno(err, "cannot make a socket");
	ours = ends[0];
	its = ends[1];
	pid = fork();
	if (pid < 0)
		return err_errno(err, "cannot start a guardian");
	if (pid == 0)
		guard(its, group, stopped);
	*ret = (struct guardian){ .pid = pid, .fd = STEAL_FD(ours) };
	return 0;
}

int guardian_tell(const struct guardian *guardian, struct process_id id,
		  struct err *err)
{
	struct process_id record;

	/* with its padding */
	memset(&record, 0, sizeof(record));
	record.pid = id.pid;
	record.start = id.start;
	if (send(guardian->fd, &record, sizeof(record), MSG_NOSIGNAL) !=
	    (ssize_t)sizeof(record))
		return err_set(err, ERR_TIMEOUT,
			       "the guardian thaws already, or is gone");
	return 0;
}

int guardian_end(struct guardian *guardian, struct err *err)
{
	ssize_t len = -1;
	char word = '\0';
	int status;

	(void)shutdown(guardian->fd, SHUT_WR);
	if (deadline_poll(guardian->fd, POLLIN, deadline_in(END_MS)) > 0)
		len = recv(guardian->fd, &word, 1, 0);
	(void)child_reap(guardian->pid, true, &status);
	(void)close(guardian->fd);
	*guardian = (struct guardian){ .fd = -1 };
	if (len != 1)
		return err_set(err, ERR_CLOSED, "the guardian is gone");
	if (word == WORD_LATE)
		return err_set(err, ERR_TIMEOUT,
			       "the gateway was thawed after %d s",
			       FREEZE_MAX_MS / 1000);
	return 0;
}
