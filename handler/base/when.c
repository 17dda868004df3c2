#include "config.h"

#include <stdio.h>
#include <time.h>

#include "base/when.h"

#include "base/banned.h"

#define MINUTE_S 60
#define HOUR_S	 3600
#define DAY_S	 86400

const char *when_utc(char ret[WHEN_BYTES], int64_t at_ms)
{
	time_t seconds = (time_t)(at_ms / 1000);
	char text[WHEN_BYTES - 8];
	struct tm tm = { 0 };

	if (!gmtime_r(&seconds, &tm) ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		(void)snprintf(text, sizeof(text), "?");
	(void)snprintf(ret, WHEN_BYTES, "%s.%03dZ", text, (int)(at_ms % 1000));
	return ret;
}

const char *when_span(char ret[WHEN_BYTES], int64_t span_ms)
{
	long long span_s = span_ms > 0 ? (long long)(span_ms / 1000) : 0;

	if (span_s < 2LL * MINUTE_S)
		(void)snprintf(ret, WHEN_BYTES, "%lld s", span_s);
	else if (span_s < 2LL * HOUR_S)
		(void)snprintf(ret, WHEN_BYTES, "%lld min", span_s / MINUTE_S);
	else if (span_s < 2LL * DAY_S)
		(void)snprintf(ret, WHEN_BYTES, "%lld h", span_s / HOUR_S);
	else
		(void)snprintf(ret, WHEN_BYTES, "%lld d", span_s / DAY_S);
	return ret;
}
