#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "edge/door.h"
#include "edge/gate.h"

#include "base/banned.h"

#define IDLE_MS		10000 /* then a thread that isn't needed leaves */
#define QUIET_MS	100   /* then what a crowd needed is given back */
#define PENDING_MS	20    /* then a thread waits for the gateway */
#define ACCEPT_PAUSE_MS 20    /* when no descriptor or memory is left */
#define LEAVE_LOOKS	2     /* in a row that show nothing else to do */
#define NEWS_LOOKS	200   /* each a ms, for who has only connected */

/* What an event is of; the rest of its data is a descriptor, or an index. */
enum guest_kind {
	GUEST_DOOR,
	GUEST_LEAVE,
	GUEST_PARKED,
	GUEST_NEW, /* has not asked anything yet */
	GUEST_PENDING
};

static uint64_t tag(enum guest_kind kind, int number)
{
	return (uint64_t)kind << 32 | (uint32_t)number;
}

/* With EPOLLONESHOT: what has been told is not told again. */
static int watch(const struct gate *gate, int operation, int fd, uint64_t data)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT,
		.data.u64 = data,
	};

	return epoll_ctl(gate->wait_fd, operation, fd, &event);
}

/* As long as it can be read, that is told, or (EPOLL_CTL_MOD, not open) no more. */
static int watch_always(const struct gate *gate, int operation, int fd,
			enum guest_kind kind, bool open)
{
	struct epoll_event event = { .events = open ? EPOLLIN : 0,
				     .data.u64 = tag(kind, fd) };

	return epoll_ctl(gate->wait_fd, operation, fd, &event);
}

int gate_open(struct gate *gate, int listen_fd, struct err *err)
{
	struct sockaddr_storage own = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(own);
	int flags = fcntl(listen_fd, F_GETFL);

	(void)getsockname(listen_fd, (struct sockaddr *)&own, &len);
	gate->local = own.ss_family == AF_UNIX;
	gate->listen_fd = listen_fd;
	gate->due = deadline_never();
	gate->shut = deadline_never();
	(void)pthread_mutex_init(&gate->lock, NULL);
	gate->wait_fd = epoll_create1(EPOLL_CLOEXEC);
	gate->leave_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (gate->wait_fd < 0 || gate->leave_fd < 0 || flags < 0 ||
	    fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    watch_always(gate, EPOLL_CTL_ADD, listen_fd, GUEST_DOOR, true) !=
		    0 ||
	    watch_always(gate, EPOLL_CTL_ADD, gate->leave_fd, GUEST_LEAVE,
			 true) != 0)
		return err_errno(err, "cannot watch the FastCGI socket");
	return 0;
}

void gate_close(struct gate *gate)
{
	if (gate->wait_fd >= 0)
		(void)close(gate->wait_fd);
	if (gate->leave_fd >= 0)
		(void)close(gate->leave_fd);
	(void)pthread_mutex_destroy(&gate->lock);
}

void gate_leave(struct gate *gate, struct deadline leave_by)
{
	const uint64_t one = 1;

	gate->leave_by = leave_by;
	__atomic_store_n(&gate->leaving, true, __ATOMIC_SEQ_CST);
	(void)!write(gate->leave_fd, &one, sizeof(one));
}

static bool park(struct gate *gate, int fd, enum guest_kind kind)
{
	if (watch(gate, EPOLL_CTL_MOD, fd, tag(kind, fd)) == 0 ||
	    watch(gate, EPOLL_CTL_ADD, fd, tag(kind, fd)) == 0)
		return true;
	(void)close(fd); /* the web server opens another */
	return false;
}

void gate_park(struct gate *gate, int fd)
{
	if (__atomic_load_n(&gate->closing, __ATOMIC_SEQ_CST))
		(void)close(fd);
	else
		(void)park(gate, fd, GUEST_PARKED);
}

void gate_park_new(struct gate *gate, int fd)
{
	(void)__atomic_add_fetch(&gate->news, 1, __ATOMIC_SEQ_CST);
	if (!park(gate, fd, GUEST_NEW))
		(void)__atomic_sub_fetch(&gate->news, 1, __ATOMIC_SEQ_CST);
}

/* The descriptor's number stays taken: the porter may be about to use it. */
bool gate_shut(struct gate *gate)
{
	int fd;

	(void)epoll_ctl(gate->wait_fd, EPOLL_CTL_DEL, gate->listen_fd, NULL);
	/* nothing may come between these two: who connects there is dropped */
	fd = door_accept(gate->listen_fd, gate->local);
	if (fd < 0 && dup3(gate->leave_fd, gate->listen_fd, O_CLOEXEC) >= 0) {
		__atomic_store_n(&gate->closing, true, __ATOMIC_SEQ_CST);
		return true;
	}
	(void)watch_always(gate, EPOLL_CTL_ADD, gate->listen_fd, GUEST_DOOR,
			   true);
	if (fd >= 0)
		gate_park_new(gate, fd);
	return false;
}

bool gate_pend(struct gate_place *place, struct call *call, int fd)
{
	struct gate *gate = place->gate;
	int i = 0;

	if (!place->porter || gate->pending_count >= gate->pending_max ||
	    __atomic_load_n(&gate->leaving, __ATOMIC_SEQ_CST))
		return false;
	while (gate->pending[i].call)
		i++;
	if (watch(gate, EPOLL_CTL_MOD, fd, tag(GUEST_PENDING, i)) != 0 &&
	    watch(gate, EPOLL_CTL_ADD, fd, tag(GUEST_PENDING, i)) != 0)
		return false;
	gate->pending[i] =
		(struct gate_pending){ call, fd, deadline_in(PENDING_MS) };
	(void)__atomic_add_fetch(&gate->pending_count, 1, __ATOMIC_SEQ_CST);
	return true;
}

int gate_pending(const struct gate *gate)
{
	return __atomic_load_n(&gate->pending_count, __ATOMIC_SEQ_CST);
}

/* The one that has been pending for longest, or NULL. */
static struct gate_pending *oldest(struct gate *gate)
{
	struct gate_pending *found = NULL;

	for (int i = 0, seen = 0; seen < gate->pending_count; i++) {
		struct gate_pending *pending = &gate->pending[i];

		if (!pending->call)
			continue;
		seen++;
		if (!found || pending->deadline.at_ms < found->deadline.at_ms)
			found = pending;
	}
	return found;
}

static struct call *let_in(struct gate *gate, struct gate_pending *pending)
{
	struct call *call = pending->call;

	pending->call = NULL;
	(void)__atomic_sub_fetch(&gate->pending_count, 1, __ATOMIC_SEQ_CST);
	return call;
}

static bool is_over(int error)
{
	return error == EBADF || error == EINVAL || error == ENOTSOCK;
}

/* Somebody is at the door: gives a connection, or -1. Where no descriptor or memory is
 * left the door is shut for a while; one that is none any more, for good: those
 * inside are served until we are told to leave. */
static int open_door(struct gate *gate)
{
	int fd = door_accept(gate->listen_fd, gate->local);

	if (fd >= 0 || errno == EAGAIN || errno == EINTR ||
	    errno == ECONNABORTED)
		return fd;
	if (is_over(errno)) {
		(void)epoll_ctl(gate->wait_fd, EPOLL_CTL_DEL, gate->listen_fd,
				NULL);
		return -1;
	}
	gate->shut = deadline_in(ACCEPT_PAUSE_MS);
	(void)watch_always(gate, EPOLL_CTL_MOD, gate->listen_fd, GUEST_DOOR,
			   false);
	return -1;
}

static void look_at_door(struct gate *gate)
{
	if (gate->shut.at_ms == deadline_never().at_ms ||
	    !deadline_passed(gate->shut))
		return;
	gate->shut = deadline_never();
	(void)watch_always(gate, EPOLL_CTL_MOD, gate->listen_fd, GUEST_DOOR,
			   true);
}

enum take { TAKE_GUEST, TAKE_NONE, TAKE_LEAVE };

static enum take take_event(struct gate *gate, const struct epoll_event *event,
			    struct gate_guest *ret)
{
	int number = (int)(uint32_t)event->data.u64;

	*ret = (struct gate_guest){ .fd = -1 };
	switch ((enum guest_kind)(event->data.u64 >> 32)) {
	case GUEST_LEAVE:
		return TAKE_LEAVE;
	case GUEST_PENDING:
		if (!gate->pending[number].call)
			return TAKE_NONE;
		ret->call = let_in(gate, &gate->pending[number]);
		return TAKE_GUEST;
	case GUEST_NEW:
		(void)__atomic_sub_fetch(&gate->news, 1, __ATOMIC_SEQ_CST);
		__attribute__((fallthrough));
	case GUEST_PARKED:
		if (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
			(void)close(number); /* the web server has closed it */
			return TAKE_NONE;
		}
		ret->fd = number;
		return TAKE_GUEST;
	case GUEST_DOOR:
		ret->fd = open_door(gate);
		return ret->fd >= 0 ? TAKE_GUEST : TAKE_NONE;
	}
	return TAKE_NONE;
}

/* One whose gateway takes its time: somebody is to wait for it. */
static bool take_late(struct gate *gate, bool whoever, struct gate_guest *ret)
{
	struct gate_pending *pending = oldest(gate);

	if (!pending || (!whoever && !deadline_passed(pending->deadline)))
		return false;
	(void)epoll_ctl(gate->wait_fd, EPOLL_CTL_DEL, pending->fd, NULL);
	*ret = (struct gate_guest){ .fd = -1, .call = let_in(gate, pending) };
	return true;
}

/* When there is something to do, whatever happens. */
static struct deadline next_step(struct gate *gate)
{
	const struct gate_pending *pending = oldest(gate);

	return pending ? deadline_min(pending->deadline, gate->shut)
		       : gate->shut;
}

static int patience_ms(struct gate *gate)
{
	struct deadline next = next_step(gate);

	if (next.at_ms != deadline_never().at_ms)
		return deadline_left_ms(next);
	return gate->quiet ? -1 : QUIET_MS;
}

/* Who has connected, and is about to ask, is waited for. */
static bool may_leave(struct gate *gate, int looks)
{
	if (gate->pending_count > 0)
		return false;
	if (__atomic_load_n(&gate->news, __ATOMIC_SEQ_CST) <= 0)
		looks += NEWS_LOOKS;
	return deadline_passed(gate->leave_by) ||
	       looks > LEAVE_LOOKS + NEWS_LOOKS;
}

/* As the porter. */
static bool take(struct gate *gate, struct gate_guest *ret)
{
	int leaving = 0;

	for (;;) {
		struct epoll_event event;
		int count;

		if (take_late(gate, leaving > 0, ret))
			return true;
		look_at_door(gate);
		count = epoll_wait(gate->wait_fd, &event, 1,
				   leaving ? 0 : patience_ms(gate));
		if (count < 0 && errno != EINTR)
			return false;
		if (count == 0 && !leaving &&
		    next_step(gate).at_ms == deadline_never().at_ms) {
			gate->quiet = true;
			*ret = (struct gate_guest){ .fd = -1 };
			return true;
		}
		if (count <= 0)
			continue;
		gate->quiet = false;
		switch (take_event(gate, &event, ret)) {
		case TAKE_GUEST:
			return true;
		case TAKE_LEAVE:
			leaving++;
			if (may_leave(gate, leaving))
				return false;
			if (leaving > LEAVE_LOOKS)
				(void)deadline_pause(gate->leave_by, 1);
			break;
		case TAKE_NONE:
			leaving = 0;
			break;
		}
	}
}

void gate_place_init(struct gate_place *place, struct gate *gate, bool counted)
{
	*place = (struct gate_place){ .gate = gate, .counted = counted };
	(void)pthread_cond_init(&place->turn, NULL);
}

void gate_place_free(struct gate_place *place)
{
	(void)pthread_cond_destroy(&place->turn);
}

/* With the lock held. */
static void get_off_stack(struct gate_place *place)
{
	struct gate_place **at = &place->gate->stack;

	while (*at != place)
		at = &(*at)->below;
	*at = place->below;
}

/* Waits to be the porter; false when the thread isn't needed. Who came last is next,
 * so that the others can leave. */
static bool await_turn(struct gate_place *place)
{
	struct gate *gate = place->gate;
	struct timespec until;
	bool needed = true;

	(void)pthread_mutex_lock(&gate->lock);
	place->porter = !gate->kept;
	gate->kept = true;
	if (!place->porter) {
		place->below = gate->stack;
		gate->stack = place;
		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += IDLE_MS / 1000;
	}
	while (!place->porter && needed) {
		if (pthread_cond_clockwait(&place->turn, &gate->lock,
					   CLOCK_MONOTONIC,
					   &until) == ETIMEDOUT &&
		    !place->porter) {
			get_off_stack(place);
			needed = false;
		}
	}
	(void)pthread_mutex_unlock(&gate->lock);
	return needed;
}

static void hand_over(struct gate_place *place)
{
	struct gate *gate = place->gate;
	struct gate_place *next;

	place->porter = false;
	(void)pthread_mutex_lock(&gate->lock);
	next = gate->stack;
	gate->kept = next != NULL;
	if (next) {
		gate->stack = next->below;
		next->porter = true;
		(void)pthread_cond_signal(&next->turn);
	}
	(void)pthread_mutex_unlock(&gate->lock);
}

void gate_step_aside(struct gate_place *place)
{
	struct gate *gate = place->gate;

	if (!place->porter)
		return;
	__atomic_store_n(&gate->due.at_ms, next_step(gate).at_ms,
			 __ATOMIC_SEQ_CST);
	hand_over(place);
	place->counted = false;
	if (__atomic_sub_fetch(&gate->idle, 1, __ATOMIC_SEQ_CST) == 0)
		gate->all_busy(gate);
}

bool gate_take(struct gate_place *place, struct gate_guest *ret)
{
	struct gate *gate = place->gate;

	if (!place->counted)
		(void)__atomic_add_fetch(&gate->idle, 1, __ATOMIC_SEQ_CST);
	place->counted = true;
	if (place->porter || await_turn(place)) {
		if (take(gate, ret))
			return true;
		hand_over(place); /* the others are to leave, too */
	}
	place->counted = false;
	(void)__atomic_sub_fetch(&gate->idle, 1, __ATOMIC_SEQ_CST);
	return false;
}

bool gate_has_guest(struct gate *gate)
{
	return deadline_passed(gate_due(gate)) ||
	       deadline_poll(gate->wait_fd, POLLIN, deadline_in(0)) > 0;
}

struct deadline gate_due(const struct gate *gate)
{
	return (struct deadline){ __atomic_load_n(&gate->due.at_ms,
						  __ATOMIC_SEQ_CST) };
}

bool gate_wait(struct gate *gate, bool waits)
{
	int count = __atomic_add_fetch(&gate->waiting, waits ? 1 : -1,
				       __ATOMIC_SEQ_CST);

	if (waits && count > WAITERS_MAX) {
		(void)__atomic_sub_fetch(&gate->waiting, 1, __ATOMIC_SEQ_CST);
		return false;
	}
	/* there may be a place for one more thread now */
	if (waits && __atomic_load_n(&gate->idle, __ATOMIC_SEQ_CST) <= 0)
		gate->all_busy(gate);
	return true;
}
