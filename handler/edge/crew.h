/* crew.h - the threads that answer FastCGI requests, made as they are needed
 *
 * One stands at the gate, and answers what makes it wait for nothing. When it has
 * something to wait for, and somebody else comes, there is one more, up to a maximum of
 * those at work; those that are not needed any more leave. Where the web server sends
 * one request at a time, one it stays.
 */
#ifndef WAKEGATE_CREW_H
#define WAKEGATE_CREW_H

#include "base/err.h"
#include "edge/edge.h"

struct crew;

/* listen_fd is made non-blocking, and closed by crew_run(). */
int crew_new(struct crew **ret, int listen_fd, int threads, struct err *err);

/* Wakes crew_run() from another thread; for upstream.h's arm(). */
void crew_wake(void *crew);

/* Answers requests until SIGTERM, SIGINT or SIGUSR1. Then those who have connected
 * are still let in, within 1 s, and the socket is closed; requests in flight have
 * 30 s, and as long as they take, others on connections that were kept are answered.
 * ERR_TIMEOUT: they did not suffice, and threads still run: leave by _exit(2). */
int crew_run(struct crew *crew, struct edge *edge, struct err *err);

void crew_free(struct crew *crew); /* accepts NULL */

#endif
