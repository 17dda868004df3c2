#include "config.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "edge/admin_private.h"
#include "gateway/action.h"

#include "base/banned.h"

static json_t *names_of(const struct action_settings *action)
{
	const struct action_parameter *one = action->parameters;
	json_t *names = json_array();

	for (; one->name; one++)
		(void)json_array_append_new(names, json_string(one->name));
	return names;
}

void admin_actions(struct admin *admin)
{
	const struct action_settings *one = admin->call->gateway->actions;
	json_t *list = json_array();
	json_t *shown = json_object();

	for (; one->name; one++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:o, s:s}", "name", one->name,
					"parameters", names_of(one), "output",
					one->json ? "json" : "text"));
	admin_set(shown, "actions", list);
	admin_reply(admin, true, shown);
}

/* Who ran what, with which values, and what came of it. */
static void audit(struct admin *admin, const struct action_settings *action,
		  json_t *values, const struct action_end *end)
{
	const struct call *call = admin->call;
	struct event event = { .kind = "action" };
	struct gateway_row row;
	CLEANUP_FREE char *text = NULL;
	struct err err;
	json_t *detail = json_pack(
		"{s:s, s:o, s:b, s:s}", "action", action->name, "parameters",
		action_redacted(values, call->gateway), "success", end->success,
		"by", admin->access == ACCESS_USER ? "user" : "token");

	if (admin->access == ACCESS_USER)
		admin_set(detail, "user",
			  json_string(call->request.remote_user));
	if (end->exit_code >= 0)
		admin_set(detail, "exit", json_integer(end->exit_code));
	text = json_dumps(detail, JSON_COMPACT);
	json_decref(detail);
	memccpy(event.gateway, call->gateway->name, 0, sizeof(event.gateway));
	memccpy(event.request, call->id, 0, sizeof(event.request));
	event.detail = text;
	if (store_read(call->store, call->gateway->name, &row, &err) == 0)
		event.generation = row.generation;
	if (store_event(call->store, &event, &err))
		log_line(LEVEL_WARNING, "request=%s msg=\"%s\"", call->id,
			 err.text);
}

bool admin_run_action(struct admin *admin, const struct action_settings *action,
		      json_t *values, struct action_end *ret)
{
	struct err err;

	(void)call_id(admin->call);
	if (action_run(ret, admin->call->gateway, action, values, &err)) {
		if (err.code == ERR_INVALID)
			admin_refuse(admin, PROBLEM_BAD_REQUEST, "%s",
				     err.text);
		else
			admin_refuse(admin, PROBLEM_ACTION_FAILED, "%s",
				     err.text);
		return false;
	}
	admin_note(admin, action->name);
	audit(admin, action, values, ret);
	return true;
}

static void reply(struct admin *admin, const struct action_settings *action,
		  struct action_end *end)
{
	json_t *shown;

	if (end->timed_out) {
		admin_refuse(admin, PROBLEM_OPERATION_TIMEOUT,
			     "'%s' was not done in %d s, and was killed",
			     action->name, action->timeout_s);
		return;
	}
	shown = json_object();
	admin_set(shown, "success", json_boolean(end->success));
	admin_set(shown, "exit",
		  end->exit_code >= 0 ? json_integer(end->exit_code)
				      : json_null());
	if (end->exit_signal)
		admin_set(shown, "signal", json_integer(end->exit_signal));
	admin_set(shown, "output", json_incref(end->output));
	if (!json_is_null(end->errors))
		admin_set(shown, "errors", json_incref(end->errors));
	admin_set(shown, "cut", json_boolean(end->cut));
	admin_reply(admin, true, shown);
}

const struct action_settings *admin_find_action(struct admin *admin)
{
	const struct action_settings *action =
		action_find(admin->call->gateway, admin->name);

	if (!action)
		admin_refuse(admin, PROBLEM_NOT_FOUND,
			     "no action has this name");
	return action;
}

void admin_action(struct admin *admin)
{
	const struct action_settings *action = admin_find_action(admin);
	struct action_end end = { 0 };

	if (!action || !admin_run_action(admin, action, admin->body, &end))
		return;
	reply(admin, action, &end);
	action_end_release(&end);
}
