#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/http1.h"
#include "edge/door.h"

#include "base/banned.h"

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

int door_accept(int listen_fd, bool local)
{
	struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);
	int fd;

	if (local)
		return accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	fd = accept4(listen_fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	if (fd < 0)
		return fd;
	if (is_web_server(&peer))
		return fd;
	(void)close(fd);
	errno = EAGAIN;
	return -1;
}
