/* admit.h - the authorizer: is the gateway there for what the web server itself
 * will pass to it?
 */
#ifndef WAKEGATE_ADMIT_H
#define WAKEGATE_ADMIT_H

#include <stdbool.h>

#include "edge/call.h"

/* 200 when the gateway is ready and has just answered a probe, started or started
 * anew where it must be; else what a request would get. wake: may it be
 * started? */
void admit_answer(struct call *call, bool wake);

/* The page for a request that admit_answer() refused, where the web server does
 * not pass on its answer: the problem as the gateway's row has it now. */
void admit_refusal(struct call *call);

#endif
