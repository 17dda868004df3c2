/* The restore gate, and a restore: by wakegate-snapshot, on the way to a start */
#include "config.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/keeper_private.h"
#include "gateway/lock.h"
#include "gateway/marker.h"
#include "gateway/snapshot_run.h"

#include "base/banned.h"

#define LOOK_MS	     2000
#define EARLIER_MS   10000 /* one whose keeper was killed, and that still ends */
#define PAUSE_MS     10
#define SHOW_MS	     250
#define GRACE_MS     1000 /* it ends by its own deadline, and says more */
#define DEATH_MS     2000
#define MOUNTS_MS    15000
#define DETAIL_BYTES 256

/* A word to wakegate-snapshot about what is mounted. */
static void tend_mounts(struct keeper *keeper, const char *command)
{
	struct snapshot_job job = { .command = command, .with_parent = true };
	struct snapshot_run run;
	struct err err;

	if (keeper->gateway->backup.restore != RESTORE_OVERLAY)
		return;
	if (snapshot_run_start(&run, keeper->settings, keeper->gateway, &job,
			       &err)) {
		log_line(LEVEL_WARNING, "gateway=%s msg=\"%s\"",
			 keeper->row.name, err.text);
		return;
	}
	snapshot_run_wait(&run, deadline_in(MOUNTS_MS), MOUNTS_MS, NULL, NULL);
	if (!run.result.ok)
		log_line(LEVEL_WARNING, "gateway=%s msg=\"%s\"",
			 keeper->row.name, run.result.text);
}

void keeper_mend_mounts(struct keeper *keeper)
{
	tend_mounts(keeper, "mend");
	keeper_heartbeat(keeper);
}

enum lifecycle_action keeper_gate(struct keeper *keeper)
{
	const struct backup_settings *backup = &keeper->gateway->backup;
	struct restore_view view = {
		.configured = backup->directory != NULL,
		.marker = MARKER_NONE, /* what can't be read bears none */
	};
	struct err err;

	keeper_read(keeper); /* a wish may be new */
	if (keeper->lost)
		return ACTION_END;
	view.wanted = keeper->row.restore_wanted;
	if (view.configured)
		keeper_mend_mounts(keeper);
	if (view.configured && !view.wanted &&
	    marker_look(backup->directory, store_id(keeper->store),
			deadline_in(LOOK_MS), &view.marker, &err))
		log_line(LEVEL_WARNING, "gateway=%s msg=\"%s\"",
			 keeper->row.name, err.text);
	return keeper_decide(keeper, lifecycle_restore_due(&view)
					     ? EVENT_RESTORE_DUE
					     : EVENT_NOTHING_RUNS);
}

/* One restore, as it goes on. */
struct restore {
	struct keeper *keeper;
	struct snapshot_run run;
	int64_t began_ms;
	int64_t snapshot; /* that restore_begin was written for */
	int64_t steps;
	char phase[sizeof(((struct snapshot_progress *)0)->phase)];
	struct deadline deadline;
	struct deadline show;
};

static int timeout_ms(const struct keeper *keeper)
{
	return keeper->gateway->backup.restore_timeout_s * 1000;
}

static int await_earlier(struct keeper *keeper, struct err *err)
{
	struct deadline deadline = deadline_in(EARLIER_MS);
	bool taken = false;

	for (;;) {
		if (lock_is_taken(keeper->lock_fd, LOCK_RESTORE, &taken, err))
			return -1;
		if (!taken)
			return 0;
		if (deadline_passed(deadline))
			return err_set(err, ERR_TIMEOUT,
				       "an earlier restore has not ended");
		keeper_poll(keeper, deadline_in(PAUSE_MS));
		keeper_heartbeat(keeper);
	}
}

static int start(struct restore *restore, struct err *err)
{
	struct keeper *keeper = restore->keeper;
	const struct gateway_row *row = &keeper->row;
	char instance[sizeof(keeper->instance) + 24];
	struct snapshot_job job = {
		.command = "restore",
		.generation = row->generation,
		.snapshot = row->restore_wanted ? row->restore_snapshot : 0,
		.instance = instance,
		.with_parent = true,
	};

	(void)snprintf(instance, sizeof(instance), "%s%" PRId64,
		       keeper->instance, row->generation);
	keeper_take_wish(keeper);
	if (await_earlier(keeper, err) ||
	    snapshot_run_start(&restore->run, keeper->settings, keeper->gateway,
			       &job, err))
		return -1;
	restore->deadline = deadline_in(timeout_ms(keeper) + GRACE_MS);
	keeper->work_fd = restore->run.fd;
	return 0;
}

/* Fetching may take as long as bytes come; each other phase has restore_timeout_s, as
 * for wakegate-snapshot itself. */
static void take_progress(struct restore *restore)
{
	const struct snapshot_progress *progress = &restore->run.progress;
	struct keeper *keeper = restore->keeper;
	struct gateway_row *row = &keeper->row;
	char detail[DETAIL_BYTES];

	if (restore->steps == progress->steps)
		return;
	restore->steps = progress->steps;
	if (strcmp(progress->phase, restore->phase) != 0 ||
	    (strcmp(progress->phase, "fetch") == 0 &&
	     progress->bytes != row->progress_bytes))
		restore->deadline = deadline_in(timeout_ms(keeper) + GRACE_MS);
	memcpy(restore->phase, progress->phase, sizeof(restore->phase));
	row->progress_bytes = progress->bytes;
	row->progress_total = progress->total;
	if (progress->snapshot != 0 &&
	    progress->snapshot != restore->snapshot) {
		restore->snapshot = progress->snapshot;
		restore->deadline = deadline_in(timeout_ms(keeper) + GRACE_MS);
		(void)snprintf(detail, sizeof(detail),
			       "{\"snapshot\":%" PRId64 ",\"bytes\":%" PRId64
			       "}",
			       progress->snapshot, progress->total);
		keeper_write(keeper, "restore_begin", detail);
	} else if (deadline_passed(restore->show)) {
		keeper_write(keeper, NULL, NULL);
	}
	restore->show = deadline_in(SHOW_MS);
}

/* It does not end by itself: too late, or not wanted any more. */
static void end_run(struct restore *restore, const char *why)
{
	struct snapshot_run *run = &restore->run;
	struct deadline deadline = deadline_in(DEATH_MS);

	snapshot_run_kill(run);
	while (!snapshot_run_read(run) && !deadline_passed(deadline))
		keeper_poll(restore->keeper, deadline);
	run->result = (struct snapshot_result){ .code = "timeout" };
	(void)snprintf(run->result.text, sizeof(run->result.text), "%s", why);
}

static void watch(struct restore *restore)
{
	struct keeper *keeper = restore->keeper;
	struct deadline tick = deadline_in(0);
	char why[DETAIL_BYTES];

	while (!snapshot_run_read(&restore->run) && !keeper->lost) {
		take_progress(restore);
		keeper_heartbeat(keeper);
		if (keeper->poked || deadline_passed(tick)) {
			tick = deadline_in(SHOW_MS);
			keeper->poked = false;
			keeper_read(keeper);
		}
		if (keeper_wants_end(keeper)) {
			end_run(restore, "it was stopped");
			break;
		}
		if (deadline_passed(restore->deadline)) {
			(void)snprintf(why, sizeof(why),
				       "not restored in %d s, the phase '%s'",
				       timeout_ms(keeper) / 1000,
				       restore->run.progress.phase);
			end_run(restore, why);
			break;
		}
		keeper_poll(keeper, deadline_min(restore->deadline, tick));
	}
	if (keeper->lost)
		end_run(restore, "another generation was first");
	take_progress(restore);
	keeper->work_fd = -1;
	snapshot_run_close(&restore->run, false);
}

static enum lifecycle_action done(struct restore *restore)
{
	const struct snapshot_result *result = &restore->run.result;
	struct keeper *keeper = restore->keeper;
	char detail[DETAIL_BYTES];

	keeper->row.progress_bytes = 0;
	keeper->row.progress_total = 0;
	keeper->row.snapshot = result->snapshot;
	if (strcmp(result->code, "none") == 0) /* nothing was put back */
		return keeper_decide(keeper, EVENT_RESTORED);
	(void)snprintf(detail, sizeof(detail),
		       "{\"snapshot\":%" PRId64 ",\"bytes\":%" PRId64
		       ",\"files\":%" PRId64 ",\"took_ms\":%" PRId64 "}",
		       result->snapshot, result->bytes, result->files,
		       clock_wall_ms() - restore->began_ms);
	keeper_write_restored(keeper, "restore_done", detail);
	return keeper_decide(keeper, EVENT_RESTORED);
}

/* Without its snapshot, as on_restore_failure says: and never to be backed up. */
static enum lifecycle_action start_empty(struct keeper *keeper,
					 const char *detail)
{
	struct marker marker = {
		.restored_ms = clock_wall_ms(),
		.generation = keeper->row.generation,
		.started_empty = true,
	};
	const char *directory = keeper->gateway->backup.directory;
	enum marker_kind kind = MARKER_NONE;
	struct err err;

	(void)snprintf(marker.store, sizeof(marker.store), "%s",
		       store_id(keeper->store));
	/* a state that was to be replaced is as good as it was */
	if (marker_look(directory, marker.store, deadline_in(LOOK_MS), &kind,
			&err) ||
	    (kind == MARKER_NONE &&
	     marker_put(directory, &marker, deadline_in(LOOK_MS), &err)))
		log_line(LEVEL_ERROR, "gateway=%s msg=\"%s, going on\"",
			 keeper->row.name, err.text);
	keeper_write_restored(keeper, "restore_failed", detail);
	return keeper_decide(keeper, EVENT_RESTORED);
}

/* What a killed one left goes. What bears a marker is a state that it had not touched
 * yet: all since the last snapshot is there, so it goes only when it is dead. */
static void clear_mounts(struct keeper *keeper)
{
	enum marker_kind kind = MARKER_NONE;
	struct err err;
	bool bare = marker_look(keeper->gateway->backup.directory,
				store_id(keeper->store), deadline_in(LOOK_MS),
				&kind, &err) == 0 &&
		    kind == MARKER_NONE;

	tend_mounts(keeper, bare ? "unmount" : "mend");
}

static enum lifecycle_action failed(struct restore *restore)
{
	const struct snapshot_result *result = &restore->run.result;
	struct keeper *keeper = restore->keeper;
	char detail[DETAIL_BYTES];

	clear_mounts(keeper);
	keeper->row.progress_bytes = 0;
	keeper->row.progress_total = 0;
	if (keeper->lost)
		return ACTION_END;
	if (keeper_wants_end(keeper))
		return keeper_decide(keeper, EVENT_STOP_WANTED);
	(void)snprintf(detail, sizeof(detail),
		       "{\"reason\":\"%s\",\"snapshot\":%" PRId64 "}",
		       result->code, restore->snapshot);
	keeper_reason(keeper, "restore_failed", "restore failed: %s",
		      result->text);
	log_line(LEVEL_ERROR, "gateway=%s generation=%" PRId64 " msg=\"%s\"",
		 keeper->row.name, keeper->row.generation, keeper->row.detail);
	if (keeper->gateway->backup.start_empty)
		return start_empty(keeper, detail);
	keeper->row.stopped_ms = clock_wall_ms();
	keeper_write(keeper, "restore_failed", detail);
	(void)keeper_decide(keeper, EVENT_RESTORE_FAILED);
	keeper_write(keeper, "failed", "{\"reason\":\"restore_failed\"}");
	return ACTION_END;
}

enum lifecycle_action keeper_restore(struct keeper *keeper)
{
	struct restore restore = {
		.keeper = keeper,
		.run = { .fd = -1, .pidfd = -1 },
		.began_ms = clock_wall_ms(),
	};
	struct err err;

	/* it looks at the row before it touches anything */
	keeper_write(keeper, NULL, NULL);
	if (keeper->lost)
		return ACTION_END;
	/* an overlay's daemons are nobody's: they outlive gateway and keeper */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 0);
	if (start(&restore, &err) == 0) {
		watch(&restore);
	} else {
		(void)snprintf(restore.run.result.text,
			       sizeof(restore.run.result.text), "%s", err.text);
		(void)snprintf(restore.run.result.code,
			       sizeof(restore.run.result.code), "failed");
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	return restore.run.result.ok && !keeper->lost ? done(&restore)
						      : failed(&restore);
}
