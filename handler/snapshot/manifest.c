#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/when.h"
#include "snapshot/files.h"
#include "snapshot/manifest.h"

#include "base/banned.h"

#define DIGITS "0123456789"

static const char *const suffixes[RESTORE_MODE_MAX_] = {
	[RESTORE_EXTRACT] = ".tar.zst",
	[RESTORE_OVERLAY] = ".squashfs",
};

/* "20261124T073000.123Z" */
static void compact_time(char *ret, size_t size, int64_t at_ms)
{
	char when[WHEN_BYTES];
	size_t len = 0;

	(void)when_utc(when, at_ms);
	for (const char *c = when; *c && len + 1 < size; c++)
		if (*c != '-' && *c != ':')
			ret[len++] = *c;
	ret[len] = '\0';
}

int manifest_new_name(char *ret, size_t size, const char *gateway,
		      int64_t created_ms, enum restore_mode mode,
		      struct err *err)
{
	char when[WHEN_BYTES];
	uint32_t random = 0;
	int len;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return err_errno(err, "cannot make a name");
	compact_time(when, sizeof(when), created_ms);
	len = snprintf(ret, size, "%s-%s-%08" PRIx32 "%s", gateway, when,
		       random, suffixes[mode]);
	if (len < 0 || (size_t)len >= size)
		return err_set(err, ERR_LIMIT,
			       "the archive's name is too "
			       "long");
	return 0;
}

/* Steps over what it is made of; NULL when it is something else. */
static const char *skip(const char *c, const char *set, size_t count)
{
	return c && strspn(c, set) >= count ? c + count : NULL;
}

static const char *skip_char(const char *c, char wanted)
{
	return c && *c == wanted ? c + 1 : NULL;
}

bool manifest_is_archive(const char *name, const char *gateway,
			 enum restore_mode *ret)
{
	size_t len = strlen(gateway);
	const char *c = strncmp(name, gateway, len) == 0 ? name + len : NULL;

	c = skip_char(c, '-');
	c = skip_char(skip(c, DIGITS, 8), 'T');
	c = skip_char(skip(c, DIGITS, 6), '.');
	c = skip_char(skip_char(skip(c, DIGITS, 3), 'Z'), '-');
	c = skip(c, DIGITS "abcdef", 8);
	for (int mode = 0; c && mode < RESTORE_MODE_MAX_; mode++) {
		if (strcmp(c, suffixes[mode]) == 0) {
			*ret = (enum restore_mode)mode;
			return true;
		}
	}
	return false;
}

const char *manifest_archive(const struct snapshot_row *row)
{
	const char *slash = strrchr(row->path, '/');

	if (row->path[0])
		return slash ? slash + 1 : row->path;
	return row->remote;
}

char *manifest_text(const struct snapshot_row *row)
{
	char when[WHEN_BYTES];
	json_t *json = json_pack(
		"{s:i, s:I, s:s, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:s, s:s}",
		"version", 1, "id", (json_int_t)row->id, "gateway",
		row->gateway, "generation", (json_int_t)row->generation,
		"created_ms", (json_int_t)row->created_ms, "created",
		when_utc(when, row->created_ms), "archive",
		manifest_archive(row), "bytes", (json_int_t)row->bytes, "files",
		(json_int_t)row->files, "content_bytes",
		(json_int_t)row->content_bytes, "sha256", row->sha256,
		"fingerprint", row->fingerprint);
	char *text = json_dumps(json, JSON_INDENT(1));

	json_decref(json);
	return text;
}

static bool is_digest(const char *text)
{
	return text && strlen(text) == 64 &&
	       strspn(text, DIGITS "abcdef") == 64;
}

static bool fits(const char *text, size_t size)
{
	return text && strlen(text) < size;
}

int manifest_parse(const char *text, size_t len, const char *gateway,
		   struct snapshot_row *ret, char *archive, size_t size,
		   struct err *err)
{
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const char *sha256 = NULL, *name = NULL, *fingerprint = NULL;
	json_int_t id = 0, generation = 0, created = 0, bytes = 0, files = 0;
	json_int_t content = 0;
	enum restore_mode mode;
	int result = -1;

	if (json_unpack(json, "{s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:s}",
			"id", &id, "generation", &generation, "created_ms",
			&created, "bytes", &bytes, "files", &files,
			"content_bytes", &content, "sha256", &sha256, "archive",
			&name, "fingerprint", &fingerprint) == 0 &&
	    id > 0 && generation >= 0 && created > 0 &&
	    created < MANIFEST_MS_MAX && bytes >= 0 && files >= 0 &&
	    content >= 0 && is_digest(sha256) && fits(name, size) &&
	    fits(fingerprint, sizeof(ret->fingerprint)) &&
	    manifest_is_archive(name, gateway, &mode)) {
		*ret = (struct snapshot_row){
			.id = id,
			.generation = generation,
			.created_ms = created,
			.bytes = bytes,
			.files = files,
			.content_bytes = content,
			.state = SNAPSHOT_COMPLETE,
		};
		memcpy(ret->gateway, gateway, strlen(gateway) + 1);
		memcpy(ret->sha256, sha256, strlen(sha256) + 1);
		memcpy(ret->fingerprint, fingerprint, strlen(fingerprint) + 1);
		memcpy(archive, name, strlen(name) + 1);
		result = 0;
	}
	json_decref(json);
	return result ? err_set(err, ERR_CORRUPT, "no manifest of '%s'",
				gateway)
		      : 0;
}

int manifest_write(const struct snapshot_row *row, struct err *err)
{
	CLEANUP_FREE char *text = manifest_text(row);
	char path[SNAPSHOT_PATH_BYTES + sizeof(MANIFEST_SUFFIX)];

	if (!text)
		return err_set(err, ERR_SYSTEM, "out of memory");
	(void)snprintf(path, sizeof(path), "%s" MANIFEST_SUFFIX, row->path);
	return files_write(path, text, err);
}
