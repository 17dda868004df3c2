/* body.h - the request's body: streamed, and its beginning held for a retry
 */
#ifndef WAKEGATE_BODY_H
#define WAKEGATE_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/deadline.h"
#include "base/err.h"
#include "base/http1.h"
#include "edge/client.h"

struct body {
	struct client *client;
	int64_t length; /* -1: until the client's end */
	int64_t max;
	int64_t taken;	    /* read from the client so far */
	size_t replay_max;  /* how much may be given again */
	struct buffer held; /* all that was read, unless lost */
	size_t given;	    /* of held, since the last rewind */
	bool lost;
	bool ended;
};

struct body_limits {
	int64_t max;
	size_t replay_max;
};

void body_begin(struct body *body, struct client *client, int64_t length,
		struct body_limits limits);
void body_end(struct body *body); /* frees what is held */

/* Reads its first piece, if there is none yet, and holds it: is there a body? */
int body_is_empty(struct body *body, bool *ret, struct err *err);

/* The next piece, at most RELAY_BYTES: in buf, or in what is held. Its len is 0
 * at the end. ERR_LIMIT: more than max. ERR_CLOSED: it broke off. */
int body_next(struct body *body, char buf[RELAY_BYTES], struct slice *ret,
	      struct err *err);

/* Reads the rest and forgets it, until the deadline: for web servers that hear no
 * answer while they still send. What goes wrong shows when the answer is sent. */
void body_drain(struct body *body, struct deadline deadline);

/* Can it be given from its beginning again? */
bool body_replayable(const struct body *body);
void body_rewind(struct body *body);

#endif
