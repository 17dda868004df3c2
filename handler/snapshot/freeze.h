/* freeze.h - a gateway's whole tree of processes, held still for a moment
 *
 * By cgroup v2 (cgroup.freeze) where the gateway's processes are in our own group and
 * one can be made below it, else by SIGSTOP to each process until no new one is found.
 * Held are all that process_mark() calls the gateway's, but us, our children and our
 * parent. A guardian process thaws it
 * when we die, and after FREEZE_MAX_MS whatever we do: nobody's gateway stays
 * frozen because a snapshot was killed.
 */
#ifndef WAKEGATE_FREEZE_H
#define WAKEGATE_FREEZE_H

#include "base/err.h"
#include "gateway/settings.h"
#include "store/row.h"

#define FREEZE_MAX_MS 10000

struct freeze;

/* instance: "WAKEGATE_INSTANCE=ID/NAME/", as in gateway/process.h; row: which process
 * the gateway is. 0 with *ret NULL when nothing of it runs. */
int freeze_begin(struct freeze **ret, const struct gateway_settings *gateway,
		 const struct gateway_row *row, const char *instance,
		 struct err *err);

/* Thaws; returns once each runs again. ERR_TIMEOUT: the guardian had to thaw it
 * before, so that what was copied is not of one moment. Accepts NULL. */
int freeze_end(struct freeze *freeze, struct err *err);

#endif
