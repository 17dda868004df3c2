/* When nobody uses the gateway it is stopped; when it is always on, it is started
 * again. */
#include "config.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "gateway/connections.h"
#include "gateway/ensure.h"
#include "gateway/keeper_private.h"
#include "gateway/lock.h"

#include "base/banned.h"

#define LOOK_PARTS    20 /* of idle_stop_s, from one look to the next */
#define LOOK_PARTS_MS 1000
#define LOOK_MAX_MS   30000
#define REST_LOOK_MS  1000

static int64_t look_ms(const struct keeper *keeper)
{
	int64_t idle_ms = (int64_t)keeper->idle_stop_s * 1000;
	int64_t ms = idle_ms / LOOK_PARTS;

	if (ms < LOOK_PARTS_MS)
		ms = idle_ms / 3 < LOOK_PARTS_MS ? idle_ms / 3 : LOOK_PARTS_MS;
	return ms < LOOK_MAX_MS ? ms : LOOK_MAX_MS;
}

/* What can't be asked is taken for use. */
static bool is_shared(const struct keeper *keeper, enum lock_byte byte)
{
	bool taken = true;
	struct err err;

	if (lock_is_taken(keeper->lock_fd, byte, &taken, &err))
		log_line(LEVEL_WARNING, "gateway=%s msg=\"%s, going on\"",
			 keeper->row.name, err.text);
	return taken;
}

static int64_t quiet_ms(const struct keeper *keeper, bool ended)
{
	int64_t idle_ms = (int64_t)keeper->idle_stop_s * 1000;
	struct connection_list list = { .count = 0 };
	struct err err;
	int64_t ms;

	if (connections_list(&list, &keeper->gateway->address, ended, &err)) {
		log_line(LEVEL_WARNING,
			 "gateway=%s msg=\"%s: not stopped as idle\"",
			 keeper->row.name, err.text);
		return 0;
	}
	ms = connections_quiet_ms(&list, idle_ms - idle_ms / 4);
	connections_free(&list);
	return ms;
}

/* ended: those connections too that have ended since. */
static void look(struct keeper *keeper, bool ended)
{
	int64_t now_ms = clock_mono_ms();
	int64_t ms =
		is_shared(keeper, LOCK_IN_USE) ? 0 : quiet_ms(keeper, ended);
	int64_t at_ms;

	if (ms == INT64_MAX)
		return;
	/* in use now, and perhaps until just before the next look */
	at_ms = ms == 0 ? now_ms + look_ms(keeper) : now_ms - ms;
	if (at_ms > keeper->active_at)
		keeper->active_at = at_ms;
}

static int64_t age_ms(int64_t wall_ms)
{
	int64_t age = clock_wall_ms() - wall_ms;

	if (wall_ms == 0)
		return INT64_MAX;
	return age > 0 ? age : 0;
}

static int64_t idle_in(const struct keeper *keeper)
{
	struct usage_view view = {
		.ready_ms = age_ms(keeper->row.ready_ms),
		.request_ms = age_ms(keeper->row.last_request_ms),
		.active_ms = keeper->active_at
				     ? clock_mono_ms() - keeper->active_at
				     : INT64_MAX,
		.passing = keeper->work || is_shared(keeper, LOCK_PASSING),
	};

	return lifecycle_idle_in(&view, keeper->idle_stop_s);
}

/* A person may have changed it since we began, and what workers do depends on the
 * newest. */
static void read_limit(struct keeper *keeper)
{
	const struct gateway_settings *gateway;
	struct settings *settings = NULL;
	struct err err;

	if (settings_load(&settings, keeper->settings->file, &err))
		return; /* a bad file changes nothing */
	gateway = settings_gateway(settings, keeper->gateway->name);
	keeper->idle_stop_s = gateway ? gateway->idle_stop_s : 0;
	settings_unref(settings);
}

enum lifecycle_action keeper_usage(struct keeper *keeper)
{
	int64_t in_ms;

	if (!deadline_passed(keeper->next_usage))
		return ACTION_NONE;
	keeper->next_usage = deadline_never();
	read_limit(keeper);
	if (keeper->idle_stop_s == 0)
		return ACTION_NONE;
	keeper_read(keeper);
	look(keeper, false);
	if (idle_in(keeper) == 0)
		look(keeper, true);
	in_ms = idle_in(keeper);
	if (in_ms == 0)
		return keeper_decide(keeper, EVENT_IDLE);
	keeper->next_usage =
		deadline_min(deadline_in(look_ms(keeper)), deadline_in(in_ms));
	return ACTION_NONE;
}

/* From the moment that the row says `stopping` requests wait. One that read it
 * before holds its lock by now. */
enum lifecycle_action keeper_drain(struct keeper *keeper)
{
	keeper->idle = true;
	keeper_reason(keeper, "idle", "nobody used it for %d s",
		      keeper->idle_stop_s);
	keeper_write(keeper, NULL, NULL);
	if (keeper->lost)
		return ACTION_END;
	if (!keeper->unsaved && !is_shared(keeper, LOCK_IN_USE)) {
		keeper_read(keeper); /* who was faster, and has left */
		look(keeper, false);
		if (idle_in(keeper) == 0)
			return keeper_decide(keeper, EVENT_UNUSED);
	}
	keeper->idle = false;
	keeper_reason(keeper, "", "%s", "");
	(void)keeper_decide(keeper, EVENT_USED);
	keeper->next_usage = deadline_in(look_ms(keeper));
	keeper_write(keeper, NULL, NULL);
	return keeper->lost ? ACTION_END : ACTION_SERVE;
}

/* Waits until it may be started; false when a person has decided otherwise, or
 * somebody else has started it. */
static bool rest(struct keeper *keeper)
{
	const struct gateway_row *row = &keeper->row;
	int64_t generation = row->generation;
	struct err err;

	for (;;) {
		int64_t left_ms;

		/* what can't be read now may be then: ensure_ready() looks */
		(void)store_read(keeper->store, keeper->gateway->name,
				 &keeper->row, &err);
		left_ms = row->retry_at_ms - clock_wall_ms();

		if (row->state != STATE_STOPPED && row->state != STATE_COOLDOWN)
			return false;
		if (keeper->told_to_end || row->want != WANT_RUN || row->hold ||
		    row->generation != generation)
			return false;
		if (row->state == STATE_STOPPED || left_ms <= 0)
			return true;
		keeper_poll(keeper,
			    deadline_in(left_ms < REST_LOOK_MS ? left_ms
							       : REST_LOOK_MS));
	}
}

void keeper_stay_on(struct keeper *keeper)
{
	const struct ensure ensure = {
		.settings = keeper->settings,
		.gateway = keeper->gateway,
		.store = keeper->store,
		.want = WANT_RUN,
		.watch_fd = -1,
	};
	const struct seen seen = { keeper->row.generation,
				   keeper->row.ready_ms };
	enum ensure_answer answer = ENSURE_STARTING;
	struct gateway_row row;
	struct err err;

	/* a restart has handed the lock on already */
	if (!keeper->gateway->always_on || keeper->lost ||
	    keeper_wants_end(keeper))
		return;
	/* a row that still says ready would be believed */
	while (keeper->unsaved && !keeper->lost && !keeper->told_to_end) {
		keeper_poll(keeper, deadline_in(REST_LOOK_MS));
		keeper_read(keeper);
	}
	/* from here on we own nothing: we wait as a request would */
	lock_drop(keeper->lock_fd, LOCK_OWNER);
	if (rest(keeper) &&
	    ensure_ready(&ensure, seen, deadline_in(0), &answer, &row, &err))
		log_line(LEVEL_ERROR,
			 "gateway=%s msg=\"cannot keep it on: %s\"",
			 keeper->row.name, err.text);
}
