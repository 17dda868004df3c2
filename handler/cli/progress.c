#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "base/deadline.h"
#include "cli/progress.h"
#include "base/when.h"

#include "base/banned.h"

#define QUIET_MS 1000

void progress_begin(struct progress *progress)
{
	struct progress fresh = { .began_ms = clock_mono_ms(),
				  .terminal = isatty(STDERR_FILENO) == 1 };

	*progress = fresh;
}

void progress_show(struct progress *progress, const struct gateway_row *row)
{
	int64_t elapsed_ms = clock_mono_ms() - progress->began_ms;
	char span[WHEN_BYTES];

	if (elapsed_ms < QUIET_MS)
		return;
	if (progress->terminal) {
		(void)fprintf(stderr, "\r\033[K%s: %s, %s", row->name,
			      gateway_state_names[row->state],
			      when_span(span, elapsed_ms));
		progress->open = true;
		return;
	}
	if (progress->shown && progress->state == row->state &&
	    progress->generation == row->generation)
		return;
	(void)fprintf(stderr, "%s: %s (generation %lld)\n", row->name,
		      gateway_state_names[row->state],
		      (long long)row->generation);
	progress->shown = true;
	progress->state = row->state;
	progress->generation = row->generation;
}

void progress_end(struct progress *progress)
{
	if (progress->open)
		(void)fputc('\n', stderr);
	progress->open = false;
}
