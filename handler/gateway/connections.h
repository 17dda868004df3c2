/* connections.h - who is connected to a gateway: the kernel is asked
 *
 * TCP: NETLINK_SOCK_DIAG, where both ends of a connection on this machine are
 * seen; without it /proc/net/tcp and tcp6, which know no times. A Unix socket:
 * NETLINK_SOCK_DIAG, which knows none either. Our own connections
 * (address_connect()) are known by their mark and are left out: who made them
 * says by himself whether they are in use (lock.h).
 */
#ifndef WAKEGATE_CONNECTIONS_H
#define WAKEGATE_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/err.h"

/* A receive buffer (SO_RCVBUF) of that size is the mark of a client that keeps
 * spare connections for as long as it likes: what is silent on it is spare, and no
 * stream. conf/apache-fast.conf sets it, since Apache can set little else. */
#define POOL_RCVBUF 131071

/* A connection that somebody else made and that is open, or that the client has
 * shut down for its direction. Times are ages in milliseconds. */
struct connection {
	bool timed;	 /* sent_ms and received_ms are known */
	int64_t sent_ms; /* since the gateway sent data last */
	int64_t received_ms;
	bool unread;	  /* data waits to be read, at either end */
	bool pooled;	  /* its client keeps spare ones: POOL_RCVBUF */
	bool half_closed; /* the client will send no more */
};

struct connection_list {
	struct connection *items;
	size_t count;
	int64_t ended_ms; /* since one ended that the gateway closed first:
			   * INT64_MAX when none is known, or none was asked for */
};

/* ended: look for those too that have ended (there may be many). */
int connections_list(struct connection_list *ret, const struct address *address,
		     bool ended, struct err *err);
void connections_free(struct connection_list *list);

/* How long the gateway has not been used, as far as the connections tell: 0 when
 * one is in use, INT64_MAX when nothing is known.
 *
 * In use: the gateway owes an answer (data came after the last that it sent), or
 * data waits, or the times are not known. Also one that has been silent after an
 * answer for longer than spare_ms: an event stream or a WebSocket, since those who
 * keep spare connections close them sooner. One that can't (Apache) says so by
 * POOL_RCVBUF. */
int64_t connections_quiet_ms(const struct connection_list *list,
			     int64_t spare_ms);

#endif
