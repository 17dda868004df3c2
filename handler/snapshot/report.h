/* report.h - what a long piece of work tells while it goes on
 *
 * Called often (at least after each file and each 1 MB); whoever listens decides
 * how much of it to pass on. Not called from another thread.
 */
#ifndef WAKEGATE_REPORT_H
#define WAKEGATE_REPORT_H

#include <stdint.h>

struct report {
	/* done so far; NULL: nobody listens */
	void (*progress)(void *user, int64_t bytes, int64_t files);
	/* something worth a line that does not fail the work: what was skipped,
	 * and why */
	void (*note)(void *user, const char *text);
	void *user;
};

void report_progress(const struct report *report, int64_t bytes, int64_t files);
void report_note(const struct report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
