#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "gateway/settings_token.h"

#include "base/banned.h"

#define PATH_DEFAULT                                                           \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct findings {
	int errors;
};

__attribute__((format(printf, 3, 4))) static void tell(
	struct findings *findings, bool is_error, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)fprintf(stderr, "wakegate: %s: %s\n",
		      is_error ? "error" : "warning", text);
	if (is_error)
		findings->errors++;
}

static bool is_program(int folder, const char *path)
{
	struct stat st;

	return fstatat(folder, path, &st, 0) == 0 && S_ISREG(st.st_mode) &&
	       faccessat(folder, path, X_OK, AT_EACCESS) == 0;
}

static bool is_in_path(const char *name, const char *path)
{
	char file[PATH_MAX];
	size_t len;

	for (;; path += len + 1) {
		len = strcspn(path, ":");
		if (snprintf(file, sizeof(file), "%.*s/%s", (int)len, path,
			     name) < (int)sizeof(file) &&
		    is_program(AT_FDCWD, file))
			return true;
		if (!path[len])
			return false;
	}
}

static const char *path_of(const struct gateway_settings *gateway)
{
	const struct setting_value *value;
	const char *path = getenv("PATH");

	for (value = gateway->environment; value->name; value++)
		if (value->text && strcmp(value->name, "PATH") == 0)
			return value->text;
	return path && *path ? path : PATH_DEFAULT;
}

static void check_program(const struct gateway_settings *gateway,
			  struct findings *findings)
{
	const char *folder = gateway->directory ? gateway->directory : "/";
	CLEANUP_FD int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *program = gateway->command[0];
	bool found;

	if (fd < 0)
		tell(findings, true, "gateways.%s.directory: '%s': %s",
		     gateway->name, folder, strerror(errno));
	if (!strchr(program, '/'))
		found = is_in_path(program, path_of(gateway));
	else
		found = is_program(fd < 0 ? AT_FDCWD : fd, program);
	if (!found)
		tell(findings, true,
		     "gateways.%s.command: '%s' is not there or can't be "
		     "executed",
		     gateway->name, program);
}

static void check_values(const struct gateway_settings *gateway,
			 const char *key, const struct setting_value *value,
			 struct findings *findings)
{
	struct err err;
	struct stat st;
	char *text = NULL;

	for (; value->name; value++) {
		if (!value->file)
			continue;
		if (settings_value_read(&text, value, &err)) {
			tell(findings, true, "gateways.%s.%s: %s",
			     gateway->name, key, err.text);
			continue;
		}
		explicit_bzero(text, strlen(text));
		free(text);
		if (stat(value->file, &st) == 0 && st.st_mode & 077)
			tell(findings, false,
			     "gateways.%s.%s.%s: '%s' is open to others (mode "
			     "%04o), chmod it to 600",
			     gateway->name, key, value->name, value->file,
			     (unsigned int)st.st_mode & 07777);
	}
}

static void check_token(const char *file, struct findings *findings)
{
	struct err err;

	if (file && settings_token_check(file, &err))
		tell(findings, true, "admin.token_file: %s", err.text);
}

/* It may be missing: then it is made, so its parent must be writable. */
static void check_state_dir(const char *state_dir, struct findings *findings)
{
	char parent[PATH_MAX];
	struct stat st;
	char *slash;

	(void)snprintf(parent, sizeof(parent), "%s", state_dir);
	if (stat(state_dir, &st) && errno == ENOENT) {
		slash = strrchr(parent, '/');
		if (slash)
			slash[slash == parent ? 1 : 0] = '\0';
	}
	if (stat(parent, &st) == 0 && !S_ISDIR(st.st_mode))
		errno = ENOTDIR;
	else if (faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) == 0)
		return;
	tell(findings, true, "state_dir: cannot write to '%s': %s", parent,
	     strerror(errno));
}

static enum exit_status check_gateway(const struct session *session,
				      const struct gateway_settings *gateway,
				      void *user, struct err *err)
{
	struct findings *findings = user;

	(void)session;
	(void)err;
	check_program(gateway, findings);
	check_values(gateway, "environment", gateway->environment, findings);
	check_values(gateway, "set_headers", gateway->set_headers, findings);
	return EXIT_DONE;
}

enum exit_status check_run(const struct session *session, struct err *err)
{
	const struct settings *settings = session->settings;
	struct findings findings = { 0 };

	if (settings_print(settings, stdout, err))
		return EXIT_FAILED;
	check_state_dir(settings->state_dir, &findings);
	check_token(settings->admin_token_file, &findings);
	(void)session_each(session, check_gateway, &findings, err);
	if (findings.errors == 0)
		return EXIT_DONE;
	(void)err_set(err, ERR_INVALID, "'%s' has %d error%s", settings->file,
		      findings.errors, findings.errors == 1 ? "" : "s");
	return EXIT_USAGE;
}
