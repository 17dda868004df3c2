#include "config.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/redact.h"

#include "base/banned.h"

#define SECRET_BYTES_MIN  6
#define NUMBER_DIGITS_MAX 8
#define REDACTED_LEN	  (sizeof(REDACTED) - 1)

enum reach { REACH_WORD, REACH_LINE /* the value may hold spaces */ };

static const struct {
	const char *word;
	enum reach reach;
} words[] = {
	{ "authorization", REACH_LINE }, { "cookie", REACH_LINE },
	{ "auth", REACH_WORD },		 { "bearer", REACH_WORD },
	{ "credential", REACH_WORD },	 { "credentials", REACH_WORD },
	{ "key", REACH_WORD },		 { "pass", REACH_WORD },
	{ "passphrase", REACH_WORD },	 { "passwd", REACH_WORD },
	{ "password", REACH_WORD },	 { "pwd", REACH_WORD },
	{ "secret", REACH_WORD },	 { "token", REACH_WORD },
};
#define WORDS_COUNT (sizeof(words) / sizeof(words[0]))

#define FORM_BYTES_MIN 20
static const char *const forms[] = {
	"AIza", "AKIA", "ASIA",	       "eyJ",	 "ghp_",
	"gho_", "ghs_", "github_pat_", "glpat-", "hf_",
	"npm_", "sk-",	"sk_live_",    "xoxb-",	 "xoxp-",
};
#define FORMS_COUNT (sizeof(forms) / sizeof(forms[0]))

static const char *const plain_variables[] = {
	"HOME",	 "LANG", "LOGNAME", "NODE_ENV", "PATH", "PORT",
	"SHELL", "TERM", "TMPDIR",  "TZ",	"USER",
};

/* Puts REDACTED in place of len bytes at begin; gives where the rest goes on. */
static size_t replace(char *text, size_t size, size_t begin, size_t len)
{
	size_t mark = REDACTED_LEN;
	size_t rest = strlen(text + begin + len);

	if (begin + mark >= size)
		mark = size - 1 - begin;
	if (begin + mark + rest >= size)
		rest = size - 1 - begin - mark;
	memmove(text + begin + mark, text + begin + len, rest);
	memcpy(text + begin, REDACTED, mark);
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

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_';
}

static bool is_option(const char *text, size_t end)
{
	while (end > 0 && is_word(text[end - 1]))
		end--;
	return text[end] == '-';
}

/* --- where a value begins ------------------------------------------------- */

/* A quote as it is, as JSON in a JSON text has it, or as a URL does: its length. */
static size_t quote_len(const char *text)
{
	if (*text == '"' || *text == '\'')
		return 1;
	if (text[0] == '\\' && (text[1] == '"' || text[1] == '\''))
		return 2;
	return strncmp(text, "%22", 3) == 0 || strncmp(text, "%27", 3) == 0 ? 3
									    : 0;
}

/* "=", ":", ":=", "=>", also encoded for a URL: its length, or 0. */
static size_t separator_len(const char *text)
{
	if (strncmp(text, ":=", 2) == 0 || strncmp(text, "=>", 2) == 0)
		return 2;
	if (*text == '=' || *text == ':')
		return 1;
	return strncasecmp(text, "%3d", 3) == 0 ||
			       strncasecmp(text, "%3a", 3) == 0
		       ? 3
		       : 0;
}

/* Does a quote come before the name that the word at begin is the end of? Else it
 * is the end of a path, or of a sentence. */
static bool is_quoted_name(const char *text, size_t begin)
{
	while (begin > 0 &&
	       (is_word(text[begin - 1]) || text[begin - 1] == '.'))
		begin--;
	return begin > 0 && (text[begin - 1] == '"' ||
			     text[begin - 1] == '\'' || text[begin - 1] == '%');
}

/* How many of them there are: "tokens: 1523", "tokens":3. */
static bool is_number(const char *text)
{
	size_t len = strspn(text, "0123456789");

	return len > 0 && len <= NUMBER_DIGITS_MAX && !is_word(text[len]);
}

/* Where the value of a name that ends in a word, at `at`, begins; 0: there is
 * none. */
static size_t value_begin(const char *text, size_t begin, size_t at,
			  enum reach reach)
{
	bool many = text[at] == 's' || text[at] == 'S'; /* tokens */
	size_t next = at + many;
	size_t len;

	len = quote_len(text + next);
	if (len > 0 && !is_quoted_name(text, begin))
		return 0;
	next += len;
	next += strspn(text + next, " ");
	len = separator_len(text + next);
	if (len > 0) {
		next += len + strspn(text + next + len, " ");
		return many && is_number(text + next) ? 0 : next;
	}
	if (text[at] != ' ' && text[next] != ',')
		return 0;
	if (is_option(text, begin))
		return at + strspn(text + at, " ,\"'");
	if (text[next] == ',' && reach == REACH_LINE) { /* 'Cookie', 'a=b' */
		next += 1 + strspn(text + next + 1, " \n");
		return quote_len(text + next) > 0 ? next : 0;
	}
	return strncasecmp(text + begin, "bearer", 6) == 0 ? next : 0;
}

/* --- where it ends -------------------------------------------------------- */

/* Up to the quote that it begins with, in the same manner of writing. */
static size_t quoted_len(const char *value, size_t quote)
{
	size_t len = 0;

	while (value[len] && value[len] != '\n' &&
	       strncmp(value + len, value - quote, quote) != 0)
		len += quote == 1 && value[len] == '\\' && value[len + 1] ? 2
									  : 1;
	return len;
}

/* A comma or semicolon may be a part of a password; before a space it ends one. */
static bool goes_on(const char *at)
{
	return (*at == ',' || *at == ';') && at[1] &&
	       !strchr(" \t\r\n\"'", at[1]);
}

/* A byte that a URL has encoded, and that ends no value there. */
static bool is_escape(const char *at)
{
	return *at == '%' && strncmp(at, "%26", 3) != 0 && quote_len(at) == 0;
}

static size_t bare_len(const char *value)
{
	size_t len = 0;

	for (;;) {
		len += strcspn(value + len, " \t\r\n\"'&,;<>\\%");
		if (!goes_on(value + len) && !is_escape(value + len))
			return len;
		len++;
	}
}

/* Sets *begin behind what belongs to no value. */
static size_t value_len(const char *text, size_t *begin, enum reach reach)
{
	const char *value = text + *begin;
	size_t quote = quote_len(value);

	if (*value == '[' && strncmp(value, REDACTED, REDACTED_LEN) != 0)
		return strcspn(value, "]");
	*begin += quote;
	if (quote > 0)
		return quoted_len(value + quote, quote);
	return reach == REACH_LINE ? strcspn(value, "\r\n") : bare_len(value);
}

/* "gateways.x.set_headers.Authorization: expected a text" is ours. */
static bool is_setting(const char *text, size_t begin)
{
	static const char parent[] = "set_headers.";
	size_t len = sizeof(parent) - 1;

	return begin >= len && strncmp(text + begin - len, parent, len) == 0;
}

static void redact_word(char *text, size_t size, const char *word,
			enum reach reach)
{
	size_t word_len = strlen(word);
	char *found = text;

	while ((found = strcasestr(found, word)) != NULL) {
		size_t at = (size_t)(found - text);
		size_t begin = value_begin(text, at, at + word_len, reach);
		size_t len;

		found += word_len;
		if (begin == 0 || is_setting(text, at))
			continue;
		len = value_len(text, &begin, reach);
		if (len > 0 &&
		    strncmp(text + begin, REDACTED, REDACTED_LEN) != 0)
			found = text + replace(text, size, begin, len);
	}
}

/* --- what is a secret without a name -------------------------------------- */

/* scheme://user:password@host */
static void redact_userinfo(char *text, size_t size)
{
	char *found = text;

	while ((found = strstr(found, "://")) != NULL) {
		size_t begin = (size_t)(found - text) + 3;
		size_t len = strcspn(text + begin, "/?# \t\r\n\"'<>");

		found += 3;
		while (len > 0 && text[begin + len] != '@')
			len--;
		if (len > 0 && strncmp(found, REDACTED, REDACTED_LEN) != 0)
			found = text + replace(text, size, begin, len);
	}
}

/* What well-known services give out can be told by how it begins. */
static void redact_known_form(char *text, size_t size, const char *prefix)
{
	char *found = text;

	while ((found = strstr(found, prefix)) != NULL) {
		size_t begin = (size_t)(found - text);
		size_t len = 0;

		while (is_word(found[len]) || found[len] == '.')
			len++;
		if (len >= FORM_BYTES_MIN &&
		    (begin == 0 || !is_word(text[begin - 1])))
			found = text + replace(text, size, begin, len);
		else
			found += strlen(prefix);
	}
}

/* Of one whose beginning was cut off, all that is in front of its end. */
static void redact_cut_key(char *text, size_t size)
{
	char *first = strstr(text, "-----BEGIN ");
	char *end = strstr(text, "-----END ");
	char *kind = end ? strstr(end, "PRIVATE KEY-----") : NULL;

	if (kind && kind <= end + strcspn(end, "\n") && (!first || first > end))
		(void)replace(text, size, 0, (size_t)(end - text));
}

static void redact_private_key(char *text, size_t size)
{
	char *found = text;

	while ((found = strstr(found, "-----BEGIN ")) != NULL) {
		size_t begin;
		size_t len;
		char *end;

		found += strlen("-----BEGIN ");
		end = strstr(found, "PRIVATE KEY-----");
		if (!end || memchr(found, '\n', (size_t)(end - found)))
			continue;
		begin = (size_t)(end - text) + strlen("PRIVATE KEY-----");
		end = strstr(text + begin, "-----END");
		len = end ? (size_t)(end - text) - begin : strlen(text + begin);
		if (len > 0)
			found = text + replace(text, size, begin, len);
	}
}

void redact(char *text, size_t size, char *const *secrets)
{
	for (size_t i = 0; secrets && secrets[i]; i++)
		redact_secret(text, size, secrets[i]);
	redact_cut_key(text, size);
	redact_private_key(text, size);
	redact_userinfo(text, size);
	for (size_t i = 0; i < FORMS_COUNT; i++)
		redact_known_form(text, size, forms[i]);
	for (size_t i = 0; i < WORDS_COUNT; i++)
		redact_word(text, size, words[i].word, words[i].reach);
}

bool redact_variable_is_plain(const char *name)
{
	for (size_t i = 0;
	     i < sizeof(plain_variables) / sizeof(plain_variables[0]); i++)
		if (strcmp(name, plain_variables[i]) == 0)
			return true;
	return false;
}

static bool names_secret(const char *name, size_t len)
{
	for (size_t i = 0; i < WORDS_COUNT; i++) {
		size_t word_len = strlen(words[i].word);

		for (size_t at = 0; at + word_len <= len; at++)
			if (strncasecmp(name + at, words[i].word, word_len) ==
			    0)
				return true;
	}
	return false;
}

const char *redact_secret_in(char *const *command, size_t index)
{
	const char *word = command[index];
	const char *last = index > 0 ? command[index - 1] : "";
	size_t len = strcspn(word, "=");

	if (*last == '-' && !strchr(last, '=') &&
	    names_secret(last, strlen(last)))
		return word;
	return word[len] == '=' && names_secret(word, len) ? word + len + 1
							   : NULL;
}
