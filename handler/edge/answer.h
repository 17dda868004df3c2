/* answer.h - one request, from the environment to the answer
 */
#ifndef WAKEGATE_ANSWER_H
#define WAKEGATE_ANSWER_H

#include "edge/call.h"

/* Answers what call->client has; finish() is the caller's. */
void answer_request(struct call *call);

#endif
