/* call.h - one request that is being answered, and the memory for it
 *
 * One is used again and again, by one thread at a time. Only as much of it as a
 * request needs is ever touched.
 */
#ifndef WAKEGATE_CALL_H
#define WAKEGATE_CALL_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/http1.h"
#include "base/limits.h"
#include "edge/body.h"
#include "edge/client.h"
#include "edge/edge.h"
#include "edge/outlook.h"
#include "edge/problem.h"
#include "edge/request.h"
#include "gateway/ensure.h"
#include "gateway/settings.h"
#include "store/store.h"

struct tally;

/* One attempt: a connection to the gateway, and what passed on it. */
struct exchange {
	int fd; /* -1: there is no connection */
	bool fresh;
	size_t written; /* of the request, to this connection */
	size_t seen;	/* of a response */
	bool sent_all;
};

/* The way to a gateway that is ready: see passage.h. */
struct passage {
	bool wake;
	bool page;	  /* a browser, that gets the loading page */
	bool crashed;	  /* a crash was seen */
	bool fresh;	  /* no kept connection any more */
	bool blind;	  /* the store is silent: the port alone decides */
	struct seen seen; /* what has failed */
};

struct call {
	struct edge *edge;
	struct client *client;
	struct settings *settings;		/* NULL: none can be read */
	const struct gateway_settings *gateway; /* NULL: not known yet */
	struct store *store; /* NULL: it can't be opened now */
	struct request request;
	struct body body;
	struct gateway_row row; /* the one that the answer rests on */
	struct tally *tally;	/* its gateway's; NULL: none is known */
	bool counts;		/* it is for the gateway, not for us */
	struct found found;
	struct passage passage;
	struct exchange exchange;
	int64_t crashed_generation; /* that it saw crash; 0: none */
	int status;		    /* of its answer; 0: it got none */
	enum problem_code problem;  /* PROBLEM_MAX_: none */
	bool paged;		    /* it got the loading page */
	bool retried;
	bool unseen;   /* its connection may not count as use of the gateway */
	int tunnel_fd; /* to the gateway, after its 101; -1: none */
	char id[REQUEST_ID_BYTES]; /* "" until it is needed: call_id() */
	struct buffer head;	   /* the request as the gateway gets it */
	struct buffer out;	   /* the answer's head, or all of ours */
	struct http_response response;
	size_t in_len;
	char in[HEAD_BYTES_MAX]; /* what came from the gateway */
};

int call_new(struct call **ret, struct edge *edge, struct client *client,
	     struct err *err);
void call_free(struct call *call); /* accepts NULL */

/* Forgets the last request. */
void call_reset(struct call *call);

/* Between two requests: gives back what only a large response needed. */
void call_trim(struct call *call);

const char *call_id(struct call *call);

/* How long until the gateway of call->row is ready. */
struct outlook call_outlook(struct call *call);

/* Sends call->out; a client that has gone is no failure. */
void call_send(struct call *call);

/* Nobody waits for an answer any more. */
void call_leave(struct call *call);

/* A problem that says more than its code does: only where who reads it may. */
struct refusal {
	enum problem_code code;
	const char *text;   /* for the log */
	const char *detail; /* NULL: the code's own, as is hint */
	const char *hint;
	const char *allow; /* for PROBLEM_METHOD_NOT_ALLOWED */
	int retry_after_s; /* 0: what the row or the code says */
};
void call_refuse(struct call *call, const struct refusal *refusal);

/* Answers with a problem; text, for the operator, goes to the log. */
void call_problem(struct call *call, enum problem_code code, const char *text);

#endif
