#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/deadline.h"
#include "base/limits.h"
#include "edge/tunnel.h"

#include "base/banned.h"

#define LAST_WORDS_MS 1000 /* for the client's, when it has gone */

/* One way. */
struct pump {
	int from, to;
	bool ended; /* nothing more will come */
	bool over;  /* and all of it has been written */
	size_t begin, end;
	char buf[RELAY_BYTES];
};

static bool is_empty(const struct pump *pump)
{
	return pump->begin == pump->end;
}

static bool must_wait(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static void pump_read(struct pump *pump)
{
	ssize_t count = read(pump->from, pump->buf, sizeof(pump->buf));

	if (count > 0) {
		pump->begin = 0;
		pump->end = (size_t)count;
	} else if (count == 0 || !must_wait()) {
		pump->ended = true; /* one that broke off has ended as well */
	}
}

/* -1: nobody takes it any more. */
static int pump_write(struct pump *pump)
{
	ssize_t count = write(pump->to, pump->buf + pump->begin,
			      pump->end - pump->begin);

	if (count < 0)
		return must_wait() ? 0 : -1;
	pump->begin += (size_t)count;
	return 0;
}

static int pump_step(struct pump *pump)
{
	if (is_empty(pump) && !pump->ended)
		pump_read(pump);
	return is_empty(pump) ? 0 : pump_write(pump);
}

/* The client has gone; what it said before is in the pipe. */
static void last_words(struct pump *up)
{
	struct deadline deadline = deadline_in(LAST_WORDS_MS);

	while (!up->over && pump_step(up) == 0 && !is_empty(up)) {
		if (deadline_poll(up->to, POLLOUT, deadline) <= 0)
			return;
	}
}

/* What can't be acted on now isn't waited for; a client that has gone is always
 * seen (POLLERR). */
static void prepare(struct pollfd fds[4], const struct pump *up,
		    const struct pump *down, int signal_fd)
{
	short gateway = 0;

	if (!up->over && !is_empty(up))
		gateway |= POLLOUT;
	if (!down->ended && is_empty(down))
		gateway |= POLLIN;
	fds[0] = (struct pollfd){
		.fd = !up->ended && is_empty(up) ? up->from : -1,
		.events = POLLIN,
	};
	fds[1] = (struct pollfd){ .fd = gateway ? down->from : -1,
				  .events = gateway };
	fds[2] = (struct pollfd){ .fd = down->over ? -1 : down->to,
				  .events = is_empty(down) ? 0 : POLLOUT };
	fds[3] = (struct pollfd){ .fd = signal_fd, .events = POLLIN };
}

/* Passes an end on. */
static void settle(struct pump *up, struct pump *down)
{
	if (!up->over && up->ended && is_empty(up)) {
		up->over = true;
		(void)shutdown(up->to, SHUT_WR);
	}
	if (!down->over && down->ended && is_empty(down)) {
		down->over = true;
		(void)close(down->to);
	}
}

static int run(struct pump *up, struct pump *down, int signal_fd,
	       struct err *err)
{
	while (!up->over || !down->over) {
		struct pollfd fds[4];

		prepare(fds, up, down, signal_fd);
		if (poll(fds, 4, -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_errno(err, "cannot wait for either side");
		}
		if (fds[3].revents != 0) {
			last_words(up);
			return 0;
		}
		if (fds[2].revents & (POLLERR | POLLHUP | POLLNVAL))
			return 0;
		if ((fds[0].revents || (fds[1].revents & ~POLLIN)) &&
		    pump_step(up)) {
			/* it reads no more, but may have spoken before */
			up->ended = true;
			up->begin = up->end;
		}
		if (((fds[1].revents & ~POLLOUT) || fds[2].revents) &&
		    pump_step(down))
			return 0;
		settle(up, down);
	}
	return 0;
}

static sigset_t end_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	return set;
}

void tunnel_prepare(void)
{
	sigset_t set = end_signals();

	(void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* can't fail */
}

static int open_signals(int *ret, struct err *err)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set = end_signals();

	(void)sigemptyset(&ignore.sa_mask);
	if (sigaction(SIGPIPE, &ignore, NULL) != 0)
		return err_errno(err, "cannot take signals");
	*ret = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret < 0 ? err_errno(err, "cannot take signals") : 0;
}

static void unblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int tunnel_run(int gateway_fd, struct err *err)
{
	CLEANUP_FD int gateway = gateway_fd;
	CLEANUP_FD int signal_fd = -1;
	struct pump up = { .from = STDIN_FILENO, .to = gateway };
	struct pump down = { .from = gateway, .to = STDOUT_FILENO };

	if (open_signals(&signal_fd, err))
		return -1;
	unblock(STDIN_FILENO);
	unblock(STDOUT_FILENO);
	return run(&up, &down, signal_fd, err);
}
