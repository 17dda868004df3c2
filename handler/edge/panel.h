/* panel.h - the operator's page: what a gateway is doing, and buttons to steer it
 *
 * Plain HTML: each button is a form, and what was sent is answered by "look there",
 * or by the page with what came of it. A script (panel.js) does the same in place,
 * and keeps it up to date. Addresses are relative, so it works wherever it is
 * mounted; nothing comes from elsewhere.
 *
 *	panel.c			the frame, the order of the parts
 *	panel_state.c		state, buttons, processes
 *	panel_history.c		starts, exits, events, output
 *	panel_snapshots.c	snapshots, and what a restore would cost
 *	panel_actions.c		actions, and what one has printed
 *	panel_texts.h		every word of it
 */
#ifndef WAKEGATE_PANEL_H
#define WAKEGATE_PANEL_H

#include <stdbool.h>

#include "base/err.h"
#include "edge/call.h"
#include "gateway/action.h"
#include "gateway/view.h"

/* What an action did, to be shown. */
struct panel_result {
	const struct action_settings *action;
	const struct action_end *end;
};

#define PANEL_RESULTS_MAX 2

struct panel {
	struct call *call;
	struct view view; /* what panel_look() has seen */
	int64_t now_ms;
	int64_t last_event;
	const char *said; /* a sentence above all; NULL: none */
	bool refused;	  /* it says why something was not done: problem */
	enum problem_code problem;
	struct panel_result results[PANEL_RESULTS_MAX];
	size_t results_count;
	size_t left; /* of the page's bytes: those that are on their way */
	size_t end;  /* where what is being put must end */
};

/* All that panel_send() and panel_ask() need of the gateway. */
int panel_look(struct panel *panel, struct err *err);

/* Answers with the page. What may take long comes last, after the rest has left. */
void panel_send(struct panel *panel);

/* Answers with the question whether that is really wanted: `word` of a control that
 * asks. False: it does not, or there is no such snapshot. */
bool panel_ask(struct panel *panel, struct slice word, int64_t snapshot);

/* What is said after it was done; NULL: no such word. */
const char *panel_done(struct slice word);

#endif
