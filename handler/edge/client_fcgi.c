#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/deadline.h"
#include "base/http1.h"
#include "base/log.h"
#include "edge/client.h"

#include "base/banned.h"

#define IDLE_MS		10000 /* then a thread that isn't needed leaves */
#define SILENCE_S	60    /* of a client in the middle of its request */
#define ACCEPT_PAUSE_MS 20    /* when no descriptor or memory is left */

/* We accept connections ourselves and hand libfcgi an open one: so each is
 * close-on-exec from birth, a thread that waits for one can be told to leave
 * without a signal, and no signal can break a read in mid-request. */
struct client_fcgi {
	struct client client;
	struct client_gate *gate;
	int epoll_fd;
	bool counted;		  /* as idle, by its maker */
	bool left;		  /* something has been written for good */
	unsigned char *out_begin; /* of the output buffer */
	FCGX_Request request;
};

static struct client_fcgi *fcgi(struct client *client)
{
	return (struct client_fcgi *)client;
}

/* Nobody came for a while: gives true when this thread isn't needed. Then it has
 * been taken off those that are idle; one always stays. */
static bool retire(struct client_gate *gate)
{
	int idle = __atomic_load_n(&gate->idle, __ATOMIC_SEQ_CST);

	while (idle > 1) {
		if (__atomic_compare_exchange_n(&gate->idle, &idle, idle - 1,
						false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return true;
	}
	return false;
}

/* Waits for something to accept: 1, 0 when nobody came, -1 to leave.
 * EPOLLEXCLUSIVE: a connection wakes one of the waiting threads. */
static int wait_gate(const struct client_fcgi *self)
{
	struct epoll_event events[2];
	int count = epoll_wait(self->epoll_fd, events, 2, IDLE_MS);

	if (count < 0)
		return errno == EINTR ? 1 : -1;
	for (int i = 0; i < count; i++) {
		if (events[i].data.fd == self->gate->leave_fd)
			return -1;
	}
	return count > 0;
}

/* FCGI_WEB_SERVER_ADDRS: whom a TCP socket answers (FastCGI 1.0, 3.2). */
static bool is_web_server(const struct sockaddr_storage *peer)
{
	const char *list = getenv("FCGI_WEB_SERVER_ADDRS"); /* nobody sets it */
	const struct in6_addr *in6 =
		&((const struct sockaddr_in6 *)peer)->sin6_addr;
	char text[INET6_ADDRSTRLEN] = "";

	if (!list || peer->ss_family == AF_UNIX)
		return true;
	if (peer->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(in6))
		(void)inet_ntop(AF_INET, &in6->s6_addr[12], text, sizeof(text));
	else if (peer->ss_family == AF_INET)
		(void)inet_ntop(AF_INET,
				&((const struct sockaddr_in *)peer)->sin_addr,
				text, sizeof(text));
	else if (peer->ss_family == AF_INET6)
		(void)inet_ntop(AF_INET6,
				&((const struct sockaddr_in6 *)peer)->sin6_addr,
				text, sizeof(text));
	return http_has_token((struct slice){ list, strlen(list) }, text);
}

/* Accepts one; -1 with errno, EAGAIN for one that may not speak to us. */
static int accept_one(int listen_fd)
{
	const struct timeval silence = { .tv_sec = SILENCE_S };
	struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);
	int fd = accept4(listen_fd, (struct sockaddr *)&peer, &len,
			 SOCK_CLOEXEC);

	if (fd < 0)
		return fd;
	if (is_web_server(&peer)) {
		/* one that falls silent in mid-request must not keep a thread */
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence,
				 sizeof(silence));
		return fd;
	}
	(void)close(fd);
	errno = EAGAIN;
	return -1;
}

static int take_connection(const struct client_fcgi *self)
{
	struct client_gate *gate = self->gate;

	for (;;) {
		int ready = wait_gate(self);
		int fd;

		if (ready < 0)
			break;
		if (ready == 0 && retire(gate))
			return -1;
		fd = accept_one(gate->listen_fd);
		if (fd < 0 &&
		    (errno == EBADF || errno == EINVAL || errno == ENOTSOCK))
			break;
		if (fd < 0 && errno != EAGAIN && errno != EINTR)
			(void)deadline_pause(deadline_never(), ACCEPT_PAUSE_MS);
		if (fd < 0)
			continue;
		if (__atomic_sub_fetch(&gate->idle, 1, __ATOMIC_SEQ_CST) == 0)
			gate->all_busy(gate);
		return fd;
	}
	(void)__atomic_sub_fetch(&gate->idle, 1, __ATOMIC_SEQ_CST);
	return -1;
}

static int accept_connection(struct client_fcgi *self)
{
	if (!self->counted)
		(void)__atomic_add_fetch(&self->gate->idle, 1,
					 __ATOMIC_SEQ_CST);
	self->counted = false;
	return take_connection(self);
}

static int fcgi_next(struct client *client)
{
	struct client_fcgi *self = fcgi(client);
	FCGX_Request *request = &self->request;

	for (;;) {
		int fd = accept_connection(self);

		if (fd < 0)
			return -1;
		/* an open connection that is to be kept: libfcgi goes on to read
		 * the request from it, and comes back when that fails (it has no
		 * socket to accept from) */
		request->ipcFd = fd;
		request->keepConnection = 1;
		if (FCGX_Accept_r(request) == 0)
			break;
		log_line(LEVEL_INFO, "msg=\"the web server opened a "
				     "connection and sent no request\"");
	}
	/* a connection that is kept would keep this thread */
	request->keepConnection = 0;
	client->watch_fd = request->ipcFd;
	self->left = false;
	self->out_begin = request->out->wrNext;
	return 0;
}

static char **fcgi_envp(const struct client *client)
{
	return ((const struct client_fcgi *)client)->request.envp;
}

/* FCGX_GetStr() blocks until all len bytes are there; FCGX_GetChar() until there
 * is one, and what came with it lies in the stream's buffer. */
static ssize_t fcgi_read(struct client *client, char *buf, size_t len,
			 struct err *err)
{
	FCGX_Stream *in = fcgi(client)->request.in;
	size_t more;
	int c = FCGX_GetChar(in);

	if (c == EOF && FCGX_GetError(in) != 0)
		return err_set(err, ERR_CLOSED, "the request's body broke off");
	if (c == EOF)
		return 0;
	buf[0] = (char)c;
	more = (size_t)(in->stop - in->rdNext);
	if (more > len - 1)
		more = len - 1;
	memcpy(buf + 1, in->rdNext, more);
	in->rdNext += more;
	return (ssize_t)more + 1;
}

static int fcgi_write(struct client *client, const char *buf, size_t len,
		      struct err *err)
{
	FCGX_Stream *out = fcgi(client)->request.out;

	if (len > (size_t)(out->stop - out->wrNext))
		fcgi(client)->left = true; /* libfcgi makes room */
	while (len > 0) {
		int part = len > INT_MAX ? INT_MAX : (int)len;

		if (FCGX_PutStr(buf, part, out) != part)
			return err_set(err, ERR_CLOSED, "the client has gone");
		buf += part;
		len -= (size_t)part;
	}
	return 0;
}

static int fcgi_flush(struct client *client, struct err *err)
{
	fcgi(client)->left = true;
	if (FCGX_FFlush(fcgi(client)->request.out) != 0)
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

static void fcgi_abort(struct client *client)
{
	(void)shutdown(fcgi(client)->request.ipcFd, SHUT_RDWR);
}

static void fcgi_finish(struct client *client)
{
	client->watch_fd = -1;
	FCGX_Finish_r(&fcgi(client)->request);
}

static void fcgi_free(struct client *client)
{
	(void)close(fcgi(client)->epoll_fd);
	free(fcgi(client));
}

static const struct client_door fcgi_door = {
	.next = fcgi_next,
	.envp = fcgi_envp,
	.read = fcgi_read,
	.write = fcgi_write,
	.flush = fcgi_flush,
	.discard = fcgi_discard,
	.abort = fcgi_abort,
	.finish = fcgi_finish,
	.free = fcgi_free,
};

static int watch(int epoll_fd, int fd, unsigned int events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

int client_fcgi_new(struct client **ret, struct client_gate *gate,
		    struct err *err)
{
	CLEANUP_FD int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int flags = fcntl(gate->listen_fd, F_GETFL);
	struct client_fcgi *self;

	if (epoll_fd < 0 || flags < 0 ||
	    fcntl(gate->listen_fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    watch(epoll_fd, gate->listen_fd, EPOLLIN | EPOLLEXCLUSIVE) != 0 ||
	    watch(epoll_fd, gate->leave_fd, EPOLLIN) != 0)
		return err_errno(err, "cannot watch the FastCGI socket");
	self = calloc(1, sizeof(*self));
	if (!self)
		return err_errno(err, "cannot make a client");
	if (FCGX_InitRequest(&self->request, -1, FCGI_FAIL_ACCEPT_ON_INTR) !=
	    0) {
		free(self);
		return err_set(err, ERR_SYSTEM, "libfcgi is not initialised");
	}
	self->client.door = &fcgi_door;
	self->client.watch_fd = -1;
	self->gate = gate;
	self->counted = true;
	self->epoll_fd = STEAL_FD(epoll_fd);
	*ret = &self->client;
	return 0;
}
