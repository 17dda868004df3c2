/* status.h - GET /api/status: is the gateway ready, and if not, when?
 */
#ifndef WAKEGATE_STATUS_H
#define WAKEGATE_STATUS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "edge/outlook.h"
#include "store/row.h"

struct status {
	const char *gateway;
	const struct gateway_row *row;
	struct outlook outlook;
	const char *config_error; /* NULL: none */
	json_t *page; /* for the loading page's script; NULL: none */
	const char *id;
	bool head; /* without a body */
};

/* Appends the whole response: 200 when it is ready, else 503; for the script always
 * 200, since browsers put every other status into their console. */
void status_render(struct buffer *out, const struct status *status);

#endif
