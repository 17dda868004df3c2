/* progress.h - what a person sees of a command that takes longer than a second
 *
 * On a terminal one line that is written anew; elsewhere one line for each change
 * of state. All on standard error.
 */
#ifndef WAKEGATE_PROGRESS_H
#define WAKEGATE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/row.h"

struct progress {
	int64_t began_ms;
	bool terminal;
	bool open; /* a line on the terminal is to be ended */
	bool shown;
	enum gateway_state state; /* of the line written last */
	int64_t generation;
};

void progress_begin(struct progress *progress);
void progress_show(struct progress *progress, const struct gateway_row *row);
/* Ends the line. To be called before anything else is printed. */
void progress_end(struct progress *progress);

#endif
