/* settings_token.h - the token that lets its bearer administer: a file
 *
 * Read when it is needed, and again when it has changed. A file that others may
 * read, that others than its owner may write, or that holds fewer than TOKEN_MIN
 * characters, lets nobody in; the log says so once.
 */
#ifndef WAKEGATE_SETTINGS_TOKEN_H
#define WAKEGATE_SETTINGS_TOKEN_H

#include <stdbool.h>

#include "base/err.h"
#include "base/http1.h"

#define TOKEN_MIN 32

/* For all threads of a process. */
struct settings_token;

int settings_token_open(struct settings_token **ret, struct err *err);
void settings_token_close(struct settings_token *token); /* accepts NULL */

/* Is it the file's token? Takes as long for one as for another. */
bool settings_token_is(struct settings_token *token, const char *file,
		       struct slice given);

/* Would it let anybody in? */
int settings_token_check(const char *file, struct err *err);

/* Compares without telling by time where they differ. */
bool token_same(struct slice given, struct slice right);

#endif
