/* The gateway: notes each request, byte for byte, and answers with the bytes that
 * lie in its folder. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conformance.h"

static struct {
	const char *folder;
} wanted;

static int open_in(const char *name, int flags)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", wanted.folder, name);
	return open(path, flags | O_CLOEXEC, 0600);
}

/* "whole 123\n" and the bytes; one write, so that two do not mix. */
static void note(const char *how, const char *data, size_t len)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int fd = open_in(LOG_FILE, O_WRONLY | O_CREAT | O_APPEND);
	char *all = malloc(len + 64);
	int head;

	if (fd < 0 || !all)
		fail(LOG_FILE);
	head = snprintf(all, 64, "%s %zu\n", how, len);
	memcpy(all + head, data, len);
	(void)pthread_mutex_lock(&lock);
	if (write(fd, all, (size_t)head + len) != (ssize_t)len + head)
		fail(LOG_FILE);
	(void)pthread_mutex_unlock(&lock);
	free(all);
	(void)close(fd);
}

/* Where the request in data ends; -1: not all of it is here. */
static long request_end(char *data, size_t len)
{
	static const char end[] = "\r\n\r\n";
	char *body = memmem(data, len, end, 4);
	char value[256];
	bool chunked;
	long length = 0;
	long body_len;

	if (!body)
		return -1;
	body[2] = '\0'; /* ends the head for field_value() */
	chunked = field_value(data, "Transfer-Encoding", value,
			      sizeof(value)) != NULL;
	if (field_value(data, "Content-Length", value, sizeof(value)))
		length = strtol(value, NULL, 10);
	body[2] = '\r';
	body += 4;
	body_len = body_end(body, len - (size_t)(body - data), chunked, length,
			    NULL);
	if (body_len == -2)
		return (long)len; /* as it is */
	return body_len < 0 ? -1 : (long)(body - data) + body_len;
}

/* False: the connection is to be closed. */
static bool answer(int fd)
{
	struct linger linger = { .l_onoff = 1 };
	struct text *text = malloc(sizeof(*text));
	int file = open_in(ANSWER_FILE, O_RDONLY);
	bool open = true;
	ssize_t len;

	if (!text || file < 0)
		fail(ANSWER_FILE);
	len = read(file, text->data, sizeof(text->data));
	(void)close(file);
	if (len >= 2 && text->data[len - 2] == ACT &&
	    text->data[len - 1] != ACT_PAUSE) {
		open = false;
		if (text->data[len - 1] == ACT_RESET)
			(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger,
					 sizeof(linger));
		len -= 2;
	}
	open = send_bytes(fd, text->data, (size_t)len) && open;
	free(text);
	return open;
}

static void serve(int fd)
{
	char *data = malloc(TEXT_MAX);
	size_t len = 0;
	ssize_t got;

	if (!data)
		fail("memory");
	while ((got = recv(fd, data + len, TEXT_MAX - len, 0)) > 0) {
		long end;

		len += (size_t)got;
		while (len > 0 && (end = request_end(data, len)) > 0) {
			note("whole", data, (size_t)end);
			len -= (size_t)end;
			memmove(data, data + end, len);
			if (!answer(fd)) {
				free(data);
				return;
			}
		}
	}
	if (len > 0)
		note("cut", data, len);
	free(data);
}

static void *serve_thread(void *argument)
{
	int *fd = argument;

	serve(*fd);
	(void)close(*fd);
	free(fd);
	return NULL;
}

static int listen_on(const char *address)
{
	const char *colon = strrchr(address, ':');
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons(
		(unsigned short)strtoul(colon ? colon + 1 : "0", NULL, 10));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) != 0 ||
	    listen(fd, 64) != 0)
		fail(address);
	return fd;
}

int gateway_main(const char *address, const char *folder)
{
	int listener = listen_on(address);

	wanted.folder = folder;
	for (;;) {
		int *fd = malloc(sizeof(*fd));
		pthread_t thread;

		if (!fd)
			fail("memory");
		*fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (*fd < 0) {
			free(fd);
			continue;
		}
		if (pthread_create(&thread, NULL, serve_thread, fd) != 0)
			fail("thread");
		(void)pthread_detach(thread);
	}
}
