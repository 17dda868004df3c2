/* row.h - one gateway's row: what all workers know of it
 *
 * Times are milliseconds since the epoch, 0 where the column is NULL; likewise
 * an empty string. The files of schema/ say what each column means.
 */
#ifndef WAKEGATE_ROW_H
#define WAKEGATE_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/process_id.h"

enum gateway_state {
	STATE_STOPPED,
	STATE_RESTORING,
	STATE_STARTING,
	STATE_READY,
	STATE_STOPPING,
	STATE_COOLDOWN,
	STATE_FAILED,
	STATE_MAX_
};

enum want { WANT_RUN, WANT_STOP, WANT_RESTART, WANT_MAX_ };

/* As they stand in the database and in JSON. */
extern const char *const gateway_state_names[STATE_MAX_];
extern const char *const want_names[WANT_MAX_];

#define EXIT_CODE_NONE (-1)

struct gateway_row {
	char name[GATEWAY_NAME_BYTES];
	enum gateway_state state;
	char reason[64]; /* a word: "held", "port_taken", "exit_code", ... */
	int64_t generation;
	struct process_id owner; /* the keeper */
	char owner_boot[40];
	int64_t heartbeat_ms;
	struct process_id process; /* the gateway */
	char address[128];
	bool adopted;
	enum want want;
	bool hold; /* stopped by a person, down until `start` */
	bool restore_wanted;
	int64_t restore_snapshot; /* 0: the newest that verifies */
	int64_t snapshot;
	int64_t progress_bytes; /* of a restore */
	int64_t progress_total;
	int64_t started_ms;
	int64_t ready_ms;
	int64_t stopped_ms;
	int64_t last_request_ms;
	int64_t answered_ms;
	int exit_code;	 /* EXIT_CODE_NONE */
	int exit_signal; /* 0 */
	int failures;
	int64_t retry_at_ms;
	char detail[512]; /* the reason as a sentence, for people */
	char output_tail[OUTPUT_TAIL_BYTES + 1];
};

/* Since when the state is what it is, as far as the row knows; 0: it does not. */
int64_t row_since_ms(const struct gateway_row *row);

#endif
