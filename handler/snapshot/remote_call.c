#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "snapshot/remote_private.h"

#include "base/banned.h"

#define TRIES_MAX	  5
#define PAUSE_FIRST_MS	  200
#define RETRY_AFTER_MAX_S 30
#define CONNECT_MS	  10000
#define STALL_BYTES_PER_S 1024
#define HEAD_BYTES	  65536 /* of an answer */
#define REFUSAL_BYTES	  4096	/* that we keep of an answer which is none */
#define TRANSFER_BYTES	  262144
#define ETAG_BYTES	  256
#define SHA256_OF_NOTHING                                                      \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* One call, and in its lower half the try that is under way. */
struct course {
	struct remote *remote;
	const struct remote_call *call;
	int64_t taken;	   /* content that the sink has */
	int64_t paused_ms; /* as the store asked, since content came */
	char etag[ETAG_BYTES];

	int64_t from; /* where the content was asked to begin */
	bool begun;
	int64_t sent;
	size_t head_len;
	char refusal[REFUSAL_BYTES];
	size_t refusal_len;
	char why[CURL_ERROR_SIZE];
	bool failed; /* here, not at the store: err says how */
	struct err err;
	bool stalled;
	int64_t moved, moved_at_ms; /* see on_progress() */
};

static void cleanup_list(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

static long status_of(const struct course *course)
{
	long status = 0;

	(void)curl_easy_getinfo(course->remote->curl, CURLINFO_RESPONSE_CODE,
				&status);
	return status;
}

static const char *field_of(const struct course *course, const char *name)
{
	struct curl_header *field;

	if (curl_easy_header(course->remote->curl, name, 0, CURLH_HEADER, -1,
			     &field) != CURLHE_OK)
		return "";
	return field->value;
}

/* --- what libcurl calls ------------------------------------------------------- */

/* The store's answer says where its content begins; does that fit? */
static int begin_content(struct course *course)
{
	const struct remote_call *call = course->call;
	const char *range = field_of(course, "Content-Range");
	long status = status_of(course);
	char expected[48];

	(void)snprintf(expected, sizeof(expected), "bytes %" PRId64 "-",
		       course->from);
	if (status == 206 && (course->from == 0 ||
			      strncmp(range, expected, strlen(expected)) != 0))
		return err_set(&course->err, ERR_INVALID,
			       "%s of '%.200s': the store answers with "
			       "another part than was asked for",
			       call->method, call->name);
	if (status != 206)
		course->taken = 0;
	(void)snprintf(course->etag, sizeof(course->etag), "%s",
		       field_of(course, "ETag"));
	course->begun = true;
	return call->sink ? call->sink->begin(call->user, course->taken,
					      &course->err)
			  : 0;
}

static void keep_refusal(struct course *course, const char *data, size_t len)
{
	size_t room = sizeof(course->refusal) - course->refusal_len;

	if (len > room)
		len = room;
	memcpy(course->refusal + course->refusal_len, data, len);
	course->refusal_len += len;
}

static size_t on_content(char *data, size_t size, size_t count, void *user)
{
	struct course *course = user;
	const struct remote_call *call = course->call;
	size_t len = size * count;

	if (status_of(course) / 100 != 2) {
		keep_refusal(course, data, len);
		return len;
	}
	course->failed = (!course->begun && begin_content(course)) ||
			 (call->sink && call->sink->take(call->user, data, len,
							 &course->err));
	if (course->failed)
		return 0;
	course->taken += (int64_t)len;
	course->paused_ms = 0;
	return len;
}

static size_t on_head(char *data, size_t size, size_t count, void *user)
{
	struct course *course = user;
	size_t len = size * count;

	(void)data;
	course->head_len += len;
	if (course->head_len <= HEAD_BYTES)
		return len;
	course->failed = true;
	err_fill(&course->err, ERR_INVALID,
		 "%s of '%.200s': the head of the store's answer is larger "
		 "than %d bytes",
		 course->call->method, course->call->name, HEAD_BYTES);
	return 0;
}

static size_t on_body(char *room, size_t size, size_t count, void *user)
{
	struct course *course = user;
	const struct remote_body *body = course->call->body;
	size_t len = size * count;
	ssize_t got;

	if ((int64_t)len > body->bytes - course->sent)
		len = (size_t)(body->bytes - course->sent);
	if (body->text) {
		memcpy(room, body->text + course->sent, len);
		course->sent += (int64_t)len;
		return len;
	}
	do
		got = pread(body->fd, room, len, course->sent);
	while (got < 0 && errno == EINTR);
	if (got < 0 || (got == 0 && len > 0)) {
		course->failed = true;
		if (got < 0)
			err_fill_errno(&course->err, "cannot read what is to "
						     "be put");
		else
			err_fill(&course->err, ERR_SYSTEM,
				 "what is to be put as '%.200s' became "
				 "shorter meanwhile",
				 course->call->name);
		return CURL_READFUNC_ABORT;
	}
	course->sent += got;
	return (size_t)got;
}

static int on_rewind(void *user, curl_off_t offset, int origin)
{
	struct course *course = user;

	if (origin != SEEK_SET || offset < 0 ||
	    offset > course->call->body->bytes)
		return CURL_SEEKFUNC_FAIL;
	course->sent = offset;
	return CURL_SEEKFUNC_OK;
}

/* libcurl's own low-speed limit is an average over 5 s that starts anew with each
 * phase of a transfer: this one is exact. Called about each second at least. */
static int on_progress(void *user, curl_off_t down_total, curl_off_t down,
		       curl_off_t up_total, curl_off_t up)
{
	struct course *course = user;
	int64_t stall_s = course->remote->stall_s;
	int64_t now = clock_mono_ms();
	int64_t moved = down + up - course->moved;

	(void)down_total;
	(void)up_total;
	report_progress(course->call->report,
			course->call->reported +
				(course->call->body ? up : course->taken),
			0);
	if (moved < 0 || moved >= stall_s * STALL_BYTES_PER_S) {
		course->moved = down + up;
		course->moved_at_ms = now;
		return 0;
	}
	course->stalled = now - course->moved_at_ms >= stall_s * 1000;
	return course->stalled;
}

static curl_socket_t on_socket(void *user, curlsocktype purpose,
			       struct curl_sockaddr *address)
{
	(void)user;
	(void)purpose;
	return socket(address->family, address->socktype | SOCK_CLOEXEC,
		      address->protocol);
}

/* --- one try ------------------------------------------------------------------ */

static int add_field(struct curl_slist **list, struct err *err,
		     const char *name, const char *value)
{
	char line[ETAG_BYTES + 64];
	struct curl_slist *longer;

	(void)snprintf(line, sizeof(line), "%s: %s", name, value);
	longer = curl_slist_append(*list, line);
	if (!longer)
		return err_set(err, ERR_SYSTEM, "out of memory");
	*list = longer;
	return 0;
}

static int set_fields(struct course *course, struct curl_slist **list,
		      struct err *err)
{
	const struct remote_body *body = course->call->body;
	CURL *curl = course->remote->curl;
	char range[32];

	/* libcurl signs it as it stands here */
	if (add_field(list, err, "x-amz-content-sha256",
		      body ? body->sha256 : SHA256_OF_NOTHING))
		return -1;
	if (course->from > 0) {
		(void)snprintf(range, sizeof(range), "%" PRId64 "-",
			       course->from);
		(void)curl_easy_setopt(curl, CURLOPT_RANGE, range);
		if (course->etag[0] &&
		    add_field(list, err, "If-Match", course->etag))
			return -1;
	}
	(void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *list);
	return 0;
}

static void set_body(struct course *course)
{
	const struct remote_body *body = course->call->body;
	CURL *curl = course->remote->curl;

	if (strcmp(course->call->method, "DELETE") == 0)
		(void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "DELETE");
	if (!body)
		return;
	(void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
			       (curl_off_t)body->bytes);
	(void)curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE,
			       (long)TRANSFER_BYTES);
	(void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_body);
	(void)curl_easy_setopt(curl, CURLOPT_READDATA, course);
	(void)curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_rewind);
	(void)curl_easy_setopt(curl, CURLOPT_SEEKDATA, course);
}

static void set_limits(struct course *course)
{
	CURL *curl = course->remote->curl;
	int left = deadline_left_ms(course->call->deadline);

	(void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
			       (long)CONNECT_MS);
	if (left >= 0)
		(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
				       left > 0 ? (long)left : 1L);
	(void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	(void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, course);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_head);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, course);
	/* a resolver that hangs is left behind, not waited for */
	(void)curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
}

static void set_request(struct course *course)
{
	const struct remote *remote = course->remote;
	CURL *curl = remote->curl;

	curl_easy_reset(curl); /* connections stay */
	(void)curl_easy_setopt(curl, CURLOPT_URL, course->call->url);
	(void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	(void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
			       (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	(void)curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, remote->signer);
	(void)curl_easy_setopt(curl, CURLOPT_USERNAME, remote->access_key);
	(void)curl_easy_setopt(curl, CURLOPT_PASSWORD, remote->secret_key);
	(void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, course->why);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_content);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, course);
	(void)curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)TRANSFER_BYTES);
}

/* What libcurl takes for broken may be whole (only the last chunk's end is
 * missing), and for whole what is not (no length, and the connection ended). */
static CURLcode look_again(const struct course *course, CURLcode result)
{
	int64_t expected = course->call->expected;
	curl_off_t length = -1;

	if (!course->begun || expected == 0)
		return result;
	if (result == CURLE_OK) {
		(void)curl_easy_getinfo(course->remote->curl,
					CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
					&length);
		return length < 0 && course->taken < expected
			       ? CURLE_PARTIAL_FILE
			       : result;
	}
	return course->taken == expected ? CURLE_OK : result;
}

/* It cannot go on: the object changed, or something on the way has its own mind
 * about ETags. From the beginning, its digest tells. */
static bool begins_anew(struct course *course, long status)
{
	if (course->from == 0 || (status != 412 && status != 416))
		return false;
	course->taken = 0;
	course->etag[0] = '\0';
	return true;
}

/* 0: done; -1: err says why not, and *again whether to try again. */
static int conclude(struct course *course, CURLcode result, bool *again,
		    struct err *err)
{
	const struct remote_call *call = course->call;
	struct remote_outcome outcome = {
		.result = result,
		.status = status_of(course),
		.why = course->why,
		.content = course->refusal,
		.content_len = course->refusal_len,
	};

	*again = false;
	if (course->stalled) {
		/* a download that had run at a good pace may go on */
		*again = course->begun && course->moved > 0;
		return err_set(err, ERR_TIMEOUT,
			       "%s of '%.200s': less than %d bytes a second "
			       "for %d s",
			       call->method, call->name, STALL_BYTES_PER_S,
			       course->remote->stall_s);
	}
	if (result == CURLE_OK && outcome.status / 100 == 2 && !course->begun)
		course->failed = begin_content(course) != 0;
	if (course->failed) {
		*err = course->err;
		return -1;
	}
	outcome.result = look_again(course, result);
	if (outcome.result == CURLE_OK && outcome.status / 100 == 2)
		return 0;
	*again = remote_failure(course->remote, call, &outcome, err);
	if (begins_anew(course, outcome.status)) {
		err->code = ERR_CLOSED;
		*again = true;
	}
	return -1;
}

static int try_once(struct course *course, bool *again, struct err *err)
{
	CLEANUP(cleanup_list) struct curl_slist *fields = NULL;
	CURL *curl = course->remote->curl;
	CURLcode result;

	*again = false;
	course->from = course->call->resumes ? course->taken : 0;
	course->begun = false;
	course->sent = 0;
	course->head_len = 0;
	course->refusal_len = 0;
	course->why[0] = '\0';
	course->stalled = false;
	course->moved = 0;
	course->moved_at_ms = clock_mono_ms();
	set_request(course);
	set_limits(course);
	set_body(course);
	if (set_fields(course, &fields, err))
		return -1;
	result = curl_easy_perform(curl);
	(void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
	return conclude(course, result, again, err);
}

/* --- all of them -------------------------------------------------------------- */

/* What the store asks for, 0: nothing. Who watches a restore ends it when nothing
 * comes for stall_s: that must not be spent on pauses. */
static int asked_ms(struct course *course)
{
	int64_t most = (int64_t)course->remote->stall_s * 1000 * 2 / 3 -
		       course->paused_ms;
	curl_off_t asked_s = 0;

	(void)curl_easy_getinfo(course->remote->curl, CURLINFO_RETRY_AFTER,
				&asked_s);
	if (asked_s <= 0 || most <= 0)
		return 0;
	if (most > RETRY_AFTER_MAX_S * 1000)
		most = RETRY_AFTER_MAX_S * 1000;
	if (asked_s <= most / 1000)
		most = asked_s * 1000;
	course->paused_ms += most;
	return (int)most;
}

/* Before the try after this one (1 is the first): as the store says, or doubled
 * each time, from half to one and a half of it. */
static int pause_ms(struct course *course, int tried)
{
	unsigned int random = 0;
	int pause = PAUSE_FIRST_MS << (tried - 1);
	int asked = asked_ms(course);

	if (asked > 0)
		return asked;
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return pause / 2 + (int)(random % (unsigned int)pause);
}

/* False when the deadline leaves no time for it. */
static bool pause_for(struct deadline deadline, int ms)
{
	int left = deadline_left_ms(deadline);
	struct deadline end = deadline_in(ms);

	if (left >= 0 && left <= ms)
		return false;
	while (deadline_pause(end, ms))
		; /* a signal cuts it short */
	return true;
}

int remote_call(struct remote *remote, const struct remote_call *call,
		struct err *err)
{
	struct course course = { .remote = remote, .call = call };
	struct err last;
	bool again;
	int tried = 0;

	if (deadline_passed(call->deadline))
		return err_set(err, ERR_TIMEOUT,
			       "%s of '%.200s': no time is left", call->method,
			       call->name);
	do {
		if (try_once(&course, &again, &last) == 0)
			return 0;
		tried++;
	} while (again && tried < TRIES_MAX &&
		 pause_for(call->deadline, pause_ms(&course, tried)));
	*err = last;
	return tried > 1 ? err_context(err, "%d tries", tried) : -1;
}
