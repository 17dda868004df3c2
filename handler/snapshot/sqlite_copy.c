#include "config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "snapshot/sqlite_copy.h"

#include "base/banned.h"

#define NAME_BYTES    256
#define URI_BYTES_MAX 16384
#define LOCK_PAUSE_NS 500000
#define LOCK_WAIT_MS  60000

static const char magic[SQLITE_MAGIC_BYTES] = "SQLite format 3";

bool sqlite_is_magic(const void *data, size_t len)
{
	return len >= sizeof(magic) && memcmp(data, magic, sizeof(magic)) == 0;
}

bool sqlite_is_database(int fd)
{
	char begin[SQLITE_MAGIC_BYTES];

	return pread(fd, begin, sizeof(begin), 0) == (ssize_t)sizeof(begin) &&
	       sqlite_is_magic(begin, sizeof(begin));
}

static bool is_database_name(int folder_fd, const char *name)
{
	CLEANUP_FD int fd =
		openat(folder_fd, name,
		       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && sqlite_is_database(fd);
}

bool sqlite_is_companion(int folder_fd, const char *name)
{
	static const char *const endings[] = { "-wal", "-shm", "-journal" };
	const char *dash = strrchr(name, '-');
	char database[NAME_BYTES];

	if (!dash || dash == name || (size_t)(dash - name) >= sizeof(database))
		return false;
	(void)snprintf(database, sizeof(database), "%.*s", (int)(dash - name),
		       name);
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (strcmp(dash, endings[i]) == 0)
			return is_database_name(folder_fd, database);
	return false;
}

static void close_database(sqlite3 **database)
{
	(void)sqlite3_close(*database);
}

static int fail(sqlite3 *database, int result, const char *what,
		struct err *err)
{
	static const struct {
		int result;
		enum err_code code;
	} codes[] = {
		{ SQLITE_BUSY, ERR_TIMEOUT },
		{ SQLITE_LOCKED, ERR_TIMEOUT },
		{ SQLITE_CORRUPT, ERR_CORRUPT },
		{ SQLITE_NOTADB, ERR_CORRUPT },
	};
	enum err_code code = ERR_SYSTEM;
	int number = database ? sqlite3_system_errno(database) : 0;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if ((result & 0xff) == codes[i].result)
			code = codes[i].code;
	if (result == SQLITE_FULL)
		number = ENOSPC;
	if (code == ERR_SYSTEM && number != 0)
		return err_set(err, code, "%s: %s: %s", what,
			       sqlite3_errstr(result), strerror(number));
	return err_set(err, code, "%s: %s", what, sqlite3_errstr(result));
}

/* SQLite's own sleeps up to 100 ms at a time. */
static int wait_for_lock(void *user, int count)
{
	const struct deadline *deadline = user;
	struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };

	(void)count;
	if (deadline_passed(*deadline))
		return 0;
	(void)nanosleep(&pause, NULL);
	return 1;
}

struct copy {
	const char *from, *to;
	struct deadline deadline;
};

static int open_source(sqlite3 **ret, const struct copy *copy, struct err *err)
{
	char wal[4096];
	struct stat status;
	int result;

	if (lstat(copy->from, &status) != 0 && errno == ENOENT)
		return err_set(err, ERR_MISSING, "it is not there any more");
	result = sqlite3_open_v2(copy->from, ret,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW |
					 SQLITE_OPEN_NOMUTEX,
				 NULL);
	if (result != SQLITE_OK)
		return fail(*ret, result, "cannot open it", err);
	(void)sqlite3_busy_handler(*ret, wait_for_lock,
				   (void *)(uintptr_t)&copy->deadline);
	/* a -wal that its owner left stays; one that we make goes again */
	if (snprintf(wal, sizeof(wal), "%s-wal", copy->from) <
		    (int)sizeof(wal) &&
	    stat(wal, &status) == 0)
		(void)sqlite3_db_config(*ret, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
					1, NULL);
	return 0;
}

static int make_target(const char *to, struct err *err)
{
	CLEANUP_FD int fd =
		open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? err_errno(err, "cannot make '%s'", to) : 0;
}

static int open_target(sqlite3 **ret, const char *to, struct err *err)
{
	int result = sqlite3_open_v2(
		to, ret, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (result == SQLITE_OK)
		result = sqlite3_exec(*ret,
				      "PRAGMA journal_mode = OFF;"
				      "PRAGMA synchronous = OFF",
				      NULL, NULL, NULL);
	if (result != SQLITE_OK)
		return fail(*ret, result, "cannot open the copy", err);
	return 0;
}

static int copy_pages(sqlite3 *from, sqlite3 *to, struct deadline deadline,
		      struct err *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
	int result;
	int finished;

	if (!backup)
		return fail(to, sqlite3_errcode(to), "cannot copy it", err);
	do {
		result = sqlite3_backup_step(backup, -1);
		if (result != SQLITE_BUSY && result != SQLITE_LOCKED)
			break;
	} while (wait_for_lock(&deadline, 0));
	finished = sqlite3_backup_finish(backup);
	/* of a failure it says more */
	if (result == SQLITE_DONE || finished != SQLITE_OK)
		result = finished;
	if (result != SQLITE_OK)
		return fail(to, result, "cannot copy it", err);
	return 0;
}

/* Only an extension that the gateway loads could tell. */
static bool is_beyond_us(sqlite3 *database, int result)
{
	return (result & 0xff) == SQLITE_ERROR ||
	       strstr(sqlite3_errmsg(database), "no such ") != NULL;
}

static int complain(const char *said, struct err *err)
{
	int failed = err_set(err, ERR_CORRUPT, "the database is damaged: %s",
			     said ? said : "no answer");

	for (char *at = err->text; *at; at++)
		if (*at == '\n')
			*at = ' ';
	return failed;
}

static int quick_check(sqlite3 *database, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	const char *said = NULL;
	int failed = 0;
	int result = sqlite3_prepare_v2(database, "PRAGMA quick_check(1)", -1,
					&statement, NULL);

	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result == SQLITE_ROW) {
		said = (const char *)sqlite3_column_text(statement, 0);
		if (!said || strcmp(said, "ok") != 0)
			failed = complain(said, err);
	} else if (!is_beyond_us(database, result)) {
		failed = fail(database, result, "cannot check the database",
			      err);
	}
	(void)sqlite3_finalize(statement);
	return failed;
}

/* "file:PATH?immutable=1": nothing is locked, made or written. */
static const char *make_uri(struct buffer *uri, const char *path)
{
	buffer_puts(uri, "file:");
	for (; *path; path++)
		if (strchr("%?#", *path))
			buffer_printf(uri, "%%%02X", (unsigned char)*path);
		else
			buffer_append(uri, path, 1);
	buffer_puts(uri, "?immutable=1");
	return buffer_text(uri);
}

static int check(const char *path, struct err *err)
{
	CLEANUP(buffer_free) struct buffer uri = BUFFER_INIT(URI_BYTES_MAX);
	CLEANUP(close_database) sqlite3 *database = NULL;
	const char *name = make_uri(&uri, path);
	int result;

	if (!name)
		return err_set(err, ERR_LIMIT,
			       "the database's path is too long");
	result = sqlite3_open_v2(name, &database,
				 SQLITE_OPEN_READONLY | SQLITE_OPEN_URI |
					 SQLITE_OPEN_NOMUTEX,
				 NULL);
	if (result != SQLITE_OK)
		return fail(database, result, "cannot open the database", err);
	/* it may be a stranger's */
	(void)sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0,
				NULL);
	/* a read for each page costs more than the check */
	(void)sqlite3_exec(database, "PRAGMA mmap_size = 268435456", NULL, NULL,
			   NULL);
	return quick_check(database, err);
}

static int copy_once(struct copy copy, struct err *err)
{
	CLEANUP(close_database) sqlite3 *from = NULL;
	CLEANUP(close_database) sqlite3 *to = NULL;

	/* for locks only: the copying itself is ended by who waits for us */
	copy.deadline = deadline_min(copy.deadline, deadline_in(LOCK_WAIT_MS));
	if (open_source(&from, &copy, err) || open_target(&to, copy.to, err))
		return -1;
	return copy_pages(from, to, copy.deadline, err);
}

static int copy_in_child(const void *argument, struct err *err)
{
	const struct copy *copy = argument;

	if (make_target(copy->to, err))
		return -1;
	if (copy_once(*copy, err) == 0 && check(copy->to, err) == 0)
		return 0;
	(void)unlink(copy->to);
	return -1;
}

static int check_in_child(const void *argument, struct err *err)
{
	return check(argument, err);
}

/* Two paths, the second empty for a check. */
struct request {
	struct deadline deadline;
	char paths[2][PATH_MAX];
};
_Static_assert(sizeof(struct request) <= CHILD_REQUEST_BYTES,
	       "a child takes a request");

static int answer(const void *data, size_t len, struct err *err)
{
	const struct request *request = data;
	struct copy copy = { .from = request->paths[0],
			     .to = request->paths[1],
			     .deadline = request->deadline };

	assert(len == sizeof(*request));
	(void)len;
	return copy.to[0] ? copy_in_child(&copy, err) : check(copy.from, err);
}

int sqlite_serve(struct child *ret, struct err *err)
{
	return child_serve(ret, answer, err);
}

int sqlite_ask_copy(const struct child *child, const char *from, const char *to,
		    struct deadline deadline, struct err *err)
{
	struct request request = { .deadline = deadline };

	if (strlen(from) >= PATH_MAX || strlen(to) >= PATH_MAX)
		return err_set(err, ERR_LIMIT, "a database's path is too long");
	memcpy(request.paths[0], from, strlen(from) + 1);
	memcpy(request.paths[1], to, strlen(to) + 1);
	return child_ask(child, &request, sizeof(request), err);
}

int sqlite_ask_check(const struct child *child, const char *path,
		     struct err *err)
{
	return sqlite_ask_copy(child, path, "", deadline_never(), err);
}

int sqlite_copy(const char *from, const char *to, struct deadline deadline,
		struct err *err)
{
	struct copy copy = { .from = from, .to = to, .deadline = deadline };

	if (child_run(copy_in_child, &copy, deadline, err)) {
		/* else the child has removed it, or it is not ours */
		if (err->code == ERR_TIMEOUT || err->code == ERR_CLOSED)
			(void)unlink(to);
		return err_context(err, "cannot copy the database '%s'", from);
	}
	return 0;
}

int sqlite_check(const char *path, struct deadline deadline, struct err *err)
{
	if (child_run(check_in_child, path, deadline, err)) {
		if (err->code == ERR_CLOSED)
			err->code = ERR_CORRUPT; /* it made the check crash */
		return err_context(err, "'%s'", path);
	}
	return 0;
}
