#include "config.h"

#include <string.h>

#include "base/deadline.h"
#include "edge/admin_private.h"
#include "edge/panel.h"
#include "edge/route.h"

#include "base/banned.h"

#define LOCATION_BYTES 512
#define RUNS_MAX       20 /* by one button */

static bool look(struct admin *admin, struct panel *panel)
{
	struct err err;

	panel->call = admin->call;
	if (panel_look(panel, &err) == 0)
		return true;
	call_problem(admin->call, PROBLEM_STORE, err.text);
	return false;
}

/* --- reading it -------------------------------------------------------------- */

static void see(struct admin *admin, const char *location)
{
	struct call *call = admin->call;

	buffer_clear(&call->out);
	problem_see_head(&call->out, location, call_id(call));
	call_send(call);
}

/* Without its last '/' addresses in it would lead elsewhere. */
void admin_panel_place(struct admin *admin)
{
	const char *path = admin->call->gateway->page_path;
	char location[LOCATION_BYTES];

	(void)snprintf(location, sizeof(location), "%s/",
		       strrchr(path, '/') + 1);
	see(admin, location);
}

void admin_panel(struct admin *admin)
{
	struct panel panel = { 0 };
	struct slice word;

	if (!look(admin, &panel))
		return;
	if (admin_query(admin, "done", &word))
		panel.said = panel_done(word);
	panel_send(&panel);
}

void admin_panel_confirm(struct admin *admin)
{
	static const struct admin_number number = { "snapshot", 0, INT64_MAX,
						    0 };
	struct panel panel = { 0 };
	struct slice word = { 0 };
	int64_t snapshot = 0;

	if (!admin_number(admin, &number, &snapshot) || !look(admin, &panel))
		return;
	if (!admin_query(admin, "do", &word))
		see(admin, "./");
	else if (!panel_ask(&panel, word, snapshot))
		call_problem(admin->call, PROBLEM_NOT_FOUND,
			     "nothing to be asked for");
}

/* --- what comes of a button -------------------------------------------------- */

void admin_panel_done(struct admin *admin)
{
	char location[LOCATION_BYTES];
	const struct request *request = &admin->call->request;
	const char *end = request->path.data + request->path.len;
	size_t len = 0;

	while (end[-1 - (ptrdiff_t)len] != '/')
		len++;
	(void)snprintf(location, sizeof(location), "./?done=%.*s", (int)len,
		       end - len);
	see(admin, location);
}

void admin_panel_refuse(struct admin *admin, enum problem_code code,
			const char *detail)
{
	struct panel panel = {
		.said = detail,
		.refused = true,
		.problem = code,
	};

	if (!look(admin, &panel))
		return;
	admin->call->status = problem_status(code);
	admin->call->problem = code;
	panel_send(&panel);
}

/* --- the buttons ------------------------------------------------------------- */

static const char *field(const struct admin *admin, const char *name)
{
	const char *text =
		json_string_value(json_object_get(admin->body, name));

	return text ? text : "";
}

void admin_panel_stop(struct admin *admin)
{
	struct operation operation = {
		.kind = OPERATION_STOP,
		.hold = strcmp(field(admin, "hold"), "1") == 0,
		.join = true,
	};

	admin_operate(admin, &operation);
}

void admin_panel_restore(struct admin *admin)
{
	struct operation operation = { .kind = OPERATION_RESTORE };
	const char *text = field(admin, "snapshot");

	for (; *text >= '0' && *text <= '9' && operation.snapshot < INT32_MAX;
	     text++)
		operation.snapshot = operation.snapshot * 10 + (*text - '0');
	if (*text || operation.snapshot == 0)
		admin_refuse(admin, PROBLEM_BAD_REQUEST,
			     "snapshot must be the id of one");
	else
		admin_operate(admin, &operation);
}

/* The values of one run: where a name came several times, the index-th of it.
 * NULL: there is no such run. */
static json_t *values_of(json_t *body, size_t index)
{
	json_t *values = json_object();
	json_t *member;
	const char *name;
	bool any = json_object_size(body) == 0 && index == 0;

	json_object_foreach(body, name, member)
	{
		json_t *value = json_is_array(member)
					? json_array_get(member, index)
				: index == 0 ? member
					     : NULL;

		any = any || value;
		if (value)
			(void)json_object_set(values, name, value);
	}
	if (any)
		return values;
	json_decref(values);
	return NULL;
}

/* Each with the values of its row; the last one that ran, or the first that failed,
 * is shown. False: one could not be run, and that was answered. */
static bool run_each(struct admin *admin, const struct action_settings *action,
		     struct action_end *end)
{
	json_t *values;
	bool ran = true;

	for (size_t i = 0; ran && i < RUNS_MAX; i++) {
		values = values_of(admin->body, i);
		if (!values)
			break;
		action_end_release(end);
		ran = admin_run_action(admin, action, values, end);
		json_decref(values);
		if (ran && !end->success)
			break;
	}
	return ran;
}

static void add_result(struct panel *panel,
		       const struct action_settings *action,
		       const struct action_end *end)
{
	panel->results[panel->results_count++] =
		(struct panel_result){ action, end };
}

static bool is_empty(const json_t *printed)
{
	return json_is_null(printed) ||
	       (json_is_string(printed) && json_string_length(printed) == 0);
}

static bool says_nothing(const struct action_end *end)
{
	return end->success && !end->cut && is_empty(end->output) &&
	       is_empty(end->errors);
}

/* What there is to be shown was printed just now and is kept nowhere, so it is
 * answered at once; all else by "look there", so that to load it again runs
 * nothing. */
static void show_results(struct admin *admin, struct panel *panel)
{
	if (panel->results_count == 1 && says_nothing(panel->results[0].end))
		admin_panel_done(admin);
	else if (look(admin, panel))
		panel_send(panel);
}

/* ?run=NAME, and then=NAME of the one whose table the button was in. */
void admin_panel_action(struct admin *admin)
{
	const struct gateway_settings *gateway = admin->call->gateway;
	const struct action_settings *action, *then = NULL;
	struct action_end end = { 0 }, then_end = { 0 };
	json_t *none = json_object();
	struct panel panel = { 0 };
	struct slice word;
	bool ran = false;

	if (!admin_query(admin, "run", &admin->name))
		admin->name = (struct slice){ "", 0 };
	if (admin_query(admin, "then", &word))
		then = action_find(gateway, word);
	action = admin_find_action(admin);
	if (action)
		ran = run_each(admin, action, &end);
	if (ran && then && then != action && !then->parameters->name)
		ran = admin_run_action(admin, then, none, &then_end);
	else
		then = NULL;
	if (ran)
		add_result(&panel, action, &end);
	if (ran && then)
		add_result(&panel, then, &then_end);
	if (ran)
		show_results(admin, &panel);
	action_end_release(&end);
	action_end_release(&then_end);
	json_decref(none);
}
