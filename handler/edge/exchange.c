#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/deadline.h"
#include "edge/dial.h"
#include "edge/exchange.h"
#include "edge/head.h"

#include "base/banned.h"

/* For a gateway that has answered to read on. */
#define STUCK_MS 30000

/* What is on its way to the gateway. */
struct parcel {
	struct iovec parts[3];
	size_t first; /* the first part that isn't sent yet */
	size_t count;
	bool stuck;		  /* nothing of it could be sent lately */
	struct deadline deadline; /* then: for this to end */
};

enum push_end { PUSH_DONE, PUSH_EARLY, PUSH_BROKEN, PUSH_TIMEOUT, PUSH_GONE };

struct deadline exchange_deadline(const struct call *call)
{
	int seconds = call->gateway->response_timeout_s;

	return seconds > 0 ? deadline_in((int64_t)seconds * 1000)
			   : deadline_never();
}

int exchange_wait(const struct call *call, const struct exchange *exchange,
		  short events, struct deadline deadline)
{
	struct client *client = call->client;

	client_step_aside(client);
	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = exchange->fd, .events = events },
			{ .fd = client->watch_fd,
			  .events = client->hears ? POLLIN | POLLRDHUP
						  : POLLRDHUP },
		};
		int count = poll(fds, 2, deadline_left_ms(deadline));

		if (count < 0 && errno == EINTR)
			continue;
		if (fds[1].revents != 0 &&
		    (fds[1].revents != POLLIN || !client->door->hear(client)))
			return 0;
		if (count <= 0)
			return -1;
		if (fds[0].revents != 0)
			return fds[0].revents;
	}
}

void exchange_close(struct exchange *exchange)
{
	if (exchange->fd >= 0)
		(void)close(exchange->fd);
	exchange->fd = -1;
}

void exchange_keep(struct call *call, struct exchange *exchange)
{
	if (call->client->one_shot || call->row.generation == 0 ||
	    !exchange->sent_all || !call->response.keep_alive || call->unseen) {
		exchange_close(exchange);
		return;
	}
	upstream_keep(edge_upstream(call->edge), call->gateway,
		      call->row.generation, exchange->fd);
	exchange->fd = -1;
}

static enum exchange_end body_trouble(const struct err *err)
{
	if (err->code == ERR_LIMIT)
		return EXCHANGE_TOO_LARGE;
	return err->code == ERR_CLOSED ? EXCHANGE_GONE : EXCHANGE_UNREACHABLE;
}

/* A body of unknown length is looked at first: there may be none. */
static enum exchange_end choose_framing(struct call *call,
					enum http_framing *ret, struct err *err)
{
	const struct request *request = &call->request;
	bool empty = false;

	*ret = FRAMING_NONE;
	if (request->content_length >= 0) {
		if (request->content_length > 0)
			*ret = FRAMING_LENGTH;
	} else if (!call->client->no_length || request->transfer_coded) {
		if (body_is_empty(&call->body, &empty, err))
			return body_trouble(err);
		if (!empty)
			*ret = FRAMING_CHUNKED;
	}
	return EXCHANGE_HEAD;
}

/* Counts what was sent off the parcel. */
static void advance(struct parcel *parcel, size_t count)
{
	while (parcel->first < parcel->count &&
	       count >= parcel->parts[parcel->first].iov_len)
		count -= parcel->parts[parcel->first++].iov_len;
	if (parcel->first < parcel->count) {
		struct iovec *part = &parcel->parts[parcel->first];

		part->iov_base = (char *)part->iov_base + count;
		part->iov_len -= count;
	}
}

/* What the gateway says meanwhile does not stand for its reading. */
static enum push_end push_wait(struct call *call, struct exchange *exchange,
			       struct parcel *parcel, bool answered)
{
	short events = answered ? POLLOUT : POLLIN | POLLOUT;
	int ready;

	if (!parcel->stuck)
		parcel->deadline = answered ? deadline_in(STUCK_MS)
					    : exchange_deadline(call);
	parcel->stuck = true;
	if (deadline_passed(parcel->deadline))
		return PUSH_TIMEOUT;
	ready = exchange_wait(call, exchange, events, parcel->deadline);
	if (ready <= 0)
		return ready == 0 ? PUSH_GONE : PUSH_TIMEOUT;
	return (ready & POLLIN) && !answered ? PUSH_EARLY : PUSH_DONE;
}

/* answered: the response's head is here already, nobody waits for it. */
static enum push_end push(struct call *call, struct exchange *exchange,
			  struct parcel *parcel, bool answered)
{
	while (parcel->first < parcel->count) {
		struct msghdr message = {
			.msg_iov = &parcel->parts[parcel->first],
			.msg_iovlen = parcel->count - parcel->first,
		};
		ssize_t count = sendmsg(exchange->fd, &message,
					MSG_NOSIGNAL | MSG_DONTWAIT);

		if (count >= 0) {
			exchange->written += (size_t)count;
			parcel->stuck = false;
			advance(parcel, (size_t)count);
		} else if (errno == EAGAIN) {
			enum push_end end =
				push_wait(call, exchange, parcel, answered);

			if (end != PUSH_DONE)
				return end;
		} else if (errno != EINTR) {
			return PUSH_BROKEN;
		}
	}
	return PUSH_DONE;
}

/* A 101 goes to a protocol that was asked for (RFC 9110, 15.2.2). */
static enum exchange_end check_switch(const struct call *call, struct err *err)
{
	const struct http_field *upgrade =
		http_response_field(&call->response, "Upgrade");
	struct slice asked = call->request.upgrade;
	char protocol[64] = "";

	if (upgrade && upgrade->value.len < sizeof(protocol))
		memcpy(protocol, upgrade->value.data, upgrade->value.len);
	if (*protocol && http_has_token(asked, protocol))
		return EXCHANGE_HEAD;
	err_fill(err, ERR_INVALID,
		 asked.len == 0 ? "101 without having been asked to switch"
				: "101 to a protocol that wasn't asked for");
	return EXCHANGE_BAD;
}

/* Parses what is there; EXCHANGE_HEAD with *more: no final head yet. */
static enum exchange_end parse_head(struct call *call, bool *more,
				    struct err *err)
{
	struct http_response *response = &call->response;

	for (;;) {
		switch (http_response_parse(response, call->in, call->in_len,
					    call->request.head, err)) {
		case PARSE_MORE:
			*more = call->in_len < sizeof(call->in);
			if (*more)
				return EXCHANGE_HEAD;
			err_fill(err, ERR_LIMIT,
				 "a response head of more than %d bytes",
				 HEAD_BYTES_MAX);
			return EXCHANGE_BAD;
		case PARSE_BAD:
			return EXCHANGE_BAD;
		case PARSE_DONE:
			break;
		}
		if (response->status >= 200)
			return EXCHANGE_HEAD;
		if (response->status == 101)
			return check_switch(call, err);
		call->in_len -= response->head_len;
		memmove(call->in, call->in + response->head_len, call->in_len);
	}
}

/* Takes what has come of an answer, without waiting. An interim answer or half a
 * head is EXCHANGE_HEAD with *more. */
static enum exchange_end take_head(struct call *call, struct exchange *exchange,
				   bool *more, struct err *err)
{
	ssize_t count = recv(exchange->fd, call->in + call->in_len,
			     sizeof(call->in) - call->in_len, MSG_DONTWAIT);

	*more = count < 0 && (errno == EAGAIN || errno == EINTR);
	if (*more)
		return EXCHANGE_HEAD;
	if (count <= 0) {
		err_fill(err, ERR_CLOSED, "the gateway closed the connection");
		return EXCHANGE_BROKEN;
	}
	exchange->seen += (size_t)count;
	call->in_len += (size_t)count;
	return parse_head(call, more, err);
}

enum exchange_end exchange_hear(struct call *call, struct exchange *exchange,
				struct err *err)
{
	struct deadline deadline = exchange_deadline(call);

	for (;;) {
		bool more;
		enum exchange_end end = take_head(call, exchange, &more, err);
		int ready;

		if (!more)
			return end;
		/* the time is over, however much still comes */
		ready = deadline_passed(deadline)
				? -1
				: exchange_wait(call, exchange, POLLIN,
						deadline);
		if (ready < 0) {
			err_fill(err, ERR_TIMEOUT, "no response head in time");
			return EXCHANGE_TIMEOUT;
		}
		if (ready == 0) {
			err_fill(err, ERR_CANCELLED, "the client has gone");
			return EXCHANGE_GONE;
		}
	}
}

/* The gateway speaks before the request is through. A final answer is *answered;
 * *stop: no success, so the gateway has no use for the rest; for a success that is
 * what it works with. */
static enum exchange_end listen_early(struct call *call,
				      struct exchange *exchange, bool *answered,
				      bool *stop, struct err *err)
{
	bool more;
	enum exchange_end end = take_head(call, exchange, &more, err);

	if (more)
		return EXCHANGE_HEAD;
	*answered = true;
	*stop = end != EXCHANGE_HEAD || call->response.status >= 300;
	return end;
}

static void wrap(struct parcel *parcel, char size[24], struct slice piece,
		 enum http_framing framing)
{
	static char end[] = "\r\n";
	/* sendmsg(2) does not write to it */
	char *data = (char *)(uintptr_t)piece.data;
	int len;

	*parcel =
		(struct parcel){ .parts = { { data, piece.len } }, .count = 1 };
	if (framing != FRAMING_CHUNKED)
		return;
	len = snprintf(size, 24, "%zx\r\n", piece.len);
	*parcel = (struct parcel){ .parts = { { size, (size_t)len },
					      { data, piece.len },
					      { end, 2 } },
				   .count = 3 };
}

/* Sends one parcel; *answered when the head came meanwhile and the request goes
 * on. EXCHANGE_HEAD: go on, or stop where *stop. */
static enum exchange_end send_parcel(struct call *call,
				     struct exchange *exchange,
				     struct parcel *parcel, bool *answered,
				     bool *stop, struct err *err)
{
	for (;;) {
		enum exchange_end end;

		switch (push(call, exchange, parcel, *answered)) {
		case PUSH_DONE:
			return EXCHANGE_HEAD;
		case PUSH_GONE:
			err_fill(err, ERR_CANCELLED, "the client has gone");
			return EXCHANGE_GONE;
		case PUSH_TIMEOUT:
			*stop = true;
			if (*answered) { /* let it see that no more comes */
				(void)shutdown(exchange->fd, SHUT_WR);
				return EXCHANGE_HEAD;
			}
			err_fill(err, ERR_TIMEOUT,
				 "the gateway does not read the request");
			return EXCHANGE_TIMEOUT;
		case PUSH_BROKEN:
			*stop = true;
			if (*answered)
				return EXCHANGE_HEAD;
			*answered = true;
			return exchange_hear(call, exchange, err);
		case PUSH_EARLY:
			end = listen_early(call, exchange, answered, stop, err);
			if (*stop)
				return end;
			break;
		}
	}
}

static bool has_answer(const struct exchange *exchange)
{
	return deadline_poll(exchange->fd, POLLIN, deadline_in(0)) > 0;
}

/* Gives EXCHANGE_HEAD and *answered when the head is here already. */
static enum exchange_end send_body(struct call *call, struct exchange *exchange,
				   enum http_framing framing, bool *answered,
				   struct err *err)
{
	static char last[] = "0\r\n\r\n";
	char buf[RELAY_BYTES];
	char size[24];
	bool stop = false;

	for (;;) {
		struct parcel parcel;
		struct slice piece = { 0 };
		enum exchange_end end;

		if (!*answered && has_answer(exchange)) {
			end = listen_early(call, exchange, answered, &stop,
					   err);
			if (stop)
				return end;
		}
		if (body_next(&call->body, buf, &piece, err))
			return body_trouble(err);
		if (piece.len == 0 && framing != FRAMING_CHUNKED)
			break;
		wrap(&parcel, size, piece, framing);
		if (piece.len == 0)
			parcel = (struct parcel){ .parts = { { last, 5 } },
						  .count = 1 };
		end = send_parcel(call, exchange, &parcel, answered, &stop,
				  err);
		if (end != EXCHANGE_HEAD || stop)
			return end;
		if (piece.len == 0)
			break;
	}
	exchange->sent_all = true;
	return EXCHANGE_HEAD;
}

static enum exchange_end send_request(struct call *call,
				      struct exchange *exchange, bool *answered,
				      struct err *err)
{
	enum http_framing framing = FRAMING_NONE;
	enum exchange_end end = choose_framing(call, &framing, err);
	struct parcel head = { .count = 1 };
	bool stop = false;

	if (end != EXCHANGE_HEAD)
		return end;
	if (call->head.len == 0)
		head_write(&call->head, &call->request,
			   &(struct head){ .settings = call->settings,
					   .gateway = call->gateway,
					   .body = framing,
					   .close = call->client->one_shot });
	if (!buffer_ok(&call->head)) {
		err_fill(err, ERR_LIMIT, "the request's head is too large");
		return EXCHANGE_UNREACHABLE;
	}
	head.parts[0] = (struct iovec){ call->head.data, call->head.len };
	end = send_parcel(call, exchange, &head, answered, &stop, err);
	if (end != EXCHANGE_HEAD || stop) {
		*answered = true;
		return end;
	}
	if (framing != FRAMING_NONE)
		return send_body(call, exchange, framing, answered, err);
	exchange->sent_all = true;
	return EXCHANGE_HEAD;
}

enum exchange_end exchange_send(struct call *call, bool reuse,
				struct exchange *ret, struct err *err)
{
	bool answered = false;
	enum exchange_end end;

	*ret = (struct exchange){ .fd = -1 };
	call->in_len = 0;
	body_rewind(&call->body);
	end = dial(call, reuse, ret, err);
	if (end == EXCHANGE_HEAD)
		end = send_request(call, ret, &answered, err);
	return end == EXCHANGE_HEAD && !answered ? EXCHANGE_SENT : end;
}
