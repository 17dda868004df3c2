/* Connections that are kept: which is given out, and which is closed. */
#include "config.h"

#include <sys/socket.h>
#include <unistd.h>

#include "edge/upstream.h"
#include "unit/tap.h"

#include "base/banned.h"

static char address[] = "127.0.0.1:1";

static struct gateway_settings gateway = {
	.address_text = address,
	.keepalive_s = 3600,
	.keepalive_max = 3,
};

struct world {
	struct upstream *upstream;
	int ours[8];
	int theirs[8];
};

/* Keeps count connections of generation 1, the last one last. */
static void open_world(struct world *world, int count)
{
	struct err err;

	if (upstream_new(&world->upstream, NULL, NULL, &err))
		perror("# upstream_new");
	for (int i = 0; i < count; i++) {
		int ends[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) !=
		    0)
			perror("# socketpair");
		world->ours[i] = ends[0];
		world->theirs[i] = ends[1];
		upstream_keep(world->upstream, &gateway, 1, ends[0]);
	}
}

static void close_world(struct world *world, int count)
{
	upstream_free(world->upstream);
	for (int i = 0; i < count; i++)
		(void)close(world->theirs[i]);
}

static int take(const struct world *world, int64_t generation)
{
	return upstream_take(world->upstream, &gateway, generation);
}

static bool was_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void test_order(void)
{
	struct world world;

	open_world(&world, 5);
	ok(was_closed(world.theirs[0]) && was_closed(world.theirs[1]) &&
		   !was_closed(world.theirs[2]),
	   "keepalive_max stay, the oldest go");
	ok(take(&world, 1) == world.ours[4] && take(&world, 1) == world.ours[3],
	   "the newest is given out first");
	(void)close(world.ours[4]);
	(void)close(world.ours[3]);
	gateway.keepalive_max = 1;
	upstream_keep(world.upstream, &gateway, 1,
		      dup(world.theirs[4])); /* any socket */
	ok(was_closed(world.theirs[2]), "a lower keepalive_max holds at once");
	gateway.keepalive_max = 3;
	close_world(&world, 5);
}

static void test_unusable(void)
{
	struct world world;

	open_world(&world, 3);
	(void)close(world.theirs[2]);
	world.theirs[2] = -1;
	(void)send(world.theirs[1], "!", 1, MSG_NOSIGNAL);
	ok(take(&world, 1) == world.ours[0],
	   "one that was closed, or spoke unasked, is not given out");
	ok(take(&world, 1) == -1, "nor kept");
	(void)close(world.ours[0]);
	close_world(&world, 3);
}

static void test_generation(void)
{
	struct world world;

	open_world(&world, 1);
	ok(take(&world, 2) == -1 && was_closed(world.theirs[0]),
	   "one to an earlier generation is closed");
	close_world(&world, 1);
}

static void test_none(void)
{
	struct world world;

	gateway.keepalive_max = 0;
	open_world(&world, 1);
	ok(take(&world, 1) == -1 && was_closed(world.theirs[0]),
	   "with keepalive_max 0 none is kept");
	close_world(&world, 1);
	gateway.keepalive_max = 3;
}

static void test_expiry(void)
{
	struct world world;

	gateway.keepalive_s = 0;
	open_world(&world, 1);
	ok(was_closed(world.theirs[0]), "with keepalive_s 0 none is kept");
	close_world(&world, 1);
	gateway.keepalive_s = 3600;
	open_world(&world, 1);
	ok(deadline_left_ms(upstream_expire(world.upstream)) > 3000000 &&
		   !was_closed(world.theirs[0]),
	   "what has time left stays, and says how much");
	close_world(&world, 1);
}

int main(void)
{
	test_order();
	test_unusable();
	test_generation();
	test_none();
	test_expiry();
	return done_testing();
}
