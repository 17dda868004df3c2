/* connections_private.h - the ways to ask, and what they collect */
#ifndef WAKEGATE_CONNECTIONS_PRIVATE_H
#define WAKEGATE_CONNECTIONS_PRIVATE_H

#include "gateway/connections.h"

/* An end of a connection: known by its client's address, or by the inode of the
 * gateway's end. */
struct found {
	struct connection connection;
	uint8_t peer[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t peer_port;
	uint32_t inode; /* of a Unix socket */
	bool ours;
};

struct found_list {
	struct found *items;
	size_t count;
	size_t room;
	bool sorted;
	const char *path;	    /* a Unix socket's */
	struct found_list *clients; /* the other ends, where they are here */
	bool full;		    /* out of memory: some are missing */
	int64_t ended_ms;
};

void found_add(struct found_list *list, const struct found *found);
/* The one whose client this is, or NULL. Nothing is added after the first call. */
struct found *found_get(struct found_list *list, const struct found *key);

/* Each fills the list; TCP, a Unix socket, TCP without netlink. */
int connections_ask_tcp(struct found_list *list, uint16_t port, bool ended,
			struct err *err);
int connections_ask_unix(struct found_list *list, const char *path,
			 struct err *err);
int connections_read_tcp(struct found_list *list, uint16_t port,
			 struct err *err);

/* Sends a request of NETLINK_SOCK_DIAG and calls each() with every answer. */
int diag_dump(int fd, const void *request, size_t len,
	      void (*each)(struct found_list *list, const void *message,
			   size_t len),
	      struct found_list *list, struct err *err);
int diag_open(int *ret, struct err *err);

#endif
