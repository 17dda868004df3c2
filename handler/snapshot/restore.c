/* restore: the newest snapshot that verifies, or the one that is named, becomes the
 * state folder. For the keeper, which holds the owner's lock, in `restoring`. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/marker.h"
#include "snapshot/archive.h"
#include "snapshot/catalogue.h"
#include "snapshot/child.h"
#include "snapshot/files.h"
#include "snapshot/manifest.h"
#include "snapshot/overlay.h"
#include "snapshot/swap.h"

#include "base/banned.h"

#define FETCH_MAX_MS ((int64_t)6 * 3600 * 1000)
#define MARKER_ASIDE MARKER_NAME ".old" /* while it is not sure yet */

struct restore {
	struct job *job;
	int64_t generation;
	bool wanted;		 /* by a person */
	struct snapshot_row row; /* the candidate */
	enum restore_mode format;
	bool asked; /* the bucket */
};

static struct deadline work_deadline(const struct restore *restore)
{
	return deadline_in((int64_t)restore->job->backup->restore_timeout_s *
			   1000);
}

/* Only for the generation that is being restored, and alone. */
static int may_begin(struct restore *restore, struct err *err)
{
	struct job *job = restore->job;
	struct gateway_row gateway;

	if (job_lock(job, LOCK_RESTORE, work_deadline(restore), err) ||
	    store_read(job->store, job->gateway->name, &gateway, err))
		return -1;
	if (gateway.state != STATE_RESTORING || job->generation == 0 ||
	    gateway.generation != job->generation)
		return err_set(err, ERR_BUSY,
			       "'%s' is not being restored in generation %lld: "
			       "`wakegate restore` does it",
			       job->gateway->name, (long long)job->generation);
	restore->generation = gateway.generation;
	restore->wanted = gateway.restore_wanted;
	return 0;
}

static bool has_overlays(const char *place)
{
	return access(place, F_OK) == 0;
}

/* The keeper starts us when it finds no marker, which may mean that it got no answer
 * in time: what bears one is never restored over unasked. *ret_snapshot: the
 * marker's, -1 when there is none. */
static int find_marker(struct restore *restore, int64_t *ret_snapshot,
		       struct err *err)
{
	struct job *job = restore->job;
	const char *directory = job->backup->directory;
	enum overlay_health health;
	enum marker_kind kind;
	struct marker marker = { .snapshot = 0 };
	char place[PATH_MAX];

	*ret_snapshot = -1;
	if (restore->wanted)
		return 0;
	job_overlay_place(job, place, sizeof(place));
	if (overlay_look(directory, place, &health, err))
		return -1;
	if (health == OVERLAY_STALE && has_overlays(place))
		return 0; /* an overlay that does not answer is mounted anew */
	if (marker_read(directory, store_id(job->store), &kind, &marker, err))
		return -1;
	if (kind != MARKER_NONE)
		*ret_snapshot = marker.snapshot;
	return 0;
}

/* What only the bucket has comes here first. */
static int fetch(struct restore *restore, struct err *err)
{
	struct job *job = restore->job;
	struct snapshot_row *row = &restore->row;
	struct report report = tell_report(&job->tell);
	char partial[SNAPSHOT_PATH_BYTES + sizeof(FETCHED_SUFFIX)];
	char path[SNAPSHOT_PATH_BYTES];

	if (!job->remote)
		return err_set(err, ERR_MISSING,
			       "its archive '%s' is in a bucket, and none is "
			       "configured",
			       row->remote);
	if (snprintf(path, sizeof(path), "%s/%s", job->backup->to,
		     row->remote) >= (int)sizeof(path))
		return err_set(err, ERR_LIMIT, "'%s' is too long",
			       job->backup->to);
	(void)snprintf(partial, sizeof(partial), "%s" FETCHED_SUFFIX, path);
	if (files_make_folder(job->backup->to, err))
		return -1;
	(void)unlink(partial); /* of a restore that was killed */
	tell_phase(&job->tell, "fetch", row->bytes);
	if (remote_get(job->remote, row->remote, partial, row->bytes,
		       row->sha256, deadline_in(FETCH_MAX_MS), &report, err) ||
	    overlay_remove(path, err) || /* bad, or without a manifest */
	    files_rename(partial, path, err) ||
	    (restore->format == RESTORE_OVERLAY &&
	     overlay_remember(path, row->sha256, err)))
		return -1;
	memcpy(row->path, path, sizeof(path));
	if (manifest_write(row, err))
		return -1;
	if (store_snapshot_write(job->store, row, err)) {
		err->code = ERR_STORE; /* the archive is well */
		return -1;
	}
	return 0;
}

struct errand {
	const char *folder;
	struct marker marker; /* to put there */
};

static struct errand make_errand(const struct restore *restore,
				 const char *folder, int64_t snapshot)
{
	struct errand errand = {
		.folder = folder,
		.marker = { .snapshot = snapshot,
			    .restored_ms = clock_wall_ms(),
			    .generation = restore->generation },
	};

	(void)snprintf(errand.marker.store, sizeof(errand.marker.store), "%s",
		       store_id(restore->job->store));
	return errand;
}

static int run_errand(const void *argument, struct err *err)
{
	const struct errand *errand = argument;

	return marker_write(errand->folder, &errand->marker, err);
}

static int write_marker(const struct restore *restore, const char *folder,
			int64_t snapshot, struct err *err)
{
	struct errand errand = make_errand(restore, folder, snapshot);

	return run_errand(&errand, err);
}

/* covering: the place of the overlay that is the state until then; or NULL. */
static int unpack_into(struct restore *restore, struct swap *swap,
		       const char *covering, struct deadline deadline,
		       struct err *err)
{
	struct job *job = restore->job;
	struct snapshot_row *row = &restore->row;
	struct report report = tell_report(&job->tell);
	struct archive_summary summary;

	if (archive_extract(row->path, row->sha256, swap->state, deadline,
			    &report, &summary, err) ||
	    write_marker(restore, swap->state, row->id, err))
		return -1;
	if (deadline_passed(deadline))
		return err_set(err, ERR_TIMEOUT, "not restored in %d s",
			       job->backup->restore_timeout_s);
	if (covering &&
	    overlay_clear(job->backup->directory, covering, deadline, err))
		return -1;
	return swap_commit(swap, err);
}

static int unpack(struct restore *restore, struct err *err)
{
	struct deadline deadline = work_deadline(restore);
	struct job *job = restore->job;
	const char *directory = job->backup->directory;
	enum overlay_health health;
	char place[PATH_MAX];
	struct swap swap;
	bool ours, covered;

	tell_phase(&job->tell, "unpack", restore->row.content_bytes);
	job_overlay_place(job, place, sizeof(place));
	if (overlay_look(directory, place, &health, err))
		return -1;
	/* what is mounted where no overlay of ours ever was is somebody else's */
	ours = has_overlays(place);
	covered = ours && health == OVERLAY_MOUNTED;
	if ((ours && health == OVERLAY_STALE &&
	     overlay_clear(directory, place, deadline, err)) ||
	    swap_begin(&swap, directory, covered, err))
		return -1;
	if (unpack_into(restore, &swap, covered ? place : NULL, deadline,
			err)) {
		tell_phase(&job->tell, "clean", 0); /* takes its time too */
		swap_abandon(&swap);
		return -1;
	}
	return 0;
}

/* What an earlier way left below is older from now on: when the mount has gone, after
 * a reboot, it must not be taken for the state. */
static int mark_mounted(const struct restore *restore, int below_fd,
			struct deadline deadline, struct err *err)
{
	const struct errand errand = make_errand(
		restore, restore->job->backup->directory, restore->row.id);
	bool aside = below_fd >= 0 && renameat(below_fd, MARKER_NAME, below_fd,
					       MARKER_ASIDE) == 0;

	/* by a child: a FUSE daemon that stops must not hold us, and our lock */
	if (child_run(run_errand, &errand, deadline, err)) {
		if (aside)
			(void)renameat(below_fd, MARKER_ASIDE, below_fd,
				       MARKER_NAME);
		return -1;
	}
	if (aside)
		(void)unlinkat(below_fd, MARKER_ASIDE, 0);
	return 0;
}

static int mount_image(struct restore *restore, struct err *err)
{
	struct deadline deadline = work_deadline(restore);
	struct job *job = restore->job;
	struct report report = tell_report(&job->tell);
	struct snapshot_row *row = &restore->row;
	const char *directory = job->backup->directory;
	CLEANUP_FD int below_fd = -1;
	char place[PATH_MAX];

	tell_phase(&job->tell, "mount", row->bytes);
	job_overlay_place(job, place, sizeof(place));
	if ((!has_overlays(place) && swap_check_mount(directory, err)) ||
	    overlay_check(row->path, row->sha256, deadline, &report, err) ||
	    files_make_folder(place, err) ||
	    overlay_clear(directory, place, deadline, err))
		return -1;
	below_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (overlay_mount(row->path, row->sha256, directory, place,
			  restore->generation, deadline, err))
		return -1;
	if (mark_mounted(restore, below_fd, deadline, err)) {
		struct err ignored;

		(void)overlay_clear(directory, place, deadline, &ignored);
		return -1;
	}
	return 0;
}

/* Says something against the snapshot itself, not against the moment? */
static bool is_its_fault(const struct err *err)
{
	return err->code == ERR_CORRUPT || err->code == ERR_MISSING;
}

static int try_candidate(struct restore *restore, struct err *err)
{
	struct snapshot_row *row = &restore->row;
	struct stat status;

	restore->job->tell.snapshot = row->id;
	if (!manifest_is_archive(manifest_archive(row),
				 restore->job->gateway->name, &restore->format))
		return err_set(err, ERR_CORRUPT, "'%s' is no archive's name",
			       manifest_archive(row));
	if (row->path[0] && stat(row->path, &status) != 0 && errno == ENOENT)
		return err_set(err, ERR_MISSING, "'%s' is not there",
			       row->path);
	if (!row->path[0] && fetch(restore, err))
		return -1;
	return restore->format == RESTORE_OVERLAY ? mount_image(restore, err)
						  : unpack(restore, err);
}

/* A broken archive here may be whole in the bucket. */
static int try_snapshot(struct restore *restore, struct err *err)
{
	struct snapshot_row *row = &restore->row;
	bool had_path = row->path[0] != '\0';
	int result = try_candidate(restore, err);

	if (result == 0 || !is_its_fault(err) || !had_path || !row->remote[0] ||
	    !restore->job->remote)
		return result;
	if (overlay_remove(row->path, err))
		return -1;
	row->path[0] = '\0';
	return try_candidate(restore, err);
}

static void pass_over(struct restore *restore, const struct err *err)
{
	struct job *job = restore->job;
	struct report report = tell_report(&job->tell);
	const struct snapshot_row *row = &restore->row;
	bool missing = err->code == ERR_MISSING;

	catalogue_mark(job, row, missing ? SNAPSHOT_EXPIRED : SNAPSHOT_BAD);
	job_event(job, "restore_failed", restore->generation,
		  json_pack("{s:I, s:s, s:s%, s:b}", "snapshot",
			    (json_int_t)row->id, "state",
			    snapshot_state_names[missing ? SNAPSHOT_EXPIRED
							 : SNAPSHOT_BAD],
			    "detail", err->text, strlen(err->text),
			    "next_older", job->snapshot == 0));
	report_note(&report, "snapshot %lld is %s: %s", (long long)row->id,
		    missing ? "gone" : "bad", err->text);
}

/* 0 restored; 1 there is none to restore; -1 err. */
static int try_all(struct restore *restore, const struct catalogue *catalogue,
		   struct err *err)
{
	bool tried = false;

	for (size_t i = 0; i < catalogue->count; i++) {
		if (catalogue->rows[i].state != SNAPSHOT_COMPLETE)
			continue;
		tried = true;
		restore->row = catalogue->rows[i];
		if (try_snapshot(restore, err) == 0)
			return 0;
		if (!is_its_fault(err))
			return -1;
		pass_over(restore, err);
		if (restore->job->remote && !restore->asked)
			return -1; /* the bucket may have it whole */
	}
	if (tried)
		return err_context(err, "no snapshot is left to restore; the "
					"oldest");
	/* the newest is never removed: if none is left, they were lost */
	for (size_t i = 0; i < catalogue->count; i++)
		if (catalogue->rows[i].state != SNAPSHOT_WRITING)
			return err_set(err, ERR_MISSING,
				       "no snapshot is left to restore: all "
				       "are bad or gone");
	return 1;
}

static int try_named(struct restore *restore, const struct catalogue *catalogue,
		     struct err *err)
{
	const struct snapshot_row *row =
		catalogue_by_id(catalogue, restore->job->snapshot);

	if (!row || row->state != SNAPSHOT_COMPLETE)
		return err_set(err, ERR_MISSING, "there is no snapshot %lld",
			       (long long)restore->job->snapshot);
	restore->row = *row;
	if (try_snapshot(restore, err) == 0)
		return 0;
	if (is_its_fault(err))
		pass_over(restore, err);
	return err_context(err, "snapshot %lld", (long long)row->id);
}

static int try_known(struct restore *restore, struct err *err)
{
	CLEANUP(catalogue_free) struct catalogue catalogue = { 0 };

	if (catalogue_read(restore->job, &catalogue, err))
		return -1;
	return restore->job->snapshot ? try_named(restore, &catalogue, err)
				      : try_all(restore, &catalogue, err);
}

/* Finds what there is here. *ret_ask: the bucket may have newer ones than the newest
 * that is complete here, since the store did not know of what is here, or what was
 * newer is gone or bad. */
static int look_here(struct restore *restore, bool *ret_ask, struct err *err)
{
	CLEANUP(catalogue_free) struct catalogue before = { 0 };
	CLEANUP(catalogue_free) struct catalogue now = { 0 };
	struct job *job = restore->job;

	if (catalogue_read(job, &before, err) ||
	    catalogue_find_local(job, err) || catalogue_read(job, &now, err))
		return -1;
	*ret_ask = now.count > before.count;
	for (size_t i = 0; i < now.count; i++) {
		const struct snapshot_row *row = &now.rows[i];
		const struct snapshot_row *was =
			catalogue_by_id(&before, row->id);
		struct err gone;

		if (row->state == SNAPSHOT_COMPLETE)
			break;
		*ret_ask = *ret_ask || row->state != SNAPSHOT_WRITING;
		if (row->state != SNAPSHOT_EXPIRED || !was ||
		    was->state != SNAPSHOT_COMPLETE || job->snapshot)
			continue;
		restore->row = *row;
		err_fill(&gone, ERR_MISSING, "'%s' is not there", row->path);
		pass_over(restore, &gone);
	}
	return 0;
}

static int choose(struct restore *restore, struct err *err)
{
	struct job *job = restore->job;
	bool ask = false;
	int result;

	if (look_here(restore, &ask, err))
		return -1;
	if (!ask || !job->remote || job->snapshot) {
		result = try_known(restore, err);
		if (result == 0 || !job->remote ||
		    (result < 0 && !is_its_fault(err)))
			return result;
	}
	restore->asked = true;
	job->tell.snapshot = 0;
	tell_phase(&job->tell, "look", 0);
	if (catalogue_find_remote(job, work_deadline(restore), err))
		return -1;
	return try_known(restore, err);
}

/* There is nothing to put back: this state is the first. */
static int mark_first(struct restore *restore, struct err *err)
{
	const char *directory = restore->job->backup->directory;

	if (restore->wanted)
		return err_set(err, ERR_MISSING, "there is no snapshot");
	if (files_make_folder(directory, err))
		return -1;
	return write_marker(restore, directory, 0, err);
}

/* 0 restored; 1 told already; -1 err. */
static int restore_or_mark(struct restore *restore, struct err *err)
{
	struct report report = tell_report(&restore->job->tell);
	int64_t snapshot = -1;
	struct err why;
	int result;

	if (may_begin(restore, err) || find_marker(restore, &snapshot, err))
		return -1;
	if (swap_sweep(restore->job->backup->directory, &why))
		report_note(&report, "%s", why.text);
	if (snapshot < 0) {
		result = choose(restore, err);
		if (result <= 0)
			return result;
		if (mark_first(restore, err))
			return -1;
	}
	restore->row.id = snapshot < 0 ? 0 : snapshot;
	tell_done("none", &restore->row);
	return 1;
}

int restore_run(struct job *job)
{
	struct restore restore = { .job = job };
	struct err err;
	int result = restore_or_mark(&restore, &err);

	if (result < 0)
		return job_failed(&err);
	if (result == 0)
		tell_done("done", &restore.row);
	return 0;
}
