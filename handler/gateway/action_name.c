#include "config.h"

#include <string.h>

#include "gateway/action.h"

#include "base/banned.h"

#define LETTERS	     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define NAME_LETTERS LETTERS "0123456789_"

bool action_is_name(const char *name, size_t len)
{
	return len > 0 && len <= ACTION_NAME_LEN_MAX &&
	       strchr(LETTERS, *name) && strspn(name, NAME_LETTERS) >= len;
}

bool action_name_is(struct slice name, const char *text)
{
	return name.len == strlen(text) &&
	       memcmp(name.data, text, name.len) == 0;
}

bool action_next_name(const char *text, struct slice *ret)
{
	while ((text = strchr(text, '{')) != NULL) {
		size_t len = strspn(++text, NAME_LETTERS);

		if (text[len] != '}' || !action_is_name(text, len))
			continue;
		*ret = (struct slice){ text, len };
		return true;
	}
	return false;
}
