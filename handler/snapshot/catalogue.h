/* catalogue.h - which snapshots there are: the store's rows, made to agree with the
 * archives here and in the bucket
 */
#ifndef WAKEGATE_CATALOGUE_H
#define WAKEGATE_CATALOGUE_H

#include "snapshot/job.h"

struct catalogue {
	struct snapshot_row *rows; /* newest first, whatever their state */
	size_t count;
};

/* Archives here that the store knows nothing of get a row; a row whose archive is
 * gone is expired, or lives on in the bucket only, until it is there again. */
int catalogue_find_local(struct job *job, struct err *err);

/* The same for the bucket's: rows for what only it has. Does nothing without one. */
int catalogue_find_remote(struct job *job, struct deadline deadline,
			  struct err *err);

int catalogue_read(struct job *job, struct catalogue *ret, struct err *err);
void catalogue_free(struct catalogue *catalogue);

/* The newest that is complete, or NULL. */
const struct snapshot_row *catalogue_newest(const struct catalogue *catalogue);
const struct snapshot_row *catalogue_by_id(const struct catalogue *catalogue,
					   int64_t id);

/* Writes the row's new state; a failure is noted only: it is found again. */
void catalogue_mark(struct job *job, const struct snapshot_row *row,
		    enum snapshot_state state);

#endif
