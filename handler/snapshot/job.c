#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "snapshot/job.h"
#include "snapshot/overlay.h"
#include "snapshot/swap.h"

#include "base/banned.h"

#define LOCK_PAUSE_MS 20

int job_lock(struct job *job, enum lock_byte byte, struct deadline deadline,
	     struct err *err)
{
	struct report report = tell_report(&job->tell);

	while (lock_take(job->lock_fd, byte, err)) {
		if (err->code != ERR_BUSY)
			return -1;
		if (!deadline_pause(deadline, LOCK_PAUSE_MS))
			return err_set(err, ERR_BUSY,
				       "another snapshot of '%s' is being made "
				       "or restored",
				       job->gateway->name);
		report_progress(&report, 0, 0); /* it waits, but lives */
	}
	return 0;
}

int job_failed(const struct err *err)
{
	static const char *const codes[ERR_MAX_] = {
		[ERR_BUSY] = "busy",
		[ERR_TIMEOUT] = "timeout",
		[ERR_MISSING] = "not_found",
	};

	tell_failed(codes[err->code] ? codes[err->code] : "failed", err);
	return 1;
}

void job_event(struct job *job, const char *kind, int64_t generation,
	       json_t *detail)
{
	CLEANUP_FREE char *text =
		json_dumps(detail, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct event event = { .generation = generation, .detail = text };
	struct report report = tell_report(&job->tell);
	struct err err;

	json_decref(detail);
	(void)snprintf(event.gateway, sizeof(event.gateway), "%s",
		       job->gateway->name);
	(void)snprintf(event.kind, sizeof(event.kind), "%s", kind);
	if (store_event(job->store, &event, &err))
		report_note(&report, "%s", err.text);
}

int job_clean(struct job *job, struct err *err)
{
	const char *directory = job->backup->directory;
	struct report report = tell_report(&job->tell);
	char place[PATH_MAX];

	job_overlay_place(job, place, sizeof(place));
	if (swap_clean(directory, &report, err))
		return -1;
	return overlay_sweep(directory, place, err);
}

void job_overlay_place(const struct job *job, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s/overlay-%s", job->backup->to,
		       job->gateway->name);
}
