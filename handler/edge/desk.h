/* desk.h - where a request is answered: a call and its client, kept for the next one */
#ifndef WAKEGATE_DESK_H
#define WAKEGATE_DESK_H

#include <stdbool.h>
#include <stddef.h>

#include "edge/call.h"
#include "edge/edge.h"
#include "edge/gate.h"

/* Those that nobody works at: only one thread at a time asks for them. */
struct desks {
	struct edge *edge;
	struct call *spare[GATE_PENDING_MAX];
	size_t count;
};

/* A spare one, or one more; NULL, and a line in the log: there can be none. */
struct call *desk_take(struct desks *desks);
void desk_leave(struct desks *desks, struct call *call); /* accepts NULL */
void desk_free(struct call *call);			 /* accepts NULL */

/* Frees the spare ones; false: there were none. */
bool desks_clear(struct desks *desks);

#endif
