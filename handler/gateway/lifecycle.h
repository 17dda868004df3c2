/* lifecycle.h - what follows what; pure: no clock, database or process
 *
 *	            claim            restore            spawn or adopt
 *	stopped ----------> starting <------> restoring
 *	   ^                   |  ^
 *	   |         probe ok  v  |  the gateway restarts itself
 *	   |                  ready
 *	   |                   |  it ended, or somebody wants it stopped
 *	   |                   v
 *	   +<-- settle --- stopping     until the whole tree is gone and the port
 *	   |                            is closed
 *	   +<-- cooldown    it ended too often: not before retry_at
 *	   +<-- failed      needs a person: reset, start, restart
 *
 * Everything else reads the row, asks here, writes the answer to the store naming
 * the generation that it was decided on, and then acts.
 */
#ifndef WAKEGATE_LIFECYCLE_H
#define WAKEGATE_LIFECYCLE_H

#include "gateway/marker.h"
#include "gateway/settings.h"
#include "store/row.h"

enum lifecycle_event {
	EVENT_CLAIMED,	    /* somebody took the next generation */
	EVENT_NOTHING_RUNS, /* looked: no process of ours, the port is closed */
	EVENT_RUNS,	    /* looked: ours has the port */
	EVENT_BOOTS,	    /* looked: ours lives, the port is closed */
	EVENT_STRAYS,	    /* looked: leftovers of ours, the port is closed */
	EVENT_STRANGER,	    /* looked: somebody else has the port */
	EVENT_LOOK_TIMEOUT, /* could not look, and the port is open */
	EVENT_RESTORE_DUE,  /* the state folder needs a snapshot first */
	EVENT_RESTORED,	    /* it is in place */
	EVENT_RESTORE_FAILED, /* it is not */
	EVENT_SPAWN_FAILED,   /* the command can't be executed */
	EVENT_PROBE_OK,	      /* the probe passed */
	EVENT_NOT_LISTENING,  /* no answer, but the process lives */
	EVENT_START_TIMEOUT,  /* not ready within start_timeout_s */
	EVENT_ENDED,	      /* the gateway ended by itself */
	EVENT_STOP_WANTED,    /* a person wants a stop or restart */
	EVENT_IDLE,	      /* nobody has used it for idle_stop_s */
	EVENT_USED,	      /* somebody does, seen before it was stopped */
	EVENT_UNUSED,	      /* nobody does, and nobody will */
	EVENT_GONE,	      /* proven: all dead, the port closed */
	EVENT_NOT_DEAD,	      /* it can't be proven */
	EVENT_RESET,	      /* a person cleared a failure */
	EVENT_MAX_
};

enum lifecycle_action {
	ACTION_NONE,  /* this event means nothing here */
	ACTION_LOOK,  /* probe the port, look for processes of ours */
	ACTION_CLEAN, /* end what is left over, then look again */
	ACTION_RESTORE,
	ACTION_SPAWN,
	ACTION_ADOPT,
	ACTION_PROBE,  /* watch it, and probe until it is ready */
	ACTION_SERVE,  /* watch it */
	ACTION_DRAIN,  /* requests wait from now on: look for use once more */
	ACTION_STOP,   /* SIGTERM, wait, SIGKILL, prove */
	ACTION_PROVE,  /* SIGKILL what is left, prove */
	ACTION_SETTLE, /* lifecycle_settle() says where it ends */
	ACTION_END,    /* nothing more to do: the keeper leaves */
	ACTION_MAX_
};

struct lifecycle_step {
	enum gateway_state state;
	enum lifecycle_action action;
};

/* The table. An event that means nothing in a state gives ACTION_NONE and the
 * same state. */
struct lifecycle_step lifecycle_next(enum gateway_state state,
				     enum lifecycle_event event);

/* What a request does about a row. */
enum request_action {
	REQUEST_PASS,	 /* ready: send it */
	REQUEST_WAIT,	 /* an owner is at work */
	REQUEST_POKE,	 /* an owner lives, but has not seen what we saw */
	REQUEST_CLAIM,	 /* nobody owns it */
	REQUEST_REPLACE, /* the owner lives, but is silent */
	REQUEST_REFUSE,	 /* cooldown, failed, held */
};

/* seen_generation and seen_ready_ms: the row that a failed attempt rested on, 0
 * when there was none. */
struct request_view {
	int64_t seen_generation;
	int64_t seen_ready_ms;
	bool owner_alive;
	int64_t now_ms;
	int64_t lease_ms;
};

enum request_action lifecycle_request(const struct gateway_row *row,
				      const struct request_view *view);

/* Must a snapshot be put back before a start? Only when a person wants it, or when
 * the state folder bears no marker: it is new. */
struct restore_view {
	bool configured; /* a backup is */
	bool wanted;
	enum marker_kind marker;
};

bool lifecycle_restore_due(const struct restore_view *view);

/* Has the wall clock been set, so that a heartbeat which others judge by it is due
 * at once? An owner that lives would count as silent. */
bool lifecycle_clock_was_set(int64_t now_ms, int64_t heartbeat_ms,
			     int64_t lease_ms);

/* How a generation ended. */
struct ending {
	bool wanted;   /* by a person */
	bool hold;     /* and to be held */
	bool idle;     /* by us, because nobody used it */
	bool timeout;  /* start_timeout_s passed */
	bool answered; /* it had answered at least one request */
	int exit_code; /* EXIT_CODE_NONE */
	int failures;  /* failed starts in a row before this one */
	int exits;     /* by itself, within the last 60 s, this one too */
	/* how long it was ready; requests past us are not seen to be answered, so
	 * 60 s are no failed start either */
	int64_t served_ms;
	int64_t now_ms;
};

struct settlement {
	enum gateway_state state; /* stopped, cooldown or failed */
	const char *reason;	  /* "" or "idle" when stopped */
	int failures;
	int64_t retry_at_ms; /* 0 unless cooldown */
};

/* Is a row's last_request_ms, written now, worth a write? It is at most so old,
 * in milliseconds, while requests come. */
int lifecycle_touch_ms(int idle_stop_s);

/* How a gateway is used; times are ages, from now. */
struct usage_view {
	int64_t ready_ms;   /* since it became ready */
	int64_t request_ms; /* since the row's last request; INT64_MAX: none */
	int64_t active_ms;  /* since it was seen in use; INT64_MAX: never */
	bool passing;	    /* something is on its way that does not count */
};

/* In how many milliseconds it may be stopped as idle: 0 now, -1 never. */
int64_t lifecycle_idle_in(const struct usage_view *view, int idle_stop_s);

struct settlement lifecycle_settle(const struct ending *ending,
				   const struct gateway_settings *gateway);

#endif
