/* progress.h - what a person sees of a command that takes longer than a second
 *
 * On a terminal one line that is written anew; elsewhere one line for each change
 * of state, and each 5 s for how far a snapshot or a restore is. All on standard
 * error.
 */
#ifndef WAKEGATE_PROGRESS_H
#define WAKEGATE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/snapshot_run.h"
#include "store/row.h"

struct progress {
	int64_t began_ms;
	bool terminal;
	bool open; /* a line on the terminal is to be ended */
	bool shown;
	enum gateway_state state; /* of the line written last */
	int64_t generation;
	int64_t shown_ms; /* after it began */
};

void progress_begin(struct progress *progress);
void progress_show(struct progress *progress, const struct gateway_row *row);
/* The same of wakegate-snapshot's work. */
void progress_work(struct progress *progress, const char *name,
		   const struct snapshot_progress *work);
/* Ends the line. To be called before anything else is printed. */
void progress_end(struct progress *progress);

#endif
