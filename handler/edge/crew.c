#include "config.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/limits.h"
#include "base/log.h"
#include "edge/answer.h"
#include "edge/crew.h"

#include "base/banned.h"

#define STACK_BYTES	  (512 * 1024)
#define FINISH_MS	  30000 /* for requests in flight, when we leave */
#define SPURIOUS_PAUSE_MS 2   /* a thread was faster than we: look less often */
#define SPAWN_PAUSE_MS	  100 /* no thread could be made */

enum seat_state { SEAT_FREE, SEAT_TAKEN, SEAT_LEFT };

struct seat {
	struct crew *crew;
	pthread_t thread;
	int state;
};

struct crew {
	struct client_gate gate; /* first: all_busy() gets it */
	int wake_fd;
	int watching; /* does crew_run() watch the socket? */
	struct edge *edge;
	struct seat seats[THREADS_MAX];
};

/* The signal's way to crew_run(): a flag and a descriptor, for the handler can
 * be given nothing else. */
static volatile sig_atomic_t told_to_leave;
static int signal_fd = -1;

static void wake(int fd)
{
	const uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one)); /* full: awake already */
}

static void on_signal(int number)
{
	int saved = errno;

	(void)number;
	told_to_leave = 1;
	wake(signal_fd);
	errno = saved;
}

static void on_pipe(int number)
{
	(void)number;
}

/* Before FCGX_Init(), which puts its own where it finds none. SA_RESTART: a
 * request in flight notices nothing. SIGPIPE has a handler, since an ignored one
 * would be ignored in the keeper, too. */
static int catch_signals(struct err *err)
{
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESTART };
	struct sigaction pipe_action = { .sa_handler = on_pipe,
					 .sa_flags = SA_RESTART };

	(void)sigemptyset(&action.sa_mask);
	(void)sigemptyset(&pipe_action.sa_mask);
	if (sigaction(SIGTERM, &action, NULL) != 0 ||
	    sigaction(SIGINT, &action, NULL) != 0 ||
	    sigaction(SIGUSR1, &action, NULL) != 0 ||
	    sigaction(SIGPIPE, &pipe_action, NULL) != 0)
		return err_errno(err, "cannot catch signals");
	return 0;
}

/* The last idle thread has got a request: from now on we must look whether
 * somebody else comes. */
static void all_busy(struct client_gate *gate)
{
	struct crew *crew = (struct crew *)gate;

	if (!__atomic_load_n(&crew->watching, __ATOMIC_SEQ_CST))
		wake(crew->wake_fd);
}

void crew_wake(void *crew)
{
	wake(((struct crew *)crew)->wake_fd);
}

int crew_new(struct crew **ret, int listen_fd, struct err *err)
{
	struct crew *self = calloc(1, sizeof(*self));

	if (!self)
		return err_errno(err, "cannot start");
	self->gate.listen_fd = listen_fd;
	self->gate.all_busy = all_busy;
	self->gate.leave_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	signal_fd = self->wake_fd;
	if (self->gate.leave_fd < 0 || self->wake_fd < 0 ||
	    catch_signals(err)) {
		if (self->gate.leave_fd < 0 || self->wake_fd < 0)
			err_fill_errno(err, "cannot make an eventfd");
		crew_free(self);
		return -1;
	}
	*ret = self;
	return 0;
}

void crew_free(struct crew *crew)
{
	if (!crew)
		return;
	signal_fd = -1;
	if (crew->gate.leave_fd >= 0)
		(void)close(crew->gate.leave_fd);
	if (crew->wake_fd >= 0)
		(void)close(crew->wake_fd);
	free(crew);
}

/* A thread that can't work: it was counted as idle when it was made. */
static void fall_out(struct crew *crew, const struct err *err)
{
	log_line(LEVEL_ERROR, "msg=\"%s\"", err->text);
	(void)deadline_pause(deadline_never(), SPAWN_PAUSE_MS);
	(void)__atomic_sub_fetch(&crew->gate.idle, 1, __ATOMIC_SEQ_CST);
}

static void work(struct crew *crew, struct client *client)
{
	struct call *call = NULL;
	struct err err;

	if (call_new(&call, crew->edge, client, &err)) {
		fall_out(crew, &err);
		return;
	}
	while (!told_to_leave && client->door->next(client) == 0) {
		answer_request(call);
		client->door->finish(client);
	}
	call_free(call);
}

/* AddressSanitizer has a heap of its own; glibc's is not set up then, and trimming
 * it crashes. */
static void give_back_memory(void)
{
#if defined(__SANITIZE_ADDRESS__)
#define HEAP_IS_FOREIGN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEAP_IS_FOREIGN
#endif
#endif
#ifndef HEAP_IS_FOREIGN
	(void)malloc_trim(0);
#endif
}

static void *thread_main(void *argument)
{
	struct seat *seat = argument;
	struct client *client = NULL;
	struct err err;

	if (client_fcgi_new(&client, &seat->crew->gate, &err))
		fall_out(seat->crew, &err);
	else
		work(seat->crew, client);
	client_free(client);
	give_back_memory(); /* it leaves because there is little to do */
	__atomic_store_n(&seat->state, SEAT_LEFT, __ATOMIC_SEQ_CST);
	wake(seat->crew->wake_fd);
	return NULL;
}

/* Gives back the stacks of those that left. */
static void reap(struct crew *crew)
{
	for (size_t i = 0; i < THREADS_MAX; i++) {
		struct seat *seat = &crew->seats[i];

		if (__atomic_load_n(&seat->state, __ATOMIC_SEQ_CST) !=
		    SEAT_LEFT)
			continue;
		(void)pthread_join(seat->thread, NULL);
		seat->state = SEAT_FREE;
	}
}

/* A seat where a thread can be put, or NULL. */
static struct seat *free_seat(struct crew *crew)
{
	for (size_t i = 0; i < THREADS_MAX; i++) {
		if (__atomic_load_n(&crew->seats[i].state, __ATOMIC_SEQ_CST) ==
		    SEAT_FREE)
			return &crew->seats[i];
	}
	return NULL;
}

static int add_thread(struct crew *crew, struct seat *seat, struct err *err)
{
	pthread_attr_t attributes;
	int error;

	seat->crew = crew;
	seat->state = SEAT_TAKEN;
	(void)__atomic_add_fetch(&crew->gate.idle, 1, __ATOMIC_SEQ_CST);
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	error = pthread_create(&seat->thread, &attributes, thread_main, seat);
	(void)pthread_attr_destroy(&attributes);
	if (error == 0)
		return 0;
	seat->state = SEAT_FREE;
	(void)__atomic_sub_fetch(&crew->gate.idle, 1, __ATOMIC_SEQ_CST);
	errno = error;
	return err_errno(err, "cannot make a thread");
}

static bool nobody_idle(const struct crew *crew)
{
	return __atomic_load_n(&crew->gate.idle, __ATOMIC_SEQ_CST) <= 0;
}

/* Should the socket be watched? The order matters: a thread that takes the last
 * place from here on sees that nobody watches, and wakes us. */
static bool must_watch(struct crew *crew)
{
	__atomic_store_n(&crew->watching, 0, __ATOMIC_SEQ_CST);
	if (!nobody_idle(crew) || !free_seat(crew))
		return false;
	__atomic_store_n(&crew->watching, 1, __ATOMIC_SEQ_CST);
	return true;
}

static void rest(const struct crew *crew, int ms)
{
	(void)deadline_poll(crew->wake_fd, POLLIN, deadline_in(ms));
}

/* Somebody waits at the door. */
static void open_door(struct crew *crew)
{
	struct seat *seat = free_seat(crew);
	struct err err;

	if (!nobody_idle(crew) || !seat ||
	    deadline_poll(crew->gate.listen_fd, POLLIN, deadline_in(0)) <= 0) {
		rest(crew, SPURIOUS_PAUSE_MS);
		return;
	}
	if (add_thread(crew, seat, &err)) {
		log_line(LEVEL_WARNING, "msg=\"%s, going on\"", err.text);
		rest(crew, SPAWN_PAUSE_MS);
	}
}

/* Waits for the threads; gives false when some did not leave in time. */
static bool all_left(struct crew *crew)
{
	struct deadline deadline = deadline_in(FINISH_MS);
	struct timespec until = { .tv_sec = deadline.at_ms / 1000,
				  .tv_nsec = deadline.at_ms % 1000 * 1000000 };
	bool left = true;

	wake(crew->gate.leave_fd);
	for (size_t i = 0; i < THREADS_MAX; i++) {
		if (crew->seats[i].state == SEAT_FREE)
			continue;
		if (pthread_clockjoin_np(crew->seats[i].thread, NULL,
					 CLOCK_MONOTONIC, &until) != 0)
			left = false;
		else
			crew->seats[i].state = SEAT_FREE;
	}
	return left;
}

int crew_run(struct crew *crew, struct edge *edge, struct err *err)
{
	crew->edge = edge;
	if (add_thread(crew, &crew->seats[0], err))
		return -1;
	while (!told_to_leave) {
		struct deadline next = upstream_expire(edge_upstream(edge));
		struct pollfd fds[2] = {
			{ .fd = crew->wake_fd, .events = POLLIN },
			{ .fd = must_watch(crew) ? crew->gate.listen_fd : -1,
			  .events = POLLIN },
		};
		uint64_t count;

		if (poll(fds, 2, deadline_left_ms(next)) < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for requests");
		if (fds[0].revents != 0)
			(void)!read(crew->wake_fd, &count, sizeof(count));
		reap(crew);
		if (fds[1].revents != 0 && !told_to_leave)
			open_door(crew);
	}
	if (!all_left(crew))
		return err_set(err, ERR_TIMEOUT,
			       "requests in flight did not end in %d s",
			       FINISH_MS / 1000);
	return 0;
}
