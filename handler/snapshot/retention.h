/* retention.h - which snapshots go: those beyond `keep`, and what was left half done
 *
 * The caller holds LOCK_SNAPSHOT (where nothing else is said), so that what is half
 * done is nobody's.
 */
#ifndef WAKEGATE_RETENTION_H
#define WAKEGATE_RETENTION_H

#include "snapshot/job.h"

/* Removes partial files here, rows that are still `writing`, and archives without a
 * manifest. */
int retention_sweep(struct job *job, struct err *err);

/* Removes what restores that were killed had fetched: under LOCK_RESTORE. */
int retention_sweep_fetched(struct job *job, struct err *err);

/* Removes the oldest complete ones beyond `keep`, never the newest, never `made`
 * (0: none) and never one that a restore waits for, here and in the bucket; their
 * rows become `expired`, and the oldest of such rows are forgotten. The bucket's
 * copy stays, and the row with it, until `keep` newer ones are there as well, and
 * while the bucket fails: that is the error then, and all else was done.
 * *ret_removed: how many expired. */
int retention_prune(struct job *job, int64_t made, struct deadline deadline,
		    int *ret_removed, struct err *err);

#endif
