/* address.h - where a gateway listens: "127.0.0.1:80", "[::1]:80", "unix:/path"
 *
 * Addresses are numeric or "localhost" (127.0.0.1): no resolver is asked, so
 * none can hang. Port 1 to 65535.
 */
#ifndef WAKEGATE_ADDRESS_H
#define WAKEGATE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/deadline.h"
#include "base/err.h"

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} socket;
	socklen_t len;
};

/* ERR_INVALID when text is none of the forms above. */
int address_parse(struct address *ret, const char *text, struct err *err);

/* 0 for a Unix socket. */
uint16_t address_port(const struct address *address);

/* Is it on this machine for certain: loopback, or a Unix socket? */
bool address_is_local(const struct address *address);

/* How our own connections are known to whoever asks the kernel for a gateway's
 * (gateway/connections.h): a traffic class that is free for local use (RFC 2474,
 * 6: xxxx11), and a Unix socket's own name, which begins with a NUL. */
#define ADDRESS_OUR_TOS	 0x0c
#define ADDRESS_OUR_NAME "wakegate-"

/* Connects; gives a non-blocking, close-on-exec descriptor (TCP_NODELAY set),
 * owned by the caller. ERR_REFUSED when nothing listens there (ECONNREFUSED, or
 * ENOENT for a Unix socket), ERR_CLOSED when the listener went away while we were in
 * its queue, ERR_TIMEOUT, else ERR_SYSTEM. A full backlog of a
 * Unix socket (EAGAIN) is waited out. */
int address_connect(int *ret, const struct address *address,
		    struct deadline deadline, struct err *err);

/* The same, but it counts as use of the gateway for as long as it is open: for what
 * nobody will speak for. */
int address_connect_unmarked(int *ret, const struct address *address,
			     struct deadline deadline, struct err *err);

#endif
