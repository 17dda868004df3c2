/* gateway_ws.c - the fake gateway's WebSocket, an echo that takes commands; and a
 * protocol of its own for Upgrade. See gateway.h */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway.h"
#include "ws.h"

#define FRAME_MAX ((uint64_t)64 * 1024 * 1024)
#define MB	  1048576

static bool read_all(struct conn *conn, void *buf, size_t len)
{
	char *at = buf;

	while (len > 0) {
		long got = connection_read(conn, at, len);

		if (got <= 0)
			return false;
		at += got;
		len -= (size_t)got;
	}
	return true;
}

/* Gives the payload, unmasked and terminated, to be freed; NULL at the end. */
static char *read_frame(struct conn *conn, struct ws_frame *frame)
{
	unsigned char head[WS_HEAD_MAX];
	char *payload;

	if (!read_all(conn, head, 2) ||
	    !read_all(conn, head + 2, ws_head_len(head) - 2))
		return NULL;
	ws_head_read(frame, head);
	payload = frame->len > FRAME_MAX ? NULL : malloc(frame->len + 1);
	if (!payload)
		return NULL;
	if (!read_all(conn, payload, frame->len)) {
		free(payload);
		return NULL;
	}
	payload[frame->len] = '\0';
	if (frame->masked)
		ws_mask(payload, frame->len, frame->mask);
	return payload;
}

static bool send_frame(struct conn *conn, struct ws_frame frame,
		       const char *payload)
{
	unsigned char head[WS_HEAD_MAX];

	frame.masked = false;
	return send_all(conn, head, ws_head_write(head, &frame)) &&
	       send_all(conn, payload, frame.len);
}

static bool send_words(struct conn *conn, const char *text)
{
	return send_frame(conn,
			  (struct ws_frame){ .fin = true,
					     .opcode = WS_TEXT,
					     .len = strlen(text) },
			  text);
}

static bool send_big(struct conn *conn, int count)
{
	char *data = calloc(1, MB);
	bool sent = data != NULL;

	for (; sent && count > 0; count--)
		sent = send_frame(conn,
				  (struct ws_frame){ .fin = true,
						     .opcode = WS_BINARY,
						     .len = MB },
				  data);
	free(data);
	return sent;
}

static bool send_close(struct conn *conn, int code)
{
	const char payload[2] = { (char)(code >> 8), (char)code };

	return send_frame(
		conn,
		(struct ws_frame){ .fin = true, .opcode = WS_CLOSE, .len = 2 },
		payload);
}

/* Ends it by ourselves: the other side answers with the same. */
static bool end_it(struct conn *conn, int code)
{
	struct ws_frame frame;

	if (send_close(conn, code))
		free(read_frame(conn, &frame));
	return false;
}

/* What a text that begins with '!' wants. */
static bool obey(struct conn *conn, const char *command)
{
	char text[64];
	const char *value;

	if (strcmp(command, "pid") == 0) {
		(void)snprintf(text, sizeof(text), "%d", (int)getpid());
		return send_words(conn, text);
	}
	if (strncmp(command, "field ", 6) == 0) {
		value = request_field(conn, command + 6);
		return send_words(conn, value ? value : "(none)");
	}
	if (strncmp(command, "big ", 4) == 0)
		return send_big(conn, (int)strtol(command + 4, NULL, 10));
	if (strncmp(command, "close ", 6) == 0)
		return end_it(conn, (int)strtol(command + 6, NULL, 10));
	if (strcmp(command, "die") == 0)
		crash(conn->gateway);
	return false; /* "drop" */
}

static bool echo_frame(struct conn *conn, struct ws_frame frame,
		       const char *payload)
{
	switch (frame.opcode) {
	case WS_PING:
		frame.opcode = WS_PONG;
		return send_frame(conn, frame, payload);
	case WS_CLOSE: /* with the same code */
		(void)send_frame(conn, frame, payload);
		return false;
	case WS_TEXT:
		if (frame.fin && *payload == '!')
			return obey(conn, payload + 1);
		return send_frame(conn, frame, payload);
	default:
		return send_frame(conn, frame, payload);
	}
}

/* ?hello=TEXT is sent with the 101, in one piece; ?deflate=1 takes the extension
 * (and echoes what came, its bit with it). */
static bool shake_hands(struct conn *conn, const char *key)
{
	const char *hello = strstr(conn->query, "hello=");
	char accept[WS_ACCEPT_LEN + 1];
	char reply[1024];
	int len;

	ws_accept(key, accept);
	len = snprintf(reply, sizeof(reply),
		       "HTTP/1.1 101 Switching Protocols\r\n"
		       "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		       "Sec-WebSocket-Accept: %s\r\n%s\r\n",
		       accept,
		       request_says(conn, "deflate", "1")
			       ? "Sec-WebSocket-Extensions: "
				 "permessage-deflate\r\n"
			       : "");
	if (hello)
		len += snprintf(reply + len, sizeof(reply) - (size_t)len,
				"\x81%c%.100s", (char)strnlen(hello + 6, 100),
				hello + 6);
	return send_all(conn, reply, (size_t)len);
}

bool path_ws(struct conn *conn)
{
	const char *key = request_field(conn, "Sec-WebSocket-Key");
	const char *asked = request_field(conn, "Upgrade");
	struct ws_frame frame;
	char *payload;
	bool goes_on;

	if (!key || !asked || strcasecmp(asked, "websocket") != 0) {
		reply(conn, 426, "text/plain", "Upgrade: websocket\r\n",
		      "a WebSocket only\n");
		return true;
	}
	goes_on = shake_hands(conn, key);
	while (goes_on && (payload = read_frame(conn, &frame))) {
		goes_on = echo_frame(conn, frame, payload);
		free(payload);
	}
	return false;
}

bool path_ws_refuse(struct conn *conn)
{
	reply(conn, 403, "text/plain", "X-Why: not you\r\n", "refused\n");
	return true;
}

/* Adds what came to the file of deliveries, if there is one. */
static void deliver(const struct conn *conn, const char *data, size_t len)
{
	const char *file = conn->gateway->manners.deliveries;
	int fd = file ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			     0644)
		      : -1;

	if (fd < 0)
		return;
	if (write(fd, data, len) != (ssize_t)len)
		abort();
	(void)close(fd);
}

/* The protocol `shout`: what comes goes back in capitals; at the end of what comes
 * "bye" follows. */
bool path_switch(struct conn *conn)
{
	const char *asked = request_field(conn, "Upgrade");
	char buf[4096];
	long got;
	long i;

	if (!asked || strcmp(asked, "shout") != 0) {
		reply(conn, 426, "text/plain", "Upgrade: shout\r\n", "shout\n");
		return true;
	}
	(void)send_text(conn,
			"HTTP/1.1 101 Switching Protocols\r\n"
			"Connection: Upgrade\r\nUpgrade: %s\r\n\r\n",
			request_says(conn, "to", "other") ? "other" : "shout");
	while ((got = connection_read(conn, buf, sizeof(buf))) > 0) {
		for (i = 0; i < got; i++)
			if (buf[i] >= 'a' && buf[i] <= 'z')
				buf[i] = (char)(buf[i] - 'a' + 'A');
		deliver(conn, buf, (size_t)got);
		if (!send_all(conn, buf, (size_t)got))
			return false;
	}
	(void)send_text(conn, "bye\n");
	return false;
}
