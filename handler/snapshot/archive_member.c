#include "config.h"

#include <string.h>

#include "gateway/marker.h"
#include "snapshot/archive_private.h"

#include "base/banned.h"

static bool is_dots(const char *component, size_t len)
{
	return (len == 1 && component[0] == '.') ||
	       (len == 2 && component[0] == '.' && component[1] == '.');
}

bool member_path_is_safe(const char *path)
{
	const char *at = path;

	if (strlen(path) >= PATH_MAX || strcmp(path, MARKER_NAME) == 0)
		return false;
	for (;;) {
		size_t len = strcspn(at, "/");

		if (len == 0 || len > NAME_MAX || is_dots(at, len))
			return false;
		if (at[len] == '\0')
			return true;
		at += len + 1;
	}
}

static size_t count_folders(const char *path)
{
	size_t count = 0;

	for (; *path; path++)
		count += *path == '/';
	return count;
}

bool member_link_stays(const char *path, const char *target)
{
	size_t folders = count_folders(path);
	bool went_down = false;
	const char *at = target;

	if (target[0] == '\0' || target[0] == '/' || strlen(target) >= PATH_MAX)
		return false;
	for (;;) {
		size_t len = strcspn(at, "/");

		if (len == 2 && is_dots(at, len)) {
			/* behind a symlink ".." is anywhere */
			if (went_down || folders == 0)
				return false;
			folders--;
		} else if (len > 0 && !is_dots(at, len)) {
			went_down = true;
		}
		if (at[len] == '\0')
			return true;
		at += len + 1;
	}
}

bool member_keeps_xattr(const char *name)
{
	return strncmp(name, "user.", 5) == 0 ||
	       strcmp(name, "system.posix_acl_access") == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}
