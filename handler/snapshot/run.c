#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/child.h"
#include "snapshot/run.h"

#include "base/banned.h"

#define EXIT_NOT_RUN 127
#define TEXT_BYTES   320 /* of what it wrote, in the error's text */

static int find(char ret[PATH_MAX], const char *name, struct err *err)
{
	const char *folder = RUN_PATH;

	while (*folder) {
		int len = (int)strcspn(folder, ":");

		(void)snprintf(ret, PATH_MAX, "%.*s/%s", len, folder, name);
		if (access(ret, X_OK) == 0)
			return 0;
		folder += len;
		folder += *folder == ':';
	}
	return err_set(err, ERR_SYSTEM, "no program '%s' in %s", name,
		       RUN_PATH);
}

/* Writing past its end fails, for it is sealed. */
static int open_output(struct err *err)
{
	CLEANUP_FD int fd =
		memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, RUN_OUTPUT_BYTES) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0)
		return err_errno(err, "cannot make a file in memory");
	return STEAL_FD(fd);
}

static void reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)sigaction(number, &action, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child; only what signal-safety(7) lists. */
static _Noreturn void become(const char *path, const struct program *program,
			     int out_fd, pid_t parent)
{
	static const char *const environment[] = {
		"PATH=" RUN_PATH,
		"LC_ALL=C",
		NULL,
	};
	int in_fd = program->in_fd;

	if (!program->daemon)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_NOT_RUN);
	if (in_fd < 0)
		in_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	reset_signals();
	if (in_fd >= 0 && dup2(in_fd, 0) >= 0 && dup2(out_fd, 1) >= 0 &&
	    dup2(out_fd, 2) >= 0 && close_range(3, ~0U, 0) == 0 &&
	    (!program->directory || chdir(program->directory) == 0))
		(void)execve(path, (char *const *)(uintptr_t)program->argv,
			     (char *const *)(uintptr_t)environment);
	_exit(EXIT_NOT_RUN);
}

static void release(struct run *run)
{
	if (run->pid_fd >= 0)
		(void)close(run->pid_fd);
	if (run->out_fd >= 0)
		(void)close(run->out_fd);
	*run = (struct run){ .pid_fd = -1, .out_fd = -1 };
}

void run_kill(struct run *run)
{
	int status;

	if (run->pid > 0)
		(void)child_reap(run->pid, true, &status);
	release(run);
}

int run_begin(struct run *ret, const struct program *program, struct err *err)
{
	struct run run = { .pid_fd = -1, .out_fd = -1 };
	pid_t parent = getpid();
	char path[PATH_MAX];

	(void)snprintf(run.name, sizeof(run.name), "%s", program->argv[0]);
	if (find(path, program->argv[0], err))
		return -1;
	run.out_fd = open_output(err);
	if (run.out_fd < 0)
		return -1;
	run.pid = fork();
	if (run.pid == 0)
		become(path, program, run.out_fd, parent);
	if (run.pid > 0)
		run.pid_fd = (int)syscall(SYS_pidfd_open, (long)run.pid, 0L);
	if (run.pid_fd < 0) {
		(void)err_errno(err, "cannot start '%s'", run.name);
		run_kill(&run);
		return -1;
	}
	*ret = run;
	return 0;
}

/* The end of what it wrote, in one line. */
static void read_output(int fd, char ret[TEXT_BYTES])
{
	char whole[RUN_OUTPUT_BYTES + 1];
	size_t begin;
	ssize_t got = pread(fd, whole, RUN_OUTPUT_BYTES, 0);
	size_t len;

	whole[got > 0 ? got : 0] = '\0';
	len = strlen(whole); /* the rest is zeros */
	while (len > 0 && (unsigned char)whole[len - 1] <= ' ')
		whole[--len] = '\0';
	begin = len < TEXT_BYTES ? 0 : len - (TEXT_BYTES - 1);
	memcpy(ret, whole + begin, len - begin + 1);
	for (char *c = ret; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = c[1] ? ';' : '\0';
}

static int judge(const struct run *run, int status, struct err *err)
{
	char text[TEXT_BYTES];

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	read_output(run->out_fd, text);
	if (WIFSIGNALED(status))
		return err_set(err, ERR_SYSTEM,
			       "'%s' was killed by signal %d: %s", run->name,
			       WTERMSIG(status), text);
	return err_set(err, ERR_SYSTEM, "'%s' failed with %d: %s", run->name,
		       WEXITSTATUS(status), text);
}

int run_end(struct run *run, struct deadline deadline, struct err *err)
{
	int status = 0;
	int result;

	if (deadline_poll(run->pid_fd, POLLIN, deadline) <= 0) {
		(void)err_set(err, ERR_TIMEOUT, "'%s' is not done in time",
			      run->name);
		run_kill(run);
		return -1;
	}
	(void)child_reap(run->pid, false, &status);
	result = judge(run, status, err);
	release(run);
	return result;
}

int run_program(const struct program *program, struct deadline deadline,
		struct err *err)
{
	struct run run;

	if (run_begin(&run, program, err))
		return -1;
	return run_end(&run, deadline, err);
}
