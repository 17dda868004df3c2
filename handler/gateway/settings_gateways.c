#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/settings.h"
#include "gateway/settings_form.h"
#include "gateway/settings_key.h"
#include "gateway/settings_private.h"

#include "base/banned.h"

#define NAME_FORM                                                              \
	"a name of 1 to 63 letters, digits, '.', '_' and '-' that begins "     \
	"with a letter or a digit"

static struct place member(const struct place *parent, const char *key)
{
	struct place place = { .source = parent->source,
			       .parent = parent,
			       .key = key };

	return place;
}

static void drop_last_slash(char *path)
{
	size_t len = strlen(path);

	if (len > 1 && path[len - 1] == '/')
		path[len - 1] = '\0';
}

/* "/a/" and "/a" are the same mount; hosts are compared in lower case. */
static void normalize(struct gateway_settings *gateway)
{
	char **host, *c;

	drop_last_slash(gateway->mount);
	drop_last_slash(gateway->page_path);
	for (host = gateway->hosts; *host; host++)
		for (c = *host; *c; c++)
			*c = (char)tolower((unsigned char)*c);
}

static int finish_command(struct gateway_settings *gateway,
			  const struct place *place, struct err *err)
{
	struct place command = member(place, "command");
	struct place program = { .source = place->source, .parent = &command };
	const char *slash = strrchr(gateway->command[0], '/');
	const char *name = slash ? slash + 1 : gateway->command[0];

	if (!*name)
		return place_error(&program, err,
				   "expected a program to start, got \"%s\"",
				   gateway->command[0]);
	if (gateway->process)
		return 0;
	return key_text_copy(&gateway->process, name, err);
}

static int finish_headers(struct gateway_settings *gateway,
			  struct settings_counted *counted,
			  const struct place *place, struct err *err)
{
	struct place headers = member(place, "set_headers");
	struct place identity = member(place, "identity_header");
	struct setting_value *header;

	for (header = gateway->set_headers; header->name; header++) {
		struct place inner = member(&headers, header->name);
		struct small_file file = { 0 };
		struct err why;

		if (gateway->identity_header &&
		    strcasecmp(gateway->identity_header, header->name) == 0)
			return place_error(&identity, err,
					   "'%s' is in set_headers too",
					   header->name);
		if (!header->file)
			continue;
		if (secret_file_read(&file, header->file, &why))
			return place_error(&inner, err, "%s", why.text);
		header->text = file.text;
		if (!form_header_value(file.text))
			return place_error(&inner, err,
					   "'%s' holds control characters or "
					   "outer spaces",
					   header->file);
		if (settings_add_watched(counted, header->file, &file.stamp,
					 err))
			return -1;
	}
	return 0;
}

static int read_gateway(struct gateway_settings *gateway, json_t *value,
			struct settings_counted *counted,
			const struct place *place, struct err *err)
{
	struct place address = member(place, "address");
	struct place idle = member(place, "idle_stop_s");
	struct err why;

	if (!form_gateway_name(place->key))
		return place_error(place, err, "expected " NAME_FORM);
	if (strcmp(place->key, "wakegate") == 0)
		return place_error(place, err,
				   "expected another name than "
				   "that of wakegate's own files");
	memcpy(gateway->name, place->key, strlen(place->key) + 1);
	if (keys_read(gateway_keys, value, place, gateway, err))
		return -1;
	normalize(gateway);
	if (address_parse(&gateway->address, gateway->address_text, &why))
		return place_error(&address, err, "%s", why.text);
	if (gateway->always_on && gateway->idle_stop_s > 0)
		return place_error(&idle, err,
				   "expected 0, since 'always_on' is true");
	if (finish_command(gateway, place, err) ||
	    backup_finish(gateway, &counted->settings, place, err))
		return -1;
	return finish_headers(gateway, counted, place, err);
}

/* May one request be meant for both? One with hosts and one without do not
 * compete: the one with hosts goes first. */
static bool same_requests(const struct gateway_settings *a,
			  const struct gateway_settings *b)
{
	size_t i, j;

	if (strcmp(a->mount, b->mount) != 0)
		return false;
	if (!a->hosts[0] || !b->hosts[0])
		return !a->hosts[0] && !b->hosts[0];
	for (i = 0; a->hosts[i]; i++)
		for (j = 0; b->hosts[j]; j++)
			if (strcmp(a->hosts[i], b->hosts[j]) == 0)
				return true;
	return false;
}

static bool same_address(const struct address *a, const struct address *b)
{
	return a->len == b->len && memcmp(&a->socket, &b->socket, a->len) == 0;
}

static int check_others(const struct settings *settings,
			const struct place *place, struct err *err)
{
	const struct gateway_settings *all = settings->gateways;
	const struct gateway_settings *last =
		&all[settings->gateways_count - 1];
	struct place address = member(place, "address");
	struct place mount = member(place, "mount");
	const struct gateway_settings *other;

	for (other = all; other != last; other++) {
		if (same_requests(other, last))
			return place_error(&mount, err,
					   "gateway '%s' has the mount '%s' "
					   "for the same hosts",
					   other->name, other->mount);
		if (same_address(&other->address, &last->address))
			return place_error(&address, err,
					   "gateway '%s' has the same address",
					   other->name);
	}
	return 0;
}

/* Longest mount first; of the same one, those for certain hosts first. */
static int by_mount(const void *a_, const void *b_)
{
	const struct gateway_settings *a = a_, *b = b_;
	size_t a_len = strlen(a->mount), b_len = strlen(b->mount);
	bool a_hosts = a->hosts[0] != NULL, b_hosts = b->hosts[0] != NULL;

	if (a_len != b_len)
		return a_len < b_len ? 1 : -1;
	if (a_hosts != b_hosts)
		return a_hosts ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int read_gateways(const struct key *key, json_t *value,
			 const struct place *place, void *at, struct err *err)
{
	struct settings *settings = at;
	const char *name;
	json_t *inner;

	if (!json_is_object(value) || json_object_size(value) == 0)
		return place_error(place, err, "expected %s", key->expected);
	if (json_object_size(value) > GATEWAYS_MAX)
		return place_error(place, err, "expected at most %d gateways",
				   GATEWAYS_MAX);
	settings->gateways =
		calloc(json_object_size(value), sizeof(*settings->gateways));
	if (!settings->gateways)
		return err_errno(err, "cannot hold the settings");
	json_object_foreach(value, name, inner)
	{
		struct place gateway = member(place, name);

		if (read_gateway(
			    &settings->gateways[settings->gateways_count++],
			    inner, at, &gateway, err) ||
		    check_others(settings, &gateway, err))
			return -1;
	}
	qsort(settings->gateways, settings->gateways_count,
	      sizeof(*settings->gateways), by_mount);
	return 0;
}

static json_t *show_gateways(const struct key *key, const void *at)
{
	const struct settings *settings = at;
	json_t *shown = json_object();
	size_t i;

	(void)key;
	for (i = 0; i < settings->gateways_count; i++)
		(void)json_object_set_new(
			shown, settings->gateways[i].name,
			keys_show(gateway_keys, &settings->gateways[i]));
	return shown;
}

static void release_gateways(const struct key *key, void *at)
{
	struct settings *settings = at;
	size_t i;

	(void)key;
	for (i = 0; i < settings->gateways_count; i++)
		keys_release(gateway_keys, &settings->gateways[i]);
	free(settings->gateways);
	settings->gateways = NULL;
	settings->gateways_count = 0;
}

const struct key_type type_gateways = { read_gateways, show_gateways,
					release_gateways };
