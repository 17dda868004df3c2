#include "config.h"

#include <string.h>
#include <strings.h>

#include "gateway/settings_redact.h"

#include "base/banned.h"

static const char *const plain_variables[] = {
	"HOME",	 "LANG", "LOGNAME", "NODE_ENV", "PATH", "PORT",
	"SHELL", "TERM", "TMPDIR",  "TZ",	"USER",
};

static const char *const secret_words[] = {
	"auth", "bearer", "cookie", "credential", "key",
	"pass", "pwd",	  "secret", "token",
};

bool redact_variable_is_plain(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(plain_variables) / sizeof(plain_variables[0]);
	     i++)
		if (strcmp(name, plain_variables[i]) == 0)
			return true;
	return false;
}

static bool has_word(const char *text, size_t len, const char *word)
{
	size_t word_len = strlen(word), i;

	for (i = 0; i + word_len <= len; i++)
		if (strncasecmp(text + i, word, word_len) == 0)
			return true;
	return false;
}

bool redact_option(const char *word, size_t *ret_len)
{
	size_t len = strcspn(word, "="), i;

	if (*word != '-' && word[len] != '=')
		return false;
	for (i = 0; i < sizeof(secret_words) / sizeof(secret_words[0]); i++) {
		if (!has_word(word, len, secret_words[i]))
			continue;
		*ret_len = word[len] == '=' ? len + 1 : len;
		return true;
	}
	return false;
}
