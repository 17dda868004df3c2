/* halves.h - connections of web servers whose request has begun and is not all
 * here: they cost no thread, and may not last
 *
 * Any thread adds one; one thread looks after them.
 */
#ifndef WAKEGATE_HALVES_H
#define WAKEGATE_HALVES_H

#include <stdbool.h>

#include "base/deadline.h"
#include "base/err.h"
#include "edge/gate.h"

struct halves;

int halves_new(struct halves **ret, struct err *err);
void halves_free(struct halves *halves); /* accepts NULL; closes them */

/* Takes fd over; false: there are too many, it stays the caller's. */
bool halves_add(struct halves *halves, int fd);

/* Readable when halves_step() has something to do. */
int halves_fd(const struct halves *halves);

/* Those that are whole now go to the gate; those that ended, or took too long,
 * are closed. Gives when it is to be called at the latest. */
struct deadline halves_step(struct halves *halves, struct gate *gate);

#endif
