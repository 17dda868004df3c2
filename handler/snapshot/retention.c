#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/catalogue.h"
#include "snapshot/files.h"
#include "snapshot/manifest.h"
#include "snapshot/overlay.h"
#include "snapshot/retention.h"

#include "base/banned.h"

#define FORGOTTEN_AFTER 100 /* rows of snapshots that are gone */

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* Cuts a known suffix off; false when it has none. */
static bool cut_suffix(char *name, const char *suffix)
{
	if (!has_suffix(name, suffix))
		return false;
	name[strlen(name) - strlen(suffix)] = '\0';
	return true;
}

/* Is it of a snapshot of this gateway that was never finished? */
static bool is_leftover(const struct job *job, const char *name)
{
	char archive[NAME_MAX + 1];
	char path[PATH_MAX];
	enum restore_mode mode;

	if (strlen(name) >= sizeof(archive))
		return false;
	memcpy(archive, name, strlen(name) + 1);
	if (cut_suffix(archive, PARTIAL_SUFFIX) ||
	    cut_suffix(archive, WORK_SUFFIX) ||
	    cut_suffix(archive, MANIFEST_SUFFIX ".new"))
		return manifest_is_archive(archive, job->gateway->name, &mode);
	(void)cut_suffix(archive, OVERLAY_NOTE_SUFFIX);
	if (!manifest_is_archive(archive, job->gateway->name, &mode))
		return false;
	(void)snprintf(path, sizeof(path), "%s/%s" MANIFEST_SUFFIX,
		       job->backup->to, archive);
	return access(path, F_OK) != 0 && errno == ENOENT;
}

static bool is_fetched(const struct job *job, const char *name)
{
	char archive[NAME_MAX + 1];
	enum restore_mode mode;

	if (strlen(name) >= sizeof(archive))
		return false;
	memcpy(archive, name, strlen(name) + 1);
	return cut_suffix(archive, FETCHED_SUFFIX) &&
	       manifest_is_archive(archive, job->gateway->name, &mode);
}

static int sweep_folder(struct job *job, DIR *folder,
			bool (*goes)(const struct job *job, const char *name),
			struct err *err)
{
	char path[PATH_MAX];
	const struct dirent *entry;

	while ((entry = readdir(folder))) {
		if (!goes(job, entry->d_name))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", job->backup->to,
			       entry->d_name);
		if (files_remove_tree(path, err))
			return -1;
	}
	return 0;
}

static int sweep_rows(struct job *job, struct err *err)
{
	CLEANUP(catalogue_free) struct catalogue catalogue = { 0 };

	if (catalogue_read(job, &catalogue, err))
		return -1;
	for (size_t i = 0; i < catalogue.count; i++)
		if (catalogue.rows[i].state == SNAPSHOT_WRITING &&
		    store_snapshot_delete(job->store, catalogue.rows[i].id,
					  err))
			return -1;
	return 0;
}

static int sweep(struct job *job,
		 bool (*goes)(const struct job *job, const char *name),
		 struct err *err)
{
	DIR *folder = opendir(job->backup->to);
	int result;

	if (!folder)
		return errno == ENOENT ? 0
				       : err_errno(err, "cannot open '%s'",
						   job->backup->to);
	result = sweep_folder(job, folder, goes, err);
	(void)closedir(folder);
	return result;
}

int retention_sweep(struct job *job, struct err *err)
{
	if (sweep(job, is_leftover, err))
		return -1;
	return sweep_rows(job, err);
}

int retention_sweep_fetched(struct job *job, struct err *err)
{
	return sweep(job, is_fetched, err);
}

/* The manifest first: without it the rest is a leftover, wherever we are killed. */
static int remove_local(const struct snapshot_row *row, struct err *err)
{
	char path[SNAPSHOT_PATH_BYTES + sizeof(MANIFEST_SUFFIX)];

	(void)snprintf(path, sizeof(path), "%s" MANIFEST_SUFFIX, row->path);
	if (unlink(path) != 0 && errno != ENOENT)
		return err_errno(err, "cannot remove '%s'", path);
	return overlay_remove(row->path, err);
}

static int remove_remote(struct job *job, const struct snapshot_row *row,
			 struct deadline deadline, struct err *err)
{
	char key[SNAPSHOT_PATH_BYTES + sizeof(MANIFEST_SUFFIX)];

	(void)snprintf(key, sizeof(key), "%s" MANIFEST_SUFFIX, row->remote);
	if (remote_delete(job->remote, key, deadline, err) ||
	    remote_delete(job->remote, row->remote, deadline, err))
		return -1;
	return 0;
}

struct prune {
	struct job *job;
	int64_t made, awaited; /* ids of what stays */
	struct deadline deadline;
	int complete, stored; /* so far: of them, and of those in the bucket */
	int gone, removed;
	bool failed; /* the bucket, and it is left alone: err says how */
	struct err err;
};

/* Is nothing of it left in the bucket? */
static bool leaves_bucket(struct prune *prune, const struct snapshot_row *row)
{
	struct job *job = prune->job;

	if (!row->remote[0] || !job->remote)
		return true;
	if (prune->failed || prune->stored < job->backup->keep)
		return false;
	prune->failed = remove_remote(job, row, prune->deadline, &prune->err);
	return !prune->failed;
}

static int expire(struct prune *prune, const struct snapshot_row *row,
		  struct err *err)
{
	struct snapshot_row changed = *row;

	if (row->path[0] && remove_local(row, err))
		return -1;
	if (leaves_bucket(prune, row)) {
		changed.state = SNAPSHOT_EXPIRED;
		prune->removed++;
	} else if (row->path[0]) {
		changed.path[0] = '\0';
	} else {
		return 0;
	}
	return store_snapshot_write(prune->job->store, &changed, err);
}

static int prune_row(struct prune *prune, const struct snapshot_row *row,
		     struct err *err)
{
	struct job *job = prune->job;
	int result = 0;

	if (row->state == SNAPSHOT_COMPLETE) {
		if (++prune->complete > job->backup->keep &&
		    row->id != prune->made && row->id != prune->awaited)
			result = expire(prune, row, err);
		prune->stored += row->remote[0] != '\0';
	} else if (row->state == SNAPSHOT_BAD &&
		   prune->complete >= job->backup->keep) {
		result = expire(prune, row, err);
	} else if (row->state == SNAPSHOT_EXPIRED &&
		   ++prune->gone > FORGOTTEN_AFTER) {
		result = store_snapshot_delete(job->store, row->id, err);
	}
	return result;
}

int retention_prune(struct job *job, int64_t made, struct deadline deadline,
		    int *ret_removed, struct err *err)
{
	CLEANUP(catalogue_free) struct catalogue catalogue = { 0 };
	struct prune prune = { .job = job, .made = made, .deadline = deadline };
	struct gateway_row gateway;

	if (store_read(job->store, job->gateway->name, &gateway, err) ||
	    catalogue_read(job, &catalogue, err))
		return -1;
	prune.awaited = gateway.restore_snapshot;
	for (size_t i = 0; i < catalogue.count; i++)
		if (prune_row(&prune, &catalogue.rows[i], err))
			return -1;
	*ret_removed = prune.removed;
	if (!prune.failed)
		return 0;
	*err = prune.err;
	return -1;
}
