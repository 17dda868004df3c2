/* log.h - one event, one line, one write, to standard error or to syslog
 *
 *	2026-11-24T07:30:00.123Z level=info pid=4711 msg="..."
 *
 * Control characters are escaped, so that what a client sent starts no line, and
 * secrets are redacted (redact.h).
 * Levels by consequence: error = this request or process failed; warning = it
 * went on, look; info = a change of state; debug = on demand. errno is kept.
 */
#ifndef WAKEGATE_LOG_H
#define WAKEGATE_LOG_H

enum log_level {
	LEVEL_ERROR,
	LEVEL_WARNING,
	LEVEL_INFO,
	LEVEL_DEBUG,
	LEVEL_MAX_
};

enum log_sink {
	LOG_TO_STDERR,
	LOG_TO_SYSLOG, /* with its own time and pid, as daemon.* */
	LOG_TO_MAX_
};

/* "error", "warning", "info", "debug" */
extern const char *const log_level_names[LEVEL_MAX_];

/* Lines above this level are not written. Default LEVEL_INFO. */
void log_set_level(enum log_level level);

/* Default LOG_TO_STDERR. */
void log_set_sink(enum log_sink sink);

/* A value with a space or a quote is the caller's to quote: key="%s". */
void log_line(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
