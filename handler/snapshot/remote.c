#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/remote_private.h"

#include "base/banned.h"

#define OBJECT_BYTES_MAX (INT64_C(5) << 30) /* of one PUT, by S3's rule */
#define TEXT_BYTES_MAX	 65536
#define URL_BYTES_MAX	 2048
#define DISCARD_MS	 5000 /* for the removal of what failed */

static void cleanup_object(struct remote_object *object)
{
	remote_object_free(object);
}

static void cleanup_digest(struct digest **digest)
{
	digest_free(*digest);
}

/* --- the bucket --------------------------------------------------------------- */

static void forget(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void remote_close(struct remote *remote)
{
	if (!remote)
		return;
	if (remote->curl)
		curl_easy_cleanup(remote->curl);
	forget(remote->access_key);
	forget(remote->secret_key);
	free(remote->bucket);
	free(remote->prefix);
	free(remote->signer);
	free(remote);
	curl_global_cleanup();
}

static int read_secret(char **ret, const struct setting_value *value,
		       const char *name, struct err *err)
{
	struct setting_value named = *value;
	CLEANUP_FREE char *copy = strdup(name);

	if (!copy)
		return err_errno(err, "cannot read '%s'", name);
	named.name = copy; /* for its message */
	return settings_value_read(ret, &named, err);
}

static int fill_remote(struct remote *remote,
		       const struct s3_settings *settings, struct err *err)
{
	CLEANUP(buffer_free) struct buffer url = BUFFER_INIT(URL_BYTES_MAX);
	char signer[128];
	int len = snprintf(signer, sizeof(signer), "aws:amz:%s:s3",
			   settings->region);

	buffer_printf(&url, "%s/", settings->endpoint);
	remote_url_encode(&url, settings->bucket, '\0');
	if (!buffer_ok(&url) || len >= (int)sizeof(signer))
		return err_set(err, ERR_LIMIT,
			       "the store's endpoint, bucket or region is too "
			       "long");
	remote->bucket = strdup(buffer_text(&url));
	remote->prefix = strdup(settings->prefix);
	remote->signer = strdup(signer);
	remote->curl = curl_easy_init();
	if (!remote->bucket || !remote->prefix || !remote->signer ||
	    !remote->curl)
		return err_set(err, ERR_SYSTEM, "out of memory");
	if (read_secret(&remote->access_key, &settings->access_key,
			"s3.access_key", err))
		return -1;
	return read_secret(&remote->secret_key, &settings->secret_key,
			   "s3.secret_key", err);
}

int remote_open(struct remote **ret, const struct s3_settings *settings,
		int stall_s, struct err *err)
{
	struct remote *remote;

	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return err_set(err, ERR_SYSTEM, "libcurl does not start");
	remote = calloc(1, sizeof(*remote));
	if (!remote) {
		curl_global_cleanup();
		return err_errno(err, "cannot speak to the store");
	}
	remote->stall_s = stall_s;
	if (fill_remote(remote, settings, err)) {
		remote_close(remote);
		return -1;
	}
	*ret = remote;
	return 0;
}

/* --- to the bucket ------------------------------------------------------------ */

int remote_delete(struct remote *remote, const char *key,
		  struct deadline deadline, struct err *err)
{
	CLEANUP(cleanup_object) struct remote_object object = { 0 };
	struct remote_call call = { .method = "DELETE", .deadline = deadline };
	struct err failure;

	if (remote_object(&object, remote, key, err))
		return -1;
	call.name = object.name;
	call.url = object.url;
	if (remote_call(remote, &call, &failure) == 0 ||
	    failure.code == ERR_MISSING)
		return 0;
	*err = failure;
	return -1;
}

/* Removes what was not put as it should be. */
static void discard(struct remote *remote, const char *key)
{
	struct err ignored;

	(void)remote_delete(remote, key, deadline_in(DISCARD_MS), &ignored);
}

static int read_back(struct remote *remote, const struct remote_call *put,
		     struct err *err)
{
	const struct remote_body *body = put->body;
	struct remote_content content = { .name = put->name,
					  .fd = -1,
					  .bytes = body->bytes };
	struct remote_call call = { .method = "GET",
				    .name = put->name,
				    .url = put->url,
				    .sink = &remote_content_sink,
				    .user = &content,
				    .resumes = true,
				    .expected = body->bytes,
				    .deadline = put->deadline,
				    .report = put->report,
				    .reported = body->bytes };
	int result = remote_call(remote, &call, err);

	if (result && err->code == ERR_MISSING)
		err->code = ERR_CORRUPT; /* it was put */
	if (result == 0)
		result = remote_content_check(&content, body->sha256,
					      call.deadline, err);
	digest_free(content.digest);
	return result;
}

static int put(struct remote *remote, const char *key,
	       const struct remote_body *body, struct deadline deadline,
	       const struct report *report, struct err *err)
{
	CLEANUP(cleanup_object) struct remote_object object = { 0 };
	struct remote_call call = { .method = "PUT",
				    .body = body,
				    .deadline = deadline,
				    .report = report };

	if (remote_object(&object, remote, key, err))
		return -1;
	call.name = object.name;
	call.url = object.url;
	if (remote_call(remote, &call, err) == 0 &&
	    read_back(remote, &call, err) == 0)
		return 0;
	discard(remote, key);
	return -1;
}

int remote_put(struct remote *remote, const char *key, const char *path,
	       const char *sha256, struct deadline deadline,
	       const struct report *report, struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct remote_body body = { .fd = fd };
	struct stat status;

	if (fd < 0 || fstat(fd, &status))
		return err_errno(err, "cannot open '%.200s'", path);
	body.bytes = status.st_size;
	if (body.bytes > OBJECT_BYTES_MAX)
		return err_set(err, ERR_LIMIT,
			       "'%.200s' has %" PRId64
			       " bytes: one object has at most %" PRId64,
			       path, body.bytes, OBJECT_BYTES_MAX);
	(void)snprintf(body.sha256, sizeof(body.sha256), "%s", sha256);
	return put(remote, key, &body, deadline, report, err);
}

static int digest_text(char ret[DIGEST_BYTES], const char *text,
		       struct deadline deadline, struct err *err)
{
	CLEANUP(cleanup_digest) struct digest *digest = NULL;

	if (digest_begin(&digest, err) ||
	    digest_add(digest, text, strlen(text), err))
		return -1;
	return digest_end(STEAL_PTR(digest), ret, deadline, err);
}

int remote_put_text(struct remote *remote, const char *key, const char *text,
		    struct deadline deadline, struct err *err)
{
	struct remote_body body = { .fd = -1,
				    .text = text,
				    .bytes = (int64_t)strlen(text) };

	if (body.bytes > TEXT_BYTES_MAX)
		return err_set(err, ERR_LIMIT,
			       "'%.200s' would have more than %d bytes", key,
			       TEXT_BYTES_MAX);
	if (digest_text(body.sha256, text, deadline, err))
		return -1;
	return put(remote, key, &body, deadline, NULL, err);
}

/* --- from the bucket ---------------------------------------------------------- */

static int download(struct remote *remote, struct remote_content *content,
		    const struct remote_call *call, const char *sha256,
		    struct err *err)
{
	int result = remote_call(remote, call, err);

	if (result == 0)
		result = remote_content_check(content, sha256, call->deadline,
					      err);
	digest_free(content->digest);
	if (result)
		return -1;
	if (fsync(content->fd))
		return err_errno(err, "cannot sync what came of '%.200s'",
				 content->name);
	return 0;
}

int remote_get(struct remote *remote, const char *key, const char *path,
	       int64_t bytes, const char *sha256, struct deadline deadline,
	       const struct report *report, struct err *err)
{
	CLEANUP(cleanup_object) struct remote_object object = { 0 };
	CLEANUP_FD int fd = -1;
	struct remote_content content = { .bytes = bytes };
	struct remote_call call = { .method = "GET",
				    .sink = &remote_content_sink,
				    .user = &content,
				    .resumes = true,
				    .expected = bytes,
				    .deadline = deadline,
				    .report = report };

	if (remote_object(&object, remote, key, err))
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return err_errno(err, "cannot make '%.200s'", path);
	content.name = object.name;
	content.fd = fd;
	call.name = object.name;
	call.url = object.url;
	if (download(remote, &content, &call, sha256, err) == 0)
		return 0;
	(void)unlink(path);
	return -1;
}

int remote_get_text(struct remote *remote, const char *key, char **ret,
		    struct deadline deadline, struct err *err)
{
	CLEANUP(cleanup_object) struct remote_object object = { 0 };
	CLEANUP(buffer_free) struct buffer text = BUFFER_INIT(TEXT_BYTES_MAX);
	struct remote_call call = { .method = "GET",
				    .sink = &remote_buffer_sink,
				    .user = &text,
				    .resumes = true,
				    .deadline = deadline };

	if (remote_object(&object, remote, key, err))
		return -1;
	call.name = object.name;
	call.url = object.url;
	if (remote_call(remote, &call, err))
		return -1;
	if (text.len > 0 && memchr(text.data, '\0', text.len))
		return err_set(err, ERR_CORRUPT, "'%.200s' is no text",
			       object.name);
	*ret = strdup(text.len > 0 ? buffer_text(&text) : "");
	return *ret ? 0 : err_errno(err, "cannot keep '%.200s'", object.name);
}
