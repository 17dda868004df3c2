#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/log.h"
#include "edge/record.h"
#include "edge/tally.h"
#include "store/observed.h"

#include "base/banned.h"

#define PENDING_MAX 128 /* more are lost: that many wait for one write */

struct pending {
	struct store *store;
	struct request_row row;
};

struct records {
	pthread_mutex_t lock;
	bool writing;
	size_t len;
	struct pending *pending; /* PENDING_MAX of them, when first needed */
	struct request_row *rows;
};

int records_new(struct records **ret, struct err *err)
{
	struct records *self = calloc(1, sizeof(*self));

	if (!self)
		return err_errno(err, "cannot start");
	(void)pthread_mutex_init(&self->lock, NULL);
	*ret = self;
	return 0;
}

void records_free(struct records *records)
{
	if (!records)
		return;
	(void)pthread_mutex_destroy(&records->lock);
	free(records->pending);
	free(records->rows);
	free(records);
}

/* Takes those of the first's store out, into rows. With the lock held. */
static size_t take(struct records *records, struct store **store)
{
	size_t taken = 0, kept = 0;

	*store = records->pending[0].store;
	for (size_t i = 0; i < records->len; i++) {
		if (records->pending[i].store == *store)
			records->rows[taken++] = records->pending[i].row;
		else
			records->pending[kept++] = records->pending[i];
	}
	records->len = kept;
	return taken;
}

static void write_rows(struct store *store, const struct request_row *rows,
		       size_t len)
{
	struct err err;

	if (store_requests_add(store, rows, len, &err) == 0)
		return;
	if (err.code == ERR_STORE_MOVED && store_reopen(store, &err) == 0 &&
	    store_requests_add(store, rows, len, &err) == 0)
		return;
	log_line(LEVEL_DEBUG, "msg=\"%s, going on\"", err.text);
}

/* With the lock held, which it lets go of meanwhile. */
static void write_all(struct records *records)
{
	records->writing = true;
	while (records->len > 0) {
		struct store *store = NULL;
		size_t len = take(records, &store);

		(void)pthread_mutex_unlock(&records->lock);
		write_rows(store, records->rows, len);
		(void)pthread_mutex_lock(&records->lock);
	}
	records->writing = false;
}

static bool has_room(struct records *records)
{
	if (!records->pending)
		records->pending =
			calloc(PENDING_MAX, sizeof(records->pending[0]));
	if (!records->rows)
		records->rows = calloc(PENDING_MAX, sizeof(records->rows[0]));
	return records->pending && records->rows && records->len < PENDING_MAX;
}

static void add(struct records *records, struct store *store,
		const struct request_row *row)
{
	(void)pthread_mutex_lock(&records->lock);
	if (has_room(records)) {
		records->pending[records->len++] =
			(struct pending){ .store = store, .row = *row };
		if (!records->writing)
			write_all(records);
	}
	(void)pthread_mutex_unlock(&records->lock);
}

/* What nobody has told of yet. */
static void tell(const struct request_row *row)
{
	log_line(
		LEVEL_INFO,
		"request=%s gateway=%s generation=%lld found=%s waited_ms=%lld "
		"retried=%s status=%d msg=\"not ready at once\"",
		row->request, row->gateway, (long long)row->generation,
		row->found[0] ? row->found : "-", (long long)row->waited_ms,
		row->retried ? "true" : "false", row->status);
}

static void note(struct call *call)
{
	const struct found *found = &call->found;
	int64_t now_ms = clock_wall_ms();
	struct request_row row = {
		.at_ms = found->known ? found->at_ms : now_ms,
		.found_generation = found->generation,
		.waited_ms = found->waited_ms,
		.generation = call->row.generation,
		.crashed_generation = call->crashed_generation,
		.retried = call->retried,
		.status = call->status,
	};

	row.took_ms = now_ms > row.at_ms ? now_ms - row.at_ms : 0;
	(void)snprintf(row.request, sizeof(row.request), "%s", call_id(call));
	if (call->tally)
		(void)snprintf(row.gateway, sizeof(row.gateway), "%s",
			       tally_gateway(call->tally));
	if (found->known)
		(void)snprintf(row.found, sizeof(row.found), "%s",
			       gateway_state_names[found->state]);
	if (call->problem != PROBLEM_MAX_)
		(void)snprintf(row.code, sizeof(row.code), "%s",
			       problem_word(call->problem));
	else if (call->paged)
		(void)snprintf(row.code, sizeof(row.code), "%s", RECORD_PAGE);
	if (call->problem == PROBLEM_MAX_)
		tell(&row);
	if (call->store)
		add(edge_records(call->edge), call->store, &row);
}

static void count(struct call *call)
{
	if (!call->tally)
		return;
	if (call->counts)
		tally_add(call->tally, tally_of_status(call->status));
	if (call->problem != PROBLEM_MAX_)
		tally_add(call->tally,
			  (enum tally_kind)(TALLY_REFUSED + call->problem));
	if (call->crashed_generation != 0)
		tally_add(call->tally,
			  call->retried && call->problem == PROBLEM_MAX_ &&
					  call->status != 0
				  ? TALLY_RETRIED
				  : TALLY_NOT_RETRIED);
}

/* Who may not come in is not to push out what is known of others; the log has a line. */
static bool is_stranger(const struct call *call)
{
	return call->problem == PROBLEM_UNAUTHORIZED ||
	       call->problem == PROBLEM_TOO_MANY_REQUESTS;
}

void record_end(struct call *call)
{
	count(call);
	if (call->found.known ||
	    (call->problem != PROBLEM_MAX_ && !is_stranger(call))) {
		client_step_aside(call->client);
		note(call);
	}
	settings_unref(call->settings);
	call->settings = NULL;
}
