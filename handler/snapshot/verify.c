/* verify, list, prune, clean, unmount, mend: what there is, whether it is whole, and
 * what goes */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/when.h"
#include "snapshot/catalogue.h"
#include "snapshot/digest.h"
#include "snapshot/overlay.h"
#include "snapshot/retention.h"

#include "base/banned.h"

#define VERIFY_MAX_MS ((int64_t)6 * 3600 * 1000)
#define REMOTE_MAX_MS 60000
#define LOCK_WAIT_MS  60000
#define CLEAR_MS      5000

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static void tell_row(const struct snapshot_row *row)
{
	char when[WHEN_BYTES];

	tell_json(json_pack(
		"{s:I, s:s, s:s, s:I, s:I, s:I, s:s, s:o, s:o}", "snapshot",
		(json_int_t)row->id, "state", snapshot_state_names[row->state],
		"created", when_utc(when, row->created_ms), "generation",
		(json_int_t)row->generation, "bytes", (json_int_t)row->bytes,
		"files", (json_int_t)row->files, "sha256", row->sha256, "path",
		text_or_null(row->path), "remote", text_or_null(row->remote)));
}

int list_run(struct job *job)
{
	CLEANUP(catalogue_free) struct catalogue catalogue = { 0 };
	struct err err;

	if (catalogue_find_local(job, &err) ||
	    catalogue_find_remote(job, deadline_in(REMOTE_MAX_MS), &err) ||
	    catalogue_read(job, &catalogue, &err))
		return job_failed(&err);
	for (size_t i = 0; i < catalogue.count; i++)
		tell_row(&catalogue.rows[i]);
	tell_done("done", catalogue_newest(&catalogue));
	return 0;
}

/* Its archive here; one that is in the bucket only was read back when it was put
 * there, and is checked when it is fetched. */
static int check_row(struct job *job, const struct snapshot_row *row,
		     struct err *err)
{
	CLEANUP_FD int fd = -1;
	struct report report = tell_report(&job->tell);
	char sha256[DIGEST_BYTES];

	if (!row->path[0])
		return 0;
	tell_phase(&job->tell, "verify", row->bytes);
	fd = open(row->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_errno(err, "cannot open '%s'", row->path);
	if (digest_file(fd, &report, sha256, deadline_in(VERIFY_MAX_MS), err))
		return -1;
	if (strcmp(sha256, row->sha256) == 0)
		return 0;
	return err_set(err, ERR_CORRUPT,
		       "'%s' is damaged: its SHA-256 is %s, not %s", row->path,
		       sha256, row->sha256);
}

int verify_run(struct job *job)
{
	CLEANUP(catalogue_free) struct catalogue catalogue = { 0 };
	struct err worst = { .code = ERR_MAX_ };
	struct err err;
	bool found = false;

	if (catalogue_find_local(job, &err) ||
	    catalogue_read(job, &catalogue, &err))
		return job_failed(&err);
	for (size_t i = 0; i < catalogue.count; i++) {
		struct snapshot_row *row = &catalogue.rows[i];

		if (row->state != SNAPSHOT_COMPLETE ||
		    (job->snapshot && row->id != job->snapshot))
			continue;
		found = true;
		job->tell.snapshot = row->id;
		if (check_row(job, row, &err)) {
			if (err.code == ERR_CORRUPT) {
				catalogue_mark(job, row, SNAPSHOT_BAD);
				row->state = SNAPSHOT_BAD;
			}
			worst = err;
		}
		tell_row(row);
	}
	if (!found)
		err_fill(&worst, ERR_MISSING, "there is no such snapshot");
	if (worst.code != ERR_MAX_)
		return job_failed(&worst);
	tell_done("done", catalogue_newest(&catalogue));
	return 0;
}

int prune_run(struct job *job)
{
	struct err err;
	int removed = 0;

	if (job_lock(job, LOCK_SNAPSHOT, deadline_in(LOCK_WAIT_MS), &err) ||
	    retention_sweep(job, &err) || catalogue_find_local(job, &err) ||
	    retention_prune(job, 0, deadline_in(VERIFY_MAX_MS), &removed, &err))
		return job_failed(&err);
	tell_json(json_pack("{s:b, s:s, s:i}", "ok", 1, "code", "done",
			    "removed", removed));
	return 0;
}

/* After a start that followed a restore: what it left beside the state folder. */
int clean_run(struct job *job)
{
	struct err err;

	if (job_lock(job, LOCK_RESTORE, deadline_in(0), &err) ||
	    retention_sweep_fetched(job, &err) || job_clean(job, &err))
		return job_failed(&err);
	tell_done("done", NULL);
	return 0;
}

/* After a restore that failed or was killed. */
int unmount_run(struct job *job)
{
	struct deadline deadline = deadline_in(CLEAR_MS);
	char place[PATH_MAX];
	struct err err;

	job_overlay_place(job, place, sizeof(place));
	/* where none of ours ever was, what is mounted is somebody else's */
	if (job_lock(job, LOCK_RESTORE, deadline, &err) ||
	    (access(place, F_OK) == 0 &&
	     overlay_clear(job->backup->directory, place, deadline, &err)))
		return job_failed(&err);
	tell_done("done", NULL);
	return 0;
}

/* Whoever touches an overlay whose daemon is dead fails, and whose daemon is stopped,
 * hangs: for the gateway it is as if nothing were mounted. */
int mend_run(struct job *job)
{
	struct deadline deadline = deadline_in(CLEAR_MS);
	const char *directory = job->backup->directory;
	struct report report = tell_report(&job->tell);
	enum overlay_health health;
	char place[PATH_MAX];
	struct err err;

	job_overlay_place(job, place, sizeof(place));
	if (job_lock(job, LOCK_RESTORE, deadline, &err) ||
	    overlay_look(directory, place, &health, &err))
		return job_failed(&err);
	/* without a place it is somebody else's mount */
	if (health == OVERLAY_STALE && access(place, F_OK) == 0) {
		report_note(&report,
			    "the overlay on '%s' does not answer: unmounted",
			    directory);
		if (overlay_clear(directory, place, deadline_in(CLEAR_MS),
				  &err))
			return job_failed(&err);
	}
	tell_done("done", NULL);
	return 0;
}
