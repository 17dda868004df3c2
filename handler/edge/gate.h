/* gate.h - where connections wait: those of web servers, to be accepted or, when they
 * are kept, for their next request, and those to a gateway for its answer
 *
 * One thread at a time, the porter, takes what comes, and does what follows from it
 * as long as that does not make it wait; before it does, it steps aside, and another
 * is the porter. So a silent connection costs a descriptor and no thread, and
 * requests that are answered at once are answered by one thread, which nobody has to
 * wake.
 */
#ifndef WAKEGATE_GATE_H
#define WAKEGATE_GATE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/deadline.h"
#include "base/err.h"

#define GATE_PENDING_MAX 64

struct call;
struct gate_place;
struct halves;

/* A call that waits for its gateway's answer. */
struct gate_pending {
	struct call *call; /* NULL: free */
	int fd;
	struct deadline deadline;
};

struct gate {
	int listen_fd; /* non-blocking; borrowed */
	int wait_fd;   /* readable when somebody is to be served */
	int leave_fd;  /* gate_leave() */
	struct deadline leave_by;
	bool leaving;
	bool closing; /* gate_shut() */
	bool keeps;   /* a connection was kept, and others may be */
	bool local;   /* a Unix socket */
	struct halves *halves;
	int idle;    /* the porter, and those that wait for its place */
	int waiting; /* those whose request only waits: see gate_wait() */
	int news;    /* those of gate_park_new() */
	/* called by the one that leaves none idle */
	void (*all_busy)(struct gate *gate);
	pthread_mutex_t lock; /* for these two */
	bool kept;	      /* there is a porter */
	struct gate_place *stack;
	/* the porter's: */
	int pending_max; /* at most GATE_PENDING_MAX */
	int pending_count;
	struct gate_pending pending[GATE_PENDING_MAX];
	struct deadline due; /* of the first of them, when none was idle last */
	struct deadline shut; /* until then the door is not looked at */
	bool quiet;	      /* nobody has come since that was told */
};

/* One thread's. */
struct gate_place {
	struct gate *gate;
	bool counted; /* as idle */
	bool porter;
	pthread_cond_t turn;
	struct gate_place *below; /* on the stack */
};

/* Who comes: a connection with something to say; or a call whose gateway has
 * answered, or has not for a while; or nobody, for a while. */
struct gate_guest {
	int fd;		   /* -1: none */
	struct call *call; /* NULL: none */
};

int gate_open(struct gate *gate, int listen_fd, struct err *err);
void gate_close(struct gate *gate);

/* counted: its maker has counted the thread as idle. */
void gate_place_init(struct gate_place *place, struct gate *gate, bool counted);
void gate_place_free(struct gate_place *place);

/* Waits for a guest, as the porter, which the thread is from then on. False: it is
 * not needed any more, or told to leave; it is not counted as idle then. */
bool gate_take(struct gate_place *place, struct gate_guest *ret);

/* What the thread does next may take its time. It need not be the porter. */
void gate_step_aside(struct gate_place *place);

/* The call is a guest when fd, a connection of its own, can be read, or a few ms
 * later. False: it has to be waited for; too many are pending, the thread is not the
 * porter, or the gate is left. */
bool gate_pend(struct gate_place *place, struct call *call, int fd);
int gate_pending(const struct gate *gate); /* how many are */

/* Is there something to take? For when nobody is idle, as are gate_due() calls:
 * when there will be, whatever happens. */
bool gate_has_guest(struct gate *gate);
struct deadline gate_due(const struct gate *gate);

/* The caller's request waits for a gateway or is a long response, or (waits false)
 * no more. False: too many do in this process; nothing has changed then. */
bool gate_wait(struct gate *gate, bool waits);

/* Takes over a connection between two requests, until its next one. */
void gate_park(struct gate *gate, int fd);

/* The same for one that has not asked anything yet: who leaves gives it a moment. */
void gate_park_new(struct gate *gate, int fd);

/* Closes the socket, so that others are refused, and each connection at its next
 * gate_park(). False: somebody stood at the door, and is let in. */
bool gate_shut(struct gate *gate);

/* From now on gate_take() gives false, but first, until leave_by, those who stand at
 * the door: where no other process listens on the socket they would be turned
 * away. */
void gate_leave(struct gate *gate, struct deadline leave_by);

#endif
