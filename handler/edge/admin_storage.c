#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/when.h"
#include "edge/admin_private.h"
#include "gateway/snapshot_run.h"
#include "gateway/view.h"

#include "base/banned.h"

#define SNAPSHOTS_SHOWN 100
#define SYNC_TIMEOUT_MS 3600000

/* --- what there is ----------------------------------------------------------- */

struct shelf {
	json_t *snapshots;
	int64_t newest_ms; /* of those that are complete; 0: none */
};

static int add_snapshot(const struct snapshot_row *row, void *user)
{
	struct shelf *shelf = user;

	if (row->state == SNAPSHOT_COMPLETE && shelf->newest_ms == 0)
		shelf->newest_ms = row->created_ms;
	if (json_array_size(shelf->snapshots) < SNAPSHOTS_SHOWN)
		(void)json_array_append_new(shelf->snapshots,
					    view_snapshot(row));
	return 0;
}

/* A secret's file that can't be read: then nothing gets into the bucket. */
static void add_missing(json_t *missing, const char *key,
			const struct setting_value *value)
{
	char *text = NULL;
	struct err ignored; /* the answer names the key */

	if (settings_value_read(&text, value, &ignored)) {
		(void)json_array_append_new(missing, json_string(key));
		return;
	}
	explicit_bzero(text, strlen(text));
	free(text);
}

static json_t *missing(const struct backup_settings *backup)
{
	json_t *missing = json_array();

	if (!backup->directory)
		(void)json_array_append_new(missing, json_string("backup"));
	if (backup->directory && backup->s3.bucket) {
		add_missing(missing, "backup.s3.access_key",
			    &backup->s3.access_key);
		add_missing(missing, "backup.s3.secret_key",
			    &backup->s3.secret_key);
	}
	return missing;
}

void admin_storage(struct admin *admin)
{
	struct call *call = admin->call;
	struct shelf shelf = { .snapshots = json_array() };
	char when[WHEN_BYTES];
	json_t *shown;
	struct err err;

	if (store_snapshots(call->store, call->gateway->name, add_snapshot,
			    &shelf, &err) < 0) {
		json_decref(shelf.snapshots);
		admin_failed(admin, &err);
		return;
	}
	shown = json_object();
	admin_set(shown, "configured",
		  json_boolean(call->gateway->backup.directory != NULL));
	admin_set(shown, "missing", missing(&call->gateway->backup));
	admin_set(shown, "lastBackup",
		  shelf.newest_ms > 0
			  ? json_string(when_utc(when, shelf.newest_ms))
			  : json_null());
	admin_set(shown, "snapshots", shelf.snapshots);
	admin_reply(admin, true, shown);
}

/* --- a snapshot is taken ------------------------------------------------------ */

struct taken {
	int64_t id;
	json_t *shown;
};

static int show_taken(const struct snapshot_row *row, void *user)
{
	struct taken *taken = user;

	if (row->id == taken->id)
		taken->shown = view_snapshot(row);
	return row->id == taken->id;
}

static void taken(struct admin *admin, const struct snapshot_result *result)
{
	struct taken taken = { .id = result->snapshot };
	json_t *shown = json_object();
	struct err ignored; /* it is taken, and its id is known */

	(void)store_snapshots(admin->call->store, admin->call->gateway->name,
			      show_taken, &taken, &ignored);
	if (!taken.shown)
		taken.shown = json_pack("{s:I}", "id", (json_int_t)taken.id);
	admin_set(shown, "success", json_true());
	admin_set(shown, "snapshot", taken.shown);
	admin_reply(admin, true, shown);
}

static void not_taken(struct admin *admin, const struct snapshot_result *result)
{
	static const struct {
		const char *code;
		enum problem_code problem;
	} known[] = {
		{ "not_restored", PROBLEM_NOT_RESTORED },
		{ "backup_not_configured", PROBLEM_BACKUP_NOT_CONFIGURED },
		{ "busy", PROBLEM_CONFLICT },
	};
	enum problem_code problem = PROBLEM_BACKUP_FAILED;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(result->code, known[i].code) == 0)
			problem = known[i].problem;
	admin_refuse(admin, problem, "%s", result->text);
}

/* When we are killed meanwhile it goes on: only nobody hears of it here. */
void admin_sync(struct admin *admin)
{
	const struct snapshot_job job = { .command = "create" };
	struct call *call = admin->call;
	struct snapshot_run run;
	struct err err;

	if (snapshot_run_start(&run, call->settings, call->gateway, &job,
			       &err)) {
		admin_failed(admin, &err);
		return;
	}
	admin_note(admin, "sync");
	snapshot_run_wait(&run, deadline_in(SYNC_TIMEOUT_MS), SNAPSHOT_STALL_MS,
			  NULL, NULL);
	if (run.result.ok)
		taken(admin, &run.result);
	else
		not_taken(admin, &run.result);
}

/* --- a snapshot is put back -------------------------------------------------- */

/* *ret: 0 for the newest. False: it was refused. */
static bool choose(struct admin *admin, int64_t *ret)
{
	json_t *member = json_object_get(admin->body, "snapshot");

	*ret = 0;
	if (!member || json_is_null(member))
		return true;
	if (json_is_object(member)) /* as we show it */
		member = json_object_get(member, "id");
	*ret = json_integer_value(member);
	if (*ret > 0)
		return true;
	admin_refuse(admin, PROBLEM_BAD_REQUEST,
		     "snapshot must be the id of one, as in GET storage");
	return false;
}

void admin_restore(struct admin *admin)
{
	struct operation operation = { .kind = OPERATION_RESTORE };

	if (choose(admin, &operation.snapshot))
		admin_operate(admin, &operation);
}
