#include "config.h"

#include <errno.h>
#include <fastcgi.h>
#include <fcgiapp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "edge/client.h"
#include "edge/fcgi_look.h"
#include "edge/gate.h"
#include "edge/halves.h"

#include "base/banned.h"

/* The gate has the connections, and libfcgi is handed an open one: so each is
 * close-on-exec from birth, a thread that waits for one can be told to leave
 * without a signal, and no signal can break a read in mid-request. */
struct client_fcgi {
	struct client client;
	struct gate_place *place; /* of the thread that it is answered by */
	bool ends;		  /* the body's end is here */
	bool ended;		  /* it was read */
	bool aborted;		  /* by the web server, and it can go on */
	bool left;		  /* something has been written for good */
	bool waits;		  /* counted by gate_wait() */
	int64_t unread;		  /* of the request's body */
	unsigned char *out_begin; /* of the output buffer */
	FCGX_Request request;
};

static struct client_fcgi *fcgi(struct client *client)
{
	return (struct client_fcgi *)client;
}

#define DIRECT_BYTES 4096 /* from here on libfcgi's stream is a detour */

#define END_S	  1  /* for the end of a body that is here but for that */
#define SILENCE_S 60 /* in the middle of a request */

#define PATIENCE_MS 1000 /* with a client that reads slowly */

/* Of the request's body; -1 where nothing says how many. */
static int64_t body_bytes(const FCGX_Request *request)
{
	const char *text = FCGX_GetParam("CONTENT_LENGTH", request->envp);

	if (text && *text)
		return strtoll(text, NULL, 10);
	return FCGX_GetParam("HTTP_TRANSFER_ENCODING", request->envp) ? -1 : 0;
}

static void set_patience(int fd, int seconds)
{
	const struct timeval silence = { .tv_sec = seconds };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence,
			 sizeof(silence));
}

/* Can the request on it be read without waiting for the web server? If not, it is
 * seen to. */
static bool is_here(struct client_fcgi *self, int fd)
{
	struct gate *gate = self->place->gate;

	switch (fcgi_look(fd, &self->ends)) {
	case FCGI_SAID_ENOUGH:
		return true;
	case FCGI_SAID_HALF:
		return !halves_add(gate->halves, fd);
	case FCGI_SAID_NOTHING:
		gate_park_new(gate, fd);
		return false;
	case FCGI_SAID_LAST:
		(void)close(fd);
		return false;
	}
	return false;
}

int client_fcgi_take(struct client *client, struct gate_place *place, int fd)
{
	struct client_fcgi *self = fcgi(client);
	FCGX_Request *request = &self->request;

	self->place = place;
	if (!is_here(self, fd))
		return -1;
	if (!self->ends)
		gate_step_aside(place);
	if (!self->ends || !place->gate->local)
		set_patience(fd, SILENCE_S);
	/* an open connection that is to be kept: libfcgi goes on to read the
	 * request from it, and comes back when that fails (it has no socket to
	 * accept from) */
	request->ipcFd = fd;
	request->keepConnection = 1;
	request->detached = 1; /* nonsense is not waited on */
	if (FCGX_Accept_r(request) != 0) {
		log_line(LEVEL_INFO, "msg=\"the web server opened a "
				     "connection and sent no request\"");
		return -1;
	}
	request->detached = 0;
	self->ended = false;
	self->aborted = false;
	client->watch_fd = request->ipcFd;
	client->broken = false;
	self->left = false;
	self->unread = body_bytes(request);
	client->hears = self->unread == 0;
	self->out_begin = request->out->wrNext;
	return 0;
}

void client_fcgi_move(struct client *client, struct gate_place *place)
{
	fcgi(client)->place = place;
}

static char **fcgi_envp(const struct client *client)
{
	return ((const struct client_fcgi *)client)->request.envp;
}

static bool fcgi_wait(struct client *client, bool waits)
{
	struct client_fcgi *self = fcgi(client);

	if (!gate_wait(self->place->gate, waits))
		return false;
	self->waits = waits;
	return true;
}

static void fcgi_step_aside(struct client *client)
{
	gate_step_aside(fcgi(client)->place);
}

/* Until it takes more: as long as it likes, but then the thread is not at work. */
static void await_client(struct client *client)
{
	int fd = client->watch_fd;
	bool counts;

	if (deadline_poll(fd, POLLOUT, deadline_in(0)) > 0)
		return;
	fcgi_step_aside(client);
	counts = !fcgi(client)->waits &&
		 deadline_poll(fd, POLLOUT, deadline_in(PATIENCE_MS)) == 0 &&
		 fcgi_wait(client, true);
	(void)deadline_poll(fd, POLLOUT, deadline_never());
	if (counts)
		(void)fcgi_wait(client, false);
}

/* The next byte of the body, or EOF. As long as it does not come, the thread is not at
 * work. */
static int next_byte(struct client *client)
{
	struct client_fcgi *self = fcgi(client);
	FCGX_Stream *in = self->request.in;
	bool counts =
		in->rdNext == in->stop && !self->waits &&
		deadline_poll(client->watch_fd, POLLIN, deadline_in(0)) == 0 &&
		fcgi_wait(client, true);
	int c = FCGX_GetChar(in);

	if (counts)
		(void)fcgi_wait(client, false);
	return c;
}

/* FCGX_GetStr() blocks until all len bytes are there; FCGX_GetChar() until there
 * is one, and what came with it lies in the stream's buffer. */
static ssize_t fcgi_read(struct client *client, char *buf, size_t len,
			 struct err *err)
{
	FCGX_Stream *in = fcgi(client)->request.in;
	size_t more;
	int c = next_byte(client);

	if (c == EOF && FCGX_GetError(in) != 0)
		return err_set(err, ERR_CLOSED, "the request's body broke off");
	if (c == EOF) {
		fcgi(client)->ended = true;
		client->hears = true;
		return 0;
	}
	buf[0] = (char)c;
	more = (size_t)(in->stop - in->rdNext);
	if (more > len - 1)
		more = len - 1;
	memcpy(buf + 1, in->rdNext, more);
	in->rdNext += more;
	fcgi(client)->unread -= (int64_t)more + 1;
	client->hears = fcgi(client)->unread == 0;
	return (ssize_t)more + 1;
}

static bool fcgi_hear(struct client *client)
{
	struct client_fcgi *self = fcgi(client);

	switch (fcgi_look_aside(self->request.ipcFd)) {
	case FCGI_WORD_ABORT:
		self->aborted = true;
		return false;
	case FCGI_WORD_BODY_END:
		self->ended = FCGX_GetChar(self->request.in) == EOF;
		client->hears = self->ended;
		return true;
	case FCGI_WORD_NONE:
		break;
	}
	client->hears = false; /* for what is there would be heard for ever */
	return true;
}

static int fcgi_flush(struct client *client, struct err *err)
{
	fcgi(client)->left = true;
	await_client(client);
	fcgi_step_aside(client);
	if (FCGX_FFlush(fcgi(client)->request.out) != 0)
		return err_set(err, ERR_CLOSED, "the client has gone");
	return 0;
}

static FCGI_Header record_of(const FCGX_Request *request, size_t len)
{
	return (FCGI_Header){
		.version = FCGI_VERSION_1,
		.type = FCGI_STDOUT,
		.requestIdB1 = (unsigned char)(request->requestId >> 8),
		.requestIdB0 = (unsigned char)request->requestId,
		.contentLengthB1 = (unsigned char)(len >> 8),
		.contentLengthB0 = (unsigned char)len,
	};
}

/* Without waiting first, as it mostly goes, being the porter. */
static int send_all(struct client *client, struct iovec *parts, size_t count,
		    struct err *err)
{
	while (count > 0) {
		struct msghdr message = { .msg_iov = parts,
					  .msg_iovlen = count };
		ssize_t sent = sendmsg(client->watch_fd, &message,
				       MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EAGAIN) {
			await_client(client);
			continue;
		}
		if (sent < 0 && errno != EINTR)
			return err_set(err, ERR_CLOSED, "the client has gone");
		for (; count > 0 && sent >= (ssize_t)parts->iov_len; count--)
			sent -= (ssize_t)parts++->iov_len;
		if (count > 0 && sent > 0) {
			parts->iov_base = (char *)parts->iov_base + sent;
			parts->iov_len -= (size_t)sent;
		}
	}
	return 0;
}

/* As records of their own: libfcgi's have 8 KB at most, and cost a copy. What lies
 * in its stream goes along. */
static int write_records(struct client *client, const char *buf, size_t len,
			 struct err *err)
{
	struct client_fcgi *self = fcgi(client);
	FCGX_Stream *out = self->request.out;
	size_t before =
		self->left ? 0 : (size_t)(out->wrNext - self->out_begin);

	if (self->left && fcgi_flush(client, err))
		return -1;
	self->left = true;
	while (len > 0) {
		size_t part = len > RESPONSE_BYTES ? RESPONSE_BYTES : len;
		FCGI_Header first = record_of(&self->request, before);
		FCGI_Header header = record_of(&self->request, part);
		struct iovec parts[4] = {
			{ &first, sizeof(first) },
			{ self->out_begin, before },
			{ &header, sizeof(header) },
			/* sendmsg(2) does not write to it */
			{ (char *)(uintptr_t)buf, part },
		};
		size_t skip = before > 0 ? 0 : 2;

		if (send_all(client, parts + skip, 4 - skip, err))
			return -1;
		out->wrNext = self->out_begin;
		before = 0;
		buf += part;
		len -= part;
	}
	return 0;
}

static int fcgi_write(struct client *client, const char *buf, size_t len,
		      struct err *err)
{
	FCGX_Stream *out = fcgi(client)->request.out;

	if (len >= DIRECT_BYTES)
		return write_records(client, buf, len, err);
	if (len > (size_t)(out->stop - out->wrNext)) {
		fcgi(client)->left = true; /* libfcgi makes room */
		await_client(client);
		fcgi_step_aside(client);
	}
	if (FCGX_PutStr(buf, (int)len, out) != (int)len)
		return err_set(err, ERR_CLOSED, "the client has gone");
	return 0;
}

static bool fcgi_discard(struct client *client)
{
	struct client_fcgi *self = fcgi(client);

	if (!self->left)
		self->request.out->wrNext = self->out_begin;
	return !self->left;
}

/* A connection that only ends is a response's end to nginx and to mod_fcgid; a
 * record of no version is an error to everybody. */
static void fcgi_abort(struct client *client)
{
	static const FCGI_Header nonsense = { .version = 0 };

	client->broken = true;
	if (fcgi(client)->aborted)
		return; /* an end of request is all that is waited for */
	fcgi(client)->request.keepConnection = 0;
	(void)send(fcgi(client)->request.ipcFd, &nonsense, sizeof(nonsense),
		   MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(fcgi(client)->request.ipcFd, SHUT_RDWR);
}

static bool read_end(struct client_fcgi *self)
{
	FCGX_Stream *in = self->request.in;
	bool ended;

	if (!self->ends) /* nobody is to wait long for so little */
		set_patience(self->request.ipcFd, END_S);
	ended = FCGX_GetChar(in) == EOF && FCGX_GetError(in) == 0;
	if (!self->ends)
		set_patience(self->request.ipcFd, SILENCE_S);
	return ended;
}

/* Has the whole request been read? The end of its body is a record of its own,
 * which is here or about to come when all that was announced has. */
static bool is_read(struct client_fcgi *self)
{
	FCGX_Stream *in = self->request.in;

	if (self->request.role != FCGI_RESPONDER || FCGX_GetError(in) != 0)
		return false;
	if (self->ended)
		return true;
	return self->unread == 0 && in->rdNext == in->stop && read_end(self);
}

/* A connection that is kept is parked: what libfcgi has read ahead is lost with
 * the request, so that must have been its end.
 *
 * libfcgi waits for the web server to close first, lest a reset overtakes the
 * response: that costs a thread its time, and a crowd more threads. A Unix socket
 * that was read to the request's end can be closed at once: `detached` is
 * libfcgi's word for it. */
static void fcgi_finish(struct client *client)
{
	struct client_fcgi *self = fcgi(client);
	struct gate *gate = self->place->gate;
	FCGX_Request *request = &self->request;
	bool read;

	if (self->left)
		await_client(client);
	client->watch_fd = -1;
	client->hears = false;
	(void)FCGX_FClose(request->err);
	(void)FCGX_FClose(request->out);
	read = is_read(self);
	request->detached = read && gate->local;
	request->keepConnection = request->keepConnection && read;
	if (!request->detached && !request->keepConnection)
		fcgi_step_aside(client);
	FCGX_Finish_r(request);
	request->detached = 0;
	if (request->ipcFd >= 0) {
		__atomic_store_n(&gate->keeps, true, __ATOMIC_RELAXED);
		gate_park(gate, request->ipcFd);
	}
	request->ipcFd = -1;
}

static void fcgi_free(struct client *client)
{
	free(fcgi(client));
}

static const struct client_door fcgi_door = {
	.envp = fcgi_envp,
	.read = fcgi_read,
	.wait = fcgi_wait,
	.step_aside = fcgi_step_aside,
	.hear = fcgi_hear,
	.write = fcgi_write,
	.flush = fcgi_flush,
	.discard = fcgi_discard,
	.abort = fcgi_abort,
	.finish = fcgi_finish,
	.free = fcgi_free,
};

int client_fcgi_new(struct client **ret, struct err *err)
{
	struct client_fcgi *self = calloc(1, sizeof(*self));

	if (!self)
		return err_errno(err, "cannot make a client");
	if (FCGX_InitRequest(&self->request, -1, FCGI_FAIL_ACCEPT_ON_INTR) !=
	    0) {
		free(self);
		return err_set(err, ERR_SYSTEM, "libfcgi is not initialised");
	}
	self->client.door = &fcgi_door;
	self->client.watch_fd = -1;
	*ret = &self->client;
	return 0;
}
