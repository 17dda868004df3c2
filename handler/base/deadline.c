#include "config.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <time.h>

#include "base/deadline.h"

#include "base/banned.h"

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

struct deadline deadline_in(int64_t ms)
{
	return (struct deadline){ .at_ms = clock_mono_ms() + ms };
}

struct deadline deadline_never(void)
{
	return (struct deadline){ .at_ms = INT64_MAX };
}

struct deadline deadline_min(struct deadline a, struct deadline b)
{
	return a.at_ms < b.at_ms ? a : b;
}

bool deadline_passed(struct deadline deadline)
{
	return deadline.at_ms != INT64_MAX && clock_mono_ms() >= deadline.at_ms;
}

int deadline_left_ms(struct deadline deadline)
{
	int64_t left;

	if (deadline.at_ms == INT64_MAX)
		return -1;
	left = deadline.at_ms - clock_mono_ms();
	if (left <= 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

int deadline_poll(int fd, short events, struct deadline deadline)
{
	struct pollfd ready = { .fd = fd, .events = events };
	int count;

	do
		count = poll(&ready, 1, deadline_left_ms(deadline));
	while (count < 0 && errno == EINTR);
	return count;
}

bool deadline_pause(struct deadline deadline, int ms)
{
	int left = deadline_left_ms(deadline);

	if (left == 0)
		return false;
	(void)poll(NULL, 0, left > 0 && left < ms ? left : ms);
	return true;
}
