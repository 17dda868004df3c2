#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/scout.h"

#include "base/banned.h"

#define SCOUT_DEATH_MS	100
#define SCOUT_HUNG_MAX	64
#define SCOUT_HUNG_MS	10000
#define SCOUT_TICK_MS	50
#define SCOUT_TICKS	20   /* without a step: it hangs */
#define SCOUT_PUT_BYTES 4096 /* PIPE_BUF: whole or not at all */

/* Shared with the child. */
struct progress {
	volatile uint32_t steps;
	volatile pid_t at;
};

struct scout {
	struct progress *progress;
	int fd;
	char pending[SCOUT_PUT_BYTES];
	size_t pending_len;
};

/* What hung hangs again: for a while it is not waited for. */
static struct {
	pid_t pid;
	struct deadline until;
} hung[SCOUT_HUNG_MAX];
static size_t hung_count;

/* Children that hang so that not even SIGKILL ends them now. */
static pid_t undead_pids[SCOUT_HUNG_MAX];
static size_t undead_count;

static bool is_hung(pid_t pid)
{
	for (size_t i = 0; i < hung_count; i++)
		if (hung[i].pid == pid)
			return true;
	return false;
}

bool scout_at(struct scout *scout, pid_t pid)
{
	if (pid && is_hung(pid))
		return false;
	scout->progress->at = pid;
	scout->progress->steps++;
	return true;
}

/* Gives those another try whose time is over. */
static void forget_hung(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < hung_count; i++)
		if (!deadline_passed(hung[i].until))
			hung[kept++] = hung[i];
	hung_count = kept;
}

void scout_reaped(pid_t pid)
{
	for (size_t i = 0; i < undead_count; i++)
		if (undead_pids[i] == pid)
			undead_pids[i] = undead_pids[--undead_count];
}

bool scout_is_one(pid_t pid)
{
	for (size_t i = 0; i < undead_count; i++)
		if (undead_pids[i] == pid)
			return true;
	return pid == getpid();
}

static void flush(struct scout *scout)
{
	size_t done = 0;

	while (done < scout->pending_len) {
		ssize_t len = write(scout->fd, scout->pending + done,
				    scout->pending_len - done);

		if (len < 0 && errno != EINTR)
			_exit(1);
		done += len > 0 ? (size_t)len : 0;
	}
	scout->pending_len = 0;
}

void scout_put(struct scout *scout, const void *record, size_t len)
{
	if (scout->pending_len + len > sizeof(scout->pending))
		flush(scout);
	memcpy(scout->pending + scout->pending_len, record, len);
	scout->pending_len += len;
}

/* True at the end of file. */
static bool drain(int fd, struct buffer *out)
{
	for (;;) {
		char *room = buffer_room(out, SCOUT_PUT_BYTES);
		ssize_t len;

		if (!room)
			return true;
		len = read(fd, room, SCOUT_PUT_BYTES);
		if (len == 0)
			return true;
		if (len < 0)
			return errno != EAGAIN && errno != EINTR;
		out->len += (size_t)len;
	}
}

enum outcome { OUTCOME_DONE, OUTCOME_HUNG, OUTCOME_TIMEOUT };

static enum outcome watch(int fd, const struct progress *progress,
			  struct deadline deadline, struct buffer *out)
{
	uint32_t steps = progress->steps;
	int ticks = 0; /* not time: the machine itself may stand still */

	while (ticks < SCOUT_TICKS) {
		int ready = deadline_poll(
			fd, POLLIN,
			deadline_min(deadline_in(SCOUT_TICK_MS), deadline));

		if (drain(fd, out))
			return OUTCOME_DONE;
		if (progress->steps != steps)
			ticks = 0;
		else if (ready == 0)
			ticks++;
		steps = progress->steps;
		if (deadline_passed(deadline))
			return OUTCOME_TIMEOUT;
	}
	return OUTCOME_HUNG;
}

/* Kills the child; one that can't die now is reaped by the keeper later. */
static void dismiss(pid_t child, bool done)
{
	struct deadline deadline = deadline_in(SCOUT_DEATH_MS);

	if (done) {
		(void)waitpid(child, NULL, 0);
		return;
	}
	(void)kill(child, SIGKILL);
	while (waitpid(child, NULL, WNOHANG) == 0)
		if (!deadline_pause(deadline, 1)) {
			if (undead_count < SCOUT_HUNG_MAX)
				undead_pids[undead_count++] = child;
			return;
		}
}

static int run_once(void (*function)(struct scout *, const void *),
		    const void *argument, struct progress *progress,
		    struct deadline deadline, struct buffer *out)
{
	CLEANUP_FD int from = -1;
	CLEANUP_FD int to = -1;
	enum outcome outcome;
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	from = ends[0];
	to = ends[1];
	(void)fcntl(from, F_SETFL, O_NONBLOCK);
	progress->at = 0;
	child = fork();
	if (child < 0)
		return -1;
	if (child == 0) {
		struct scout scout = { .progress = progress, .fd = to };

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* above all the lock: a child that hangs must not hold it */
		(void)close_range(3, (unsigned)to - 1, 0);
		(void)close_range((unsigned)to + 1, ~0U, 0);
		function(&scout, argument);
		flush(&scout);
		_exit(0);
	}
	(void)close(STEAL_FD(to));
	outcome = watch(from, progress, deadline, out);
	dismiss(child, outcome == OUTCOME_DONE);
	return (int)outcome;
}

static int run_until_done(void (*function)(struct scout *, const void *),
			  const void *argument, struct progress *progress,
			  struct deadline deadline, struct buffer *out)
{
	for (;;) {
		int outcome;

		buffer_clear(out);
		outcome = run_once(function, argument, progress, deadline, out);
		if (outcome != OUTCOME_HUNG)
			return outcome;
		if (progress->at == 0 || hung_count == SCOUT_HUNG_MAX)
			return OUTCOME_TIMEOUT;
		hung[hung_count].pid = progress->at;
		hung[hung_count++].until = deadline_in(SCOUT_HUNG_MS);
	}
}

int scout_run(void (*function)(struct scout *, const void *),
	      const void *argument, struct deadline deadline,
	      struct buffer *out, bool *ret_hung, struct err *err)
{
	struct progress *progress =
		mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int outcome;

	forget_hung();
	if (progress == MAP_FAILED)
		return err_errno(err, "cannot share memory with a child");
	outcome = run_until_done(function, argument, progress, deadline, out);
	(void)munmap(progress, sizeof(*progress));
	if (outcome < 0)
		return err_errno(err, "cannot start a child to look around");
	if (outcome != OUTCOME_DONE)
		return err_set(err, ERR_TIMEOUT, "/proc does not answer");
	if (!buffer_ok(out))
		return err_set(err, ERR_LIMIT, "too many processes");
	*ret_hung = hung_count > 0;
	return 0;
}
