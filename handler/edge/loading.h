/* loading.h - the loading page for a request whose gateway isn't ready */
#ifndef WAKEGATE_LOADING_H
#define WAKEGATE_LOADING_H

#include <jansson.h>
#include <stdbool.h>

#include "edge/call.h"

/* Answers with the page that call->row makes. */
void loading_send(struct call *call);

/* Does the page's script ask for the status? Then it gets this as well. */
bool loading_is_asked(const struct request *request);
json_t *loading_json(struct call *call);

#endif
