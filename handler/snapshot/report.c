#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include "snapshot/report.h"

#include "base/banned.h"

#define NOTE_BYTES 1024

void report_progress(const struct report *report, int64_t bytes, int64_t files)
{
	if (report && report->progress)
		report->progress(report->user, bytes, files);
}

void report_note(const struct report *report, const char *format, ...)
{
	char text[NOTE_BYTES];
	va_list args;

	if (!report || !report->note)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	report->note(report->user, text);
}
