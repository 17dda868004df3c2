#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/cleanup.h"

#include "base/banned.h"

#define CONNECT_RETRY_MS 2

static int parse_unix(struct address *ret, const char *path, struct err *err)
{
	struct sockaddr_un *un = &ret->socket.un;
	size_t len = strlen(path);

	if (path[0] != '/' || len >= sizeof(un->sun_path))
		return err_set(err, ERR_INVALID,
			       "'unix:%s' must be an absolute path of at most "
			       "%zu bytes",
			       path, sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	ret->len = (socklen_t)sizeof(*un);
	return 0;
}

static int parse_port(const char *text, in_port_t *ret)
{
	char *end = NULL;
	unsigned long port;

	if (*text < '1' || *text > '9')
		return -1;
	errno = 0;
	port = strtoul(text, &end, 10);
	if (errno != 0 || *end || port > 65535)
		return -1;
	*ret = htons((uint16_t)port);
	return 0;
}

static int parse_host(struct address *ret, const char *host, in_port_t port)
{
	size_t len = strlen(host);
	char bare[INET6_ADDRSTRLEN];

	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (host[0] == '[') {
		if (len < 2 || host[len - 1] != ']' || len - 2 >= sizeof(bare))
			return -1;
		memcpy(bare, host + 1, len - 2);
		bare[len - 2] = '\0';
		ret->socket.in6.sin6_family = AF_INET6;
		ret->socket.in6.sin6_port = port;
		ret->len = (socklen_t)sizeof(ret->socket.in6);
		return inet_pton(AF_INET6, bare, &ret->socket.in6.sin6_addr) ==
				       1
			       ? 0
			       : -1;
	}
	ret->socket.in.sin_family = AF_INET;
	ret->socket.in.sin_port = port;
	ret->len = (socklen_t)sizeof(ret->socket.in);
	return inet_pton(AF_INET, host, &ret->socket.in.sin_addr) == 1 ? 0 : -1;
}

int address_parse(struct address *ret, const char *text, struct err *err)
{
	struct address address;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	in_port_t port = 0;
	size_t len;

	memset(&address, 0, sizeof(address));
	if (strncmp(text, "unix:", 5) == 0) {
		if (parse_unix(&address, text + 5, err))
			return -1;
		*ret = address;
		return 0;
	}
	len = colon ? (size_t)(colon - text) : sizeof(host);
	if (len < sizeof(host)) {
		memcpy(host, text, len);
		host[len] = '\0';
		if (parse_port(colon + 1, &port) == 0 &&
		    parse_host(&address, host, port) == 0) {
			*ret = address;
			return 0;
		}
	}
	return err_set(err, ERR_INVALID,
		       "'%s' is not an address: expected HOST:PORT with a "
		       "numeric host, [IPV6]:PORT or unix:/PATH",
		       text);
}

uint16_t address_port(const struct address *address)
{
	switch (address->socket.any.sa_family) {
	case AF_INET:
		return ntohs(address->socket.in.sin_port);
	case AF_INET6:
		return ntohs(address->socket.in6.sin6_port);
	default:
		return 0;
	}
}

bool address_is_local(const struct address *address)
{
	switch (address->socket.any.sa_family) {
	case AF_INET:
		return ntohl(address->socket.in.sin_addr.s_addr) >> 24 ==
		       IN_LOOPBACKNET;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(&address->socket.in6.sin6_addr);
	default:
		return true;
	}
}

static int connect_failed(int number, struct err *err)
{
	errno = number;
	(void)err_errno(err, "cannot connect to the gateway");
	if (number == ECONNREFUSED || number == ENOENT)
		err->code = ERR_REFUSED;
	else if (number == ECONNRESET)
		err->code = ERR_CLOSED;
	return -1;
}

static int connect_finish(int fd, struct deadline deadline, struct err *err)
{
	int number = 0;
	socklen_t len = sizeof(number);
	int ready = deadline_poll(fd, POLLOUT, deadline);

	if (ready < 0)
		return err_errno(err, "cannot wait for a connection");
	if (ready == 0)
		return err_set(err, ERR_TIMEOUT, "no connection in time");
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len) != 0)
		number = errno;
	return number == 0 ? 0 : connect_failed(number, err);
}

static int connect_start(int fd, const struct address *address,
			 struct deadline deadline, struct err *err)
{
	for (;;) {
		if (connect(fd, &address->socket.any, address->len) == 0)
			return 0;
		if (errno == EINPROGRESS || errno == EINTR)
			return connect_finish(fd, deadline, err);
		if (errno != EAGAIN)
			return connect_failed(errno, err);
		if (!deadline_pause(deadline, CONNECT_RETRY_MS))
			return err_set(err, ERR_TIMEOUT, "backlog is full");
	}
}

/* On loopback a connect to a closed port of the ephemeral range can meet itself
 * (a simultaneous open): nothing listens there. */
static bool is_self(int fd)
{
	struct address local;
	struct address peer;
	socklen_t local_len = sizeof(local.socket);
	socklen_t peer_len = sizeof(peer.socket);

	return getsockname(fd, &local.socket.any, &local_len) == 0 &&
	       getpeername(fd, &peer.socket.any, &peer_len) == 0 &&
	       local_len == peer_len &&
	       memcmp(&local.socket, &peer.socket, local_len) == 0;
}

/* Best effort: one that is not known as ours keeps a gateway awake for longer. */
static void mark(int fd, int family)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int tos = ADDRESS_OUR_TOS;
	int len;

	if (family == AF_INET) {
		(void)setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
		return;
	}
	if (family == AF_INET6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos,
				 sizeof(tos));
		return;
	}
	/* abstract: no file; a descriptor's number is taken once */
	len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1,
		       ADDRESS_OUR_NAME "%ld-%d", (long)getpid(), fd);
	(void)bind(fd, (const struct sockaddr *)&name,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) +
			   (socklen_t)len);
}

static int connect_to(int *ret, const struct address *address, bool marked,
		      struct deadline deadline, struct err *err)
{
	int family = address->socket.any.sa_family;
	CLEANUP_FD int fd =
		socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return err_errno(err, "cannot make a socket");
	if (marked)
		mark(fd, family);
	if (connect_start(fd, address, deadline, err))
		return -1;
	if (family != AF_UNIX && is_self(fd))
		return connect_failed(ECONNREFUSED, err);
	if (family != AF_UNIX) /* latency only: going on without is right */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*ret = STEAL_FD(fd);
	return 0;
}

int address_connect(int *ret, const struct address *address,
		    struct deadline deadline, struct err *err)
{
	return connect_to(ret, address, true, deadline, err);
}

int address_connect_unmarked(int *ret, const struct address *address,
			     struct deadline deadline, struct err *err)
{
	return connect_to(ret, address, false, deadline, err);
}
