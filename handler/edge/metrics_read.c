#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "edge/metrics.h"
#include "gateway/lock.h"
#include "gateway/view.h"

#include "base/banned.h"

#define COUNTS_MAX 256 /* there are fewer names and labels */

static void add_count(const struct count *count, void *user)
{
	struct metrics *metrics = user;
	struct metric_count *to;

	if (metrics->counts_len == COUNTS_MAX)
		return;
	to = &metrics->counts[metrics->counts_len++];
	(void)snprintf(to->name, sizeof(to->name), "%s", count->name);
	(void)snprintf(to->label, sizeof(to->label), "%s", count->label);
	to->value = count->amount;
}

static int add_snapshot(const struct snapshot_row *row, void *user)
{
	struct metrics *metrics = user;

	if (row->state != SNAPSHOT_COMPLETE)
		return 0;
	metrics->snapshot_ms = row->created_ms;
	metrics->snapshot_bytes = row->bytes;
	return 1;
}

static int count_waiters(struct metrics *metrics,
			 const struct settings *settings,
			 const struct gateway_settings *gateway,
			 struct err *err)
{
	CLEANUP_FD int fd = -1;

	if (lock_open(&fd, settings->state_dir, gateway->name, err))
		return -1;
	return lock_count_waiters(fd, gateway->waiting_max, &metrics->waiting,
				  err);
}

int metrics_read(struct metrics *ret, const struct settings *settings,
		 const struct gateway_settings *gateway, struct store *store,
		 struct err *err)
{
	ret->counts = calloc(COUNTS_MAX, sizeof(ret->counts[0]));
	ret->counts_len = 0;
	ret->snapshot_ms = 0;
	if (!ret->counts)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (view_row(&ret->row, settings, gateway, store, err) ||
	    store_counters(store, gateway->name, add_count, ret, err) ||
	    store_snapshots(store, gateway->name, add_snapshot, ret, err) < 0)
		return -1;
	return count_waiters(ret, settings, gateway, err);
}

void metrics_free(struct metrics *metrics)
{
	free(metrics->counts);
	metrics->counts = NULL;
}
