/* crew.h - the threads that answer FastCGI requests, made as they are needed
 *
 * One waits; when all are busy and somebody else comes, there is one more, up to
 * THREADS_MAX; those that are not needed any more leave. Where the web server
 * sends one request at a time, one it stays.
 */
#ifndef WAKEGATE_CREW_H
#define WAKEGATE_CREW_H

#include "base/err.h"
#include "edge/edge.h"

struct crew;

int crew_new(struct crew **ret, int listen_fd, struct err *err);

/* Wakes crew_run() from another thread; for upstream.h's arm(). */
void crew_wake(void *crew);

/* Answers requests until SIGTERM, SIGINT or SIGUSR1. Then no request is accepted
 * any more; those in flight have 30 s. ERR_TIMEOUT: they did not suffice, and
 * threads still run: leave by _exit(2). */
int crew_run(struct crew *crew, struct edge *edge, struct err *err);

void crew_free(struct crew *crew); /* accepts NULL */

#endif
