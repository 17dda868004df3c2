/* answer.h - one request, from the environment to the answer
 */
#ifndef WAKEGATE_ANSWER_H
#define WAKEGATE_ANSWER_H

#include "edge/call.h"

/* Answers what call->client has; finish() is the caller's. False: not yet, the
 * gateway has the request, and when call->exchange.fd can be read, or before that,
 * answer_end() is to be called, which waits for what is missing. Another thread may
 * do that. */
bool answer_begin(struct call *call);
void answer_end(struct call *call);

#endif
