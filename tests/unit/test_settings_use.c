/* The configuration: defaults, secrets, printing, reading anew, damage */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/deadline.h"
#include "gateway/settings.h"
#include "settings_world.h"
#include "tap.h"

#include "base/banned.h"

#define MUTANTS 2000

static void test_default_limits(const struct gateway_settings *gateway)
{
	ok(gateway->start_timeout_s == 180 && gateway->wait_s == 25 &&
		   gateway->stop_timeout_s == 30 && gateway->lease_s == 30,
	   "default time-outs");
	ok(gateway->max_failures == 6 && gateway->restarts_max == 10 &&
		   gateway->final_exit_codes_count == 1 &&
		   gateway->final_exit_codes[0] == 78,
	   "default crash rules");
	ok(gateway->waiting_max == 200 && gateway->replay_bytes == 65536 &&
		   gateway->body_max_bytes == 104857600,
	   "default sizes");
	ok(gateway->keepalive_s == 4 && gateway->keepalive_max == 32 &&
		   gateway->response_timeout_s == 120 &&
		   gateway->stream_idle_timeout_s == 0,
	   "default times of the upstream side");
	ok(gateway->probe.status == 200 && gateway->probe.interval_ms == 100 &&
		   gateway->probe.timeout_ms == 2000 && !gateway->probe.path &&
		   !gateway->probe.body_has,
	   "default probe: a connect");
}

static void test_defaults(void)
{
	struct err err = { 0 };
	struct settings *settings = load(
		"{\"gateways\": {\"demo\": {" ADDRESS ", " COMMAND "}}}", &err);
	const struct gateway_settings *gateway;

	ok(settings != NULL, "address and command are enough");
	if (!settings)
		return;
	gateway = settings_gateway(settings, NULL);
	ok(settings->log_level == LEVEL_INFO && settings->state_dir[0] == '/' &&
		   !settings->admin_users[0],
	   "default log level, state folder and users");
	ok(strcmp(settings->trusted_proxies[0], "127.0.0.1") == 0 &&
		   strcmp(settings->trusted_proxies[1], "::1") == 0 &&
		   !settings->trusted_proxies[2],
	   "default trusted proxies");
	test_default_limits(gateway);
	ok(strcmp(gateway->mount, "/") == 0 && !gateway->hosts[0] &&
		   !gateway->strip_mount && !gateway->directory &&
		   !gateway->environment[0].name && !gateway->lock_files[0] &&
		   !gateway->no_wake[0] && !gateway->set_headers[0].name,
	   "default lists are empty");
	ok(gateway->forwarded == FORWARDED_X && !gateway->identity_header &&
		   gateway->loading_page && !gateway->show_output_to_anyone &&
		   strcmp(gateway->status_path, "/api/status") == 0 &&
		   strcmp(gateway->admin_path, "/api/admin") == 0,
	   "default headers, page and route");
	ok(strcmp(gateway->process, "true") == 0,
	   "the process is named after the command");
	ok(address_port(&gateway->address) == 18789, "the address is parsed");
	ok(settings_gateway(settings, "demo") == gateway &&
		   !settings_gateway(settings, "other"),
	   "a gateway is found by its name");
	settings_unref(settings);
}

static void test_secrets(void)
{
	struct setting_value value = { secret, NULL, secret };
	struct settings *settings;
	struct err err = { 0 };
	char *text = NULL, json[512];

	write_text(secret, "Bearer abc\n");
	ok(settings_value_read(&text, &value, &err) == 0 &&
		   strcmp(text, "Bearer abc") == 0,
	   "a secret's file loses its newline");
	free(text);
	write_text(secret, "a\nb\n");
	ok(settings_value_read(&text, &value, &err) != 0 &&
		   err.code == ERR_INVALID,
	   "a secret of two lines is refused");
	write_bytes(secret, "a\0b", 3);
	ok(settings_value_read(&text, &value, &err) != 0, "so is a NUL in one");
	write_text(secret, "");
	ok(settings_value_read(&text, &value, &err) != 0, "so is an empty one");
	(void)unlink(secret);
	ok(settings_value_read(&text, &value, &err) != 0 &&
		   strstr(err.text, "No such file"),
	   "a secret's file that is missing is named");
	(void)snprintf(json, sizeof(json),
		       ONE("\"set_headers\": {\"A\": {\"file\": \"%s\"}}"),
		       secret);
	ok(!load(json, &err) &&
		   strstr(err.text, ":6: gateways.demo.set_headers.A: cannot"),
	   "a header's missing file is an error with a line");
	write_text(secret, "Bearer abc\n");
	settings = load(json, &err);
	ok(settings && strcmp(settings->gateways[0].set_headers[0].text,
			      "Bearer abc") == 0,
	   "a header's file is read with the configuration");
	settings_unref(settings);
}

static void test_print(void)
{
	struct err err = { 0 };
	struct settings *settings, *again = NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	settings = load("{\"gateways\": {\"demo\": {" ADDRESS ", \"command\": "
			"[\"x\", \"--token\", \"s1\", \"--api-key=s2\", "
			"\"--port\", \"1\"], \"environment\": {\"HOME\": "
			"\"/srv\", \"DB\": \"s3\"}, \"set_headers\": "
			"{\"Authorization\": \"s4\"}}}}",
			&err);
	out = open_memstream(&text, &size);
	if (!ok(settings && out && settings_print(settings, out, &err) == 0,
		"the effective configuration is printed"))
		return;
	(void)fclose(out);
	ok(!strstr(text, "s1") && !strstr(text, "s2") && !strstr(text, "s3") &&
		   !strstr(text, "s4") && strstr(text, "[redacted]"),
	   "without its secrets");
	ok(strstr(text, "\"/srv\"") && strstr(text, "\"start_timeout_s\": 180"),
	   "with its defaults");
	write_text(config, text);
	ok(settings_load(&again, config, &err) == 0,
	   "what is printed is a configuration");
	settings_unref(again);
	settings_unref(settings);
	free(text);
}

static void test_watch(void)
{
	struct settings_watch *watch = NULL;
	struct settings *first, *second;
	struct err err = { 0 };
	char problem[512];

	write_text(config, ONE("\"wait_s\": 1"));
	if (!ok(settings_watch_open(&watch, config, &err) == 0, "watch opens"))
		return;
	first = settings_watch_get(watch);
	write_text(config, ONE("\"wait_s\": \"long\""));
	(void)deadline_pause(deadline_in(1000), 550);
	second = settings_watch_get(watch);
	ok(first == second && second->gateways[0].wait_s == 1,
	   "a bad new file keeps the old one in force");
	ok(settings_watch_problem(watch, problem, sizeof(problem)) &&
		   strstr(problem, ":6: gateways.demo.wait_s: expected"),
	   "and its problem is known");
	settings_unref(second);
	write_text(config, ONE("\"wait_s\": 22"));
	(void)deadline_pause(deadline_in(1000), 550);
	second = settings_watch_get(watch);
	ok(second->gateways[0].wait_s == 22 &&
		   !settings_watch_problem(watch, problem, sizeof(problem)) &&
		   !*problem,
	   "a mended file is taken");
	settings_watch_close(watch);
	ok(first->gateways[0].wait_s == 1 && second->gateways[0].wait_s == 22,
	   "settings outlive the watch while somebody holds them");
	settings_unref(first);
	settings_unref(second);
}

static void test_file(void)
{
	struct settings *settings = NULL;
	struct err err = { 0 };
	char *big = calloc(1, CONFIG_BYTES_MAX + 1);

	(void)unsetenv("WAKEGATE_CONFIG");
	ok(strcmp(settings_file("x"), "x") == 0 && *settings_file(NULL) == '/',
	   "the option or the built-in path names the file");
	(void)setenv("WAKEGATE_CONFIG", "/y", 1);
	ok(strcmp(settings_file(NULL), "/y") == 0 &&
		   strcmp(settings_file("x"), "x") == 0,
	   "the environment comes between them");
	ok(settings_load(&settings, "/nowhere/x", &err) != 0 &&
		   strstr(err.text, "'/nowhere/x': No such file"),
	   "a missing file is named");
	ok(settings_load(&settings, folder, &err) != 0, "a folder is no file");
	if (!big)
		return;
	memset(big, ' ', CONFIG_BYTES_MAX + 1);
	write_bytes(config, big, CONFIG_BYTES_MAX + 1);
	ok(settings_load(&settings, config, &err) != 0 && err.code == ERR_LIMIT,
	   "a file that is too large is not read");
	free(big);
}

/* conf/wakegate.json with our own secret's file in it. */
static char *example(void)
{
	static const char there[] = "/etc/wakegate/openclaw.bearer";
	const char *top = getenv("TOP_SRCDIR");
	char path[4096], text[16384], *at, *copy;
	FILE *in;
	size_t len;

	(void)snprintf(path, sizeof(path), "%s/conf/wakegate.json",
		       top ? top : ".");
	in = fopen(path, "re");
	if (!in)
		return NULL;
	len = fread(text, 1, sizeof(text) - 1, in);
	(void)fclose(in);
	text[len] = '\0';
	at = strstr(text, there);
	if (!at || asprintf(&copy, "%.*s%s%s", (int)(at - text), text, secret,
			    at + sizeof(there) - 1) < 0)
		return NULL;
	return copy;
}

static uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void load_bytes(const char *data, size_t len)
{
	struct settings *settings = NULL;
	struct err err = { 0 };

	write_bytes(config, data, len);
	if (settings_load(&settings, config, &err) == 0)
		settings_unref(settings);
}

static void test_damaged(void)
{
	static const char bytes[] = "{}[]\",:\\0/-e \n\xff";
	uint32_t state = 2463534242u;
	char *text = example(), *mutant;
	size_t len, i;
	int edits, n;

	ok(text && *text, "conf/wakegate.json can be read");
	if (!text || !*text)
		return;
	write_text(secret, "Bearer abc\n");
	takes(text, "conf/wakegate.json");
	len = strlen(text);
	for (i = 0; i <= len; i++)
		load_bytes(text, i);
	ok(true, "no prefix of the example crashes");
	mutant = malloc(len + 1);
	for (n = 0; mutant && n < MUTANTS && len > 0; n++) {
		memcpy(mutant, text, len);
		for (edits = 1 + (int)(random_next(&state) % 4); edits > 0;
		     edits--)
			mutant[random_next(&state) % len] =
				bytes[random_next(&state) %
				      (sizeof(bytes) - 1)];
		load_bytes(mutant, len);
	}
	ok(mutant != NULL, "no mutant of the example crashes");
	free(mutant);
	free(text);
}

int main(void)
{
	world_begin();
	test_defaults();
	test_secrets();
	test_print();
	test_watch();
	test_file();
	test_damaged();
	world_end();
	return done_testing();
}
