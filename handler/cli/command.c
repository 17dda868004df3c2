#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "cli/command.h"
#include "gateway/secrets.h"
#include "gateway/settings_nearest.h"

#include "base/banned.h"

#define NAMES_BYTES_MAX 256

static const struct command *find(const struct command *commands,
				  const char *name, struct err *err)
{
	struct nearest nearest = { .wanted = name };
	const struct command *command;
	const char *meant;

	for (command = commands; command->name; command++) {
		if (strcmp(command->name, name) == 0)
			return command;
		if (command->synopsis)
			nearest_try(&nearest, command->name);
	}
	meant = nearest_name(&nearest);
	if (meant)
		err_fill(err, ERR_INVALID,
			 "unknown command '%s', did you mean '%s'?", name,
			 meant);
	else
		err_fill(err, ERR_INVALID,
			 "unknown command '%s'; 'wakegate help' lists them",
			 name);
	return NULL;
}

static int check_options(const struct command *command,
			 const struct options *options, struct err *err)
{
	unsigned int wrong = options->given & ~command->options;
	unsigned int flag = 1;

	if (options->snapshot && !(command->options & OPTION_SNAPSHOT))
		return err_set(err, ERR_INVALID, "one word too many: '%s'",
			       options->snapshot);
	if (wrong == 0)
		return 0;
	while (!(wrong & flag))
		flag <<= 1;
	return err_set(err, ERR_INVALID, "'%s' takes no %s", command->name,
		       option_name((enum option_flag)flag));
}

static int no_gateway(const struct settings *settings, const char *name,
		      struct err *err)
{
	struct buffer names = BUFFER_INIT(NAMES_BYTES_MAX);
	const char *text;
	size_t i;

	for (i = 0; i < settings->gateways_count; i++)
		buffer_printf(&names, "%s%s", i > 0 ? ", " : "",
			      settings->gateways[i].name);
	text = buffer_text(&names);
	if (!text)
		text = "many";
	if (name)
		err_fill(err, ERR_INVALID,
			 "there is no gateway '%s'; this configuration has: %s",
			 name, text);
	else
		err_fill(err, ERR_INVALID,
			 "which gateway? This configuration has: %s", text);
	buffer_free(&names);
	return -1;
}

/* `restore 12` of the only gateway, unless it is called 12. */
static bool is_snapshot(const struct session *session,
			const struct command *command)
{
	const char *word = session->options->gateway;

	return (command->options & OPTION_SNAPSHOT) && word &&
	       !session->options->snapshot &&
	       word[strspn(word, "0123456789")] == '\0' &&
	       !settings_gateway(session->settings, word);
}

static int choose_gateway(struct session *session,
			  const struct command *command, struct err *err)
{
	const char *name = session->options->gateway;
	enum command_needs needs = command->needs;

	if (command->options & OPTION_REQUEST) {
		session->request = name;
		return name ? 0
			    : err_set(err, ERR_INVALID,
				      "'%s' needs a request's id",
				      command->name);
	}
	session->snapshot = session->options->snapshot;
	if (session->options->given & OPTION_ALL) {
		if (!name)
			return 0;
		return err_set(err, ERR_INVALID, "either --all or '%s'", name);
	}
	if (is_snapshot(session, command)) {
		session->snapshot = name;
		name = NULL;
	}
	session->gateway = settings_gateway(session->settings, name);
	if (session->gateway || (!name && needs != NEEDS_GATEWAY))
		return 0;
	return no_gateway(session->settings, name, err);
}

/* --help and --version are commands too, whatever else was said. */
static const struct command *choose(const struct command *commands,
				    const struct options *options,
				    struct err *err)
{
	const struct command *command;

	if (options->given & OPTION_HELP)
		return find(commands, "help", err);
	if (options->given & OPTION_VERSION)
		return find(commands, "version", err);
	if (!options->command) {
		err_fill(err, ERR_INVALID,
			 "no command; 'wakegate help' lists them");
		return NULL;
	}
	command = find(commands, options->command, err);
	if (!command || check_options(command, options, err))
		return NULL;
	return command;
}

static void print_help(const struct command *commands)
{
	const struct command *command;

	(void)puts("usage: wakegate [-c FILE] COMMAND [GATEWAY] [OPTIONS]\n");
	for (command = commands; command->name; command++)
		if (command->synopsis)
			(void)printf("  %-34s %s\n", command->synopsis,
				     command->help);
	(void)puts(
		"\n  -c FILE  the configuration instead of $WAKEGATE_CONFIG "
		"or the built-in path\n\n"
		"Exit status: 0 done, 1 it failed, 2 usage or configuration, "
		"3 timed out.\nSee wakegate(8) and wakegate.json(5).");
}

enum exit_status command_run(const struct command *commands,
			     const struct options *options, struct err *err)
{
	struct session session = { .options = options };
	enum exit_status status = EXIT_USAGE;
	const struct command *command;

	command = choose(commands, options, err);
	if (!command)
		return EXIT_USAGE;
	if (!command->run) {
		print_help(commands);
		return EXIT_DONE;
	}
	if (command->needs == NEEDS_NOTHING)
		return command->run(&session, err);
	if (settings_load(&session.settings, settings_file(options->config),
			  err))
		return EXIT_USAGE;
	secrets_guard(session.settings);
	if (choose_gateway(&session, command, err))
		goto out;
	status = EXIT_FAILED;
	if (command->needs != NEEDS_SETTINGS &&
	    store_open(&session.store, session.settings->state_dir, err))
		goto out;
	status = command->run(&session, err);
out:
	store_close(session.store);
	settings_unref(session.settings);
	return status;
}

enum exit_status session_each(
	const struct session *session,
	enum exit_status (*each)(const struct session *session,
				 const struct gateway_settings *gateway,
				 void *user, struct err *err),
	void *user, struct err *err)
{
	enum exit_status status = EXIT_DONE;
	size_t i;

	if (session->gateway)
		return each(session, session->gateway, user, err);
	for (i = 0;
	     status == EXIT_DONE && i < session->settings->gateways_count; i++)
		status = each(session, &session->settings->gateways[i], user,
			      err);
	return status;
}
