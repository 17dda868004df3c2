/* create: the state folder becomes a snapshot, here and in the bucket */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/marker.h"
#include "snapshot/archive.h"
#include "snapshot/catalogue.h"
#include "snapshot/files.h"
#include "snapshot/freeze.h"
#include "snapshot/manifest.h"
#include "snapshot/overlay.h"
#include "snapshot/retention.h"
#include "snapshot/tree.h"

#include "base/banned.h"

#define LOCK_WAIT_MS  60000
#define CREATE_MAX_MS ((int64_t)6 * 3600 * 1000)
#define PARTIAL_BYTES (SNAPSHOT_PATH_BYTES + 16)

struct create {
	struct job *job;
	struct deadline deadline;
	int64_t began_ms;
	struct gateway_row gateway;
	struct stat folder; /* the state folder, when it began */
	enum marker_kind kind;
	struct tree_summary tree;
	struct snapshot_row row;
	struct freeze *freeze; /* NULL: nothing is frozen */
	char partial[PARTIAL_BYTES];
	char work[PARTIAL_BYTES];
};

static int refuse_unrestored(struct create *create, struct err *err)
{
	struct job *job = create->job;
	struct marker marker;

	if (marker_read(job->backup->directory, store_id(job->store),
			&create->kind, &marker, err))
		return -1;
	if (create->kind == MARKER_OURS || job->force)
		return 0;
	(void)err_set(err, ERR_INVALID,
		      "the state in '%s' %s: `wakegate backup --force` takes "
		      "it as it is",
		      job->backup->directory,
		      create->kind == MARKER_NONE
			      ? "was not restored or started by wakegate"
		      : create->kind == MARKER_UNBACKED
			      ? "was started empty after a failed restore"
			      : "belongs to another wakegate");
	tell_failed("not_restored", err);
	return 1;
}

/* 0 go on; 1 told already; -1 err. */
static int may_begin(struct create *create, struct err *err)
{
	struct job *job = create->job;
	bool restoring = false;

	/* one that was just killed may still hold it */
	if (job_lock(job, LOCK_SNAPSHOT, deadline_in(LOCK_WAIT_MS), err) ||
	    lock_is_taken(job->lock_fd, LOCK_RESTORE, &restoring, err) ||
	    store_read(job->store, job->gateway->name, &create->gateway, err))
		return -1;
	/* later on, who has the lock removes what restores left */
	if (create->gateway.state == STATE_RESTORING ||
	    (restoring && create->gateway.state == STATE_STARTING))
		return err_set(err, ERR_BUSY, "'%s' is being restored",
			       job->gateway->name);
	if (job->generation != 0 &&
	    job->generation != create->gateway.generation)
		return err_set(err, ERR_BUSY,
			       "generation %lld of '%s' is not the newest any "
			       "more",
			       (long long)job->generation, job->gateway->name);
	if (stat(job->backup->directory, &create->folder) != 0)
		return err_errno(err, "cannot look at the state folder '%s'",
				 job->backup->directory);
	return refuse_unrestored(create, err);
}

/* Is the newest snapshot of the folder as it is? */
static int is_unchanged(struct create *create, bool *ret, struct err *err)
{
	CLEANUP(catalogue_free) struct catalogue catalogue = { 0 };
	const struct snapshot_row *newest;
	enum restore_mode mode;
	struct job *job = create->job;

	if (catalogue_read(job, &catalogue, err))
		return -1;
	newest = catalogue_newest(&catalogue);
	*ret = newest && newest->fingerprint[0] &&
	       strcmp(newest->fingerprint, create->tree.fingerprint) == 0 &&
	       manifest_is_archive(manifest_archive(newest), job->gateway->name,
				   &mode) &&
	       mode == job->backup->restore;
	if (*ret)
		create->row = *newest;
	return 0;
}

/* Later than all that are known, wherever the clock stands: the newest is what a
 * restore takes, and the oldest are what goes. */
static int choose_time(struct create *create, int64_t *ret, struct err *err)
{
	CLEANUP(catalogue_free) struct catalogue catalogue = { 0 };

	if (catalogue_read(create->job, &catalogue, err))
		return -1;
	*ret = create->began_ms;
	if (catalogue.count > 0 && catalogue.rows[0].created_ms >= *ret)
		*ret = catalogue.rows[0].created_ms + 1;
	return 0;
}

static int plan_row(struct create *create, struct err *err)
{
	struct job *job = create->job;
	struct snapshot_row *row = &create->row;
	char name[NAME_MAX + 1];
	int64_t id = 0;

	*row = (struct snapshot_row){
		.generation = create->gateway.generation,
		.state = SNAPSHOT_WRITING,
	};
	(void)snprintf(row->gateway, sizeof(row->gateway), "%s",
		       job->gateway->name);
	(void)snprintf(row->fingerprint, sizeof(row->fingerprint), "%s",
		       create->tree.fingerprint);
	if (choose_time(create, &row->created_ms, err) ||
	    files_make_folder(job->backup->to, err) ||
	    manifest_new_name(name, sizeof(name), job->gateway->name,
			      row->created_ms, job->backup->restore, err))
		return -1;
	if (snprintf(row->path, sizeof(row->path), "%s/%s", job->backup->to,
		     name) >= (int)sizeof(row->path))
		return err_set(err, ERR_LIMIT, "'%s' is too long",
			       job->backup->to);
	(void)snprintf(create->partial, sizeof(create->partial),
		       "%s" PARTIAL_SUFFIX, row->path);
	(void)snprintf(create->work, sizeof(create->work), "%s" WORK_SUFFIX,
		       row->path);
	if (store_snapshot_add(job->store, row, &id, err))
		return -1;
	row->id = id;
	job->tell.snapshot = id;
	return 0;
}

static void thaw(void *user)
{
	struct create *create = user;
	struct report report = tell_report(&create->job->tell);
	struct err err;

	if (freeze_end(create->freeze, &err))
		report_note(&report, "%s: the snapshot is not of one moment",
			    err.text);
	create->freeze = NULL;
}

static int pack(struct create *create, struct err *err)
{
	struct job *job = create->job;
	struct report report = tell_report(&job->tell);
	struct archive_source source = {
		.directory = job->backup->directory,
		.exclude = job->backup->exclude,
		.work = create->work,
		.deadline = create->deadline,
		.on_read = thaw,
		.user = create,
	};
	struct archive_summary summary;
	int result;

	if (mkdir(create->work, 0700) != 0)
		return err_errno(err, "cannot make '%s'", create->work);
	tell_phase(&job->tell, "pack", create->tree.bytes);
	result = job->backup->restore == RESTORE_OVERLAY
			 ? overlay_create(&source, create->partial, &report,
					  &summary, err)
			 : archive_create(&source, create->partial, &report,
					  &summary, err);
	if (result)
		return -1;
	create->row.bytes = summary.bytes;
	create->row.files = summary.files;
	create->row.content_bytes = summary.content_bytes;
	memcpy(create->row.sha256, summary.sha256, sizeof(summary.sha256));
	return 0;
}

/* A restore that began meanwhile puts another folder in its place, and removes the
 * one that was read from: what had vanished was not deleted by the gateway. */
static int check_folder(const struct create *create, struct err *err)
{
	const char *directory = create->job->backup->directory;
	struct stat now;

	if (stat(directory, &now) != 0)
		return err_errno(err, "cannot look at the state folder '%s'",
				 directory);
	if (now.st_dev == create->folder.st_dev &&
	    now.st_ino == create->folder.st_ino)
		return 0;
	return err_set(err, ERR_BUSY, "'%s' was replaced while it was read",
		       directory);
}

/* Of one moment, where it is configured. */
static int pack_frozen(struct create *create, struct err *err)
{
	struct job *job = create->job;
	char instance[160];
	int result;

	(void)snprintf(instance, sizeof(instance), "WAKEGATE_INSTANCE=%s/%s/",
		       store_id(job->store), job->gateway->name);
	if (job->backup->freeze &&
	    freeze_begin(&create->freeze, job->gateway, &create->gateway,
			 instance, err))
		return -1;
	result = pack(create, err);
	thaw(create); /* where it failed */
	return result ? -1 : check_folder(create, err);
}

/* From here on it is a snapshot. */
static int publish(struct create *create, struct err *err)
{
	struct snapshot_row *row = &create->row;

	if (files_rename(create->partial, row->path, err) ||
	    (create->job->backup->restore == RESTORE_OVERLAY &&
	     overlay_remember(row->path, row->sha256, err)) ||
	    manifest_write(row, err))
		return -1;
	row->state = SNAPSHOT_COMPLETE;
	return store_snapshot_write(create->job->store, row, err);
}

static int mark_ours(struct create *create, struct err *err)
{
	struct job *job = create->job;
	struct marker marker = {
		.snapshot = create->row.id,
		.restored_ms = clock_wall_ms(),
		.generation = create->gateway.generation,
	};

	if (create->kind == MARKER_OURS)
		return 0;
	(void)snprintf(marker.store, sizeof(marker.store), "%s",
		       store_id(job->store));
	return marker_write(job->backup->directory, &marker, err);
}

/* Those that are not in the bucket yet; the manifest is what counts there. */
static int upload_row(struct create *create, struct snapshot_row *row,
		      struct err *err)
{
	struct job *job = create->job;
	struct report report = tell_report(&job->tell);
	CLEANUP_FREE char *manifest = manifest_text(row);
	char key[SNAPSHOT_PATH_BYTES + sizeof(MANIFEST_SUFFIX)];

	if (!manifest)
		return err_set(err, ERR_SYSTEM, "out of memory");
	(void)snprintf(key, sizeof(key), "%s" MANIFEST_SUFFIX,
		       manifest_archive(row));
	tell_phase(&job->tell, "upload", row->bytes);
	if (remote_put(job->remote, manifest_archive(row), row->path,
		       row->sha256, create->deadline, &report, err) ||
	    remote_put_text(job->remote, key, manifest, create->deadline, err))
		return -1;
	(void)snprintf(row->remote, sizeof(row->remote), "%s",
		       manifest_archive(row));
	return store_snapshot_write(job->store, row, err);
}

static int upload(struct create *create, struct err *err)
{
	CLEANUP(catalogue_free) struct catalogue catalogue = { 0 };
	struct job *job = create->job;

	if (!job->remote)
		return 0;
	if (catalogue_read(job, &catalogue, err))
		return -1;
	for (size_t i = 0; i < catalogue.count && i < (size_t)job->backup->keep;
	     i++) {
		struct snapshot_row *row = &catalogue.rows[i];

		if (row->state == SNAPSHOT_COMPLETE && row->path[0] &&
		    !row->remote[0] && upload_row(create, row, err))
			return err_context(err,
					   "snapshot %lld is complete here, "
					   "but not in the bucket",
					   (long long)row->id);
	}
	return 0;
}

/* What restores left is not needed once the gateway is ready: not before, and not
 * while the next one is at it. */
static int clean_remains(struct create *create, struct err *err)
{
	struct job *job = create->job;
	struct gateway_row gateway;
	int result;

	if (lock_take(job->lock_fd, LOCK_RESTORE, err))
		return err->code == ERR_BUSY ? 0 : -1;
	result = store_read(job->store, job->gateway->name, &gateway, err);
	if (result == 0 && gateway.state == STATE_READY)
		result = job_clean(job, err);
	lock_drop(job->lock_fd, LOCK_RESTORE);
	return result;
}

static void clean_up(struct create *create)
{
	struct job *job = create->job;
	struct report report = tell_report(&job->tell);
	int removed = 0;
	struct err err;

	/* what fails, the next one tries */
	if (retention_prune(job, create->row.id, create->deadline, &removed,
			    &err))
		report_note(&report, "%s", err.text);
	if (clean_remains(create, &err))
		report_note(&report, "%s", err.text);
}

/* A failure leaves no half of it. Without its manifest an archive is none. */
static void undo(struct create *create)
{
	char manifest[SNAPSHOT_PATH_BYTES + sizeof(MANIFEST_SUFFIX)];
	const struct snapshot_row *row = &create->row;
	struct err ignored;

	(void)snprintf(manifest, sizeof(manifest), "%s" MANIFEST_SUFFIX,
		       row->path);
	(void)unlink(manifest);
	(void)overlay_remove(row->path, &ignored);
	(void)unlink(create->partial);
	(void)store_snapshot_delete(create->job->store, row->id, &ignored);
}

static int make(struct create *create, struct err *err)
{
	struct err ignored;
	int result;

	if (plan_row(create, err))
		return -1;
	job_event(create->job, "backup_begin", create->gateway.generation,
		  json_pack("{s:I}", "snapshot", (json_int_t)create->row.id));
	result = pack_frozen(create, err);
	(void)files_remove_tree(create->work, &ignored);
	if (result == 0)
		result = publish(create, err);
	if (result) {
		undo(create);
		return -1;
	}
	return mark_ours(create, err);
}

static int create_done(struct create *create)
{
	struct job *job = create->job;
	const struct snapshot_row *row = &create->row;

	job_event(job, "backup_done", create->gateway.generation,
		  json_pack("{s:I, s:I, s:I, s:I}", "snapshot",
			    (json_int_t)row->id, "bytes",
			    (json_int_t)row->bytes, "files",
			    (json_int_t)row->files, "took_ms",
			    (json_int_t)(clock_wall_ms() - create->began_ms)));
	tell_done("done", row);
	return 0;
}

static int create_failed(struct create *create, const struct err *err)
{
	/* one that has not begun is no news when another one is at it */
	if (err->code != ERR_BUSY || create->row.id != 0)
		job_event(create->job, "backup_failed",
			  create->gateway.generation,
			  json_pack("{s:s%}", "detail", err->text,
				    strlen(err->text)));
	return job_failed(err);
}

static int prepare(struct create *create, bool *ret_unchanged, struct err *err)
{
	struct job *job = create->job;

	if (retention_sweep(job, err) || catalogue_find_local(job, err) ||
	    tree_summarize(job->backup->directory, job->backup->exclude,
			   &create->tree, err))
		return -1;
	return job->if_changed ? is_unchanged(create, ret_unchanged, err) : 0;
}

int create_run(struct job *job)
{
	struct create create = {
		.job = job,
		.deadline = deadline_in(CREATE_MAX_MS),
		.began_ms = clock_wall_ms(),
	};
	bool unchanged = false;
	struct err err;
	int result = may_begin(&create, &err);

	if (result > 0)
		return 1;
	if (result == 0)
		result = prepare(&create, &unchanged, &err);
	if (result == 0 && !unchanged)
		result = make(&create, &err);
	if (result)
		return create_failed(&create, &err);
	result = upload(&create, &err);
	if (!unchanged)
		clean_up(&create);
	if (result)
		return create_failed(&create, &err);
	if (unchanged) {
		tell_done("unchanged", &create.row);
		return 0;
	}
	return create_done(&create);
}
