#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/log.h"
#include "gateway/settings.h"
#include "gateway/settings_private.h"

#include "base/banned.h"

#define LOOK_INTERVAL_MS 500

struct settings_watch {
	pthread_mutex_t mutex; /* for all that follows */
	struct settings *settings;
	int64_t looked_ms;
	struct err problem; /* of the newest file; text "": none */
};

int settings_watch_open(struct settings_watch **ret, const char *file,
			struct err *err)
{
	struct settings_watch *watch;
	struct settings *settings = NULL;

	if (settings_load(&settings, file, err))
		return -1;
	watch = calloc(1, sizeof(*watch));
	if (!watch) {
		settings_unref(settings);
		return err_set(err, ERR_SYSTEM, "cannot hold the settings");
	}
	(void)pthread_mutex_init(&watch->mutex, NULL); /* can't fail on Linux */
	watch->settings = settings;
	watch->looked_ms = clock_mono_ms();
	*ret = watch;
	return 0;
}

static bool has_changed(const struct settings *settings)
{
	const struct settings_counted *counted =
		(const struct settings_counted *)settings;
	size_t i;

	for (i = 0; i < counted->watched_count; i++) {
		struct file_stamp now = file_stamp_of(counted->watched[i].path);

		if (!file_stamp_same(&now, &counted->watched[i].stamp))
			return true;
	}
	return false;
}

/* A log line's value stands in quotes, so it may hold none. */
static void log_problem(struct err problem)
{
	char *c;

	for (c = problem.text; *c; c++)
		if (*c == '"')
			*c = '\'';
	log_line(LEVEL_ERROR,
		 "msg=\"%s; going on with the configuration that was read "
		 "before\"",
		 problem.text);
}

/* The bad file may rest on others that nobody watches, so it is read each time
 * until it is good again. */
static void look(struct settings_watch *watch)
{
	struct settings *settings = NULL;
	struct err err;

	if (!has_changed(watch->settings)) {
		watch->problem.text[0] = '\0';
		return;
	}
	if (settings_load(&settings, watch->settings->file, &err)) {
		if (strcmp(err.text, watch->problem.text) != 0)
			log_problem(err);
		watch->problem = err;
		return;
	}
	settings_unref(watch->settings);
	watch->settings = settings;
	watch->problem.text[0] = '\0';
	log_set_level(settings->log_level);
	log_line(LEVEL_INFO,
		 "msg=\"the configuration was read anew\" file=\"%s\"",
		 settings->file);
}

struct settings *settings_watch_get(struct settings_watch *watch)
{
	int64_t now_ms = clock_mono_ms();
	struct settings *settings;

	(void)pthread_mutex_lock(&watch->mutex);
	if (now_ms - watch->looked_ms >= LOOK_INTERVAL_MS) {
		watch->looked_ms = now_ms;
		look(watch);
	}
	settings = settings_ref(watch->settings);
	(void)pthread_mutex_unlock(&watch->mutex);
	return settings;
}

bool settings_watch_problem(struct settings_watch *watch, char *ret,
			    size_t size)
{
	bool bad;

	(void)pthread_mutex_lock(&watch->mutex);
	(void)snprintf(ret, size, "%s", watch->problem.text);
	bad = watch->problem.text[0] != '\0';
	(void)pthread_mutex_unlock(&watch->mutex);
	return bad;
}

void settings_watch_close(struct settings_watch *watch)
{
	if (!watch)
		return;
	settings_unref(watch->settings);
	(void)pthread_mutex_destroy(&watch->mutex);
	free(watch);
}
