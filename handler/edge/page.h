/* page.h - the loading page: what a browser sees while the gateway isn't ready
 *
 * Works without script: it asks again by itself, except for a gateway that
 * needs a person.
 */
#ifndef WAKEGATE_PAGE_H
#define WAKEGATE_PAGE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "edge/outlook.h"
#include "store/row.h"

struct page {
	const char *gateway;
	const struct gateway_row *row;
	struct outlook outlook;
	bool show_output; /* may whoever asks see the gateway's last lines? */
	const char *id;
};

/* Appends the whole response: 503, as RFC 3875, 6 has it. */
void page_render(struct buffer *out, const struct page *page);

#endif
