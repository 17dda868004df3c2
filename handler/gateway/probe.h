/* probe.h - is a gateway there, and is it ready? Facts, never guesses
 *
 * Without a path a TCP (or Unix) connect is the probe; with one, GET over
 * HTTP/1.1 whose status must match and whose body must hold body_has.
 */
#ifndef WAKEGATE_PROBE_H
#define WAKEGATE_PROBE_H

#include "base/deadline.h"
#include "base/err.h"
#include "gateway/settings.h"

enum probe_result {
	PROBE_READY,
	PROBE_REFUSED,	 /* nothing listens */
	PROBE_NOT_READY, /* it listens, but the answer is not the one */
	PROBE_SILENT,	 /* it listens, but there is no answer in time */
};

/* *why gets what was found, for people. Ends by probe.timeout_ms. steady_ms: how
 * long a mere connection must stay open to count, since a dying process's listener
 * still takes connections and then resets them. */
enum probe_result probe_gateway(const struct gateway_settings *gateway,
				int steady_ms, struct err *why);

/* Only: does something listen? 1 yes (or it can't be told), 0 no. */
int probe_listens(const struct address *address);

#endif
