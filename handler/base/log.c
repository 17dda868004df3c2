#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/log.h"
#include "base/when.h"

#include "base/banned.h"

#define LOG_LINE_BYTES 2048

const char *const log_level_names[LEVEL_MAX_] = {
	[LEVEL_ERROR] = "error",
	[LEVEL_WARNING] = "warning",
	[LEVEL_INFO] = "info",
	[LEVEL_DEBUG] = "debug",
};

static enum log_level limit = LEVEL_INFO;

void log_set_level(enum log_level level)
{
	limit = level;
}

static size_t stamp(char *line, size_t size, enum log_level level)
{
	char when[WHEN_BYTES];
	int len = snprintf(line, size, "%s level=%s pid=%ld ",
			   when_utc(when, clock_wall_ms()),
			   log_level_names[level], (long)getpid());

	return len < 0 ? 0 : (size_t)len;
}

void log_line(enum log_level level, const char *format, ...)
{
	int saved = errno;
	char line[LOG_LINE_BYTES];
	size_t begin;
	size_t len;
	va_list args;

	if (level > limit)
		return;
	begin = stamp(line, sizeof(line), level);
	va_start(args, format);
	(void)vsnprintf(line + begin, sizeof(line) - begin - 1, format, args);
	va_end(args);
	len = strlen(line);
	for (size_t i = begin; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	(void)!write(STDERR_FILENO, line, len); /* nowhere left to complain */
	errno = saved;
}
