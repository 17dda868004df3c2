/* scripted.c - a server for tests that answers every request head with the very
 * bytes that it was given, however wrong they are.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: scripted --listen HOST:PORT [flags] ANSWER...\n"
	"\n"
	"Answers each request with the next ANSWER, the last one for ever.\n"
	"In it \\r \\n \\t \\0 \\\\ and \\xHH are what they are in C.\n"
	"  --body N         then reads N bytes and sends the next ANSWER\n"
	"  --endless TEXT   then sends TEXT until the client goes\n"
	"  --hold-ms N      then keeps the connection open for so long\n"
	"  --keep           then reads the next request on the connection\n"
	"  --pause-ms N     pauses for so long before each ANSWER\n"
	"  --byte-ms N      sends byte by byte, with such a pause\n";

struct bytes {
	char *data;
	size_t len;
};

struct script {
	const char *listen;
	struct bytes *answers;
	int answers_count;
	int answered; /* atomic */
	struct bytes endless;
	long body_bytes;
	int hold_ms, pause_ms, byte_ms;
	bool keep;
};

struct conn {
	struct script *script;
	int fd;
};

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "scripted: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void sleep_ms(int ms)
{
	struct timespec left = { .tv_sec = ms / 1000,
				 .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

static char escaped(const char **at)
{
	char digits[3] = "";

	switch (*(*at)++) {
	case 'r':
		return '\r';
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case '0':
		return '\0';
	case 'x':
		memcpy(digits, *at, 2);
		*at += 2;
		return (char)strtol(digits, NULL, 16);
	default:
		return (*at)[-1];
	}
}

static struct bytes unescape(const char *text)
{
	struct bytes bytes = { .data = malloc(strlen(text) + 1) };

	if (!bytes.data)
		fail("memory");
	while (*text) {
		if (*text != '\\') {
			bytes.data[bytes.len++] = *text++;
			continue;
		}
		text++;
		bytes.data[bytes.len++] = escaped(&text);
	}
	return bytes;
}

static bool send_all(int fd, const char *data, size_t len)
{
	ssize_t sent;

	while (len > 0) {
		sent = send(fd, data, len, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		data += sent;
		len -= (size_t)sent;
	}
	return true;
}

/* Reads up to and with the empty line; false when the connection ends. */
static bool read_head(int fd)
{
	static const char end[] = "\r\n\r\n";
	size_t matched = 0;
	char byte;

	while (matched < 4) {
		if (recv(fd, &byte, 1, 0) != 1)
			return false;
		if (byte == end[matched])
			matched++;
		else
			matched = byte == '\r';
	}
	return true;
}

static bool send_answer(struct script *script, int fd)
{
	int number = __atomic_fetch_add(&script->answered, 1, __ATOMIC_RELAXED);
	struct bytes answer =
		script->answers[number < script->answers_count
					? number
					: script->answers_count - 1];
	size_t i;

	sleep_ms(script->pause_ms);
	if (script->byte_ms == 0)
		return send_all(fd, answer.data, answer.len);
	for (i = 0; i < answer.len; i++) {
		if (!send_all(fd, answer.data + i, 1))
			return false;
		sleep_ms(script->byte_ms);
	}
	return true;
}

static bool read_body(int fd, long left)
{
	char scrap[65536];
	ssize_t got;

	while (left > 0) {
		got = recv(fd, scrap,
			   left < (long)sizeof(scrap) ? (size_t)left
						      : sizeof(scrap),
			   0);
		if (got <= 0)
			return false;
		left -= got;
	}
	return true;
}

static bool answer(struct script *script, int fd)
{
	if (!read_head(fd) || !send_answer(script, fd))
		return false;
	return script->body_bytes == 0 ||
	       (read_body(fd, script->body_bytes) && send_answer(script, fd));
}

static void *serve(void *argument)
{
	struct conn *conn = argument;
	struct script *script = conn->script;

	while (answer(script, conn->fd)) {
		while (script->endless.len > 0 &&
		       send_all(conn->fd, script->endless.data,
				script->endless.len))
			;
		sleep_ms(script->hold_ms);
		if (!script->keep)
			break;
	}
	(void)close(conn->fd);
	free(conn);
	return NULL;
}

static int listen_open(const char *address)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *colon = strrchr(address, ':');
	char host[32] = "";
	int on = 1;

	if (!colon || (size_t)(colon - address) >= sizeof(host)) {
		errno = EINVAL;
		fail(address);
	}
	memcpy(host, address, (size_t)(colon - address));
	in.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (inet_pton(AF_INET, host, &in.sin_addr) != 1 ||
	    bind(fd, (struct sockaddr *)&in, sizeof(in)) != 0 ||
	    listen(fd, 128) != 0)
		fail(address);
	return fd;
}

static const struct option options[] = {
	{ "listen", required_argument, NULL, 'l' },
	{ "body", required_argument, NULL, 'B' },
	{ "endless", required_argument, NULL, 'e' },
	{ "hold-ms", required_argument, NULL, 'h' },
	{ "keep", no_argument, NULL, 'k' },
	{ "pause-ms", required_argument, NULL, 'p' },
	{ "byte-ms", required_argument, NULL, 'b' },
	{ "help", no_argument, NULL, '?' },
	{ NULL, 0, NULL, 0 },
};

static void flag_set(struct script *script, int flag)
{
	switch (flag) {
	case 'l':
		script->listen = optarg;
		break;
	case 'B':
		script->body_bytes = strtol(optarg, NULL, 10);
		break;
	case 'e':
		script->endless = unescape(optarg);
		break;
	case 'h':
		script->hold_ms = (int)strtol(optarg, NULL, 10);
		break;
	case 'k':
		script->keep = true;
		break;
	case 'p':
		script->pause_ms = (int)strtol(optarg, NULL, 10);
		break;
	case 'b':
		script->byte_ms = (int)strtol(optarg, NULL, 10);
		break;
	default:
		(void)fputs(usage, optopt ? stderr : stdout);
		exit(optopt ? 2 : 0);
	}
}

static void flags_read(struct script *script, int argc, char **argv)
{
	int flag;
	int i;

	while ((flag = getopt_long(argc, argv, "", options, NULL)) != -1)
		flag_set(script, flag);
	script->answers_count = argc - optind;
	if (!script->listen || script->answers_count == 0) {
		(void)fputs(usage, stderr);
		exit(2);
	}
	script->answers =
		calloc((size_t)script->answers_count, sizeof(struct bytes));
	if (!script->answers)
		fail("memory");
	for (i = 0; i < script->answers_count; i++)
		script->answers[i] = unescape(argv[optind + i]);
}

int main(int argc, char **argv)
{
	static struct script script;
	struct conn *conn;
	pthread_t thread;
	int listener;
	int fd;

	flags_read(&script, argc, argv);
	listener = listen_open(script.listen);
	for (;;) {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		conn = fd < 0 ? NULL : malloc(sizeof(*conn));
		if (!conn)
			continue;
		conn->script = &script;
		conn->fd = fd;
		if (pthread_create(&thread, NULL, serve, conn) == 0)
			(void)pthread_detach(thread);
		else
			fail("thread");
	}
}
