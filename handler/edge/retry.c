#include "config.h"

#include "edge/retry.h"

#include "base/banned.h"

static bool can_repeat(const struct retry_evidence *evidence)
{
	if (evidence->seen > 0 || !evidence->body_replayable)
		return false;
	return evidence->written == 0 || evidence->repeatable;
}

enum retry retry_decide(const struct retry_evidence *evidence)
{
	if (evidence->seen > 0)
		return RETRY_CLOSED;
	if (!evidence->fresh && can_repeat(evidence))
		return RETRY_DIAL;
	if (evidence->retried)
		return RETRY_CRASHED;
	return can_repeat(evidence) ? RETRY_ENSURE : RETRY_CLOSED;
}
