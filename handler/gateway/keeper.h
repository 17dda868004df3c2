/* keeper.h - the process that owns one gateway: `wakegate keep NAME`
 *
 * Holds the owner's lock for its whole life. Looks before it starts anything:
 * what runs already is adopted, a stranger on the port is left alone and named.
 * Then spawns, probes, watches, stops, and proves the death of what it stopped.
 * Asleep in poll(2) otherwise.
 */
#ifndef WAKEGATE_KEEPER_H
#define WAKEGATE_KEEPER_H

#include "base/err.h"
#include "gateway/settings.h"
#include "store/store.h"

/* The keeper's descriptor of the lock file, as its starter passes it on. */
#define KEEPER_LOCK_FD 3

/* Starts `wakegate -c FILE keep NAME --generation N` detached: own session, clean
 * environment, standard error in <state_dir>/wakegate.log, lock_fd as
 * descriptor 3. replace: `--replace`, the descriptor holds the replacer's byte
 * only. Returns when the program was executed; ERR_SYSTEM when it could not be. */
int keeper_start(const struct settings *settings,
		 const struct gateway_settings *gateway, int lock_fd,
		 int64_t generation, bool replace, struct err *err);

struct keeper_options {
	int64_t generation; /* claimed for us, with the lock on descriptor 3; 0:
			     * take the lock and claim ourselves */
	bool replace;	    /* first end the silent owner */
};

/* Runs until the gateway is gone and the row says so. -1 with ERR_BUSY when
 * another owner lives. */
int keeper_run(const struct settings *settings,
	       const struct gateway_settings *gateway, struct store *store,
	       const struct keeper_options *options, struct err *err);

#endif
