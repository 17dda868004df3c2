/* process.h - which processes are the gateway's: looking into /proc, signalling
 *
 * /proc and a process's memory can hang (a stopped FUSE daemon, a process in
 * uninterruptible sleep). So all looking is done in a child that is watched: one
 * that makes no progress for a second is given up, what it hung on is passed
 * over from then on, and the whole ends by its deadline. For the keeper only,
 * which has one thread; never for a request.
 */
#ifndef WAKEGATE_PROCESS_H
#define WAKEGATE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/deadline.h"
#include "base/err.h"
#include "base/process_id.h"

/* What a keeper is called (PR_SET_NAME). */
#define KEEPER_NAME "wakegate-keep"

struct process {
	struct process_id id;
	pid_t parent;
	pid_t session;
	uid_t uid;
	uint64_t cpu_ms; /* used so far, with that of children it waited for */
	uint64_t memory_bytes; /* resident */
	char name[16];	       /* comm; "" unknown */
	bool zombie;	       /* dead, not reaped */
	bool bears; /* its environment holds the gateway's WAKEGATE_INSTANCE */
	bool listens; /* it holds a listening socket of the address */
	bool ours;    /* see process_mark() */
};

struct process_list {
	struct process *items;
	size_t count;
	bool listening;	    /* a socket listens on the address */
	uid_t listener_uid; /* whose */
};

/* Lists all processes but the looker. instance: "WAKEGATE_INSTANCE=ID/NAME/"; a
 * process bears it when a variable of its environment begins so. address: whose
 * listening sockets count, or NULL. The caller frees the list. ERR_TIMEOUT when
 * /proc itself hangs or the deadline (5 s at most) passes. */
int process_look(struct process_list *ret, const char *instance,
		 const struct address *address, struct err *err);
void process_list_free(struct process_list *list);

/* What belongs to a gateway. */
struct process_claim {
	struct process_id main; /* the process that is tracked; pid 0: none */
	pid_t session;		/* the session that we made for it; 0: none */
	pid_t keeper;		/* whose children are the gateway's; 0: none */
	uid_t uid;		/* ours */
	const char *name;	/* a process of that name on the port is ours */
};

/* Marks as ours: the bearers of the instance; the main process; members of the
 * session that started no earlier than its leader; children of the keeper; a
 * holder of the port with our uid and that name; and all descendants of these.
 * Init, the keeper itself and kernel threads never. */
void process_mark(struct process_list *list, const struct process_claim *claim);

/* Is anybody in that session? */
bool process_has_session(const struct process_list *list, pid_t session);

/* Of those that are ours and alive: how many; the one that listens (its eldest,
 * if several do); the eldest that is no child of another one of ours. NULL: none. */
size_t process_ours(const struct process_list *list);
const struct process *process_listener(const struct process_list *list);
const struct process *process_eldest(const struct process_list *list);
const struct process *process_find(const struct process_list *list,
				   struct process_id id);
/* The holder of the port that is not ours, or NULL. */
const struct process *process_stranger(const struct process_list *list);

/* Signals all that are ours and alive (only: NULL, or just that one): through a
 * pidfd, after its start time was compared once more. Gives how many. */
int process_signal(const struct process_list *list, const struct process *only,
		   int number, struct err *err);

/* The start time of a process that can't have been reaped (a child, ourselves), 0
 * when /proc does not say. */
uint64_t process_start(pid_t pid);

/* This process, and this boot's id (36 characters; "" when /proc does not say). */
struct process_self {
	struct process_id id;
	char boot[40];
};
void process_self(struct process_self *ret);

#endif
