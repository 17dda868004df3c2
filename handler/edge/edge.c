#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/log.h"
#include "edge/edge.h"

#include "base/banned.h"

#define TOUCH_EVERY_MS 5000

struct edge {
	pthread_mutex_t lock;
	const char *config;
	bool watching;
	struct settings_watch *watch;
	struct store *store;
	struct upstream *upstream;
};

int edge_new(struct edge **ret, const char *config, bool watch,
	     void (*arm)(void *user), void *user, struct err *err)
{
	struct edge *self = calloc(1, sizeof(*self));

	if (!self)
		return err_errno(err, "cannot start");
	if (upstream_new(&self->upstream, arm, user, err)) {
		free(self);
		return -1;
	}
	(void)pthread_mutex_init(&self->lock, NULL);
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
	store_close(edge->store);
	if (edge->watch)
		settings_watch_close(edge->watch);
	(void)pthread_mutex_destroy(&edge->lock);
	free(edge);
}

static int open_watch(struct edge *edge, struct err *err)
{
	int failed = 0;

	(void)pthread_mutex_lock(&edge->lock);
	if (!edge->watch)
		failed = settings_watch_open(&edge->watch,
					     settings_file(edge->config), err);
	(void)pthread_mutex_unlock(&edge->lock);
	return failed;
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
	log_set_level(settings->log_level);
	*ret = settings;
	return 0;
}

bool edge_config_problem(struct edge *edge, char *ret, size_t size)
{
	return edge->watch && settings_watch_problem(edge->watch, ret, size);
}

int edge_store(struct edge *edge, const struct settings *settings,
	       struct store **ret, struct err *err)
{
	int failed = 0;

	(void)pthread_mutex_lock(&edge->lock);
	if (!edge->store)
		failed = store_open(&edge->store, settings->state_dir, err);
	if (!failed)
		*ret = edge->store;
	(void)pthread_mutex_unlock(&edge->lock);
	return failed ? -1 : 0;
}

struct upstream *edge_upstream(struct edge *edge)
{
	return edge->upstream;
}

bool edge_touch(struct store *store, const struct gateway_row *row)
{
	int64_t now_ms = clock_wall_ms();
	int64_t age_ms = now_ms - row->last_request_ms;
	struct err err;

	if (!store || row->generation == 0)
		return false;
	if (row->answered_ms != 0 && age_ms >= 0 && age_ms < TOUCH_EVERY_MS)
		return false;
	if (store_touch(store, row->name, row->generation, now_ms, true, &err))
		log_line(LEVEL_DEBUG, "gateway=%s msg=\"%s, going on\"",
			 row->name, err.text);
	return true;
}
