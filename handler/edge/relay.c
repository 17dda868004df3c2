#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/deadline.h"
#include "edge/relay.h"
#include "edge/tunnel.h"

#include "base/banned.h"

#define HOLD_MS	   100
#define HOLD_BYTES 8192
#define LASTS_MS   1000 /* then a response is one that lasts */

/* Of this hop only, or an order to the web server. */
static const char *const not_passed[] = {
	"Connection", "Keep-Alive",  "Proxy-Connection", "Transfer-Encoding",
	"TE",	      "Trailer",     "Upgrade",		 "Status",
	"X-Sendfile", "X-Sendfile2", "Content-Length",
};
static const char *const not_passed_prefixes[] = { "X-LIGHTTPD-", "X-Accel-" };

struct body_state {
	int64_t left; /* FRAMING_LENGTH */
	struct http_chunks chunks;
	bool done;
	bool surplus; /* bytes behind the end: not a connection to keep */
	bool dirty;   /* something is written, and not flushed */
	bool waits;   /* as a response that lasts */
	struct deadline lasts;
};

static bool is_named_by_connection(const struct http_response *response,
				   struct slice name)
{
	char text[128];

	if (name.len >= sizeof(text))
		return false;
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	for (size_t i = 0; i < response->fields_count; i++) {
		if (http_slice_is(response->fields[i].name, "Connection") &&
		    http_has_token(response->fields[i].value, text))
			return true;
	}
	return false;
}

static bool has_prefix(struct slice name, const char *prefix)
{
	size_t len = strlen(prefix);

	return name.len >= len && strncasecmp(name.data, prefix, len) == 0;
}

static bool passes(const struct http_response *response, struct slice name)
{
	for (size_t i = 0; i < sizeof(not_passed) / sizeof(not_passed[0]);
	     i++) {
		if (http_slice_is(name, not_passed[i]))
			return false;
	}
	for (size_t i = 0; i < 2; i++) {
		if (has_prefix(name, not_passed_prefixes[i]))
			return false;
	}
	/* mod_cgi and mod_fcgid make a redirect of a 200 that has one */
	if (response->status == 200 && http_slice_is(name, "Location"))
		return false;
	return !is_named_by_connection(response, name);
}

static void write_switch(struct buffer *out,
			 const struct http_response *response)
{
	const struct http_field *upgrade =
		http_response_field(response, "Upgrade");

	buffer_puts(out, "Connection: Upgrade\r\nUpgrade: ");
	if (upgrade)
		buffer_append(out, upgrade->value.data, upgrade->value.len);
	buffer_puts(out, "\r\n");
}

void relay_head(struct buffer *out, const struct http_response *response)
{
	buffer_printf(out, "Status: %d ", response->status);
	buffer_append(out, response->reason.data, response->reason.len);
	buffer_puts(out, "\r\n");
	for (size_t i = 0; i < response->fields_count; i++) {
		const struct http_field *field = &response->fields[i];

		if (!passes(response, field->name))
			continue;
		buffer_append(out, field->name.data, field->name.len);
		buffer_puts(out, ": ");
		buffer_append(out, field->value.data, field->value.len);
		buffer_puts(out, "\r\n");
	}
	if (response->status == 101)
		write_switch(out, response);
	else if (response->content_length >= 0 && response->status != 204)
		buffer_printf(out, "Content-Length: %lld\r\n",
			      (long long)response->content_length);
	buffer_puts(out, "\r\n");
}

static int take_chunks(struct body_state *state, char *buf, size_t *len,
		       struct err *err)
{
	size_t used = 0;
	size_t got = *len;
	enum parse_result result =
		http_chunks_decode(&state->chunks, buf, got, len, &used, err);

	state->done = result == PARSE_DONE;
	state->surplus = used < got;
	return result == PARSE_BAD ? -1 : 0;
}

/* Takes len bytes of the body at buf; gives how many of them, at its front now,
 * are content. */
static int take(const struct http_response *response, struct body_state *state,
		char *buf, size_t *len, struct err *err)
{
	size_t used = *len;

	switch (response->framing) {
	case FRAMING_NONE:
		used = 0;
		state->surplus = *len > 0;
		state->done = true;
		break;
	case FRAMING_LENGTH:
		if ((int64_t)used > state->left)
			used = (size_t)state->left;
		state->left -= (int64_t)used;
		state->done = state->left == 0;
		state->surplus = used < *len;
		break;
	case FRAMING_CHUNKED:
		return take_chunks(state, buf, len, err);
	case FRAMING_CLOSE:
		break;
	}
	*len = used;
	return 0;
}

static struct deadline idle_deadline(const struct call *call)
{
	int seconds = call->gateway->stream_idle_timeout_s;

	return seconds > 0 ? deadline_in((int64_t)seconds * 1000)
			   : deadline_never();
}

/* A short answer of which only the head is here, since the gateway sends the two
 * one after the other, is held back for a moment: should the gateway die just
 * now, nothing has left, and the request may be repeated. (A lone head is of no
 * use to anybody, and mod_fcgid makes a bare 500 of it.) Gives what
 * exchange_wait() gives; -1: it is to leave. */
static int hold_back(const struct call *call, const struct exchange *exchange,
		     const struct body_state *state)
{
	const struct http_response *response = &call->response;

	if (response->framing != FRAMING_LENGTH ||
	    response->content_length > HOLD_BYTES ||
	    state->left != response->content_length)
		return -1;
	return exchange_wait(call, exchange, POLLIN, deadline_in(HOLD_MS));
}

/* However many responses last, others are answered. */
static void note_lasting(const struct call *call, struct body_state *state)
{
	if (state->waits || !call->client->door->wait ||
	    !deadline_passed(state->lasts))
		return;
	state->waits = call->client->door->wait(call->client, true);
	state->lasts = deadline_in(LASTS_MS); /* where too many do */
}

static int wait_for_more(const struct call *call,
			 const struct exchange *exchange,
			 struct body_state *state)
{
	struct deadline idle = idle_deadline(call);

	for (;;) {
		int ready = exchange_wait(
			call, exchange, POLLIN,
			state->waits || !call->client->door->wait
				? idle
				: deadline_min(idle, state->lasts));

		if (ready >= 0 || deadline_passed(idle))
			return ready;
		note_lasting(call, state);
	}
}

/* The gateway pauses: what came so far leaves now. */
static enum relay_end pause(struct call *call, const struct exchange *exchange,
			    struct body_state *state, struct err *err)
{
	int ready = state->dirty ? hold_back(call, exchange, state) : -1;

	if (ready < 0) {
		if (state->dirty &&
		    call->client->door->flush(call->client, err))
			return RELAY_GONE;
		state->dirty = false;
		ready = wait_for_more(call, exchange, state);
	}
	if (ready == 0) {
		err_fill(err, ERR_CLOSED, "the client has gone");
		return RELAY_GONE;
	}
	if (ready < 0) {
		err_fill(err, ERR_TIMEOUT, "the gateway fell silent");
		return RELAY_BROKEN;
	}
	return RELAY_DONE;
}

/* Reads more of the body into call->in; 0 bytes at the connection's end. */
static enum relay_end refill(struct call *call, const struct exchange *exchange,
			     struct body_state *state, struct err *err)
{
	for (;;) {
		ssize_t count = recv(exchange->fd, call->in, RESPONSE_BYTES,
				     MSG_DONTWAIT);

		if (count >= 0) {
			call->in_len = (size_t)count;
			return RELAY_DONE;
		}
		if (errno == EAGAIN) {
			enum relay_end end = pause(call, exchange, state, err);

			if (end != RELAY_DONE)
				return end;
		} else if (errno != EINTR) {
			(void)err_errno(err, "the response broke off");
			return RELAY_BROKEN;
		}
	}
}

static enum relay_end relay_body(struct call *call,
				 const struct exchange *exchange,
				 struct body_state *state, struct err *err)
{
	const struct http_response *response = &call->response;
	char *data = call->in + response->head_len;
	size_t len = call->in_len - response->head_len;
	enum relay_end end;

	for (;;) {
		if (take(response, state, data, &len, err))
			return RELAY_BROKEN;
		if (len > 0 &&
		    call->client->door->write(call->client, data, len, err))
			return RELAY_GONE;
		state->dirty = state->dirty || len > 0;
		if (state->done)
			return RELAY_DONE;
		note_lasting(call, state);
		end = refill(call, exchange, state, err);
		if (end != RELAY_DONE)
			return end;
		if (call->in_len == 0 && response->framing == FRAMING_CLOSE)
			return RELAY_DONE;
		if (call->in_len == 0) {
			err_fill(err, ERR_CLOSED, "the response broke off");
			return RELAY_BROKEN;
		}
		data = call->in;
		len = call->in_len;
	}
}

/* From here on it is no HTTP; what came with the 101 leaves with it. */
static enum relay_end relay_switch(struct call *call, struct exchange *exchange,
				   struct err *err)
{
	struct client *client = call->client;
	size_t head_len = call->response.head_len;

	if (client->door->write(client, call->in + head_len,
				call->in_len - head_len, err) ||
	    client->door->flush(client, err))
		return RELAY_GONE;
	call->tunnel_fd = exchange->fd;
	exchange->fd = -1;
	return RELAY_DONE;
}

/* Who had to wait, or more, may ask why. */
static void add_id(struct call *call)
{
	if (!call->found.known || call->out.len < 2 ||
	    http_response_field(&call->response, "X-Request-Id"))
		return;
	call->out.len -= 2; /* the empty line that ends the head */
	buffer_printf(&call->out, "X-Request-Id: %s\r\n\r\n", call_id(call));
}

enum relay_end relay_response(struct call *call, struct exchange *exchange,
			      struct err *err)
{
	struct body_state state = { .left = call->response.content_length,
				    .dirty = true, /* by the head */
				    .lasts = deadline_in(LASTS_MS) };
	enum relay_end end = RELAY_GONE;

	buffer_clear(&call->out);
	relay_head(&call->out, &call->response);
	call->status = call->response.status;
	add_id(call);
	if (call->status == 101)
		tunnel_prepare();
	if (!buffer_ok(&call->out)) {
		err_fill(err, ERR_LIMIT, "the response's head is too large");
		end = RELAY_BROKEN;
	} else if (call->client->door->write(call->client, call->out.data,
					     call->out.len, err) == 0) {
		end = call->response.status == 101
			      ? relay_switch(call, exchange, err)
			      : relay_body(call, exchange, &state, err);
	}
	if (state.waits)
		(void)call->client->door->wait(call->client, false);
	if (end == RELAY_DONE && !state.surplus)
		exchange_keep(call, exchange);
	exchange_close(exchange);
	return end;
}
