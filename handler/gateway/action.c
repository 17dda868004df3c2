#include "config.h"

#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/redact.h"
#include "gateway/action.h"
#include "gateway/output.h"
#include "gateway/program.h"
#include "gateway/spawn.h"
#include "gateway/view.h"

#include "base/banned.h"

#define WORD_BYTES    65536
#define NUMBER_BYTES  24
#define JSON_DEPTH    64
#define REDACTED_ROOM 512 /* what secrets may grow by, in one text */

const struct action_settings *action_find(
	const struct gateway_settings *gateway, struct slice name)
{
	const struct action_settings *one = gateway->actions;

	while (one && one->name && !action_name_is(name, one->name))
		one++;
	return one && one->name ? one : NULL;
}

/* --- values ------------------------------------------------------------------ */

/* The value as text: in number, where it is one. */
static const char *value_text(json_t *value, char number[NUMBER_BYTES])
{
	if (json_is_integer(value))
		(void)snprintf(number, NUMBER_BYTES, "%" JSON_INTEGER_FORMAT,
			       json_integer_value(value));
	return json_is_integer(value) ? number : json_string_value(value);
}

/* The longest match from the first place that has one: the whole, where the whole
 * is one. */
static bool matches(const char *pattern, const char *text)
{
	regmatch_t match = { 0, 0 };
	regex_t expression;
	bool whole;

	if (regcomp(&expression, pattern, REG_EXTENDED) != 0)
		return false;
	whole = regexec(&expression, text, 1, &match, 0) == 0 &&
		match.rm_so == 0 && match.rm_eo == (regoff_t)strlen(text);
	regfree(&expression);
	return whole;
}

static bool is_fit(const struct action_parameter *parameter, const char *text)
{
	if (strlen(text) > ACTION_VALUE_BYTES)
		return false;
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	return matches(parameter->pattern, text);
}

/* Says no value: it may be anything. */
static int check_values(const struct action_settings *action, json_t *values,
			struct err *err)
{
	const struct action_parameter *one;
	char number[NUMBER_BYTES];
	size_t known = 0;

	for (one = action->parameters; one->name; one++) {
		json_t *value = json_object_get(values, one->name);
		const char *text = value_text(value, number);

		if (!value)
			return err_set(err, ERR_INVALID,
				       "the parameter '%s' is missing",
				       one->name);
		if (!text || !is_fit(one, text))
			return err_set(err, ERR_INVALID,
				       "the parameter '%s' must match %s",
				       one->name, one->pattern);
		known++;
	}
	if (json_object_size(values) != known)
		return err_set(err, ERR_INVALID,
			       "'%s' has %zu parameters, %zu are given",
			       action->name, known, json_object_size(values));
	return 0;
}

/* --- words ------------------------------------------------------------------- */

static void free_words(char ***words)
{
	for (char **word = *words; word && *word; word++)
		free(*word);
	free(*words);
}

/* The word with the values in place of the names. */
static int fill_word(char **ret, const char *word, json_t *values,
		     struct err *err)
{
	CLEANUP(buffer_free) struct buffer out = BUFFER_INIT(WORD_BYTES);
	char number[NUMBER_BYTES];
	struct slice name = { 0 };
	const char *at = word;

	for (; action_next_name(at, &name); at = name.data + name.len + 1) {
		char key[ACTION_NAME_LEN_MAX + 1] = "";
		const char *text;

		memcpy(key, name.data, name.len);
		text = value_text(json_object_get(values, key), number);
		buffer_append(&out, at, (size_t)(name.data - 1 - at));
		if (out.len == 0 && *text == '-')
			return err_set(err, ERR_INVALID,
				       "the parameter '%s' must not begin with "
				       "'-'",
				       key);
		buffer_puts(&out, text);
	}
	buffer_puts(&out, at);
	if (!buffer_ok(&out))
		return err_set(err, ERR_LIMIT,
			       "a word of the command is longer "
			       "than "
			       "%d bytes",
			       WORD_BYTES);
	*ret = strdup(buffer_text(&out));
	return *ret ? 0 : err_errno(err, "cannot run the action");
}

static int fill_words(char ***ret, const struct action_settings *action,
		      json_t *values, struct err *err)
{
	CLEANUP(free_words) char **words = NULL;
	size_t count = 0;

	while (action->command[count])
		count++;
	words = calloc(count + 1, sizeof(*words));
	if (!words)
		return err_errno(err, "cannot run the action");
	for (size_t i = 0; i < count; i++)
		if (fill_word(&words[i], action->command[i], values, err))
			return -1;
	*ret = __extension__ STEAL_PTR(words);
	return 0;
}

/* --- what it printed --------------------------------------------------------- */

static json_t *fit_text(const char *text,
			const struct gateway_settings *gateway)
{
	size_t size = strlen(text) + REDACTED_ROOM;
	CLEANUP_FREE char *copy = malloc(size);
	json_t *shown;

	if (!copy)
		return json_string("");
	memcpy(copy, text, strlen(text) + 1);
	output_make_fit(copy, size, gateway);
	shown = *copy ? view_text(copy) : json_string("");
	return shown ? shown : json_string("");
}

/* By the one list of names that there is. */
static bool names_secret(const char *name)
{
	char line[256];

	(void)snprintf(line, sizeof(line) - sizeof(REDACTED), "%.128s: x",
		       name);
	redact(line, sizeof(line), NULL);
	return strstr(line, REDACTED) != NULL;
}

/* hidden: it is what a secret's name stands for, or is in a list that is. */
static json_t *fit_json(json_t *value, const struct gateway_settings *gateway,
			bool hidden, int depth)
{
	json_t *shown, *member;
	const char *name;
	size_t i;

	if (depth == JSON_DEPTH)
		return json_null();
	if (json_is_array(value)) {
		shown = json_array();
		json_array_foreach(value, i, member)(void)
			json_array_append_new(
				shown,
				fit_json(member, gateway, hidden, depth + 1));
		return shown;
	}
	if (!json_is_object(value) && hidden && !json_is_null(value))
		return json_string(REDACTED);
	if (json_is_string(value))
		return fit_text(json_string_value(value), gateway);
	if (!json_is_object(value))
		return json_incref(value);
	shown = json_object();
	json_object_foreach(value, name, member)
	{
		(void)json_object_set_new(shown, name,
					  fit_json(member, gateway,
						   names_secret(name),
						   depth + 1));
	}
	return shown;
}

json_t *action_redacted(json_t *value, const struct gateway_settings *gateway)
{
	return fit_json(value, gateway, false, 0);
}

/* From the first line on that begins some: programs like to talk before. */
static json_t *find_json(const char *text)
{
	json_t *found = NULL;

	while (text && !found) {
		if (*text == '{' || *text == '[')
			found = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return found;
}

static void take_output(struct action_end *ret, struct program_end *end,
			const struct gateway_settings *gateway,
			const struct action_settings *action)
{
	const char *text = buffer_text(&end->output);
	json_t *found = NULL;

	if (action->json && text && !end->cut)
		found = find_json(text);
	ret->output = found ? fit_json(found, gateway, false, 0)
			    : fit_text(text ? text : "", gateway);
	json_decref(found);
	text = end->errors.len > 0 ? buffer_text(&end->errors) : NULL;
	ret->errors = text ? fit_text(text, gateway) : json_null();
}

void action_end_release(struct action_end *end)
{
	json_decref(end->output);
	json_decref(end->errors);
	*end = (struct action_end){ .exit_code = -1 };
}

/* --- the run ----------------------------------------------------------------- */

static void free_environment(char ***environment)
{
	spawn_environment_free(*environment);
}

/* A NUL would hide what comes after it. */
static void drop_nuls(struct buffer *buffer)
{
	for (size_t i = 0; i < buffer->len; i++)
		if (buffer->data[i] == '\0')
			buffer->data[i] = '?';
}

int action_run(struct action_end *ret, const struct gateway_settings *gateway,
	       const struct action_settings *action, json_t *values,
	       struct err *err)
{
	CLEANUP(free_environment) char **environment = NULL;
	CLEANUP(free_words) char **words = NULL;
	struct program_end end = {
		.output = BUFFER_INIT(ACTION_OUTPUT_BYTES),
		.errors = BUFFER_INIT(ACTION_ERRORS_BYTES),
	};
	struct program program = {
		.directory = gateway->directory ? gateway->directory : "/",
		.timeout_ms = action->timeout_s * 1000,
		.merged = !action->json,
	};
	int result;

	if (check_values(action, values, err) ||
	    fill_words(&words, action, values, err) ||
	    spawn_environment(&environment, gateway, NULL, err))
		return -1;
	program.words = words;
	program.environment = environment;
	result = program_run(&end, &program, err);
	if (result == 0) {
		drop_nuls(&end.output);
		drop_nuls(&end.errors);
		*ret = (struct action_end){
			.success = !end.timed_out && end.exit_code == 0,
			.exit_code = end.exit_code,
			.exit_signal = end.exit_signal,
			.timed_out = end.timed_out,
			.cut = end.cut,
		};
		take_output(ret, &end, gateway, action);
	}
	buffer_free(&end.output);
	buffer_free(&end.errors);
	return result;
}
