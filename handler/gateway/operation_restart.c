/* A restart: asked, or joined, and waited for until a later process is ready */
#include "config.h"

#include <string.h>

#include "gateway/ensure.h"
#include "gateway/operation_private.h"
#include "gateway/probe.h"

#include "base/banned.h"

#define EVENTS_SEEN 200 /* back to a generation's `spawned` */

struct birth {
	int64_t generation;
	bool spawned;
};

static int see_birth(const struct event *event, void *user)
{
	struct birth *birth = user;

	birth->spawned =
		birth->spawned || (event->generation == birth->generation &&
				   strcmp(event->kind, "spawned") == 0);
	return 0;
}

int operation_is_fresh(struct operation *operation, bool *ret, struct err *err)
{
	const struct gateway_row *row = &operation->row;
	struct birth birth = { .generation = row->generation };

	*ret = row->state == STATE_RESTORING ||
	       (row->state == STATE_READY && row->want == WANT_RUN &&
		!row->adopted);
	if (row->state != STATE_STARTING || row->want != WANT_RUN ||
	    row->ready_ms != 0 || row->adopted)
		return 0;
	if (store_events(operation->store, row->name, 0, EVENTS_SEEN, see_birth,
			 &birth, err))
		return -1;
	if (!birth.spawned)
		return err_set(err, ERR_BUSY, "it has only begun to start");
	*ret = true;
	return 0;
}

/* Has somebody else asked for a restart, or had one since we came? */
static int restart_join(struct operation *operation, bool *ret, struct err *err)
{
	const struct gateway_row *row = &operation->row;
	bool later = row->generation > operation->first;
	bool fresh = false;

	if (row->want == WANT_RESTART) {
		operation->phase = PHASE_OVER;
		operation_asked(operation, row->generation + 1);
	} else if ((later || (operation->join && row->state != STATE_READY)) &&
		   operation_is_fresh(operation, &fresh, err)) {
		return -1;
	} else if (fresh) {
		operation->phase = PHASE_READY;
		operation_asked(operation, row->generation);
	}
	operation->told = row->generation;
	*ret = operation->asked;
	return 0;
}

static int restart_owner(struct operation *operation, struct err *err)
{
	if (operation_rests(&operation->row))
		return err_set(err, ERR_BUSY, "an owner comes or goes");
	if (restart_join(operation, &operation->joined, err))
		return -1;
	if (operation->joined)
		return 0;
	if (operation_want(operation, WANT_RESTART, err))
		return -1;
	operation->phase = PHASE_OVER;
	operation_asked(operation, operation->row.generation + 1);
	return 0;
}

/* Nobody owns it: what still runs is stopped by the keeper that a claim makes. */
static int restart_claim(struct operation *operation, struct err *err)
{
	const struct ensure ensure = operation_ensure(operation, WANT_RESTART);
	int64_t generation = 0;

	if (probe_listens(&operation->gateway->address) == 0) {
		operation->phase = PHASE_CLEAR;
		return 0;
	}
	if (ensure_claim(&ensure, &generation, err))
		return -1;
	operation->phase = PHASE_OVER;
	operation->told = generation;
	operation_asked(operation, generation + 1);
	return 0;
}

int operation_restart(struct operation *operation, enum operation_state *ret,
		      struct err *err)
{
	*ret = OPERATION_ASKS;
	if (operation_look_for_row(operation, err))
		return -1;
	if (operation->owner_alive ? restart_owner(operation, err)
				   : restart_claim(operation, err))
		return -1;
	if (operation->asked)
		*ret = OPERATION_RUNS;
	return 0;
}

int operation_over(struct operation *operation, enum operation_state *ret,
		   struct err *err)
{
	*ret = OPERATION_RUNS;
	if (operation_look(operation, err))
		return -1;
	if (operation->row.generation > operation->told)
		operation->phase = PHASE_READY;
	else if (!operation->owner_alive && operation_is_down(&operation->row))
		*ret = OPERATION_REFUSED;
	else if (!operation->owner_alive)
		operation->phase = PHASE_RESTART; /* what it left may run on */
	return 0;
}

int operation_ready(struct operation *operation, enum operation_state *ret,
		    struct err *err)
{
	*ret = OPERATION_RUNS;
	if (operation_look(operation, err))
		return -1;
	if (operation->row.state == STATE_READY && operation->row.adopted)
		operation->phase = PHASE_RESTART; /* it is the old one */
	else if (operation->row.state == STATE_READY)
		*ret = OPERATION_DONE;
	else if (operation_is_down(&operation->row))
		*ret = OPERATION_REFUSED;
	else if (!operation->owner_alive)
		operation->phase = PHASE_CLEAR;
	return 0;
}
