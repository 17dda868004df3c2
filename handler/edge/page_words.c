#include "config.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "edge/page_words.h"

#include "base/banned.h"

#define GOES_ON "This page goes on by itself as soon as it is ready."

const struct page_words page_words[] = {
	[STATE_STOPPED] = { "Starting", "It is being started.", GOES_ON },
	[STATE_RESTORING] = { "Restoring",
			      "Its data is being put back; then it is started.",
			      GOES_ON },
	[STATE_STARTING] = { "Starting", "It is being started.", GOES_ON },
	[STATE_READY] = { "Ready", "It is ready.", GOES_ON },
	[STATE_STOPPING] = { "Stopping",
			     "It is being stopped; then it is started again.",
			     GOES_ON },
	[STATE_COOLDOWN] = { "Waiting",
			     "It ended by itself too often, so it is started "
			     "again only after a pause.",
			     "This page tries again by itself." },
	[STATE_FAILED] = { "Out of order",
			   "It is not started again until its operator looks "
			   "at it.",
			   NULL },
};
_Static_assert(sizeof(page_words) / sizeof(page_words[0]) == STATE_MAX_,
	       "each state has its words");

#define LOOK	"wakegate log shows its output, wakegate events what happened. "
#define MEND	"Mend the cause, then run wakegate reset."
#define DEFAULT 0

static const struct page_reason reasons[] = {
	[DEFAULT] = { "", "Out of order", "It can't be started.", LOOK MEND },
	{ "held", "Switched off", "Its operator has switched it off.",
	  "wakegate start switches it on again." },
	{ "exit_code", "Out of order",
	  "It ended with an exit code that means: starting it again is of no "
	  "use.",
	  LOOK MEND },
	{ "max_failures", "Out of order",
	  "It was started several times, and ended each time before it had "
	  "answered.",
	  LOOK MEND },
	{ "crash_loop", "Out of order", "It ended too often in a short time.",
	  LOOK MEND },
	{ "start_timeout", "Out of order",
	  "It was not ready within the time that a start may take.",
	  LOOK "Where it only needs longer, raise start_timeout_s. " MEND },
	{ "port_taken", "Out of order",
	  "Another program listens where it should.",
	  "wakegate status names the program. End it, then run wakegate "
	  "reset." },
	{ "restore_failed", "Out of order",
	  "Its data could not be put back, so it was not started without.",
	  "wakegate events says why, wakegate snapshots what there is. Run "
	  "wakegate reset to try again, or wakegate restore ID." },
	{ "spawn_failed", "Out of order", "Its program could not be run.",
	  "Look at command and directory in the configuration, then run "
	  "wakegate reset." },
	{ "not_dead", "Out of order", "A process of its last run does not end.",
	  "wakegate status names it. When it is gone, run wakegate reset." },
	{ "look_timeout", "Out of order",
	  "This machine did not say in time what is running on it.",
	  "Does a file system hang? wakegate events says when it began." },
};

const struct page_reason *page_reason(const char *word)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcmp(reasons[i].word, word) == 0)
			return &reasons[i];
	return &reasons[DEFAULT];
}

#define MEGABYTE 1e6

static void say_seconds(struct buffer *out, int64_t ms)
{
	if (ms < 10000)
		buffer_printf(out, "%.1f s", (double)ms / 1000.0);
	else
		buffer_printf(out, "%lld s", (long long)(ms + 500) / 1000);
}

static void say_elapsed(struct buffer *out, const struct outlook *outlook)
{
	buffer_printf(out, "%lld s so far",
		      (long long)outlook->elapsed_ms / 1000);
}

void page_say_start(struct buffer *out, const struct outlook *outlook)
{
	bool late = outlook->elapsed_ms > outlook->usual_ms;

	if (outlook->elapsed_ms >= 0)
		say_elapsed(out, outlook);
	if (outlook->usual_ms <= 0)
		return;
	if (outlook->elapsed_ms >= 0)
		buffer_puts(out, ", ");
	buffer_puts(out, late ? "longer than the usual " : "usually ready in ");
	say_seconds(out, outlook->usual_ms);
}

void page_say_restore(struct buffer *out, const struct gateway_row *row,
		      const struct outlook *outlook)
{
	buffer_printf(out, "%.1f ", (double)row->progress_bytes / MEGABYTE);
	if (row->progress_total > 0)
		buffer_printf(out, "of %.1f ",
			      (double)row->progress_total / MEGABYTE);
	buffer_puts(out, "MB are back");
	if (outlook->elapsed_ms >= 0) {
		buffer_puts(out, ", ");
		say_elapsed(out, outlook);
	}
}

const char page_next_try[] = "The next try is at ";

void page_say_next_try(struct buffer *out, const struct outlook *outlook)
{
	buffer_printf(out, ", in %lld s.",
		      (long long)(outlook->eta_ms + 999) / 1000);
}

const char page_for_operator[] = "For the operator: ";
const char page_for_visitor[] = "From here nothing can be done but to tell the "
				"operator, with the number below.";
const char page_reason_word[] = "Reason: ";
const char page_last_line[] = "Its last words: ";
const char page_output[] = "Newest lines of its output:";
const char page_again[] = "Try again";
const char page_panel[] = "The operator's page";
const char page_request[] = "request ";
