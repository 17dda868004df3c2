#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/catalogue.h"
#include "snapshot/files.h"
#include "snapshot/manifest.h"

#include "base/banned.h"

#define ROWS_MAX 20000

static int add_to_catalogue(const struct snapshot_row *row, void *user)
{
	struct catalogue *catalogue = user;
	struct snapshot_row *rows;

	if (catalogue->count == ROWS_MAX)
		return 1;
	rows = reallocarray(catalogue->rows, catalogue->count + 1,
			    sizeof(*rows));
	if (!rows)
		return -2;
	rows[catalogue->count++] = *row;
	catalogue->rows = rows;
	return 0;
}

int catalogue_read(struct job *job, struct catalogue *ret, struct err *err)
{
	struct catalogue catalogue = { 0 };
	int result = store_snapshots(job->store, job->gateway->name,
				     add_to_catalogue, &catalogue, err);

	if (result >= 0) {
		*ret = catalogue;
		return 0;
	}
	catalogue_free(&catalogue);
	return result == -1 ? -1 : err_set(err, ERR_SYSTEM, "out of memory");
}

void catalogue_free(struct catalogue *catalogue)
{
	free(catalogue->rows);
	catalogue->rows = NULL;
	catalogue->count = 0;
}

const struct snapshot_row *catalogue_newest(const struct catalogue *catalogue)
{
	for (size_t i = 0; i < catalogue->count; i++)
		if (catalogue->rows[i].state == SNAPSHOT_COMPLETE)
			return &catalogue->rows[i];
	return NULL;
}

const struct snapshot_row *catalogue_by_id(const struct catalogue *catalogue,
					   int64_t id)
{
	for (size_t i = 0; i < catalogue->count; i++)
		if (catalogue->rows[i].id == id)
			return &catalogue->rows[i];
	return NULL;
}

/* The same archive, wherever it is. */
static struct snapshot_row *by_archive(const struct catalogue *catalogue,
				       const char *archive)
{
	for (size_t i = 0; i < catalogue->count; i++)
		if (strcmp(manifest_archive(&catalogue->rows[i]), archive) == 0)
			return &catalogue->rows[i];
	return NULL;
}

static void note_failure(struct job *job, const struct err *err)
{
	struct report report = tell_report(&job->tell);

	report_note(&report, "%s", err->text);
}

void catalogue_mark(struct job *job, const struct snapshot_row *row,
		    enum snapshot_state state)
{
	struct snapshot_row changed = *row;
	struct err err;

	changed.state = state;
	if (store_snapshot_write(job->store, &changed, &err))
		note_failure(job, &err);
}

/* A row whose archive is not where it was. */
static int look_after_row(struct job *job, struct snapshot_row *row,
			  struct err *err)
{
	struct stat status;

	if (row->state != SNAPSHOT_COMPLETE || !row->path[0])
		return 0;
	if (stat(row->path, &status) == 0 || errno != ENOENT)
		return 0;
	if (row->remote[0])
		row->path[0] = '\0';
	else
		row->state = SNAPSHOT_EXPIRED;
	return store_snapshot_write(job->store, row, err);
}

/* A manifest here: its archive gets a row, unless it has one. */
static int take_local(struct job *job, const struct catalogue *catalogue,
		      const char *manifest, struct err *err)
{
	char path[SNAPSHOT_PATH_BYTES];
	char archive[NAME_MAX + 1];
	CLEANUP_FREE char *text = NULL;
	struct snapshot_row row;
	struct snapshot_row *known;
	struct stat status;
	size_t len = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", job->backup->to, manifest);
	if (files_read(path, MANIFEST_BYTES_MAX, &text, &len, err) ||
	    manifest_parse(text, len, job->gateway->name, &row, archive,
			   sizeof(archive), err)) {
		note_failure(job, err); /* somebody else's file, or damaged */
		return 0;
	}
	(void)snprintf(row.path, sizeof(row.path), "%s/%s", job->backup->to,
		       archive);
	known = by_archive(catalogue, archive);
	if (stat(row.path, &status) != 0)
		return 0;
	if (!known)
		return store_snapshot_adopt(job->store, &row, err);
	if (known->state == SNAPSHOT_BAD ||
	    (known->state == SNAPSHOT_COMPLETE && known->path[0]))
		return 0;
	/* fetched, there again (its disk was not mounted), or its maker was killed
	 * before the row said so */
	row.id = known->id;
	memcpy(row.remote, known->remote, sizeof(row.remote));
	return store_snapshot_write(job->store, &row, err);
}

static bool is_manifest(const char *name, const char *gateway, char *archive,
			size_t size)
{
	size_t len = strlen(name);
	size_t suffix = strlen(MANIFEST_SUFFIX);
	enum restore_mode mode;

	if (len <= suffix || len >= size ||
	    strcmp(name + len - suffix, MANIFEST_SUFFIX) != 0)
		return false;
	memcpy(archive, name, len - suffix);
	archive[len - suffix] = '\0';
	return manifest_is_archive(archive, gateway, &mode);
}

static int scan_folder(struct job *job, const struct catalogue *catalogue,
		       DIR *folder, struct err *err)
{
	char archive[NAME_MAX + 1];
	const struct dirent *entry;

	while ((entry = readdir(folder)))
		if (is_manifest(entry->d_name, job->gateway->name, archive,
				sizeof(archive)) &&
		    take_local(job, catalogue, entry->d_name, err))
			return -1;
	return 0;
}

int catalogue_find_local(struct job *job, struct err *err)
{
	CLEANUP(catalogue_free) struct catalogue catalogue = { 0 };
	DIR *folder;
	int result;

	if (catalogue_read(job, &catalogue, err))
		return -1;
	for (size_t i = 0; i < catalogue.count; i++)
		if (look_after_row(job, &catalogue.rows[i], err))
			return -1;
	folder = opendir(job->backup->to);
	if (!folder)
		return errno == ENOENT ? 0
				       : err_errno(err, "cannot open '%s'",
						   job->backup->to);
	result = scan_folder(job, &catalogue, folder, err);
	(void)closedir(folder);
	return result;
}

struct remote_search {
	struct job *job;
	struct catalogue catalogue;
	struct deadline deadline;
};

static int add_remote(struct remote_search *search, const char *key,
		      const char *archive, struct err *err)
{
	struct job *job = search->job;
	CLEANUP_FREE char *text = NULL;
	char named[NAME_MAX + 1];
	struct snapshot_row row;

	if (remote_get_text(job->remote, key, &text, search->deadline, err))
		return err->code == ERR_MISSING ? 0 : -1; /* just pruned */
	if (manifest_parse(text, strlen(text), job->gateway->name, &row, named,
			   sizeof(named), err) ||
	    strcmp(named, archive) != 0) {
		note_failure(job, err);
		return 0;
	}
	memcpy(row.remote, archive, strlen(archive) + 1);
	return store_snapshot_adopt(job->store, &row, err);
}

static int take_remote(const char *key, int64_t bytes, void *user,
		       struct err *err)
{
	struct remote_search *search = user;
	char archive[NAME_MAX + 1];
	struct snapshot_row *known;

	(void)bytes;
	if (!is_manifest(key, search->job->gateway->name, archive,
			 sizeof(archive)))
		return 0;
	known = by_archive(&search->catalogue, archive);
	if (!known)
		return add_remote(search, key, archive, err);
	/* its maker writes what it is */
	if (known->remote[0] || known->state == SNAPSHOT_WRITING)
		return 0;
	memcpy(known->remote, archive, strlen(archive) + 1);
	/* it is gone, or bad, only here */
	if (known->state == SNAPSHOT_EXPIRED || known->state == SNAPSHOT_BAD) {
		known->path[0] = '\0';
		known->state = SNAPSHOT_COMPLETE;
	}
	return store_snapshot_write(search->job->store, known, err);
}

int catalogue_find_remote(struct job *job, struct deadline deadline,
			  struct err *err)
{
	struct remote_search search = { .job = job, .deadline = deadline };
	char begin[GATEWAY_NAME_BYTES + 1];
	int result;

	if (!job->remote)
		return 0;
	if (catalogue_read(job, &search.catalogue, err))
		return -1;
	(void)snprintf(begin, sizeof(begin), "%s-", job->gateway->name);
	result = remote_list(job->remote, begin, take_remote, &search, deadline,
			     err);
	catalogue_free(&search.catalogue);
	return result;
}
