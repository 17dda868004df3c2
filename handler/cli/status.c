#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/show.h"

#include "base/banned.h"

struct output {
	json_t *list; /* gets the JSON; NULL: for people */
	bool table;
	int rows;
};

static enum exit_status show_one(const struct session *session,
				 const struct gateway_settings *gateway,
				 void *user, struct err *err)
{
	struct output *output = user;
	struct view view;

	memset(&view, 0, sizeof(view));
	if (view_look(&view, session->settings, gateway, session->store, err))
		return EXIT_FAILED;
	if (output->list)
		(void)json_array_append_new(output->list, view_json(&view));
	else if (!output->table)
		show_people(&view);
	if (output->table && output->rows++ == 0)
		show_table_head();
	if (output->table)
		show_table_row(&view);
	return EXIT_DONE;
}

static int print_json(json_t *list, bool only_one, struct err *err)
{
	json_t *shown = only_one ? json_array_get(list, 0) : list;

	if (json_dumpf(shown, stdout, JSON_INDENT(2)) || putchar('\n') == EOF)
		return err_errno(err, "cannot print the status");
	return 0;
}

enum exit_status status_run(const struct session *session, struct err *err)
{
	struct output output = { .list = NULL };
	enum exit_status status;

	if (session->options->given & OPTION_JSON)
		output.list = json_array();
	else /* one that is named is told at length */
		output.table = !session->gateway && isatty(STDOUT_FILENO);
	status = session_each(session, show_one, &output, err);
	if (output.list && status == EXIT_DONE &&
	    print_json(output.list, session->gateway != NULL, err))
		status = EXIT_FAILED;
	json_decref(output.list);
	return status;
}
