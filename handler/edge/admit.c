#include "config.h"

#include "edge/admit.h"
#include "edge/passage.h"
#include "gateway/probe.h"

#include "base/banned.h"

#define STEADY_MS 5 /* a connection that a dying process took ends by then */

/* A variable for the web server's log, or as the user that mod_authnz_fcgi must
 * have. mod_fcgid's access checker would send it to the client. */
static void send_yes(struct call *call)
{
	buffer_clear(&call->out);
	buffer_puts(&call->out, "Status: 200 OK\r\n");
	call->status = 200;
	if (!call->request.bare_verdict)
		buffer_printf(&call->out, "Variable-WAKEGATE_GATEWAY: %s\r\n",
			      call->gateway->name);
	buffer_puts(&call->out, "\r\n");
	call_send(call);
}

/* The connection that the web server is about to make can't be sent again by us:
 * so a gateway that is gone is seen, and replaced, before. */
static bool probe(struct call *call, enum probe_result *ret, struct err *why)
{
	*ret = probe_gateway(call->gateway, STEADY_MS, why);
	return *ret == PROBE_READY;
}

void admit_answer(struct call *call, bool wake)
{
	struct passage passage = {
		.wake = wake,
		.page = wake && call->gateway->loading_page &&
			call->request.navigation && !call->request.bare_verdict,
	};
	enum probe_result result;
	struct err why;

	if (!passage_reach(call, &passage))
		return;
	if (!probe(call, &result, &why)) {
		if (!passage_recover(call, &passage, 0, &why))
			return;
		if (!probe(call, &result, &why)) {
			passage_note(call, "crash_seen");
			call_problem(call,
				     result == PROBE_SILENT
					     ? PROBLEM_GATEWAY_TIMEOUT
					     : PROBLEM_CRASHED,
				     why.text);
			return;
		}
	}
	passage_answered(call, &passage);
	send_yes(call);
}

void admit_refusal(struct call *call)
{
	struct passage passage = { .wake = false };

	if (passage_reach(call, &passage))
		call_problem(call,
			     passage.blind ? PROBLEM_STORE : PROBLEM_STARTING,
			     "it was refused a moment ago");
}
