#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/log.h"
#include "base/redact.h"
#include "edge/edge.h"
#include "edge/record.h"
#include "edge/tally.h"
#include "edge/usage.h"
#include "gateway/lifecycle.h"
#include "gateway/secrets.h"
#include "gateway/settings_token.h"

#include "base/banned.h"

#define OPEN_PAUSE_MS 1000

/* Who moves state_dir in the configuration gets a new one; the old ones stay open
 * for those requests that use them still. */
struct opened {
	struct opened *next;
	struct store *store;
	char state_dir[];
};

struct edge {
	pthread_mutex_t lock;	 /* held for moments */
	pthread_mutex_t opening; /* around store_open(), and for these: */
	struct deadline retry;	 /* until then it would fail as it last did */
	struct err why;
	char *failed_dir;
	const char *config;
	bool watching;
	struct settings_watch *watch;
	struct opened *stores;
	struct upstream *upstream;
	struct usage *usage;
	struct tallies *tallies;
	struct records *records;
	struct settings_token *token;
	struct settings *guarded; /* that secrets_guard() holds */
};

int edge_new(struct edge **ret, const char *config, bool watch,
	     void (*arm)(void *user), void *user, struct err *err)
{
	struct edge *self = calloc(1, sizeof(*self));

	if (!self)
		return err_errno(err, "cannot start");
	if (upstream_new(&self->upstream, arm, user, err) ||
	    usage_new(&self->usage, err) ||
	    tallies_new(&self->tallies, arm, user, err) ||
	    records_new(&self->records, err) ||
	    settings_token_open(&self->token, err)) {
		records_free(self->records);
		tallies_free(self->tallies);
		usage_free(self->usage);
		upstream_free(self->upstream);
		free(self);
		return -1;
	}
	(void)pthread_mutex_init(&self->lock, NULL);
	(void)pthread_mutex_init(&self->opening, NULL);
	self->config = config;
	self->watching = watch;
	*ret = self;
	return 0;
}

void edge_free(struct edge *edge)
{
	if (!edge)
		return;
	upstream_free(edge->upstream);
	usage_free(edge->usage);
	edge_flush(edge);
	tallies_free(edge->tallies);
	records_free(edge->records);
	settings_token_close(edge->token);
	while (edge->stores) {
		struct opened *next = edge->stores->next;

		store_close(edge->stores->store);
		free(edge->stores);
		edge->stores = next;
	}
	if (edge->watch)
		settings_watch_close(edge->watch);
	(void)pthread_mutex_destroy(&edge->opening);
	(void)pthread_mutex_destroy(&edge->lock);
	free(edge->failed_dir);
	free(edge);
}

static int open_watch(struct edge *edge, struct err *err)
{
	struct settings_watch *watch = NULL;
	int failed = 0;

	if (__atomic_load_n(&edge->watch, __ATOMIC_ACQUIRE))
		return 0;
	(void)pthread_mutex_lock(&edge->lock);
	if (!edge->watch) {
		failed = settings_watch_open(&watch,
					     settings_file(edge->config), err);
		__atomic_store_n(&edge->watch, watch, __ATOMIC_RELEASE);
	}
	(void)pthread_mutex_unlock(&edge->lock);
	return failed;
}

static void guard(struct edge *edge, struct settings *settings)
{
	(void)pthread_mutex_lock(&edge->lock);
	if (edge->guarded != settings)
		secrets_guard(settings);
	__atomic_store_n(&edge->guarded, settings, __ATOMIC_RELEASE);
	(void)pthread_mutex_unlock(&edge->lock);
}

int edge_settings(struct edge *edge, struct settings **ret, struct err *err)
{
	struct settings *settings = NULL;

	if (!edge->watching) {
		if (settings_load(&settings, settings_file(edge->config), err))
			return -1;
	} else {
		if (open_watch(edge, err))
			return -1;
		settings = settings_watch_get(edge->watch);
		if (!settings)
			return err_set(err, ERR_INVALID, "no configuration");
	}
	if (__atomic_load_n(&edge->guarded, __ATOMIC_ACQUIRE) != settings)
		guard(edge, settings);
	*ret = settings;
	return 0;
}

bool edge_config_problem(struct edge *edge, char *ret, size_t size)
{
	if (!edge->watch || !settings_watch_problem(edge->watch, ret, size))
		return false;
	redact_all(ret, size);
	return true;
}

/* The one that is open, or NULL. */
static struct store *find_store(struct edge *edge, const char *state_dir)
{
	const struct opened *opened;

	(void)pthread_mutex_lock(&edge->lock);
	opened = edge->stores;
	while (opened && strcmp(opened->state_dir, state_dir) != 0)
		opened = opened->next;
	(void)pthread_mutex_unlock(&edge->lock);
	return opened ? opened->store : NULL;
}

static int add_store(struct edge *edge, const char *state_dir, struct err *err)
{
	size_t size = strlen(state_dir) + 1;
	struct opened *opened = malloc(sizeof(*opened) + size);

	if (!opened)
		return err_errno(err, "cannot open the store");
	if (store_open(&opened->store, state_dir, err)) {
		free(opened);
		return -1;
	}
	memcpy(opened->state_dir, state_dir, size);
	(void)pthread_mutex_lock(&edge->lock);
	opened->next = edge->stores;
	edge->stores = opened;
	(void)pthread_mutex_unlock(&edge->lock);
	return 0;
}

/* Who had to wait while it failed for another does not try again at once. */
static int open_store(struct edge *edge, const char *state_dir, struct err *err)
{
	if (find_store(edge, state_dir))
		return 0;
	if (edge->failed_dir && strcmp(edge->failed_dir, state_dir) == 0 &&
	    !deadline_passed(edge->retry)) {
		*err = edge->why;
		return -1;
	}
	if (add_store(edge, state_dir, err) == 0)
		return 0;
	free(edge->failed_dir);
	edge->failed_dir = strdup(state_dir);
	edge->retry = deadline_in(OPEN_PAUSE_MS);
	edge->why = *err;
	return -1;
}

int edge_store(struct edge *edge, const struct settings *settings,
	       struct store **ret, struct err *err)
{
	const char *state_dir = settings->state_dir;
	struct store *store = find_store(edge, state_dir);

	if (!store) {
		(void)pthread_mutex_lock(&edge->opening);
		if (open_store(edge, state_dir, err) == 0)
			store = find_store(edge, state_dir);
		(void)pthread_mutex_unlock(&edge->opening);
	}
	if (!store)
		return -1;
	*ret = store;
	return 0;
}

bool edge_store_is_free(struct edge *edge, const struct settings *settings)
{
	struct store *store = find_store(edge, settings->state_dir);

	return store && store_is_free(store);
}

bool edge_is_token(struct edge *edge, const struct settings *settings,
		   struct slice given)
{
	return settings->admin_token_file &&
	       settings_token_is(edge->token, settings->admin_token_file,
				 given);
}

struct tally *edge_tally(struct edge *edge, const struct settings *settings,
			 const struct gateway_settings *gateway)
{
	return tally_of(edge->tallies, settings->state_dir, gateway->name);
}

struct deadline edge_flush_due(struct edge *edge)
{
	return tallies_due(edge->tallies);
}

/* What was counted went to one that is open. */
static struct store *counted_store(void *user, const char *state_dir)
{
	return find_store(user, state_dir);
}

void edge_flush(struct edge *edge)
{
	tallies_flush(edge->tallies, counted_store, edge);
}

void edge_spill(struct edge *edge)
{
	tallies_spill(edge->tallies, counted_store, edge);
}

struct records *edge_records(struct edge *edge)
{
	return edge->records;
}

struct upstream *edge_upstream(struct edge *edge)
{
	return edge->upstream;
}

void edge_enter(struct edge *edge, const struct settings *settings,
		const struct gateway_settings *gateway, bool counts)
{
	struct store *store = NULL;
	struct err err;

	if (gateway->idle_stop_s == 0)
		return;
	/* it makes the folder that the lock is in; without it we go on */
	(void)edge_store(edge, settings, &store, &err);
	if (usage_begin(edge->usage, settings->state_dir, gateway->name, counts,
			&err))
		log_line(LEVEL_WARNING, "gateway=%s msg=\"%s, going on\"",
			 gateway->name, err.text);
}

void edge_leave(struct edge *edge, const struct settings *settings,
		const struct gateway_settings *gateway, bool counts)
{
	if (gateway->idle_stop_s > 0)
		usage_end(edge->usage, settings->state_dir, gateway->name,
			  counts);
}

bool edge_touch_is_due(const struct gateway_row *row,
		       const struct gateway_settings *gateway)
{
	int64_t age_ms = clock_wall_ms() - row->last_request_ms;

	if (row->generation == 0)
		return false;
	return row->answered_ms == 0 || age_ms < 0 ||
	       age_ms >= lifecycle_touch_ms(gateway->idle_stop_s);
}

void edge_touch(struct store *store, const struct gateway_row *row)
{
	struct err err;

	if (store_touch(store, row->name, row->generation, clock_wall_ms(),
			true, &err))
		log_line(LEVEL_DEBUG, "gateway=%s msg=\"%s, going on\"",
			 row->name, err.text);
}
