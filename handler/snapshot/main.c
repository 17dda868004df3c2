/* wakegate-snapshot - makes, verifies, restores and removes snapshots of a
 * gateway's state; run by wakegate, and by hand where a person wants to look
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/secrets.h"
#include "snapshot/job.h"

#include "base/banned.h"

#define EXIT_USAGE 2
#define NICENESS   5 /* of what nobody waits for */

static const struct command {
	const char *name;
	int (*run)(struct job *job);
	const char *help;
} commands[] = {
	{ "create", create_run, "take one" },
	{ "verify", verify_run, "read archives and compare their SHA-256" },
	{ "list", list_run, "tell which there are, here and in the bucket" },
	{ "restore", restore_run, "put one back: for the gateway's keeper" },
	{ "prune", prune_run, "remove those beyond `keep`, and leftovers" },
	{ "unmount", unmount_run, "clear what a restore left mounted" },
	{ "mend", mend_run, "clear an overlay that does not answer" },
	{ "clean", clean_run, "remove what restores left beside the folder" },
};

#define COMMANDS_COUNT (sizeof(commands) / sizeof(commands[0]))

enum {
	OPTION_GENERATION = 256,
	OPTION_SNAPSHOT,
	OPTION_PARENT,
	OPTION_FORCE,
	OPTION_IF_CHANGED,
};

static const struct option long_options[] = {
	{ "generation", required_argument, NULL, OPTION_GENERATION },
	{ "snapshot", required_argument, NULL, OPTION_SNAPSHOT },
	{ "parent", required_argument, NULL, OPTION_PARENT },
	{ "force", no_argument, NULL, OPTION_FORCE },
	{ "if-changed", no_argument, NULL, OPTION_IF_CHANGED },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct words {
	const char *config;
	const struct command *command;
	const char *gateway; /* NULL: the only one */
	int64_t generation;
	int64_t snapshot;
	int64_t parent;
	bool force;
	bool if_changed;
};

static int usage(FILE *out)
{
	(void)fputs("usage: wakegate-snapshot [-c FILE] COMMAND [GATEWAY] "
		    "[--snapshot ID] [--force] [--if-changed]\n"
		    "One JSON object a line; the last is the result. "
		    "Commands:\n",
		    out);
	for (size_t i = 0; i < COMMANDS_COUNT; i++)
		(void)fprintf(out, "  %-8s %s\n", commands[i].name,
			      commands[i].help);
	return out == stdout ? 0 : EXIT_USAGE;
}

static int number(int64_t *ret, const char *text)
{
	char *end;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	return errno || end == text || *end || *ret < 1 ? -1 : 0;
}

/* -1: it can't be understood. */
static int take_option(struct words *words, int option)
{
	switch (option) {
	case 'c':
		words->config = optarg;
		return 0;
	case OPTION_GENERATION:
		return number(&words->generation, optarg);
	case OPTION_SNAPSHOT:
		return number(&words->snapshot, optarg);
	case OPTION_PARENT:
		return number(&words->parent, optarg);
	case OPTION_FORCE:
		words->force = true;
		return 0;
	case OPTION_IF_CHANGED:
		words->if_changed = true;
		return 0;
	default:
		return -1;
	}
}

/* 0, or -1; 1 when it is to be helped. */
static int parse_words(struct words *ret, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) !=
	       -1) {
		if (option == 'h')
			return 1;
		if (take_option(ret, option))
			return -1;
	}
	if (optind == argc || argc - optind > 2)
		return -1;
	for (size_t i = 0; i < COMMANDS_COUNT; i++)
		if (strcmp(commands[i].name, argv[optind]) == 0)
			ret->command = &commands[i];
	ret->gateway = argv[optind + 1]; /* NULL at the end */
	return ret->command ? 0 : -1;
}

/* Ends with the one that runs us, whatever became of it already. */
static void die_with_parent(int64_t parent)
{
	if (parent == 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != (pid_t)parent)
		_exit(1);
}

static int open_job(struct job *job, const struct words *words,
		    struct settings *settings, struct err *err)
{
	job->gateway = settings_gateway(settings, words->gateway);
	if (!job->gateway)
		return err_set(err, ERR_INVALID, "name a gateway of '%s'",
			       settings->file);
	job->backup = &job->gateway->backup;
	if (!job->backup->directory)
		return err_set(err, ERR_INVALID,
			       "gateway '%s' has no 'backup' in '%s'",
			       job->gateway->name, settings->file);
	if (store_open(&job->store, settings->state_dir, err) ||
	    lock_open(&job->lock_fd, settings->state_dir, job->gateway->name,
		      err))
		return -1;
	if (!job->backup->s3.bucket)
		return 0;
	return remote_open(&job->remote, &job->backup->s3,
			   job->backup->restore_timeout_s, err);
}

static int run(const struct words *words, struct settings *settings)
{
	struct job job = {
		.settings = settings,
		.generation = words->generation,
		.snapshot = words->snapshot,
		.force = words->force,
		.if_changed = words->if_changed,
		.lock_fd = -1,
		.tell = { .phase = "begin" },
	};
	struct err err;
	int status;

	if (open_job(&job, words, settings, &err)) {
		tell_failed(job.backup && !job.backup->directory
				    ? "backup_not_configured"
				    : "failed",
			    &err);
		status = 1;
	} else {
		status = words->command->run(&job);
	}
	remote_close(job.remote);
	store_close(job.store);
	return status;
}

int main(int argc, char **argv)
{
	struct words words = { 0 };
	struct settings *settings = NULL;
	struct err err;
	int parsed = parse_words(&words, argc, argv);
	int status;

	if (parsed)
		return usage(parsed > 0 ? stdout : stderr);
	die_with_parent(words.parent);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(077);
	if (words.if_changed)
		(void)setpriority(PRIO_PROCESS, 0, NICENESS);
	if (settings_load(&settings, settings_file(words.config), &err)) {
		tell_failed("failed", &err);
		return EXIT_USAGE;
	}
	secrets_guard(settings);
	status = run(&words, settings);
	settings_unref(settings);
	return status;
}
