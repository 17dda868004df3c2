/* overlay.c - handler/snapshot/overlay.h by hand, for tests
 *
 *	overlay create FOLDER WORK IMAGE [EXCLUDE...]	prints the image's SHA-256
 *	overlay remember IMAGE SHA256
 *	overlay look FOLDER PLACE		prints none, mounted or stale
 *	overlay clear FOLDER PLACE
 *	overlay mount IMAGE SHA256 FOLDER PLACE GENERATION
 *	overlay sweep FOLDER PLACE
 *
 * Exit code 1: it failed, with the error's code and text on standard error.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot/overlay.h"

#define DEADLINE_MS 30000

static void on_note(void *user, const char *text)
{
	(void)user;
	fprintf(stderr, "note: %s\n", text);
}

static int create(char **argv, struct err *err)
{
	struct report report = { .note = on_note };
	struct archive_source source = {
		.directory = argv[0],
		.work = argv[1],
		.exclude = argv + 3,
		.deadline = deadline_in(DEADLINE_MS),
	};
	struct archive_summary summary;

	if (overlay_create(&source, argv[2], &report, &summary, err))
		return -1;
	puts(summary.sha256);
	fprintf(stderr, "files %lld, content %lld, bytes %lld\n",
		(long long)summary.files, (long long)summary.content_bytes,
		(long long)summary.bytes);
	return 0;
}

static int remember(char **argv, struct err *err)
{
	return overlay_remember(argv[0], argv[1], err);
}

static int look(char **argv, struct err *err)
{
	static const char *const names[] = {
		[OVERLAY_NONE] = "none",
		[OVERLAY_MOUNTED] = "mounted",
		[OVERLAY_STALE] = "stale",
	};
	enum overlay_health health;

	if (overlay_look(argv[0], argv[1], &health, err))
		return -1;
	puts(names[health]);
	return 0;
}

static int clear(char **argv, struct err *err)
{
	return overlay_clear(argv[0], argv[1], deadline_in(DEADLINE_MS), err);
}

static int mount_it(char **argv, struct err *err)
{
	return overlay_mount(argv[0], argv[1], argv[2], argv[3],
			     strtoll(argv[4], NULL, 10),
			     deadline_in(DEADLINE_MS), err);
}

static int sweep(char **argv, struct err *err)
{
	return overlay_sweep(argv[0], argv[1], err);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int words;
		int (*function)(char **argv, struct err *err);
	} commands[] = {
		{ "create", 3, create },  { "remember", 2, remember },
		{ "look", 2, look },	  { "clear", 2, clear },
		{ "mount", 5, mount_it }, { "sweep", 2, sweep },
	};
	struct err err;

	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (argc < 2 || strcmp(argv[1], commands[i].name) != 0 ||
		    argc < 2 + commands[i].words)
			continue;
		if (commands[i].function(argv + 2, &err) == 0)
			return 0;
		fprintf(stderr, "overlay: %d: %s\n", (int)err.code, err.text);
		return 1;
	}
	fprintf(stderr, "overlay: see the comment in its source\n");
	return 2;
}
