#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/deadline.h"
#include "gateway/program.h"

#include "base/banned.h"

#define READ_BYTES 4096
#define READS_MAX  64 /* at a time, however fast it prints */

/* Our ends; -1: it was closed. */
struct ends {
	int output;
	int errors;
	int pid; /* its pidfd */
};

/* --- the start --------------------------------------------------------------- */

static int add_actions(posix_spawn_file_actions_t *actions,
		       const struct program *program, int output, int errors)
{
	int result = posix_spawn_file_actions_addopen(actions, 0, "/dev/null",
						      O_RDONLY, 0);

	if (result == 0)
		result = posix_spawn_file_actions_adddup2(actions, output, 1);
	if (result == 0)
		result = posix_spawn_file_actions_adddup2(actions, errors, 2);
	if (result == 0)
		result = posix_spawn_file_actions_addclosefrom_np(actions, 3);
	if (result == 0)
		result = posix_spawn_file_actions_addchdir_np(
			actions, program->directory);
	return result;
}

void program_attributes(posix_spawnattr_t *ret, short flags)
{
	sigset_t all, none;

	(void)sigfillset(&all);
	(void)sigemptyset(&none);
	(void)posix_spawnattr_init(ret);
	(void)posix_spawnattr_setsigdefault(ret, &all);
	(void)posix_spawnattr_setsigmask(ret, &none);
	(void)posix_spawnattr_setflags(ret,
				       (short)(POSIX_SPAWN_SETSIGDEF |
					       POSIX_SPAWN_SETSIGMASK | flags));
}

static int spawn(pid_t *ret, const struct program *program, int output,
		 int errors)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int result;

	(void)posix_spawn_file_actions_init(&actions);
	program_attributes(&attributes, POSIX_SPAWN_SETSID);
	result = add_actions(&actions, program, output, errors);
	if (result == 0)
		result = posix_spawnp(ret, program->words[0], &actions,
				      &attributes, program->words,
				      program->environment);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return result;
}

/* Gives our end, which does not block; the other is the program's. */
static int make_pipe(int *ret_ours, int *ret_its, struct err *err)
{
	int both[2];

	if (pipe2(both, O_CLOEXEC) != 0)
		return err_errno(err, "cannot make a pipe");
	(void)fcntl(both[0], F_SETFL, O_NONBLOCK);
	*ret_ours = both[0];
	*ret_its = both[1];
	return 0;
}

/* Not yet reaped, so the group's number is still its own. */
static void finish(pid_t pid, struct program_end *end)
{
	int saved = errno;
	int status = 0;

	(void)kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	errno = saved;
	if (!end)
		return;
	end->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	end->exit_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static int start(struct ends *ends, pid_t *ret_pid,
		 const struct program *program, struct err *err)
{
	CLEANUP_FD int output = -1;
	CLEANUP_FD int errors = -1;
	int result;

	if (make_pipe(&ends->output, &output, err) ||
	    (!program->merged && make_pipe(&ends->errors, &errors, err)))
		return -1;
	result = spawn(ret_pid, program, output,
		       program->merged ? output : errors);
	if (result != 0) {
		errno = result;
		return err_errno(err, "cannot run '%s'", program->words[0]);
	}
	ends->pid = (int)syscall(SYS_pidfd_open, (long)*ret_pid, 0L);
	if (ends->pid >= 0)
		return 0;
	finish(*ret_pid, NULL);
	return err_errno(err, "cannot open a pidfd");
}

/* --- until its end ----------------------------------------------------------- */

/* What is there now. */
static void take(int *fd, struct buffer *buffer, bool *cut)
{
	char piece[READ_BYTES];
	ssize_t len = 1;

	for (int i = 0; i < READS_MAX && *fd >= 0 && len > 0; i++) {
		size_t room = buffer->max - buffer->len;

		len = read(*fd, piece, sizeof(piece));
		if (len < 0 && errno == EINTR)
			len = 1;
		else if (len > 0) {
			*cut = *cut || (size_t)len > room;
			buffer_append(buffer, piece,
				      (size_t)len > room ? room : (size_t)len);
		} else if (len == 0 || errno != EAGAIN) {
			(void)close(*fd);
			*fd = -1;
		}
	}
}

/* Until it has ended (true) or the time has. */
static bool attend(struct ends *ends, struct program_end *end,
		   struct deadline deadline)
{
	struct pollfd fds[3] = {
		{ .fd = ends->pid, .events = POLLIN },
		{ .fd = ends->output, .events = POLLIN },
		{ .fd = ends->errors, .events = POLLIN },
	};

	while (!deadline_passed(deadline)) {
		int count = poll(fds, 3, deadline_left_ms(deadline));

		if (count < 0 && errno != EINTR)
			return false;
		if (count > 0 && fds[0].revents != 0)
			return true;
		take(&ends->output, &end->output, &end->cut);
		take(&ends->errors, &end->errors, &end->cut);
		fds[1].fd = ends->output;
		fds[2].fd = ends->errors;
	}
	return false;
}

int program_run(struct program_end *ret, const struct program *program,
		struct err *err)
{
	struct ends ends = { .output = -1, .errors = -1, .pid = -1 };
	pid_t pid = 0;
	int result = start(&ends, &pid, program, err);

	ret->cut = false;
	if (result == 0) {
		ret->timed_out =
			!attend(&ends, ret, deadline_in(program->timeout_ms));
		finish(pid, ret);
		take(&ends.output, &ret->output, &ret->cut);
		take(&ends.errors, &ret->errors, &ret->cut);
	}
	cleanup_fd(&ends.output);
	cleanup_fd(&ends.errors);
	cleanup_fd(&ends.pid);
	return result;
}

int program_own(char ret[PATH_MAX], struct err *err)
{
	/* an address in the vector is an integer here: getauxval(3) */
	const char *path = (const char *)getauxval(
		AT_EXECFN); /* NOLINT(performance-no-int-to-ptr) */

	if (!path || strncmp(path, "/dev/fd/", 8) == 0 ||
	    strncmp(path, "/proc/", 6) == 0)
		path = "/proc/self/exe"; /* it was started by fexecve(3) */
	if (!realpath(path, ret))
		return err_errno(err, "cannot find this program's file");
	return 0;
}
