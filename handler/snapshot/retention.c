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

static int expire(struct job *job, const struct snapshot_row *row,
		  struct deadline deadline, struct err *err)
{
	struct snapshot_row changed = *row;

	if (row->remote[0] && job->remote &&
	    remove_remote(job, row, deadline, err))
		return -1;
	if (row->path[0] && remove_local(row, err))
		return -1;
	changed.state = SNAPSHOT_EXPIRED;
	return store_snapshot_write(job->store, &changed, err);
}

int retention_prune(struct job *job, struct deadline deadline, int *ret_removed,
		    struct err *err)
{
	CLEANUP(catalogue_free) struct catalogue catalogue = { 0 };
	struct gateway_row gateway;
	int complete = 0, gone = 0, removed = 0;

	if (store_read(job->store, job->gateway->name, &gateway, err) ||
	    catalogue_read(job, &catalogue, err))
		return -1;
	for (size_t i = 0; i < catalogue.count; i++) {
		const struct snapshot_row *row = &catalogue.rows[i];

		if (row->state == SNAPSHOT_COMPLETE) {
			if (++complete <= job->backup->keep ||
			    row->id == gateway.restore_snapshot)
				continue;
			if (expire(job, row, deadline, err))
				return -1;
			removed++;
		} else if (row->state == SNAPSHOT_BAD &&
			   complete >= job->backup->keep) {
			if (expire(job, row, deadline, err))
				return -1;
			removed++;
		} else if (row->state == SNAPSHOT_EXPIRED &&
			   ++gone > FORGOTTEN_AFTER &&
			   store_snapshot_delete(job->store, row->id, err)) {
			return -1;
		}
	}
	*ret_removed = removed;
	return 0;
}
