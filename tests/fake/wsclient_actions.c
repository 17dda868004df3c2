/* wsclient_actions.c - what a client does once it is connected; see wsclient.h */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ws.h"
#include "wsclient.h"

struct message {
	struct ws_frame frame;
	char *data; /* terminated */
};

void say(struct client *client, const char *format, ...)
{
	size_t len = strlen(client->result);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(client->result + len, RESULT_MAX - len, format, args);
	va_end(args);
}

bool client_send(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += sent;
		len -= (size_t)sent;
	}
	return true;
}

static bool read_all(int fd, void *buf, size_t len)
{
	return recv(fd, buf, len, MSG_WAITALL) == (ssize_t)len;
}

/* ---- frames ---- */

static bool send_frame(struct client *client, unsigned char opcode, bool fin,
		       unsigned char rsv, const char *data, size_t len)
{
	struct ws_frame frame = { .fin = fin,
				  .rsv = rsv,
				  .opcode = opcode,
				  .masked = true,
				  .mask = { 1, 2, 3, 4 },
				  .len = len };
	char *out = malloc(WS_HEAD_MAX + len);
	size_t head;
	bool sent;

	if (!out)
		abort();
	head = ws_head_write((unsigned char *)out, &frame);
	memcpy(out + head, data, len);
	ws_mask(out + head, len, frame.mask);
	sent = client_send(client->fd, out, head + len);
	free(out);
	return sent;
}

static bool read_frame(struct client *client, struct message *ret)
{
	unsigned char head[WS_HEAD_MAX];

	ret->data = NULL;
	if (!read_all(client->fd, head, 2) ||
	    (ws_head_len(head) > 2 &&
	     !read_all(client->fd, head + 2, ws_head_len(head) - 2)))
		return false;
	ws_head_read(&ret->frame, head);
	ret->data = malloc(ret->frame.len + 1);
	if (!ret->data || (ret->frame.len > 0 &&
			   !read_all(client->fd, ret->data, ret->frame.len))) {
		free(ret->data);
		return false;
	}
	ret->data[ret->frame.len] = '\0';
	return true;
}

/* Reads one frame, which must be this one. */
static bool expect(struct client *client, unsigned char opcode, bool fin,
		   unsigned char rsv, const char *data, size_t len)
{
	struct message message;
	bool same;

	if (!read_frame(client, &message))
		return false;
	same = message.frame.opcode == opcode && message.frame.fin == fin &&
	       message.frame.rsv == rsv && message.frame.len == len &&
	       memcmp(message.data, data, len) == 0;
	free(message.data);
	return same;
}

static char *sample(size_t len)
{
	char *data = malloc(len + 1);
	unsigned int seed = 1;
	size_t i;

	if (!data)
		abort();
	for (i = 0; i < len; i++) {
		seed = seed * 1103515245U + 12345U;
		data[i] = (char)(seed >> 16);
	}
	return data;
}

/* ---- actions; argument: what stands behind the colon ---- */

static bool do_echo(struct client *client, const char *argument)
{
	size_t len = strtoul(argument, NULL, 10);
	const char *colon = strchr(argument, ':');
	long times = colon ? strtol(colon + 1, NULL, 10) : 1;
	char *data = sample(len);
	bool good = true;

	for (; good && times > 0; times--)
		good = send_frame(client, WS_BINARY, true, 0, data, len) &&
		       expect(client, WS_BINARY, true, 0, data, len);
	free(data);
	return good;
}

static bool do_fragments(struct client *client, const char *argument)
{
	size_t len = strtoul(argument, NULL, 10);
	char *data = sample(len);
	bool good = send_frame(client, WS_BINARY, false, 0, data, len) &&
		    send_frame(client, WS_CONTINUATION, false, 0, data, len) &&
		    send_frame(client, WS_PING, true, 0, "between", 7) &&
		    send_frame(client, WS_CONTINUATION, true, 0, data, len) &&
		    expect(client, WS_BINARY, false, 0, data, len) &&
		    expect(client, WS_CONTINUATION, false, 0, data, len) &&
		    expect(client, WS_PONG, true, 0, "between", 7) &&
		    expect(client, WS_CONTINUATION, true, 0, data, len);

	free(data);
	return good;
}

struct sending {
	struct client *client;
	const char *data;
	size_t len;
	long times;
	bool good;
};

static void *send_many(void *argument)
{
	struct sending *sending = argument;
	long i;

	sending->good = true;
	for (i = 0; sending->good && i < sending->times; i++)
		sending->good = send_frame(sending->client, WS_BINARY, true, 0,
					   sending->data, sending->len);
	return NULL;
}

/* Sends without waiting for what comes back, and only then begins to read. */
static bool do_pipeline(struct client *client, const char *argument)
{
	const char *colon = strchr(argument, ':');
	size_t len = strtoul(colon ? colon + 1 : "1", NULL, 10);
	char *data = sample(len);
	struct sending sending = { .client = client,
				   .data = data,
				   .len = len,
				   .times = strtol(argument, NULL, 10) };
	pthread_t thread;
	bool good = true;
	long i;

	if (pthread_create(&thread, NULL, send_many, &sending) != 0)
		abort();
	(void)usleep(200000);
	for (i = 0; good && i < sending.times; i++)
		good = expect(client, WS_BINARY, true, 0, data, len);
	if (!good) /* or it would wait for room */
		(void)shutdown(client->fd, SHUT_RDWR);
	(void)pthread_join(thread, NULL);
	free(data);
	return good && sending.good;
}

static bool do_ping(struct client *client, const char *argument)
{
	(void)argument;
	return send_frame(client, WS_PING, true, 0, "are you there?", 14) &&
	       expect(client, WS_PONG, true, 0, "are you there?", 14);
}

/* As a compressed message has it: only its end points know what it means. */
static bool do_rsv(struct client *client, const char *argument)
{
	(void)argument;
	return send_frame(client, WS_TEXT, true, 0x40, "\xf2\x48\x05", 3) &&
	       expect(client, WS_TEXT, true, 0x40, "\xf2\x48\x05", 3);
}

static bool do_text(struct client *client, const char *argument)
{
	size_t len = strlen(argument);

	return send_frame(client, WS_TEXT, true, 0, argument, len) &&
	       expect(client, WS_TEXT, true, 0, argument, len);
}

static bool do_expect(struct client *client, const char *argument)
{
	return expect(client, WS_TEXT, true, 0, argument, strlen(argument));
}

static bool do_receive(struct client *client, const char *argument)
{
	long times = strtol(argument, NULL, 10);
	struct message message;
	uint64_t bytes = 0;

	for (; times > 0; times--) {
		if (!read_frame(client, &message))
			return false;
		bytes += message.frame.len;
		free(message.data);
	}
	say(client, " bytes=%llu", (unsigned long long)bytes);
	return true;
}

static bool do_idle(struct client *client, const char *argument)
{
	long ms = strtol(argument, NULL, 10);
	struct timespec left = { .tv_sec = ms / 1000,
				 .tv_nsec = ms % 1000 * 1000000L };

	(void)client;
	return nanosleep(&left, NULL) == 0;
}

static bool do_tell(struct client *client, const char *argument)
{
	char text[256];
	int len = snprintf(text, sizeof(text), "!%s", argument);

	return send_frame(client, WS_TEXT, true, 0, text, (size_t)len);
}

static bool do_ask(struct client *client, const char *argument)
{
	struct message message;

	if (!do_tell(client, argument) || !read_frame(client, &message))
		return false;
	say(client, " %s=%s", argument, message.data);
	free(message.data);
	return true;
}

/* How the other side ends it: with a code, which is answered, or without. */
static bool do_closed(struct client *client, const char *argument)
{
	struct message message;
	char byte;
	ssize_t count;

	(void)argument;
	while (read_frame(client, &message)) {
		const unsigned char *code = (unsigned char *)message.data;

		if (message.frame.opcode == WS_CLOSE) {
			say(client, " closed=%d",
			    message.frame.len < 2 ? 1005
						  : code[0] << 8 | code[1]);
			(void)send_frame(client, WS_CLOSE, true, 0,
					 message.data, message.frame.len);
		}
		free(message.data);
		if (message.frame.opcode == WS_CLOSE)
			break;
	}
	count = recv(client->fd, &byte, 1, 0);
	if (count < 0 && errno == EAGAIN)
		return false;
	say(client, " gone");
	return count <= 0;
}

static bool do_close(struct client *client, const char *argument)
{
	long code = strtol(argument, NULL, 10);
	const char payload[2] = { (char)(code >> 8), (char)code };

	return send_frame(client, WS_CLOSE, true, 0, payload, 2) &&
	       do_closed(client, "");
}

/* That it has come so far: a line more in that file. */
static bool do_mark(struct client *client, const char *argument)
{
	FILE *file = fopen(argument, "ae");

	(void)client;
	return file && fputs("here\n", file) != EOF && fclose(file) == 0;
}

static bool do_drop(struct client *client, const char *argument)
{
	(void)argument;
	(void)shutdown(client->fd, SHUT_RDWR);
	return true;
}

static const struct action {
	const char *name;
	bool (*act)(struct client *client, const char *argument);
} actions[] = {
	{ "echo", do_echo },	     { "fragments", do_fragments },
	{ "pipeline", do_pipeline }, { "ping", do_ping },
	{ "rsv", do_rsv },	     { "text", do_text },
	{ "expect", do_expect },     { "receive", do_receive },
	{ "idle", do_idle },	     { "tell", do_tell },
	{ "ask", do_ask },	     { "close", do_close },
	{ "closed", do_closed },     { "drop", do_drop },
	{ "mark", do_mark },
};

bool client_act(struct client *client, const char *words)
{
	size_t len = strcspn(words, ":");
	size_t i;

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strlen(actions[i].name) == len &&
		    strncmp(actions[i].name, words, len) == 0)
			return actions[i].act(
				client, words[len] ? words + len + 1 : "");
	(void)fprintf(stderr, "wsclient: no action '%s'\n", words);
	exit(2);
}
