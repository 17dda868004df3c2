#include "config.h"

#include <stdbool.h>

#include "edge/outlook.h"

#include "base/banned.h"

#define RETRY_UNKNOWN_S	  2  /* a start of unknown length */
#define RETRY_START_MAX_S 5  /* it may be done earlier */
#define RETRY_PERSON_S	  60 /* somebody must do something first */
#define RETRY_MAX_S	  3600
#define PROGRESS_MAX	  0.99 /* before it is done */

static int64_t clamp(int64_t number, int64_t low, int64_t high)
{
	if (number < low)
		return low;
	return number > high ? high : number;
}

static int seconds(int64_t ms, int high)
{
	return (int)clamp((ms + 999) / 1000, 1, high);
}

/* A restore knows how far it is. */
static void restore(struct outlook *ret, const struct gateway_row *row)
{
	double done = (double)row->progress_bytes;

	if (row->progress_total <= 0)
		return;
	ret->progress = done / (double)row->progress_total;
	if (ret->progress > PROGRESS_MAX)
		ret->progress = PROGRESS_MAX;
}

static void start(struct outlook *ret, const struct gateway_row *row,
		  int64_t now_ms)
{
	if (row->started_ms > 0 && row->state != STATE_STOPPED &&
	    row->state != STATE_STOPPING)
		ret->elapsed_ms = clamp(now_ms - row->started_ms, 0, INT64_MAX);
	if (ret->usual_ms > 0 && ret->elapsed_ms >= 0) {
		double progress =
			(double)ret->elapsed_ms / (double)ret->usual_ms;

		ret->eta_ms =
			clamp(ret->usual_ms - ret->elapsed_ms, 0, INT64_MAX);
		ret->progress =
			progress > PROGRESS_MAX ? PROGRESS_MAX : progress;
		ret->retry_after_s = seconds(ret->eta_ms, RETRY_START_MAX_S);
	}
}

struct outlook outlook_of(const struct gateway_row *row, int64_t usual_ms,
			  int64_t now_ms)
{
	struct outlook outlook = { .elapsed_ms = -1,
				   .usual_ms = usual_ms,
				   .eta_ms = -1,
				   .progress = -1,
				   .retry_after_s = RETRY_UNKNOWN_S };

	switch (row->state) {
	case STATE_READY:
		outlook.eta_ms = 0;
		outlook.progress = 1;
		outlook.retry_after_s = 1;
		break;
	case STATE_RESTORING:
		start(&outlook, row, now_ms);
		restore(&outlook, row);
		break;
	case STATE_STOPPED:
	case STATE_STARTING:
	case STATE_STOPPING:
		start(&outlook, row, now_ms);
		break;
	case STATE_COOLDOWN:
		outlook.eta_ms = clamp(row->retry_at_ms - now_ms, 0, INT64_MAX);
		outlook.retry_after_s = seconds(outlook.eta_ms, RETRY_MAX_S);
		break;
	case STATE_FAILED:
	case STATE_MAX_:
		outlook.retry_after_s = RETRY_PERSON_S;
		break;
	}
	return outlook;
}
