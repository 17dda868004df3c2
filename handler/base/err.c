#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

#include "base/banned.h"

static void append_errno(struct err *err, int number)
{
	size_t used = strlen(err->text);
	char why[128];

	/* the GNU strerror_r: gives a string, maybe not in our buffer */
	(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s",
		       strerror_r(number, why, sizeof(why)));
}

void err_fill(struct err *err, enum err_code code, const char *format, ...)
{
	va_list args;

	err->code = code;
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
}

void err_fill_errno(struct err *err, const char *format, ...)
{
	int number = errno;
	va_list args;

	err->code = ERR_SYSTEM;
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	append_errno(err, number);
}

void err_prepend(struct err *err, const char *format, ...)
{
	char old[sizeof(err->text)];
	va_list args;
	size_t used;

	memcpy(old, err->text, sizeof(old));
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	used = strlen(err->text);
	(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s", old);
}
