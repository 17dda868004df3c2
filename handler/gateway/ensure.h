/* ensure.h - the only door from the request side to a running gateway
 *
 * Reads the row, decides by the table in lifecycle.h, and waits, claims or
 * refuses. Whoever claims starts the keeper and then waits like everybody else;
 * it may be killed at any instruction. Never looks into /proc.
 */
#ifndef WAKEGATE_ENSURE_H
#define WAKEGATE_ENSURE_H

#include "base/deadline.h"
#include "base/err.h"
#include "gateway/settings.h"
#include "store/store.h"

enum ensure_answer {
	ENSURE_READY,	   /* ret_row is ready: go on */
	ENSURE_STARTING,   /* on its way, but the deadline has passed */
	ENSURE_REFUSED,	   /* cooldown or failed: ret_row says why */
	ENSURE_OVERLOADED, /* waiting_max others wait already */
	ENSURE_GONE,	   /* nobody waits for the answer */
};

/* What a request has already seen fail; all zero: nothing. A row that is ready
 * with the same generation and the same ready_ms is not good enough. */
struct seen {
	int64_t generation;
	int64_t ready_ms;
};

/* What the caller found first, where that was not a gateway that it could have at
 * once; and how long it then waited, in all its calls. */
struct found {
	bool known;
	enum gateway_state state;
	int64_t generation;
	int64_t at_ms;
	int64_t waited_ms;
};

struct ensure {
	const struct settings *settings;
	const struct gateway_settings *gateway;
	struct store *store;
	const char *request; /* the request's id, for events; NULL: none */
	enum want want;	     /* WANT_RUN for requests */
	int watch_fd;	     /* a client's socket, -1: none or on_pause() */
	/* NULL, or called before the first pause (begins), where false means that
	 * no more may wait, and, if that was true, when the wait is over */
	bool (*on_wait)(void *user, bool begins);
	/* NULL: watch_fd is looked at; or pauses for ms, and gives false when
	 * nobody waits any more */
	bool (*on_pause)(void *user, int ms);
	/* NULL, or called before what takes more than a look at the row */
	void (*on_slow)(void *user);
	void *user;
	struct found *found; /* NULL: the caller does not ask */
};

/* Unless there is something, or nobody asks (NULL). */
void ensure_note_found(struct found *found, const struct gateway_row *row);

/* Gives 0 and the answer with the row that it rests on, or -1: ERR_STORE and its
 * like, ERR_SYSTEM (no keeper could be started). A deadline that has passed
 * already still claims when nothing runs (the loading page does that). The
 * deadline is for the caller; the start goes on without it. */
int ensure_ready(const struct ensure *ensure, struct seen seen,
		 struct deadline deadline, enum ensure_answer *ret,
		 struct gateway_row *ret_row, struct err *err);

/* Reads the row; a database that was replaced or is damaged is opened anew. */
int ensure_read(const struct ensure *ensure, struct gateway_row *ret,
		struct err *err);

/* For a program that lives long, now and then: a gateway that is ready but whose
 * keeper was killed gets a new one, which adopts it. Waits for nothing. */
int ensure_watched(const struct ensure *ensure, struct err *err);

/* Claims the gateway for ensure->want whatever the row says, if no owner lives,
 * and starts a keeper: for `wakegate stop` and `restart`. ERR_BUSY when an owner
 * lives: ask it by store_want() and lock_poke(). ret_generation: the new one. */
int ensure_claim(const struct ensure *ensure, int64_t *ret_generation,
		 struct err *err);

#endif
