/* call.h - one request that is being answered, and the memory for it
 *
 * A thread makes one and uses it again and again. Only as much of it as a
 * request needs is ever touched.
 */
#ifndef WAKEGATE_CALL_H
#define WAKEGATE_CALL_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/http1.h"
#include "base/limits.h"
#include "edge/body.h"
#include "edge/client.h"
#include "edge/edge.h"
#include "edge/outlook.h"
#include "edge/problem.h"
#include "edge/request.h"
#include "gateway/settings.h"
#include "store/store.h"

struct call {
	struct edge *edge;
	struct client *client;
	struct settings *settings;		/* NULL: none can be read */
	const struct gateway_settings *gateway; /* NULL: not known yet */
	struct store *store; /* NULL: it can't be opened now */
	struct request request;
	struct body body;
	struct gateway_row row; /* the one that the answer rests on */
	bool retried;
	char id[REQUEST_ID_BYTES]; /* "" until it is needed: call_id() */
	struct buffer head;	   /* the request as the gateway gets it */
	struct buffer out;	   /* the answer's head, or all of ours */
	struct http_response response;
	size_t in_len;
	char in[HEAD_BYTES_MAX]; /* what came from the gateway */
};

int call_new(struct call **ret, struct edge *edge, struct client *client,
	     struct err *err);
void call_free(struct call *call); /* accepts NULL */

/* Forgets the last request. */
void call_reset(struct call *call);

const char *call_id(struct call *call);

/* How long until the gateway of call->row is ready. */
struct outlook call_outlook(struct call *call);

/* Sends call->out; a client that has gone is no failure. */
void call_send(struct call *call);

/* Answers with a problem; text, for the operator, goes to the log. */
void call_problem(struct call *call, enum problem_code code, const char *text);

#endif
