#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/http1.h"
#include "gateway/probe.h"

#include "base/banned.h"

#define LISTENS_TIMEOUT_MS 500

static enum probe_result failed(const struct err *why)
{
	if (why->code == ERR_REFUSED)
		return PROBE_REFUSED;
	return why->code == ERR_TIMEOUT ? PROBE_SILENT : PROBE_NOT_READY;
}

static int send_all(int fd, const char *data, size_t len,
		    struct deadline deadline, struct err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t sent = send(fd, data + done, len - done, MSG_NOSIGNAL);

		if (sent >= 0) {
			done += (size_t)sent;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return err_errno(err, "cannot send the probe");
		if (deadline_poll(fd, POLLOUT, deadline) == 0)
			return err_set(err, ERR_TIMEOUT, "the probe hangs");
	}
	return 0;
}

static int send_request(int fd, const struct gateway_settings *gateway,
			struct deadline deadline, struct err *err)
{
	char request[2048];
	int len =
		snprintf(request, sizeof(request),
			 "GET %s HTTP/1.1\r\nHost: %s\r\n"
			 "User-Agent: wakegate\r\nAccept: */*\r\n"
			 "Connection: close\r\n\r\n",
			 gateway->probe.path,
			 address_port(&gateway->address) ? gateway->address_text
							 : "localhost");

	if (len < 0 || (size_t)len >= sizeof(request))
		return err_set(err, ERR_LIMIT, "the probe's path is too long");
	return send_all(fd, request, (size_t)len, deadline, err);
}

/* 1 when more may come, 0 at the end, -1 on failure. */
static int receive(int fd, struct buffer *answer, struct deadline deadline,
		   struct err *err)
{
	for (;;) {
		char *room = buffer_room(answer, 4096);
		ssize_t len;

		if (!room)
			return err_set(err, ERR_LIMIT,
				       "the probe's answer is too long");
		len = recv(fd, room, 4096, 0);
		if (len > 0) {
			answer->len += (size_t)len;
			return 1;
		}
		if (len == 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return err_errno(err, "no answer to the probe");
		if (deadline_poll(fd, POLLIN, deadline) == 0)
			return err_set(err, ERR_TIMEOUT,
				       "no answer to the probe in time");
	}
}

/* Decodes what is there of the body in place; true when it is whole. */
static bool take_body(const struct http_response *response, char *body,
		      size_t *len)
{
	struct http_chunks chunks = { .state = 0 };
	struct err err;
	size_t used;

	switch (response->framing) {
	case FRAMING_NONE:
		*len = 0;
		return true;
	case FRAMING_LENGTH:
		return *len >= (size_t)response->content_length;
	case FRAMING_CHUNKED:
		return http_chunks_decode(&chunks, body, *len, len, &used,
					  &err) != PARSE_MORE;
	case FRAMING_CLOSE:
	default:
		return false;
	}
}

/* Is the answer, as far as it came, the one? ended: no more will come. Sets
 * *settled when no further byte can change it. */
static enum probe_result judge(const struct probe_settings *probe,
			       const struct buffer *answer, bool ended,
			       bool *settled, struct err *why)
{
	char text[PROBE_BYTES_MAX + 1];
	struct http_response response;
	size_t len;
	enum parse_result parsed = http_response_parse(&response, answer->data,
						       answer->len, false, why);

	*settled = ended || parsed == PARSE_BAD;
	if (parsed != PARSE_DONE) {
		if (parsed == PARSE_MORE)
			(void)err_set(why, ERR_CLOSED,
				      "the probe's answer broke off");
		return PROBE_NOT_READY;
	}
	if (response.status != probe->status) {
		*settled = true;
		(void)err_set(why, ERR_INVALID,
			      "the probe's answer is status %d, not %d",
			      response.status, probe->status);
		return PROBE_NOT_READY;
	}
	len = answer->len - response.head_len;
	memcpy(text, answer->data + response.head_len, len);
	if (take_body(&response, text, &len))
		*settled = true;
	if (!probe->body_has ||
	    memmem(text, len, probe->body_has, strlen(probe->body_has))) {
		*settled = true;
		return PROBE_READY;
	}
	(void)err_set(why, ERR_INVALID, "the probe's answer lacks '%s'",
		      probe->body_has);
	return PROBE_NOT_READY;
}

static enum probe_result probe_http(int fd,
				    const struct gateway_settings *gateway,
				    struct deadline deadline, struct err *why)
{
	CLEANUP(buffer_free)
	struct buffer answer = BUFFER_INIT(PROBE_BYTES_MAX);
	bool settled = false;
	enum probe_result result = PROBE_NOT_READY;

	if (send_request(fd, gateway, deadline, why))
		return failed(why);
	while (!settled) {
		int more = receive(fd, &answer, deadline, why);

		if (more < 0)
			return failed(why);
		result = judge(&gateway->probe, &answer, more == 0, &settled,
			       why);
	}
	return result;
}

/* Connected: does the connection stay? */
static enum probe_result probe_connection(int fd, int steady_ms,
					  struct err *why)
{
	char byte;

	if (deadline_poll(fd, POLLIN | POLLRDHUP, deadline_in(steady_ms)) == 0)
		return PROBE_READY;
	if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		return PROBE_READY; /* it speaks first */
	(void)err_set(why, ERR_CLOSED, "the connection is closed at once");
	return PROBE_NOT_READY;
}

enum probe_result probe_gateway(const struct gateway_settings *gateway,
				int steady_ms, struct err *why)
{
	/* the keeper that waits here must not seem silent */
	struct deadline deadline =
		deadline_min(deadline_in(gateway->probe.timeout_ms),
			     deadline_in((int64_t)gateway->lease_s * 1000 / 3));
	CLEANUP_FD int fd = -1;

	if (address_connect(&fd, &gateway->address, deadline, why))
		return failed(why);
	if (!gateway->probe.path)
		return probe_connection(fd, steady_ms, why);
	return probe_http(fd, gateway, deadline, why);
}

int probe_listens(const struct address *address)
{
	CLEANUP_FD int fd = -1;
	struct err err;

	if (address_connect(&fd, address, deadline_in(LISTENS_TIMEOUT_MS),
			    &err))
		return err.code != ERR_REFUSED;
	return 1;
}
