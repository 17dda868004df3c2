#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/ensure.h"
#include "gateway/keeper.h"
#include "gateway/lifecycle.h"
#include "gateway/lock.h"

#include "base/banned.h"

#define PAUSE_FIRST_MS 2
#define PAUSE_MAX_MS   15
#define POKE_EVERY_MS  500
#define CLAIMS_MAX     3 /* by one caller: a keeper that does not stay is a fault */

/* One caller's wait. */
struct wait {
	const struct ensure *ensure;
	struct seen seen;
	struct deadline deadline;
	int lock_fd; /* asks who owns it, and holds our place */
	bool placed;
	int claims;
	int pause_ms;
	struct deadline next_poke;
};

static enum request_action decide(const struct wait *wait,
				  const struct gateway_row *row,
				  bool owner_alive)
{
	struct request_view view = {
		.seen_generation = wait->seen.generation,
		.seen_ready_ms = wait->seen.ready_ms,
		.owner_alive = owner_alive,
		.now_ms = clock_wall_ms(),
		.lease_ms = (int64_t)wait->ensure->gateway->lease_s * 1000,
	};

	return lifecycle_request(row, &view);
}

static void be_slow(const struct ensure *ensure)
{
	if (ensure->on_slow)
		ensure->on_slow(ensure->user);
}

int ensure_read(const struct ensure *ensure, struct gateway_row *ret,
		struct err *err)
{
	const char *name = ensure->gateway->name;

	if (store_read(ensure->store, name, ret, err) == 0)
		return 0;
	if (err->code != ERR_STORE_MOVED && err->code != ERR_CORRUPT)
		return -1;
	be_slow(ensure);
	if (store_reopen(ensure->store, err))
		return -1;
	return store_read(ensure->store, name, ret, err);
}

/* Opens the lock file and takes the byte. */
static int open_taken(int *ret, const struct ensure *ensure,
		      enum lock_byte byte, struct err *err)
{
	CLEANUP_FD int fd = -1;

	if (lock_open(&fd, ensure->settings->state_dir, ensure->gateway->name,
		      err) ||
	    lock_take(fd, byte, err))
		return -1;
	*ret = STEAL_FD(fd);
	return 0;
}

/* The owner of a generation that was not over is gone. */
static void note_lost(const struct ensure *ensure,
		      const struct gateway_row *row)
{
	struct event event = { .generation = row->generation,
			       .kind = "owner_lost",
			       .pid = row->owner.pid };
	struct err ignored; /* history is best effort */

	(void)snprintf(event.gateway, sizeof(event.gateway), "%s", row->name);
	(void)store_event(ensure->store, &event, &ignored);
}

/* The caller holds the owner's byte through lock_fd. */
static int claim_row(const struct ensure *ensure, const struct gateway_row *row,
		     int lock_fd, int64_t *ret_generation, struct err *err)
{
	int64_t generation = 0;

	if (store_claim(ensure->store, row->name, row->generation, ensure->want,
			ensure->gateway->address_text, ensure->request,
			&generation, err))
		return -1;
	if (row->state >= STATE_RESTORING && row->state <= STATE_STOPPING)
		note_lost(ensure, row);
	if (keeper_start(ensure->settings, ensure->gateway, lock_fd, generation,
			 false, err))
		return -1;
	*ret_generation = generation;
	return 0;
}

/* Nobody owns it: be the one. Somebody who was faster is no error. */
static int claim(struct wait *wait, struct err *err)
{
	const struct ensure *ensure = wait->ensure;
	CLEANUP_FD int fd = -1;
	struct gateway_row row;
	int64_t generation;

	if (open_taken(&fd, ensure, LOCK_OWNER, err))
		return err->code == ERR_BUSY ? 0 : -1;
	if (ensure_read(ensure, &row, err))
		return -1;
	if (decide(wait, &row, false) != REQUEST_CLAIM)
		return 0;
	if (wait->claims++ == CLAIMS_MAX)
		return err_set(err, ERR_SYSTEM,
			       "the keeper ended %d times; see "
			       "'%s/wakegate.log'",
			       CLAIMS_MAX, ensure->settings->state_dir);
	if (claim_row(ensure, &row, fd, &generation, err) == 0 ||
	    err->code == ERR_BUSY)
		return 0;
	if (err->code == ERR_STORE_MOVED || err->code == ERR_CORRUPT)
		return store_reopen(ensure->store, err);
	return -1;
}

/* The owner is silent: start the one that ends it. */
static int replace(const struct wait *wait, const struct gateway_row *row,
		   struct err *err)
{
	const struct ensure *ensure = wait->ensure;
	CLEANUP_FD int fd = -1;

	if (open_taken(&fd, ensure, LOCK_REPLACER, err))
		return err->code == ERR_BUSY ? 0 : -1;
	return keeper_start(ensure->settings, ensure->gateway, fd,
			    row->generation, true, err);
}

/* One step; sets *done with *answer when the wait is over. */
static int step(struct wait *wait, const struct gateway_row *row, bool *done,
		enum ensure_answer *answer, struct err *err)
{
	bool owner_alive = false;

	if (lock_is_taken(wait->lock_fd, LOCK_OWNER, &owner_alive, err))
		return -1;
	switch (decide(wait, row, owner_alive)) {
	case REQUEST_PASS:
		*done = true;
		*answer = ENSURE_READY;
		return 0;
	case REQUEST_REFUSE:
		*done = true;
		*answer = ENSURE_REFUSED;
		return 0;
	case REQUEST_CLAIM:
		return claim(wait, err);
	case REQUEST_REPLACE:
		return replace(wait, row, err);
	case REQUEST_POKE:
		if (deadline_passed(wait->next_poke)) {
			lock_poke(wait->lock_fd);
			wait->next_poke = deadline_in(POKE_EVERY_MS);
		}
		return 0;
	case REQUEST_WAIT:
	default:
		return 0;
	}
}

/* False when nobody waits for the answer any more. */
static bool pause_once(struct wait *wait)
{
	const struct ensure *ensure = wait->ensure;
	struct pollfd client = { .fd = ensure->watch_fd, .events = POLLRDHUP };
	int left = deadline_left_ms(wait->deadline);
	int ms = left >= 0 && left < wait->pause_ms ? left : wait->pause_ms;

	wait->pause_ms += wait->pause_ms / 2;
	if (wait->pause_ms > PAUSE_MAX_MS)
		wait->pause_ms = PAUSE_MAX_MS;
	return ensure->on_pause ? ensure->on_pause(ensure->user, ms)
				: poll(&client, 1, ms) <= 0;
}

/* Before the first pause: a place among the waiters. */
static int take_place(struct wait *wait, bool *done, enum ensure_answer *answer,
		      struct err *err)
{
	const struct ensure *ensure = wait->ensure;

	if (wait->placed)
		return 0;
	if (!ensure->on_wait || ensure->on_wait(ensure->user, true)) {
		wait->placed = true;
		if (lock_wait_place(wait->lock_fd, ensure->gateway->waiting_max,
				    err) == 0)
			return 0;
		if (err->code != ERR_BUSY)
			return -1;
	}
	*done = true;
	*answer = ENSURE_OVERLOADED;
	return 0;
}

static int wait_until_done(struct wait *wait, struct gateway_row *row,
			   enum ensure_answer *answer, struct err *err)
{
	bool done = false;

	for (;;) {
		if (step(wait, row, &done, answer, err))
			return -1;
		if (done)
			return 0;
		if (deadline_passed(wait->deadline)) {
			*answer = ENSURE_STARTING;
			return 0;
		}
		if (take_place(wait, &done, answer, err))
			return -1;
		if (done)
			return 0;
		if (!pause_once(wait)) {
			*answer = ENSURE_GONE;
			return 0;
		}
		if (ensure_read(wait->ensure, row, err))
			return -1;
	}
}

void ensure_note_found(struct found *found, const struct gateway_row *row)
{
	if (!found || found->known)
		return;
	*found = (struct found){
		.known = true,
		.state = row->state,
		.generation = row->generation,
		.at_ms = clock_wall_ms(),
	};
}

int ensure_ready(const struct ensure *ensure, struct seen seen,
		 struct deadline deadline, enum ensure_answer *ret,
		 struct gateway_row *ret_row, struct err *err)
{
	struct wait wait = { .ensure = ensure,
			     .seen = seen,
			     .deadline = deadline,
			     .lock_fd = -1,
			     .pause_ms = PAUSE_FIRST_MS };
	enum ensure_answer answer = ENSURE_READY;
	int result = 0;

	if (ensure_read(ensure, ret_row, err))
		return -1;
	if (decide(&wait, ret_row, true) != REQUEST_PASS) {
		int64_t began_ms = clock_mono_ms();

		be_slow(ensure);
		ensure_note_found(ensure->found, ret_row);
		if (lock_open(&wait.lock_fd, ensure->settings->state_dir,
			      ensure->gateway->name, err))
			return -1;
		result = wait_until_done(&wait, ret_row, &answer, err);
		(void)close(wait.lock_fd);
		if (wait.placed && ensure->on_wait)
			(void)ensure->on_wait(ensure->user, false);
		if (ensure->found)
			ensure->found->waited_ms += clock_mono_ms() - began_ms;
	}
	if (result == 0)
		*ret = answer;
	return result;
}

int ensure_claim(const struct ensure *ensure, int64_t *ret_generation,
		 struct err *err)
{
	CLEANUP_FD int fd = -1;
	struct gateway_row row;

	if (open_taken(&fd, ensure, LOCK_OWNER, err) ||
	    ensure_read(ensure, &row, err))
		return -1;
	return claim_row(ensure, &row, fd, ret_generation, err);
}

int ensure_watched(const struct ensure *ensure, struct err *err)
{
	struct ensure same = *ensure;
	CLEANUP_FD int fd = -1;
	struct gateway_row row;
	int64_t generation;

	if (open_taken(&fd, ensure, LOCK_OWNER, err))
		return err->code == ERR_BUSY ? 0 : -1;
	if (ensure_read(ensure, &row, err))
		return -1;
	if (row.state != STATE_READY)
		return 0;
	same.want = row.want; /* what a person wanted of it stays */
	return claim_row(&same, &row, fd, &generation, err);
}
