#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "edge/admin_private.h"
#include "gateway/output.h"
#include "gateway/view.h"

#include "base/banned.h"

#define EVENTS_NEWEST  20  /* beside the row */
#define EVENTS_AT_ONCE 200 /* of those that came after one */
#define TAIL_LINES     50

struct list {
	json_t *events;
	int64_t last;
	size_t max; /* then it stops */
};

static int add_event(const struct event *event, void *user)
{
	struct list *list = user;

	list->last = event->id;
	(void)json_array_append_new(list->events, view_event(event));
	return json_array_size(list->events) == list->max;
}

static int read_events(struct admin *admin, int64_t after, int newest,
		       struct list *list, struct err *err)
{
	const char *name = admin->call->gateway->name;

	return store_events(admin->call->store, name, after, newest, add_event,
			    list, err);
}

/* The row has the end of what the last process said; what runs now says more. */
static void add_output(struct admin *admin, const struct view *view,
		       json_t *shown)
{
	CLEANUP_FREE char *text = NULL;
	struct err ignored; /* there may be none yet */

	if (!*view->row.output_tail &&
	    output_lines(&text, admin->call->settings->state_dir,
			 admin->call->gateway, TAIL_LINES, &ignored) == 0)
		admin_set(shown, "output_tail", view_text(text));
}

void admin_gateway(struct admin *admin)
{
	struct call *call = admin->call;
	struct list list = { .events = json_array(), .max = EVENTS_NEWEST + 1 };
	char problem[512] = "";
	struct view view;
	json_t *shown;
	struct err err;

	memset(&view, 0, sizeof(view));
	if (view_look(&view, call->settings, call->gateway, call->store,
		      &err) ||
	    read_events(admin, 0, EVENTS_NEWEST, &list, &err) < 0) {
		json_decref(list.events);
		admin_failed(admin, &err);
		return;
	}
	shown = view_json(&view);
	add_output(admin, &view, shown);
	admin_set(shown, "events", list.events);
	(void)edge_config_problem(call->edge, problem, sizeof(problem));
	admin_set(shown, "config_error", view_text(problem));
	admin_reply(admin, true, shown);
}

/* Where a database was replaced its ids are small again: then `last` says so. */
static int find_last(struct admin *admin, int64_t *ret, struct err *err)
{
	struct list list = { .events = json_array(), .max = 1 };
	int result = read_events(admin, 0, 1, &list, err);

	json_decref(list.events);
	*ret = list.last;
	return result < 0 ? -1 : 0;
}

void admin_events(struct admin *admin)
{
	static const struct admin_number number = { "after", 0, INT64_MAX, -1 };
	struct list list = { .max = EVENTS_AT_ONCE };
	int64_t after = 0;
	json_t *shown;
	struct err err;
	int stopped;

	if (!admin_number(admin, &number, &after))
		return;
	list.events = json_array();
	stopped = read_events(admin, after < 0 ? 0 : after,
			      after < 0 ? EVENTS_AT_ONCE : 0, &list, &err);
	if (stopped >= 0 && list.last == 0 &&
	    find_last(admin, &list.last, &err))
		stopped = -1;
	if (stopped < 0) {
		json_decref(list.events);
		admin_failed(admin, &err);
		return;
	}
	shown = json_object();
	admin_set(shown, "events", list.events);
	admin_set(shown, "last", json_integer(list.last));
	admin_set(shown, "more", json_boolean(stopped > 0 && after >= 0));
	admin_reply(admin, true, shown);
}

static json_t *lines_of(char *text)
{
	json_t *lines = json_array();
	char *rest = text;
	char *line;

	while (*text && (line = strsep(&rest, "\n")))
		(void)json_array_append_new(lines, *line ? view_text(line)
							 : json_string(""));
	return lines;
}

void admin_log(struct admin *admin)
{
	static const struct admin_number number = { "lines", 1, 1000, 50 };
	CLEANUP_FREE char *text = NULL;
	struct call *call = admin->call;
	int64_t lines = 0;
	json_t *shown;
	struct err err;

	if (!admin_number(admin, &number, &lines))
		return;
	if (output_lines(&text, call->settings->state_dir, call->gateway,
			 (int)lines, &err)) {
		admin_failed(admin, &err);
		return;
	}
	shown = json_object();
	admin_set(shown, "gateway", json_string(call->gateway->name));
	admin_set(shown, "lines", lines_of(text));
	admin_reply(admin, true, shown);
}
