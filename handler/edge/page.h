/* page.h - the loading page: what a browser sees while the gateway isn't ready
 *
 * Works without script: it asks again by itself, except for a gateway that needs a
 * person. With script its parts follow the status, and it is loaded anew when there
 * is something to go on to.
 */
#ifndef WAKEGATE_PAGE_H
#define WAKEGATE_PAGE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/http1.h"
#include "edge/outlook.h"
#include "store/row.h"

/* What the page asks for behind the path of the status. */
#define PAGE_QUERY "page=1"

struct page {
	const char *gateway;
	const struct gateway_row *row;
	struct outlook outlook;
	const char *mount; /* without '/' at its end */
	const char *status_path;
	const char *panel_path; /* the operator's page */
	const char *output;  /* newest lines; NULL: who asks may not see them */
	struct slice target; /* what was asked for: path and query */
	bool admin;	     /* who asks is the operator */
	bool verdict; /* an authorizer's: its length may be given to another answer */
	const char *id;
};

/* Appends the whole response: 503, as RFC 3875, 6 has it. */
void page_render(struct buffer *out, const struct page *page);

/* For its script, as member `page` of the status: "title", "bad", "parts" (HTML by
 * id), "next_ms" (when to ask again), "go" (load the page anew). */
json_t *page_json(const struct page *page);

#endif
