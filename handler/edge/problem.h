/* problem.h - our own errors: the only place with statuses of our own
 *
 * RFC 9457 problem details, or a small page for who asks for HTML; RFC 9209
 * Proxy-Status. Everything that anybody may read is in problem.c's table, which
 * repeats nothing of the request, no path and no secret; more is for who may
 * administer.
 */
#ifndef WAKEGATE_PROBLEM_H
#define WAKEGATE_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "store/row.h"

enum problem_code {
	PROBLEM_STARTING,
	PROBLEM_COOLDOWN,
	PROBLEM_FAILED,
	PROBLEM_RESTORE_FAILED,
	PROBLEM_PORT_TAKEN,
	PROBLEM_CRASHED,
	PROBLEM_HELD,
	PROBLEM_OVERLOADED,
	PROBLEM_STORE,
	PROBLEM_GATEWAY_CLOSED,
	PROBLEM_BAD_RESPONSE,
	PROBLEM_UNREACHABLE,
	PROBLEM_GATEWAY_TIMEOUT,
	PROBLEM_BODY_TOO_LARGE,
	PROBLEM_BAD_REQUEST,
	PROBLEM_UNAUTHORIZED,
	PROBLEM_FORBIDDEN,
	PROBLEM_NOT_FOUND,
	PROBLEM_METHOD_NOT_ALLOWED,
	PROBLEM_CONFLICT,
	PROBLEM_NOT_RESTORED,
	PROBLEM_BACKUP_NOT_CONFIGURED,
	PROBLEM_BACKUP_FAILED,
	PROBLEM_OPERATION_TIMEOUT,
	PROBLEM_ACTION_FAILED,
	PROBLEM_TOO_MANY_REQUESTS,
	PROBLEM_LOOP_DETECTED,
	PROBLEM_NOT_CONFIGURED,
	PROBLEM_MAX_
};

/* How much of it. As an authorizer's verdict it may be put before another answer,
 * which then must not get its length, or any of its fields. */
enum problem_extent {
	PROBLEM_WHOLE,
	PROBLEM_WITHOUT_LENGTH,
	PROBLEM_STATUS_ONLY,
};

struct problem {
	enum problem_code code;
	const char *id;	     /* of the request */
	const char *gateway; /* NULL: none */
	int64_t generation;
	bool retried;
	int retry_after_s;  /* 0: the code's own, if it has one */
	const char *detail; /* NULL: the code's own, as is hint */
	const char *hint;
	const char *allow; /* for PROBLEM_METHOD_NOT_ALLOWED */
	bool html;
	bool head; /* without a body */
	enum problem_extent extent;
};

/* Appends the whole response as RFC 3875, 6 has it. */
void problem_render(struct buffer *out, const struct problem *problem);

const char *problem_word(enum problem_code code);
int problem_status(enum problem_code code);

/* The problem that a row in cooldown or failed is. */
enum problem_code problem_of_row(const struct gateway_row *row);

/* The Status, Cache-Control and X-Request-Id lines of an answer of ours that is
 * no problem: ready, or "come again". */
void problem_head(struct buffer *out, bool ready, int retry_after_s,
		  const char *id);

/* The same lines where it was done, or (202) goes on without us. */
void problem_done_head(struct buffer *out, bool done, const char *id);

/* Those of a page that tells of a problem among other things. */
void problem_page_head(struct buffer *out, enum problem_code code,
		       const char *id);

/* "Look there": the result of what was sent. location: relative. */
void problem_see_head(struct buffer *out, const char *location, const char *id);

#endif
