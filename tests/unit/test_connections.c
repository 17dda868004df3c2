/* Who is connected, asked of this machine's kernel, and what it means. */
#include "config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/connections_private.h"
#include "unit/tap.h"

#include "base/banned.h"

#define SPARE_MS 2000

static int64_t quiet(struct connection connection)
{
	struct connection_list list = { .items = &connection,
					.count = 1,
					.ended_ms = INT64_MAX };

	return connections_quiet_ms(&list, SPARE_MS);
}

static void test_quiet(void)
{
	struct connection_list none = { .ended_ms = 700 };
	struct connection spare = { .timed = true,
				    .sent_ms = 1000,
				    .received_ms = 1004 };

	ok(quiet(spare) == 1000, "answered and silent for a second: so quiet");
	spare.unread = true;
	ok(quiet(spare) == 0, "but not while data waits");
	spare.unread = false;
	spare.sent_ms = 5000;
	ok(quiet(spare) == 0, "an answer is owed: in use");
	spare.received_ms = 5000;
	ok(quiet(spare) == 0, "silent for longer than a spare one: a stream");
	spare.pooled = true;
	ok(quiet(spare) == 5000, "unless its client keeps spare ones");
	spare.pooled = false;
	spare.half_closed = true;
	ok(quiet(spare) == 5000, "or has shut it down");
	spare.timed = false;
	ok(quiet(spare) == 0, "times that are not known: in use");
	ok(connections_quiet_ms(&none, SPARE_MS) == 700,
	   "one that ended counts from its end");
	none.ended_ms = INT64_MAX;
	ok(connections_quiet_ms(&none, SPARE_MS) == INT64_MAX,
	   "no connection says nothing");
}

/* A listener, at an address that the kernel chose. */
static int listen_at(const char *text, struct address *ret)
{
	socklen_t len = sizeof(ret->socket);
	struct err err;
	int fd;

	if (strncmp(text, "unix:", 5) == 0) {
		if (address_parse(ret, text, &err))
			abort();
	} else {
		memset(ret, 0, sizeof(*ret));
		ret->socket.in6.sin6_family = AF_INET6;
		ret->socket.in6.sin6_addr = in6addr_any; /* IPv4 too */
		ret->len = sizeof(ret->socket.in6);
	}
	fd = socket(ret->socket.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, &ret->socket.any, ret->len) != 0 ||
	    listen(fd, 10) != 0)
		abort();
	if (ret->socket.any.sa_family == AF_INET6) {
		if (getsockname(fd, &ret->socket.any, &len) != 0)
			abort();
		ret->socket.in6.sin6_addr = in6addr_loopback;
	}
	return fd;
}

static int connect_as_stranger(const struct address *address)
{
	int fd = socket(address->socket.any.sa_family,
			SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, &address->socket.any, address->len) != 0)
		abort();
	return fd;
}

static struct connection_list list_of(const struct address *address)
{
	struct connection_list list = { .count = 0 };
	struct err err = { 0 };

	if (connections_list(&list, address, true, &err))
		printf("# %s\n", err.text);
	return list;
}

static void test_kernel(const char *text, bool timed)
{
	struct address address;
	int listener = listen_at(text, &address);
	struct connection_list list;
	struct err err;
	int ours = -1;
	int ours_end;
	int client;
	int server;

	list = list_of(&address);
	ok(list.count == 0, "%s: a listener alone is no connection", text);
	connections_free(&list);
	if (address_connect(&ours, &address, deadline_in(1000), &err))
		abort();
	ours_end = accept(listener, NULL, NULL);
	list = list_of(&address);
	ok(list.count == 0, "%s: ours are left out", text);
	connections_free(&list);
	client = connect_as_stranger(&address);
	list = list_of(&address);
	ok(list.count == 1 && list.items[0].timed == timed,
	   "%s: a stranger's is there before it is accepted", text);
	connections_free(&list);
	server = accept(listener, NULL, NULL);
	list = list_of(&address);
	ok(list.count == 1, "%s: and afterwards", text);
	connections_free(&list);
	if (timed) {
		int bytes = POOL_RCVBUF;

		(void)setsockopt(client, SOL_SOCKET, SO_RCVBUF, &bytes,
				 sizeof(bytes));
		list = list_of(&address);
		ok(list.count == 1 && list.items[0].pooled,
		   "%s: the mark of a pool is seen", text);
		connections_free(&list);
	}
	(void)close(server);
	(void)close(ours_end);
	(void)close(client);
	(void)close(ours);
	(void)close(listener);
	list = list_of(&address);
	ok(list.count == 0, "%s: one that has ended is gone", text);
	connections_free(&list);
}

static void test_proc(void)
{
	struct address address;
	int listener = listen_at("", &address);
	struct found_list list = { .count = 0 };
	int client = connect_as_stranger(&address);
	struct err err;

	ok(connections_read_tcp(&list, address_port(&address), &err) == 0 &&
		   list.count == 1 && !list.items[0].connection.timed,
	   "/proc/net/tcp6 shows it, too");
	free(list.items);
	(void)close(client);
	(void)close(listener);
}

int main(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "unix:/tmp/wakegate-test-%ld",
		       (long)getpid());
	test_quiet();
	test_kernel("[::]", true);
	test_kernel(path, false);
	(void)unlink(path + 5);
	test_proc();
	return done_testing();
}
