/* admin_private.h - what the files of admin share
 *
 *	admin.c		the table; access, method
 *	admin_body.c	what the request brings
 *	admin_reply.c	queries and answers
 *	admin_show.c, admin_operate.c, admin_storage.c, admin_action.c	the endpoints
 *	admin_watch.c	metrics, explain
 *	admin_panel.c	those of the operator's page
 */
#ifndef WAKEGATE_ADMIN_PRIVATE_H
#define WAKEGATE_ADMIN_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/admin.h"
#include "gateway/action.h"
#include "gateway/operation.h"

/* --- admin_body.c */

/* False: it is not what the route takes, and that was answered. */
bool admin_read_body(struct admin *admin, const struct admin_route *route);

/* --- admin_reply.c */

/* Sends the JSON and lets go of it. done: 200, else 202. */
void admin_reply(struct admin *admin, bool done, json_t *json);

/* Sends what is no JSON. */
void admin_reply_text(struct admin *admin, const char *type,
		      const struct buffer *text);

/* Who did it, for the log. */
void admin_note(struct admin *admin, const char *what);

/* The value of NAME in the query, as it came; false: there is none. */
bool admin_query(const struct admin *admin, const char *name,
		 struct slice *ret);

/* The members of the answer's JSON. */
void admin_set(json_t *object, const char *name, json_t *value);

/* A refusal with a sentence of its own, for the one who asks and the log. */
void admin_refuse(struct admin *admin, enum problem_code code,
		  const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void admin_failed(struct admin *admin, const struct err *err);

/* NAME=NUMBER of the query; fallback where it is not there. False: it is none
 * from min to max, and that was answered. */
struct admin_number {
	const char *name;
	int64_t min, max, fallback;
};
bool admin_number(struct admin *admin, const struct admin_number *number,
		  int64_t *ret);

/* --- admin_operate.c */

/* Runs it, and answers; what it needs to know of the call is filled in. */
void admin_operate(struct admin *admin, struct operation *operation);

/* --- admin_action.c */

/* The one that the path names; NULL: there is none, and that was answered. */
const struct action_settings *admin_find_action(struct admin *admin);

/* Runs it and notes that. False: it could not be run, and that was answered. */
bool admin_run_action(struct admin *admin, const struct action_settings *action,
		      json_t *values, struct action_end *ret);

/* --- admin_panel.c: for who asks by the page, instead of JSON */

/* "Look there": the page says that it was done. */
void admin_panel_done(struct admin *admin);

/* The page says why it was not. */
void admin_panel_refuse(struct admin *admin, enum problem_code code,
			const char *detail);

/* --- the endpoints */
void admin_explain(struct admin *admin);
void admin_gateway(struct admin *admin);
void admin_metrics(struct admin *admin);
void admin_events(struct admin *admin);
void admin_log(struct admin *admin);
void admin_start(struct admin *admin);
void admin_stop(struct admin *admin);
void admin_restart(struct admin *admin);
void admin_reset(struct admin *admin);
void admin_storage(struct admin *admin);
void admin_sync(struct admin *admin);
void admin_restore(struct admin *admin);
void admin_actions(struct admin *admin);
void admin_action(struct admin *admin);
void admin_panel(struct admin *admin);
void admin_panel_place(struct admin *admin);
void admin_panel_confirm(struct admin *admin);
void admin_panel_stop(struct admin *admin);
void admin_panel_restore(struct admin *admin);
void admin_panel_action(struct admin *admin);

#endif
