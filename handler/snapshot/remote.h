/* remote.h - a bucket of an S3-compatible store (libcurl, signature version 4)
 *
 * Keys are given without the configured prefix. Each call is bounded: connecting
 * 10 s, and no transfer goes on that moves less than 1 KB/s for stall_s (only a
 * download that was faster before goes on with a new connection). Answers 408,
 * 429, 500, 502, 503, 504, and broken connections are tried again, 5 times in all,
 * with a pause that doubles from 0.2 s, with jitter, or as Retry-After says (at
 * most 30 s, and two thirds of stall_s in all while nothing comes), within the
 * deadline. Redirects are not followed; certificates are
 * always checked. Secrets are read when they are needed and stand in no message.
 *
 * Errors: ERR_TIMEOUT, ERR_CLOSED, ERR_SYSTEM: a passing failure, text says which
 * request, status and the store's own code (its XML <Code>); ERR_INVALID: the
 * store refuses (403, 400, no such bucket) or is none, or a key cannot name an
 * object, which a person must mend; ERR_MISSING: no such key; ERR_CORRUPT: what
 * came is not what was put; ERR_LIMIT: more than one object or text holds.
 */
#ifndef WAKEGATE_REMOTE_H
#define WAKEGATE_REMOTE_H

#include <stdint.h>

#include "base/deadline.h"
#include "base/err.h"
#include "gateway/settings.h"
#include "snapshot/report.h"

struct remote;

/* Reads the secrets; talks to nobody yet. */
int remote_open(struct remote **ret, const struct s3_settings *settings,
		int stall_s, struct err *err);
void remote_close(struct remote *remote); /* accepts NULL */

/* Uploads the file (5 GB at most, ERR_LIMIT before anything is sent) under a key
 * that nobody used before, then reads it back and compares size and sha256. On
 * failure the object is deleted, best effort, which may take 5 s beyond the
 * deadline. Progress counts bytes both ways: to twice the size. */
int remote_put(struct remote *remote, const char *key, const char *path,
	       const char *sha256, struct deadline deadline,
	       const struct report *report, struct err *err);
/* The same for a small object (at most 64 KB) from memory. */
int remote_put_text(struct remote *remote, const char *key, const char *text,
		    struct deadline deadline, struct err *err);

/* Downloads to the new file path (O_EXCL, mode 0600), synced; removed again on
 * failure. Size and digest must be these. A broken transfer goes on where it
 * broke off (Range), if the object is still the same (If-Match), else anew. */
int remote_get(struct remote *remote, const char *key, const char *path,
	       int64_t bytes, const char *sha256, struct deadline deadline,
	       const struct report *report, struct err *err);
/* A small object (at most 64 KB); the caller frees *ret. */
int remote_get_text(struct remote *remote, const char *key, char **ret,
		    struct deadline deadline, struct err *err);

/* Calls each() for every key that begins with `begin`, in the store's order, all
 * pages of ListObjectsV2. Keys without the configured prefix. */
int remote_list(struct remote *remote, const char *begin,
		int (*each)(const char *key, int64_t bytes, void *user,
			    struct err *err),
		void *user, struct deadline deadline, struct err *err);

/* A key that is not there is no error. */
int remote_delete(struct remote *remote, const char *key,
		  struct deadline deadline, struct err *err);

#endif
