#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/when.h"
#include "edge/explain.h"
#include "edge/record.h"
#include "gateway/view.h"
#include "store/observed.h"

#include "base/banned.h"

#define TEXT_BYTES    512
#define SUMMARY_BYTES 1024

struct explained {
	struct request_row row;
	bool claimed; /* it had the gateway started */
	json_t *steps;
};

/* --- steps --------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static void step(
	struct explained *explained, int64_t at_ms, int64_t generation,
	const char *format, ...)
{
	char text[TEXT_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (char *c = text; *c; c++) /* one step, one line */
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	(void)json_array_append_new(
		explained->steps,
		json_pack("{s:I, s:I, s:I, s:o}", "at_ms", (json_int_t)at_ms,
			  "after_ms",
			  (json_int_t)(at_ms - explained->row.at_ms),
			  "generation", (json_int_t)generation, "text",
			  view_text(text)));
}

/* What the event's kind is to whoever reads; %s: what its detail says. */
static const struct phrase {
	const char *kind;
	const char *own;   /* the request did that; NULL: not to be told */
	const char *other; /* it happened meanwhile */
} phrases[] = {
	{ "claimed", "had the next generation started",
	  "the next generation was claimed" },
	{ "adopted", NULL, "the process that ran already was adopted" },
	{ "restore_begin", NULL, "a snapshot is being put back" },
	{ "restore_done", NULL, "the snapshot is back" },
	{ "restore_failed", NULL, "the restore failed" },
	{ "spawned", NULL, "the gateway was started" },
	{ "ready", NULL, "the gateway was ready" },
	{ "not_ready", NULL, "the gateway closed its port" },
	{ "exited", NULL, "the gateway ended by itself" },
	{ "crash_seen", "sent, and saw the gateway crash", NULL },
	{ "retried", "sent once more", NULL },
	{ "stop_wanted", NULL, "somebody wanted it stopped or restarted" },
	{ "stopping", NULL, "the gateway was being stopped" },
	{ "killed", NULL, "the gateway had to be killed" },
	{ "stopped", NULL, "the gateway was stopped" },
	{ "cooldown", NULL, "it was not to be started for a while" },
	{ "failed", NULL, "the gateway was given up" },
	{ "owner_lost", NULL, "its keeper was gone" },
};

/* True: it is nothing, or none. */
static bool says_nothing(const json_t *member)
{
	if (json_is_string(member))
		return !*json_string_value(member);
	if (json_is_integer(member))
		return json_integer_value(member) <= 0;
	return !json_is_true(member);
}

/* ": reason x, took_ms 5", as far as it says more than the kind. */
static void detail_text(char *ret, size_t size, const char *detail)
{
	struct buffer text = BUFFER_INIT(TEXT_BYTES / 2);
	json_t *object = json_loads(detail ? detail : "{}", 0, NULL);
	const char *name;
	json_t *member;

	json_object_foreach(object, name, member)
	{
		if (says_nothing(member))
			continue;
		buffer_printf(&text, "%s%s", text.len > 0 ? ", " : ": ", name);
		if (json_is_string(member))
			buffer_printf(&text, " %s", json_string_value(member));
		else if (json_is_integer(member))
			buffer_printf(&text, " %lld",
				      (long long)json_integer_value(member));
	}
	(void)snprintf(ret, size, "%s",
		       text.len > 0 && buffer_ok(&text) ? buffer_text(&text)
							: "");
	json_decref(object);
	buffer_free(&text);
}

static void add_event(const struct event *event, void *user)
{
	struct explained *explained = user;
	bool own = strcmp(event->request, explained->row.request) == 0;
	char detail[TEXT_BYTES / 2];

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
		const struct phrase *phrase = &phrases[i];
		const char *text =
			own && phrase->own ? phrase->own : phrase->other;

		if (strcmp(phrase->kind, event->kind) != 0 || !text)
			continue;
		explained->claimed =
			explained->claimed ||
			(own && strcmp(phrase->kind, "claimed") == 0);
		detail_text(detail, sizeof(detail), event->detail);
		step(explained, event->at_ms, event->generation, "%s%s", text,
		     detail);
	}
}

/* --- the whole ------------------------------------------------------------------- */

static const char *waited(char ret[32], int64_t ms)
{
	(void)snprintf(ret, 32, "%lld.%lld s", (long long)(ms / 1000),
		       (long long)(ms % 1000 / 100));
	return ret;
}

static void answer_text(struct buffer *out, const struct request_row *row)
{
	if (row->status == 0)
		buffer_puts(out,
			    "the client had gone, or the answer broke off");
	else if (strcmp(row->code, RECORD_PAGE) == 0)
		buffer_printf(out, "answered %d with the loading page",
			      row->status);
	else if (row->code[0])
		buffer_printf(out, "answered %d %s by wakegate", row->status,
			      row->code);
	else
		buffer_printf(out, "answered %d", row->status);
}

static json_t *summary(const struct explained *explained)
{
	const struct request_row *row = &explained->row;
	struct buffer text = BUFFER_INIT(SUMMARY_BYTES);
	json_t *shown;
	char span[32];

	if (row->found[0])
		buffer_printf(&text, "found %s", row->found);
	if (row->found[0] && row->found_generation > 0)
		buffer_printf(&text, " (generation %lld)",
			      (long long)row->found_generation);
	if (explained->claimed)
		buffer_puts(&text, ", had it started");
	if (row->waited_ms > 0)
		buffer_printf(&text, ", waited %s",
			      waited(span, row->waited_ms));
	if (row->crashed_generation > 0)
		buffer_printf(&text, ", saw generation %lld crash",
			      (long long)row->crashed_generation);
	if (row->retried)
		buffer_printf(&text, ", sent once more to generation %lld",
			      (long long)row->generation);
	if (text.len > 0)
		buffer_puts(&text, ", ");
	answer_text(&text, row);
	shown = view_text(buffer_text(&text));
	buffer_free(&text);
	return shown;
}

static void add_begin(struct explained *explained)
{
	const struct request_row *row = &explained->row;

	if (!row->found[0])
		return;
	if (row->found_generation > 0)
		step(explained, row->at_ms, row->found_generation,
		     "came, and found it %s", row->found);
	else
		step(explained, row->at_ms, 0,
		     "came, and found it %s: it had never been started",
		     row->found);
}

static void add_end(struct explained *explained)
{
	const struct request_row *row = &explained->row;
	int64_t end_ms = row->at_ms + row->took_ms;
	struct buffer text = BUFFER_INIT(TEXT_BYTES);
	char span[32];

	if (row->found[0])
		step(explained, end_ms, row->generation, "had waited %s in all",
		     waited(span, row->waited_ms));
	answer_text(&text, row);
	step(explained, end_ms, row->generation, "%s", buffer_text(&text));
	buffer_free(&text);
}

static void set(json_t *object, const char *name, json_t *value)
{
	(void)json_object_set_new(object, name, value);
}

static json_t *show(const struct explained *explained)
{
	const struct request_row *row = &explained->row;
	json_t *shown = json_object();
	char when[WHEN_BYTES];

	set(shown, "request", json_string(row->request));
	set(shown, "gateway", view_text(row->gateway));
	set(shown, "at", json_string(when_utc(when, row->at_ms)));
	set(shown, "found", view_text(row->found));
	set(shown, "waited_ms", json_integer(row->waited_ms));
	set(shown, "took_ms", json_integer(row->took_ms));
	set(shown, "generation", json_integer(row->generation));
	set(shown, "status",
	    row->status ? json_integer(row->status) : json_null());
	set(shown, "code", view_text(row->code));
	set(shown, "retried", json_boolean(row->retried));
	set(shown, "summary", summary(explained));
	set(shown, "steps", explained->steps);
	return shown;
}

/* A failure that came before is a step before the first. */
static bool is_early(const struct explained *explained, size_t index)
{
	json_t *one = json_array_get(explained->steps, index);

	return json_integer_value(json_object_get(one, "after_ms")) < 0;
}

static void sort_begin(struct explained *explained, json_t *events)
{
	json_t *all = explained->steps;
	size_t early = 0;

	explained->steps = events;
	while (early < json_array_size(events) && is_early(explained, early))
		early++;
	explained->steps = all;
	for (size_t i = 0; i < json_array_size(events); i++) {
		if (i < early)
			(void)json_array_insert(all, i,
						json_array_get(events, i));
		else
			(void)json_array_append(all, json_array_get(events, i));
	}
	json_decref(events);
}

static int add_events(struct explained *explained, struct store *store,
		      struct err *err)
{
	const struct request_row *row = &explained->row;
	const struct event_about about = {
		.request = row->request,
		.gateway = row->gateway,
		.from_ms = row->at_ms,
		.until_ms = row->at_ms + row->took_ms,
		.generation = row->generation,
	};
	json_t *begin = explained->steps;
	json_t *events = json_array();
	int failed;

	explained->steps = events;
	failed = store_events_about(store, &about, add_event, explained, err);
	explained->steps = begin;
	sort_begin(explained, events);
	return failed;
}

int explain(json_t **ret, struct store *store, const char *request,
	    struct err *err)
{
	struct explained explained = { .steps = NULL };

	if (store_request(store, request, &explained.row, err)) {
		if (err->code == ERR_MISSING)
			(void)err_set(err, ERR_MISSING, "%s", EXPLAIN_NOTHING);
		return -1;
	}
	explained.steps = json_array();
	add_begin(&explained);
	if (add_events(&explained, store, err)) {
		json_decref(explained.steps);
		return -1;
	}
	add_end(&explained);
	*ret = show(&explained);
	return 0;
}
