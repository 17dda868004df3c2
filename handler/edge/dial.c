#include "config.h"

#include <sys/socket.h>

#include "base/address.h"
#include "base/deadline.h"
#include "edge/dial.h"

#include "base/banned.h"

/* So often it is looked whether who asks is still there, while a connection is being
 * made: each time begins it anew. */
#define DIAL_LOOK_MS	   3000
#define DIAL_LOCAL_LOOK_MS 50

/* When it is closed, nothing of it stays in the kernel, as a gateway that closes
 * first would leave for a minute. */
static void leave_no_trace(int fd)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static bool has_gone(const struct call *call)
{
	const struct exchange none = { .fd = -1 };

	return exchange_wait(call, &none, 0, deadline_in(0)) == 0;
}

/* On this machine a connection is there at once, or refused, unless many stand in
 * line. Then, who asks may leave. */
static int reach(struct call *call, int *ret, bool marked, struct err *err)
{
	const struct address *address = &call->gateway->address;
	int look_ms = address_is_local(address) ? 0 : DIAL_LOOK_MS;
	struct deadline deadline = exchange_deadline(call);
	int (*connect_to)(int *, const struct address *, struct deadline,
			  struct err *) =
		marked ? address_connect : address_connect_unmarked;

	if (look_ms > 0)
		client_step_aside(call->client);
	for (;;) {
		struct deadline look =
			deadline_min(deadline_in(look_ms), deadline);

		if (connect_to(ret, address, look, err) == 0)
			return 0;
		if (err->code != ERR_TIMEOUT || deadline_passed(deadline))
			return -1;
		if (has_gone(call))
			return err_set(err, ERR_CANCELLED,
				       "the client has gone");
		look_ms = address_is_local(address) ? DIAL_LOCAL_LOOK_MS
						    : DIAL_LOOK_MS;
	}
}

static enum exchange_end dial_anew(struct call *call, struct exchange *exchange,
				   struct err *err)
{
	/* a WebSocket outlives the request that asked for it */
	bool upgrades = call->request.upgrade.len > 0;

	if (reach(call, &exchange->fd, !upgrades || call->unseen, err) == 0) {
		if (call->unseen && !upgrades)
			leave_no_trace(exchange->fd);
		return EXCHANGE_HEAD;
	}
	if (err->code == ERR_REFUSED || err->code == ERR_CLOSED)
		return EXCHANGE_BROKEN;
	if (err->code == ERR_CANCELLED)
		return EXCHANGE_GONE;
	return err->code == ERR_TIMEOUT ? EXCHANGE_TIMEOUT
					: EXCHANGE_UNREACHABLE;
}

enum exchange_end dial(struct call *call, bool reuse, struct exchange *exchange,
		       struct err *err)
{
	if (reuse)
		exchange->fd =
			upstream_take(edge_upstream(call->edge), call->gateway,
				      call->row.generation);
	exchange->fresh = exchange->fd < 0;
	return exchange->fresh ? dial_anew(call, exchange, err) : EXCHANGE_HEAD;
}
