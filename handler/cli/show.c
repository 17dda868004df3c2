#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/deadline.h"
#include "cli/show.h"
#include "base/when.h"

#include "base/banned.h"

static void print_time(const char *label, int64_t at_ms)
{
	char when[WHEN_BYTES], span[WHEN_BYTES];
	int64_t ago_ms = clock_wall_ms() - at_ms;

	if (at_ms == 0)
		return;
	if (ago_ms >= 0)
		(void)printf("  %-13s %s, %s ago\n", label,
			     when_utc(when, at_ms), when_span(span, ago_ms));
	else
		(void)printf("  %-13s %s, in %s\n", label,
			     when_utc(when, at_ms), when_span(span, -ago_ms));
}

static void print_processes(const struct view *view)
{
	const struct gateway_row *row = &view->row;

	(void)printf("  %-13s %s%s\n", "address", row->address,
		     view->listening ? ", something listens"
				     : ", nothing listens");
	if (row->process.pid)
		(void)printf("  %-13s pid %d%s\n", "process",
			     (int)row->process.pid,
			     row->adopted ? ", adopted" : "");
	if (row->owner.pid || view->owner_alive)
		(void)printf("  %-13s pid %d, %s\n", "keeper",
			     (int)row->owner.pid,
			     view->owner_alive ? "alive" : "gone");
}

/* Indented, and nothing in it may move the cursor. */
static void print_output(const char *text)
{
	(void)fputs("  last output\n    ", stdout);
	for (; *text; text++) {
		if (*text == '\n' && text[1])
			(void)fputs("\n    ", stdout);
		else if (*text != '\n')
			(void)putchar((unsigned char)*text < ' ' ||
						      *text == 0x7f
					      ? ' '
					      : *text);
	}
	(void)putchar('\n');
}

void show_people(const struct view *view)
{
	const struct gateway_row *row = &view->row;

	(void)printf("%s: %s%s%s%s\n", row->name,
		     gateway_state_names[row->state], *row->reason ? " (" : "",
		     row->reason, *row->reason ? ")" : "");
	if (*row->detail)
		(void)printf("  %-13s %s\n", "detail", row->detail);
	(void)printf("  %-13s %lld\n", "generation",
		     (long long)row->generation);
	print_time("since", row_since_ms(row));
	print_processes(view);
	print_time("started", row->started_ms);
	if (row->snapshot)
		(void)printf("  %-13s %lld\n", "from snapshot",
			     (long long)row->snapshot);
	if (row->restore_wanted)
		(void)printf("  %-13s the next start puts a snapshot back\n",
			     "restore");
	print_time("last request", row->last_request_ms);
	if (row->exit_signal)
		(void)printf("  %-13s signal %d (%s)\n", "last exit",
			     row->exit_signal, strsignal(row->exit_signal));
	else if (row->exit_code != EXIT_CODE_NONE)
		(void)printf("  %-13s code %d\n", "last exit", row->exit_code);
	if (row->failures)
		(void)printf("  %-13s %d in a row\n", "failures",
			     row->failures);
	print_time("retry", row->retry_at_ms);
	if (*row->output_tail && row->state != STATE_READY &&
	    row->state != STATE_STARTING)
		print_output(row->output_tail);
}

#define TABLE_FORMAT "%-16s %-10s %10s  %-9s %-12s %8s  %s\n"

void show_table_head(void)
{
	(void)printf(TABLE_FORMAT, "GATEWAY", "STATE", "GENERATION", "FOR",
		     "LAST REQUEST", "PID", "WHY");
}

static const char *ago(char ret[WHEN_BYTES], int64_t at_ms)
{
	return at_ms == 0 ? "-" : when_span(ret, clock_wall_ms() - at_ms);
}

void show_table_row(const struct view *view)
{
	const struct gateway_row *row = &view->row;
	char since[WHEN_BYTES], used[WHEN_BYTES];
	char generation[24], pid[16] = "-";

	(void)snprintf(generation, sizeof(generation), "%lld",
		       (long long)row->generation);
	if (row->process.pid)
		(void)snprintf(pid, sizeof(pid), "%d", (int)row->process.pid);
	(void)printf(TABLE_FORMAT, row->name, gateway_state_names[row->state],
		     generation, ago(since, row_since_ms(row)),
		     ago(used, row->last_request_ms), pid,
		     *row->detail ? row->detail : row->reason);
}
