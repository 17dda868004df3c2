/* gateway_paths.c - what the fake gateway does for each path; see gateway.h */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway.h"

#define TEXT	 "text/plain"
#define ECHO_MAX (64 * 1024 * 1024)

static const char half_of_it[] = "0123456789abcdef0123456789abcdef";

static bool path_page(struct conn *conn)
{
	char page[2048];

	(void)snprintf(
		page, sizeof(page),
		"<!doctype html>\n<html lang=\"en\"><head>"
		"<meta charset=\"utf-8\"><title>A gateway</title></head>\n"
		"<body><h1>A gateway</h1>\n"
		"<p>Process <b id=\"pid\">%d</b>, started %lld ms after 1970, "
		"%lld ms ago.</p>\n"
		"<p><a href=\"/\">Again</a>, or "
		"<a href=\"/crash\">let it crash</a> and see a new process."
		"</p>\n</body></html>\n",
		(int)getpid(), (long long)conn->gateway->started_ms,
		(long long)(wall_ms() - conn->gateway->started_ms));
	reply(conn, 200, "text/html; charset=utf-8",
	      "Cache-Control: no-store\r\n", page);
	return true;
}

static bool path_pid(struct conn *conn)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%d\n", (int)getpid());
	reply(conn, 200, TEXT, "", text);
	return true;
}

/* Which connection this is, and the how manieth request on it. */
static bool path_conn(struct conn *conn)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "connection %d request %d\n",
		       conn->number, conn->requests);
	reply(conn, 200, TEXT, "", text);
	return true;
}

static bool path_startupz(struct conn *conn)
{
	reply(conn, 200, "application/json", "",
	      "{\"ok\":true,\"status\":\"started\"}");
	return true;
}

static bool path_healthz(struct conn *conn)
{
	reply(conn, 200, "application/json", "",
	      "{\"ok\":true,\"status\":\"live\"}");
	return true;
}

static void send_half(struct conn *conn)
{
	reply_head(conn, 200,
		   "Content-Type: text/plain\r\nContent-Length: 64\r\n");
	(void)send_text(conn, "%s", half_of_it);
	sleep_ms(50); /* it is on its way before what follows */
}

static bool path_crash(struct conn *conn)
{
	if (request_says(conn, "when", "during"))
		send_half(conn);
	if (request_says(conn, "when", "after")) {
		reply(conn, 200, TEXT, "", "last\n");
		sleep_ms(50);
	}
	crash(conn->gateway);
}

/* Answers nothing, for as long as the client waits. */
static bool path_hang(struct conn *conn)
{
	struct pollfd polled = { .fd = conn->fd, .events = POLLRDHUP };

	(void)poll(&polled, 1, 600000);
	return false;
}

static bool path_slow(struct conn *conn)
{
	int ms = request_number(conn, "ms", 1000);

	if (request_number(conn, "head", 0)) {
		reply_head(conn, 200, "Content-Length: 5\r\n");
		sleep_ms(ms);
		return send_text(conn, "slow\n");
	}
	sleep_ms(ms);
	reply(conn, 200, TEXT, "", "slow\n");
	return true;
}

static bool path_sse(struct conn *conn)
{
	int events = request_number(conn, "n", 5);
	int ms = request_number(conn, "ms", 100);
	char event[64];
	int len;
	int i;

	reply_head(conn, 200,
		   "Content-Type: text/event-stream\r\n"
		   "Cache-Control: no-store\r\nTransfer-Encoding: chunked\r\n");
	for (i = 1; i <= events; i++) {
		len = snprintf(event, sizeof(event), "data: %lld %d\n\n",
			       (long long)wall_ms(), i);
		if (!send_text(conn, "%x\r\n%s\r\n", (unsigned)len, event))
			return false;
		sleep_ms(ms);
	}
	return send_text(conn, "0\r\n\r\n");
}

static bool path_big(struct conn *conn)
{
	static const char line[] = "0123456789 0123456789 0123456789 "
				   "0123456789 0123456789 01234567\n";
	const size_t line_len = sizeof(line) - 1;
	int left = request_number(conn, "bytes", 1000000);
	bool chunked = request_number(conn, "chunked", 0) != 0;
	char fields[64];
	char block[16384];
	size_t len;
	size_t i;

	for (i = 0; i < sizeof(block); i++)
		block[i] = line[i % line_len];
	(void)snprintf(fields, sizeof(fields), "Content-Length: %d\r\n", left);
	reply_head(conn, 200,
		   chunked ? "Transfer-Encoding: chunked\r\n" : fields);
	if (strcmp(conn->method, "HEAD") == 0)
		return true;
	for (; left > 0; left -= (int)len) {
		len = left < (int)sizeof(block) ? (size_t)left : sizeof(block);
		if ((chunked && !send_text(conn, "%zx\r\n", len)) ||
		    !send_all(conn, block, len) ||
		    (chunked && !send_text(conn, "\r\n")))
			return false;
	}
	return !chunked || send_text(conn, "0\r\n\r\n");
}

/* The checksum of POSIX cksum(1). */
static uint32_t cksum(uint32_t crc, const char *data, size_t len)
{
	size_t i;
	int bit;

	for (i = 0; i < len; i++) {
		crc ^= (uint32_t)(unsigned char)data[i] << 24;
		for (bit = 0; bit < 8; bit++)
			crc = crc << 1 ^ (crc & 0x80000000U ? 0x04c11db7U : 0);
	}
	return crc;
}

static uint32_t cksum_end(uint32_t crc, uint64_t len)
{
	char byte;

	for (; len; len >>= 8) {
		byte = (char)(len & 0xff);
		crc = cksum(crc, &byte, 1);
	}
	return ~crc;
}

static size_t put_string(char *to, size_t size, const char *text)
{
	size_t used = 0;

	to[used++] = '"';
	for (; *text && used + 8 < size; text++) {
		if (*text == '"' || *text == '\\')
			to[used++] = '\\';
		if ((unsigned char)*text < 0x20)
			used += (size_t)snprintf(to + used, 8, "\\u%04x",
						 (unsigned char)*text);
		else
			to[used++] = *text;
	}
	to[used++] = '"';
	to[used] = '\0';
	return used;
}

/* {"method":..,"target":..,"headers":[[name,value],..],"body_bytes":..,
 * "body_cksum":..} */
static void echo_json(struct conn *conn, char *json, size_t size)
{
	char part[16384];
	uint64_t total = 0;
	uint32_t crc = 0;
	size_t used = 0;
	size_t i;
	long got;

	while ((got = request_body(conn, part, sizeof(part))) > 0) {
		crc = cksum(crc, part, (size_t)got);
		total += (uint64_t)got;
	}
	used += (size_t)snprintf(json, size,
				 "{\"pid\":%d,\"method\":", (int)getpid());
	used += put_string(json + used, size - used, conn->method);
	used += (size_t)snprintf(json + used, size - used, ",\"target\":");
	used += put_string(json + used, size - used, conn->target);
	used += (size_t)snprintf(json + used, size - used, ",\"headers\":[");
	for (i = 0; i < conn->fields_count; i++) {
		used += (size_t)snprintf(json + used, size - used, "%s[",
					 i ? "," : "");
		used += put_string(json + used, size - used,
				   conn->fields[i].name);
		json[used++] = ',';
		used += put_string(json + used, size - used,
				   conn->fields[i].value);
		json[used++] = ']';
	}
	(void)snprintf(json + used, size - used,
		       "],\"body_bytes\":%lld,\"body_cksum\":%lu}\n",
		       got < 0 ? -1LL : (long long)total,
		       (unsigned long)cksum_end(crc, total));
}

static bool path_echo(struct conn *conn)
{
	bool wants_body = request_number(conn, "body", 0) != 0;
	/* room for the head with each byte escaped, or for the body */
	size_t size = wants_body ? ECHO_MAX : (size_t)8 * HEAD_MAX;
	char *answer_body = malloc(size);
	char fields[64];
	int64_t len;

	if (!answer_body)
		return false;
	if (!wants_body) {
		echo_json(conn, answer_body, size);
		reply(conn, 200, "application/json", "", answer_body);
		free(answer_body);
		return true;
	}
	len = request_body_all(conn, answer_body, size);
	(void)snprintf(fields, sizeof(fields), "Content-Length: %lld\r\n",
		       (long long)len);
	if (len >= 0 && len <= ECHO_MAX) {
		reply_head(conn, 200, fields);
		(void)send_all(conn, answer_body, (size_t)len);
	}
	free(answer_body);
	return len >= 0;
}

static bool path_status(struct conn *conn)
{
	int code = request_number(conn, "code", 200);
	char text[32];

	(void)snprintf(text, sizeof(text), "status %d\n", code);
	reply(conn, code, TEXT, "ETag: \"a\"\r\n", text);
	return true;
}

static bool path_interim(struct conn *conn)
{
	(void)send_text(conn, "HTTP/1.1 102 Processing\r\n\r\n"
			      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
	reply(conn, 200, TEXT, "", "final\n");
	return true;
}

static bool path_cookies(struct conn *conn)
{
	reply(conn, 200, TEXT,
	      "Set-Cookie: a=1; Path=/\r\nX-Between: 1\r\n"
	      "Set-Cookie: b=2; Path=/; HttpOnly\r\n",
	      "cookies\n");
	return true;
}

static bool path_redirect(struct conn *conn)
{
	const char *to = strstr(conn->query, "to=");
	char fields[1024];
	int len = to ? (int)strcspn(to + 3, "&") : 0;

	(void)snprintf(fields, sizeof(fields), "Location: %.*s\r\n",
		       len ? len : 4, len ? to + 3 : "/pid");
	reply(conn, request_number(conn, "code", 302), TEXT, fields, "there\n");
	return true;
}

/* Answers before it has read the body, with as many bytes as asked for, then reads
 * no more than what comes in a second, so that the answer is not lost to a reset. */
static bool path_early413(struct conn *conn)
{
	struct pollfd polled = { .fd = conn->fd, .events = POLLIN };
	int bytes = request_number(conn, "bytes", 6);
	int64_t end;
	char scrap[65536];

	conn->keep_alive = false;
	(void)snprintf(scrap, sizeof(scrap), "Content-Length: %d\r\n", bytes);
	reply_head(conn, request_number(conn, "code", 413), scrap);
	for (int sent = 0; sent + 6 <= bytes; sent += 6)
		if (!send_text(conn, "early\n"))
			return false;
	end = wall_ms() + 1000;
	(void)shutdown(conn->fd, SHUT_WR);
	while (wall_ms() < end && poll(&polled, 1, 100) >= 0)
		if (polled.revents &&
		    recv(conn->fd, scrap, sizeof(scrap), 0) <= 0)
			break;
	return false;
}

static bool path_close(struct conn *conn)
{
	(void)conn;
	return false;
}

static bool path_half(struct conn *conn)
{
	if (!request_number(conn, "chunked", 0)) {
		send_half(conn);
		return false;
	}
	reply_head(conn, 200, "Transfer-Encoding: chunked\r\n");
	(void)send_text(conn, "20\r\n%s\r\n", half_of_it);
	sleep_ms(50);
	return false;
}

/* All that RFC 9112 allows in chunks: "a".."z" and then a trailer. */
static bool path_chunks(struct conn *conn)
{
	reply_head(conn, 200,
		   "Transfer-Encoding: Chunked\r\nTrailer: X-After\r\n");
	(void)send_text(conn, "1;name=value\r\na\r\n0003\r\nbc");
	sleep_ms(20);
	(void)send_text(conn, "d\r\nA;q=\"a;b\"\r\nefghijklmn\r\nc");
	sleep_ms(20);
	return send_text(conn, "\r\nopqrstuvwxyz\r\n000\r\nX-After: 1\r\n\r\n");
}

/* Each delivered body is a line of the file before anything is answered. */
static bool path_count(struct conn *conn)
{
	const char *file = conn->gateway->manners.deliveries;
	char line[4096];
	int64_t len = request_body_all(conn, line, sizeof(line) - 1);
	bool first;
	int fd;

	if (len < 0 || !file)
		return false;
	if (len > (int64_t)sizeof(line) - 1)
		len = sizeof(line) - 1;
	line[len] = '\n';
	fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		return false;
	first = lseek(fd, 0, SEEK_END) == 0;
	if (write(fd, line, (size_t)len + 1) != len + 1)
		abort();
	(void)close(fd);
	if (request_says(conn, "die", "1") ||
	    (first && request_says(conn, "die", "first")))
		crash(conn->gateway);
	reply(conn, 200, TEXT, "", "counted\n");
	return true;
}

static const struct path {
	const char *path;
	bool (*answer)(struct conn *conn);
	bool is_probe;
} paths[] = {
	{ "/", path_page, false },
	{ "/pid", path_pid, false },
	{ "/conn", path_conn, false },
	{ "/startupz", path_startupz, true },
	{ "/healthz", path_healthz, true },
	{ "/crash", path_crash, false },
	{ "/hang", path_hang, false },
	{ "/slow", path_slow, false },
	{ "/sse", path_sse, false },
	{ "/big", path_big, false },
	{ "/echo", path_echo, false },
	{ "/status", path_status, false },
	{ "/interim", path_interim, false },
	{ "/cookies", path_cookies, false },
	{ "/redirect", path_redirect, false },
	{ "/early413", path_early413, false },
	{ "/close", path_close, false },
	{ "/half", path_half, false },
	{ "/chunks", path_chunks, false },
	{ "/count", path_count, false },
	{ "/state", state_answer, false },
	{ "/ws", path_ws, false },
	{ "/ws-refuse", path_ws_refuse, false },
	{ "/switch", path_switch, false },
};

static bool path_unknown(struct conn *conn)
{
	reply(conn, 404, TEXT, "", "no such path\n");
	return true;
}

static const struct path *path_find(struct conn *conn)
{
	static const struct path unknown = { "", path_unknown, false };
	static const struct path echo = { "", path_echo, false };
	const struct path *found = &unknown;
	size_t len = strcspn(conn->path, "?");
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strlen(paths[i].path) == len &&
		    strncmp(paths[i].path, conn->path, len) == 0)
			found = &paths[i];
	/* /echo/anything%2Fgoes */
	if (found == &unknown && strncmp(conn->path, "/echo/", 6) == 0)
		found = &echo;
	return found;
}

static bool not_ready(struct conn *conn)
{
	reply(conn, 503, "application/json", "Retry-After: 1\r\n",
	      "{\"ok\":false,\"status\":\"starting\"}");
	return true;
}

/* Answers, or dies in the attempt. */
static bool answer_last(struct conn *conn, const struct path *path)
{
	enum crash_when when = conn->gateway->manners.crash_when;

	if (when == CRASH_DURING)
		send_half(conn);
	if (when == CRASH_AFTER) {
		(void)path->answer(conn);
		sleep_ms(50);
	}
	crash(conn->gateway);
}

bool answer(struct conn *conn)
{
	const struct manners *manners = &conn->gateway->manners;
	const struct path *path = path_find(conn);
	int number;

	if (wall_ms() < conn->gateway->ready_at_ms &&
	    path->answer != path_healthz)
		return not_ready(conn);
	conn->is_use = !path->is_probe;
	if (path->is_probe)
		return path->answer(conn);
	number = __atomic_add_fetch(&conn->gateway->requests, 1,
				    __ATOMIC_RELAXED);
	if (number == manners->crash_at_request)
		return answer_last(conn, path);
	return manners->hang_request ? path_hang(conn) : path->answer(conn);
}
