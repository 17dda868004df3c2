#include "config.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/when.h"
#include "edge/problem.h"
#include "edge/status.h"

#include "base/banned.h"

static void cleanup_json(json_t *const *json)
{
	json_decref(*json);
}

static json_t *time_or_null(int64_t ms)
{
	char text[WHEN_BYTES];

	return ms > 0 ? json_string(when_utc(text, ms)) : json_null();
}

/* What can't be kept apart from the row: its state, as everybody may know it. */
static void render_json(struct buffer *out, const struct status *status)
{
	const struct gateway_row *row = status->row;
	const struct outlook *outlook = &status->outlook;
	bool ready = row->state == STATE_READY;
	CLEANUP_FREE char *text = NULL;
	CLEANUP(cleanup_json) json_t *json = json_object();

	(void)json_object_set_new(json, "ok", json_boolean(ready));
	(void)json_object_set_new(json, "status",
				  json_string(gateway_state_names[row->state]));
	(void)json_object_set_new(json, "gateway",
				  json_string(status->gateway));
	(void)json_object_set_new(json, "generation",
				  json_integer(row->generation));
	(void)json_object_set_new(json, "since",
				  time_or_null(row_since_ms(row)));
	(void)json_object_set_new(
		json, "eta_s",
		outlook->eta_ms >= 0
			? json_real((double)outlook->eta_ms / 1000.0)
			: json_null());
	(void)json_object_set_new(json, "progress",
				  outlook->progress >= 0
					  ? json_real(outlook->progress)
					  : json_null());
	(void)json_object_set_new(json, "reason",
				  row->reason[0] ? json_string(row->reason)
						 : json_null());
	(void)json_object_set_new(json, "retry_at",
				  time_or_null(row->retry_at_ms));
	if (status->config_error)
		(void)json_object_set_new(json, "config_error",
					  json_string(status->config_error));
	if (status->page)
		(void)json_object_set(json, "page", status->page);
	text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6));
	buffer_puts(out, text ? text : "{}");
	buffer_puts(out, "\n");
}

void status_render(struct buffer *out, const struct status *status)
{
	struct buffer body = BUFFER_INIT(32768);

	render_json(&body, status);
	problem_head(out, status->page || status->row->state == STATE_READY,
		     status->outlook.retry_after_s, status->id);
	buffer_puts(out, "Content-Type: application/json\r\n"
			 "X-Content-Type-Options: nosniff\r\n");
	if (!status->head)
		buffer_printf(out, "Content-Length: %zu\r\n", body.len);
	buffer_puts(out, "\r\n");
	if (!status->head && body.len > 0)
		buffer_append(out, body.data, body.len);
	buffer_free(&body);
}
