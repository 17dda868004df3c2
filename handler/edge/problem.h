/* problem.h - our own errors: the only place with statuses of our own
 *
 * RFC 9457 problem details, or a small page for who asks for HTML; RFC 9209
 * Proxy-Status. Everything that a client may read is in problem.c's table;
 * nothing of the request, no path and no secret is ever repeated.
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
	PROBLEM_LOOP_DETECTED,
	PROBLEM_NOT_CONFIGURED,
	PROBLEM_MAX_
};

struct problem {
	enum problem_code code;
	const char *id;	     /* of the request */
	const char *gateway; /* NULL: none */
	int64_t generation;
	bool retried;
	int retry_after_s; /* 0: the code's own, if it has one */
	const char *allow; /* for PROBLEM_METHOD_NOT_ALLOWED */
	bool html;
	bool head; /* without a body */
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

#endif
