#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "edge/usage.h"
#include "gateway/lock.h"

#include "base/banned.h"

/* One gateway of one state_dir; made once, it stays. */
struct used {
	struct used *next;
	char name[GATEWAY_NAME_BYTES];
	int fd;
	int count[2]; /* of requests that pass, and that count */
	bool held[2];
	char state_dir[];
};

struct usage {
	pthread_mutex_t lock;
	struct used *all;
};

int usage_new(struct usage **ret, struct err *err)
{
	struct usage *self = calloc(1, sizeof(*self));

	if (!self)
		return err_errno(err, "cannot start");
	(void)pthread_mutex_init(&self->lock, NULL);
	*ret = self;
	return 0;
}

void usage_free(struct usage *usage)
{
	if (!usage)
		return;
	while (usage->all) {
		struct used *next = usage->all->next;

		if (usage->all->fd >= 0)
			(void)close(usage->all->fd);
		free(usage->all);
		usage->all = next;
	}
	(void)pthread_mutex_destroy(&usage->lock);
	free(usage);
}

static struct used *find(const struct usage *usage, const char *state_dir,
			 const char *name)
{
	struct used *used = usage->all;

	while (used && (strcmp(used->name, name) != 0 ||
			strcmp(used->state_dir, state_dir) != 0))
		used = used->next;
	return used;
}

static struct used *find_or_make(struct usage *usage, const char *state_dir,
				 const char *name)
{
	struct used *used = find(usage, state_dir, name);
	size_t size = strlen(state_dir) + 1;

	if (used)
		return used;
	used = calloc(1, sizeof(*used) + size);
	if (!used)
		return NULL;
	(void)snprintf(used->name, sizeof(used->name), "%s", name);
	memcpy(used->state_dir, state_dir, size);
	used->fd = -1;
	used->next = usage->all;
	usage->all = used;
	return used;
}

static enum lock_byte byte_of(bool counts)
{
	return counts ? LOCK_IN_USE : LOCK_PASSING;
}

static int hold(struct used *used, bool counts, struct err *err)
{
	if (used->fd < 0 &&
	    lock_open(&used->fd, used->state_dir, used->name, err)) {
		used->fd = -1;
		return -1;
	}
	return lock_share(used->fd, byte_of(counts), err);
}

int usage_begin(struct usage *usage, const char *state_dir, const char *name,
		bool counts, struct err *err)
{
	struct used *used;
	int failed = 0;

	(void)pthread_mutex_lock(&usage->lock);
	used = find_or_make(usage, state_dir, name);
	if (!used) {
		failed = err_set(err, ERR_LIMIT, "out of memory");
	} else {
		used->count[counts]++;
		if (!used->held[counts])
			failed = hold(used, counts, err);
		used->held[counts] = !failed;
	}
	(void)pthread_mutex_unlock(&usage->lock);
	return failed;
}

void usage_end(struct usage *usage, const char *state_dir, const char *name,
	       bool counts)
{
	struct used *used;

	(void)pthread_mutex_lock(&usage->lock);
	used = find(usage, state_dir, name);
	if (used && used->count[counts] > 0 && --used->count[counts] == 0 &&
	    used->held[counts]) {
		lock_drop(used->fd, byte_of(counts));
		used->held[counts] = false;
	}
	(void)pthread_mutex_unlock(&usage->lock);
}
