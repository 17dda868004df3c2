#include "config.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "edge/call.h"
#include "edge/gate.h"
#include "unit/tap.h"

#include "base/banned.h"

#define NEVER_MS 600000

static int busy; /* times that nobody was left idle */

static void all_busy(struct gate *gate)
{
	(void)gate;
	busy++;
}

struct world {
	struct gate gate;
	struct gate_place place;
	struct sockaddr_un address;
	socklen_t len;
	int listen_fd;
};

/* An abstract socket: no file. */
static void open_world(struct world *world)
{
	struct err err;

	*world = (struct world){ .gate = { .all_busy = all_busy,
					   .pending_max = 2 },
				 .address = { .sun_family = AF_UNIX } };
	world->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	world->len =
		offsetof(struct sockaddr_un, sun_path) + 1 +
		(socklen_t)snprintf(world->address.sun_path + 1, 64,
				    "wakegate-test-gate-%ld", (long)getpid());
	if (bind(world->listen_fd, (struct sockaddr *)&world->address,
		 world->len) != 0 ||
	    listen(world->listen_fd, 8) != 0 ||
	    gate_open(&world->gate, world->listen_fd, &err))
		perror("# open_world");
	gate_place_init(&world->place, &world->gate, false);
	busy = 0;
}

static void close_world(struct world *world)
{
	gate_place_free(&world->place);
	gate_close(&world->gate);
	(void)close(world->listen_fd);
}

static int knock(const struct world *world)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)&world->address, world->len))
		perror("# connect");
	return fd;
}

/* A call's connection, and the gateway's end of it. */
static void open_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		perror("# socketpair");
}

static void close_pair(const int fds[2])
{
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static bool is_nobody(const struct gate_guest *guest)
{
	return guest->fd < 0 && !guest->call;
}

static void test_connections(void)
{
	static struct world world;
	struct gate_guest guest;
	int client, first;

	open_world(&world);
	client = knock(&world);
	ok(gate_take(&world.place, &guest) && guest.fd >= 0 && !guest.call,
	   "who connects is a guest");
	first = guest.fd;
	gate_park(&world.gate, first);
	ok(gate_take(&world.place, &guest) && is_nobody(&guest),
	   "one that is parked and silent is none, and the pause is told");
	ok(write(client, "x", 1) == 1 && gate_take(&world.place, &guest) &&
		   guest.fd == first,
	   "one that is parked and speaks is");
	gate_park(&world.gate, first);
	(void)close(client);
	ok(gate_take(&world.place, &guest) && is_nobody(&guest) &&
		   fcntl(first, F_GETFD) < 0,
	   "one that has gone is none, and closed");
	ok(busy == 0 && world.gate.idle == 1,
	   "whoever does what takes no time stays idle");
	close_world(&world);
}

static void test_pending(void)
{
	static struct call calls[2];
	static struct world world;
	struct gate_guest guest;
	int fds[2], others[2];
	bool right = false;

	open_pair(fds);
	open_pair(others);
	open_world(&world);
	ok(!gate_pend(&world.place, &calls[0], fds[0]),
	   "only the porter has calls pending");
	(void)gate_take(&world.place, &guest); /* it is the porter now */
	ok(write(others[1], "x", 1) == 1, "one gateway answers");
	for (int i = 0; i < 10 && !right; i++) { /* we may be too late */
		struct gate_guest next;

		ok(gate_pend(&world.place, &calls[0], fds[0]) &&
			   gate_pend(&world.place, &calls[1], others[0]) &&
			   !gate_pend(&world.place, &calls[1], others[0]),
		   "so many calls are pending, and no more");
		ok(gate_take(&world.place, &guest) &&
			   gate_take(&world.place, &next),
		   "each is let in");
		right = guest.call == &calls[1] && next.call == &calls[0];
	}
	ok(right, "the one whose gateway answers is first");
	ok(write(fds[1], "x", 1) == 1 && gate_take(&world.place, &guest) &&
		   is_nobody(&guest) && gate_pending(&world.gate) == 0 &&
		   world.gate.quiet,
	   "and is not told of again");
	ok(gate_pend(&world.place, &calls[0], fds[0]) &&
		   gate_take(&world.place, &guest) && guest.call == &calls[0],
	   "the same connection can be pending again");
	close_pair(fds);
	close_pair(others);
	close_world(&world);
}

static void test_step_aside(void)
{
	static struct call call;
	static struct world world;
	struct gate_guest guest;
	int fds[2], client;

	open_pair(fds);
	open_world(&world);
	(void)gate_take(&world.place, &guest);
	gate_step_aside(&world.place);
	gate_step_aside(&world.place);
	ok(busy == 1 && world.gate.idle == 0,
	   "the last idle one says so, once");
	ok(gate_due(&world.gate).at_ms == deadline_never().at_ms &&
		   !gate_has_guest(&world.gate),
	   "nobody need come for what is not there");
	client = knock(&world);
	ok(gate_take(&world.place, &guest) && guest.fd >= 0,
	   "and it comes back for who is");
	(void)close(guest.fd);
	(void)close(client);
	(void)gate_pend(&world.place, &call, fds[0]);
	gate_step_aside(&world.place);
	ok(gate_due(&world.gate).at_ms != deadline_never().at_ms &&
		   deadline_left_ms(gate_due(&world.gate)) < 1000,
	   "somebody must come for a pending call");
	ok(write(fds[1], "x", 1) == 1 && gate_has_guest(&world.gate),
	   "or for what has come");
	ok(gate_take(&world.place, &guest) && guest.call == &call,
	   "and finds it");
	close_pair(fds);
	close_world(&world);
}

/* Takes guests until it is told to leave; counts those on a connection. */
static void *take_all(void *argument)
{
	struct world *world = argument;
	struct gate_place place;
	struct gate_guest guest;
	uintptr_t count = 0;

	gate_place_init(&place, &world->gate, false);
	while (gate_take(&place, &guest)) {
		if (guest.fd < 0)
			continue;
		count++;
		(void)close(guest.fd);
	}
	gate_place_free(&place);
	return (void *)count;
}

static void test_threads(void)
{
	static struct world world;
	struct gate_guest guest;
	pthread_t thread;
	void *count = NULL;
	char byte;
	int client;

	open_world(&world);
	(void)gate_take(&world.place, &guest); /* it is the porter now */
	if (pthread_create(&thread, NULL, take_all, &world) != 0)
		perror("# pthread_create");
	while (!__atomic_load_n(&world.gate.stack, __ATOMIC_SEQ_CST))
		(void)deadline_pause(deadline_never(), 1);
	client = knock(&world);
	ok(gate_take(&world.place, &guest) && guest.fd >= 0,
	   "others wait while there is a porter");
	(void)close(guest.fd);
	(void)close(client);
	client = knock(&world);
	gate_step_aside(&world.place);
	ok(read(client, &byte, 1) == 0, "the next one takes over");
	(void)close(client);
	gate_leave(&world.gate, deadline_in(NEVER_MS));
	(void)pthread_join(thread, &count);
	ok((uintptr_t)count == 1, "and leaves when it is told to");
	ok(!gate_take(&world.place, &guest) && world.gate.idle == 0,
	   "as does whoever comes back after that");
	close_world(&world);
}

/* Without descriptors nobody can be let in, and those inside are served. */
static void test_no_descriptors(void)
{
	static struct call call;
	static struct world world;
	struct rlimit before, none;
	struct gate_guest guest;
	int fds[2], client;

	open_pair(fds);
	open_world(&world);
	(void)gate_take(&world.place, &guest);
	client = knock(&world);
	(void)getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = 3;
	(void)setrlimit(RLIMIT_NOFILE, &none);
	ok(gate_pend(&world.place, &call, fds[0]) &&
		   gate_take(&world.place, &guest) && guest.call == &call,
	   "a full table of descriptors keeps no pending call");
	(void)setrlimit(RLIMIT_NOFILE, &before);
	do
		(void)gate_take(&world.place, &guest);
	while (is_nobody(&guest));
	ok(guest.fd >= 0, "and who stands at the door is let in after it");
	(void)close(guest.fd);
	(void)close(client);
	close_pair(fds);
	close_world(&world);
}

static void test_leave(void)
{
	static struct call call;
	static struct world world;
	struct gate_guest guest;
	int fds[2], client;

	open_pair(fds);
	open_world(&world);
	(void)gate_take(&world.place, &guest);
	(void)gate_pend(&world.place, &call, fds[0]);
	gate_leave(&world.gate, deadline_in(0));
	ok(!gate_pend(&world.place, &call, fds[0]),
	   "who leaves has no more calls pending");
	ok(gate_take(&world.place, &guest) && guest.call == &call,
	   "who leaves forgets no pending call");
	ok(!gate_take(&world.place, &guest), "and leaves in time");
	close_world(&world);

	open_world(&world);
	client = knock(&world);
	gate_leave(&world.gate, deadline_in(NEVER_MS));
	ok(gate_take(&world.place, &guest) && guest.fd >= 0,
	   "who has connected by then is let in");
	ok(!gate_take(&world.place, &guest), "and nobody else");
	(void)close(guest.fd);
	(void)close(client);
	close_pair(fds);
	close_world(&world);
}

int main(void)
{
	test_connections();
	test_pending();
	test_step_aside();
	test_threads();
	test_no_descriptors();
	test_leave();
	return done_testing();
}
