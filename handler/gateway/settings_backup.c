#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/settings.h"
#include "gateway/settings_form.h"
#include "gateway/settings_key.h"
#include "gateway/settings_private.h"

#include "base/banned.h"

#define DAY_S 86400

#define BACKUP(member)                                                         \
	.offset = offsetof(struct gateway_settings, backup.member)
#define FOLDER                                                                 \
	.form = form_folder,                                                   \
	.expected = "an absolute path of a folder, without '.', '..' and '//'"

static const char *const restore_words[] = { "extract", "overlay", NULL };
static const char *const failure_words[] = { "fail", "start_empty", NULL };

_Static_assert(RESTORE_EXTRACT == 0 && RESTORE_OVERLAY == 1 &&
		       RESTORE_MODE_MAX_ == 2,
	       "restore_words has every word in its place");

static const struct key s3_keys[] = {
	{ "endpoint", &type_text, BACKUP(s3.endpoint), .required = true,
	  .form = form_endpoint,
	  .expected = "\"https://HOST\" or \"http://HOST:PORT\"" },
	{ "bucket", &type_text, BACKUP(s3.bucket), .required = true,
	  .form = form_bucket,
	  .expected = "a bucket's name: 3 to 63 of a-z, 0-9, '.' and '-'" },
	{ "prefix", &type_text, BACKUP(s3.prefix), "\"\"",
	  .form = form_key_prefix,
	  .expected = "\"\" or a text such as \"openclaw/\", that does not "
		      "begin with '/'" },
	{ "region", &type_text, BACKUP(s3.region), "\"us-east-1\"",
	  .form = form_region,
	  .expected = "a region, such as \"auto\" or \"eu-west-1\"" },
	{ "access_key", &type_value, BACKUP(s3.access_key), .required = true,
	  .value_form = form_header_value,
	  .expected = "a text or {\"file\": \"/path\"}" },
	{ "secret_key", &type_value, BACKUP(s3.secret_key), .required = true,
	  .value_form = form_header_value,
	  .expected = "a text or {\"file\": \"/path\"}" },
	{ 0 },
};

const struct key backup_keys[] = {
	{ "directory", &type_text, BACKUP(directory), .required = true,
	  FOLDER },
	{ "to", &type_text, BACKUP(to), FOLDER },
	{ "s3", &type_object, 0, .keys = s3_keys },
	{ "every_s", &type_int, BACKUP(every_s), "300", .min = 0,
	  .max = 365 * DAY_S },
	{ "keep", &type_int, BACKUP(keep), "5", .min = 1, .max = 10000 },
	{ "exclude", &type_texts, BACKUP(exclude), "[]", .min = 0, .max = 256,
	  .form = form_pattern,
	  .expected = "a pattern of a file's name or of a path below the "
		      "directory, such as \"cache\" or \"*.lock\"" },
	{ "on_stop", &type_bool, BACKUP(on_stop), "true" },
	{ "freeze", &type_bool, BACKUP(freeze), "false" },
	{ "restore", &type_choice, BACKUP(restore), "\"extract\"",
	  .words = restore_words },
	{ "restore_timeout_s", &type_int, BACKUP(restore_timeout_s), "15",
	  .min = 1, .max = DAY_S },
	{ "on_restore_failure", &type_choice_bool, BACKUP(start_empty),
	  "\"fail\"", .words = failure_words },
	{ 0 },
};

/* Is one of the folders the other, or in it? */
static bool overlap(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	size_t len = a_len < b_len ? a_len : b_len;
	const char *longer = a_len < b_len ? b : a;

	return strncmp(a, b, len) == 0 &&
	       (longer[len] == '\0' || longer[len] == '/');
}

static int refuse_overlap(const struct place *place, const char *folder,
			  const char *what, const char *other, struct err *err)
{
	if (!overlap(folder, other))
		return 0;
	return place_error(place, err, "'%s' and %s '%s' lie in one another",
			   folder, what, other);
}

/* A restore of one would move or remove what is the other's. */
static int refuse_other(const struct place *place,
			const struct backup_settings *backup,
			const struct backup_settings *other, struct err *err)
{
	struct place directory = { .source = place->source,
				   .parent = place,
				   .key = "directory" };
	struct place to = { .source = place->source,
			    .parent = place,
			    .key = "to" };

	if (refuse_overlap(&directory, backup->directory,
			   "that of another gateway,", other->directory, err) ||
	    refuse_overlap(&directory, backup->directory,
			   "the 'to' of another gateway,", other->to, err))
		return -1;
	return refuse_overlap(&to, backup->to,
			      "the 'directory' of another gateway,",
			      other->directory, err);
}

static int default_to(struct gateway_settings *gateway, const char *state_dir,
		      struct err *err)
{
	if (gateway->backup.to)
		return 0;
	if (asprintf(&gateway->backup.to, "%s/%s.snapshots", state_dir,
		     gateway->name) < 0) {
		gateway->backup.to = NULL;
		return err_set(err, ERR_SYSTEM, "cannot hold the settings");
	}
	return 0;
}

int backup_finish(struct gateway_settings *gateway,
		  const struct settings *settings, const struct place *place,
		  struct err *err)
{
	struct place backup = { .source = place->source,
				.parent = place,
				.key = "backup" };
	struct place directory = { .source = place->source,
				   .parent = &backup,
				   .key = "directory" };
	const struct gateway_settings *other;

	if (!gateway->backup.directory)
		return 0;
	if (default_to(gateway, settings->state_dir, err))
		return -1;
	if (refuse_overlap(&directory, gateway->backup.directory,
			   "'to' or its default", gateway->backup.to, err) ||
	    refuse_overlap(&directory, gateway->backup.directory, "state_dir",
			   settings->state_dir, err))
		return -1;
	for (other = settings->gateways; other != gateway; other++)
		if (other->backup.directory &&
		    refuse_other(&backup, &gateway->backup, &other->backup,
				 err))
			return -1;
	return 0;
}
