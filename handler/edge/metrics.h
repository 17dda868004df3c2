/* metrics.h - what is known of gateways, as Prometheus reads it (text, 0.0.4)
 */
#ifndef WAKEGATE_METRICS_H
#define WAKEGATE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/err.h"
#include "gateway/settings.h"
#include "store/observed.h"
#include "store/row.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metric_count {
	char name[24];
	char label[32];
	int64_t value;
};

/* One gateway, at one moment. */
struct metrics {
	struct gateway_row row;
	int waiting;	     /* requests, in all workers */
	int64_t snapshot_ms; /* of the newest that is complete; 0: none */
	int64_t snapshot_bytes;
	struct metric_count *counts; /* the store's counters */
	size_t counts_len;
};

/* Reads what there is; metrics_free() follows. */
int metrics_read(struct metrics *ret, const struct settings *settings,
		 const struct gateway_settings *gateway, struct store *store,
		 struct err *err);
void metrics_free(struct metrics *metrics);

/* Appends all of it, family by family. */
void metrics_render(struct buffer *out, const struct metrics *all, size_t len,
		    int64_t now_ms);

#endif
