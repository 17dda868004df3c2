#include "config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/redact.h"
#include "store/store_private.h"

#include "base/banned.h"

/* Room for what replaces values that are shorter than it. */
#define ROOM_BYTES 256

/* NULL: it has no secret, or memory is out. */
static char *redact_text(const char *text)
{
	size_t size = strlen(text) + ROOM_BYTES;
	char *copy = malloc(size);

	if (!copy)
		return NULL;
	memcpy(copy, text, strlen(text) + 1);
	redact_all(copy, size);
	if (strcmp(copy, text) != 0)
		return copy;
	free(copy);
	return NULL;
}

/* The texts in it, one by one, so that it stays JSON. */
static void redact_members(json_t *object)
{
	const char *name;
	json_t *member;
	void *next;

	json_object_foreach_safe(object, next, name, member)
	{
		CLEANUP_FREE char *text =
			json_is_string(member)
				? redact_text(json_string_value(member))
				: NULL;

		if (text)
			(void)json_object_set_new(object, name,
						  json_string(text));
	}
}

/* A value may be a secret for its member's name: then nothing of it stays. */
char *event_redacted(const char *detail)
{
	CLEANUP_FREE char *whole = detail ? redact_text(detail) : NULL;
	char *shown = NULL;
	json_t *object;

	if (!whole)
		return NULL;
	object = json_loads(detail, 0, NULL);
	redact_members(object);
	shown = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (shown) {
		char *again = redact_text(shown);

		free(again);
		if (!again)
			return shown;
	}
	free(shown);
	return strdup("{\"detail\":\"" REDACTED "\"}");
}
