/* s3client.c - each function of remote.h, once, from a shell
 *
 *	s3client put KEY FILE SHA256
 *	s3client put-text KEY TEXT
 *	s3client get KEY FILE BYTES SHA256
 *	s3client get-text KEY
 *	s3client list BEGIN
 *	s3client delete KEY
 *
 * The store is what $S3_ENDPOINT, $S3_BUCKET, $S3_PREFIX, $S3_REGION and the files
 * $S3_ACCESS_FILE and $S3_SECRET_FILE say; $S3_DEADLINE_MS (60,000) and $S3_STALL_S
 * (30) bound it. A failure prints "CODE: text", exit status 1. The last progress
 * goes to standard error.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot/remote.h"

#include "base/banned.h"

static char *from_environment(const char *name, const char *fallback)
{
	const char *value = getenv(name);
	char *copy = strdup(value ? value : fallback);

	if (!copy)
		abort();
	return copy;
}

static long number(const char *name, const char *fallback)
{
	char *text = from_environment(name, fallback);
	long value = strtol(text, NULL, 10);

	free(text);
	return value;
}

static void on_progress(void *user, int64_t bytes, int64_t files)
{
	(void)files;
	*(int64_t *)user = bytes;
}

static int print_key(const char *key, int64_t bytes, void *user,
		     struct err *err)
{
	(void)user;
	(void)err;
	printf("%" PRId64 " %s\n", bytes, key);
	return 0;
}

static int get_text(struct remote *remote, const char *key,
		    struct deadline deadline, struct err *err)
{
	char *text = NULL;

	if (remote_get_text(remote, key, &text, deadline, err))
		return -1;
	printf("%s\n", text);
	free(text);
	return 0;
}

static int run(struct remote *remote, int argc, char **argv,
	       struct deadline deadline, struct err *err)
{
	int64_t moved = 0;
	struct report report = { .progress = on_progress, .user = &moved };
	const char *command = argv[1];
	int result = -1;

	err_fill(err, ERR_MAX_, "usage");
	if (argc == 5 && strcmp(command, "put") == 0)
		result = remote_put(remote, argv[2], argv[3], argv[4], deadline,
				    &report, err);
	else if (argc == 4 && strcmp(command, "put-text") == 0)
		result = remote_put_text(remote, argv[2], argv[3], deadline,
					 err);
	else if (argc == 6 && strcmp(command, "get") == 0)
		result = remote_get(remote, argv[2], argv[3],
				    strtoll(argv[4], NULL, 10), argv[5],
				    deadline, &report, err);
	else if (argc == 3 && strcmp(command, "get-text") == 0)
		result = get_text(remote, argv[2], deadline, err);
	else if (argc == 3 && strcmp(command, "list") == 0)
		result = remote_list(remote, argv[2], print_key, NULL, deadline,
				     err);
	else if (argc == 3 && strcmp(command, "delete") == 0)
		result = remote_delete(remote, argv[2], deadline, err);
	fprintf(stderr, "moved %" PRId64 "\n", moved);
	return result;
}

int main(int argc, char **argv)
{
	static const char *const names[ERR_MAX_ + 1] = {
		[ERR_SYSTEM] = "SYSTEM",   [ERR_INVALID] = "INVALID",
		[ERR_LIMIT] = "LIMIT",	   [ERR_TIMEOUT] = "TIMEOUT",
		[ERR_CLOSED] = "CLOSED",   [ERR_CORRUPT] = "CORRUPT",
		[ERR_MISSING] = "MISSING",
	};
	struct s3_settings settings = {
		.endpoint = from_environment("S3_ENDPOINT", ""),
		.bucket = from_environment("S3_BUCKET", "bucket"),
		.prefix = from_environment("S3_PREFIX", ""),
		.region = from_environment("S3_REGION", "auto"),
		.access_key.file = from_environment("S3_ACCESS_FILE", ""),
		.secret_key.file = from_environment("S3_SECRET_FILE", ""),
	};
	struct remote *remote = NULL;
	struct err err;
	int result;

	if (argc < 2)
		return 2;
	result = remote_open(&remote, &settings,
			     (int)number("S3_STALL_S", "30"), &err);
	if (result == 0)
		result = run(remote, argc, argv,
			     deadline_in(number("S3_DEADLINE_MS", "60000")),
			     &err);
	if (result)
		printf("%s: %s\n", names[err.code] ? names[err.code] : "OTHER",
		       err.text);
	remote_close(remote);
	free(settings.endpoint);
	free(settings.bucket);
	free(settings.prefix);
	free(settings.region);
	free(settings.access_key.file);
	free(settings.secret_key.file);
	return result != 0;
}
