#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/show.h"
#include "gateway/lock.h"
#include "gateway/probe.h"

#include "base/banned.h"

static int look(const struct session *session,
		const struct gateway_settings *gateway, struct view *ret,
		struct err *err)
{
	CLEANUP_FD int fd = -1;

	if (store_read(session->store, gateway->name, &ret->row, err) ||
	    lock_open(&fd, session->settings->state_dir, gateway->name, err) ||
	    lock_is_taken(fd, LOCK_OWNER, &ret->owner_alive, err))
		return -1;
	if (!*ret->row.address)
		(void)snprintf(ret->row.address, sizeof(ret->row.address), "%s",
			       gateway->address_text);
	ret->listening = probe_listens(&gateway->address) == 1;
	return 0;
}

/* user: the list that gets the JSON, or NULL for people. */
static enum exit_status show_one(const struct session *session,
				 const struct gateway_settings *gateway,
				 void *user, struct err *err)
{
	struct view view;

	memset(&view, 0, sizeof(view));
	if (look(session, gateway, &view, err))
		return EXIT_FAILED;
	if (user)
		(void)json_array_append_new(user, show_json(&view));
	else
		show_people(&view);
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
	json_t *list = NULL;
	enum exit_status status;

	if (session->options->given & OPTION_JSON)
		list = json_array();
	status = session_each(session, show_one, list, err);
	if (list && status == EXIT_DONE &&
	    print_json(list, session->gateway != NULL, err))
		status = EXIT_FAILED;
	json_decref(list);
	return status;
}
