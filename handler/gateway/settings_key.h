/* settings_key.h - the keys of the configuration, as a table
 *
 * A key has a type; the type reads its value from JSON, shows it again, and
 * frees it. Defaults are JSON too, so that they pass the same checks.
 */
#ifndef WAKEGATE_SETTINGS_KEY_H
#define WAKEGATE_SETTINGS_KEY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "gateway/settings_place.h"

struct key;

struct key_type {
	/* at is zeroed, or NULL when the value is only checked. What was read
	 * before a failure is released with the whole. */
	int (*read)(const struct key *key, json_t *value,
		    const struct place *place, void *at, struct err *err);
	json_t *(*show)(const struct key *key,
			const void *at);		  /* NULL: unset */
	void (*release)(const struct key *key, void *at); /* NULL: nothing */
};

#define KEY_UNSTORED ((size_t)-1) /* checked for form, kept nowhere */

struct key {
	const char *name; /* NULL ends a table */
	const struct key_type *type;
	size_t offset;
	const char *fallback; /* the default, as JSON; NULL: left zeroed */
	bool required;
	int64_t min, max;		/* numbers; lists of texts: elements */
	bool (*form)(const char *text); /* of texts, or of members' names */
	bool (*value_form)(const char *text); /* of members' values */
	const char *expected;		      /* what form wants, for people */
	const char *const *words;	      /* of a choice; NULL at the end */
	const struct key *keys;		      /* of an object */
};

extern const struct key settings_keys[]; /* offsets in struct settings */
extern const struct key gateway_keys[];	 /* in struct gateway_settings */
extern const struct key backup_keys[];	 /* likewise: its member `backup` */
extern const struct key action_keys[];	 /* in struct action_settings */

/* settings_type.c */
extern const struct key_type type_bool, type_int, type_int64, type_size;
extern const struct key_type type_text, type_choice, type_choice_bool;
extern const struct key_type type_object;
/* settings_list.c */
extern const struct key_type type_texts, type_command, type_ints, type_values;
extern const struct key_type type_value; /* one, secret */
/* settings_gateways.c; at is the struct settings itself */
extern const struct key_type type_gateways;

/* Reads the members of an object into the struct at base; NULL: only checks. */
int keys_read(const struct key *keys, json_t *object, const struct place *place,
	      void *base, struct err *err);
json_t *keys_show(const struct key *keys, const void *base);
void keys_release(const struct key *keys, void *base);

/* "FILE:LINE: KEY: expected WHAT, got VALUE". Gives -1. */
#define key_unexpected(place, value, what, err)                                \
	(key_unexpected_fill((place), (value), (what), (err)), -1)
void key_unexpected_fill(const struct place *place, json_t *value,
			 const char *what, struct err *err);

struct settings;
struct gateway_settings;

/* settings_backup.c: what the keys of `backup` have to be to one another, and to
 * the gateways before this one. */
int backup_finish(struct gateway_settings *gateway,
		  const struct settings *settings, const struct place *place,
		  struct err *err);

int key_text_copy(char **ret, const char *text, struct err *err);

#endif
