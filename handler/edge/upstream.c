#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/upstream.h"

#include "base/banned.h"

struct idle {
	int fd;
	int64_t generation;
	int64_t until_ms;
};

/* The kept connections to one address; entries[count - 1] is the newest. */
struct pool {
	struct pool *next;
	char *address;
	size_t count;
	struct idle entries[KEEPALIVE_MAX_MAX];
};

struct upstream {
	pthread_mutex_t lock;
	struct pool *pools;
	bool armed;
	void (*arm)(void *user);
	void *user;
};

int upstream_new(struct upstream **ret, void (*arm)(void *user), void *user,
		 struct err *err)
{
	struct upstream *self = calloc(1, sizeof(*self));

	if (!self)
		return err_errno(err, "cannot make a pool of connections");
	(void)pthread_mutex_init(&self->lock, NULL);
	self->arm = arm;
	self->user = user;
	*ret = self;
	return 0;
}

void upstream_free(struct upstream *upstream)
{
	struct pool *pool = upstream ? upstream->pools : NULL;

	while (pool) {
		struct pool *next = pool->next;

		while (pool->count > 0)
			(void)close(pool->entries[--pool->count].fd);
		free(pool->address);
		free(pool);
		pool = next;
	}
	if (upstream)
		(void)pthread_mutex_destroy(&upstream->lock);
	free(upstream);
}

static struct pool *find(const struct upstream *upstream, const char *address)
{
	struct pool *pool = upstream->pools;

	while (pool && strcmp(pool->address, address) != 0)
		pool = pool->next;
	return pool;
}

/* A pool is made once for an address and stays; NULL without memory. */
static struct pool *find_or_make(struct upstream *upstream, const char *address)
{
	struct pool *pool = find(upstream, address);

	if (pool)
		return pool;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return NULL;
	pool->address = strdup(address);
	if (!pool->address) {
		free(pool);
		return NULL;
	}
	pool->next = upstream->pools;
	upstream->pools = pool;
	return pool;
}

/* Silent and open: a peer that closed it is an end of file, one that spoke
 * unasked is a byte. */
static bool is_usable(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       errno == EAGAIN;
}

static int pop(struct upstream *upstream, const char *address,
	       struct idle *ret_entry)
{
	struct pool *pool;
	int found = -1;

	(void)pthread_mutex_lock(&upstream->lock);
	pool = find(upstream, address);
	if (pool && pool->count > 0) {
		*ret_entry = pool->entries[--pool->count];
		found = 0;
	}
	(void)pthread_mutex_unlock(&upstream->lock);
	return found;
}

int upstream_take(struct upstream *upstream,
		  const struct gateway_settings *gateway, int64_t generation)
{
	struct idle entry = { .fd = -1 };

	while (pop(upstream, gateway->address_text, &entry) == 0) {
		if (entry.generation == generation && is_usable(entry.fd))
			return entry.fd;
		(void)close(entry.fd);
	}
	return -1;
}

/* Closes the oldest. */
static void drop(struct pool *pool, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)close(pool->entries[i].fd);
	pool->count -= count;
	memmove(pool->entries, pool->entries + count,
		pool->count * sizeof(pool->entries[0]));
}

/* Adds the newest; the oldest go where there are too many. */
static void push(struct pool *pool, struct idle entry, size_t max)
{
	if (pool->count >= max)
		drop(pool, pool->count - max + 1);
	pool->entries[pool->count++] = entry;
}

void upstream_keep(struct upstream *upstream,
		   const struct gateway_settings *gateway, int64_t generation,
		   int fd)
{
	bool kept = false;
	bool arm = false;
	struct idle entry = { .fd = fd, .generation = generation };
	struct pool *pool;

	entry.until_ms =
		deadline_in((int64_t)gateway->keepalive_s * 1000).at_ms;
	(void)pthread_mutex_lock(&upstream->lock);
	pool = find_or_make(upstream, gateway->address_text);
	if (pool && gateway->keepalive_s > 0 && gateway->keepalive_max > 0) {
		push(pool, entry, (size_t)gateway->keepalive_max);
		kept = true;
		arm = !upstream->armed;
		upstream->armed = true;
	}
	(void)pthread_mutex_unlock(&upstream->lock);
	if (!kept)
		(void)close(fd);
	if (arm && upstream->arm)
		upstream->arm(upstream->user);
}

/* The oldest are first. */
static void expire_pool(struct pool *pool, struct deadline *next)
{
	size_t gone = 0;

	while (gone < pool->count && deadline_passed((struct deadline){
					     pool->entries[gone].until_ms }))
		gone++;
	drop(pool, gone);
	if (pool->count > 0)
		*next = deadline_min(
			*next, (struct deadline){ pool->entries[0].until_ms });
}

struct deadline upstream_expire(struct upstream *upstream)
{
	struct deadline next = deadline_never();

	(void)pthread_mutex_lock(&upstream->lock);
	for (struct pool *pool = upstream->pools; pool; pool = pool->next)
		expire_pool(pool, &next);
	upstream->armed = next.at_ms != deadline_never().at_ms;
	(void)pthread_mutex_unlock(&upstream->lock);
	return next;
}
