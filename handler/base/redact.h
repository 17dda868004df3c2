/* redact.h - what is a secret, and how it is kept from people's eyes
 *
 * The one list of words that make a name a secret's is in redact.c.
 */
#ifndef WAKEGATE_REDACT_H
#define WAKEGATE_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#define REDACTED "[redacted]"

/* Rewrites text in place; what no longer fits into size bytes is cut at the end.
 * Replaced are each of the given secrets (of at least 6 bytes; NULL at the end, or
 * NULL); the value after a name that ends in one of the words (without case; also
 * in the plural, unless the value is a small number):
 *	name=value, name: value, "name": "value"
 *	--name value, "--name", "value"		(options)
 *	Bearer value
 * also as JSON within JSON (\"name\":) and as a URL has it (name%3Dvalue); what
 * comes before the @ of a URL's host; private keys in PEM; and what begins as the
 * tokens of well-known services do. A value ends at its closing quote or, without
 * one, at white space or one of &<> ; after "authorization:" and "cookie:" at the
 * end of the line. */
void redact(char *text, size_t size, char *const *secrets);

/* The secrets of this process, for redact_all(). read gives a list as redact()
 * takes it, NULL at the end, each of it and itself from malloc(3); it is called
 * when it is needed, and again when what it gave is two seconds old. drop (which
 * may be NULL) is called when another source is set. */
struct redact_source {
	char **(*read)(void *user);
	void (*drop)(void *user);
	void *user;
};
void redact_set_source(const struct redact_source *source);

/* redact() with them. Safe from all threads. */
void redact_all(char *text, size_t size);

/* May the value of an environment variable be shown? Only of well-known ones:
 * nobody can tell from a name that there is no password in it. */
bool redact_variable_is_plain(const char *name);

/* The secret in command[index], up to the word's end, or NULL: the
 * value of --token=VALUE or TOKEN=VALUE, or the word that follows --token. Any
 * name that has one of the words in it counts. */
const char *redact_secret_in(char *const *command, size_t index);

#endif
