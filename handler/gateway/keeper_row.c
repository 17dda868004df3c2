#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "gateway/keeper_private.h"

#include "base/banned.h"

enum lifecycle_action keeper_decide(struct keeper *keeper,
				    enum lifecycle_event event)
{
	struct lifecycle_step step = lifecycle_next(keeper->row.state, event);

	keeper->row.state = step.state;
	return step.action;
}

bool keeper_wants_end(const struct keeper *keeper)
{
	return keeper->told_to_end || keeper->row.want != WANT_RUN;
}

void keeper_reason(struct keeper *keeper, const char *reason,
		   const char *format, ...)
{
	va_list args;

	(void)snprintf(keeper->row.reason, sizeof(keeper->row.reason), "%s",
		       reason);
	va_start(args, format);
	(void)vsnprintf(keeper->row.detail, sizeof(keeper->row.detail), format,
			args);
	va_end(args);
}

/* The database was replaced or is damaged: our row goes into the new one. */
static int rescue(struct keeper *keeper, struct err *err)
{
	log_line(LEVEL_WARNING, "gateway=%s msg=\"%s; opening it anew\"",
		 keeper->row.name, err->text);
	if (store_reopen(keeper->store, err))
		return -1;
	return store_rescue(keeper->store, &keeper->row, err);
}

static void failed(struct keeper *keeper, const struct err *err)
{
	if (err->code == ERR_BUSY) {
		keeper->lost = true;
		log_line(LEVEL_WARNING,
			 "gateway=%s generation=%lld msg=\"another generation "
			 "owns the row, letting go\"",
			 keeper->row.name, (long long)keeper->row.generation);
		return;
	}
	if (!keeper->unsaved)
		log_line(
			LEVEL_ERROR,
			"gateway=%s msg=\"cannot write the row: %s, going on\"",
			keeper->row.name, err->text);
	keeper->unsaved = true;
}

static bool is_replaced(const struct err *err)
{
	return err->code == ERR_STORE_MOVED || err->code == ERR_CORRUPT;
}

void keeper_write(struct keeper *keeper, const char *kind, const char *detail)
{
	struct event event = { .generation = keeper->row.generation,
			       .pid = keeper->row.process.pid,
			       .detail = detail };
	struct err err;

	if (keeper->lost)
		return;
	keeper->row.heartbeat_ms = clock_wall_ms();
	keeper->next_heartbeat =
		deadline_in((int64_t)keeper->gateway->lease_s * 1000 / 3);
	if (kind) {
		(void)snprintf(event.gateway, sizeof(event.gateway), "%s",
			       keeper->row.name);
		(void)snprintf(event.kind, sizeof(event.kind), "%s", kind);
		log_line(LEVEL_INFO, "gateway=%s generation=%lld event=%s %s",
			 keeper->row.name, (long long)keeper->row.generation,
			 kind, detail ? detail : "");
	}
	if (store_write(keeper->store, &keeper->row, kind ? &event : NULL,
			&err) == 0) {
		keeper->unsaved = false;
		return;
	}
	if (is_replaced(&err) && rescue(keeper, &err) == 0 &&
	    (!kind || store_event(keeper->store, &event, &err) == 0))
		return;
	failed(keeper, &err);
}

void keeper_read(struct keeper *keeper)
{
	struct gateway_row *row = &keeper->row;
	struct gateway_row fresh;
	struct err err;

	if (keeper->lost)
		return;
	if (keeper->unsaved)
		keeper_write(keeper, NULL, NULL);
	if (store_read(keeper->store, row->name, &fresh, &err)) {
		if (is_replaced(&err) && rescue(keeper, &err))
			failed(keeper, &err);
		return;
	}
	if (fresh.generation > row->generation) {
		(void)err_set(&err, ERR_BUSY, "generation %lld",
			      (long long)fresh.generation);
		failed(keeper, &err);
		return;
	}
	if (fresh.generation < row->generation) { /* a new, empty database */
		if (store_rescue(keeper->store, row, &err))
			failed(keeper, &err);
		return;
	}
	row->want = fresh.want;
	row->hold = fresh.hold;
	row->restore_wanted = fresh.restore_wanted;
	row->last_request_ms = fresh.last_request_ms;
	row->answered_ms = fresh.answered_ms;
}

void keeper_heartbeat(struct keeper *keeper)
{
	if (deadline_passed(keeper->next_heartbeat))
		keeper_write(keeper, NULL, NULL);
}
