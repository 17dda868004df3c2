#include "config.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "edge/panel_private.h"
#include "edge/panel_texts.h"
#include "gateway/output.h"

#include "base/banned.h"

#define STARTS_SHOWN	 20
#define EXITS_SHOWN	 5
#define EVENTS_SHOWN	 25
#define DETAIL_BYTES	 200
#define OUTPUT_LINES	 50
#define OUTPUT_BYTES_MAX 6000 /* of the page */
#define OUTPUT_LEAST	 2500

/* --- starts, as a chart ------------------------------------------------------ */

#define CHART_HEIGHT 80
#define BAR_WIDTH    14
#define BAR_STEP     18

static int64_t longest(const struct gateway_start *starts, int count)
{
	int64_t longest = 1;

	for (int i = 0; i < count; i++)
		if (starts[i].took_ms > longest)
			longest = starts[i].took_ms;
	return longest;
}

/* The oldest comes first; each bar says what it is. */
static void put_chart(struct panel *panel, const struct gateway_start *starts,
		      int count)
{
	int64_t top = longest(starts, count);

	panel_printf(panel,
		     "<svg role=\"img\" aria-labelledby=\"chart-title\" "
		     "viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">"
		     "<title id=\"chart-title\">" TEXT_STARTS_CHART
		     "</title>\n",
		     STARTS_SHOWN * BAR_STEP, CHART_HEIGHT,
		     STARTS_SHOWN * BAR_STEP, CHART_HEIGHT);
	for (int i = 0; i < count; i++) {
		const struct gateway_start *start = &starts[count - 1 - i];
		int height = (int)(start->took_ms * CHART_HEIGHT / top);

		height = height < 2 ? 2 : height;
		panel_printf(panel,
			     "<rect x=\"%d\" y=\"%d\" width=\"%d\" "
			     "height=\"%d\"><title>generation %" PRId64
			     ": %.1f s</title></rect>\n",
			     i * BAR_STEP, CHART_HEIGHT - height, BAR_WIDTH,
			     height, start->generation,
			     (double)start->took_ms / 1e3);
	}
	panel_puts(panel, "</svg>\n");
}

void panel_starts(struct panel *panel)
{
	struct gateway_start starts[STARTS_SHOWN];
	struct call *call = panel->call;
	int64_t usual_ms = 0;
	int count = 0;
	struct err err;

	panel_section(panel, "starts", TEXT_STARTS);
	if (store_starts(call->store, call->gateway->name, starts, STARTS_SHOWN,
			 &count, &err) ||
	    store_start_time_usual(call->store, call->gateway->name, &usual_ms,
				   &err)) {
		panel_say(panel, err.text);
	} else if (count == 0) {
		panel_say(panel, TEXT_NO_STARTS);
	} else {
		put_chart(panel, starts, count);
		panel_printf(panel,
			     "<p>Usually %.1f s; the last one %.1f s, the "
			     "longest of %d %.1f s.</p>\n",
			     (double)usual_ms / 1e3,
			     (double)starts[0].took_ms / 1e3, count,
			     (double)longest(starts, count) / 1e3);
	}
	panel_section_end(panel);
}

void panel_exits(struct panel *panel)
{
	struct gateway_exit exits[EXITS_SHOWN];
	struct call *call = panel->call;
	int count = 0;
	struct err err;

	panel_section(panel, "exits", TEXT_EXITS);
	if (store_exits(call->store, call->gateway->name, exits, EXITS_SHOWN,
			&count, &err))
		panel_say(panel, err.text);
	else if (count == 0)
		panel_say(panel, TEXT_NO_EXITS);
	else
		panel_puts(panel, "<ul>\n");
	for (int i = 0; i < count; i++) {
		panel_puts(panel, "<li>");
		panel_time(panel, exits[i].at_ms);
		panel_printf(panel, ", generation %" PRId64 ": ",
			     exits[i].generation);
		if (exits[i].exit_signal)
			panel_printf(panel, "signal %d", exits[i].exit_signal);
		else if (exits[i].exit_code != EXIT_CODE_NONE)
			panel_printf(panel, "exit code %d", exits[i].exit_code);
		else
			panel_puts(panel, "unknown how");
		panel_puts(panel, "</li>\n");
	}
	if (count > 0)
		panel_puts(panel, "</ul>\n");
	panel_section_end(panel);
}

/* --- events ------------------------------------------------------------------ */

struct event_list {
	struct panel *panel;
	json_t *events; /* the oldest first */
};

static int add_event(const struct event *event, void *user)
{
	struct event_list *list = user;

	list->panel->last_event = event->id;
	(void)json_array_append_new(list->events, view_event(event));
	return 0;
}

/* As panel.js has it too. */
static void put_detail(struct panel *panel, json_t *detail)
{
	struct buffer line = BUFFER_INIT(4096);
	const char *name;
	json_t *member;
	char text[DETAIL_BYTES + 4];

	json_object_foreach(detail, name, member)
	{
		CLEANUP_FREE char *dump =
			json_dumps(member, JSON_ENCODE_ANY | JSON_COMPACT);
		const char *shown = json_is_string(member)
					    ? json_string_value(member)
					    : dump;

		buffer_printf(&line, "%s%s: %s", line.len > 0 ? ", " : "", name,
			      shown ? shown : "?");
	}
	if (line.len > 0 && buffer_ok(&line)) {
		size_t len = line.len;

		if (len > DETAIL_BYTES) {
			len = DETAIL_BYTES; /* at no character's middle */
			while (len > 0 &&
			       ((unsigned char)line.data[len] & 0xc0) == 0x80)
				len--;
		}
		memcpy(text, line.data, len);
		memcpy(text + len, "...", line.len > len ? 4 : 1);
		text[line.len > len ? len + 3 : len] = '\0';
		panel_text(panel, text);
	}
	buffer_free(&line);
}

static void put_event(struct panel *panel, json_t *event)
{
	const char *at = json_string_value(json_object_get(event, "at"));

	panel_printf(panel,
		     "<tr><td><time datetime=\"%s\">%.10s %.8s</time></td><td>",
		     at, at, at + 11);
	panel_text(panel, json_string_value(json_object_get(event, "kind")));
	panel_printf(panel, "</td><td>%" JSON_INTEGER_FORMAT "</td><td>",
		     json_integer_value(json_object_get(event, "generation")));
	put_detail(panel, json_object_get(event, "detail"));
	panel_puts(panel, "</td></tr>\n");
}

/* The newest first; true: all of them. */
static bool put_events(struct panel *panel, json_t *events)
{
	size_t left = json_array_size(events);
	bool room = true;

	panel->end = PANEL_BYTES_MAX - PANEL_END_BYTES - OUTPUT_LEAST;
	for (; room && left > 0; left--) {
		size_t mark = panel->call->out.len;

		put_event(panel, json_array_get(events, left - 1));
		room = panel_fits(panel, mark);
	}
	return room;
}

void panel_events(struct panel *panel)
{
	struct event_list list = { panel, json_array() };
	struct call *call = panel->call;
	struct err err = { .text = "" };
	int failed = store_events(call->store, call->gateway->name, 0,
				  EVENTS_SHOWN, add_event, &list, &err);
	bool all;

	panel_section(panel, "events", TEXT_EVENTS);
	panel_printf(panel,
		     "<div class=\"wide\" tabindex=\"0\" role=\"region\" "
		     "aria-label=\"" TEXT_EVENTS
		     "\"><table data-last=\"%" PRId64
		     "\"><thead><tr><th scope=\"col\">UTC</th>"
		     "<th scope=\"col\">Event</th><th scope=\"col\">"
		     "Generation</th><th scope=\"col\">Detail</th></tr>"
		     "</thead><tbody>\n",
		     panel->last_event);
	all = put_events(panel, list.events);
	panel_puts(panel, "</tbody></table></div>\n");
	if (failed < 0)
		panel_say(panel, err.text);
	else if (!all)
		panel_say(panel, TEXT_MORE_EVENTS);
	else if (json_array_size(list.events) == 0)
		panel_say(panel, TEXT_NO_EVENTS);
	json_decref(list.events);
	panel_section_end(panel);
}

/* --- output ------------------------------------------------------------------ */

/* Its last whole lines that fit. */
static const char *last_part(const char *text, size_t max)
{
	const char *at = text + strlen(text);
	const char *begin = at;
	size_t len = 0;

	while (at > text && len + panel_cost(at[-1]) <= max) {
		len += panel_cost(*--at);
		if (at == text || at[-1] == '\n')
			begin = at;
	}
	return begin;
}

static size_t output_room(const struct panel *panel)
{
	size_t size = panel_size(panel) + PANEL_END_BYTES;
	size_t room = size < PANEL_BYTES_MAX ? PANEL_BYTES_MAX - size : 0;

	return room < OUTPUT_BYTES_MAX ? room : OUTPUT_BYTES_MAX;
}

void panel_output(struct panel *panel)
{
	CLEANUP_FREE char *text = NULL;
	struct call *call = panel->call;
	struct err ignored; /* there may be none yet */

	panel_section(panel, "output", TEXT_OUTPUT);
	if (output_lines(&text, call->settings->state_dir, call->gateway,
			 OUTPUT_LINES, &ignored) == 0 &&
	    *text) {
		json_t *valid = view_text(text); /* as UTF-8 */
		const char *shown = json_string_value(valid);

		panel_puts(panel, "<pre tabindex=\"0\" role=\"region\" "
				  "aria-label=\"" TEXT_OUTPUT "\">");
		panel_text(panel,
			   shown ? last_part(shown, output_room(panel)) : "");
		panel_puts(panel, "</pre>\n");
		json_decref(valid);
	} else {
		panel_say(panel, TEXT_NO_OUTPUT);
	}
	panel_section_end(panel);
}
