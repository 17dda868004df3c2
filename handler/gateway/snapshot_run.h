/* snapshot_run.h - the program wakegate-snapshot, run as a child
 *
 * It writes one JSON object a line to its standard output: progress, notes, and
 * last of all its result. Notes go to the log. Its standard error is ours. It lies
 * beside this program or in the libexec folder.
 */
#ifndef WAKEGATE_SNAPSHOT_RUN_H
#define WAKEGATE_SNAPSHOT_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/deadline.h"
#include "base/err.h"
#include "gateway/settings.h"

#define SNAPSHOT_LINE_BYTES 4096
#define SNAPSHOT_STALL_MS   60000 /* a backup without progress is ended */

struct snapshot_job {
	/* create, restore, verify, list, prune, clean, unmount, mend */
	const char *command;
	int64_t generation;   /* 0: whichever it is */
	int64_t snapshot;     /* 0: none named */
	bool force;	      /* create: of a state that was not restored too */
	bool if_changed;      /* create: only then */
	const char *instance; /* "WAKEGATE_INSTANCE=..." whole; NULL: none */
	bool with_parent;     /* it ends when this thread does */
};

/* What it said last. */
struct snapshot_progress {
	char phase[16]; /* "fetch", "unpack", "pack", "upload", ... */
	int64_t snapshot;
	int64_t bytes;
	int64_t total; /* 0: not known */
	int64_t files;
	int64_t steps; /* grows with each line */
};

struct snapshot_result {
	bool ok;
	/* done; create: unchanged; restore: none (there is no snapshot at all, or
	 * the state is there, of the snapshot that is named).
	 * Failures: not_restored, backup_not_configured, busy, not_found,
	 * timeout, failed */
	char code[32];
	int64_t snapshot;
	int64_t bytes;
	int64_t files;
	char text[512]; /* of a failure: why */
};

struct snapshot_run {
	const char *gateway; /* its name */
	int notes;
	pid_t pid;
	int pidfd;
	int fd; /* -1: it has ended */
	bool skipping;
	size_t len;
	char line[SNAPSHOT_LINE_BYTES];
	struct snapshot_progress progress;
	bool has_result;
	struct snapshot_result result;
};

int snapshot_run_start(struct snapshot_run *ret,
		       const struct settings *settings,
		       const struct gateway_settings *gateway,
		       const struct snapshot_job *job, struct err *err);

/* Takes what it has written, without waiting. true: it has ended, and result is
 * filled in, whatever became of it. The process is not reaped. */
bool snapshot_run_read(struct snapshot_run *run);

/* SIGKILL. */
void snapshot_run_kill(struct snapshot_run *run);

/* Closes what is open; reap: waits for the process, which must have ended. */
void snapshot_run_close(struct snapshot_run *run, bool reap);

/* Waits until it has ended, and reaps it; it is killed at the deadline and when it
 * makes no progress for stall_ms: result is then a `timeout`. shown (may be NULL)
 * is called at each progress and at least every 250 ms. */
void snapshot_run_wait(struct snapshot_run *run, struct deadline deadline,
		       int stall_ms,
		       void (*shown)(const struct snapshot_run *, void *),
		       void *user);

#endif
