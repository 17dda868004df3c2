/* action.h - a command of the configuration that an administrator runs
 *
 *	"approve": { "command": ["openclaw", "devices", "approve", "{id}"],
 *		     "parameters": { "id": "^[A-Za-z0-9-]+$" } }
 *
 * {NAME} in a word stands for the parameter's value, which must match its
 * expression as a whole. A value never makes a word of its own: it is neither split
 * nor seen by a shell; and one that begins with '-' is refused where it begins a
 * word, since the command would take it for an option.
 */
#ifndef WAKEGATE_ACTION_H
#define WAKEGATE_ACTION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/http1.h"
#include "gateway/settings.h"

#define ACTION_OUTPUT_BYTES 262144
#define ACTION_ERRORS_BYTES 8192
#define ACTION_VALUE_BYTES  1024
#define ACTION_NAME_LEN_MAX 63

/* --- action_name.c */

bool action_is_name(const char *name, size_t len);
bool action_name_is(struct slice name, const char *text);

/* The first {NAME} of a text: its name, without the braces. */
bool action_next_name(const char *text, struct slice *ret);

/* --- action.c */

/* NULL: there is none of that name. */
const struct action_settings *action_find(
	const struct gateway_settings *gateway, struct slice name);

struct action_end {
	bool success;  /* it exited with 0 */
	int exit_code; /* -1: by a signal */
	int exit_signal;
	bool timed_out;
	bool cut;	/* it printed more than is taken */
	json_t *output; /* what it printed: JSON where that is wanted and it is
			 * some, else text */
	json_t *errors; /* a text; JSON null where that is one with output */
};
void action_end_release(struct action_end *end);

/* values: an object of texts and whole numbers, a member for each parameter.
 * ERR_INVALID: one is missing, unknown or of another form, and nothing was run.
 * Secrets of the gateway's are redacted in what it printed. */
int action_run(struct action_end *ret, const struct gateway_settings *gateway,
	       const struct action_settings *action, json_t *values,
	       struct err *err);

/* A copy without the gateway's secrets, and without the values of members that are
 * named as secrets are. */
json_t *action_redacted(json_t *value, const struct gateway_settings *gateway);

#endif
