#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/settings.h"
#include "gateway/settings_key.h"
#include "gateway/settings_private.h"

#include "base/banned.h"

#ifndef WAKEGATE_CONFIG_FILE
#define WAKEGATE_CONFIG_FILE "/etc/wakegate/wakegate.json"
#endif

const char *settings_file(const char *option)
{
	const char *variable = getenv("WAKEGATE_CONFIG");

	if (option)
		return option;
	return variable && *variable ? variable : WAKEGATE_CONFIG_FILE;
}

/* Keepers run in another folder, so the path must not depend on ours. */
static int absolute_path(char **ret, const char *file, struct err *err)
{
	char folder[PATH_MAX];

	if (*file == '/')
		return key_text_copy(ret, file, err);
	if (!getcwd(folder, sizeof(folder)))
		return err_errno(err, "cannot find the current folder");
	if (asprintf(ret, "%s/%s", folder, file) < 0) {
		*ret = NULL;
		return err_set(err, ERR_SYSTEM, "cannot hold the settings");
	}
	return 0;
}

int settings_add_watched(struct settings_counted *counted, const char *path,
			 const struct file_stamp *stamp, struct err *err)
{
	struct watched_file *grown = reallocarray(
		counted->watched, counted->watched_count + 1, sizeof(*grown));

	if (!grown)
		return err_errno(err, "cannot hold the settings");
	counted->watched = grown;
	if (key_text_copy(&grown[counted->watched_count].path, path, err))
		return -1;
	grown[counted->watched_count++].stamp = *stamp;
	return 0;
}

static void counted_free(struct settings_counted *counted)
{
	size_t i;

	keys_release(settings_keys, &counted->settings);
	for (i = 0; i < counted->watched_count; i++)
		free(counted->watched[i].path);
	free(counted->watched);
	free(counted->settings.file);
	free(counted);
}

/* Jansson would open /dev/urandom for it; the first call counts. */
static void seed_objects(void)
{
	size_t seed = 0;

	(void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK); /* 0: Jansson's */
	json_object_seed(seed);
}

static int parse(struct settings_counted *counted, const char *file,
		 const struct small_file *content, struct err *err)
{
	struct source source = { file, content->text, content->len };
	struct place whole = { .source = &source };
	json_error_t why;
	json_t *root;
	int result;

	seed_objects();
	root = json_loadb(content->text, content->len, JSON_REJECT_DUPLICATES,
			  &why);
	if (!root)
		return err_set(err, ERR_INVALID, "%s:%d: %s", file,
			       why.line > 0 ? why.line : 1, why.text);
	result =
		keys_read(settings_keys, root, &whole, &counted->settings, err);
	json_decref(root);
	return result;
}

int settings_load(struct settings **ret, const char *file, struct err *err)
{
	struct settings_counted *counted;
	struct small_file content = { 0 };
	int result;

	if (small_file_read(&content, file, CONFIG_BYTES_MAX, err))
		return err_context(err, "cannot read the configuration");
	counted = calloc(1, sizeof(*counted));
	if (!counted) {
		free(content.text);
		return err_set(err, ERR_SYSTEM, "cannot hold the settings");
	}
	atomic_init(&counted->references, 1);
	result = absolute_path(&counted->settings.file, file, err) ||
		 settings_add_watched(counted, counted->settings.file,
				      &content.stamp, err) ||
		 parse(counted, file, &content, err);
	free(content.text);
	if (result) {
		counted_free(counted);
		return -1;
	}
	*ret = &counted->settings;
	return 0;
}

struct settings *settings_ref(struct settings *settings)
{
	struct settings_counted *counted = (struct settings_counted *)settings;

	atomic_fetch_add_explicit(&counted->references, 1,
				  memory_order_relaxed);
	return settings;
}

void settings_unref(struct settings *settings)
{
	struct settings_counted *counted = (struct settings_counted *)settings;

	if (counted && atomic_fetch_sub(&counted->references, 1) == 1)
		counted_free(counted);
}

const struct gateway_settings *settings_gateway(const struct settings *settings,
						const char *name)
{
	size_t i;

	if (!name || !*name)
		return settings->gateways_count == 1 ? settings->gateways
						     : NULL;
	for (i = 0; i < settings->gateways_count; i++)
		if (strcmp(settings->gateways[i].name, name) == 0)
			return &settings->gateways[i];
	return NULL;
}
