#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/redact.h"

#include "base/banned.h"

#define FRESH_MS 2000 /* the files of secrets are not read for each line */

/* One a process, as its standard error is. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct redact_source current;
static char **known;
static struct deadline stale_at;

static void forget(void)
{
	for (size_t i = 0; known && known[i]; i++) {
		explicit_bzero(known[i], strlen(known[i]));
		free(known[i]);
	}
	free(known);
	known = NULL;
}

void redact_set_source(const struct redact_source *source)
{
	struct redact_source last;

	(void)pthread_mutex_lock(&lock);
	last = current;
	current = *source;
	stale_at = deadline_in(0);
	(void)pthread_mutex_unlock(&lock);
	if (last.drop)
		last.drop(last.user);
}

/* What can't be read now was not read by those who would tell it either: the old
 * list stays. */
static void refresh(void)
{
	char **fresh = current.read ? current.read(current.user) : NULL;

	if (!fresh)
		return;
	forget();
	known = fresh;
	stale_at = deadline_in(FRESH_MS);
}

void redact_all(char *text, size_t size)
{
	(void)pthread_mutex_lock(&lock);
	if (!known || deadline_passed(stale_at))
		refresh();
	redact(text, size, known);
	(void)pthread_mutex_unlock(&lock);
}
