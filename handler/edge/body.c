#include "config.h"

#include <string.h>

#include "base/limits.h"
#include "edge/body.h"

#include "base/banned.h"

void body_begin(struct body *body, struct client *client, int64_t length,
		struct body_limits limits)
{
	size_t hold = limits.replay_max;

	if (hold < RELAY_BYTES)
		hold = RELAY_BYTES; /* for body_is_empty() */
	*body = (struct body){ .client = client,
			       .length = length,
			       .max = limits.max,
			       .replay_max = limits.replay_max,
			       .held = BUFFER_INIT(hold),
			       .ended = length == 0 };
}

void body_end(struct body *body)
{
	buffer_free(&body->held);
}

bool body_replayable(const struct body *body)
{
	return !body->lost && body->held.len <= body->replay_max;
}

void body_rewind(struct body *body)
{
	body->given = 0;
}

/* A piece from the client; all of held has been given by now. */
static int read_piece(struct body *body, char *buf, struct slice *ret,
		      struct err *err)
{
	size_t want = RELAY_BYTES;
	ssize_t count;

	if (body->length >= 0 && (int64_t)want > body->length - body->taken)
		want = (size_t)(body->length - body->taken);
	count = body->client->door->read(body->client, buf, want, err);
	if (count < 0)
		return -1;
	if (count == 0 && body->length >= 0)
		return err_set(err, ERR_CLOSED,
			       "the request's body ended %lld bytes early",
			       (long long)(body->length - body->taken));
	body->taken += count;
	if (body->taken > body->max)
		return err_set(err, ERR_LIMIT,
			       "the request's body has more than %lld bytes",
			       (long long)body->max);
	body->ended = count == 0 || body->taken == body->length;
	*ret = (struct slice){ buf, (size_t)count };
	return 0;
}

static void hold(struct body *body, struct slice piece)
{
	if (body->lost)
		return;
	if (piece.len > body->held.max - body->held.len) {
		body->lost = true;
		return;
	}
	buffer_append(&body->held, piece.data, piece.len);
	if (!buffer_ok(&body->held))
		body->lost = true;
	body->given = body->held.len;
}

int body_next(struct body *body, char buf[RELAY_BYTES], struct slice *ret,
	      struct err *err)
{
	struct slice piece = { buf, 0 };

	if (!body->lost && body->given < body->held.len) {
		piece.data = body->held.data + body->given;
		piece.len = body->held.len - body->given;
		body->given = body->held.len;
	} else if (!body->ended) {
		if (read_piece(body, buf, &piece, err))
			return -1;
		hold(body, piece);
	}
	*ret = piece;
	return 0;
}

void body_drain(struct body *body, struct deadline deadline)
{
	char buf[RELAY_BYTES];
	struct slice piece;
	struct err err;

	while (!body->ended && !deadline_passed(deadline))
		if (read_piece(body, buf, &piece, &err))
			return;
}

int body_is_empty(struct body *body, bool *ret, struct err *err)
{
	struct slice piece = { 0 };
	char *room;

	if (body->taken == 0 && !body->ended) {
		room = buffer_room(&body->held, RELAY_BYTES);
		if (!room)
			return err_set(err, ERR_SYSTEM, "out of memory");
		if (read_piece(body, room, &piece, err))
			return -1;
		body->held.len = piece.len;
	}
	*ret = body->taken == 0;
	return 0;
}
