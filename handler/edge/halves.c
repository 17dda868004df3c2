#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "edge/fcgi_look.h"
#include "edge/halves.h"

#include "base/banned.h"

#define HALVES_MAX  256
#define PATIENCE_MS 5000 /* for the rest of a request's head */

struct half {
	int fd;
	struct deadline deadline;
};

struct halves {
	int wait_fd;
	pthread_mutex_t lock;
	size_t count;
	struct half all[HALVES_MAX];
};

int halves_new(struct halves **ret, struct err *err)
{
	struct halves *self = calloc(1, sizeof(*self));

	if (!self)
		return err_errno(err, "cannot start");
	self->wait_fd = epoll_create1(EPOLL_CLOEXEC);
	if (self->wait_fd < 0) {
		free(self);
		return err_errno(err, "cannot watch connections");
	}
	(void)pthread_mutex_init(&self->lock, NULL);
	*ret = self;
	return 0;
}

void halves_free(struct halves *halves)
{
	if (!halves)
		return;
	for (size_t i = 0; i < halves->count; i++)
		(void)close(halves->all[i].fd);
	(void)close(halves->wait_fd);
	(void)pthread_mutex_destroy(&halves->lock);
	free(halves);
}

int halves_fd(const struct halves *halves)
{
	return halves->wait_fd;
}

/* Edge-triggered: what lies there already wakes nobody, but once, so that the
 * deadline is seen to. */
bool halves_add(struct halves *halves, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET,
				     .data.fd = fd };
	bool added = false;

	(void)pthread_mutex_lock(&halves->lock);
	if (halves->count < HALVES_MAX) {
		halves->all[halves->count++] =
			(struct half){ fd, deadline_in(PATIENCE_MS) };
		added = epoll_ctl(halves->wait_fd, EPOLL_CTL_ADD, fd, &event) ==
			0;
		if (!added)
			halves->count--;
	}
	(void)pthread_mutex_unlock(&halves->lock);
	return added;
}

/* Gives true when it is no half any more. */
static bool settle(struct halves *halves, const struct half *half,
		   struct gate *gate)
{
	bool ends;
	enum fcgi_said said = fcgi_look(half->fd, &ends);

	if (said == FCGI_SAID_ENOUGH) {
		(void)epoll_ctl(halves->wait_fd, EPOLL_CTL_DEL, half->fd, NULL);
		gate_park(gate, half->fd);
		return true;
	}
	if (said != FCGI_SAID_LAST && !deadline_passed(half->deadline))
		return false;
	log_line(LEVEL_INFO, "msg=\"the web server sent half a request\"");
	(void)close(half->fd);
	return true;
}

/* They are few, and it is rare that there are any: each is looked at. */
struct deadline halves_step(struct halves *halves, struct gate *gate)
{
	struct deadline next = deadline_never();
	struct epoll_event events[HALVES_MAX];

	(void)pthread_mutex_lock(&halves->lock);
	if (halves->count > 0)
		(void)epoll_wait(halves->wait_fd, events, HALVES_MAX, 0);
	for (size_t i = halves->count; i-- > 0;) {
		if (settle(halves, &halves->all[i], gate))
			halves->all[i] = halves->all[--halves->count];
		else
			next = deadline_min(next, halves->all[i].deadline);
	}
	(void)pthread_mutex_unlock(&halves->lock);
	return next;
}
