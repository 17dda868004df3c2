#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/redact.h"
#include "gateway/settings.h"
#include "gateway/settings_form.h"
#include "gateway/settings_key.h"

#include "base/banned.h"

#define NUMBERS_MAX 256

static int list_check(const struct key *key, json_t *value,
		      const struct place *place, struct err *err)
{
	size_t size = json_array_size(value);
	char what[128];

	if (!json_is_array(value) || size < (size_t)key->min) {
		(void)snprintf(what, sizeof(what), "a list%s, each %s",
			       key->min > 0 ? " that is not empty" : "",
			       key->expected);
		return key_unexpected(place, value, what, err);
	}
	if (size > (size_t)key->max)
		return place_error(place, err, "expected at most %d, got %zu",
				   (int)key->max, size);
	return 0;
}

static int read_texts(const struct key *key, json_t *value,
		      const struct place *place, void *at, struct err *err)
{
	char **list;
	size_t i;

	if (list_check(key, value, place, err))
		return -1;
	list = calloc(json_array_size(value) + 1, sizeof(*list));
	if (!list)
		return err_errno(err, "cannot hold the settings");
	*(char ***)at = list; /* released with the whole */
	for (i = 0; i < json_array_size(value); i++) {
		struct place element = { .source = place->source,
					 .parent = place,
					 .index = i };
		json_t *item = json_array_get(value, i);
		const char *text = json_string_value(item);

		if (!text || !key->form(text))
			return key_unexpected(&element, item, key->expected,
					      err);
		if (key_text_copy(&list[i], text, err))
			return -1;
	}
	return 0;
}

static json_t *show_texts(const struct key *key, const void *at)
{
	char *const *text = *(char **const *)at;
	json_t *list = json_array();

	(void)key;
	for (; text && *text; text++)
		(void)json_array_append_new(list, json_string(*text));
	return list;
}

static void release_texts(const struct key *key, void *at)
{
	char **list = *(char ***)at;
	size_t i;

	(void)key;
	for (i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
	*(char ***)at = NULL;
}

const struct key_type type_texts = { read_texts, show_texts, release_texts };

static json_t *show_word(char *const *command, size_t index)
{
	const char *word = command[index];
	const char *secret = redact_secret_in(command, index);
	size_t size = strlen(word) + 64;
	char *text;
	json_t *shown;

	if (secret)
		return json_sprintf("%.*s%s", (int)(secret - word), word,
				    REDACTED);
	text = malloc(size); /* it may be a shell's whole command */
	if (!text)
		return NULL;
	memcpy(text, word, strlen(word) + 1);
	redact(text, size, NULL);
	shown = json_string(text);
	free(text);
	return shown;
}

static json_t *show_command(const struct key *key, const void *at)
{
	char *const *command = *(char **const *)at;
	json_t *list = json_array();

	(void)key;
	for (size_t i = 0; command && command[i]; i++)
		(void)json_array_append_new(list, show_word(command, i));
	return list;
}

const struct key_type type_command = { read_texts, show_command,
				       release_texts };

/* at: an int *, and behind it a size_t: the count */
struct int_list {
	int *numbers;
	size_t count;
};

static int read_ints(const struct key *key, json_t *value,
		     const struct place *place, void *at, struct err *err)
{
	struct int_list *list = at;
	size_t size = json_array_size(value), i;
	char what[96];

	if (!json_is_array(value) || size > NUMBERS_MAX)
		return key_unexpected(place, value, "a list of whole numbers",
				      err);
	(void)snprintf(what, sizeof(what), "a whole number from %d to %d",
		       (int)key->min, (int)key->max);
	list->numbers = calloc(size + 1, sizeof(*list->numbers));
	if (!list->numbers)
		return err_errno(err, "cannot hold the settings");
	for (i = 0; i < size; i++) {
		struct place element = { .source = place->source,
					 .parent = place,
					 .index = i };
		json_t *item = json_array_get(value, i);

		if (!json_is_integer(item) ||
		    json_integer_value(item) < key->min ||
		    json_integer_value(item) > key->max)
			return key_unexpected(&element, item, what, err);
		list->numbers[i] = (int)json_integer_value(item);
	}
	list->count = size;
	return 0;
}

static json_t *show_ints(const struct key *key, const void *at)
{
	const struct int_list *list = at;
	json_t *shown = json_array();
	size_t i;

	(void)key;
	for (i = 0; i < list->count; i++)
		(void)json_array_append_new(shown,
					    json_integer(list->numbers[i]));
	return shown;
}

static void release_ints(const struct key *key, void *at)
{
	struct int_list *list = at;

	(void)key;
	free(list->numbers);
	list->numbers = NULL;
	list->count = 0;
}

const struct key_type type_ints = { read_ints, show_ints, release_ints };

_Static_assert(offsetof(struct gateway_settings, final_exit_codes_count) ==
		       offsetof(struct gateway_settings, final_exit_codes) +
			       offsetof(struct int_list, count),
	       "the count of a list follows it");

/* Never says what it got: that may be a secret. */
static int read_value(const struct key *key, json_t *value,
		      const struct place *place, struct setting_value *ret,
		      struct err *err)
{
	struct place place_file = { .source = place->source,
				    .parent = place,
				    .key = "file" };
	const char *text = json_string_value(value);
	json_t *file;

	if (text) {
		if (strlen(text) > SECRET_BYTES_MAX)
			return place_error(place, err,
					   "expected at most %d bytes",
					   SECRET_BYTES_MAX);
		if (!key->value_form(text))
			return place_error(place, err,
					   "expected a text without control "
					   "characters and outer spaces");
		return key_text_copy(&ret->text, text, err);
	}
	file = json_object_get(value, "file");
	if (json_object_size(value) != 1 || !file)
		return place_error(place, err,
				   "expected a text or {\"file\": \"/path\"}");
	text = json_string_value(file);
	if (!text || !form_file_path(text))
		return key_unexpected(&place_file, file, "an absolute path",
				      err);
	return key_text_copy(&ret->file, text, err);
}

static int read_single(const struct key *key, json_t *value,
		       const struct place *place, void *at, struct err *err)
{
	struct setting_value *single = at;

	if (key_text_copy(&single->name, key->name, err))
		return -1;
	return read_value(key, value, place, single, err);
}

static json_t *show_value(const struct setting_value *value, bool plain)
{
	if (value->file)
		return json_pack("{s:s}", "file", value->file);
	return value->text ? json_string(plain ? value->text : REDACTED) : NULL;
}

static json_t *show_single(const struct key *key, const void *at)
{
	(void)key;
	return show_value(at, false);
}

static void release_single(const struct key *key, void *at)
{
	struct setting_value *value = at;

	(void)key;
	free(value->name);
	free(value->text);
	free(value->file);
	*value = (struct setting_value){ 0 };
}

const struct key_type type_value = { read_single, show_single, release_single };

static int read_values(const struct key *key, json_t *value,
		       const struct place *place, void *at, struct err *err)
{
	struct setting_value *values, *next;
	const struct setting_value *other;
	const char *name;
	json_t *member;

	if (!json_is_object(value))
		return key_unexpected(place, value, "an object", err);
	values = calloc(json_object_size(value) + 1, sizeof(*values));
	if (!values)
		return err_errno(err, "cannot hold the settings");
	*(struct setting_value **)at = values; /* released with the whole */
	next = values;
	json_object_foreach(value, name, member)
	{
		struct place inner = { .source = place->source,
				       .parent = place,
				       .key = name };

		if (!key->form(name))
			return place_error(&inner, err, "expected %s",
					   key->expected);
		for (other = values; other != next; other++)
			if (key->form == form_header &&
			    strcasecmp(other->name, name) == 0)
				return place_error(&inner, err,
						   "the same as '%s'",
						   other->name);
		if (key_text_copy(&next->name, name, err) ||
		    read_value(key, member, &inner, next, err))
			return -1;
		next++;
	}
	return 0;
}

static json_t *show_values(const struct key *key, const void *at)
{
	const struct setting_value *value = *(struct setting_value *const *)at;
	json_t *shown = json_object();

	for (; value && value->name; value++) {
		bool plain = key->form == form_variable &&
			     redact_variable_is_plain(value->name);

		(void)json_object_set_new(shown, value->name,
					  show_value(value, plain));
	}
	return shown;
}

static void release_values(const struct key *key, void *at)
{
	struct setting_value *values = *(struct setting_value **)at, *value;

	for (value = values; value && value->name; value++)
		release_single(key, value);
	free(values);
	*(struct setting_value **)at = NULL;
}

const struct key_type type_values = { read_values, show_values,
				      release_values };
