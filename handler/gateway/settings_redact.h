/* settings_redact.h - what of the configuration must not be shown */
#ifndef WAKEGATE_SETTINGS_REDACT_H
#define WAKEGATE_SETTINGS_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#define REDACTED "[redacted]"

/* May the value of an environment variable be shown? Only of well-known ones:
 * nobody can tell from a name that there is no password in it. */
bool redact_variable_is_plain(const char *name);

/* Does an option of a command ("--token", "-token", "--api-key=...") carry a
 * secret? *ret_len: up to where it may be shown; in a word without '=' the whole
 * word, and the secret is the next one. */
bool redact_option(const char *word, size_t *ret_len);

#endif
