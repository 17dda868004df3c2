/* The first byte says what was asked and where the input is cut: what is before
 * the cut came with the head, the rest comes later. 101: the tunnel carries the
 * rest on.
 */
#include "config.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/relay.h"
#include "edge/tunnel.h"

#include "base/banned.h"

#define INPUT_MAX 32768 /* what a socket and a pipe take without a reader */
#define SAVED_FD  100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A client that keeps what it gets. */
struct client_fuzz {
	struct client client;
	size_t len;
	char got[4 * INPUT_MAX];
};

static int fuzz_write(struct client *client, const char *buf, size_t len,
		      struct err *err)
{
	struct client_fuzz *self = (struct client_fuzz *)client;

	(void)err;
	if (len > sizeof(self->got) - self->len)
		abort();
	memcpy(self->got + self->len, buf, len);
	self->len += len;
	return 0;
}

static int fuzz_flush(struct client *client, struct err *err)
{
	(void)client;
	(void)err;
	return 0;
}

static const struct client_door fuzz_door = { .write = fuzz_write,
					      .flush = fuzz_flush };

/* A connection on which the gateway has said all that it says. */
static int connection_with(const uint8_t *data, size_t size)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0 ||
	    (size > 0 && write(fds[1], data, size) != (ssize_t)size))
		abort();
	(void)close(fds[1]);
	return fds[0];
}

static struct call *call_with(struct client *client)
{
	static struct gateway_settings gateway;
	struct call *call = calloc(1, sizeof(*call));

	if (!call)
		abort();
	call->client = client;
	call->gateway = &gateway;
	call->tunnel_fd = -1;
	call->out.max = (size_t)2 * HEAD_BYTES_MAX;
	return call;
}

/* Relays it, with cut bytes of the body come along; -1: it is no response. */
static int relay(const uint8_t *data, size_t size, size_t cut, bool head,
		 struct client_fuzz *client, int *tunnel_fd)
{
	struct call *call = call_with(&client->client);
	struct exchange exchange = { .fd = -1 };
	struct err err;
	int end = -1;

	memcpy(call->in, data, size);
	if (http_response_parse(&call->response, call->in, size, head, &err) ==
	    PARSE_DONE) {
		if (cut > size - call->response.head_len)
			cut = size - call->response.head_len;
		call->in_len = call->response.head_len + cut;
		exchange.fd = connection_with(data + call->in_len,
					      size - call->in_len);
		end = (int)relay_response(call, &exchange, &err);
		if (exchange.fd >= 0)
			abort();
		*tunnel_fd = call->tunnel_fd;
	}
	buffer_free(&call->out);
	free(call);
	return end;
}

static void move_fd(int from, int to)
{
	if (dup2(from, to) < 0 || close(from) != 0)
		abort();
}

/* What went into the tunnel on either side came out on the other. */
static void check_tunnel(int gateway_fd, const uint8_t *rest, size_t size)
{
	static char got[INPUT_MAX + 1];
	size_t len = 0;
	ssize_t count;
	struct err err;
	int in[2];
	int out[2];

	if (dup2(STDIN_FILENO, SAVED_FD) < 0 ||
	    dup2(STDOUT_FILENO, SAVED_FD + 1) < 0 || pipe(in) != 0 ||
	    pipe(out) != 0 ||
	    (size > 0 && write(in[1], rest, size) != (ssize_t)size))
		abort();
	(void)close(in[1]);
	move_fd(in[0], STDIN_FILENO);
	move_fd(out[1], STDOUT_FILENO);
	(void)tunnel_run(gateway_fd, &err);
	move_fd(SAVED_FD, STDIN_FILENO);
	move_fd(SAVED_FD + 1, STDOUT_FILENO);
	while ((count = read(out[0], got + len, sizeof(got) - len)) > 0)
		len += (size_t)count;
	(void)close(out[0]);
	if (len != size || memcmp(got, rest, len) != 0)
		abort();
}

/* However it is cut, the result is the same; of what is broken one gets more, one
 * less. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct client_fuzz whole;
	static struct client_fuzz cut;
	int whole_fd = -1;
	int cut_fd = -1;
	size_t at;
	size_t len;
	int end;
	bool head;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	whole = (struct client_fuzz){ .client = { .door = &fuzz_door,
						  .watch_fd = -1 } };
	cut = whole;
	head = data[0] & 1;
	at = data[0] >> 1;
	data++;
	size--;
	end = relay(data, size, size, head, &whole, &whole_fd);
	if (relay(data, size, at, head, &cut, &cut_fd) != end)
		abort();
	len = cut.len < whole.len ? cut.len : whole.len;
	if (whole_fd >= 0) {
		/* what was not with the head is in the connection still */
		(void)close(whole_fd);
		check_tunnel(cut_fd, data + size - (whole.len - cut.len),
			     whole.len - cut.len);
	} else if (whole.len != cut.len && end != (int)RELAY_BROKEN) {
		abort();
	}
	if (memcmp(whole.got, cut.got, len) != 0)
		abort();
	return 0;
}
