#include "config.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/redact.h"

#include "base/banned.h"

#define SECRET_BYTES_MIN 6
#define MARK		 "[redacted]"

static const struct {
	const char *word;
	bool whole_line; /* the value may hold spaces */
} words[] = {
	{ "authorization", true }, { "cookie", true },	  { "token", false },
	{ "secret", false },	   { "password", false }, { "passwd", false },
	{ "key", false },
};

/* Puts MARK in place of len bytes at begin; gives where the rest goes on. */
static size_t replace(char *text, size_t size, size_t begin, size_t len)
{
	size_t mark = sizeof(MARK) - 1;
	size_t rest = strlen(text + begin + len);

	if (begin + mark >= size)
		mark = size - 1 - begin;
	if (begin + mark + rest >= size)
		rest = size - 1 - begin - mark;
	memmove(text + begin + mark, text + begin + len, rest);
	memcpy(text + begin, MARK, mark);
	text[begin + mark + rest] = '\0';
	return begin + mark;
}

static void redact_secret(char *text, size_t size, const char *secret)
{
	size_t len = strlen(secret);
	char *found = text;

	if (len < SECRET_BYTES_MIN)
		return;
	while ((found = strstr(found, secret)) != NULL)
		found = text + replace(text, size, (size_t)(found - text), len);
}

static size_t value_len(const char *value, bool whole_line)
{
	return strcspn(value, whole_line ? "\r\n" : " \t\r\n\"'&,;<>");
}

/* Where the value of a word that ends at `at` begins; 0: there is none. */
static size_t value_begin(const char *text, size_t at)
{
	if (text[at] == '"' || text[at] == '\'')
		at++;
	while (text[at] == ' ')
		at++;
	if (text[at] != '=' && text[at] != ':')
		return 0;
	at++;
	while (text[at] == ' ' || text[at] == '"' || text[at] == '\'')
		at++;
	return at;
}

void redact(char *text, size_t size, char *const *secrets)
{
	for (size_t i = 0; secrets && secrets[i]; i++)
		redact_secret(text, size, secrets[i]);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t word_len = strlen(words[i].word);
		char *found = text;

		while ((found = strcasestr(found, words[i].word)) != NULL) {
			size_t begin = value_begin(
				text, (size_t)(found - text) + word_len);
			size_t len;

			found += word_len;
			if (begin == 0)
				continue;
			len = value_len(text + begin, words[i].whole_line);
			if (len > 0 &&
			    strncmp(text + begin, MARK, sizeof(MARK) - 1) != 0)
				found = text + replace(text, size, begin, len);
		}
	}
}
