#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/archive_private.h"
#include "snapshot/sqlite_copy.h"
#include "snapshot/tree.h"

#include "base/banned.h"

#define TRIES_MAX 3

void packer_free(struct packer *packer)
{
	child_kill(&packer->child);
	if (packer->copying)
		(void)unlink(packer->copy);
	for (size_t i = 0; i < packer->databases_count; i++)
		free(packer->databases[i].path);
	free(packer->databases);
	free(packer->block);
	archive_entry_free(packer->entry);
	archive_entry_linkresolver_free(packer->links);
}

int packer_begin(struct packer *packer, struct err *err)
{
	packer->entry = archive_entry_new();
	packer->links = archive_entry_linkresolver_new();
	packer->block = malloc(ARCHIVE_BLOCK_BYTES);
	if (!packer->entry || !packer->links || !packer->block)
		return err_set(err, ERR_LIMIT, "out of memory");
	archive_entry_linkresolver_set_strategy(packer->links,
						ARCHIVE_FORMAT_TAR);
	if (!realpath(packer->source->directory, packer->directory))
		return err_errno(err, "cannot find '%s'",
				 packer->source->directory);
	return sqlite_serve(&packer->child, err);
}

int packer_run(struct packer *packer, struct err *err)
{
	if (tree_walk(packer->directory, packer->source->exclude, pack_entry,
		      packer, err) ||
	    pack_databases(packer, err))
		return -1;
	if (packer->source->on_read)
		packer->source->on_read(packer->source->user);
	return 0;
}

static int create_once(const struct archive_source *source, const char *path,
		       const struct report *report, struct archive_summary *ret,
		       struct err *err)
{
	CLEANUP(output_free) struct output output = { .fd = -1 };
	CLEANUP(packer_free)
	struct packer packer = { .source = source,
				 .report = report,
				 .output = &output,
				 .child = CHILD_NONE };
	struct archive_summary summary;

	if (packer_begin(&packer, err) || output_open(&output, path, err))
		return -1;
	if (packer_run(&packer, err) ||
	    output_finish(&output, &packer, summary.sha256, err)) {
		(void)unlink(path);
		return -1;
	}
	summary.bytes = output.bytes;
	summary.files = packer.files;
	summary.content_bytes = packer.content_bytes;
	*ret = summary;
	return 0;
}

int archive_attempts(archive_attempt *attempt,
		     const struct archive_source *source, const char *path,
		     const struct report *report, struct archive_summary *ret,
		     struct err *err)
{
	for (int tries = 1;; tries++) {
		if (attempt(source, path, report, ret, err) == 0)
			return 0;
		if (err->code != ERR_BUSY || tries == TRIES_MAX)
			return -1;
		report_note(report, "begun again: %s", err->text);
	}
}

int archive_create(const struct archive_source *source, const char *path,
		   const struct report *report, struct archive_summary *ret,
		   struct err *err)
{
	return archive_attempts(create_once, source, path, report, ret, err);
}
