/* request.h - one request, as the web server's environment tells it (RFC 3875)
 *
 * Read once, checked once: after request_read() nothing in it can start a new
 * line or another request. Borrows the environment.
 */
#ifndef WAKEGATE_REQUEST_H
#define WAKEGATE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/http1.h"
#include "base/limits.h"

#define HOST_BYTES_MAX 512

struct request_field {
	const char *name; /* behind HTTP_: in capitals, '_' for '-' */
	struct slice value;
	size_t name_len;
};

/* What the web server wants of us: FCGI_ROLE, or WAKEGATE_ROLE before it. */
enum request_role {
	ROLE_RESPONDER,	 /* to answer the request */
	ROLE_AUTHORIZER, /* to say whether it may be passed on */
	ROLE_REFUSAL,	 /* to say why it may not, after it was refused */
	ROLE_UNKNOWN,	 /* WAKEGATE_ROLE has another value */
};

struct request {
	const char *method;
	struct slice target;	   /* origin form, as it came, or "*" */
	struct slice path;	   /* target without its query */
	char host[HOST_BYTES_MAX]; /* with its port, if it has one */
	struct request_field fields[HEADERS_MAX];
	size_t fields_count;
	int64_t content_length;	  /* -1: not known */
	const char *content_type; /* NULL: none */
	const char *remote_addr;  /* "" : not known */
	const char *remote_user;  /* "" : nobody */
	const char *server_port;  /* "" : not known */
	struct slice upgrade;	  /* protocols to switch to; no len: none */
	enum request_role role;
	bool https;
	bool head;	     /* HEAD */
	bool idempotent;     /* RFC 9110, 9.2.2 */
	bool repeatable;     /* that, or it has an Idempotency-Key */
	bool transfer_coded; /* there is a body, of unknown length */
	bool wants_html;     /* Accept has text/html */
	bool navigation;     /* a browser goes to a page */
	bool websocket;	     /* as far as the web server lets us see it */
	bool bare_verdict;   /* the authorizer's fields reach the client */
	bool half_duplex;    /* the web server hears no answer while it sends */
	bool asks_password;  /* it is to say whether a password is right */
};

/* ERR_INVALID: CR, LF or another control character anywhere, a method or a field
 * name that is no token, a Content-Length that is no number, a target in no form
 * of RFC 9112, 3.2, no valid host. ERR_LIMIT: a head over HEAD_BYTES_MAX or
 * HEADERS_MAX. The struct can be used for an answer of ours even then. */
int request_read(struct request *ret, char **envp, struct err *err);

/* The first field of that name in the form that it has in struct request_field;
 * NULL when there is none. */
const struct request_field *request_field(const struct request *request,
					  const char *name);

/* Takes all fields of that name out. */
void request_drop(struct request *request, const char *name);

/* Is name, as above, the field that text (Title-Case, with '-') means? */
bool request_name_is(const char *name, size_t len, const char *text);

#endif
