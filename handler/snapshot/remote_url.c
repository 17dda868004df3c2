#include "config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "snapshot/remote_private.h"

#include "base/banned.h"

#define URL_BYTES_MAX 8192

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	       c == '~';
}

void remote_url_encode(struct buffer *url, const char *text, char keep)
{
	for (const char *at = text; *at; at++) {
		if (is_unreserved(*at) || *at == keep)
			buffer_append(url, at, 1);
		else
			buffer_printf(url, "%%%02X", (unsigned char)*at);
	}
}

/* A segment "." or ".." is the folder itself or the one above to those on the way
 * who tidy paths. */
static bool has_dot_segment(const char *name)
{
	for (const char *at = name; at; at = strchr(at, '/')) {
		at += *at == '/';
		if (at[0] == '.' &&
		    (at[1] == '\0' || at[1] == '/' ||
		     (at[1] == '.' && (at[2] == '\0' || at[2] == '/'))))
			return true;
	}
	return false;
}

static int copy(char **ret, struct buffer *buffer, struct err *err)
{
	const char *text = buffer_text(buffer);

	if (!text)
		return err_set(err, ERR_LIMIT,
			       "the name of an object is "
			       "too long");
	*ret = strdup(text);
	return *ret ? 0 : err_errno(err, "cannot name an object");
}

int remote_object(struct remote_object *ret, const struct remote *remote,
		  const char *key, struct err *err)
{
	CLEANUP(buffer_free)
	struct buffer name = BUFFER_INIT(REMOTE_KEY_BYTES_MAX);
	CLEANUP(buffer_free) struct buffer url = BUFFER_INIT(URL_BYTES_MAX);
	struct remote_object object = { 0 };

	buffer_puts(&name, remote->prefix);
	buffer_puts(&name, key);
	if (copy(&object.name, &name, err))
		return -1;
	buffer_printf(&url, "%s/", remote->bucket);
	remote_url_encode(&url, object.name, '/');
	if (*key == '\0' || has_dot_segment(object.name))
		(void)err_set(err, ERR_INVALID,
			      "'%.200s' cannot name an object", object.name);
	else if (copy(&object.url, &url, err) == 0)
		*ret = object;
	if (!object.url)
		free(object.name);
	return object.url ? 0 : -1;
}

void remote_object_free(struct remote_object *object)
{
	free(object->name);
	free(object->url);
}
