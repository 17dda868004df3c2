/* The configuration: what is taken, what is refused, and with which words */
#include "config.h"

#include <string.h>

#include "gateway/settings.h"
#include "gateway/settings_nearest.h"
#include "settings_world.h"
#include "tap.h"

#include "base/banned.h"

static void test_numbers(void)
{
	refuses(ONE("\"probe\": {\n    \"interval_ms\": \"fast\"\n   }"),
		":7: gateways.demo.probe.interval_ms: expected a whole number "
		"from 1 to 60000, got \"fast\"",
		"a word for a number");
	refuses(ONE("\"wait_s\": 2.5"),
		":6: gateways.demo.wait_s: expected a whole number from 0 to "
		"3600, got 2.5",
		"a fraction");
	refuses(ONE("\"wait_s\": null"),
		":6: gateways.demo.wait_s: expected a whole number from 0 to "
		"3600, got null",
		"null");
	refuses(ONE("\"max_failures\": 0"),
		":6: gateways.demo.max_failures: expected a whole number from "
		"1 to 1000, got 0",
		"a number below its range");
	refuses(ONE("\"final_exit_codes\": [1,\n 256]"),
		":7: gateways.demo.final_exit_codes[1]: expected a whole "
		"number "
		"from 0 to 255, got 256",
		"an element out of its range, with its own line");
	takes(ONE("\"final_exit_codes\": []"), "no final exit code");
	takes(ONE("\"idle_stop_s\": 60, \"always_on\": false"), "an idle stop");
	takes(ONE("\"idle_stop_s\": 0, \"always_on\": true"), "always on");
	refuses(ONE("\"idle_stop_s\": 60, \"always_on\": true"),
		":6: gateways.demo.idle_stop_s: expected 0, since 'always_on' "
		"is true",
		"an idle stop of what is always on");
	refuses(ONE("\"backup\": {}"),
		":6: gateways.demo.backup: 'directory' is missing: expected an "
		"absolute path of a folder, without '.', '..' and '//'",
		"a backup of nothing");
	refuses(ONE("\"backup\": {\"directory\": \"/var/x/..\"}"),
		":6: gateways.demo.backup.directory: expected an absolute path "
		"of a folder, without '.', '..' and '//', got \"/var/x/..\"",
		"a folder that leads elsewhere");
	refuses(ONE("\"backup\": {\"directory\": \"/a/b\", \"to\": "
		    "\"/a/b/c\"}"),
		":6: gateways.demo.backup.directory: '/a/b' and 'to' or its "
		"default '/a/b/c' lie in one another",
		"snapshots in what they are taken of");
	refuses(ONE("\"backup\": {\"directory\": \"/a\", \"s3\": {"
		    "\"endpoint\": \"ftp://x\"}}"),
		":6: gateways.demo.backup.s3.endpoint: expected "
		"\"https://HOST\" or \"http://HOST:PORT\", got \"ftp://x\"",
		"another protocol");
	takes(ONE("\"backup\": {\"directory\": \"/a/b\", \"to\": \"/a/bc\"}"),
	      "a folder whose name begins with the other's");
}

static void test_unknown_keys(void)
{
	refuses(ONE("\"adress\": \"x\""),
		":6: gateways.demo: unknown key 'adress', did you mean "
		"'address'?",
		"a mistyped key, with the nearest one");
	refuses("{\n\n\"gatewasy\": {}}",
		":3: unknown key 'gatewasy', did you mean 'gateways'?",
		"swapped letters at the top");
	refuses(ONE("\"probe\": { \"paht\": \"/\" }"),
		":6: gateways.demo.probe: unknown key 'paht', did you mean "
		"'path'?",
		"a mistyped key in an object");
	refuses(ONE("\"xyzzyplugh\": 1"),
		":6: gateways.demo: unknown key 'xyzzyplugh' "
		"(wakegate.json(5) has all)",
		"a key like no other, without a guess");
	refuses("{\"$schema\": \"x\", \"gateways\": {}}",
		":1: unknown key '$schema' (wakegate.json(5) has all)",
		"$schema");
	refuses(ONE("\"a\\nb\": 1"),
		":6: gateways.demo: unknown key 'a?b' (wakegate.json(5) has "
		"all)",
		"a key with a control character, made safe to print");
}

static void test_structure(void)
{
	struct err err = { 0 };

	refuses("{}",
		":1: 'gateways' is missing: expected an object with one member "
		"for each gateway",
		"a file without gateways");
	refuses("[]", ":1: expected an object, got a list", "a list");
	refuses("{\"gateways\": {}}",
		":1: gateways: expected an object with one member for each "
		"gateway",
		"no gateway");
	refuses("{\n\"gateways\": {\n\"demo\": {" ADDRESS "}}}",
		":3: gateways.demo: 'command' is missing: expected a list, "
		"each "
		"a text: the program or an argument",
		"a gateway without a command, with its line");
	refuses("{\"gateways\": {\"-x\": {}}}",
		":1: gateways.-x: expected a name of 1 to 63 letters, digits, "
		"'.', '_' and '-' that begins with a letter or a digit",
		"a name that begins with a dash");
	refuses("{\"gateways\": {\"wakegate\": {}}}",
		":1: gateways.wakegate: expected another name than that of "
		"wakegate's own files",
		"a name that is wakegate's own");
	ok(!load("{\n \"log_level\": \"info\",\n \"log_level\": \"info\"\n}",
		 &err) &&
		   strstr(err.text, ":3: duplicate object key"),
	   "refuses a key that is there twice");
	ok(!load("{\n\"gateways\":\n", &err) && strstr(err.text, ":3:"),
	   "a syntax error names its line");
	ok(!load("", &err) && strstr(err.text, ":1:"), "refuses an empty file");
}

/* The line is that of the key that is meant, not of its namesakes. */
static void test_lines(void)
{
	refuses("{\n"
		" \"gateways\": {\n"
		"  \"status\": { " ADDRESS ", " COMMAND ",\n"
		"   \"environment\": { \"status\": \"{\\\"status\\\": 1}\",\n"
		"     \"probe\": \"status\" },\n"
		"   \"routes\": { \"status\": \"/status\" },\n"
		"   \"probe\": {\n"
		"     \"path\": \"/status\",\n"
		"     \"status\":\n"
		"        \"status\" }\n"
		"  }\n }\n}\n",
		":9: gateways.status.probe.status: expected a whole number "
		"from "
		"200 to 599, got \"status\"",
		"a value among namesakes, with the right line");
	refuses("{\n \"gateways\": {\n"
		"  \"a\": { " COMMAND ", \"address\": \"127.0.0.1:1\",\n"
		"    \"mount\": \"/a\", \"wait_s\": 1 },\n"
		"  \"b\": { " COMMAND ", \"address\": \"127.0.0.1:2\",\n"
		"    \"mount\": \"/b\",\n"
		"    \"\\u0077ait_s\": -1 }\n }\n}",
		":7: gateways.b.wait_s: expected a whole number from 0 to "
		"3600, got -1",
		"a key with an escape in the second gateway");
	refuses(ONE("\"lock_files\": [\"/a\", [\n"
		    "], \"b\"]"),
		":6: gateways.demo.lock_files[1]: expected an absolute path, "
		"got a list",
		"a list in a list");
}

static void test_texts(void)
{
	refuses(ONE("\"mount\": \"demo\""),
		":6: gateways.demo.mount: expected a path that begins with "
		"'/', "
		"without '//', '..', '%' and '?', got \"demo\"",
		"a mount without a slash");
	refuses(ONE("\"mount\": \"/a/../b\""),
		":6: gateways.demo.mount: expected a path that begins with "
		"'/', "
		"without '//', '..', '%' and '?', got \"/a/../b\"",
		"a mount with dots");
	refuses(ONE("\"directory\": \"srv\""),
		":6: gateways.demo.directory: expected an absolute path, got "
		"\"srv\"",
		"a relative folder");
	refuses("{\n\"state_dir\": \"state\", \"gateways\": {}}",
		":2: state_dir: expected an absolute path, got \"state\"",
		"a relative state folder");
	refuses("{\"log_level\": \"loud\", \"gateways\": {}}",
		":1: log_level: expected \"error\", \"warning\", \"info\" or "
		"\"debug\", got \"loud\"",
		"an unknown word");
	refuses("{\"trusted_proxies\": [\"::1\", \"proxy\"], \"gateways\": {}}",
		":1: trusted_proxies[1]: expected a numeric IP address, got "
		"\"proxy\"",
		"a proxy by name");
	refuses(ONE("\"routes\": {\"status\": \"api\"}"),
		":6: gateways.demo.routes.status: expected a path of a URL "
		"that "
		"begins with '/', got \"api\"",
		"a relative route");
	refuses(ONE("\"routes\": {\"admin\": \"api\"}"),
		":6: gateways.demo.routes.admin: expected a path of a URL that "
		"begins with '/', got \"api\"",
		"a route of a later version that is none");
	refuses(ONE("\"hosts\": [\"a:80\"]"),
		":6: gateways.demo.hosts[0]: expected a host's name, without a "
		"port, got \"a:80\"",
		"a host with a port");
	refuses(ONE("\"websocket_origins\": [\"a.example\"]"),
		":6: gateways.demo.websocket_origins[0]: expected an origin "
		"such as \"https://www.example.org\", \"null\" or \"*\", got "
		"\"a.example\"",
		"an origin without a scheme");
	refuses(ONE("\"websocket_origins\": [\"http://a/\"]"),
		":6: gateways.demo.websocket_origins[0]: expected an origin "
		"such as \"https://www.example.org\", \"null\" or \"*\", got "
		"\"http://a/\"",
		"an origin with a path");
	refuses(ONE("\"websocket_origins\": [\"http://a:\"]"),
		":6: gateways.demo.websocket_origins[0]: expected an origin "
		"such as \"https://www.example.org\", \"null\" or \"*\", got "
		"\"http://a:\"",
		"an origin with an empty port");
	takes(ONE("\"websocket_origins\": [\"https://a.example\", "
		  "\"http://[::1]:81\", \"null\", \"*\"]"),
	      "origins");
	takes(ONE("\"hosts\": [\"a.example\", \"[::1]\", \"10.0.0.1\"]"),
	      "names and addresses as hosts");
}

static void test_commands(void)
{
	refuses("{\"gateways\": {\"demo\": {" ADDRESS ", \"command\": []}}}",
		":1: gateways.demo.command: expected a list that is not empty, "
		"each a text: the program or an argument, got a list",
		"an empty command");
	refuses("{\"gateways\": {\"demo\": {" ADDRESS
		", \"command\": [\"a\", 1]}}}",
		":1: gateways.demo.command[1]: expected a text: the program or "
		"an argument, got 1",
		"a number in a command");
	refuses("{\"gateways\": {\"demo\": {" ADDRESS
		", \"command\": [\"\"]}}}",
		":1: gateways.demo.command[0]: expected a program to start, "
		"got "
		"\"\"",
		"a command without a program");
	refuses(ONE("\"environment\": {\"A-B\": \"x\"}"),
		":6: gateways.demo.environment.A-B: expected a variable's name "
		"of letters, digits and '_', other than WAKEGATE_INSTANCE",
		"a variable that no shell could name");
	refuses(ONE("\"environment\": {\"WAKEGATE_INSTANCE\": \"x\"}"),
		":6: gateways.demo.environment.WAKEGATE_INSTANCE: expected a "
		"variable's name of letters, digits and '_', other than "
		"WAKEGATE_INSTANCE",
		"wakegate's own variable");
	refuses(ONE("\"environment\": {\"A\": 1}"),
		":6: gateways.demo.environment.A: expected a text or "
		"{\"file\": \"/path\"}",
		"a number as a variable, without repeating a value");
	refuses(ONE("\"environment\": {\"A\": {\"file\": \"x\"}}"),
		":6: gateways.demo.environment.A.file: expected an absolute "
		"path, got \"x\"",
		"a relative secret file");
}

static void test_headers(void)
{
	refuses(ONE("\"set_headers\": {\"A B\": \"x\"}"),
		":6: gateways.demo.set_headers.A B: expected a header's name "
		"that wakegate does not write itself",
		"a header name with a space");
	refuses(ONE("\"set_headers\": {\"content-length\": \"1\"}"),
		":6: gateways.demo.set_headers.content-length: expected a "
		"header's name that wakegate does not write itself",
		"a header that frames the message");
	refuses(ONE("\"set_headers\": {\"A\": \"x\\r\\nB: y\"}"),
		":6: gateways.demo.set_headers.A: expected a text without "
		"control characters and outer spaces",
		"a header value with a line break");
	refuses(ONE("\"set_headers\": {\"A\": \"x\",\n\"a\": \"y\"}"),
		":7: gateways.demo.set_headers.a: the same as 'A'",
		"a header that is there twice");
	refuses(ONE("\"identity_header\": \"X-User\", \"set_headers\": "
		    "{\"x-user\": \"y\"}"),
		":6: gateways.demo.identity_header: 'x-user' is in set_headers "
		"too",
		"an identity that a set header would forge");
	refuses(ONE("\"identity_header\": \"\""),
		":6: gateways.demo.identity_header: expected a header's name "
		"that wakegate does not write itself, got \"\"",
		"an empty identity header");
}

#define TWO(a, b)                                                              \
	"{\"gateways\": {\n\"a\": {" COMMAND ", " a "},\n\"b\": {" COMMAND     \
	", " b "}}}"

static void test_several(void)
{
	struct err err = { 0 };
	struct settings *settings;

	refuses(TWO("\"address\": \"127.0.0.1:1\"", "\"address\": "
						    "\"127.0.0.1:2\""),
		":3: gateways.b.mount: gateway 'a' has the mount '/' for the "
		"same hosts",
		"two gateways for the same requests");
	refuses(TWO("\"address\": \"127.0.0.1:1\", \"mount\": \"/a\"",
		    "\"address\": \"127.0.0.1:1\", \"mount\": \"/b\""),
		":3: gateways.b.address: gateway 'a' has the same address",
		"two gateways at one address");
	refuses(TWO("\"address\": \"127.0.0.1:1\", \"hosts\": [\"X.example\"]",
		    "\"address\": \"127.0.0.1:2\", \"hosts\": [\"y\", "
		    "\"x.EXAMPLE\"]"),
		":3: gateways.b.mount: gateway 'a' has the mount '/' for the "
		"same hosts",
		"two gateways for one host, whatever the case");
	settings = load(TWO("\"address\": \"127.0.0.1:1\"",
			    "\"address\": \"unix:/run/b\", \"hosts\": [\"B\"]"),
			&err);
	ok(settings && strcmp(settings->gateways[0].name, "b") == 0 &&
		   strcmp(settings->gateways[0].hosts[0], "b") == 0 &&
		   !settings_gateway(settings, NULL),
	   "one with hosts goes before one without");
	settings_unref(settings);
	settings = load(TWO("\"address\": \"127.0.0.1:1\"",
			    "\"address\": \"[::1]:1\", \"mount\": \"/b/\""),
			&err);
	ok(settings && strcmp(settings->gateways[0].mount, "/b") == 0,
	   "the longest mount goes first, without its last slash");
	settings_unref(settings);
}

#define BACKUP(port, directory, to)                                            \
	"\"address\": \"127.0.0.1:" port "\", \"mount\": \"/" port             \
	"\", \"backup\": {\"directory\": \"" directory "\", \"to\": \"" to     \
	"\"}"

static void test_several_backups(void)
{
	refuses(TWO(BACKUP("1", "/a/x", "/t"), BACKUP("2", "/a", "/t")),
		":3: gateways.b.backup.directory: '/a' and that of another "
		"gateway, '/a/x' lie in one another",
		"a state in another one");
	refuses(TWO(BACKUP("1", "/a", "/b/snapshots"), BACKUP("2", "/b", "/t")),
		":3: gateways.b.backup.directory: '/b' and the 'to' of another "
		"gateway, '/b/snapshots' lie in one another",
		"another one's snapshots in a state");
	refuses(TWO(BACKUP("1", "/a", "/t"), BACKUP("2", "/b", "/a/snapshots")),
		":3: gateways.b.backup.to: '/a/snapshots' and the 'directory' "
		"of another gateway, '/a' lie in one another",
		"snapshots in another one's state");
	takes(TWO(BACKUP("1", "/a", "/t"), BACKUP("2", "/b", "/t")),
	      "two states with one place for snapshots");
}

static void test_nearest(void)
{
	struct nearest nearest = { .wanted = "stauts" };

	nearest_try(&nearest, "start");
	nearest_try(&nearest, "status");
	nearest_try(&nearest, "stop");
	ok(nearest_name(&nearest) &&
		   strcmp(nearest_name(&nearest), "status") == 0,
	   "a swap of letters is one step");
}

int main(void)
{
	world_begin();
	test_numbers();
	test_unknown_keys();
	test_structure();
	test_lines();
	test_texts();
	test_commands();
	test_headers();
	test_several();
	test_several_backups();
	test_nearest();
	world_end();
	return done_testing();
}
