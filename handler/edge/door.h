/* door.h - who is let in: the web servers that may speak to us */
#ifndef WAKEGATE_DOOR_H
#define WAKEGATE_DOOR_H

#include <stdbool.h>

/* Accepts one on a FastCGI socket (local: a Unix socket) that does not block; close-on-exec.
 * -1 with accept(2)'s errno; EAGAIN also for one whom FCGI_WEB_SERVER_ADDRS does not
 * name (FastCGI 1.0, 3.2). */
int door_accept(int listen_fd, bool local);

#endif
