/* scout.h - runs a function in a watched child, since what it reads may hang
 *
 * The child writes fixed-size records to a pipe; before each thing that may hang
 * it says what (scout_at), which counts as progress too.
 */
#ifndef WAKEGATE_SCOUT_H
#define WAKEGATE_SCOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/deadline.h"
#include "base/err.h"

struct scout;

/* In the child: the next thing is about this pid; false: pass it over, it hung
 * before. pid 0: about nothing in particular. */
bool scout_at(struct scout *scout, pid_t pid);
/* In the child: hands a record to the parent. */
void scout_put(struct scout *scout, const void *record, size_t len);

/* In the child: is this pid the child itself, or one that could not be killed? */
bool scout_is_one(pid_t pid);

/* One that could not be killed then has been reaped. */
void scout_reaped(pid_t pid);

/* Runs function(scout, argument) in a child until it returns; *out gets what it
 * put. When it hangs on a pid, that pid is passed over for the next 10 s,
 * and the function is run again from the start. *hung: something was
 * passed over. ERR_TIMEOUT: it hangs on nothing in particular, or the deadline
 * passed. */
int scout_run(void (*function)(struct scout *, const void *),
	      const void *argument, struct deadline deadline,
	      struct buffer *out, bool *hung, struct err *err);

#endif
