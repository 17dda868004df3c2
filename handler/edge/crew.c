#include "config.h"

#include <errno.h>
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
#include "base/memory.h"
#include "edge/answer.h"
#include "edge/crew.h"
#include "edge/desk.h"
#include "edge/gate.h"
#include "edge/halves.h"
#include "edge/record.h"

#include "base/banned.h"

#define STACK_BYTES	  (512 * 1024)
#define FINISH_MS	  30000 /* for requests in flight, when we leave */
#define LAST_MS		  1000	/* for those at the door then */
#define SPURIOUS_PAUSE_MS 2   /* a thread was faster than we: look less often */
#define SPAWN_PAUSE_MS	  100 /* no thread could be made */

enum seat_state { SEAT_FREE, SEAT_TAKEN, SEAT_LEFT };

struct seat {
	struct crew *crew;
	pthread_t thread;
	int state;
};

struct crew {
	struct gate gate; /* first: all_busy() gets it */
	int wake_fd;
	int watching;  /* does crew_run() watch the gate? */
	int in_flight; /* requests */
	struct edge *edge;
	struct desks desks; /* the porter's */
	size_t threads;	    /* that may be at work */
	size_t seats_count;
	size_t seats_used; /* no seat behind these has a thread */
	struct seat seats[];
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
static void all_busy(struct gate *gate)
{
	struct crew *crew = (struct crew *)gate;

	if (!__atomic_load_n(&crew->watching, __ATOMIC_SEQ_CST) ||
	    gate_due(gate).at_ms != deadline_never().at_ms)
		wake(crew->wake_fd);
}

void crew_wake(void *crew)
{
	wake(((struct crew *)crew)->wake_fd);
}

/* Gives back what a crowd, or a large response, needed. */
static void tidy(struct crew *crew, struct call *call)
{
	bool many = desks_clear(&crew->desks);

	if (call)
		call_trim(call);
	if (many)
		memory_give_back();
}

int crew_new(struct crew **ret, int listen_fd, int threads, struct err *err)
{
	size_t count = (size_t)threads + WAITERS_MAX;
	struct crew *self =
		calloc(1, sizeof(*self) + count * sizeof(self->seats[0]));

	if (!self)
		return err_errno(err, "cannot start");
	self->threads = (size_t)threads;
	self->seats_count = count;
	self->gate.all_busy = all_busy;
	self->gate.pending_max =
		threads < GATE_PENDING_MAX ? threads : GATE_PENDING_MAX;
	self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	signal_fd = self->wake_fd;
	if (self->wake_fd < 0)
		err_fill_errno(err, "cannot make an eventfd");
	if (gate_open(&self->gate, listen_fd, err) || self->wake_fd < 0 ||
	    halves_new(&self->gate.halves, err) || catch_signals(err)) {
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
	(void)desks_clear(&crew->desks);
	gate_close(&crew->gate);
	halves_free(crew->gate.halves);
	if (crew->wake_fd >= 0)
		(void)close(crew->wake_fd);
	free(crew);
}

static void finish(struct crew *crew, struct call *call)
{
	call->client->door->finish(call->client);
	record_end(call);
	(void)__atomic_sub_fetch(&crew->in_flight, 1, __ATOMIC_SEQ_CST);
	if (told_to_leave)
		wake(crew->wake_fd);
}

/* Gives false when the call is pending: not the thread's any more. */
static bool begin(struct crew *crew, struct gate_place *place,
		  struct call *call, int fd)
{
	if (client_fcgi_take(call->client, place, fd))
		return true;
	(void)__atomic_add_fetch(&crew->in_flight, 1, __ATOMIC_SEQ_CST);
	if (!answer_begin(call)) {
		if (gate_pend(place, call, call->exchange.fd))
			return false;
		answer_end(call);
	}
	finish(crew, call);
	return true;
}

static void no_desk(struct gate_place *place, int fd)
{
	(void)close(fd);
	gate_step_aside(place);
	(void)deadline_pause(deadline_never(), SPAWN_PAUSE_MS);
}

static void work(struct crew *crew, struct gate_place *place)
{
	struct call *call = NULL; /* the thread's own */
	struct gate_guest guest;

	while (gate_take(place, &guest)) {
		if (guest.call) {
			desk_leave(&crew->desks, call);
			call = guest.call;
			client_fcgi_move(call->client, place);
			answer_end(call);
			finish(crew, call);
			continue;
		}
		if (guest.fd < 0) {
			tidy(crew, call);
			continue;
		}
		if (!call)
			call = desk_take(&crew->desks);
		if (!call)
			no_desk(place, guest.fd);
		else if (!begin(crew, place, call, guest.fd))
			call = NULL;
	}
	desk_free(call);
}

static void *thread_main(void *argument)
{
	struct seat *seat = argument;
	struct crew *crew = seat->crew;
	struct gate_place place;

	gate_place_init(&place, &crew->gate, true);
	work(crew, &place);
	gate_place_free(&place);
	__atomic_store_n(&seat->state, SEAT_LEFT, __ATOMIC_SEQ_CST);
	wake(crew->wake_fd);
	return NULL;
}

/* Gives back the stacks of those that left, and, since they leave because there is
 * little to do, what they needed. */
static void reap(struct crew *crew)
{
	bool left = false;

	for (size_t i = 0; i < crew->seats_used; i++) {
		struct seat *seat = &crew->seats[i];

		if (__atomic_load_n(&seat->state, __ATOMIC_SEQ_CST) !=
		    SEAT_LEFT)
			continue;
		(void)pthread_join(seat->thread, NULL);
		seat->state = SEAT_FREE;
		left = true;
	}
	if (left)
		memory_give_back();
	while (crew->seats_used > 0 &&
	       crew->seats[crew->seats_used - 1].state == SEAT_FREE)
		crew->seats_used--;
}

/* A seat where a thread can be put, or NULL. Requests that wait for a gateway, and
 * responses that last, do not count: however many they are, others are answered. */
static struct seat *free_seat(struct crew *crew)
{
	int waiting = __atomic_load_n(&crew->gate.waiting, __ATOMIC_SEQ_CST);
	struct seat *found = NULL;
	size_t taken = 0;

	for (size_t i = 0; i < crew->seats_used; i++) {
		struct seat *seat = &crew->seats[i];

		if (__atomic_load_n(&seat->state, __ATOMIC_SEQ_CST) !=
		    SEAT_FREE)
			taken++;
		else if (!found)
			found = seat;
	}
	if (!found && crew->seats_used < crew->seats_count)
		found = &crew->seats[crew->seats_used];
	return taken < crew->threads + (size_t)waiting ? found : NULL;
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
	if (error == 0) {
		if (seat == &crew->seats[crew->seats_used])
			crew->seats_used++;
		return 0;
	}
	seat->state = SEAT_FREE;
	(void)__atomic_sub_fetch(&crew->gate.idle, 1, __ATOMIC_SEQ_CST);
	errno = error;
	return err_errno(err, "cannot make a thread");
}

static bool nobody_idle(const struct crew *crew)
{
	return __atomic_load_n(&crew->gate.idle, __ATOMIC_SEQ_CST) <= 0;
}

/* Should the gate be watched? The order matters: a thread that takes the last
 * place from here on sees that nobody watches, and wakes us. */
static bool must_watch(struct crew *crew)
{
	__atomic_store_n(&crew->watching, 0, __ATOMIC_SEQ_CST);
	if (!nobody_idle(crew) || !free_seat(crew))
		return false;
	__atomic_store_n(&crew->watching, 1, __ATOMIC_SEQ_CST);
	return true;
}

static void hush(const struct crew *crew)
{
	uint64_t count;

	(void)!read(crew->wake_fd, &count, sizeof(count));
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

	if (!nobody_idle(crew) || !seat || !gate_has_guest(&crew->gate)) {
		rest(crew, SPURIOUS_PAUSE_MS);
		return;
	}
	if (add_thread(crew, seat, &err)) {
		log_line(LEVEL_WARNING, "msg=\"%s, going on\"", err.text);
		rest(crew, SPAWN_PAUSE_MS);
	}
}

/* Is somebody still to be let in? */
static bool is_knocked(const struct crew *crew, struct deadline deadline)
{
	if (gate_pending(&crew->gate) > 0)
		return !deadline_passed(deadline);
	return !crew->gate.closing && !deadline_passed(crew->gate.leave_by) &&
	       deadline_poll(crew->gate.listen_fd, POLLIN, deadline_in(0)) > 0;
}

static bool join(struct crew *crew, struct deadline deadline)
{
	struct timespec until = { .tv_sec = deadline.at_ms / 1000,
				  .tv_nsec = deadline.at_ms % 1000 * 1000000 };
	bool left = true;

	for (size_t i = 0; i < crew->seats_used; i++) {
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

/* Sees to what is to be done now, or else waits until it is. */
static int tend(struct crew *crew, struct deadline until, struct err *err)
{
	struct edge *edge = crew->edge;
	struct halves *halves = crew->gate.halves;
	struct deadline next =
		deadline_min(deadline_min(upstream_expire(edge_upstream(edge)),
					  edge_flush_due(edge)),
			     halves_step(halves, &crew->gate));
	bool watches = must_watch(crew);
	struct deadline due =
		watches ? gate_due(&crew->gate) : deadline_never();
	struct pollfd fds[3] = {
		{ .fd = crew->wake_fd, .events = POLLIN },
		{ .fd = watches ? crew->gate.wait_fd : -1, .events = POLLIN },
		{ .fd = halves_fd(halves), .events = POLLIN },
	};

	next = deadline_min(deadline_min(next, due), until);
	if (poll(fds, 3, deadline_left_ms(next)) < 0 && errno != EINTR)
		return err_errno(err, "cannot wait for requests");
	if (fds[0].revents != 0)
		hush(crew);
	reap(crew);
	if (deadline_passed(edge_flush_due(edge)))
		edge_flush(edge);
	if (fds[1].revents != 0 || deadline_passed(due))
		open_door(crew);
	return 0;
}

/* Until no request is in flight. Where none of the web server's connections is kept
 * there is nobody to serve meanwhile, and the sooner we leave after the last one, the
 * fewer come too late. */
static void serve_last(struct crew *crew, struct deadline deadline)
{
	struct deadline last = deadline_in(LAST_MS);
	struct err err;

	while (__atomic_load_n(&crew->gate.keeps, __ATOMIC_RELAXED) &&
	       __atomic_load_n(&crew->in_flight, __ATOMIC_SEQ_CST) > 0 &&
	       !deadline_passed(deadline) &&
	       tend(crew, deadline_min(last, deadline), &err) == 0) {
		if (!deadline_passed(last))
			continue;
		if (gate_shut(&crew->gate))
			last = deadline_never();
	}
}

/* False: somebody came just now. */
static bool shut(struct crew *crew)
{
	if (gate_shut(&crew->gate))
		return true;
	open_door(crew);
	return false;
}

/* Waits for the threads; gives false when some did not leave in time. Who has
 * connected by now is answered; who comes later is refused, not dropped. */
static bool all_left(struct crew *crew)
{
	struct deadline deadline = deadline_in(FINISH_MS);
	bool left;

	serve_last(crew, deadline);
	gate_leave(&crew->gate, deadline_in(LAST_MS));
	do {
		while (is_knocked(crew, deadline)) {
			hush(crew);
			open_door(crew);
		}
		left = join(crew, deadline);
	} while (left && !shut(crew) && !deadline_passed(deadline));
	(void)close(crew->gate.listen_fd);
	return left;
}

int crew_run(struct crew *crew, struct edge *edge, struct err *err)
{
	crew->edge = edge;
	crew->desks.edge = edge;
	if (add_thread(crew, &crew->seats[0], err))
		return -1;
	while (!told_to_leave)
		if (tend(crew, deadline_never(), err))
			return -1;
	if (!all_left(crew))
		return err_set(err, ERR_TIMEOUT,
			       "requests in flight did not end in %d s",
			       FINISH_MS / 1000);
	return 0;
}
