#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/when.h"
#include "gateway/marker.h"

#include "base/banned.h"

#define MARKER_BYTES_MAX 4096
#define ERRAND_FAILED	 100

static void cleanup_json(json_t *const *json)
{
	json_decref(*json);
}

static int open_folder(const char *directory, struct err *err)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		(void)err_errno(err, "cannot open '%s'", directory);
	return fd;
}

static enum marker_kind understand(const json_t *json, const char *store_id,
				   struct marker *ret)
{
	const char *store = json_string_value(json_object_get(json, "store"));
	const json_t *empty = json_object_get(json, "started_empty");

	if (!store || !store_id || strcmp(store, store_id) != 0)
		return MARKER_FOREIGN;
	*ret = (struct marker){
		.snapshot =
			json_integer_value(json_object_get(json, "snapshot")),
		.generation =
			json_integer_value(json_object_get(json, "generation")),
		.started_empty = json_is_true(empty),
	};
	(void)snprintf(ret->store, sizeof(ret->store), "%s", store);
	return ret->started_empty ? MARKER_UNBACKED : MARKER_OURS;
}

int marker_read(const char *directory, const char *store_id,
		enum marker_kind *ret_kind, struct marker *ret, struct err *err)
{
	CLEANUP_FD int folder = open_folder(directory, err);
	CLEANUP_FD int fd = -1;
	CLEANUP(cleanup_json) json_t *json = NULL;
	char text[MARKER_BYTES_MAX];
	ssize_t len;

	*ret_kind = MARKER_NONE;
	if (folder < 0)
		return errno == ENOENT ? 0 : -1;
	fd = openat(folder, MARKER_NAME,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && errno != ELOOP)
		return err_errno(err, "cannot open '%s/%s'", directory,
				 MARKER_NAME);
	len = fd < 0 ? 0 : read(fd, text, sizeof(text));
	if (len < 0)
		return err_errno(err, "cannot read '%s/%s'", directory,
				 MARKER_NAME);
	json = json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
	*ret_kind = understand(json, store_id, ret);
	return 0;
}

static int write_new(int folder, const char *name, const char *text,
		     struct err *err)
{
	CLEANUP_FD int fd = openat(
		folder, name,
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fsync(fd) != 0)
		return err_errno(err, "cannot write '%s'", MARKER_NAME);
	return 0;
}

int marker_write(const char *directory, const struct marker *marker,
		 struct err *err)
{
	static const char fresh[] = MARKER_NAME ".new";
	CLEANUP_FD int folder = open_folder(directory, err);
	CLEANUP_FREE char *text = NULL;
	char when[WHEN_BYTES];
	json_t *json;

	if (folder < 0)
		return -1;
	json = json_pack(
		"{s:s, s:o, s:s, s:I}", "store", marker->store, "snapshot",
		marker->snapshot ? json_integer(marker->snapshot) : json_null(),
		"restored_at", when_utc(when, marker->restored_ms),
		"generation", (json_int_t)marker->generation);
	if (marker->started_empty)
		(void)json_object_set_new(json, "started_empty", json_true());
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (!text)
		return err_set(err, ERR_SYSTEM, "out of memory");
	(void)unlinkat(folder, fresh, 0); /* of a write that was killed */
	if (write_new(folder, fresh, text, err))
		return -1;
	if (renameat(folder, fresh, folder, MARKER_NAME) != 0 ||
	    fsync(folder) != 0)
		return err_errno(err, "cannot put '%s/%s' in its place",
				 directory, MARKER_NAME);
	return 0;
}

/* What a child does for who must not hang with the folder. */
struct errand {
	const char *directory;
	const char *store_id;
	const struct marker *marker; /* to write; NULL: look */
};

static int run_errand(const struct errand *errand)
{
	enum marker_kind kind = MARKER_NONE;
	struct marker marker;
	struct err err;

	if (!errand->marker)
		return marker_read(errand->directory, errand->store_id, &kind,
				   &marker, &err)
			       ? ERRAND_FAILED
			       : (int)kind;
	if (mkdir(errand->directory, 0700) != 0 && errno != EEXIST)
		return ERRAND_FAILED;
	return marker_write(errand->directory, errand->marker, &err)
		       ? ERRAND_FAILED
		       : 0;
}

/* *ret: its exit status. */
static int send(const struct errand *errand, struct deadline deadline, int *ret,
		struct err *err)
{
	CLEANUP_FD int pidfd = -1;
	siginfo_t info = { .si_code = 0 };
	pid_t pid = fork();

	if (pid < 0)
		return err_errno(err, "cannot fork");
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* above all the lock of the one who asked */
		(void)close_range(3, ~0U, 0);
		_exit(run_errand(errand));
	}
	pidfd = (int)syscall(SYS_pidfd_open, (long)pid, 0L);
	if (pidfd < 0 || deadline_poll(pidfd, POLLIN, deadline) <= 0) {
		(void)kill(pid, SIGKILL); /* not reaped: it is still its pid */
		return err_set(err, ERR_TIMEOUT, "'%s' does not answer",
			       errand->directory);
	}
	if (waitid(P_PID, (id_t)pid, &info, WEXITED) != 0 ||
	    info.si_code != CLD_EXITED || info.si_status == ERRAND_FAILED)
		return err_set(err, ERR_SYSTEM, "'%s' can't be %s",
			       errand->directory,
			       errand->marker ? "marked" : "read");
	*ret = info.si_status;
	return 0;
}

int marker_look(const char *directory, const char *store_id,
		struct deadline deadline, enum marker_kind *ret,
		struct err *err)
{
	struct errand errand = { directory, store_id, NULL };
	int status = 0;

	if (send(&errand, deadline, &status, err))
		return -1;
	*ret = (enum marker_kind)status;
	return 0;
}

int marker_put(const char *directory, const struct marker *marker,
	       struct deadline deadline, struct err *err)
{
	struct errand errand = { directory, marker->store, marker };
	int status = 0;

	return send(&errand, deadline, &status, err);
}
