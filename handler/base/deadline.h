/* deadline.h - points in time, so that ten small waits are not ten times long
 *
 * A wait takes a deadline, never a duration. Deadlines are on CLOCK_MONOTONIC;
 * what is written to the store is on CLOCK_REALTIME. All in milliseconds.
 */
#ifndef WAKEGATE_DEADLINE_H
#define WAKEGATE_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

struct deadline {
	int64_t at_ms;
};

int64_t clock_mono_ms(void);
int64_t clock_wall_ms(void);

struct deadline deadline_in(int64_t ms);
struct deadline deadline_never(void);
/* The earlier of the two. */
struct deadline deadline_min(struct deadline a, struct deadline b);
bool deadline_passed(struct deadline deadline);

/* What is left, for poll(2): 0 when it has passed, -1 for never. */
int deadline_left_ms(struct deadline deadline);

/* Waits until fd has one of events, or POLLERR or POLLHUP (1), or the deadline
 * passes (0); -1 with errno on failure. EINTR is waited out. */
int deadline_poll(int fd, short events, struct deadline deadline);

/* Pauses for at most ms within the deadline; false when it has passed. Only for
 * polling a fact that can't be waited on. */
bool deadline_pause(struct deadline deadline, int ms);

#endif
