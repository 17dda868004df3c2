#include "config.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/log.h"
#include "base/memory.h"
#include "edge/call.h"
#include "edge/request_id.h"

#include "base/banned.h"

#define OUT_BYTES_MAX  (2 * HEAD_BYTES_MAX)
#define KEEP_BYTES_MAX 16384 /* of a buffer, for the next request */
#define ANSWER_BYTES   1024  /* a short one, with its head */

int call_new(struct call **ret, struct edge *edge, struct client *client,
	     struct err *err)
{
	/* large, zero, and mostly never touched: calloc(3) would write all */
	struct call *self = mmap(NULL, sizeof(*self), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (self == MAP_FAILED)
		return err_errno(err, "cannot answer requests");
	if (client->one_shot)
		memory_populate(self, offsetof(struct call, in) + ANSWER_BYTES);
	self->edge = edge;
	self->client = client;
	self->tunnel_fd = -1;
	self->head.max = (size_t)4 * HEAD_BYTES_MAX;
	self->out.max = OUT_BYTES_MAX;
	*ret = self;
	return 0;
}

static void shrink(struct buffer *buffer)
{
	if (buffer->capacity > KEEP_BYTES_MAX)
		buffer_free(buffer);
	else
		buffer_clear(buffer);
}

void call_reset(struct call *call)
{
	settings_unref(call->settings);
	call->settings = NULL;
	call->gateway = NULL;
	call->store = NULL;
	body_end(&call->body);
	shrink(&call->head);
	shrink(&call->out);
	call->row.generation = 0;
	call->tally = NULL;
	call->counts = false;
	call->found.known = false;
	call->found.generation = 0;
	call->found.waited_ms = 0;
	call->crashed_generation = 0;
	call->status = 0;
	call->problem = PROBLEM_MAX_;
	call->paged = false;
	call->retried = false;
	call->unseen = false;
	if (call->tunnel_fd >= 0)
		(void)close(call->tunnel_fd);
	call->tunnel_fd = -1;
	call->id[0] = '\0';
	call->in_len = 0;
}

void call_free(struct call *call)
{
	if (!call)
		return;
	call_reset(call);
	buffer_free(&call->head);
	buffer_free(&call->out);
	(void)munmap(call, sizeof(*call));
}

/* Its pages' content is lost, which a request sets anew. */
void call_trim(struct call *call)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t begin = (uintptr_t)(call->in + RELAY_BYTES) & -page;
	uintptr_t end = (uintptr_t)(call->in + sizeof(call->in)) & -page;

	(void)madvise((char *)call->in + (begin - (uintptr_t)call->in),
		      end - begin, MADV_DONTNEED);
}

const char *call_id(struct call *call)
{
	if (!call->id[0])
		request_id_make(call->id);
	return call->id;
}

struct outlook call_outlook(struct call *call)
{
	int64_t usual_ms = 0;
	struct err ignored; /* an estimate that is missing */

	if (call->store && call->gateway)
		(void)store_start_time_usual(call->store, call->gateway->name,
					     &usual_ms, &ignored);
	return outlook_of(&call->row, usual_ms, clock_wall_ms());
}

void call_send(struct call *call)
{
	struct err err;

	if (!buffer_ok(&call->out)) {
		log_line(LEVEL_ERROR,
			 "request=%s msg=\"an answer of ours is "
			 "too large\"",
			 call_id(call));
		call->client->door->abort(call->client);
		return;
	}
	if (call->client->door->write(call->client, call->out.data,
				      call->out.len, &err))
		log_line(LEVEL_DEBUG, "request=%s msg=\"%s, going on\"",
			 call_id(call), err.text);
}

void call_leave(struct call *call)
{
	call->status = 0;
	log_line(LEVEL_DEBUG, "gateway=%s msg=\"the client has gone\"",
		 call->gateway->name);
	call->client->door->abort(call->client);
}

/* What the row makes of it; 0: nothing, the code has its own. */
static int retry_after(struct call *call, enum problem_code code)
{
	enum gateway_state state = call->row.state;
	bool refused = state == STATE_COOLDOWN || state == STATE_FAILED;

	if (!call->gateway || call->row.generation == 0)
		return 0;
	if (code == PROBLEM_STARTING || code == PROBLEM_COOLDOWN ||
	    code == PROBLEM_FAILED || (code == PROBLEM_CRASHED && refused))
		return call_outlook(call).retry_after_s;
	return 0;
}

static enum problem_extent extent(const struct request *request)
{
	if (request->role != ROLE_AUTHORIZER)
		return PROBLEM_WHOLE;
	return request->bare_verdict ? PROBLEM_STATUS_ONLY
				     : PROBLEM_WITHOUT_LENGTH;
}

void call_refuse(struct call *call, const struct refusal *refusal)
{
	const char *gateway = call->gateway ? call->gateway->name : NULL;
	enum problem_code code = refusal->code;
	struct problem problem = {
		.code = code,
		.id = call_id(call),
		.gateway = gateway,
		.generation = call->row.generation,
		.retried = call->retried,
		.retry_after_s = refusal->retry_after_s > 0
					 ? refusal->retry_after_s
					 : retry_after(call, code),
		.detail = refusal->detail,
		.hint = refusal->hint,
		.allow = refusal->allow,
		.html = call->request.wants_html,
		.head = call->request.head,
		.extent = extent(&call->request),
	};

	client_step_aside(call->client); /* the log may make us wait */
	call->status = problem_status(code);
	call->problem = code;
	log_line(problem_status(code) >= 500 ? LEVEL_WARNING : LEVEL_INFO,
		 "request=%s gateway=%s generation=%lld code=%s msg=\"%s\"",
		 problem.id, gateway ? gateway : "-",
		 (long long)problem.generation, problem_word(code),
		 refusal->text);
	buffer_clear(&call->out);
	problem_render(&call->out, &problem);
	call_send(call);
}

void call_problem(struct call *call, enum problem_code code, const char *text)
{
	const struct refusal refusal = {
		.code = code,
		.text = text,
		.allow =
			code == PROBLEM_METHOD_NOT_ALLOWED ? "GET, HEAD" : NULL,
	};

	call_refuse(call, &refusal);
}
