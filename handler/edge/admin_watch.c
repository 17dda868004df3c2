/* What programs watch, and what a single request met. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/log.h"
#include "edge/admin_private.h"
#include "edge/explain.h"
#include "edge/metrics.h"
#include "edge/spill.h"

#include "base/banned.h"

#define METRICS_BYTES_MAX (1 << 20)

static int read_all(struct admin *admin, struct metrics *all, struct err *err)
{
	const struct settings *settings = admin->call->settings;

	for (size_t i = 0; i < settings->gateways_count; i++)
		if (metrics_read(&all[i], settings, &settings->gateways[i],
				 admin->call->store, err))
			return -1;
	return 0;
}

/* What is on its way: ours, and what CGI processes left. */
static void collect(struct call *call)
{
	struct err err;

	edge_flush(call->edge);
	if (spill_collect(call->settings->state_dir, call->store, &err))
		log_line(LEVEL_WARNING, "request=%s msg=\"%s, going on\"",
			 call_id(call), err.text);
}

void admin_metrics(struct admin *admin)
{
	size_t len = admin->call->settings->gateways_count;
	struct metrics *all = calloc(len, sizeof(*all));
	struct buffer text = BUFFER_INIT(METRICS_BYTES_MAX);
	struct err err;

	collect(admin->call);
	if (!all) {
		(void)err_set(&err, ERR_LIMIT, "out of memory");
		admin_failed(admin, &err);
		return;
	}
	if (read_all(admin, all, &err)) {
		admin_failed(admin, &err);
	} else {
		metrics_render(&text, all, len, clock_wall_ms());
		admin_reply_text(admin, METRICS_TYPE, &text);
	}
	for (size_t i = 0; i < len; i++)
		metrics_free(&all[i]);
	free(all);
	buffer_free(&text);
}

void admin_explain(struct admin *admin)
{
	char id[REQUEST_ID_BYTES];
	json_t *shown = NULL;
	struct err err;

	(void)snprintf(id, sizeof(id), "%.*s", (int)admin->name.len,
		       admin->name.data);
	if (admin->name.len >= sizeof(id))
		admin_refuse(admin, PROBLEM_NOT_FOUND, "%s", EXPLAIN_NOTHING);
	else if (explain(&shown, admin->call->store, id, &err))
		admin_failed(admin, &err);
	else
		admin_reply(admin, true, shown);
}
