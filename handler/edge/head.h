/* head.h - the request's head as the gateway gets it (RFC 9110, 7.6; RFC 9112)
 *
 * Hop-by-hop fields, and all that Connection names, end here.
 */
#ifndef WAKEGATE_HEAD_H
#define WAKEGATE_HEAD_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/http1.h"
#include "edge/request.h"
#include "gateway/settings.h"

struct head {
	const struct settings *settings;
	const struct gateway_settings *gateway;
	enum http_framing body; /* NONE, LENGTH (the request's), CHUNKED */
	bool close;		/* no other request will follow; a request to
				 * switch says only that */
};

/* Appends the whole head. Ask buffer_ok() afterwards. */
void head_write(struct buffer *out, const struct request *request,
		const struct head *head);

/* Has the request come through a wakegate already (Via)? */
bool head_is_loop(const struct request *request);

#endif
