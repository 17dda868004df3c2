/* The client: raw bytes out, and what comes back taken apart (RFC 9112). */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conformance.h"

#define PAUSE_MS  60
#define ANSWER_MS 8000
#define MORE_MS	  30 /* behind what is whole */

static bool send_plain(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		data += sent;
		len -= (size_t)sent;
	}
	return true;
}

bool send_bytes(int fd, const char *data, size_t len)
{
	const char *end = data + len;

	while (data < end) {
		const char *act = memchr(data, ACT, (size_t)(end - data));

		if (!act)
			act = end;
		if (!send_plain(fd, data, (size_t)(act - data)))
			return false;
		if (act + 1 < end && act[1] == ACT_PAUSE)
			sleep_ms(PAUSE_MS);
		if (act + 1 < end && act[1] == ACT_FIN)
			(void)shutdown(fd, SHUT_WR);
		data = act < end ? act + 2 : end;
	}
	return true;
}

const char *field_value(const char *head, const char *name, char *value,
			size_t size)
{
	size_t name_len = strlen(name);

	for (const char *line = head; line && *line;
	     line = strstr(line, "\r\n"), line = line ? line + 2 : NULL) {
		size_t len = strcspn(line, "\r");

		if (len <= name_len || line[name_len] != ':' ||
		    strncasecmp(line, name, name_len) != 0)
			continue;
		line += name_len + 1;
		line += strspn(line, " \t");
		(void)snprintf(value, size, "%.*s", (int)strcspn(line, "\r"),
			       line);
		return value;
	}
	return NULL;
}

static void keep(struct text *content, const char *data, size_t len)
{
	if (!content || content->len + len >= sizeof(content->data))
		return;
	memcpy(content->data + content->len, data, len);
	content->len += len;
	content->data[content->len] = '\0';
}

/* Strict: hexadecimal digits, CRLF, data, CRLF; no extension, no trailer, as none
 * passes a hop. */
static long chunks_end(const char *data, size_t len, struct text *content)
{
	const char *at = data;
	const char *end = data + len;

	for (;;) {
		const char *line = memmem(at, (size_t)(end - at), "\r\n", 2);
		char *digits_end = NULL;
		long size;

		if (!line)
			return -1;
		if (!isxdigit((unsigned char)*at))
			return -2;
		size = strtol(at, &digits_end, 16);
		if (digits_end != line)
			return -2;
		at = line + 2;
		if (end - at < size + 2)
			return -1;
		if (memcmp(at + size, "\r\n", 2) != 0)
			return -2;
		keep(content, at, (size_t)size);
		at += size + 2;
		if (size == 0)
			return (long)(at - data);
	}
}

long body_end(const char *data, size_t len, bool chunked, long length,
	      struct text *content)
{
	size_t there =
		length >= 0 && len > (size_t)length ? (size_t)length : len;

	if (chunked)
		return chunks_end(data, len, content);
	keep(content, data, there);
	return length >= 0 && len >= (size_t)length ? length : -1;
}

static bool has_no_body(int status, const struct row *row)
{
	return status == 204 || status == 304 ||
	       strncmp(row->request.data, "HEAD ", 5) == 0;
}

/* One response at data: its length; 0 when it is not whole. closed: no more
 * comes. */
static size_t take_response(const char *data, size_t len, bool closed,
			    const struct row *row, struct outcome *outcome)
{
	const char *body = memmem(data, len, "\r\n\r\n", 4);
	char value[256];
	long length = -1;
	long used = 0;
	int status;
	bool chunked;

	outcome->broken = true;
	if (!body || sscanf(data, "HTTP/1.%*d %d", &status) != 1)
		return 0;
	body += 4;
	outcome->head.len = outcome->body.len = 0;
	outcome->body.data[0] = '\0';
	keep(&outcome->head, data, (size_t)(body - data));
	if (status >= 200 && outcome->statuses_count < PARTS_MAX)
		outcome->statuses[outcome->statuses_count++] = status;
	chunked = field_value(outcome->head.data, "Transfer-Encoding", value,
			      sizeof(value)) != NULL;
	if (field_value(outcome->head.data, "Content-Length", value,
			sizeof(value)))
		length = strtol(value, NULL, 10);
	len -= (size_t)(body - data);
	if (status >= 200 && !has_no_body(status, row))
		used = body_end(body, len, chunked, length, &outcome->body);
	if (used == -1 && closed && !chunked && length < 0)
		used = (long)len;
	outcome->broken = used < 0;
	return used < 0 ? 0 : (size_t)(body - data) + (size_t)used;
}

static void take_all(const struct text *text, bool closed,
		     const struct row *row, struct outcome *outcome)
{
	const char *at = text->data;
	size_t left = text->len;

	outcome->statuses_count = 0;
	outcome->broken = false;
	while (left > 0) {
		size_t used = take_response(at, left, closed, row, outcome);

		if (used == 0)
			break;
		at += used;
		left -= used;
	}
}

static int connect_to(int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons((unsigned short)port);
	if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof(in)) != 0)
		fail("connect");
	return fd;
}

void client_run(int port, const struct row *row, struct outcome *outcome)
{
	struct text *text = calloc(1, sizeof(*text));
	int fd = connect_to(port);
	bool closed = false;

	if (!text)
		fail("memory");
	(void)send_bytes(fd, row->request.data, row->request.len);
	while (!closed && text->len < sizeof(text->data) - 1) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		bool enough;
		ssize_t got;

		take_all(text, false, row, outcome);
		/* what is to get no answer may get a wrong one late */
		enough = row->statuses_count > 0 && !outcome->broken &&
			 outcome->statuses_count >= row->statuses_count;
		if (poll(&poll_fd, 1, enough ? MORE_MS : ANSWER_MS) <= 0)
			break;
		got = recv(fd, text->data + text->len,
			   sizeof(text->data) - 1 - text->len, 0);
		closed = got <= 0;
		if (!closed)
			text->len += (size_t)got;
	}
	take_all(text, closed, row, outcome);
	(void)close(fd);
	free(text);
}
