/* forwarded.h - who the client is, for the gateway: X-Forwarded-* or Forwarded
 *
 * What a client sent of these fields passes only when the client is one of
 * trusted_proxies; else ours stand alone. With "none" nothing of them passes. In the
 * environment `X_Forwarded_For` and `X-Forwarded-For` have one name, and lighttpd
 * passes both on: where a field comes twice, one is not the proxy's, and neither
 * is believed.
 */
#ifndef WAKEGATE_FORWARDED_H
#define WAKEGATE_FORWARDED_H

#include <stdbool.h>

#include "base/buffer.h"
#include "edge/request.h"
#include "gateway/settings.h"

bool forwarded_is_trusted(const struct settings *settings,
			  const char *remote_addr);

/* Is it one of these fields, and does it pass as the client sent it? (One that
 * ours are appended to does not.) */
bool forwarded_is_field(const struct request_field *field);
bool forwarded_passes(const struct request *request,
		      const struct request_field *field, enum forwarded mode,
		      bool trusted);

/* Appends our field lines. */
void forwarded_write(struct buffer *out, const struct request *request,
		     enum forwarded mode, bool trusted);

#endif
