#include "config.h"

#include <jansson.h>
#include <stdio.h>

#include "cli/command.h"
#include "edge/explain.h"

#include "base/banned.h"

static const char *text_of(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "-";
}

static void print_step(json_t *step)
{
	json_int_t after_ms =
		json_integer_value(json_object_get(step, "after_ms"));
	json_int_t generation =
		json_integer_value(json_object_get(step, "generation"));

	(void)printf("  %+10.3f s  ", (double)after_ms / 1000.0);
	if (generation > 0)
		(void)printf("generation %lld: ", (long long)generation);
	(void)printf("%s\n", text_of(step, "text"));
}

static void print_people(json_t *shown)
{
	json_t *steps = json_object_get(shown, "steps");

	(void)printf("request %s to %s, %s\n%s\n", text_of(shown, "request"),
		     text_of(shown, "gateway"), text_of(shown, "at"),
		     text_of(shown, "summary"));
	for (size_t i = 0; i < json_array_size(steps); i++)
		print_step(json_array_get(steps, i));
}

enum exit_status explain_run(const struct session *session, struct err *err)
{
	json_t *shown = NULL;

	if (explain(&shown, session->store, session->request, err))
		return EXIT_FAILED;
	if (session->options->given & OPTION_JSON) {
		(void)json_dumpf(shown, stdout, JSON_INDENT(2));
		(void)putchar('\n');
	} else {
		print_people(shown);
	}
	json_decref(shown);
	return EXIT_DONE;
}
