/* keeper_private.h - the keeper's parts: one file each for its row (keeper_row.c),
 * looking, spawning and adopting (keeper_begin.c), restoring (keeper_restore.c),
 * watching (keeper_watch.c), snapshots (keeper_backup.c), idleness (keeper_idle.c),
 * stopping and proving (keeper_end.c); keeper.c goes from one to the next.
 */
#ifndef WAKEGATE_KEEPER_PRIVATE_H
#define WAKEGATE_KEEPER_PRIVATE_H

#include <stdbool.h>
#include <time.h>

#include "base/deadline.h"
#include "gateway/keeper.h"
#include "gateway/lifecycle.h"
#include "gateway/process.h"

/* To restore: what a person asked for. */
struct wish {
	bool wanted;
	int64_t snapshot; /* 0: the newest */
};

struct keeper {
	const struct settings *settings;
	const struct gateway_settings *gateway;
	struct store *store;
	struct gateway_row row; /* what we know; the database follows */
	char instance[160];	/* "WAKEGATE_INSTANCE=ID/NAME/" */

	int lock_fd;
	int signal_fd; /* SIGTERM, SIGINT, SIGCHLD */
	int inotify_fd;
	int output_fd;
	off_t output_begin; /* of this generation's output */

	int pidfd;     /* of row.process; -1: none */
	pid_t session; /* that we made; 0: adopted */
	bool exited;   /* row.process has ended */
	bool spawned;  /* by us, in this generation */

	bool lost;	  /* another generation owns the row: let go */
	bool unsaved;	  /* the row could not be written */
	bool told_to_end; /* SIGTERM */
	bool poked;
	struct timespec poked_at; /* the lock file's mtime: a poke sets it */
	int unknown_looks; /* in a row: the port is open, its holder unknown */
	bool timed_out;	   /* the start */
	bool timed;	   /* the start's duration is recorded */

	bool idle;	   /* being stopped because nobody uses it */
	int idle_stop_s;   /* as it was set last */
	int64_t active_at; /* when it was seen in use last, on the clock of
			    * deadlines; 0: never */
	struct deadline next_usage;

	struct snapshot_run *work; /* a snapshot being made; NULL: none */
	int work_fd;		   /* of what wakegate-snapshot says; -1 */
	int64_t work_steps;
	struct deadline work_stall;
	struct deadline next_backup;
	bool clean_due; /* a restore may have left its traces */

	struct wish wish; /* that the last restore began with */
	bool wish_done;	  /* it is fulfilled; the database does not know yet */

	struct deadline start_deadline;
	struct deadline next_probe;
	struct deadline next_tick;
	struct deadline next_heartbeat;
	int probe_pause_ms;
};

/* --- keeper_row.c */

/* The table's answer; the row's state follows. */
enum lifecycle_action keeper_decide(struct keeper *keeper,
				    enum lifecycle_event event);
/* Writes the row with an event (kind NULL: none); detail is a JSON object or NULL. A
 * failure is logged and made good later; another generation sets lost. */
void keeper_write(struct keeper *keeper, const char *kind, const char *detail);
/* A restore begins: it fulfils what is wished for now, and no later wish. */
void keeper_take_wish(struct keeper *keeper);
/* As keeper_write(), and the wish that was taken is fulfilled: when that can't be
 * written, wish_done is set until a later write could. */
void keeper_write_restored(struct keeper *keeper, const char *kind,
			   const char *detail);
/* Writes who owns it: this process, as far as /proc says. */
void keeper_sign(struct keeper *keeper);
/* Reads what others write: want, hold, answered_ms... ; saves what is unsaved. */
void keeper_read(struct keeper *keeper);
/* Writes a heartbeat when one is due. */
void keeper_heartbeat(struct keeper *keeper);
/* Adds one to a counter of observed.h; best effort. */
void keeper_count(struct keeper *keeper, const char *name, const char *label);
/* reason: a word; the rest a sentence for people. */
void keeper_reason(struct keeper *keeper, const char *reason,
		   const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool keeper_wants_end(const struct keeper *keeper);

/* --- keeper_begin.c */
enum lifecycle_action keeper_look(struct keeper *keeper);
enum lifecycle_action keeper_spawn(struct keeper *keeper);
enum lifecycle_action keeper_adopt(struct keeper *keeper);
/* A fresh start deadline; the first probe is due now. */
void keeper_begin_probing(struct keeper *keeper);
/* Tracks this process from now on; -1 when it is gone already. */
int keeper_track(struct keeper *keeper, struct process_id id);
/* Without /proc: may the last process known still live? */
bool keeper_may_live(const struct keeper *keeper);
/* Lists what is there, ours marked. */
int keeper_list(struct keeper *keeper, struct process_list *ret,
		struct err *err);

/* --- keeper_restore.c */

/* Nothing runs: may it be spawned, or is a snapshot to be put back first? */
enum lifecycle_action keeper_gate(struct keeper *keeper);
/* Clears an overlay that does not answer: it hangs whoever touches it, and a process
 * that hangs so can't be killed. */
void keeper_mend_mounts(struct keeper *keeper);
enum lifecycle_action keeper_restore(struct keeper *keeper);

/* --- keeper_backup.c */

/* The gateway is ready: what restores left goes, and a snapshot is due in
 * every_s. */
void keeper_backup_begin(struct keeper *keeper);
/* Starts what is due, and looks after what goes on. */
void keeper_backup_tick(struct keeper *keeper);
/* Ends what goes on: it leaves no half snapshot. */
void keeper_backup_cancel(struct keeper *keeper);
/* After an orderly end, with the gateway proven dead; the row says `stopping`. */
void keeper_backup_on_stop(struct keeper *keeper);

/* --- keeper_watch.c */
enum lifecycle_action keeper_watch(struct keeper *keeper);
/* Takes signals, pokes and exits, waiting for them until the deadline. */
void keeper_poll(struct keeper *keeper, struct deadline deadline);

/* --- keeper_idle.c */

/* Looks at how a ready gateway is used when that is due (next_usage);
 * ACTION_NONE: let it run. */
enum lifecycle_action keeper_usage(struct keeper *keeper);
enum lifecycle_action keeper_drain(struct keeper *keeper);
/* The end of a keeper whose gateway is always on: has it started again, in a
 * keeper of its own, when it may be. Needs the lock no more. */
void keeper_stay_on(struct keeper *keeper);

/* --- keeper_end.c */
enum lifecycle_action keeper_clean(struct keeper *keeper);
enum lifecycle_action keeper_stop(struct keeper *keeper);
enum lifecycle_action keeper_prove(struct keeper *keeper);
enum lifecycle_action keeper_settle(struct keeper *keeper);

#endif
