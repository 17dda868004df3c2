/* wakegate.json(5) against the tables that read the configuration: each key is in
 * the page, with its default, its range or its words, and an example that is taken;
 * and the page has no other. */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/settings.h"
#include "gateway/settings_actions.h"
#include "gateway/settings_key.h"
#include "gateway/settings_place.h"
#include "tap.h"

#include "base/banned.h"

#define PAGE_BYTES_MAX 200000
#define NAME_BYTES_MAX 128
#define KEYS_MAX       200

struct page {
	char *text;
	char seen[KEYS_MAX][NAME_BYTES_MAX];
	size_t seen_count;
};

/* The page as it is read: \(dq is a quotation mark, \e a backslash. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from;) {
		if (strncmp(from, "\\(dq", 4) == 0) {
			*to++ = '"';
			from += 4;
		} else if (strncmp(from, "\\e", 2) == 0) {
			*to++ = '\\';
			from += 2;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

static bool page_read(struct page *page)
{
	const char *top = getenv("TOP_SRCDIR");
	char path[4096];
	FILE *file;
	size_t len = 0;

	page->text = calloc(1, PAGE_BYTES_MAX + 1);
	(void)snprintf(path, sizeof(path), "%s/doc/wakegate.json.5",
		       top ? top : ".");
	file = fopen(path, "re");
	if (file) {
		len = fread(page->text, 1, PAGE_BYTES_MAX, file);
		(void)fclose(file);
	}
	unescape(page->text);
	return len > 0 && len < PAGE_BYTES_MAX;
}

/* What the page says about a key, to be freed; NULL: nothing. */
static char *section_of(const struct page *page, const char *name)
{
	char head[NAME_BYTES_MAX + 16];
	const char *begin, *end, *other;

	(void)snprintf(head, sizeof(head), "\n.It Cm %s\n", name);
	begin = strstr(page->text, head);
	if (!begin)
		return NULL;
	begin += strlen(head);
	end = strstr(begin, "\n.It ");
	other = strstr(begin, "\n.El\n");
	if (!end || (other && other < end))
		end = other;
	return end ? strndup(begin, (size_t)(end - begin)) : NULL;
}

static bool says(const char *section, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool says(const char *section, const char *format, ...)
{
	char wanted[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(wanted, sizeof(wanted), format, args);
	va_end(args);
	return strstr(section, wanted) != NULL;
}

static bool says_values(const char *section, const struct key *key)
{
	bool is_number = key->type == &type_int || key->type == &type_int64 ||
			 key->type == &type_size || key->type == &type_ints;

	if (is_number)
		return says(section, "%lld to %lld", (long long)key->min,
			    (long long)key->max);
	for (const char *const *word = key->words; word && *word; word++)
		if (!says(section, "\"%s\"", *word))
			return false;
	return true;
}

static bool says_default(const char *section, const struct key *key)
{
	if (key->required)
		return says(section, "; required");
	if (!key->fallback)
		return says(section, "; no default.") ||
		       says(section, "; default");
	return says(section, "; default %s.", key->fallback);
}

/* The example in the whole that it belongs to: {"gateways": {"demo": ...}}. */
static json_t *example_of(const char *section)
{
	const char *mark = ".Bd -literal -compact\n";
	const char *begin = strstr(section, mark);
	const char *end = begin ? strstr(begin, "\n.Ed") : NULL;
	char *text = NULL;
	json_t *example = NULL;

	if (!end)
		return NULL;
	begin += strlen(mark);
	if (asprintf(&text, "{%.*s}", (int)(end - begin), begin) < 0)
		return NULL;
	example = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	return example;
}

/* Goes to the key's own value, as its name "probe.path" says; NAME is whichever
 * member comes first. */
static json_t *value_of(json_t *example, const char *name)
{
	char part[NAME_BYTES_MAX];
	size_t len;

	for (; example && *name; name += len + (name[len] == '.')) {
		len = strcspn(name, ".");
		(void)snprintf(part, sizeof(part), "%.*s", (int)len, name);
		example = strcmp(part, "NAME") == 0
				  ? json_object_iter_value(
					    json_object_iter(example))
				  : json_object_get(example, part);
	}
	return example;
}

/* Reads the key's own value only; what else the example lacks is no matter. */
static bool example_is_taken(const char *section, const struct key *key,
			     const char *name)
{
	union {
		struct settings settings;
		struct gateway_settings gateway;
		struct action_settings action;
	} room = { 0 };
	void *at = key->offset == KEY_UNSTORED ? NULL
					       : (char *)&room + key->offset;
	struct source source = { .file = "wakegate.json.5", .text = "" };
	struct place place = { .source = &source, .key = key->name };
	json_t *example = example_of(section);
	json_t *value = value_of(example, name);
	struct err err = { .text = "it has no such value" };
	bool taken =
		value && key->type->read(key, value, &place, at, &err) == 0;

	if (!taken)
		printf("# %s: %s\n", name, err.text);
	if (at && key->type->release)
		key->type->release(key, at);
	json_decref(example);
	return taken;
}

static void check_key(struct page *page, const struct key *key,
		      const char *name)
{
	char *section = section_of(page, name);

	if (page->seen_count < KEYS_MAX)
		(void)snprintf(page->seen[page->seen_count++], NAME_BYTES_MAX,
			       "%s", name);
	if (!ok(section, "%s is in the page", name))
		return;
	ok(says_default(section, key), "%s: its default is '%s'", name,
	   key->required   ? "required"
	   : key->fallback ? key->fallback
			   : "none");
	ok(says_values(section, key), "%s: the values that it takes", name);
	ok(example_is_taken(section, key, name), "%s: its example is taken",
	   name);
	free(section);
}

static void check_keys(struct page *page, const struct key *keys,
		       const char *prefix)
{
	char name[NAME_BYTES_MAX];

	for (const struct key *key = keys; key->name; key++) {
		(void)snprintf(name, sizeof(name), "%s%s%s", prefix,
			       *prefix ? "." : "", key->name);
		if (key->keys)
			check_keys(page, key->keys, name);
		else if (key->type == &type_actions)
			check_keys(page, action_keys, "actions.NAME");
		else
			check_key(page, key, name);
	}
}

static bool is_seen(const struct page *page, const char *name)
{
	for (size_t i = 0; i < page->seen_count; i++)
		if (strcmp(page->seen[i], name) == 0)
			return true;
	return false;
}

static void check_others(const struct page *page)
{
	const char *mark = "\n.It Cm ";
	const char *at = page->text;
	char name[NAME_BYTES_MAX];

	while ((at = strstr(at, mark))) {
		at += strlen(mark);
		(void)snprintf(name, sizeof(name), "%.*s",
			       (int)strcspn(at, " \n"), at);
		ok(is_seen(page, name), "%s of the page is a key", name);
	}
}

int main(void)
{
	struct page page = { .seen_count = 0 };

	if (ok(page_read(&page), "the page is read")) {
		check_keys(&page, settings_keys, "");
		check_keys(&page, gateway_keys, "");
		ok(page.seen_count > 60 && page.seen_count < KEYS_MAX,
		   "there are %zu keys", page.seen_count);
		check_others(&page);
	}
	free(page.text);
	return done_testing();
}
