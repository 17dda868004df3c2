/* Snapshots beside a running gateway, and one after its orderly end */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "gateway/keeper_private.h"
#include "gateway/snapshot_run.h"

#include "base/banned.h"

#define TICK_MS	   250
#define ON_STOP_MS 600000

static int start(struct keeper *keeper, const char *command, struct err *err)
{
	char instance[sizeof(keeper->instance) + 24];
	struct snapshot_job job = {
		.command = command,
		.generation = keeper->row.generation,
		.if_changed = true,
		.instance = instance,
		.with_parent = true,
	};

	(void)snprintf(instance, sizeof(instance), "%s%" PRId64,
		       keeper->instance, keeper->row.generation);
	keeper->work = calloc(1, sizeof(*keeper->work));
	if (!keeper->work)
		return err_set(err, ERR_SYSTEM, "out of memory");
	if (snapshot_run_start(keeper->work, keeper->settings, keeper->gateway,
			       &job, err)) {
		free(keeper->work);
		keeper->work = NULL;
		return -1;
	}
	keeper->work_fd = keeper->work->fd;
	keeper->work_steps = 0;
	keeper->work_stall = deadline_in(SNAPSHOT_STALL_MS);
	return 0;
}

static void close_work(struct keeper *keeper)
{
	snapshot_run_close(keeper->work, false);
	free(keeper->work);
	keeper->work = NULL;
	keeper->work_fd = -1;
}

/* It tells its own events; what refuses at each run is no news. */
static void finish(struct keeper *keeper)
{
	const struct snapshot_result *result = &keeper->work->result;

	if (!result->ok)
		log_line(strcmp(result->code, "not_restored") == 0
				 ? LEVEL_INFO
				 : LEVEL_WARNING,
			 "gateway=%s msg=\"no snapshot: %s\"", keeper->row.name,
			 result->text);
	close_work(keeper);
}

void keeper_backup_cancel(struct keeper *keeper)
{
	if (!keeper->work)
		return;
	snapshot_run_kill(keeper->work);
	close_work(keeper);
}

/* true: it still goes on. */
static bool is_at_work(struct keeper *keeper)
{
	struct snapshot_run *work = keeper->work;

	if (snapshot_run_read(work)) {
		finish(keeper);
		return false;
	}
	if (work->progress.steps != keeper->work_steps)
		keeper->work_stall = deadline_in(SNAPSHOT_STALL_MS);
	keeper->work_steps = work->progress.steps;
	if (!deadline_passed(keeper->work_stall))
		return true;
	log_line(LEVEL_ERROR,
		 "gateway=%s msg=\"a snapshot makes no progress: ended\"",
		 keeper->row.name);
	keeper_backup_cancel(keeper);
	return false;
}

static void set_next(struct keeper *keeper)
{
	const struct backup_settings *backup = &keeper->gateway->backup;
	int64_t ms = (int64_t)backup->every_s * 1000;

	keeper->next_backup = backup->directory && ms > 0 ? deadline_in(ms)
							  : deadline_never();
}

void keeper_backup_begin(struct keeper *keeper)
{
	keeper->clean_due =
		keeper->gateway->backup.directory && keeper->row.snapshot != 0;
	set_next(keeper);
}

void keeper_backup_tick(struct keeper *keeper)
{
	const char *command = keeper->clean_due ? "clean" : "create";
	struct err err;

	if (keeper->work && is_at_work(keeper))
		return;
	if (keeper->row.state != STATE_READY ||
	    !(keeper->clean_due || deadline_passed(keeper->next_backup)))
		return;
	if (!keeper->clean_due)
		set_next(keeper);
	keeper->clean_due = false;
	if (start(keeper, command, &err))
		log_line(LEVEL_ERROR, "gateway=%s msg=\"no snapshot: %s\"",
			 keeper->row.name, err.text);
}

void keeper_backup_on_stop(struct keeper *keeper)
{
	const struct backup_settings *backup = &keeper->gateway->backup;
	struct deadline deadline = deadline_in(ON_STOP_MS);
	struct err err;

	/* a restore is to go back behind what is there now */
	if (!backup->directory || !backup->on_stop || keeper->lost ||
	    keeper->row.restore_wanted ||
	    !(keeper->spawned || keeper->row.adopted))
		return;
	(void)snprintf(keeper->row.detail, sizeof(keeper->row.detail),
		       "it has ended, a snapshot is being taken");
	keeper_write(keeper, NULL, NULL);
	if (start(keeper, "create", &err)) {
		log_line(LEVEL_ERROR, "gateway=%s msg=\"no snapshot: %s\"",
			 keeper->row.name, err.text);
		return;
	}
	while (is_at_work(keeper) && !keeper->lost) {
		if (deadline_passed(deadline)) {
			log_line(LEVEL_ERROR,
				 "gateway=%s msg=\"a snapshot takes too long: "
				 "ended\"",
				 keeper->row.name);
			break;
		}
		keeper_heartbeat(keeper);
		keeper_poll(keeper, deadline_in(TICK_MS));
	}
	keeper_backup_cancel(keeper);
	keeper->row.detail[0] = '\0';
}
