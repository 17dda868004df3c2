/* observe.c - what counting costs a request to a ready gateway, in nanoseconds
 *
 *	tests/bench/observe
 *
 * All that is done for metrics and events on that path: the gateway's tally is
 * found, the request counted, and it is seen that there is nothing to note. The
 * counts' way to the store is another thread's, once in two seconds.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "edge/call.h"
#include "edge/record.h"
#include "edge/tally.h"

#define ROUNDS 5
#define COUNT  5000000

static double now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double measure(struct call *call, const struct settings *settings,
		      const struct gateway_settings *gateway)
{
	double begin = now_ns();

	for (int i = 0; i < COUNT; i++) {
		call->tally = edge_tally(call->edge, settings, gateway);
		call->counts = true;
		call->status = 200;
		record_end(call);
	}
	return (now_ns() - begin) / COUNT;
}

int main(void)
{
	static char state_dir[] = "/var/lib/wakegate";
	struct gateway_settings gateway = { .name = "openclaw" };
	struct settings settings = { .state_dir = state_dir };
	struct client client = { .watch_fd = -1 };
	struct edge *edge = NULL;
	struct call *call = NULL;
	double best = 1e9;
	struct err err;

	if (edge_new(&edge, NULL, false, NULL, NULL, &err) ||
	    call_new(&call, edge, &client, &err)) {
		(void)fprintf(stderr, "observe: %s\n", err.text);
		return EXIT_FAILURE;
	}
	call_reset(call);
	for (int i = 0; i < ROUNDS; i++) {
		double took = measure(call, &settings, &gateway);

		best = took < best ? took : best;
	}
	printf("counting a warm request %.1f ns\n", best);
	call_free(call);
	edge_free(edge);
	return EXIT_SUCCESS;
}
