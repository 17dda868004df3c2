#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/log.h"
#include "base/redact.h"
#include "base/when.h"

#include "base/banned.h"

#define LOG_LINE_BYTES 2048
#define LOG_TEXT_BYTES 4096 /* what is cut off is redacted before */

const char *const log_level_names[LEVEL_MAX_] = {
	[LEVEL_ERROR] = "error",
	[LEVEL_WARNING] = "warning",
	[LEVEL_INFO] = "info",
	[LEVEL_DEBUG] = "debug",
};

static enum log_level limit = LEVEL_INFO;
static enum log_sink sink = LOG_TO_STDERR;

void log_set_level(enum log_level level)
{
	limit = level;
}

void log_set_sink(enum log_sink to)
{
	if (to == sink)
		return;
	if (to == LOG_TO_SYSLOG)
		openlog("wakegate", LOG_PID, LOG_DAEMON);
	sink = to;
}

static size_t stamp(char *line, size_t size, enum log_level level)
{
	char when[WHEN_BYTES];
	int len = snprintf(line, size, "%s level=%s pid=%ld ",
			   when_utc(when, clock_wall_ms()),
			   log_level_names[level], (long)getpid());

	return len < 0 ? 0 : (size_t)len;
}

static void make_fit(char *text, size_t size)
{
	size_t len;

	redact_all(text, size);
	len = strnlen(text, LOG_LINE_BYTES - 1);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
	text[len] = '\0';
}

static void to_stderr(enum log_level level, const char *text)
{
	char line[LOG_LINE_BYTES + 128];
	size_t begin = stamp(line, sizeof(line), level);
	int len = snprintf(line + begin, sizeof(line) - begin, "%s\n", text);

	/* nowhere left to complain */
	if (len > 0)
		(void)!write(STDERR_FILENO, line, begin + (size_t)len);
}

static void to_syslog(enum log_level level, const char *text)
{
	static const int priorities[LEVEL_MAX_] = {
		[LEVEL_ERROR] = LOG_ERR,
		[LEVEL_WARNING] = LOG_WARNING,
		[LEVEL_INFO] = LOG_INFO,
		[LEVEL_DEBUG] = LOG_DEBUG,
	};

	syslog(priorities[level], "level=%s %s", log_level_names[level], text);
}

void log_line(enum log_level level, const char *format, ...)
{
	int saved = errno;
	char text[LOG_TEXT_BYTES];
	va_list args;

	if (level > limit)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	make_fit(text, sizeof(text));
	if (sink == LOG_TO_SYSLOG)
		to_syslog(level, text);
	else
		to_stderr(level, text);
	errno = saved;
}
