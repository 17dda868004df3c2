#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/deadline.h"
#include "edge/relay.h"

#include "base/banned.h"

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
	if (response->content_length >= 0 && response->status != 204)
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

/* The gateway pauses: what came so far leaves now. */
static enum relay_end pause(struct call *call, const struct exchange *exchange,
			    bool *dirty, struct err *err)
{
	int ready;

	if (*dirty && call->client->door->flush(call->client, err))
		return RELAY_GONE;
	*dirty = false;
	ready = exchange_wait(call, exchange, POLLIN, idle_deadline(call));
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
			     bool *dirty, struct err *err)
{
	for (;;) {
		ssize_t count =
			recv(exchange->fd, call->in, RELAY_BYTES, MSG_DONTWAIT);

		if (count >= 0) {
			call->in_len = (size_t)count;
			return RELAY_DONE;
		}
		if (errno == EAGAIN) {
			enum relay_end end = pause(call, exchange, dirty, err);

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
	bool dirty = true; /* the head is */
	enum relay_end end;

	for (;;) {
		if (take(response, state, data, &len, err))
			return RELAY_BROKEN;
		if (len > 0 &&
		    call->client->door->write(call->client, data, len, err))
			return RELAY_GONE;
		dirty = dirty || len > 0;
		if (state->done)
			return RELAY_DONE;
		end = refill(call, exchange, &dirty, err);
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

enum relay_end relay_response(struct call *call, struct exchange *exchange,
			      struct err *err)
{
	struct body_state state = { .left = call->response.content_length };
	enum relay_end end = RELAY_GONE;

	buffer_clear(&call->out);
	relay_head(&call->out, &call->response);
	if (!buffer_ok(&call->out)) {
		err_fill(err, ERR_LIMIT, "the response's head is too large");
		end = RELAY_BROKEN;
	} else if (call->client->door->write(call->client, call->out.data,
					     call->out.len, err) == 0) {
		end = relay_body(call, exchange, &state, err);
	}
	if (end == RELAY_DONE && !state.surplus)
		exchange_keep(call, exchange);
	exchange_close(exchange);
	return end;
}
