#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "cli/show.h"
#include "base/when.h"

#include "base/banned.h"

json_t *show_text(const char *text)
{
	json_t *shown;
	char *copy, *c;

	if (!*text)
		return json_null();
	shown = json_string(text);
	if (shown)
		return shown;
	copy = strdup(text);
	for (c = copy; c && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	shown = copy ? json_string(copy) : json_null();
	free(copy);
	return shown;
}

static void set(json_t *object, const char *name, json_t *value)
{
	(void)json_object_set_new(object, name, value);
}

static void set_number(json_t *object, const char *name, int64_t number,
		       int64_t none)
{
	set(object, name, number == none ? json_null() : json_integer(number));
}

json_t *show_json(const struct view *view)
{
	const struct gateway_row *row = &view->row;
	json_t *shown = json_object();

	set(shown, "name", show_text(row->name));
	set(shown, "state", json_string(gateway_state_names[row->state]));
	set(shown, "reason", show_text(row->reason));
	set(shown, "detail", show_text(row->detail));
	set(shown, "generation", json_integer(row->generation));
	set_number(shown, "owner_pid", row->owner.pid, 0);
	set_number(shown, "owner_start", (int64_t)row->owner.start, 0);
	set(shown, "owner_boot", show_text(row->owner_boot));
	set(shown, "owner_alive", json_boolean(view->owner_alive));
	set_number(shown, "heartbeat_ms", row->heartbeat_ms, 0);
	set_number(shown, "pid", row->process.pid, 0);
	set_number(shown, "pid_start", (int64_t)row->process.start, 0);
	set(shown, "address", show_text(row->address));
	set(shown, "listening", json_boolean(view->listening));
	set(shown, "adopted", json_boolean(row->adopted));
	set(shown, "want", json_string(want_names[row->want]));
	set(shown, "hold", json_boolean(row->hold));
	set(shown, "restore_wanted", json_boolean(row->restore_wanted));
	set_number(shown, "snapshot", row->snapshot, 0);
	set_number(shown, "started_ms", row->started_ms, 0);
	set_number(shown, "ready_ms", row->ready_ms, 0);
	set_number(shown, "stopped_ms", row->stopped_ms, 0);
	set_number(shown, "last_request_ms", row->last_request_ms, 0);
	set_number(shown, "answered_ms", row->answered_ms, 0);
	set_number(shown, "exit_code", row->exit_code, EXIT_CODE_NONE);
	set_number(shown, "exit_signal", row->exit_signal, 0);
	set(shown, "failures", json_integer(row->failures));
	set_number(shown, "retry_at_ms", row->retry_at_ms, 0);
	set(shown, "output_tail", show_text(row->output_tail));
	return shown;
}

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
