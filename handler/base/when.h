/* when.h - points in time and spans, for people */
#ifndef WAKEGATE_WHEN_H
#define WAKEGATE_WHEN_H

#include <stdint.h>

#define WHEN_BYTES 32

/* "2026-11-24T07:30:00.123Z" */
const char *when_utc(char ret[WHEN_BYTES], int64_t at_ms);

/* "4 s", "12 min", "3 h", "5 d"; a negative span is 0 */
const char *when_span(char ret[WHEN_BYTES], int64_t span_ms);

#endif
