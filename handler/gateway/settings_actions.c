#include "config.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/action.h"
#include "gateway/settings.h"
#include "gateway/settings_actions.h"
#include "gateway/settings_form.h"
#include "gateway/settings_key.h"

#include "base/banned.h"

#define ACTION(member) .offset = offsetof(struct action_settings, member)
#define NAME_FORM                                                              \
	"a name of 1 to 63 letters, digits, '.', '_' and '-' that begins "     \
	"with a letter or a digit"

static const char *const output_words[] = { "text", "json", NULL };

/* --- parameters: {"NAME": "EXPRESSION"} -------------------------------------- */

static int check_expression(const char *text, const struct place *place,
			    struct err *err)
{
	regex_t expression;
	int result = regcomp(&expression, text, REG_EXTENDED | REG_NOSUB);
	char why[128];

	if (result == 0) {
		regfree(&expression);
		return 0;
	}
	(void)regerror(result, &expression, why, sizeof(why));
	return place_error(place, err,
			   "expected an extended regular expression: %s", why);
}

static int read_parameters(const struct key *key, json_t *value,
			   const struct place *place, void *at, struct err *err)
{
	struct action_parameter *list;
	const char *name;
	json_t *member;

	if (!json_is_object(value))
		return key_unexpected(place, value, "an object", err);
	if (json_object_size(value) > ACTION_PARAMETERS_MAX)
		return place_error(place, err, "expected at most %d parameters",
				   ACTION_PARAMETERS_MAX);
	list = calloc(json_object_size(value) + 1, sizeof(*list));
	if (!list)
		return err_errno(err, "cannot hold the settings");
	*(struct action_parameter **)at = list; /* released with the whole */
	json_object_foreach(value, name, member)
	{
		struct place inner = { .source = place->source,
				       .parent = place,
				       .key = name };
		const char *text = json_string_value(member);

		if (!action_is_name(name, strlen(name)))
			return place_error(&inner, err, "expected %s",
					   key->expected);
		if (!text || !form_any(text))
			return key_unexpected(&inner, member,
					      "an extended regular expression",
					      err);
		if (check_expression(text, &inner, err) ||
		    key_text_copy(&list->name, name, err) ||
		    key_text_copy(&list->pattern, text, err))
			return -1;
		list++;
	}
	return 0;
}

static json_t *show_parameters(const struct key *key, const void *at)
{
	const struct action_parameter *one =
		*(struct action_parameter *const *)at;
	json_t *shown = json_object();

	(void)key;
	for (; one && one->name; one++)
		(void)json_object_set_new(shown, one->name,
					  json_string(one->pattern));
	return shown;
}

static void release_parameters(const struct key *key, void *at)
{
	struct action_parameter *list = *(struct action_parameter **)at;
	struct action_parameter *one;

	(void)key;
	for (one = list; one && one->name; one++) {
		free(one->name);
		free(one->pattern);
	}
	free(list);
	*(struct action_parameter **)at = NULL;
}

static const struct key_type type_parameters = { read_parameters,
						 show_parameters,
						 release_parameters };

/* --- actions: {"NAME": {...}} ------------------------------------------------ */

const struct key action_keys[] = {
	{ "command", &type_command, ACTION(command), .required = true, .min = 1,
	  .max = COMMAND_WORDS_MAX, .form = form_word,
	  .expected = "a text: the program, an argument, or one with {NAME} of "
		      "a parameter in it" },
	{ "parameters", &type_parameters, ACTION(parameters), "{}",
	  .expected = "a name of 1 to 63 letters, digits and '_' that begins "
		      "with a letter" },
	{ "timeout_s", &type_int, ACTION(timeout_s), "20", .min = 1,
	  .max = 300 },
	{ "output", &type_choice_bool, ACTION(json), "\"text\"",
	  .words = output_words },
	{ 0 },
};

static bool has_parameter(const struct action_settings *action,
			  struct slice name)
{
	const struct action_parameter *one = action->parameters;

	while (one->name && !action_name_is(name, one->name))
		one++;
	return one->name != NULL;
}

/* Each {NAME} is a parameter; and the program is none. */
static int check_words(const struct action_settings *action,
		       const struct place *place, struct err *err)
{
	struct place command = { .source = place->source,
				 .parent = place,
				 .key = "command" };

	for (size_t i = 0; action->command[i]; i++) {
		struct place word = { .source = place->source,
				      .parent = &command,
				      .index = i };
		const char *at = action->command[i];
		struct slice name = { 0 };

		if (i == 0 && (!*at || action_next_name(at, &name)))
			return place_error(&word, err,
					   "expected a program to run, and no "
					   "parameter in its name");
		for (; action_next_name(at, &name); at = name.data + name.len)
			if (!has_parameter(action, name))
				return place_error(&word, err,
						   "'{%.*s}' is none of "
						   "'parameters'",
						   (int)name.len, name.data);
	}
	return 0;
}

static bool is_used(const struct action_settings *action, const char *parameter)
{
	for (size_t i = 0; action->command[i]; i++) {
		const char *at = action->command[i];
		struct slice name = { 0 };

		for (; action_next_name(at, &name); at = name.data + name.len)
			if (action_name_is(name, parameter))
				return true;
	}
	return false;
}

static int check_action(const struct action_settings *action,
			const struct place *place, struct err *err)
{
	struct place parameters = { .source = place->source,
				    .parent = place,
				    .key = "parameters" };
	const struct action_parameter *one;

	for (one = action->parameters; one->name; one++) {
		struct place inner = { .source = place->source,
				       .parent = &parameters,
				       .key = one->name };

		if (!is_used(action, one->name))
			return place_error(&inner, err,
					   "'command' has no '{%s}'",
					   one->name);
	}
	return check_words(action, place, err);
}

static int read_actions(const struct key *key, json_t *value,
			const struct place *place, void *at, struct err *err)
{
	struct action_settings *list;
	const char *name;
	json_t *member;

	(void)key;
	if (!json_is_object(value))
		return key_unexpected(place, value, "an object", err);
	if (json_object_size(value) > ACTIONS_MAX)
		return place_error(place, err, "expected at most %d actions",
				   ACTIONS_MAX);
	list = calloc(json_object_size(value) + 1, sizeof(*list));
	if (!list)
		return err_errno(err, "cannot hold the settings");
	*(struct action_settings **)at = list; /* released with the whole */
	json_object_foreach(value, name, member)
	{
		struct place inner = { .source = place->source,
				       .parent = place,
				       .key = name };

		if (!form_gateway_name(name))
			return place_error(&inner, err, "expected " NAME_FORM);
		if (key_text_copy(&list->name, name, err) ||
		    keys_read(action_keys, member, &inner, list, err) ||
		    check_action(list, &inner, err))
			return -1;
		list++;
	}
	return 0;
}

static json_t *show_actions(const struct key *key, const void *at)
{
	const struct action_settings *one =
		*(struct action_settings *const *)at;
	json_t *shown = json_object();

	(void)key;
	for (; one && one->name; one++)
		(void)json_object_set_new(shown, one->name,
					  keys_show(action_keys, one));
	return shown;
}

static void release_actions(const struct key *key, void *at)
{
	struct action_settings *list = *(struct action_settings **)at;
	struct action_settings *one;

	(void)key;
	for (one = list; one && one->name; one++) {
		keys_release(action_keys, one);
		free(one->name);
	}
	free(list);
	*(struct action_settings **)at = NULL;
}

const struct key_type type_actions = { read_actions, show_actions,
				       release_actions };
