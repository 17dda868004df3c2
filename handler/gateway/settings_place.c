#include "config.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "gateway/settings_place.h"

#include "base/banned.h"

#define DEPTH_MAX 8 /* gateways, NAME, environment, VARIABLE, file: 5 */

struct scan {
	const char *at;
	const char *end;
	int line;
};

static void skip_space(struct scan *scan)
{
	for (; scan->at < scan->end; scan->at++) {
		if (*scan->at == '\n')
			scan->line++;
		else if (!strchr(" \t\r", *scan->at))
			return;
	}
}

/* At a quote; ends after the closing one. */
static void skip_string(struct scan *scan)
{
	scan->at++;
	while (scan->at < scan->end && *scan->at != '"')
		scan->at +=
			*scan->at == '\\' && scan->at + 1 < scan->end ? 2 : 1;
	if (scan->at < scan->end)
		scan->at++;
}

/* Ends at the ',' or the closing bracket that follows the value. */
static void skip_value(struct scan *scan)
{
	int depth = 0;

	for (;;) {
		skip_space(scan);
		if (scan->at >= scan->end)
			return;
		if (*scan->at == '"') {
			skip_string(scan);
			continue;
		}
		if (depth == 0 && strchr(",]}", *scan->at))
			return;
		if (*scan->at == '{' || *scan->at == '[')
			depth++;
		else if (*scan->at == '}' || *scan->at == ']')
			depth--;
		scan->at++;
	}
}

/* Keys may be written with escapes, so Jansson decodes them. */
static bool key_is(const char *literal, size_t len, const char *key)
{
	json_t *decoded = json_loadb(literal, len, JSON_DECODE_ANY, NULL);
	const char *text = json_string_value(decoded);
	bool same = text && strcmp(text, key) == 0;

	json_decref(decoded);
	return same;
}

/* From an object's '{' to the value of a member; line: the key's. */
static bool enter_member(struct scan *scan, const char *key, int *ret_line)
{
	const char *literal;
	bool found;

	do {
		scan->at++; /* '{' or ',' */
		skip_space(scan);
		if (scan->at >= scan->end || *scan->at != '"')
			return false;
		literal = scan->at;
		*ret_line = scan->line;
		skip_string(scan);
		found = key_is(literal, (size_t)(scan->at - literal), key);
		skip_space(scan);
		if (scan->at >= scan->end || *scan->at != ':')
			return false;
		scan->at++;
		skip_space(scan);
		if (found)
			return true;
		skip_value(scan);
	} while (scan->at < scan->end && *scan->at == ',');
	return false;
}

/* From an array's '[' to an element. */
static bool enter_element(struct scan *scan, size_t index, int *ret_line)
{
	size_t n;

	for (n = 0;; n++) {
		scan->at++; /* '[' or ',' */
		skip_space(scan);
		if (scan->at >= scan->end)
			return false;
		if (n == index)
			break;
		skip_value(scan);
		if (scan->at >= scan->end || *scan->at != ',')
			return false;
	}
	*ret_line = scan->line;
	return true;
}

int place_line(const struct place *place)
{
	const struct source *source = place->source;
	const struct place *chain[DEPTH_MAX];
	struct scan scan = { source->text, source->text + source->len, 1 };
	size_t depth = 0;
	int line = 1;

	for (; place->parent && depth < DEPTH_MAX; place = place->parent)
		chain[depth++] = place;
	skip_space(&scan);
	while (depth > 0 && scan.at < scan.end) {
		place = chain[--depth];
		if (place->key ? *scan.at != '{' : *scan.at != '[')
			break;
		if (place->key ? !enter_member(&scan, place->key, &line)
			       : !enter_element(&scan, place->index, &line))
			break;
	}
	return line;
}

static void path_text(struct buffer *out, const struct place *place)
{
	const struct place *chain[DEPTH_MAX];
	size_t depth = 0;

	for (; place->parent && depth < DEPTH_MAX; place = place->parent)
		chain[depth++] = place;
	while (depth > 0) {
		place = chain[--depth];
		if (place->unshown)
			continue;
		if (!place->key)
			buffer_printf(out, "[%zu]", place->index);
		else
			buffer_printf(out, "%s%s", out->len ? "." : "",
				      place->key);
	}
}

void place_fill(const struct place *place, struct err *err, const char *format,
		...)
{
	struct buffer path = BUFFER_INIT(4096);
	char text[sizeof(err->text)];
	const char *shown;
	va_list args;
	char *c;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	path_text(&path, place);
	shown = path.len ? buffer_text(&path) : "";
	if (!shown)
		shown = "(a long key)";
	err_fill(err, ERR_INVALID, "%s:%d: %s%s%s", place->source->file,
		 place_line(place), shown, *shown ? ": " : "", text);
	buffer_free(&path);
	for (c = err->text; *c; c++) /* a key may hold anything */
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}
