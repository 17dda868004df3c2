/* edge.h - what all threads of a worker share: settings, store, connections, the
 * administrators' token
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
#include "base/http1.h"
#include "edge/upstream.h"
#include "gateway/settings.h"
#include "store/store.h"

struct edge;
struct records;
struct tally;

/* config: what -c gave, or NULL. watch: look for a newer file while it lives.
 * arm: see upstream.h and tally.h. A configuration that can't be read is no failure here. */
int edge_new(struct edge **ret, const char *config, bool watch,
	     void (*arm)(void *user), void *user, struct err *err);
void edge_free(struct edge *edge); /* accepts NULL */

/* The settings in force; the caller unrefs them. */
int edge_settings(struct edge *edge, struct settings **ret, struct err *err);

/* Copies why the newest configuration isn't in force, without secrets that it quotes;
 * false when it is. */
bool edge_config_problem(struct edge *edge, char *ret, size_t size);

/* That of settings->state_dir; it stays open until edge_free(). */
int edge_store(struct edge *edge, const struct settings *settings,
	       struct store **ret, struct err *err);

/* Is it the token of admin.token_file? */
bool edge_is_token(struct edge *edge, const struct settings *settings,
		   struct slice given);

/* See tally.h. NULL: out of memory. */
struct tally *edge_tally(struct edge *edge, const struct settings *settings,
			 const struct gateway_settings *gateway);
struct deadline edge_flush_due(struct edge *edge);
void edge_flush(struct edge *edge);
/* For a process that ends with its request. */
void edge_spill(struct edge *edge);

/* See record.h. */
struct records *edge_records(struct edge *edge);

struct upstream *edge_upstream(struct edge *edge);

/* From here until edge_leave() a gateway that is stopped when idle is in use, for
 * its keeper to see (lock.h): to be called before its row is read. counts: false
 * for what must not keep it awake; it is only not stopped in the middle of it. A
 * failure is logged: then it may be stopped in the middle. */
void edge_enter(struct edge *edge, const struct settings *settings,
		const struct gateway_settings *gateway, bool counts);
void edge_leave(struct edge *edge, const struct settings *settings,
		const struct gateway_settings *gateway, bool counts);

/* Can a row be read without waiting for other threads, and is the store open? */
bool edge_store_is_free(struct edge *edge, const struct settings *settings);

/* The gateway gave an answer: does the row lack the first one of its generation, or
 * name one that is older than lifecycle_touch_ms()? */
bool edge_touch_is_due(const struct gateway_row *row,
		       const struct gateway_settings *gateway);
/* Writes that it did. Best effort. */
void edge_touch(struct store *store, const struct gateway_row *row);

#endif
