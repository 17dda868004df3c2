#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/redact.h"
#include "gateway/keeper_private.h"
#include "store/observed.h"

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
	redact_all(keeper->row.detail, sizeof(keeper->row.detail));
}

void keeper_count(struct keeper *keeper, const char *name, const char *label)
{
	const struct count count = { keeper->row.name, name, label, 1 };
	struct err ignored;

	(void)store_count(keeper->store, &count, 1, &ignored);
}

/* What is fulfilled is no wish any more, whatever the database says. */
static void drop_wish(const struct keeper *keeper, struct gateway_row *row)
{
	if (!keeper->wish_done || !row->restore_wanted ||
	    row->restore_snapshot != keeper->wish.snapshot)
		return;
	row->restore_wanted = false;
	row->restore_snapshot = 0;
}

/* Our row goes into a database that has none or an older one; what people asked for
 * there meanwhile stays asked. */
static int rescue_into(struct keeper *keeper, const struct gateway_row *found,
		       struct err *err)
{
	struct gateway_row *row = &keeper->row;

	if (found->generation < row->generation && found->want != WANT_RUN) {
		row->want = found->want;
		row->hold = found->hold;
	}
	if (found->generation < row->generation && found->restore_wanted) {
		row->restore_wanted = true;
		row->restore_snapshot = found->restore_snapshot;
	}
	if (store_rescue(keeper->store, row, err))
		return -1;
	keeper->wish_done = false;
	return 0;
}

/* The database was replaced or is damaged. */
static int rescue(struct keeper *keeper, struct err *err)
{
	struct gateway_row found;

	if (!keeper->unsaved) /* else it was told */
		log_line(LEVEL_WARNING,
			 "gateway=%s msg=\"%s; opening it anew\"",
			 keeper->row.name, err->text);
	if (store_reopen(keeper->store, err) ||
	    store_read(keeper->store, keeper->row.name, &found, err))
		return -1;
	drop_wish(keeper, &found);
	return rescue_into(keeper, &found, err);
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

static int write_once(struct keeper *keeper, const struct event *event,
		      struct err *err)
{
	struct gateway_row row = keeper->row;

	if (!keeper->wish_done)
		return store_write(keeper->store, &row, event, err);
	row.restore_wanted = keeper->wish.wanted;
	row.restore_snapshot = keeper->wish.snapshot;
	if (store_restored(keeper->store, &row, event, err))
		return -1;
	keeper->wish_done = false;
	return 0;
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
	if (write_once(keeper, kind ? &event : NULL, &err) == 0) {
		keeper->unsaved = false;
		return;
	}
	if (is_replaced(&err) && rescue(keeper, &err) == 0 &&
	    (!kind || store_event(keeper->store, &event, &err) == 0))
		return;
	failed(keeper, &err);
}

void keeper_take_wish(struct keeper *keeper)
{
	keeper->wish = (struct wish){ keeper->row.restore_wanted,
				      keeper->row.restore_snapshot };
}

void keeper_write_restored(struct keeper *keeper, const char *kind,
			   const char *detail)
{
	keeper->wish_done = keeper->wish.wanted;
	drop_wish(keeper, &keeper->row);
	keeper_write(keeper, kind, detail);
}

void keeper_sign(struct keeper *keeper)
{
	struct process_self self;

	process_self(&self);
	/* of another boot: pids and start times mean others */
	if (keeper->pidfd < 0 && keeper->row.owner_boot[0] && self.boot[0] &&
	    strcmp(keeper->row.owner_boot, self.boot) != 0)
		keeper->row.process = (struct process_id){ .pid = 0 };
	keeper->row.owner = self.id;
	if (self.boot[0])
		(void)snprintf(keeper->row.owner_boot,
			       sizeof(keeper->row.owner_boot), "%s", self.boot);
	keeper_write(keeper, NULL, NULL);
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
	drop_wish(keeper, &fresh);
	if (fresh.generation > row->generation) {
		(void)err_set(&err, ERR_BUSY, "generation %lld",
			      (long long)fresh.generation);
		failed(keeper, &err);
		return;
	}
	if (fresh.generation < row->generation) { /* a new, empty database */
		if (rescue_into(keeper, &fresh, &err))
			failed(keeper, &err);
		return;
	}
	row->want = fresh.want;
	row->hold = fresh.hold;
	row->restore_wanted = fresh.restore_wanted;
	row->restore_snapshot = fresh.restore_snapshot;
	row->last_request_ms = fresh.last_request_ms;
	row->answered_ms = fresh.answered_ms;
}

void keeper_heartbeat(struct keeper *keeper)
{
	if (!deadline_passed(keeper->next_heartbeat) &&
	    !lifecycle_clock_was_set(clock_wall_ms(), keeper->row.heartbeat_ms,
				     (int64_t)keeper->gateway->lease_s * 1000))
		return;
	if (keeper->row.owner.start == 0) /* /proc did not answer before */
		keeper_sign(keeper);
	else
		keeper_write(keeper, NULL, NULL);
}
