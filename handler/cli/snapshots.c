/* backup, snapshots: taking them, and what there is */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/deadline.h"
#include "base/when.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "gateway/snapshot_run.h"
#include "gateway/view.h"

#include "base/banned.h"

#define BACKUP_MAX_MS ((int64_t)6 * 3600 * 1000)
#define LIST_MAX_MS   70000

struct shown {
	struct progress progress;
	const char *name;
};

static void show_work(const struct snapshot_run *run, void *user)
{
	struct shown *shown = user;

	progress_work(&shown->progress, shown->name, &run->progress);
}

/* Runs wakegate-snapshot to its end. */
static enum exit_status run_job(const struct session *session,
				const struct snapshot_job *job,
				int64_t timeout_ms, struct snapshot_run *run,
				struct err *err)
{
	struct shown shown = { .name = session->gateway->name };

	if (snapshot_run_start(run, session->settings, session->gateway, job,
			       err))
		return EXIT_FAILED;
	if (session->options->given & OPTION_NO_WAIT) {
		snapshot_run_close(run, false); /* it goes on by itself */
		return EXIT_DONE;
	}
	progress_begin(&shown.progress);
	snapshot_run_wait(run, deadline_in(timeout_ms), SNAPSHOT_STALL_MS,
			  show_work, &shown);
	progress_end(&shown.progress);
	if (run->result.ok)
		return EXIT_DONE;
	err_fill(err, ERR_CLOSED, "%s: %s (%s)", session->gateway->name,
		 run->result.text, run->result.code);
	if (strcmp(run->result.code, "backup_not_configured") == 0)
		return EXIT_USAGE;
	return strcmp(run->result.code, "timeout") == 0 ? EXIT_TIMED_OUT
							: EXIT_FAILED;
}

enum exit_status backup_run(const struct session *session, struct err *err)
{
	struct snapshot_job job = {
		.command = "create",
		.force = (session->options->given & OPTION_FORCE) != 0,
	};
	struct snapshot_run run = { .fd = -1 };
	enum exit_status status =
		run_job(session, &job, BACKUP_MAX_MS, &run, err);

	if (status == EXIT_DONE && run.has_result)
		(void)printf("snapshot %lld: %lld files, %lld bytes\n",
			     (long long)run.result.snapshot,
			     (long long)run.result.files,
			     (long long)run.result.bytes);
	return status;
}

int snapshots_find(const struct session *session, struct err *err)
{
	struct snapshot_job job = { .command = "list" };
	struct snapshot_run run = { .fd = -1 };

	if (snapshot_run_start(&run, session->settings, session->gateway, &job,
			       err))
		return -1;
	snapshot_run_wait(&run, deadline_in(LIST_MAX_MS), LIST_MAX_MS, NULL,
			  NULL);
	return run.result.ok ? 0
			     : err_set(err, ERR_CLOSED, "%s", run.result.text);
}

struct list {
	bool json;
	int count;
};

static void print_json(const struct snapshot_row *row)
{
	json_t *shown = view_snapshot(row);

	(void)json_dumpf(shown, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(shown);
}

static int print_row(const struct snapshot_row *row, void *user)
{
	struct list *list = user;
	char when[WHEN_BYTES];

	if (list->json) {
		print_json(row);
		return 0;
	}
	if (list->count++ == 0)
		(void)printf("%6s  %-24s  %-8s  %12s  %7s  %s\n", "ID", "TAKEN",
			     "STATE", "BYTES", "FILES", "WHERE");
	(void)printf("%6lld  %-24s  %-8s  %12lld  %7lld  %s%s%s\n",
		     (long long)row->id, when_utc(when, row->created_ms),
		     snapshot_state_names[row->state], (long long)row->bytes,
		     (long long)row->files, row->path[0] ? "here" : "",
		     row->path[0] && row->remote[0] ? ", " : "",
		     row->remote[0] ? "bucket" : "");
	return 0;
}

enum exit_status snapshots_run(const struct session *session, struct err *err)
{
	struct snapshot_job job = { .command = "list" };
	struct snapshot_run run = { .fd = -1 };
	struct list list = {
		.json = (session->options->given & OPTION_JSON) != 0,
	};
	enum exit_status status =
		run_job(session, &job, LIST_MAX_MS, &run, err);

	/* what is known is told also when the bucket can't be asked */
	if (session->gateway->backup.directory &&
	    store_snapshots(session->store, session->gateway->name, print_row,
			    &list,
			    status == EXIT_DONE ? err : &(struct err){ 0 }))
		return EXIT_FAILED;
	return status;
}
