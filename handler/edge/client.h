/* client.h - the web server's side of one request: CGI or FastCGI
 *
 * The one seam between the two. A client is used by one thread at a time. The
 * environment that it gives is valid until finish().
 */
#ifndef WAKEGATE_CLIENT_H
#define WAKEGATE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/deadline.h"
#include "base/err.h"

struct client;

struct client_door {
	/* The environment, "NAME=value" each, NULL at the end. */
	char **(*envp)(const struct client *client);

	/* The request's body: at most len bytes, 0 at its end. Blocks until
	 * something came, never until len bytes did. ERR_CLOSED: it broke off. */
	ssize_t (*read)(struct client *client, char *buf, size_t len,
			struct err *err);

	/* The request waits for the gateway from now on, or its response is one that
	 * lasts; or (waits false) no more: its thread is not at work then. False:
	 * too many do. NULL: it is alone in its process. */
	bool (*wait)(struct client *client, bool waits);

	/* What follows may take its time, and other requests are not to wait for
	 * it. NULL: there are no others. */
	void (*step_aside)(struct client *client);

	/* watch_fd can be read (only where client->hears): false when that means
	 * that nobody waits any more. */
	bool (*hear)(struct client *client);

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
	int watch_fd;	 /* hangs up when nobody waits any more; -1: none */
	bool hears;	 /* what comes there has a meaning: hear() */
	bool one_shot;	 /* the process ends with this request */
	bool broken;	 /* abort() was called */
	bool can_switch; /* after a 101 its descriptors go both ways */
	bool no_length; /* without CONTENT_LENGTH there is a body only where the
			 * request says so (its read could block for ever) */
};

/* The process's own environment, standard input and output. */
int client_cgi_new(struct client **ret, struct err *err);

/* One request after another, each on the connection that client_fcgi_take() got. */
struct gate_place;
int client_fcgi_new(struct client **ret, struct err *err);

/* Takes fd over, from which something can be read, and the request on it: 0. Else
 * -1: its head is not here yet, and fd is parked, or it makes no sense, and is closed.
 * Steps aside where there may be more to wait for. */
int client_fcgi_take(struct client *client, struct gate_place *place, int fd);

/* The thread at place goes on with the client's request. */
void client_fcgi_move(struct client *client, struct gate_place *place);

void client_step_aside(struct client *client);
void client_free(struct client *client); /* accepts NULL */

#endif
