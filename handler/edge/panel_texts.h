/* panel_texts.h - every word of the operator's page, in English */
#ifndef WAKEGATE_PANEL_TEXTS_H
#define WAKEGATE_PANEL_TEXTS_H

#include "edge/problem.h"
#include "store/row.h"

/* --- what state it is in, and what that means */

static const struct {
	const char *title, *sentence;
} panel_states[STATE_MAX_] = {
	[STATE_STOPPED] = { "Stopped", "The next request starts it." },
	[STATE_RESTORING] = { "Restoring", "Its data is being put back." },
	[STATE_STARTING] = { "Starting", "It has been started, and is not "
					 "ready yet." },
	[STATE_READY] = { "Ready", "Requests are passed on to it." },
	[STATE_STOPPING] = { "Stopping", "It is being stopped." },
	[STATE_COOLDOWN] = { "Cooling down", "It ended by itself too often, "
					     "and is started again after a "
					     "pause." },
	[STATE_FAILED] = { "Out of order", "It is not started until somebody "
					   "starts or resets it." },
};

/* --- what can be done with it */

struct panel_control {
	const char *word;  /* of the path */
	const char *label; /* of the button */
	const char *done;  /* said after it */
	const char *ask;   /* what is lost; NULL: nothing, it is not asked */
	const char *why_not[STATE_MAX_]; /* NULL: it can be done */
};

enum panel_control_kind {
	CONTROL_START,
	CONTROL_STOP,
	CONTROL_RESTART,
	CONTROL_RESET,
	CONTROL_BACKUP,
	CONTROL_RESTORE,
	CONTROL_MAX_
};

#define TEXT_BEING_STARTED "It is being started."
#define TEXT_NOT_RUNNING   "It does not run."
#define TEXT_NO_FAILURE	   "There is no failure to forget."
#define TEXT_BREAKS_OFF                                                        \
	"What it does just now is broken off: open requests, WebSockets, and " \
	"work that has not been saved."

static const struct panel_control panel_controls[CONTROL_MAX_] = {
	[CONTROL_START] = { "start",
			    "Start",
			    "It is to be started.",
			    NULL,
			    { [STATE_RESTORING] = TEXT_BEING_STARTED,
			      [STATE_STARTING] = TEXT_BEING_STARTED,
			      [STATE_READY] = "It runs already." } },
	[CONTROL_STOP] = { "stop",
			   "Stop",
			   "It is to be stopped.",
			   TEXT_BREAKS_OFF " The next request starts it again.",
			   { [STATE_STOPPED] = TEXT_NOT_RUNNING,
			     [STATE_STOPPING] = "It is being stopped.",
			     [STATE_COOLDOWN] = TEXT_NOT_RUNNING,
			     [STATE_FAILED] = TEXT_NOT_RUNNING } },
	[CONTROL_RESTART] = { "restart",
			      "Restart",
			      "It is to be restarted.",
			      TEXT_BREAKS_OFF " Its files stay as they are.",
			      { [STATE_STOPPED] = TEXT_NOT_RUNNING } },
	[CONTROL_RESET] = { "reset",
			    "Reset",
			    "Its failures are forgotten.",
			    NULL,
			    { [STATE_STOPPED] = TEXT_NO_FAILURE,
			      [STATE_RESTORING] = TEXT_NO_FAILURE,
			      [STATE_STARTING] = TEXT_NO_FAILURE,
			      [STATE_READY] = TEXT_NO_FAILURE,
			      [STATE_STOPPING] = TEXT_NO_FAILURE } },
	[CONTROL_BACKUP] = { "backup",
			     "Back up now",
			     "A snapshot was taken.",
			     NULL,
			     { [STATE_RESTORING] = "A snapshot is being put "
						   "back." } },
	[CONTROL_RESTORE] = { "restore",
			      "Restore this one",
			      "It is to be stopped, the snapshot put back, and "
			      "it started again.",
			      TEXT_BREAKS_OFF,
			      { [STATE_RESTORING] = "A snapshot is being put "
						    "back." } },
};

#define TEXT_NO_BACKUP	  "No backup is configured."
#define TEXT_NOT_COMPLETE "Only one that is verified can be put back."
#define TEXT_HOLD	  "Keep it down until somebody starts it"
#define TEXT_LOST	  "All that was changed there since then is lost."
#define TEXT_CANCEL	  "Leave it"
#define TEXT_ASK_TITLE	  "Are you sure?"

#define TEXT_ACTION_DONE "The action was run, and had nothing to say."

/* What to do about what was refused; NULL: the page says it already. */
static const char *const panel_hints[PROBLEM_MAX_] = {
	[PROBLEM_FAILED] = "Its output and events say why; then reset it.",
	[PROBLEM_RESTORE_FAILED] = "Its events say why; then reset it.",
	[PROBLEM_PORT_TAKEN] = "End the program that has it, then reset this.",
	[PROBLEM_HELD] = "Start it.",
	[PROBLEM_STORE] = "The web server's error log says more.",
	[PROBLEM_BAD_REQUEST] = "Correct it, and send it again.",
	[PROBLEM_NOT_FOUND] = "Look again: the page was an old one.",
	[PROBLEM_CONFLICT] = "Look at its state, and try again.",
	[PROBLEM_NOT_RESTORED] = "Restore one, or: wakegate backup --force.",
	[PROBLEM_BACKUP_NOT_CONFIGURED] = "In the configuration file: backup.",
	[PROBLEM_BACKUP_FAILED] = "Its events say more.",
	[PROBLEM_OPERATION_TIMEOUT] = "It may still go on: look at its state.",
	[PROBLEM_ACTION_FAILED] = "In the configuration file: actions.",
};

static const char *const panel_snapshot_states[] = {
	"being written",
	"verified",
	"gone",
	"does not verify",
};

/* --- the parts of the page */

#define TEXT_ADMINISTRATION "wakegate: administration"
#define TEXT_STATE	    "State"
#define TEXT_CONTROLS	    "Steer it"
#define TEXT_PROCESSES	    "Processes"
#define TEXT_ACTIONS	    "Actions"
#define TEXT_RESULT	    "Result"
#define TEXT_SNAPSHOTS	    "Snapshots"
#define TEXT_STARTS	    "Starts"
#define TEXT_EXITS	    "Ended by itself"
#define TEXT_EVENTS	    "Events"
#define TEXT_OUTPUT	    "Its output"
#define TEXT_RELOAD	    "Look again"

#define TEXT_NO_PROCESSES   "None runs."
#define TEXT_UNCOUNTED	    "They can't be counted now: "
#define TEXT_NO_SNAPSHOTS   "There is none yet."
#define TEXT_MORE_SNAPSHOTS "Older ones: wakegate snapshots."
#define TEXT_MORE_EVENTS    "Older ones: wakegate events."
#define TEXT_NO_STARTS	    "It has not been started yet."
#define TEXT_STARTS_CHART   "How long the last starts took, in seconds"
#define TEXT_NO_EXITS	    "It never has."
#define TEXT_NO_EVENTS	    "Nothing has happened yet."
#define TEXT_NO_OUTPUT	    "It has said nothing yet."
#define TEXT_CONFIG_OLD                                                        \
	"The configuration file has an error, an older one is in force: "
#define TEXT_EMPTY	     "Nothing."
#define TEXT_CUT	     "It printed more than is shown."
#define TEXT_ALL	     "all"
#define TEXT_NO_LAST_REQUEST "none yet"

#endif
