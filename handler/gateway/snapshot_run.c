#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "gateway/program.h"
#include "gateway/snapshot_run.h"
#include "gateway/spawn.h"

#include "base/banned.h"

#define PROGRAM	      "wakegate-snapshot"
#define ARGUMENTS_MAX 20
#define NUMBER_BYTES  24
#define STEP_MS	      250
#define NOTES_MAX     100

#ifndef PKGLIBEXECDIR
#define PKGLIBEXECDIR "/usr/local/libexec/wakegate"
#endif

/* Beside this program, or where `make install` puts it. */
static int find_program(char ret[PATH_MAX], struct err *err)
{
	char own[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);
	const char *slash;
	int got;

	if (len > 0) {
		own[len] = '\0';
		slash = strrchr(own, '/');
		got = snprintf(ret, PATH_MAX, "%.*s/" PROGRAM,
			       (int)(slash - own), own);
		if (got > 0 && got < PATH_MAX && access(ret, X_OK) == 0)
			return 0;
	}
	(void)snprintf(ret, PATH_MAX, "%s", PKGLIBEXECDIR "/" PROGRAM);
	if (access(ret, X_OK) != 0)
		return err_errno(err, "cannot find '%s'", ret);
	return 0;
}

struct arguments {
	char program[PATH_MAX];
	char config[PATH_MAX];
	char numbers[3][NUMBER_BYTES];
	char *words[ARGUMENTS_MAX];
	size_t count;
};

static void add_word(struct arguments *arguments, const char *word)
{
	/* execve(2) only reads them */
	arguments->words[arguments->count++] = (char *)(uintptr_t)word;
}

static void add_number(struct arguments *arguments, const char *option,
		       int64_t number, char *text)
{
	(void)snprintf(text, NUMBER_BYTES, "%lld", (long long)number);
	add_word(arguments, option);
	add_word(arguments, text);
}

static int build_arguments(struct arguments *ret,
			   const struct settings *settings,
			   const struct gateway_settings *gateway,
			   const struct snapshot_job *job, struct err *err)
{
	if (find_program(ret->program, err))
		return -1;
	if (!realpath(settings->file, ret->config))
		return err_errno(err, "cannot find '%s'", settings->file);
	add_word(ret, ret->program);
	add_word(ret, "-c");
	add_word(ret, ret->config);
	add_word(ret, job->command);
	add_word(ret, gateway->name);
	if (job->generation != 0)
		add_number(ret, "--generation", job->generation,
			   ret->numbers[0]);
	if (job->snapshot != 0)
		add_number(ret, "--snapshot", job->snapshot, ret->numbers[1]);
	if (job->with_parent)
		add_number(ret, "--parent", getpid(), ret->numbers[2]);
	if (job->force)
		add_word(ret, "--force");
	if (job->if_changed)
		add_word(ret, "--if-changed");
	add_word(ret, NULL);
	return 0;
}

static int spawn(pid_t *ret, const struct arguments *arguments,
		 char *const *environment, int output_fd)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int result;

	(void)posix_spawn_file_actions_init(&actions);
	program_attributes(&attributes, 0);
	result = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null",
						  O_RDONLY, 0);
	if (result == 0)
		result = posix_spawn_file_actions_adddup2(&actions, output_fd,
							  1);
	if (result == 0)
		result =
			posix_spawn(ret, arguments->program, &actions,
				    &attributes, arguments->words, environment);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return result;
}

int snapshot_run_start(struct snapshot_run *ret,
		       const struct settings *settings,
		       const struct gateway_settings *gateway,
		       const struct snapshot_job *job, struct err *err)
{
	CLEANUP_FREE struct arguments *arguments =
		calloc(1, sizeof(*arguments));
	CLEANUP_FREE char **environment = spawn_clean_environment(1);
	CLEANUP_FD int input = -1;
	CLEANUP_FD int output = -1;
	char **end = environment;
	int ends[2];
	int result;

	if (!arguments || !environment)
		return err_set(err, ERR_SYSTEM, "out of memory");
	if (build_arguments(arguments, settings, gateway, job, err))
		return -1;
	for (; *end; end++)
		;
	*end = (char *)(uintptr_t)job->instance;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return err_errno(err, "cannot make a pipe");
	input = ends[0];
	output = ends[1];
	(void)fcntl(output, F_SETFL, 0); /* its own writes wait */
	*ret = (struct snapshot_run){ .gateway = gateway->name, .pidfd = -1 };
	result = spawn(&ret->pid, arguments, environment, output);
	if (result != 0) {
		errno = result;
		return err_errno(err, "cannot run '%s'", arguments->program);
	}
	ret->pidfd = (int)syscall(SYS_pidfd_open, (long)ret->pid, 0L);
	ret->fd = STEAL_FD(input);
	return 0;
}

static void copy_text(char *ret, size_t size, const json_t *json,
		      const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));

	if (text)
		(void)snprintf(ret, size, "%s", text);
}

static int64_t number_of(const json_t *json, const char *name)
{
	return json_integer_value(json_object_get(json, name));
}

static void take_result(struct snapshot_run *run, const json_t *json)
{
	struct snapshot_result *result = &run->result;

	result->ok = json_is_true(json_object_get(json, "ok"));
	copy_text(result->code, sizeof(result->code), json, "code");
	copy_text(result->text, sizeof(result->text), json, "text");
	result->snapshot = number_of(json, "snapshot");
	result->bytes = number_of(json, "bytes");
	result->files = number_of(json, "files");
	run->has_result = true;
}

static void take_line(struct snapshot_run *run)
{
	json_t *json = json_loadb(run->line, run->len, 0, NULL);
	const char *note = json_string_value(json_object_get(json, "note"));
	struct snapshot_progress *progress = &run->progress;

	progress->steps++;
	if (json_object_get(json, "code")) {
		take_result(run, json);
	} else if (json_object_get(json, "phase")) {
		copy_text(progress->phase, sizeof(progress->phase), json,
			  "phase");
		progress->snapshot = number_of(json, "snapshot");
		progress->bytes = number_of(json, "bytes");
		progress->total = number_of(json, "total");
		progress->files = number_of(json, "files");
	} else if (note && run->notes++ < NOTES_MAX) {
		log_line(LEVEL_INFO, "gateway=%s msg=\"snapshot: %s\"",
			 run->gateway, note);
	}
	json_decref(json);
}

static void take_bytes(struct snapshot_run *run, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n') {
			if (!run->skipping)
				take_line(run);
			run->skipping = false;
			run->len = 0;
		} else if (run->len == sizeof(run->line)) {
			run->skipping = true; /* none of ours is so long */
		} else {
			run->line[run->len++] = bytes[i];
		}
	}
}

static void ended(struct snapshot_run *run)
{
	(void)close(run->fd);
	run->fd = -1;
	if (run->has_result)
		return;
	run->result = (struct snapshot_result){ .code = "failed" };
	(void)snprintf(run->result.text, sizeof(run->result.text),
		       PROGRAM " was killed");
}

bool snapshot_run_read(struct snapshot_run *run)
{
	char bytes[4096];
	ssize_t len;

	while (run->fd >= 0) {
		len = read(run->fd, bytes, sizeof(bytes));
		if (len > 0)
			take_bytes(run, bytes, (size_t)len);
		else if (len < 0 && errno == EINTR)
			continue;
		else if (len < 0 && errno == EAGAIN)
			return false;
		else
			ended(run);
	}
	return true;
}

void snapshot_run_kill(struct snapshot_run *run)
{
	if (run->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, (long)run->pidfd,
			      (long)SIGKILL, NULL, 0L);
}

void snapshot_run_close(struct snapshot_run *run, bool reap)
{
	if (run->fd >= 0)
		(void)close(run->fd);
	if (run->pidfd >= 0)
		(void)close(run->pidfd);
	if (reap)
		while (waitpid(run->pid, NULL, 0) < 0 && errno == EINTR)
			;
	run->fd = -1;
	run->pidfd = -1;
}

static void end_late(struct snapshot_run *run, const char *why)
{
	snapshot_run_kill(run);
	run->result = (struct snapshot_result){ .code = "timeout" };
	(void)snprintf(run->result.text, sizeof(run->result.text), "%s", why);
}

void snapshot_run_wait(struct snapshot_run *run, struct deadline deadline,
		       int stall_ms,
		       void (*shown)(const struct snapshot_run *, void *),
		       void *user)
{
	struct deadline stall = deadline_in(stall_ms);
	int64_t steps = 0;

	while (!snapshot_run_read(run)) {
		if (run->progress.steps != steps)
			stall = deadline_in(stall_ms);
		steps = run->progress.steps;
		if (shown)
			shown(run, user);
		if (deadline_passed(deadline) || deadline_passed(stall)) {
			end_late(run, deadline_passed(deadline)
					      ? "it takes too long"
					      : "it makes no progress");
			break;
		}
		(void)deadline_poll(run->fd, POLLIN,
				    deadline_min(deadline_min(deadline, stall),
						 deadline_in(STEP_MS)));
	}
	/* a killed one may hang in the kernel: it is then left to init */
	snapshot_run_close(run,
			   run->pidfd >= 0 &&
				   deadline_poll(run->pidfd, POLLIN,
						 deadline_in(STEP_MS)) > 0);
}
