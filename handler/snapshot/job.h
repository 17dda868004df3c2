/* job.h - one run of wakegate-snapshot: what it works on
 *
 * Each command is a function of its own file. It tells its result (tell.h) and
 * gives the exit status: 0 done, 1 it failed.
 */
#ifndef WAKEGATE_JOB_H
#define WAKEGATE_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/lock.h"
#include "gateway/settings.h"
#include "snapshot/remote.h"
#include "snapshot/tell.h"
#include "store/store.h"

struct job {
	const struct settings *settings;
	const struct gateway_settings *gateway;
	const struct backup_settings *backup; /* the gateway's */
	struct store *store;
	int64_t generation; /* 0: whichever it is */
	int64_t snapshot;   /* 0: none named */
	bool force;
	bool if_changed;
	int lock_fd;
	struct tell tell;
	struct remote *remote; /* NULL: no bucket is configured */
};

int create_run(struct job *job);
int restore_run(struct job *job);
int verify_run(struct job *job);
int list_run(struct job *job);
int prune_run(struct job *job);
int clean_run(struct job *job);
int unmount_run(struct job *job);
int mend_run(struct job *job);

/* Waits for the byte until the deadline; ERR_BUSY then. */
int job_lock(struct job *job, enum lock_byte byte, struct deadline deadline,
	     struct err *err);

/* Tells that it failed, with the code that the error means. Gives 1. */
int job_failed(const struct err *err);

/* An event of the gateway's; detail: a JSON object, which it takes over. */
void job_event(struct job *job, const char *kind, int64_t generation,
	       json_t *detail);

/* Removes what earlier restores left beside the state folder: under LOCK_RESTORE,
 * once a gateway runs on the newest. */
int job_clean(struct job *job, struct err *err);

/* "<to>/overlay-<gateway>": where overlays live. */
void job_overlay_place(const struct job *job, char *ret, size_t size);

#endif
