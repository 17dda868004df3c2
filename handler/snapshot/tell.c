#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/tell.h"

#include "base/banned.h"

#define PROGRESS_MS 100

void tell_json(json_t *json)
{
	CLEANUP_FREE char *text =
		json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
	CLEANUP_FREE char *line = NULL;
	int len = -1;

	json_decref(json);
	if (text)
		len = asprintf(&line, "%s\n", text);
	if (len < 0)
		line = NULL;
	else /* a reader that is gone does not end our work */
		(void)!write(STDOUT_FILENO, line, (size_t)len);
}

static void tell_progress(void *user, int64_t bytes, int64_t files)
{
	struct tell *tell = user;

	if (!deadline_passed(tell->next))
		return;
	tell->next = deadline_in(PROGRESS_MS);
	tell_json(json_pack("{s:s, s:I, s:I, s:I, s:I}", "phase", tell->phase,
			    "snapshot", (json_int_t)tell->snapshot, "bytes",
			    (json_int_t)bytes, "total", (json_int_t)tell->total,
			    "files", (json_int_t)files));
}

/* Text that may hold any bytes, for JSON. */
static json_t *any_text(const char *text)
{
	json_t *json = json_string(text);
	CLEANUP_FREE char *copy = NULL;

	if (json)
		return json;
	copy = strdup(text);
	for (char *c = copy; c && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	return json_string(copy ? copy : "");
}

static void tell_note(void *user, const char *text)
{
	(void)user;
	tell_json(json_pack("{s:o}", "note", any_text(text)));
}

void tell_phase(struct tell *tell, const char *phase, int64_t total)
{
	tell->phase = phase;
	tell->total = total;
	tell->next = deadline_in(0);
	tell_progress(tell, 0, 0);
}

struct report tell_report(struct tell *tell)
{
	return (struct report){ tell_progress, tell_note, tell };
}

void tell_done(const char *code, const struct snapshot_row *row)
{
	json_t *json = json_pack("{s:b, s:s}", "ok", 1, "code", code);

	if (row) {
		(void)json_object_set_new(json, "snapshot",
					  json_integer(row->id));
		(void)json_object_set_new(json, "bytes",
					  json_integer(row->bytes));
		(void)json_object_set_new(json, "files",
					  json_integer(row->files));
	}
	tell_json(json);
}

void tell_failed(const char *code, const struct err *err)
{
	tell_json(json_pack("{s:b, s:s, s:o}", "ok", 0, "code", code, "text",
			    any_text(err->text)));
}
