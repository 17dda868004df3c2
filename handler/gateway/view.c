#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/when.h"
#include "gateway/lock.h"
#include "gateway/probe.h"
#include "gateway/view.h"

#include "base/banned.h"

int view_look(struct view *ret, const struct settings *settings,
	      const struct gateway_settings *gateway, struct store *store,
	      struct err *err)
{
	CLEANUP_FD int fd = -1;

	if (store_read(store, gateway->name, &ret->row, err) ||
	    lock_open(&fd, settings->state_dir, gateway->name, err) ||
	    lock_is_taken(fd, LOCK_OWNER, &ret->owner_alive, err))
		return -1;
	if (!*ret->row.address)
		(void)snprintf(ret->row.address, sizeof(ret->row.address), "%s",
			       gateway->address_text);
	ret->listening = probe_listens(&gateway->address) == 1;
	return 0;
}

int view_row(struct gateway_row *ret, const struct settings *settings,
	     const struct gateway_settings *gateway, struct store *store,
	     struct err *err)
{
	struct view view;

	if (store_read(store, gateway->name, ret, err))
		return -1;
	if (ret->state != STATE_READY)
		return 0;
	if (view_look(&view, settings, gateway, store, err))
		return -1;
	*ret = view.row;
	if (ret->state == STATE_READY && !view.owner_alive && !view.listening)
		ret->state = STATE_STOPPED;
	return 0;
}

json_t *view_text(const char *text)
{
	json_t *shown;
	char *copy, *c;

	if (!*text)
		return json_null();
	shown = json_string(text);
	if (shown)
		return shown;
	copy = strdup(text);
	for (c = copy; c && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	shown = copy ? json_string(copy) : json_null();
	free(copy);
	return shown;
}

static void set(json_t *object, const char *name, json_t *value)
{
	(void)json_object_set_new(object, name, value);
}

static void set_number(json_t *object, const char *name, int64_t number,
		       int64_t none)
{
	set(object, name, number == none ? json_null() : json_integer(number));
}

json_t *view_json(const struct view *view)
{
	const struct gateway_row *row = &view->row;
	json_t *shown = json_object();

	set(shown, "name", view_text(row->name));
	set(shown, "state", json_string(gateway_state_names[row->state]));
	set(shown, "reason", view_text(row->reason));
	set(shown, "detail", view_text(row->detail));
	set(shown, "generation", json_integer(row->generation));
	set_number(shown, "owner_pid", row->owner.pid, 0);
	set_number(shown, "owner_start", (int64_t)row->owner.start, 0);
	set(shown, "owner_boot", view_text(row->owner_boot));
	set(shown, "owner_alive", json_boolean(view->owner_alive));
	set_number(shown, "heartbeat_ms", row->heartbeat_ms, 0);
	set_number(shown, "pid", row->process.pid, 0);
	set_number(shown, "pid_start", (int64_t)row->process.start, 0);
	set(shown, "address", view_text(row->address));
	set(shown, "listening", json_boolean(view->listening));
	set(shown, "adopted", json_boolean(row->adopted));
	set(shown, "want", json_string(want_names[row->want]));
	set(shown, "hold", json_boolean(row->hold));
	set(shown, "restore_wanted", json_boolean(row->restore_wanted));
	set_number(shown, "restore_snapshot", row->restore_snapshot, 0);
	set_number(shown, "progress_bytes", row->progress_bytes, 0);
	set_number(shown, "progress_total", row->progress_total, 0);
	set_number(shown, "snapshot", row->snapshot, 0);
	set_number(shown, "started_ms", row->started_ms, 0);
	set_number(shown, "ready_ms", row->ready_ms, 0);
	set_number(shown, "stopped_ms", row->stopped_ms, 0);
	set_number(shown, "last_request_ms", row->last_request_ms, 0);
	set_number(shown, "answered_ms", row->answered_ms, 0);
	set_number(shown, "exit_code", row->exit_code, EXIT_CODE_NONE);
	set_number(shown, "exit_signal", row->exit_signal, 0);
	set(shown, "failures", json_integer(row->failures));
	set_number(shown, "retry_at_ms", row->retry_at_ms, 0);
	set(shown, "output_tail", view_text(row->output_tail));
	return shown;
}

json_t *view_event(const struct event *event)
{
	json_t *detail =
		event->detail ? json_loads(event->detail, 0, NULL) : NULL;
	char when[WHEN_BYTES];

	if (!detail)
		detail = view_text(event->detail ? event->detail : "");
	return json_pack(
		"{s:I, s:I, s:s, s:o, s:I, s:s, s:o, s:o, s:o}", "id",
		(json_int_t)event->id, "at_ms", (json_int_t)event->at_ms, "at",
		when_utc(when, event->at_ms), "gateway",
		view_text(event->gateway), "generation",
		(json_int_t)event->generation, "kind", event->kind, "pid",
		event->pid ? json_integer(event->pid) : json_null(), "request",
		view_text(event->request), "detail", detail);
}

json_t *view_snapshot(const struct snapshot_row *row)
{
	json_t *shown = json_object();
	char when[WHEN_BYTES];

	set(shown, "id", json_integer(row->id));
	set(shown, "state", json_string(snapshot_state_names[row->state]));
	set(shown, "generation", json_integer(row->generation));
	set(shown, "created_ms", json_integer(row->created_ms));
	set(shown, "created", json_string(when_utc(when, row->created_ms)));
	set(shown, "bytes", json_integer(row->bytes));
	set(shown, "files", json_integer(row->files));
	set(shown, "content_bytes", json_integer(row->content_bytes));
	set(shown, "sha256", view_text(row->sha256));
	set(shown, "path", view_text(row->path));
	set(shown, "remote", view_text(row->remote));
	return shown;
}
