/* edge.h - what all threads of a worker share: settings, store, connections
 *
 * The store is opened when it is needed first, and again at a later request when
 * that failed.
 */
#ifndef WAKEGATE_EDGE_H
#define WAKEGATE_EDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "edge/upstream.h"
#include "gateway/settings.h"
#include "store/store.h"

struct edge;

/* config: what -c gave, or NULL. watch: look for a newer file while it lives.
 * arm: see upstream.h. A configuration that can't be read is no failure here. */
int edge_new(struct edge **ret, const char *config, bool watch,
	     void (*arm)(void *user), void *user, struct err *err);
void edge_free(struct edge *edge); /* accepts NULL */

/* The settings in force; the caller unrefs them. */
int edge_settings(struct edge *edge, struct settings **ret, struct err *err);

/* Copies why the newest configuration isn't in force; false when it is. */
bool edge_config_problem(struct edge *edge, char *ret, size_t size);

int edge_store(struct edge *edge, const struct settings *settings,
	       struct store **ret, struct err *err);

struct upstream *edge_upstream(struct edge *edge);

/* The gateway gave an answer: written to the store when the row lacks the first
 * one of its generation or names one older than 5 s. Best effort. True when that
 * was so. */
bool edge_touch(struct store *store, const struct gateway_row *row);

#endif
