#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/process.h"
#include "snapshot/freeze_private.h"

#include "base/banned.h"

#define BEGIN_MS   5000
#define ROUNDS_MAX 100
#define AWAKE_MS   2000
#define PAUSE_MS   1

struct freeze {
	const struct gateway_settings *gateway;
	const struct gateway_row *row;
	const char *instance;
	struct deadline deadline; /* of the beginning */
	struct group group;
	struct guardian guardian;
	struct process_id *held; /* that stand still */
	size_t held_count;
	struct process_id *stopped; /* by us, of these */
	size_t stopped_count;
};

/* Holds one process; those that it forks meanwhile are found in the next round. */
typedef int hold_function(struct freeze *freeze, const struct process *process,
			  struct err *err);

static void freeze_free(struct freeze *freeze)
{
	free(freeze->held);
	free(freeze->stopped);
	free(freeze);
}

static const struct process *find_pid(const struct process_list *list,
				      pid_t pid)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].id.pid == pid)
			return &list->items[i];
	return NULL;
}

/* We, what works for us, and who waits for what we say. */
static bool is_of_us(const struct process_list *list,
		     const struct process *process)
{
	if (process->id.pid == getppid())
		return true;
	for (size_t steps = 0; process && steps <= list->count; steps++) {
		if (process->id.pid == getpid() || process->parent == getpid())
			return true;
		process = find_pid(list, process->parent);
	}
	return false;
}

static int list_gateway(const struct freeze *freeze, struct process_list *ret,
			struct err *err)
{
	const struct gateway_row *row = freeze->row;
	struct process_claim claim = { .main = row->process,
				       .uid = geteuid(),
				       .name = freeze->gateway->process };
	const struct process *main;

	if (process_look(ret, freeze->instance, &freeze->gateway->address, err))
		return -1;
	main = process_find(ret, row->process);
	if (main && main->session == main->id.pid)
		claim.session = main->session;
	if (process_find(ret, row->owner))
		claim.keeper = row->owner.pid;
	process_mark(ret, &claim);
	for (size_t i = 0; i < ret->count; i++)
		if (is_of_us(ret, &ret->items[i]) || ret->items[i].zombie)
			ret->items[i].ours = false;
	return 0;
}

static bool is_held(const struct freeze *freeze, struct process_id id)
{
	for (size_t i = 0; i < freeze->held_count; i++)
		if (freeze->held[i].pid == id.pid &&
		    freeze->held[i].start == id.start)
			return true;
	return false;
}

/* Gives how many were new, -1 on failure. */
static int hold_new(struct freeze *freeze, hold_function *hold, struct err *err)
{
	CLEANUP(process_list_free) struct process_list list = { .count = 0 };
	int found = 0;

	if (list_gateway(freeze, &list, err))
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		const struct process *process = &list.items[i];

		if (!process->ours || is_held(freeze, process->id))
			continue;
		if (freeze->held_count == FREEZE_PROCESSES_MAX)
			return err_set(err, ERR_LIMIT,
				       "the gateway has more than %d processes",
				       FREEZE_PROCESSES_MAX);
		if (hold(freeze, process, err))
			return -1;
		freeze->held[freeze->held_count++] = process->id;
		found++;
	}
	return found;
}

/* Until a look finds none that runs. */
static int hold_all(struct freeze *freeze, hold_function *hold, struct err *err)
{
	for (int rounds = 0; rounds < ROUNDS_MAX; rounds++) {
		int found = hold_new(freeze, hold, err);

		if (found <= 0)
			return found;
		if (deadline_passed(freeze->deadline))
			break;
	}
	return err_set(err, ERR_BUSY,
		       "the gateway forks faster than it can be held");
}

/* --- by a cgroup ------------------------------------------------------------ */

static int hold_in_group(struct freeze *freeze, const struct process *process,
			 struct err *err)
{
	if (!group_may_take(&freeze->group, process->id.pid))
		return err_set(err, ERR_INVALID,
			       "pid %ld is in a group of its own",
			       (long)process->id.pid);
	return group_add(&freeze->group, process->id, err);
}

/* The second round is for those that were forked before their parent was in. */
static int freeze_by_group(struct freeze *freeze, struct err *err)
{
	if (group_make(&freeze->group, err))
		return -1;
	if (hold_all(freeze, hold_in_group, err) == 0 &&
	    group_freeze(&freeze->group, freeze->deadline, err) == 0 &&
	    hold_all(freeze, hold_in_group, err) == 0 &&
	    group_freeze(&freeze->group, freeze->deadline, err) == 0)
		return 0;
	(void)group_thaw(&freeze->group);
	freeze->held_count = 0;
	return -1;
}

/* --- by signals ------------------------------------------------------------- */

static int await_stop(struct process_id id, struct deadline deadline,
		      struct err *err)
{
	char state;

	while (process_state(id, &state) && !strchr("TtZX", state))
		if (!deadline_pause(deadline, PAUSE_MS))
			return err_set(err, ERR_TIMEOUT,
				       "pid %ld does not stop", (long)id.pid);
	return 0;
}

static int hold_by_signal(struct freeze *freeze, const struct process *process,
			  struct err *err)
{
	struct process only = *process;
	struct process_list list = { .items = &only, .count = 1 };
	char state;

	/* one that somebody else has stopped stays stopped in the end */
	if (!process_state(process->id, &state) || state == 'T')
		return 0;
	if (guardian_tell(&freeze->guardian, process->id, err))
		return -1;
	freeze->stopped[freeze->stopped_count++] = process->id;
	if (process_signal(&list, &only, SIGSTOP, err) < 0)
		return -1;
	return await_stop(process->id, freeze->deadline, err);
}

/* --- both ------------------------------------------------------------------- */

static int count_gateway(struct freeze *freeze, struct err *err)
{
	CLEANUP(process_list_free) struct process_list list = { .count = 0 };

	if (list_gateway(freeze, &list, err))
		return -1;
	return (int)process_ours(&list);
}

/* The guardian does it, and we once more: it may have been killed, or have been just
 * before the last one that we stopped. */
static int let_go(struct freeze *freeze, struct err *err)
{
	int result = guardian_end(&freeze->guardian, err);

	thaw(&freeze->group, freeze->stopped, freeze->stopped_count);
	return result;
}

static int hold_gateway(struct freeze *freeze, struct err *err)
{
	struct err ignored;

	if (guardian_start(&freeze->guardian, &freeze->group, err))
		return -1;
	if (freeze_by_group(freeze, &ignored) == 0 ||
	    hold_all(freeze, hold_by_signal, err) == 0)
		return 0;
	(void)let_go(freeze, &ignored);
	return -1;
}

static int freeze_all(struct freeze *freeze, struct err *err)
{
	int count;

	freeze->held = calloc(FREEZE_PROCESSES_MAX, sizeof(*freeze->held));
	freeze->stopped =
		calloc(FREEZE_PROCESSES_MAX, sizeof(*freeze->stopped));
	if (!freeze->held || !freeze->stopped)
		return err_set(err, ERR_LIMIT, "out of memory");
	group_find(&freeze->group);
	count = count_gateway(freeze, err);
	if (count > 0 && hold_gateway(freeze, err))
		return -1;
	return count;
}

int freeze_begin(struct freeze **ret, const struct gateway_settings *gateway,
		 const struct gateway_row *row, const char *instance,
		 struct err *err)
{
	struct freeze *freeze = calloc(1, sizeof(*freeze));
	int count;

	if (!freeze)
		return err_set(err, ERR_LIMIT, "out of memory");
	freeze->gateway = gateway;
	freeze->row = row;
	freeze->instance = instance;
	freeze->deadline = deadline_in(BEGIN_MS);
	count = freeze_all(freeze, err);
	if (count <= 0)
		freeze_free(freeze);
	if (count >= 0)
		*ret = count > 0 ? freeze : NULL;
	return count < 0 ? -1 : 0;
}

/* Does each that was stopped run again, or is it gone? */
static bool all_run(const struct freeze *freeze)
{
	struct deadline deadline = deadline_in(AWAKE_MS);
	char state;

	for (size_t i = 0; i < freeze->stopped_count; i++)
		while (process_state(freeze->stopped[i], &state) &&
		       state == 'T')
			if (!deadline_pause(deadline, PAUSE_MS))
				return false;
	return access(freeze->group.path, F_OK) != 0;
}

int freeze_end(struct freeze *freeze, struct err *err)
{
	int result;

	if (!freeze)
		return 0;
	result = let_go(freeze, err);
	if (result != 0 && err->code == ERR_CLOSED)
		result = 0; /* we did what it would have done */
	if (!all_run(freeze) && result == 0)
		result = err_set(err, ERR_SYSTEM,
				 "the gateway does not run again");
	freeze_free(freeze);
	return result;
}
