/* operation_private.h - what the files of operation share
 *
 *	operation.c		open, close, step; start, stop, restore, reset
 *	operation_restart.c	restart
 */
#ifndef WAKEGATE_OPERATION_PRIVATE_H
#define WAKEGATE_OPERATION_PRIVATE_H

#include "gateway/ensure.h"
#include "gateway/operation.h"

struct ensure operation_ensure(const struct operation *operation,
			       enum want want);

/* Reads the row and asks whether an owner lives. */
int operation_look(struct operation *operation, struct err *err);
/* The same, for who counts generations: ERR_BUSY when the database is new and the
 * owner's row not yet in it. */
int operation_look_for_row(struct operation *operation, struct err *err);

/* Asks the owner of the row and wakes it. */
int operation_want(struct operation *operation, enum want want,
		   struct err *err);

/* Notes that it has been asked, and the generation that it leads to. */
void operation_asked(struct operation *operation, int64_t generation);

bool operation_rests(const struct gateway_row *row);
bool operation_is_down(const struct gateway_row *row); /* cooldown, failed */

/* Is its process one that was started in its generation, or will be? ERR_BUSY: its keeper
 * still looks whether there is an old one to adopt. */
int operation_is_fresh(struct operation *operation, bool *ret, struct err *err);

/* Steps: until it is asked; until what was asked is over; until a generation that
 * came after is ready, without clearing its failures. */
int operation_restart(struct operation *operation, enum operation_state *ret,
		      struct err *err);
int operation_over(struct operation *operation, enum operation_state *ret,
		   struct err *err);
int operation_ready(struct operation *operation, enum operation_state *ret,
		    struct err *err);

#endif
