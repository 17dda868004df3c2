#include "config.h"

#include <stdint.h>
#include <string.h>

#include "gateway/settings.h"
#include "gateway/settings_actions.h"
#include "gateway/settings_form.h"
#include "gateway/settings_key.h"
#include "gateway/settings_nearest.h"

#include "base/banned.h"

#ifndef WAKEGATE_STATE_DIR
#define WAKEGATE_STATE_DIR "/var/lib/wakegate"
#endif

#define DAY_S		86400
#define GATEWAY(member) .offset = offsetof(struct gateway_settings, member)
#define SETTING(member) .offset = offsetof(struct settings, member)
#define UNSTORED	.offset = KEY_UNSTORED
#define RANGE(from, to) .min = (from), .max = (to)
#define FILE_PATH	.form = form_file_path, .expected = "an absolute path"
#define URL_PATH                                                               \
	.form = form_url_path,                                                 \
	.expected = "a path of a URL that begins with '/'"

static const char *const forwarded_words[] = { "none", "x-forwarded",
					       "forwarded", NULL };
static const char *const output_words[] = { "admin", "anyone", NULL };
static const char *const level_words[] = { "error", "warning", "info", "debug",
					   NULL };
static const char *const sink_words[] = { "stderr", "syslog", NULL };

_Static_assert(FORWARDED_NONE == 0 && FORWARDED_X == 1 &&
		       FORWARDED_RFC7239 == 2 && FORWARDED_MAX_ == 3,
	       "forwarded_words has every word in its place");
_Static_assert(LEVEL_ERROR == 0 && LEVEL_WARNING == 1 && LEVEL_INFO == 2 &&
		       LEVEL_DEBUG == 3 && LEVEL_MAX_ == 4,
	       "level_words has every word in its place");
_Static_assert(LOG_TO_STDERR == 0 && LOG_TO_SYSLOG == 1 && LOG_TO_MAX_ == 2,
	       "sink_words has every word in its place");

static const struct key probe_keys[] = {
	{ "path", &type_text, GATEWAY(probe.path), .form = form_url_target,
	  .expected = "a path of a URL that begins with '/'" },
	{ "status", &type_int, GATEWAY(probe.status), "200", RANGE(200, 599) },
	{ "body_has", &type_text, GATEWAY(probe.body_has), .form = form_any,
	  .expected = "a text that is not empty, on one line" },
	{ "interval_ms", &type_int, GATEWAY(probe.interval_ms), "100",
	  RANGE(1, 60000) },
	{ "timeout_ms", &type_int, GATEWAY(probe.timeout_ms), "2000",
	  RANGE(1, 60000) },
	{ 0 },
};

static const struct key routes_keys[] = {
	{ "status", &type_text, GATEWAY(status_path), "\"/api/status\"",
	  URL_PATH },
	{ "admin", &type_text, GATEWAY(admin_path), "\"/api/admin\"",
	  URL_PATH },
	{ "page", &type_text, GATEWAY(page_path), "\"/_admin\"",
	  .form = form_folder_path,
	  .expected = "a path of a URL that begins with '/', without '//', and "
		      "is not \"/\"" },
	{ "metrics", &type_text, GATEWAY(metrics_path), URL_PATH },
	{ 0 },
};

const struct key gateway_keys[] = {
	{ "mount", &type_text, GATEWAY(mount), "\"/\"", .form = form_mount,
	  .expected = "a path that begins with '/', without '//', '..', '%' "
		      "and '?'" },
	{ "hosts", &type_texts, GATEWAY(hosts), "[]", RANGE(0, 256),
	  .form = form_host, .expected = "a host's name, without a port" },
	{ "strip_mount", &type_bool, GATEWAY(strip_mount), "false" },
	{ "address", &type_text, GATEWAY(address_text), .required = true,
	  .form = form_any,
	  .expected = "an address such as \"127.0.0.1:18789\", "
		      "\"[::1]:18789\" or \"unix:/path\"" },
	{ "command", &type_command, GATEWAY(command), .required = true,
	  RANGE(1, COMMAND_WORDS_MAX), .form = form_word,
	  .expected = "a text: the program or an argument" },
	{ "directory", &type_text, GATEWAY(directory), FILE_PATH },
	{ "environment", &type_values, GATEWAY(environment), "{}",
	  .form = form_variable, .value_form = form_word,
	  .expected = "a variable's name of letters, digits and '_', other "
		      "than WAKEGATE_INSTANCE" },
	{ "process", &type_text, GATEWAY(process), .form = form_process,
	  .expected = "the name of a process, without '/'" },
	{ "probe", &type_object, 0, "{}", .keys = probe_keys },
	{ "start_timeout_s", &type_int, GATEWAY(start_timeout_s), "180",
	  RANGE(1, DAY_S) },
	{ "wait_s", &type_int, GATEWAY(wait_s), "25", RANGE(0, 3600) },
	{ "stop_timeout_s", &type_int, GATEWAY(stop_timeout_s), "30",
	  RANGE(0, 3600) },
	/* a keeper speaks each third of it, and may be held up for 12 s: by a
	 * look at /proc (5), a signal (5) and the store (2) */
	{ "lease_s", &type_int, GATEWAY(lease_s), "30", RANGE(20, 3600) },
	{ "max_failures", &type_int, GATEWAY(max_failures), "6",
	  RANGE(1, 1000) },
	{ "restarts_max", &type_int, GATEWAY(restarts_max), "10",
	  RANGE(1, 1000) },
	{ "final_exit_codes", &type_ints, GATEWAY(final_exit_codes), "[78]",
	  RANGE(0, 255) },
	{ "lock_files", &type_texts, GATEWAY(lock_files), "[]", RANGE(0, 256),
	  .form = form_file_path, .expected = "an absolute path" },
	{ "idle_stop_s", &type_int, GATEWAY(idle_stop_s), "0",
	  RANGE(0, 30 * DAY_S) },
	{ "always_on", &type_bool, GATEWAY(always_on), "false" },
	{ "no_wake", &type_texts, GATEWAY(no_wake), "[]", RANGE(0, 256),
	  .form = form_url_path,
	  .expected = "a path of a URL that begins with '/'" },
	{ "waiting_max", &type_int, GATEWAY(waiting_max), "200",
	  RANGE(1, 10000) },
	{ "replay_bytes", &type_size, GATEWAY(replay_bytes), "65536",
	  RANGE(0, 16777216) },
	{ "body_max_bytes", &type_int64, GATEWAY(body_max_bytes), "104857600",
	  RANGE(1, INT64_C(1) << 50) },
	{ "keepalive_s", &type_int, GATEWAY(keepalive_s), "4", RANGE(0, 3600) },
	{ "keepalive_max", &type_int, GATEWAY(keepalive_max), "32",
	  RANGE(0, KEEPALIVE_MAX_MAX) },
	{ "response_timeout_s", &type_int, GATEWAY(response_timeout_s), "120",
	  RANGE(0, DAY_S) },
	{ "stream_idle_timeout_s", &type_int, GATEWAY(stream_idle_timeout_s),
	  "0", RANGE(0, DAY_S) },
	{ "forwarded", &type_choice, GATEWAY(forwarded), "\"x-forwarded\"",
	  .words = forwarded_words },
	{ "set_headers", &type_values, GATEWAY(set_headers), "{}",
	  .form = form_header, .value_form = form_header_value,
	  .expected = "a header's name that wakegate does not write itself" },
	{ "identity_header", &type_text, GATEWAY(identity_header),
	  .form = form_header,
	  .expected = "a header's name that wakegate does not write itself" },
	{ "websocket_origins", &type_texts, GATEWAY(websocket_origins), "[]",
	  RANGE(0, 256), .form = form_origin,
	  .expected = "an origin such as \"https://www.example.org\", "
		      "\"null\" or \"*\"" },
	{ "loading_page", &type_bool, GATEWAY(loading_page), "true" },
	{ "show_output", &type_choice_bool, GATEWAY(show_output_to_anyone),
	  "\"admin\"", .words = output_words },
	{ "routes", &type_object, 0, "{}", .keys = routes_keys },
	{ "actions", &type_actions, GATEWAY(actions), "{}" },
	{ "backup", &type_object, 0, .keys = backup_keys },
	{ 0 },
};

static const struct key admin_keys[] = {
	{ "users", &type_texts, SETTING(admin_users), "[]", RANGE(0, 1000),
	  .form = form_any, .expected = "the name of a user" },
	{ "token_file", &type_text, SETTING(admin_token_file), FILE_PATH },
	{ 0 },
};

const struct key settings_keys[] = {
	{ "state_dir", &type_text, SETTING(state_dir),
	  "\"" WAKEGATE_STATE_DIR "\"", FILE_PATH },
	{ "log_level", &type_choice, SETTING(log_level), "\"info\"",
	  .words = level_words },
	{ "log", &type_choice, SETTING(log), "\"stderr\"",
	  .words = sink_words },
	{ "admin", &type_object, 0, "{}", .keys = admin_keys },
	{ "trusted_proxies", &type_texts, SETTING(trusted_proxies),
	  "[\"127.0.0.1\", \"::1\"]", RANGE(0, 1000), .form = form_ip,
	  .expected = "a numeric IP address" },
	{ "gateways", &type_gateways, 0, .required = true,
	  .expected = "an object with one member for each gateway" },
	{ 0 },
};

static bool is_known(const struct key *keys, const char *name)
{
	while (keys->name && strcmp(keys->name, name) != 0)
		keys++;
	return keys->name != NULL;
}

static int check_known(const struct key *keys, json_t *object,
		       const struct place *place, struct err *err)
{
	const char *name, *meant;
	json_t *member;

	json_object_foreach(object, name, member)
	{
		struct place unknown = { .source = place->source,
					 .parent = place,
					 .key = name,
					 .unshown = true };
		struct nearest nearest = { .wanted = name };

		if (is_known(keys, name))
			continue;
		for (const struct key *key = keys; key->name; key++)
			nearest_try(&nearest, key->name);
		meant = nearest_name(&nearest);
		if (meant)
			return place_error(
				&unknown, err,
				"unknown key '%s', did you mean '%s'?", name,
				meant);
		return place_error(
			&unknown, err,
			"unknown key '%s' (wakegate.json(5) has all)", name);
	}
	return 0;
}

static void *member_of(const struct key *key, void *base)
{
	return base && key->offset != KEY_UNSTORED ? (char *)base + key->offset
						   : NULL;
}

static int read_key(const struct key *key, json_t *value,
		    const struct place *place, void *base, struct err *err)
{
	struct place inner = { .source = place->source,
			       .parent = place,
			       .key = key->name };
	void *at = member_of(key, base);
	json_t *fallback;
	int result;

	if (value)
		return key->type->read(key, value, &inner, at, err);
	if (key->required)
		return place_error(
			place, err, "'%s' is missing: expected %s%s", key->name,
			key->min > 0 ? "a list, each " : "", key->expected);
	if (!key->fallback)
		return 0;
	fallback = json_loads(key->fallback, JSON_DECODE_ANY, NULL);
	if (!fallback)
		return err_set(err, ERR_SYSTEM, "cannot hold the settings");
	result = key->type->read(key, fallback, &inner, at, err);
	json_decref(fallback);
	return result;
}

int keys_read(const struct key *keys, json_t *object, const struct place *place,
	      void *base, struct err *err)
{
	const struct key *key;

	if (!json_is_object(object))
		return key_unexpected(place, object, "an object", err);
	if (check_known(keys, object, place, err))
		return -1;
	for (key = keys; key->name; key++)
		if (read_key(key, json_object_get(object, key->name), place,
			     base, err))
			return -1;
	return 0;
}

json_t *keys_show(const struct key *keys, const void *base)
{
	json_t *shown = json_object(), *value;
	const struct key *key;

	for (key = keys; key->name; key++) {
		if (key->offset == KEY_UNSTORED)
			continue;
		value = key->type->show(key, (const char *)base + key->offset);
		if (value)
			(void)json_object_set_new(shown, key->name, value);
	}
	return shown;
}

void keys_release(const struct key *keys, void *base)
{
	const struct key *key;

	for (key = keys; key->name; key++)
		if (key->type->release && key->offset != KEY_UNSTORED)
			key->type->release(key, (char *)base + key->offset);
}
