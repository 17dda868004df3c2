#include "config.h"

#include "edge/retry.h"

#include "base/banned.h"

static bool can_repeat(const struct retry_evidence *evidence)
{
	if (!evidence->body_replayable)
		return false;
	return evidence->repeatable ||
	       (evidence->written == 0 && evidence->seen == 0);
}

enum retry retry_decide(const struct retry_evidence *evidence)
{
	if (evidence->seen > 0 && evidence->retried)
		return RETRY_CLOSED;
	/* who began to answer was not closed while idle */
	if (!evidence->fresh && evidence->seen == 0 && can_repeat(evidence))
		return RETRY_DIAL;
	if (evidence->retried)
		return RETRY_CRASHED;
	return can_repeat(evidence) ? RETRY_ENSURE : RETRY_CLOSED;
}
