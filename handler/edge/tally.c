#include "config.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "edge/spill.h"
#include "edge/tally.h"
#include "store/observed.h"

#include "base/banned.h"

struct tally {
	struct tally *next;
	struct tallies *all;
	char gateway[GATEWAY_NAME_BYTES];
	int64_t counts[TALLY_MAX_];
	char state_dir[];
};

struct tallies {
	pthread_mutex_t lock; /* around making one, and flushing */
	struct tally *first;  /* only ever grows */
	bool dirty;
	int64_t due_ms;
	void (*arm)(void *user);
	void *user;
};

static const struct {
	const char *name;
	const char *label;
} words[TALLY_REFUSED] = {
	[TALLY_GONE] = { "requests", "gone" },
	[TALLY_1XX] = { "requests", "1xx" },
	[TALLY_2XX] = { "requests", "2xx" },
	[TALLY_3XX] = { "requests", "3xx" },
	[TALLY_4XX] = { "requests", "4xx" },
	[TALLY_5XX] = { "requests", "5xx" },
	[TALLY_RETRIED] = { "retries", "ok" },
	[TALLY_NOT_RETRIED] = { "retries", "failed" },
};

int tallies_new(struct tallies **ret, void (*arm)(void *user), void *user,
		struct err *err)
{
	struct tallies *self = calloc(1, sizeof(*self));

	if (!self)
		return err_errno(err, "cannot start");
	(void)pthread_mutex_init(&self->lock, NULL);
	self->arm = arm;
	self->user = user;
	*ret = self;
	return 0;
}

void tallies_free(struct tallies *tallies)
{
	if (!tallies)
		return;
	while (tallies->first) {
		struct tally *next = tallies->first->next;

		free(tallies->first);
		tallies->first = next;
	}
	(void)pthread_mutex_destroy(&tallies->lock);
	free(tallies);
}

static struct tally *find(struct tallies *tallies, const char *state_dir,
			  const char *gateway)
{
	struct tally *tally =
		__atomic_load_n(&tallies->first, __ATOMIC_ACQUIRE);

	while (tally && (strcmp(tally->gateway, gateway) != 0 ||
			 strcmp(tally->state_dir, state_dir) != 0))
		tally = tally->next;
	return tally;
}

static struct tally *make(struct tallies *tallies, const char *state_dir,
			  const char *gateway)
{
	size_t size = strlen(state_dir) + 1;
	struct tally *tally = calloc(1, sizeof(*tally) + size);

	if (!tally)
		return NULL;
	tally->all = tallies;
	(void)snprintf(tally->gateway, sizeof(tally->gateway), "%s", gateway);
	memcpy(tally->state_dir, state_dir, size);
	tally->next = tallies->first;
	__atomic_store_n(&tallies->first, tally, __ATOMIC_RELEASE);
	return tally;
}

struct tally *tally_of(struct tallies *tallies, const char *state_dir,
		       const char *gateway)
{
	struct tally *tally = find(tallies, state_dir, gateway);

	if (tally)
		return tally;
	(void)pthread_mutex_lock(&tallies->lock);
	tally = find(tallies, state_dir, gateway);
	if (!tally)
		tally = make(tallies, state_dir, gateway);
	(void)pthread_mutex_unlock(&tallies->lock);
	return tally;
}

const char *tally_gateway(const struct tally *tally)
{
	return tally->gateway;
}

/* The first since the last flush. */
static void begin(struct tallies *all)
{
	if (__atomic_exchange_n(&all->dirty, true, __ATOMIC_SEQ_CST))
		return;
	__atomic_store_n(&all->due_ms, clock_mono_ms() + TALLY_FLUSH_MS,
			 __ATOMIC_SEQ_CST);
	if (all->arm)
		all->arm(all->user);
}

void tally_add(struct tally *tally, enum tally_kind kind)
{
	(void)__atomic_fetch_add(&tally->counts[kind], 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&tally->all->dirty, __ATOMIC_SEQ_CST))
		begin(tally->all);
}

enum tally_kind tally_of_status(int status)
{
	if (status < 100 || status > 599)
		return TALLY_GONE;
	return (enum tally_kind)(TALLY_1XX + status / 100 - 1);
}

struct deadline tallies_due(struct tallies *tallies)
{
	int64_t due_ms = __atomic_load_n(&tallies->due_ms, __ATOMIC_SEQ_CST);

	if (due_ms == 0 || !__atomic_load_n(&tallies->dirty, __ATOMIC_SEQ_CST))
		return deadline_never();
	return (struct deadline){ .at_ms = due_ms };
}

static int write_counts(struct store *store, const struct count *counts,
			size_t len)
{
	struct err err;

	if (store_count(store, counts, len, &err) == 0)
		return 0;
	if (err.code == ERR_STORE_MOVED && store_reopen(store, &err) == 0 &&
	    store_count(store, counts, len, &err) == 0)
		return 0;
	log_line(LEVEL_DEBUG, "msg=\"%s, counted later\"", err.text);
	return -1;
}

/* Takes what is there; what comes meanwhile is the next flush's. */
static size_t collect(struct tally *tally, struct count *counts,
		      enum tally_kind *kinds)
{
	size_t len = 0;

	for (int kind = 0; kind < TALLY_MAX_; kind++) {
		int64_t amount = __atomic_exchange_n(&tally->counts[kind], 0,
						     __ATOMIC_SEQ_CST);

		if (amount == 0)
			continue;
		kinds[len] = (enum tally_kind)kind;
		counts[len] = (struct count){
			.gateway = tally->gateway,
			.name = kind < TALLY_REFUSED ? words[kind].name
						     : "refusals",
			.label = kind < TALLY_REFUSED
					 ? words[kind].label
					 : problem_word((enum problem_code)(
						   kind - TALLY_REFUSED)),
			.amount = amount,
		};
		len++;
	}
	return len;
}

static void flush(struct tally *tally, struct store *store)
{
	struct count counts[TALLY_MAX_];
	enum tally_kind kinds[TALLY_MAX_];
	size_t len = collect(tally, counts, kinds);

	if (len == 0 || (store && write_counts(store, counts, len) == 0))
		return;
	for (size_t i = 0; i < len; i++)
		(void)__atomic_fetch_add(&tally->counts[kinds[i]],
					 counts[i].amount, __ATOMIC_SEQ_CST);
	begin(tally->all);
}

void tallies_flush(struct tallies *tallies,
		   struct store *(*find_store)(void *user,
					       const char *state_dir),
		   void *user)
{
	struct tally *tally;

	if (!__atomic_load_n(&tallies->dirty, __ATOMIC_SEQ_CST))
		return;
	(void)pthread_mutex_lock(&tallies->lock);
	/* before the counts are taken: whoever counts later says so again */
	__atomic_store_n(&tallies->dirty, false, __ATOMIC_SEQ_CST);
	for (tally = tallies->first; tally; tally = tally->next)
		flush(tally, find_store(user, tally->state_dir));
	(void)pthread_mutex_unlock(&tallies->lock);
}

static void spill(struct tally *tally, struct store *store)
{
	struct count counts[TALLY_MAX_];
	enum tally_kind kinds[TALLY_MAX_];
	size_t len = collect(tally, counts, kinds);
	bool large = false;
	struct err err;

	if (len == 0)
		return;
	if (spill_add(tally->state_dir, counts, len, &large, &err) ||
	    (large && store && spill_collect(tally->state_dir, store, &err)))
		log_line(LEVEL_DEBUG, "msg=\"%s, going on\"", err.text);
}

void tallies_spill(struct tallies *tallies,
		   struct store *(*find_store)(void *user,
					       const char *state_dir),
		   void *user)
{
	struct tally *tally;

	for (tally = tallies->first; tally; tally = tally->next)
		spill(tally, find_store(user, tally->state_dir));
}
