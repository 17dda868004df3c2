/* view.h - what is known of a gateway, as JSON: one form for all who ask
 *
 * Columns have the database's names; where there is nothing it is null.
 */
#ifndef WAKEGATE_VIEW_H
#define WAKEGATE_VIEW_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "gateway/settings.h"
#include "store/store.h"

/* The row, and the facts beside it. */
struct view {
	struct gateway_row row;
	bool owner_alive;
	bool listening;
};

/* The row alone; where it says ready, and neither a keeper nor a gateway is there (the
 * machine lost its power), it says stopped. */
int view_row(struct gateway_row *ret, const struct settings *settings,
	     const struct gateway_settings *gateway, struct store *store,
	     struct err *err);

int view_look(struct view *ret, const struct settings *settings,
	      const struct gateway_settings *gateway, struct store *store,
	      struct err *err);

json_t *view_json(const struct view *view);
json_t *view_event(const struct event *event);
json_t *view_snapshot(const struct snapshot_row *row);

/* Text as JSON; bytes that are no UTF-8 become '?'. Null for "". */
json_t *view_text(const char *text);

#endif
