#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/log.h"
#include "edge/edge.h"

#include "base/banned.h"

#define TOUCH_EVERY_MS 5000

struct touch {
	char gateway[GATEWAY_NAME_BYTES];
	int64_t at_ms;
	int64_t answered; /* the generation whose first answer was written */
};

struct edge {
	pthread_mutex_t lock;
	const char *config;
	bool watching;
	struct settings_watch *watch;
	struct store *store;
	struct upstream *upstream;
	struct touch touches[GATEWAYS_MAX];
	size_t touches_count;
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

/* The gateway's entry; a name that is new when all are used takes the first. */
static struct touch *find_touch(struct edge *edge, const char *gateway)
{
	struct touch *touch = edge->touches;

	for (size_t i = 0; i < edge->touches_count; i++) {
		if (strcmp(edge->touches[i].gateway, gateway) == 0)
			return &edge->touches[i];
	}
	if (edge->touches_count < GATEWAYS_MAX)
		touch = &edge->touches[edge->touches_count++];
	memset(touch, 0, sizeof(*touch));
	(void)memccpy(touch->gateway, gateway, '\0',
		      sizeof(touch->gateway) - 1);
	return touch;
}

bool edge_touch(struct edge *edge, struct store *store, const char *gateway,
		int64_t generation)
{
	int64_t now = clock_wall_ms();
	bool first;
	bool due;
	struct touch *touch;
	struct err err;

	if (!store || generation == 0)
		return false;
	(void)pthread_mutex_lock(&edge->lock);
	touch = find_touch(edge, gateway);
	first = touch->answered != generation;
	due = first || now - touch->at_ms >= TOUCH_EVERY_MS ||
	      now < touch->at_ms;
	if (due) {
		touch->at_ms = now;
		touch->answered = generation;
	}
	(void)pthread_mutex_unlock(&edge->lock);
	if (!due ||
	    store_touch(store, gateway, generation, now, true, &err) == 0)
		return due;
	log_line(LEVEL_DEBUG, "gateway=%s msg=\"%s, going on\"", gateway,
		 err.text);
	if (!first)
		return true;
	/* the first answer decides between a start that failed and one that
	 * didn't: the next answer tries again */
	(void)pthread_mutex_lock(&edge->lock);
	find_touch(edge, gateway)->answered = 0;
	(void)pthread_mutex_unlock(&edge->lock);
	return true;
}
