#include "config.h"

#include <stdio.h>

#include "cli/command.h"
#include "edge/worker.h"

#include "base/banned.h"

static enum exit_status version_run(const struct session *session,
				    struct err *err)
{
	(void)session;
	(void)err;
	(void)puts("wakegate " PACKAGE_VERSION);
	return EXIT_DONE;
}

static const struct command commands[] = {
	{ "check", check_run, NEEDS_SETTINGS, 0, "check",
	  "check the configuration and print it in full" },
	{ "status", status_run, NEEDS_STORE, OPTION_JSON, "status [--json]",
	  "say what each gateway is doing" },
	{ "start", start_run, NEEDS_GATEWAY, OPTION_NO_WAIT | OPTION_ALL,
	  "start [--all] [--no-wait]",
	  "start it, whatever kept it down, until ready" },
	{ "stop", stop_run, NEEDS_GATEWAY,
	  OPTION_NO_WAIT | OPTION_HOLD | OPTION_ALL,
	  "stop [--all] [--hold] [--no-wait]",
	  "stop it; with --hold it stays down until 'start'" },
	{ "restart", restart_run, NEEDS_GATEWAY, OPTION_NO_WAIT,
	  "restart [--no-wait]", "stop it and start it anew" },
	{ "reset", reset_run, NEEDS_GATEWAY, 0, "reset",
	  "forget its failures; the next request starts it" },
	{ "backup", backup_run, NEEDS_GATEWAY, OPTION_FORCE | OPTION_NO_WAIT,
	  "backup [--force] [--no-wait]",
	  "take a snapshot of its state; --force: whatever state it is" },
	{ "restore", restore_run, NEEDS_GATEWAY,
	  OPTION_NO_WAIT | OPTION_SNAPSHOT, "restore [ID] [--no-wait]",
	  "stop it, put a snapshot back (the newest), start it" },
	{ "snapshots", snapshots_run, NEEDS_GATEWAY, OPTION_JSON,
	  "snapshots [--json]", "list them, here and in the bucket" },
	{ "events", events_run, NEEDS_STORE,
	  OPTION_COUNT | OPTION_FOLLOW | OPTION_JSON,
	  "events [-n N] [-f] [--json]", "print what happened" },
	{ "explain", explain_run, NEEDS_STORE, OPTION_REQUEST | OPTION_JSON,
	  "explain REQUEST_ID [--json]",
	  "tell what a request met, by its X-Request-Id" },
	{ "log", log_run, NEEDS_GATEWAY, OPTION_COUNT | OPTION_FOLLOW,
	  "log [-n N] [-f]", "print the gateway's own output" },
	{ "serve", serve_run, NEEDS_NOTHING, OPTION_LISTEN | OPTION_THREADS,
	  "serve --listen ADDRESS [--threads N]",
	  "answer FastCGI requests on a socket of its own" },
	{ "version", version_run, NEEDS_NOTHING, 0, "version",
	  "print the version" },
	{ "help", NULL, NEEDS_NOTHING, 0, "help", "print this list" },
	{ "figures", figures_run, NEEDS_GATEWAY, 0, NULL, NULL },
	{ "keep", keep_run, NEEDS_GATEWAY, OPTION_GENERATION | OPTION_REPLACE,
	  NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	struct options options = { 0 };
	enum exit_status status = EXIT_USAGE;
	struct err err = { 0 };

	if (worker_is_cgi()) /* argv may be a query string: RFC 3875, 4.4 */
		return worker_run(NULL);
	if (options_parse(&options, argc, argv, &err) == 0) {
		if (!options.command && options.given == 0 &&
		    worker_is_fastcgi())
			return worker_run(options.config);
		status = command_run(commands, &options, &err);
	}
	if (status == EXIT_DONE && fflush(stdout)) {
		(void)err_errno(&err, "cannot print");
		status = EXIT_FAILED;
	}
	if (status != EXIT_DONE)
		(void)fprintf(stderr, "wakegate: %s\n", err.text);
	return (int)status;
}
