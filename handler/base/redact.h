/* redact.h - takes secrets out of a text that people will see
 *
 * Replaced by [redacted]: each of the given secrets (of at least 6 bytes), and
 * what follows a word that ends in token, secret, password, passwd, authorization,
 * cookie or key (without case) and '=' or ':', up to white space, a quote, '&' or
 * the end; after "authorization:" and "cookie:" up to the end of the line.
 */
#ifndef WAKEGATE_REDACT_H
#define WAKEGATE_REDACT_H

#include <stddef.h>

/* Rewrites text in place; what no longer fits into size bytes is cut at the end.
 * secrets: NULL at the end, or NULL. */
void redact(char *text, size_t size, char *const *secrets);

#endif
