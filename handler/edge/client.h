/* client.h - the web server's side of one request: CGI or FastCGI
 *
 * The one seam between the two. A client is used by one thread. The environment
 * that it gives is valid until finish().
 */
#ifndef WAKEGATE_CLIENT_H
#define WAKEGATE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct client;

struct client_door {
	/* Waits for a request: 0, or -1 when there is none any more. */
	int (*next)(struct client *client);

	/* The environment, "NAME=value" each, NULL at the end. */
	char **(*envp)(const struct client *client);

	/* The request's body: at most len bytes, 0 at its end. Blocks until
	 * something came, never until len bytes did. ERR_CLOSED: it broke off. */
	ssize_t (*read)(struct client *client, char *buf, size_t len,
			struct err *err);

	/* The response, with its head as RFC 3875, 6 has it. ERR_CLOSED: the
	 * client has gone. Nothing is sent for sure before flush() or finish(). */
	int (*write)(struct client *client, const char *buf, size_t len,
		     struct err *err);
	int (*flush)(struct client *client, struct err *err);

	/* Takes back all that was written: false when some of it may have left. */
	bool (*discard)(struct client *client);

	/* Ends a response that broke off, so that it does not look complete (as
	 * far as the web server lets us). finish() follows. */
	void (*abort)(struct client *client);
	void (*finish)(struct client *client);
	void (*free)(struct client *client);
};

struct client {
	const struct client_door *door;
	int watch_fd;	/* hangs up when nobody waits any more; -1: none */
	bool one_shot;	/* the process ends with this request */
	bool no_length; /* without CONTENT_LENGTH there is a body only where the
			 * request says so (its read could block for ever) */
};

/* The process's own environment, standard input and output. */
int client_cgi_new(struct client **ret, struct err *err);

/* listen_fd is made non-blocking and is borrowed. leave_fd: readable when next()
 * shall give -1. idle counts the clients that wait in next(); all_busy() is
 * called by the one that leaves none. Who makes a client has counted it as idle
 * before, so that a thread that only begins is not missed. */
struct client_gate {
	int listen_fd;
	int leave_fd;
	int idle;
	void (*all_busy)(struct client_gate *gate);
};
int client_fcgi_new(struct client **ret, struct client_gate *gate,
		    struct err *err);

void client_free(struct client *client); /* accepts NULL */

#endif
