#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "edge/access.h"
#include "edge/loading.h"
#include "edge/page.h"
#include "gateway/output.h"

#include "base/banned.h"

#define LINES_NEWEST 12

/* The row has the end of what the last process said; what runs now says more. */
static const char *newest_output(struct call *call, char **text)
{
	struct err ignored; /* there may be none yet */

	if (*call->row.output_tail)
		return call->row.output_tail;
	if (output_lines(text, call->settings->state_dir, call->gateway,
			 LINES_NEWEST, &ignored))
		return "";
	return *text;
}

/* text: to be freed after the page is made. */
static struct page page_of(struct call *call, char **text)
{
	const struct gateway_settings *gateway = call->gateway;
	bool admin =
		access_is_admin(&call->request, call->settings->admin_users);
	struct page page = {
		.gateway = gateway->name,
		.row = &call->row,
		.outlook = call_outlook(call),
		.mount = strcmp(gateway->mount, "/") == 0 ? "" : gateway->mount,
		.status_path = gateway->status_path,
		.panel_path = gateway->page_path,
		.target = call->request.target,
		.admin = admin,
		.verdict = call->request.role == ROLE_AUTHORIZER,
		.id = call_id(call),
	};

	if (admin || gateway->show_output_to_anyone)
		page.output = newest_output(call, text);
	return page;
}

void loading_send(struct call *call)
{
	CLEANUP_FREE char *text = NULL;
	struct page page;
	struct err ignored; /* then what was read before will do */

	/* who has just claimed it has the row from before */
	(void)store_read(call->store, call->gateway->name, &call->row,
			 &ignored);
	page = page_of(call, &text);
	buffer_clear(&call->out);
	page_render(&call->out, &page);
	call->status = 503;
	call->paged = true;
	call_send(call);
}

bool loading_is_asked(const struct request *request)
{
	struct slice target = request->target;
	size_t len = request->path.len + 1; /* and the question mark */

	return target.len == len + strlen(PAGE_QUERY) &&
	       memcmp(target.data + len, PAGE_QUERY, strlen(PAGE_QUERY)) == 0;
}

json_t *loading_json(struct call *call)
{
	CLEANUP_FREE char *text = NULL;
	struct page page = page_of(call, &text);

	return page_json(&page);
}
