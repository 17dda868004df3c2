#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "gateway/settings_key.h"

#include "base/banned.h"

#define GOT_BYTES 48

static void got_text(char *ret, size_t size, json_t *value)
{
	char *dump;

	if (json_is_object(value) || json_is_array(value)) {
		(void)snprintf(ret, size, "%s",
			       json_is_array(value) ? "a list" : "an object");
		return;
	}
	dump = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	if (dump && strlen(dump) >= size)
		(void)snprintf(ret, size, "%.*s...", (int)size - 4, dump);
	else
		(void)snprintf(ret, size, "%s", dump ? dump : "something else");
	free(dump);
}

void key_unexpected_fill(const struct place *place, json_t *value,
			 const char *what, struct err *err)
{
	char got[GOT_BYTES];

	got_text(got, sizeof(got), value);
	place_fill(place, err, "expected %s, got %s", what, got);
}

int key_text_copy(char **ret, const char *text, struct err *err)
{
	char *copy = strdup(text);

	if (!copy)
		return err_errno(err, "cannot hold the settings");
	*ret = copy;
	return 0;
}

static int read_bool(const struct key *key, json_t *value,
		     const struct place *place, void *at, struct err *err)
{
	(void)key;
	if (!json_is_boolean(value))
		return key_unexpected(place, value, "true or false", err);
	if (at)
		*(bool *)at = json_is_true(value);
	return 0;
}

static json_t *show_bool(const struct key *key, const void *at)
{
	(void)key;
	return json_boolean(*(const bool *)at);
}

const struct key_type type_bool = { read_bool, show_bool, NULL };

static int read_whole(const struct key *key, json_t *value,
		      const struct place *place, int64_t *ret, struct err *err)
{
	char what[96];

	if (json_is_integer(value) && json_integer_value(value) >= key->min &&
	    json_integer_value(value) <= key->max) {
		*ret = json_integer_value(value);
		return 0;
	}
	(void)snprintf(what, sizeof(what),
		       "a whole number from %" PRId64 " to %" PRId64, key->min,
		       key->max);
	return key_unexpected(place, value, what, err);
}

static int read_int(const struct key *key, json_t *value,
		    const struct place *place, void *at, struct err *err)
{
	int64_t number = 0;

	if (read_whole(key, value, place, &number, err))
		return -1;
	if (at)
		*(int *)at = (int)number;
	return 0;
}

static json_t *show_int(const struct key *key, const void *at)
{
	(void)key;
	return json_integer(*(const int *)at);
}

const struct key_type type_int = { read_int, show_int, NULL };

static int read_int64(const struct key *key, json_t *value,
		      const struct place *place, void *at, struct err *err)
{
	int64_t number = 0;

	if (read_whole(key, value, place, &number, err))
		return -1;
	if (at)
		*(int64_t *)at = number;
	return 0;
}

static json_t *show_int64(const struct key *key, const void *at)
{
	(void)key;
	return json_integer(*(const int64_t *)at);
}

const struct key_type type_int64 = { read_int64, show_int64, NULL };

static int read_size(const struct key *key, json_t *value,
		     const struct place *place, void *at, struct err *err)
{
	int64_t number = 0;

	if (read_whole(key, value, place, &number, err))
		return -1;
	if (at)
		*(size_t *)at = (size_t)number;
	return 0;
}

static json_t *show_size(const struct key *key, const void *at)
{
	(void)key;
	return json_integer((json_int_t) * (const size_t *)at);
}

const struct key_type type_size = { read_size, show_size, NULL };

static int read_text(const struct key *key, json_t *value,
		     const struct place *place, void *at, struct err *err)
{
	const char *text = json_string_value(value);

	if (!text || !key->form(text))
		return key_unexpected(place, value, key->expected, err);
	return at ? key_text_copy(at, text, err) : 0;
}

static json_t *show_text(const struct key *key, const void *at)
{
	const char *text = *(char *const *)at;

	(void)key;
	return text ? json_string(text) : NULL;
}

static void release_text(const struct key *key, void *at)
{
	(void)key;
	free(*(char **)at);
	*(char **)at = NULL;
}

const struct key_type type_text = { read_text, show_text, release_text };

static int read_word(const struct key *key, json_t *value,
		     const struct place *place, int *ret, struct err *err)
{
	const char *text = json_string_value(value);
	struct buffer what = BUFFER_INIT(256);
	int i;

	for (i = 0; key->words[i]; i++) {
		if (text && strcmp(text, key->words[i]) == 0) {
			buffer_free(&what);
			*ret = i;
			return 0;
		}
		buffer_printf(&what, "%s\"%s\"",
			      i == 0		  ? ""
			      : key->words[i + 1] ? ", "
						  : " or ",
			      key->words[i]);
	}
	key_unexpected_fill(place, value, buffer_text(&what), err);
	buffer_free(&what);
	return -1;
}

/* Enums of ours have the size and the alignment of an int. */
static int read_choice(const struct key *key, json_t *value,
		       const struct place *place, void *at, struct err *err)
{
	int word = 0;

	if (read_word(key, value, place, &word, err))
		return -1;
	if (at)
		*(int *)at = word;
	return 0;
}

static json_t *show_choice(const struct key *key, const void *at)
{
	return json_string(key->words[*(const int *)at]);
}

const struct key_type type_choice = { read_choice, show_choice, NULL };

static int read_choice_bool(const struct key *key, json_t *value,
			    const struct place *place, void *at,
			    struct err *err)
{
	int word = 0;

	if (read_word(key, value, place, &word, err))
		return -1;
	if (at)
		*(bool *)at = word != 0;
	return 0;
}

static json_t *show_choice_bool(const struct key *key, const void *at)
{
	return json_string(key->words[*(const bool *)at ? 1 : 0]);
}

const struct key_type type_choice_bool = { read_choice_bool, show_choice_bool,
					   NULL };

/* The members of an object lie in the same struct as the object's neighbours:
 * its own offset is 0. */
static int read_object(const struct key *key, json_t *value,
		       const struct place *place, void *at, struct err *err)
{
	return keys_read(key->keys, value, place, at, err);
}

/* An object without defaults that was not given shows nothing. */
static json_t *show_object(const struct key *key, const void *at)
{
	json_t *shown = keys_show(key->keys, at);
	const char *const *first;

	if (key->fallback || !key->keys->required)
		return shown;
	first = (const char *const *)(const void *)((const char *)at +
						    key->keys->offset);
	if (*first)
		return shown;
	json_decref(shown);
	return NULL;
}

static void release_object(const struct key *key, void *at)
{
	keys_release(key->keys, at);
}

const struct key_type type_object = { read_object, show_object,
				      release_object };
