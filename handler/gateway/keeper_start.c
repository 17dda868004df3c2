#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/deadline.h"
#include "gateway/keeper.h"
#include "gateway/program.h"
#include "gateway/spawn.h"

#include "base/banned.h"

#define START_DEADLINE_MS 5000
#define REPORT_FD_MIN	  10
#define ARGUMENTS_MAX	  12

/* All that the child needs, made before the fork: other threads may hold locks. */
struct plan {
	char program[PATH_MAX];
	char config[PATH_MAX];
	char generation[24];
	char *argv[ARGUMENTS_MAX];
	char **environment;
	int log_fd;
	int lock_fd;
	int report_fd;
};

static int open_log(const char *state_dir, struct err *err)
{
	CLEANUP_FREE char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/wakegate.log", state_dir) < 0) {
		path = NULL;
		return err_set(err, ERR_LIMIT, "out of memory");
	}
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return err_errno(err, "cannot open '%s'", path);
	if (lseek(fd, 0, SEEK_END) > KEEPER_LOG_BYTES)
		(void)!ftruncate(fd, 0); /* a log that can't be cut grows on */
	return fd;
}

static int plan_arguments(struct plan *plan, const struct settings *settings,
			  const struct gateway_settings *gateway,
			  int64_t generation, bool replace)
{
	static char keep[] = "keep";
	static char config[] = "-c";
	static char option[] = "--generation";
	static char replacing[] = "--replace";
	char **argument = plan->argv;

	if (!realpath(settings->file, plan->config))
		return -1;
	(void)snprintf(plan->generation, sizeof(plan->generation), "%lld",
		       (long long)generation);
	*argument++ = plan->program;
	*argument++ = config;
	*argument++ = plan->config;
	*argument++ = keep;
	*argument++ = (char *)(uintptr_t)gateway->name; /* execve only reads */
	*argument++ = option;
	*argument++ = plan->generation;
	if (replace)
		*argument++ = replacing;
	*argument = NULL;
	return 0;
}

/* In the child; only what signal-safety(7) lists. */
static void become_keeper(const struct plan *plan)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int number;

	for (number = 1; number < NSIG; number++)
		(void)sigaction(number, &action, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* descriptors: the lock may be 3 already, and then keeps its flag */
	if (null >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 &&
	    dup2(plan->log_fd, 2) >= 0 &&
	    (plan->lock_fd == KEEPER_LOCK_FD
		     ? fcntl(KEEPER_LOCK_FD, F_SETFD, 0)
		     : dup2(plan->lock_fd, KEEPER_LOCK_FD)) >= 0 &&
	    close_range(KEEPER_LOCK_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0 &&
	    chdir("/") == 0)
		(void)execve(plan->program, plan->argv, plan->environment);
	number = errno;
	(void)!write(plan->report_fd, &number, sizeof(number));
	_exit(127);
}

/* Forks twice, so that the keeper is nobody's child and the caller gets no
 * SIGCHLD of it later. */
static int launch(const struct plan *plan, struct err *err)
{
	pid_t child = fork();

	if (child < 0)
		return err_errno(err, "cannot fork");
	if (child == 0) {
		pid_t keeper;

		(void)setsid();
		keeper = fork();
		if (keeper == 0)
			become_keeper(plan);
		_exit(keeper < 0);
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static int await_exec(int fd, struct err *err)
{
	int number = 0;
	ssize_t len;

	if (deadline_poll(fd, POLLIN, deadline_in(START_DEADLINE_MS)) <= 0)
		return err_set(err, ERR_TIMEOUT, "the keeper does not start");
	len = read(fd, &number, sizeof(number));
	if (len == 0)
		return 0; /* closed by exec */
	errno = len == (ssize_t)sizeof(number) ? number : EIO;
	return err_errno(err, "cannot execute the keeper");
}

static int report_and_launch(struct plan *plan, struct err *err)
{
	CLEANUP_FD int from = -1;
	int ends[2];
	int result;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_errno(err, "cannot make a pipe");
	from = ends[0];
	/* away from the low descriptors, which the child rearranges */
	plan->report_fd = fcntl(ends[1], F_DUPFD_CLOEXEC, REPORT_FD_MIN);
	(void)close(ends[1]);
	if (plan->report_fd < 0)
		return err_errno(err, "cannot duplicate a descriptor");
	result = launch(plan, err);
	(void)close(plan->report_fd);
	return result ? -1 : await_exec(from, err);
}

int keeper_start(const struct settings *settings,
		 const struct gateway_settings *gateway, int lock_fd,
		 int64_t generation, bool replace, struct err *err)
{
	CLEANUP_FREE struct plan *plan = calloc(1, sizeof(*plan));
	CLEANUP_FREE char **environment = spawn_clean_environment(0);
	CLEANUP_FD int log_fd = open_log(settings->state_dir, err);

	if (log_fd < 0)
		return -1;
	if (!plan || !environment)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (program_own(plan->program, err))
		return -1;
	if (plan_arguments(plan, settings, gateway, generation, replace))
		return err_errno(err, "cannot find '%s'", settings->file);
	plan->environment = environment;
	plan->lock_fd = lock_fd;
	/* above what the child rearranges: 0 to 3 */
	plan->log_fd = fcntl(log_fd, F_DUPFD_CLOEXEC, REPORT_FD_MIN);
	if (plan->log_fd < 0)
		return err_errno(err, "cannot duplicate a descriptor");
	if (report_and_launch(plan, err)) {
		(void)close(plan->log_fd);
		return -1;
	}
	(void)close(plan->log_fd);
	return 0;
}
