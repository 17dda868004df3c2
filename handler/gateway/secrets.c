#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/redact.h"
#include "gateway/secrets.h"

#include "base/banned.h"

#define SECRETS_MAX 512

struct list {
	char **texts; /* NULL at the end */
	size_t count;
};

static void take(struct list *list, char *text)
{
	if (text && list->count < SECRETS_MAX)
		list->texts[list->count++] = text;
	else
		free(text);
}

/* "HOME" and its like, and what names a file: a tail without them helps nobody. */
static bool is_plain(const struct setting_value *value)
{
	return !value->file &&
	       (redact_variable_is_plain(value->name) ||
		(*value->text == '/' && access(value->text, F_OK) == 0));
}

/* "Bearer TOKEN" is told by its token alone, too. */
static void cut_scheme(char *text)
{
	static const char *const schemes[] = { "Bearer ", "Basic ", "Token ",
					       "Digest ", "ApiKey " };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i]);

		if (strncasecmp(text, schemes[i], len) == 0) {
			memmove(text, text + len, strlen(text + len) + 1);
			return;
		}
	}
}

/* What can't be read can't be redacted either, and nobody has got it. */
static void take_value(struct list *list, const struct setting_value *value)
{
	struct err ignored;
	char *text = NULL;

	if (settings_value_read(&text, value, &ignored))
		return;
	cut_scheme(text);
	take(list, text);
}

static void take_values(struct list *list, const struct setting_value *values)
{
	for (; values && values->name; values++)
		if (!is_plain(values))
			take_value(list, values);
}

static void take_command(struct list *list, char *const *command)
{
	for (size_t i = 0; command && command[i]; i++) {
		const char *secret = redact_secret_in(command, i);

		if (secret)
			take(list, strdup(secret));
	}
}

static void take_gateway(struct list *list,
			 const struct gateway_settings *gateway)
{
	const struct s3_settings *s3 = &gateway->backup.s3;

	take_values(list, gateway->environment);
	take_values(list, gateway->set_headers);
	take_command(list, gateway->command);
	if (s3->access_key.text || s3->access_key.file)
		take_value(list, &s3->access_key);
	if (s3->secret_key.text || s3->secret_key.file)
		take_value(list, &s3->secret_key);
}

static int longer_first(const void *a, const void *b)
{
	size_t first = strlen(*(char *const *)a);
	size_t second = strlen(*(char *const *)b);

	return first < second ? 1 : first > second ? -1 : 0;
}

/* One that is a part of another must not spoil that. */
static char **finish(struct list *list)
{
	qsort(list->texts, list->count, sizeof(list->texts[0]), longer_first);
	return list->texts;
}

static int begin(struct list *list)
{
	*list = (struct list){
		.texts = calloc(SECRETS_MAX + 1, sizeof(list->texts[0])),
	};
	return list->texts ? 0 : -1;
}

static char **read_all(void *user)
{
	const struct settings *settings = user;
	static char name[] = "admin.token_file";
	const struct setting_value token = {
		.name = name,
		.file = settings->admin_token_file,
	};
	struct list list;

	if (begin(&list))
		return NULL;
	if (token.file)
		take_value(&list, &token);
	for (size_t i = 0; i < settings->gateways_count; i++)
		take_gateway(&list, &settings->gateways[i]);
	return finish(&list);
}

static void drop(void *user)
{
	settings_unref(user);
}

void secrets_guard(struct settings *settings)
{
	const struct redact_source source = { .read = read_all,
					      .drop = drop,
					      .user = settings_ref(settings) };

	log_set_level(settings->log_level);
	log_set_sink(settings->log);
	redact_set_source(&source);
}

void secrets_redact(char *text, size_t size,
		    const struct gateway_settings *gateway)
{
	struct list list;

	redact_all(text, size);
	if (begin(&list))
		return;
	take_gateway(&list, gateway);
	redact(text, size, finish(&list));
	for (size_t i = 0; i < list.count; i++)
		free(list.texts[i]);
	free(list.texts);
}
