#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "base/deadline.h"
#include "cli/progress.h"
#include "base/when.h"

#include "base/banned.h"

#define QUIET_MS  1000
#define BAR	  "####################"
#define BAR_WIDTH 20
#define LINE_MS	  5000 /* between lines that are not for a terminal */

/* "3.4 MB" */
static const char *bytes_text(char ret[16], int64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double number = (double)bytes;
	size_t unit = 0;

	while (number >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		number /= 1000;
		unit++;
	}
	(void)snprintf(ret, 16, unit ? "%.1f %s" : "%.0f %s", number,
		       units[unit]);
	return ret;
}

/* ", [#####     ] 12.0 MB of 24.0 MB, 3.4 MB/s" */
static void progress_bytes(int64_t bytes, int64_t total, int64_t elapsed_ms)
{
	char done[16], all[16], rate[16];
	int marks = total > 0 && bytes <= total
			    ? (int)(bytes * BAR_WIDTH / total)
			    : 0;

	(void)fputs(", ", stderr);
	if (total > 0)
		(void)fprintf(stderr, "[%.*s%*s] ", marks, BAR,
			      BAR_WIDTH - marks, "");
	(void)fprintf(stderr, "%s", bytes_text(done, bytes));
	if (total > 0)
		(void)fprintf(stderr, " of %s", bytes_text(all, total));
	if (elapsed_ms > 0)
		(void)fprintf(stderr, ", %s/s",
			      bytes_text(rate, bytes * 1000 / elapsed_ms));
}

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
		if (row->progress_bytes > 0)
			progress_bytes(row->progress_bytes, row->progress_total,
				       elapsed_ms);
		progress->open = true;
		return;
	}
	if (progress->shown && progress->state == row->state &&
	    progress->generation == row->generation &&
	    (row->state != STATE_RESTORING ||
	     elapsed_ms - progress->shown_ms < LINE_MS))
		return;
	(void)fprintf(stderr, "%s: %s (generation %lld)", row->name,
		      gateway_state_names[row->state],
		      (long long)row->generation);
	if (row->progress_bytes > 0)
		progress_bytes(row->progress_bytes, row->progress_total,
			       elapsed_ms);
	(void)fputc('\n', stderr);
	progress->shown = true;
	progress->shown_ms = elapsed_ms;
	progress->state = row->state;
	progress->generation = row->generation;
}

void progress_end(struct progress *progress)
{
	if (progress->open)
		(void)fputc('\n', stderr);
	progress->open = false;
}

void progress_work(struct progress *progress, const char *name,
		   const struct snapshot_progress *work)
{
	int64_t elapsed_ms = clock_mono_ms() - progress->began_ms;

	if (elapsed_ms < QUIET_MS || work->steps == 0)
		return;
	if (!progress->terminal && progress->shown &&
	    elapsed_ms - progress->shown_ms < LINE_MS)
		return;
	(void)fprintf(stderr, "%s%s: snapshot %lld, %s, %lld files",
		      progress->terminal ? "\r\033[K" : "", name,
		      (long long)work->snapshot, work->phase,
		      (long long)work->files);
	progress_bytes(work->bytes, work->total, elapsed_ms);
	if (!progress->terminal)
		(void)fputc('\n', stderr);
	progress->open = progress->terminal;
	progress->shown = true;
	progress->shown_ms = elapsed_ms;
}
