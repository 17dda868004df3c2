#include "config.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/deadline.h"
#include "base/when.h"
#include "cli/command.h"
#include "gateway/view.h"

#include "base/banned.h"

#define NEWEST_DEFAULT	50
#define FOLLOW_PAUSE_MS 200

struct printer {
	bool json;
	bool quiet; /* only learn what the newest id is */
	int64_t last;
};

static int print_json(const struct event *event)
{
	json_t *shown = view_event(event);
	int result = json_dumpf(shown, stdout, JSON_COMPACT);

	json_decref(shown);
	return result || putchar('\n') == EOF;
}

static int print_people(const struct event *event)
{
	char when[WHEN_BYTES];
	const char *c;

	(void)printf("%s %s %lld %s", when_utc(when, event->at_ms),
		     event->gateway, (long long)event->generation, event->kind);
	if (event->pid)
		(void)printf(" pid=%d", (int)event->pid);
	if (*event->request)
		(void)printf(" request=%s", event->request);
	if (event->detail)
		(void)putchar(' ');
	for (c = event->detail; c && *c; c++) /* one event, one line */
		(void)putchar((unsigned char)*c < ' ' ? ' ' : *c);
	return putchar('\n') == EOF;
}

static int print_event(const struct event *event, void *user)
{
	struct printer *printer = user;

	printer->last = event->id;
	if (printer->quiet)
		return 0;
	return printer->json ? print_json(event) : print_people(event);
}

/* Prints what is newer than the last; an output that is closed ends it. */
static int print_new(const struct session *session, struct printer *printer,
		     int newest, struct err *err)
{
	const char *gateway = session->gateway ? session->gateway->name : NULL;
	int result = store_events(session->store, gateway, printer->last,
				  newest, print_event, printer, err);

	if (result > 0 || (result == 0 && fflush(stdout)))
		return err_errno(err, "cannot print the events");
	return result;
}

static int follow(const struct session *session, struct printer *printer,
		  struct err *err)
{
	for (;;) {
		(void)deadline_pause(deadline_never(), FOLLOW_PAUSE_MS);
		if (print_new(session, printer, 0, err) == 0)
			continue;
		if (err->code != ERR_STORE_MOVED && err->code != ERR_CORRUPT)
			return -1;
		if (store_reopen(session->store, err))
			return -1;
		printer->last = 0; /* a new database counts anew */
	}
}

enum exit_status events_run(const struct session *session, struct err *err)
{
	const struct options *options = session->options;
	struct printer printer = { .json = (options->given & OPTION_JSON) !=
					   0 };
	int newest = options->count < 0 ? NEWEST_DEFAULT : options->count;

	printer.quiet = newest == 0;
	if (print_new(session, &printer, newest ? newest : 1, err))
		return EXIT_FAILED;
	printer.quiet = false;
	if (options->given & OPTION_FOLLOW && follow(session, &printer, err))
		return EXIT_FAILED;
	return EXIT_DONE;
}
