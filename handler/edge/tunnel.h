/* tunnel.h - after a 101: bytes both ways, until both sides have ended
 *
 *	standard input ---> gateway ---> standard output
 *
 * A side that ends is ended on the other, and the other way goes on. No time is
 * too long for silence. What isn't taken holds back who sends it.
 */
#ifndef WAKEGATE_TUNNEL_H
#define WAKEGATE_TUNNEL_H

#include "base/err.h"

/* Before the 101 is sent: from now on SIGTERM waits for tunnel_run(). */
void tunnel_prepare(void);

/* Takes gateway_fd over, and descriptors 0 and 1. SIGTERM, by which a web server
 * says that the client has gone: what came from it is still passed on, then it
 * ends. */
int tunnel_run(int gateway_fd, struct err *err);

#endif
