/* settings_world.h - a folder with a configuration in it, for tests of settings */
#ifndef WAKEGATE_SETTINGS_WORLD_H
#define WAKEGATE_SETTINGS_WORLD_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/settings.h"
#include "tap.h"

#define ADDRESS "\"address\": \"127.0.0.1:18789\""
#define COMMAND "\"command\": [\"/bin/true\"]"
#define ONE(more)                                                              \
	"{\n \"gateways\": {\n  \"demo\": {\n   " ADDRESS ",\n   " COMMAND     \
	",\n   " more "\n  }\n }\n}\n"

static char folder[] = "/tmp/wakegate-settings-XXXXXX";
static char config[64];
static char secret[64];

__attribute__((unused)) static void write_bytes(const char *path,
						const char *data, size_t len)
{
	CLEANUP_FD int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len) {
		perror(path);
		exit(99);
	}
}

__attribute__((unused)) static void write_text(const char *path,
					       const char *text)
{
	write_bytes(path, text, strlen(text));
}

/* NULL on failure, with err filled. */
__attribute__((unused)) static struct settings *load(const char *text,
						     struct err *err)
{
	struct settings *settings = NULL;

	write_text(config, text);
	return settings_load(&settings, config, err) ? NULL : settings;
}

__attribute__((unused)) static void takes(const char *text, const char *what)
{
	struct err err = { 0 };
	struct settings *settings = load(text, &err);

	if (!ok(settings != NULL, "takes %s", what))
		printf("# %s\n", err.text);
	settings_unref(settings);
}

/* The error is the path of the file and then `expected`. */
__attribute__((unused)) static void refuses(const char *text,
					    const char *expected,
					    const char *what)
{
	struct err err = { 0 };
	struct settings *settings = load(text, &err);
	size_t len = strlen(config);

	if (!ok(!settings && strncmp(err.text, config, len) == 0 &&
			strcmp(err.text + len, expected) == 0,
		"refuses %s", what))
		printf("# got      %s\n# expected %s%s\n", err.text, config,
		       expected);
	settings_unref(settings);
}

__attribute__((unused)) static void world_begin(void)
{
	if (!mkdtemp(folder)) {
		perror(folder);
		exit(99);
	}
	(void)snprintf(config, sizeof(config), "%s/wakegate.json", folder);
	(void)snprintf(secret, sizeof(secret), "%s/secret", folder);
}

__attribute__((unused)) static void world_end(void)
{
	(void)unlink(config);
	(void)unlink(secret);
	(void)rmdir(folder);
}

#endif
