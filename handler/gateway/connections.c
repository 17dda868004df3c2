#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/connections_private.h"

#include "base/banned.h"

#define FOUND_MAX 100000

static int compare(const void *a_, const void *b_)
{
	const struct found *a = a_;
	const struct found *b = b_;
	int order = memcmp(a->peer, b->peer, sizeof(a->peer));

	if (order != 0)
		return order;
	if (a->peer_port != b->peer_port)
		return a->peer_port < b->peer_port ? -1 : 1;
	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	return 0;
}

void found_add(struct found_list *list, const struct found *found)
{
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 32;
		struct found *items = NULL;

		if (room <= FOUND_MAX)
			items = reallocarray(list->items, room, sizeof(*items));
		if (!items) {
			list->full = true;
			return;
		}
		list->items = items;
		list->room = room;
	}
	list->items[list->count++] = *found;
}

struct found *found_get(struct found_list *list, const struct found *key)
{
	if (list->count == 0)
		return NULL;
	if (!list->sorted)
		qsort(list->items, list->count, sizeof(*list->items), compare);
	list->sorted = true;
	return bsearch(key, list->items, list->count, sizeof(*list->items),
		       compare);
}

static int ask(struct found_list *list, const struct address *address,
	       bool ended, struct err *err)
{
	uint16_t port = address_port(address);

	if (address->socket.any.sa_family == AF_UNIX)
		return connections_ask_unix(list, address->socket.un.sun_path,
					    err);
	if (connections_ask_tcp(list, port, ended, err) == 0)
		return 0;
	list->count = 0;
	return connections_read_tcp(list, port, err);
}

int connections_list(struct connection_list *ret, const struct address *address,
		     bool ended, struct err *err)
{
	struct found_list clients = { .count = 0 };
	struct found_list list = { .ended_ms = INT64_MAX, .clients = &clients };
	size_t count = 0;
	int failed = ask(&list, address, ended, err);

	free(clients.items);
	if (!failed && (list.full || clients.full))
		failed = err_set(err, ERR_LIMIT, "too many connections");
	if (failed) {
		free(list.items);
		return -1;
	}
	*ret = (struct connection_list){ .ended_ms = list.ended_ms };
	if (list.count > 0)
		ret->items = calloc(list.count, sizeof(*ret->items));
	for (size_t i = 0; ret->items && i < list.count; i++)
		if (!list.items[i].ours)
			ret->items[count++] = list.items[i].connection;
	ret->count = count;
	free(list.items);
	if (list.count > 0 && !ret->items)
		return err_set(err, ERR_LIMIT, "out of memory");
	return 0;
}

void connections_free(struct connection_list *list)
{
	free(list->items);
	list->items = NULL;
	list->count = 0;
}

static int64_t quiet_ms(const struct connection *connection, int64_t spare_ms)
{
	int64_t silent_ms = connection->sent_ms < connection->received_ms
				    ? connection->sent_ms
				    : connection->received_ms;

	if (!connection->timed || connection->unread ||
	    connection->received_ms < connection->sent_ms)
		return 0;
	if (silent_ms > spare_ms && !connection->pooled &&
	    !connection->half_closed)
		return 0;
	return silent_ms;
}

int64_t connections_quiet_ms(const struct connection_list *list,
			     int64_t spare_ms)
{
	int64_t least = list->ended_ms;

	for (size_t i = 0; i < list->count && least > 0; i++) {
		int64_t ms = quiet_ms(&list->items[i], spare_ms);

		if (ms < least)
			least = ms;
	}
	return least;
}
