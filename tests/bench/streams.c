/* streams.c - many event streams and WebSockets at once, and short requests beside
 * them
 *
 *	streams PORT STREAMS SOCKETS SECONDS
 *
 * Opens STREAMS event streams (/sse) and SOCKETS WebSockets (/ws) on 127.0.0.1,
 * asks for an echo on each of these every second, and for /pid all the time.
 * Prints how many are alive at the end (an event or an echo within the last
 * 3 s) and how long the short requests took.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ALIVE_MS     3000
#define OPEN_MS	     30000
#define PAUSE_MS     5 /* between short requests */
#define REQUESTS_MAX 100000
#define EVENTS	     64

struct stream {
	int fd; /* -1: it has ended */
	bool socket;
	bool open; /* its head is here */
	int64_t heard_ms;
};

static struct {
	in_port_t port;
	int64_t end_ms;
	int count; /* of times */
	double times[REQUESTS_MAX];
	int failed;
} short_ones;

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "streams: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec * 1000 + (double)at.tv_nsec / 1e6;
}

static int64_t now_ms(void)
{
	return (int64_t)now();
}

static int connect_to(in_port_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = port };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof(in)) != 0)
		fail("connect");
	return fd;
}

static void say(int fd, const void *data, size_t len)
{
	(void)!send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- short requests ---- */

static bool short_request(void)
{
	static const char request[] = "GET /pid HTTP/1.1\r\nHost: t\r\n"
				      "Connection: close\r\n\r\n";
	char answer[4096];
	size_t len = 0;
	ssize_t got;
	int fd = connect_to(short_ones.port);

	say(fd, request, sizeof(request) - 1);
	while (len < sizeof(answer) - 1 &&
	       (got = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0)
		len += (size_t)got;
	answer[len] = '\0';
	(void)close(fd);
	return strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

static void *short_requests(void *unused)
{
	while (now_ms() < short_ones.end_ms &&
	       short_ones.count < REQUESTS_MAX) {
		double begin = now();

		if (!short_request())
			short_ones.failed++;
		short_ones.times[short_ones.count++] = now() - begin;
		(void)nanosleep(
			&(struct timespec){ .tv_nsec = PAUSE_MS * 1000000L },
			NULL);
	}
	return unused;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double percentile(int percent)
{
	int at = short_ones.count * percent / 100;

	if (short_ones.count == 0)
		return 0;
	return short_ones
		.times[at < short_ones.count ? at : short_ones.count - 1];
}

/* ---- streams ---- */

static void open_stream(struct stream *stream, bool socket, int wait_fd)
{
	static const char sse[] = "GET /sse?n=100000&ms=1000 HTTP/1.1\r\n"
				  "Host: t\r\nAccept: text/event-stream"
				  "\r\n\r\n";
	static const char ws[] =
		"GET /ws HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\n"
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP,
				     .data.ptr = stream };

	*stream = (struct stream){ .fd = connect_to(short_ones.port),
				   .socket = socket };
	if (socket)
		say(stream->fd, ws, sizeof(ws) - 1);
	else
		say(stream->fd, sse, sizeof(sse) - 1);
	if (epoll_ctl(wait_fd, EPOLL_CTL_ADD, stream->fd, &event) != 0)
		fail("epoll");
}

static void hear(struct stream *stream)
{
	char buf[4096];
	ssize_t got = recv(stream->fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	if (got > 0 && !stream->open) {
		buf[got] = '\0';
		stream->open = strncmp(buf,
				       stream->socket ? "HTTP/1.1 101"
						      : "HTTP/1.1 200",
				       12) == 0;
	}
	if (got > 0 && stream->open) {
		stream->heard_ms = now_ms();
	} else if (got >= 0 || errno != EAGAIN) {
		(void)close(stream->fd);
		stream->fd = -1;
	}
}

static void ask_for_echo(const struct stream *all, int count)
{
	static const unsigned char hello[] = { 0x81, 0x85, 0,	0,   0,	 0,
					       'h',  'e',  'l', 'l', 'o' };

	for (int i = 0; i < count; i++) {
		if (all[i].socket && all[i].open && all[i].fd >= 0)
			say(all[i].fd, hello, sizeof(hello));
	}
}

/* Hears them until end_ms, or until all are open. */
static void attend(struct stream *all, int count, int wait_fd, int64_t end_ms,
		   bool until_open)
{
	int64_t ask_ms = 0;

	while (now_ms() < end_ms) {
		struct epoll_event events[EVENTS];
		int ready = epoll_wait(wait_fd, events, EVENTS, 100);
		int open = 0;

		for (int i = 0; i < ready; i++)
			hear(events[i].data.ptr);
		if (now_ms() >= ask_ms) {
			ask_for_echo(all, count);
			ask_ms = now_ms() + 1000;
		}
		for (int i = 0; until_open && i < count; i++)
			open += all[i].open;
		if (open == count)
			return;
	}
}

static int count_alive(const struct stream *all, int count, bool socket)
{
	int alive = 0;

	for (int i = 0; i < count; i++) {
		if (all[i].socket == socket && all[i].fd >= 0 && all[i].open &&
		    now_ms() - all[i].heard_ms < ALIVE_MS)
			alive++;
	}
	return alive;
}

static void report(const struct stream *all, int count)
{
	qsort(short_ones.times, (size_t)short_ones.count, sizeof(double),
	      compare);
	printf("streams %d sockets %d requests %d failed %d "
	       "p50_ms %.1f p99_ms %.1f max_ms %.1f\n",
	       count_alive(all, count, false), count_alive(all, count, true),
	       short_ones.count, short_ones.failed, percentile(50),
	       percentile(99), percentile(100));
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	struct stream *all;
	int streams = argc == 5 ? (int)strtol(argv[2], NULL, 10) : -1;
	int sockets = argc == 5 ? (int)strtol(argv[3], NULL, 10) : -1;
	int seconds = argc == 5 ? (int)strtol(argv[4], NULL, 10) : 0;
	int wait_fd = epoll_create1(EPOLL_CLOEXEC);
	int count = streams + sockets;
	pthread_t thread;

	if (streams < 0 || sockets < 0 || seconds <= 0) {
		fprintf(stderr,
			"usage: streams PORT STREAMS SOCKETS SECONDS\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	short_ones.port = htons((in_port_t)strtol(argv[1], NULL, 10));
	all = calloc((size_t)count + 1, sizeof(*all));
	if (!all || wait_fd < 0)
		fail("start");
	for (int i = 0; i < count; i++)
		open_stream(&all[i], i >= streams, wait_fd);
	attend(all, count, wait_fd, now_ms() + OPEN_MS, true);
	printf("open\n");
	(void)fflush(stdout);
	short_ones.end_ms = now_ms() + (int64_t)seconds * 1000;
	if (pthread_create(&thread, NULL, short_requests, NULL) != 0)
		fail("thread");
	attend(all, count, wait_fd, short_ones.end_ms, false);
	(void)pthread_join(thread, NULL);
	attend(all, count, wait_fd, now_ms() + 1, false);
	report(all, count);
	free(all);
	return 0;
}
