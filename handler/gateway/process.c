#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "gateway/process.h"
#include "gateway/process_private.h"
#include "gateway/scout.h"

#include "base/banned.h"

#define LOOK_DEADLINE_MS 5000
#define LOOK_BYTES_MAX	 (16 << 20)
#define SELF_DEADLINE_MS 1500
#define KTHREADD	 2

static int list_from(struct process_list *ret, const struct buffer *raw,
		     struct err *err)
{
	size_t count = raw->len / sizeof(struct look_record);
	struct process_list list = { .count = 0 };

	list.items = calloc(count + 1, sizeof(*list.items));
	if (!list.items)
		return err_set(err, ERR_LIMIT, "out of memory");
	for (size_t i = 0; i < count; i++) {
		struct look_record record;

		memcpy(&record, raw->data + i * sizeof(record), sizeof(record));
		if (record.is_listener) {
			list.listening = true;
			list.listener_uid = record.listener_uid;
		} else {
			list.items[list.count++] = record.process;
		}
	}
	*ret = list;
	return 0;
}

int process_look(struct process_list *ret, const char *instance,
		 const struct address *address, struct err *err)
{
	struct look look = { .instance = instance, .address = address };
	CLEANUP(buffer_free) struct buffer raw = BUFFER_INIT(LOOK_BYTES_MAX);
	bool hung = false;

	if (scout_run(process_read_all, &look, deadline_in(LOOK_DEADLINE_MS),
		      &raw, &hung, err))
		return -1;
	if (raw.len == 0)
		return err_set(err, ERR_SYSTEM, "cannot read /proc");
	if (list_from(ret, &raw, err))
		return -1;
	return 0;
}

void process_list_free(struct process_list *list)
{
	free(list->items);
	*list = (struct process_list){ .count = 0 };
}

static bool is_main(const struct process *process,
		    const struct process_claim *claim)
{
	return claim->main.pid != 0 && process->id.pid == claim->main.pid &&
	       process->id.start == claim->main.start;
}

static bool is_root_of_ours(const struct process *process,
			    const struct process_claim *claim)
{
	if (process->bears || is_main(process, claim))
		return true;
	if (claim->keeper != 0 && process->parent == claim->keeper)
		return true;
	if (claim->session != 0 && process->session == claim->session &&
	    process->id.start >= claim->main.start)
		return true;
	/* comm is cut at 15 characters */
	return process->listens && process->uid == claim->uid &&
	       strncmp(process->name, claim->name, 15) == 0;
}

/* Of another gateway: one that was started from within ours becomes a child of
 * this subreaper. Before it has its name it is `wakegate`. */
static bool is_keeper(const struct process *process)
{
	return strcmp(process->name, KEEPER_NAME) == 0 ||
	       (strcmp(process->name, "wakegate") == 0 && !process->bears);
}

static bool is_never_ours(const struct process *process,
			  const struct process_claim *claim)
{
	return process->id.pid == 1 || process->id.pid == KTHREADD ||
	       process->parent == KTHREADD ||
	       process->id.pid == claim->keeper ||
	       process->id.pid == getpid() || is_keeper(process);
}

static bool has_parent_of_ours(const struct process_list *list,
			       const struct process *child)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].ours &&
		    list->items[i].id.pid == child->parent)
			return true;
	return false;
}

void process_mark(struct process_list *list, const struct process_claim *claim)
{
	bool grew = true;

	for (size_t i = 0; i < list->count; i++)
		list->items[i].ours = !is_never_ours(&list->items[i], claim) &&
				      is_root_of_ours(&list->items[i], claim);
	while (grew) {
		grew = false;
		for (size_t i = 0; i < list->count; i++) {
			struct process *process = &list->items[i];

			if (process->ours || is_never_ours(process, claim) ||
			    !has_parent_of_ours(list, process))
				continue;
			process->ours = true;
			grew = true;
		}
	}
}

bool process_has_session(const struct process_list *list, pid_t session)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].session == session)
			return true;
	return false;
}

size_t process_ours(const struct process_list *list)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].ours && !list->items[i].zombie)
			count++;
	return count;
}

static bool is_older(const struct process *a, const struct process *b)
{
	return !b || a->id.start < b->id.start;
}

const struct process *process_listener(const struct process_list *list)
{
	const struct process *found = NULL;

	for (size_t i = 0; i < list->count; i++) {
		const struct process *process = &list->items[i];

		if (process->ours && !process->zombie && process->listens &&
		    is_older(process, found))
			found = process;
	}
	return found;
}

const struct process *process_eldest(const struct process_list *list)
{
	const struct process *found = NULL;

	for (size_t i = 0; i < list->count; i++) {
		const struct process *process = &list->items[i];

		if (process->ours && !process->zombie &&
		    !has_parent_of_ours(list, process) &&
		    is_older(process, found))
			found = process;
	}
	return found;
}

const struct process *process_find(const struct process_list *list,
				   struct process_id id)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].id.pid == id.pid &&
		    list->items[i].id.start == id.start &&
		    !list->items[i].zombie)
			return &list->items[i];
	return NULL;
}

const struct process *process_stranger(const struct process_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].listens && !list->items[i].ours)
			return &list->items[i];
	return NULL;
}

struct shot {
	const struct process_list *list;
	const struct process *only;
	int number;
};

static bool hit(const struct process *target, int number)
{
	struct process now;
	CLEANUP_FD int fd =
		(int)syscall(SYS_pidfd_open, (long)target->id.pid, 0L);

	if (fd < 0 || process_read_stat(target->id.pid, &now) ||
	    now.id.start != target->id.start)
		return false; /* gone, or somebody else by now */
	return syscall(SYS_pidfd_send_signal, (long)fd, (long)number, NULL,
		       0L) == 0;
}

static void shoot(struct scout *scout, const void *argument)
{
	const struct shot *shot = argument;

	for (size_t i = 0; i < shot->list->count; i++) {
		const struct process *process = &shot->list->items[i];

		if (!process->ours || process->zombie ||
		    (shot->only && shot->only != process))
			continue;
		(void)scout_at(scout, 0);
		if (hit(process, shot->number))
			scout_put(scout, "", 1);
	}
}

int process_signal(const struct process_list *list, const struct process *only,
		   int number, struct err *err)
{
	struct shot shot = { .list = list, .only = only, .number = number };
	CLEANUP(buffer_free) struct buffer hits = BUFFER_INIT(LOOK_BYTES_MAX);
	bool hung = false;

	if (scout_run(shoot, &shot, deadline_in(LOOK_DEADLINE_MS), &hits, &hung,
		      err))
		return -1;
	return (int)hits.len;
}

static void read_identity(struct scout *scout, const void *argument)
{
	struct process_self self = { .id = { .pid = *(
						     const pid_t *)argument } };
	struct process process;

	if (process_read_stat(self.id.pid, &process) == 0)
		self.id.start = process.id.start;
	if (process_read_file("/proc/sys/kernel/random/boot_id", self.boot,
			      37) < 0)
		self.boot[0] = '\0';
	scout_put(scout, &self, sizeof(self));
}

static void identify(struct process_self *ret, pid_t pid)
{
	CLEANUP(buffer_free) struct buffer raw = BUFFER_INIT(LOOK_BYTES_MAX);
	struct process_self self = { .id = { .pid = pid } };
	bool hung = false;
	struct err err;

	if (scout_run(read_identity, &pid, deadline_in(SELF_DEADLINE_MS), &raw,
		      &hung, &err) == 0 &&
	    raw.len == sizeof(self))
		memcpy(&self, raw.data, sizeof(self));
	*ret = self;
}

uint64_t process_start(pid_t pid)
{
	struct process_self self;

	identify(&self, pid);
	return self.id.start;
}

void process_self(struct process_self *ret)
{
	identify(ret, getpid());
}
