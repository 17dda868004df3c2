/* figures.h - what the gateway's processes take, together
 *
 * Looking around in /proc may hang, so a request does not do it: it asks another
 * process of this program (`wakegate figures NAME`), for a while.
 */
#ifndef WAKEGATE_FIGURES_H
#define WAKEGATE_FIGURES_H

#include <stdint.h>

#include "base/err.h"
#include "gateway/settings.h"
#include "store/store.h"

struct figures {
	int64_t processes;
	int64_t memory_bytes; /* resident; what they share counts for each */
	int64_t cpu_ms;	      /* since they were started */
};

/* Looks. For a process with one thread. */
int figures_look(struct figures *ret, const struct gateway_settings *gateway,
		 struct store *store, struct err *err);

/* Asks. ERR_TIMEOUT: not within a second and a half. */
int figures_ask(struct figures *ret, const struct settings *settings,
		const struct gateway_settings *gateway, struct err *err);

/* As one says it to the other. */
#define FIGURES_FORMAT "%" PRId64 " %" PRId64 " %" PRId64 "\n"

#endif
