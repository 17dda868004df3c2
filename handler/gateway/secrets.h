/* secrets.h - the secrets that a configuration holds or names
 *
 * Values of `environment` (but of variables whose values are known to be none, and
 * paths of files that are there) and `set_headers`, words of `command` that follow
 * a secret's name, the administrators' token and the bucket's keys.
 */
#ifndef WAKEGATE_SECRETS_H
#define WAKEGATE_SECRETS_H

#include <stddef.h>

#include "gateway/settings.h"

/* From here on log lines, events and tails of this process show none of them; its
 * lines go where the settings say, from the level that they name. Holds a
 * reference until it is called for others. */
void secrets_guard(struct settings *settings);

/* Rewrites text in place (redact.h): one gateway's secrets, and what
 * secrets_guard() guards. */
void secrets_redact(char *text, size_t size,
		    const struct gateway_settings *gateway);

#endif
