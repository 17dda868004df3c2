/* The key `actions`: what is taken, what is refused, and what it becomes */
#include "config.h"

#include <string.h>

#include "gateway/action.h"
#include "gateway/settings.h"
#include "settings_world.h"
#include "tap.h"

#include "base/banned.h"

#define ACTIONS(text) ONE("\"actions\": {" text "}")
#define AT	      ":6: gateways.demo.actions."

static void test_taken(void)
{
	takes(ACTIONS(""), "no action");
	takes(ACTIONS("\"list\": {\"command\": [\"/bin/true\"]}"),
	      "a command without parameters");
	takes(ACTIONS("\"a.b-c_1\": {\"command\": [\"true\", \"--x={id}/{n}\", "
		      "\"{id}\"], \"parameters\": {\"id\": \"^[a-z]+$\", "
		      "\"n\": \"[0-9]\"}, \"timeout_s\": 300, "
		      "\"output\": \"json\"}"),
	      "parameters, several in a word, one in several");
	takes(ACTIONS("\"a\": {\"command\": [\"awk\", \"{ print }\", \"{}\", "
		      "\"{1}\", \"{a b}\"]}"),
	      "braces that hold no name");
}

/* The error begins so, behind the path of the file. */
static void refuses_so(const char *text, const char *expected, const char *what)
{
	struct err err = { 0 };
	struct settings *settings = load(text, &err);
	const char *found = strstr(err.text, expected);

	if (!ok(!settings && found && found <= err.text + strlen(config) + 32,
		"refuses %s", what))
		printf("# got      %s\n# expected %s\n", err.text, expected);
	settings_unref(settings);
}

static void test_refused(void)
{
	refuses_so(ACTIONS("\"a\": {}"), AT "a: 'command' is missing",
		   "an action without a command");
	refuses_so(ACTIONS("\"a\": {\"command\": []}"),
		   AT "a.command: expected a list that is not empty",
		   "an empty command");
	refuses_so(ACTIONS("\"a b\": {\"command\": [\"x\"]}"),
		   AT "a b: expected a name of 1 to 63 letters",
		   "a name with a space");
	refuses_so(ACTIONS("\"a\": {\"command\": [\"x\", \"{id}\"]}"),
		   AT "a.command[1]: '{id}' is none of 'parameters'",
		   "a name in the command that is no parameter");
	refuses_so(ACTIONS("\"a\": {\"command\": [\"{id}\"], "
			   "\"parameters\": {\"id\": \"x\"}}"),
		   AT
		   "a.command[0]: expected a program to run, and no parameter "
		   "in its name",
		   "a program that a parameter names");
	refuses_so(ACTIONS("\"a\": {\"command\": [\"x\"], "
			   "\"parameters\": {\"id\": \"x\"}}"),
		   AT "a.parameters.id: 'command' has no '{id}'",
		   "a parameter that the command has not");
	refuses_so(ACTIONS("\"a\": {\"command\": [\"x\", \"{id}\"], "
			   "\"parameters\": {\"id\": \"(\"}}"),
		   AT
		   "a.parameters.id: expected an extended regular expression: ",
		   "an expression that is none");
	refuses_so(ACTIONS("\"a\": {\"command\": [\"x\", \"{id}\"], "
			   "\"parameters\": {\"id\": 1}}"),
		   AT
		   "a.parameters.id: expected an extended regular expression, "
		   "got 1",
		   "a number for an expression");
	refuses_so(ACTIONS("\"a\": {\"command\": [\"x\"], "
			   "\"parameters\": {\"1d\": \"x\"}}"),
		   AT "a.parameters.1d: expected a name of 1 to 63 letters, "
		      "digits and '_'",
		   "a parameter's name that begins with a digit");
	refuses_so(ACTIONS("\"a\": {\"command\": [\"x\"], \"timeout_s\": 0}"),
		   AT
		   "a.timeout_s: expected a whole number from 1 to 300, got 0",
		   "no time");
	refuses_so(ACTIONS("\"a\": {\"command\": [\"x\"], \"timeout_s\": 301}"),
		   AT "a.timeout_s: expected a whole number from 1 to 300",
		   "too long a time");
	refuses_so(
		ACTIONS("\"a\": {\"command\": [\"x\"], \"output\": \"xml\"}"),
		AT "a.output: expected \"text\" or \"json\", got \"xml\"",
		"another output");
	refuses_so(
		ACTIONS("\"a\": {\"command\": [\"x\"], \"outptu\": \"json\"}"),
		"unknown key 'outptu', did you mean 'output'?",
		"an unknown key");
}

static void test_content(void)
{
	static const char text[] =
		ACTIONS("\"b\": {\"command\": [\"x\", \"{id}\"], "
			"\"parameters\": {\"id\": \"^x$\"}}, "
			"\"a\": {\"command\": [\"y\"], \"output\": \"json\"}");
	struct err err = { 0 };
	struct settings *settings = load(text, &err);
	const struct action_settings *one;

	if (!ok(settings != NULL, "actions are read"))
		return;
	one = settings->gateways[0].actions;
	ok(strcmp(one[0].name, "b") == 0 && strcmp(one[1].name, "a") == 0 &&
		   !one[2].name,
	   "they keep their order");
	ok(one[0].timeout_s == 20 && !one[0].json && one[1].json,
	   "20 s and text are the defaults");
	ok(strcmp(one[0].parameters[0].name, "id") == 0 &&
		   strcmp(one[0].parameters[0].pattern, "^x$") == 0 &&
		   !one[0].parameters[1].name && !one[1].parameters[0].name,
	   "parameters have their expressions");
	ok(action_find(&settings->gateways[0], (struct slice){ "a", 1 }) ==
			   one + 1 &&
		   !action_find(&settings->gateways[0],
				(struct slice){ "A", 1 }),
	   "they are found by their names");
	settings_unref(settings);
}

int main(void)
{
	world_begin();
	test_taken();
	test_refused();
	test_content();
	world_end();
	return done_testing();
}
