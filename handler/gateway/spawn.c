#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/deadline.h"
#include "gateway/spawn.h"

#include "base/banned.h"

#define ENVIRONMENT_MAX	 1024
#define EXEC_DEADLINE_MS 10000
#define PASSWD_BYTES	 4096 /* an entry of the user database */
#define DEFAULT_PATH                                                           \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

extern char **environ;

static const char *const passed_on[] = {
	"PATH",		"HOME",		 "USER",
	"LOGNAME",	"SHELL",	 "LANG",
	"TZ",		"TMPDIR",	 "XDG_RUNTIME_DIR",
#ifdef __SANITIZE_ADDRESS__
	"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
#endif
};

static bool is_passed_on(const char *variable)
{
	size_t len = strcspn(variable, "=");

	if (strncmp(variable, "LC_", 3) == 0)
		return true;
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		if (strlen(passed_on[i]) == len &&
		    strncmp(variable, passed_on[i], len) == 0)
			return true;
	return false;
}

char **spawn_clean_environment(size_t extra)
{
	char **list = calloc(ENVIRONMENT_MAX + extra + 1, sizeof(*list));
	size_t count = 0;

	if (!list)
		return NULL;
	for (char **variable = environ; *variable; variable++)
		if (is_passed_on(*variable) && count < ENVIRONMENT_MAX)
			list[count++] = *variable;
	return list;
}

/* An environment under construction: its strings are its own. */
struct environment {
	char **items; /* room for ENVIRONMENT_MAX and a NULL */
	size_t count;
};

void spawn_environment_free(char **environment)
{
	for (char **item = environment; item && *item; item++)
		free(*item);
	free(environment);
}

static void cleanup_environment(char ***environment)
{
	spawn_environment_free(*environment);
}

static int environment_set(struct environment *environment, const char *name,
			   const char *value, bool replace, struct err *err)
{
	size_t len = strlen(name);
	size_t at = 0;
	char *text = NULL;

	while (at < environment->count &&
	       !(strncmp(environment->items[at], name, len) == 0 &&
		 environment->items[at][len] == '='))
		at++;
	if (at < environment->count && !replace)
		return 0;
	if (at == ENVIRONMENT_MAX)
		return err_set(err, ERR_LIMIT, "more than %d variables",
			       ENVIRONMENT_MAX);
	if (asprintf(&text, "%s=%s", name, value) < 0)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (at == environment->count)
		environment->count++;
	else
		free(environment->items[at]);
	environment->items[at] = text;
	return 0;
}

/* What login(1) would set, where the web server gave us less. */
static int set_defaults(struct environment *environment, struct err *err)
{
	char text[PASSWD_BYTES];
	struct passwd entry;
	struct passwd *user = NULL;

	if (environment_set(environment, "PATH", DEFAULT_PATH, false, err))
		return -1;
	if (getpwuid_r(geteuid(), &entry, text, sizeof(text), &user) || !user)
		return 0;
	if (environment_set(environment, "HOME", user->pw_dir, false, err) ||
	    environment_set(environment, "USER", user->pw_name, false, err) ||
	    environment_set(environment, "LOGNAME", user->pw_name, false, err))
		return -1;
	return 0;
}

static int set_configured(struct environment *environment,
			  const struct setting_value *values, struct err *err)
{
	for (; values && values->name; values++) {
		CLEANUP_FREE char *text = NULL;

		if (settings_value_read(&text, values, err) ||
		    environment_set(environment, values->name, text, true, err))
			return err_context(err, "environment '%s'",
					   values->name);
	}
	return 0;
}

static int environment_build(struct environment *environment,
			     const struct gateway_settings *gateway,
			     const char *instance, struct err *err)
{
	CLEANUP_FREE char **inherited = spawn_clean_environment(0);
	const char *value = instance ? strchr(instance, '=') + 1 : NULL;

	if (!inherited)
		return err_set(err, ERR_LIMIT, "out of memory");
	/* first, so that it is found at once */
	if (value &&
	    environment_set(environment, "WAKEGATE_INSTANCE", value, true, err))
		return -1;
	for (char **item = inherited;
	     *item && environment->count < ENVIRONMENT_MAX; item++) {
		char *copy = strdup(*item);

		if (!copy)
			return err_set(err, ERR_LIMIT, "out of memory");
		environment->items[environment->count++] = copy;
	}
	if (set_defaults(environment, err) ||
	    set_configured(environment, gateway->environment, err))
		return -1;
	return 0;
}

int spawn_environment(char ***ret, const struct gateway_settings *gateway,
		      const char *instance, struct err *err)
{
	CLEANUP(cleanup_environment)
	char **items = calloc(ENVIRONMENT_MAX + 1, sizeof(*items));
	struct environment environment = { .items = items };

	if (!items)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (environment_build(&environment, gateway, instance, err))
		return -1;
	*ret = __extension__ STEAL_PTR(items);
	return 0;
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

/* Closes all from 3 on but these. */
static void close_others(int a, int b, int c)
{
	int begin = 3;

	while (begin >= 0) {
		int next = INT_MAX; /* the lowest of them from begin on */

		if (a >= begin && a < next)
			next = a;
		if (b >= begin && b < next)
			next = b;
		if (c >= begin && c < next)
			next = c;
		if (next > begin)
			(void)close_range((unsigned)begin, (unsigned)next - 1,
					  0);
		begin = next == INT_MAX ? -1 : next + 1;
	}
}

/* In the child; only what signal-safety(7) lists. */
static void run(const struct gateway_settings *gateway, char **environment,
		int output_fd, int go_fd, int err_fd)
{
	const char *directory = gateway->directory ? gateway->directory : "/";
	int number;
	char go;
	int in;

	/* a keeper's name is never the gateway's; its child is, also before exec */
	(void)prctl(PR_SET_NAME, "wakegate-start");
	/* above all the lock: chdir and exec may hang, and must not hold it */
	close_others(output_fd, go_fd, err_fd);
	in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	reset_signals();
	(void)setsid();
	if (read(go_fd, &go, 1) != 1)
		_exit(127); /* the keeper died first */
	if (in >= 0 && chdir(directory) == 0 && dup2(in, 0) >= 0 &&
	    dup2(output_fd, 1) >= 0 && dup2(output_fd, 2) >= 0 &&
	    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		(void)execvpe(gateway->command[0], gateway->command,
			      environment);
	number = errno;
	(void)!write(err_fd, &number, sizeof(number));
	_exit(127);
}

struct pipes {
	int go[2];
	int err[2];
};

static int fork_child(struct spawned *ret, const struct pipes *pipes,
		      const struct gateway_settings *gateway,
		      char **environment, int output_fd, struct err *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_errno(err, "cannot fork");
	if (pid == 0) {
		(void)close(pipes->go[1]);
		run(gateway, environment, output_fd, pipes->go[0],
		    pipes->err[1]);
	}
	*ret = (struct spawned){
		.pid = pid,
		.pidfd = (int)syscall(SYS_pidfd_open, (long)pid, 0L),
		.go_fd = pipes->go[1],
		.err_fd = pipes->err[0],
	};
	return 0;
}

int spawn_prepare(struct spawned *ret, const struct gateway_settings *gateway,
		  const char *instance, int output_fd, struct err *err)
{
	CLEANUP(cleanup_environment) char **environment = NULL;
	struct pipes pipes;

	if (spawn_environment(&environment, gateway, instance, err))
		return -1;
	if (pipe2(pipes.go, O_CLOEXEC) != 0)
		return err_errno(err, "cannot make a pipe");
	if (pipe2(pipes.err, O_CLOEXEC) != 0) {
		(void)close(pipes.go[0]);
		(void)close(pipes.go[1]);
		return err_errno(err, "cannot make a pipe");
	}
	if (fork_child(ret, &pipes, gateway, environment, output_fd, err)) {
		(void)close(pipes.go[1]);
		(void)close(pipes.err[0]);
		(void)close(pipes.go[0]);
		(void)close(pipes.err[1]);
		return -1;
	}
	(void)close(pipes.go[0]);
	(void)close(pipes.err[1]);
	if (ret->pidfd >= 0)
		return 0;
	spawn_cancel(ret);
	return err_errno(err, "cannot open a pidfd");
}

void spawn_cancel(struct spawned *spawned)
{
	int saved = errno;

	(void)close(spawned->go_fd); /* it reads the end of file and exits */
	(void)close(spawned->err_fd);
	(void)waitpid(spawned->pid, NULL, 0);
	errno = saved;
}

int spawn_go(struct spawned *spawned, struct err *err)
{
	CLEANUP_FD int go_fd = spawned->go_fd;
	CLEANUP_FD int err_fd = spawned->err_fd;
	int number = 0;
	ssize_t len;

	if (write(go_fd, "", 1) != 1)
		return err_errno(err, "cannot start the gateway's program");
	if (deadline_poll(err_fd, POLLIN, deadline_in(EXEC_DEADLINE_MS)) <= 0)
		return err_set(err, ERR_TIMEOUT,
			       "the program is not executed in time");
	len = read(err_fd, &number, sizeof(number));
	if (len == 0)
		return 0; /* closed by exec */
	errno = len == (ssize_t)sizeof(number) ? number : EIO;
	return err_errno(err, "cannot execute the gateway's command");
}
