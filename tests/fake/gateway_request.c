/* gateway_request.c - reads requests and writes answers; see gateway.h */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway.h"

/* Reads more into conn->in: false at the end of the connection. */
static bool fill(struct conn *conn)
{
	ssize_t got;

	if (conn->in_len >= HEAD_MAX)
		return false;
	do {
		got = recv(conn->fd, conn->in + conn->in_len,
			   HEAD_MAX - conn->in_len, 0);
	} while (got < 0 && errno == EINTR);
	if (got <= 0)
		return false;
	conn->in_len += (size_t)got;
	return true;
}

static void drop(struct conn *conn, size_t len)
{
	conn->in_len -= len;
	memmove(conn->in, conn->in + len, conn->in_len);
}

/* Takes one line, without its end, into line: its length, or -1. */
static long take_line(struct conn *conn, char *line, size_t size)
{
	char *end;
	size_t len;

	while (!(end = memchr(conn->in, '\n', conn->in_len)))
		if (!fill(conn))
			return -1;
	len = (size_t)(end - conn->in);
	if (len >= size)
		return -1;
	memcpy(line, conn->in, len);
	drop(conn, len + 1);
	if (len > 0 && line[len - 1] == '\r')
		len--;
	line[len] = '\0';
	return (long)len;
}

/* Cuts the line in place: "Name: value". */
static bool field_parse(struct field *field, char *line)
{
	char *colon = strchr(line, ':');

	if (!colon || colon == line)
		return false;
	*colon++ = '\0';
	while (*colon == ' ' || *colon == '\t')
		colon++;
	field->name = line;
	field->value = colon;
	return true;
}

static bool request_line(struct conn *conn, char *line)
{
	char *version;
	char *question;

	conn->method = line;
	conn->target = strchr(line, ' ');
	version = strrchr(line, ' ');
	if (!conn->target || version == conn->target)
		return false;
	*conn->target++ = '\0';
	*version++ = '\0';
	conn->path = conn->target;
	conn->query = strchr(conn->target, '?');
	question = conn->query;
	conn->query =
		question ? question + 1 : conn->target + strlen(conn->target);
	conn->keep_alive = strcmp(version, "HTTP/1.1") == 0;
	return strncmp(version, "HTTP/1.", 7) == 0;
}

static void framing(struct conn *conn)
{
	const char *length = request_field(conn, "Content-Length");
	const char *coding = request_field(conn, "Transfer-Encoding");
	const char *connection = request_field(conn, "Connection");
	const char *expect = request_field(conn, "Expect");

	conn->body = BODY_NONE;
	conn->body_left = 0;
	if (coding) {
		conn->body = BODY_CHUNKED;
	} else if (length) {
		conn->body = BODY_LENGTH;
		conn->body_left = strtoll(length, NULL, 10);
	}
	conn->body_ended = conn->body == BODY_NONE ||
			   (conn->body == BODY_LENGTH && conn->body_left == 0);
	conn->expects_continue = expect != NULL;
	if (connection && strcasestr(connection, "close"))
		conn->keep_alive = false;
}

int request_read(struct conn *conn)
{
	size_t used = 0;
	char *line;
	long len;

	conn->fields_count = 0;
	for (;;) {
		line = conn->head + used;
		len = take_line(conn, line, sizeof(conn->head) - used);
		if (len < 0)
			return used ? -1 : 0;
		if (len == 0 && used > 0)
			break;
		if (used == 0 && len > 0 && !request_line(conn, line))
			return -1;
		if (used > 0 &&
		    (conn->fields_count == FIELDS_MAX ||
		     !field_parse(&conn->fields[conn->fields_count++], line)))
			return -1;
		if (len > 0)
			used += (size_t)len + 1;
	}
	framing(conn);
	return 1;
}

const char *request_field(const struct conn *conn, const char *name)
{
	size_t i;

	for (i = 0; i < conn->fields_count; i++)
		if (strcasecmp(conn->fields[i].name, name) == 0)
			return conn->fields[i].value;
	return NULL;
}

/* Where the value of key begins in the query, or NULL. */
static const char *query_value(const struct conn *conn, const char *key)
{
	size_t len = strlen(key);
	const char *at = conn->query;

	while (at && *at) {
		if (strncmp(at, key, len) == 0 && at[len] == '=')
			return at + len + 1;
		at = strchr(at, '&');
		if (at)
			at++;
	}
	return NULL;
}

int request_number(const struct conn *conn, const char *key, int otherwise)
{
	const char *value = query_value(conn, key);

	return value ? (int)strtol(value, NULL, 10) : otherwise;
}

bool request_says(const struct conn *conn, const char *key, const char *value)
{
	const char *said = query_value(conn, key);
	size_t len = strlen(value);

	return said && strncmp(said, value, len) == 0 &&
	       (said[len] == '\0' || said[len] == '&');
}

static bool next_chunk(struct conn *conn)
{
	char line[1024];

	if (take_line(conn, line, sizeof(line)) < 0)
		return false;
	conn->body_left = strtoll(line, NULL, 16);
	if (conn->body_left > 0)
		return true;
	while (take_line(conn, line, sizeof(line)) >= 0)
		if (!*line) {
			conn->body_ended = true;
			return true;
		}
	return false;
}

long request_body(struct conn *conn, char *buf, size_t size)
{
	char end[8];

	if (conn->expects_continue && !conn->body_ended) {
		conn->expects_continue = false;
		(void)send_text(conn, "HTTP/1.1 100 Continue\r\n\r\n");
	}
	if (conn->body == BODY_CHUNKED && conn->body_left == 0 &&
	    !conn->body_ended && !next_chunk(conn))
		return -1;
	if (conn->body_ended)
		return 0;
	if (conn->in_len == 0 && !fill(conn))
		return -1;
	if (size > conn->in_len)
		size = conn->in_len;
	if ((int64_t)size > conn->body_left)
		size = (size_t)conn->body_left;
	memcpy(buf, conn->in, size);
	drop(conn, size);
	conn->body_left -= (int64_t)size;
	if (conn->body_left == 0 && conn->body == BODY_LENGTH)
		conn->body_ended = true;
	if (conn->body_left == 0 && conn->body == BODY_CHUNKED &&
	    take_line(conn, end, sizeof(end)) < 0)
		return -1;
	return (long)size;
}

int64_t request_body_all(struct conn *conn, char *buf, size_t size)
{
	char scrap[65536];
	int64_t total = 0;
	size_t kept = 0;
	size_t part;
	long got;

	while ((got = request_body(conn, scrap, sizeof(scrap))) > 0) {
		total += got;
		part = (size_t)got;
		if (part > size - kept)
			part = size - kept;
		if (buf)
			memcpy(buf + kept, scrap, part);
		kept += part;
	}
	return got < 0 ? -1 : total;
}

long connection_read(struct conn *conn, char *buf, size_t size)
{
	if (conn->in_len == 0)
		return recv(conn->fd, buf, size, 0);
	if (size > conn->in_len)
		size = conn->in_len;
	memcpy(buf, conn->in, size);
	drop(conn, size);
	return (long)size;
}

/* Before it is sent: it is no later than the use itself. */
static void note_use(const struct conn *conn)
{
	const char *file = conn->gateway->manners.uses;
	char text[32];
	int len =
		snprintf(text, sizeof(text), "%013lld\n", (long long)wall_ms());
	int fd;

	if (!conn->is_use || !file)
		return;
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	(void)!pwrite(fd, text, (size_t)len, 0);
	(void)close(fd);
}

bool send_all(struct conn *conn, const void *data, size_t len)
{
	const char *at = data;
	ssize_t sent;

	note_use(conn);
	while (len > 0) {
		sent = send(conn->fd, at, len, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0) {
			conn->keep_alive = false;
			return false;
		}
		at += sent;
		len -= (size_t)sent;
	}
	return true;
}

bool send_text(struct conn *conn, const char *format, ...)
{
	char text[8192];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(text))
		abort();
	return send_all(conn, text, (size_t)len);
}

static const char *reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 204:
		return "No Content";
	case 302:
		return "Found";
	case 403:
		return "Forbidden";
	case 304:
		return "Not Modified";
	case 404:
		return "Not Found";
	case 413:
		return "Content Too Large";
	case 426:
		return "Upgrade Required";
	case 503:
		return "Service Unavailable";
	default:
		return "Something";
	}
}

void reply_head(struct conn *conn, int status, const char *fields)
{
	(void)send_text(conn, "HTTP/1.1 %d %s\r\nServer: fake\r\n%s%s\r\n",
			status, reason(status),
			conn->keep_alive ? "" : "Connection: close\r\n",
			fields);
}

void reply(struct conn *conn, int status, const char *type, const char *fields,
	   const char *body)
{
	char more[4096];
	size_t len = strlen(body);

	/* what the request still has to say must not be read as the next one */
	if (request_body_all(conn, NULL, 0) < 0)
		conn->keep_alive = false;
	if (status == 204 || status == 304)
		(void)snprintf(more, sizeof(more), "%s", fields);
	else
		(void)snprintf(more, sizeof(more),
			       "Content-Type: %s\r\nContent-Length: %zu\r\n%s",
			       type, len, fields);
	reply_head(conn, status, more);
	if (strcmp(conn->method, "HEAD") != 0 && status != 204 && status != 304)
		(void)send_all(conn, body, len);
}
