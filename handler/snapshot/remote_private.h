/* remote_private.h - what the files of remote share: one request, tried until it
 * is done, and where its content goes
 */
#ifndef WAKEGATE_REMOTE_PRIVATE_H
#define WAKEGATE_REMOTE_PRIVATE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/deadline.h"
#include "base/err.h"
#include "snapshot/digest.h"
#include "snapshot/remote.h"
#include "snapshot/report.h"

#define REMOTE_KEY_BYTES_MAX 1024 /* with the prefix: S3's own limit */

struct remote {
	CURL *curl;
	char *bucket; /* its URL */
	char *prefix;
	char *signer; /* for CURLOPT_AWS_SIGV4 */
	char *access_key, *secret_key;
	int stall_s;
};

/* Takes the content of a good answer. */
struct remote_sink {
	/* What comes next is the content from this offset on: 0, or where it
	 * broke off. */
	int (*begin)(void *user, int64_t offset, struct err *err);
	int (*take)(void *user, const char *data, size_t len, struct err *err);
};

struct remote_body {
	int fd;		  /* read from its beginning, or -1: */
	const char *text; /* the body itself */
	int64_t bytes;
	char sha256[DIGEST_BYTES];
};

struct remote_call {
	const char *method;
	const char *name; /* the object's, for messages */
	const char *url;
	const struct remote_body *body; /* NULL: none */
	const struct remote_sink *sink; /* NULL: content is dropped */
	void *user;			/* the sink's */
	bool resumes;	  /* a broken answer goes on where it broke off */
	int64_t expected; /* bytes of content; 0: not known */
	struct deadline deadline;
	const struct report *report;
	int64_t reported; /* what report_progress() counts from */
};

/* Errors as remote.h has them. */
int remote_call(struct remote *remote, const struct remote_call *call,
		struct err *err);

/* remote_failure.c: why a try came to nothing. */
struct remote_outcome {
	CURLcode result;
	long status;	     /* 0: no answer came */
	const char *why;     /* libcurl's words, "" when it has none */
	const char *content; /* what came with a status that is no success */
	size_t content_len;
};

/* Fills err; true: another try may succeed. */
bool remote_failure(const struct remote *remote, const struct remote_call *call,
		    const struct remote_outcome *outcome, struct err *err);

/* remote_url.c: appends text as RFC 3986 wants it, all but the unreserved and
 * `keep` (or '\0') encoded. */
void remote_url_encode(struct buffer *url, const char *text, char keep);

/* The name (with the prefix) and the URL of a key; the caller frees both. */
struct remote_object {
	char *name, *url;
};
int remote_object(struct remote_object *ret, const struct remote *remote,
		  const char *key, struct err *err);
void remote_object_free(struct remote_object *object);

/* remote_content.c: a content that must have a size and a digest. */
struct remote_content {
	const char *name;
	int fd; /* it is written there, too; or -1 */
	int64_t bytes, taken;
	struct digest *digest;
};
extern const struct remote_sink remote_content_sink;
/* Does what was taken have the size and this digest? ERR_CORRUPT if not. */
int remote_content_check(struct remote_content *content, const char *sha256,
			 struct deadline deadline, struct err *err);

/* A content that is collected in a struct buffer, up to its maximum. */
extern const struct remote_sink remote_buffer_sink;

#endif
