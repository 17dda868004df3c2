/* output.h - the gateway's output: a file, never a pipe
 *
 * <state_dir>/<name>.log, appended to; past OUTPUT_LOG_BYTES its older part moves
 * to <name>.log.1. A gateway whose output is a pipe may end when the reader does.
 */
#ifndef WAKEGATE_OUTPUT_H
#define WAKEGATE_OUTPUT_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "gateway/settings.h"

/* Opens it for appending. The caller closes it. */
int output_open(int *ret, const char *state_dir, const char *name,
		struct err *err);

/* Where it ends now: what comes later is the new generation's. */
off_t output_end(int fd);

/* What people may see of a text: no control characters, and the gateway's secrets
 * redacted. It may grow up to size bytes. */
void output_make_fit(char *text, size_t size,
		     const struct gateway_settings *gateway);

/* The last whole lines after begin, without control characters and with the
 * gateway's secrets redacted. "" when there are none. */
void output_tail(char *ret, size_t size, int fd, off_t begin,
		 const struct gateway_settings *gateway);

/* The last lines, of both files, as far as they are in the last OUTPUT_LINES_BYTES,
 * made fit as those of output_tail(). The caller frees them. */
#define OUTPUT_LINES_BYTES 49152
int output_lines(char **ret, const char *state_dir,
		 const struct gateway_settings *gateway, int lines,
		 struct err *err);

/* Rotates when it is too large, and moves *begin along. Nothing that is written
 * meanwhile is lost where the file system can cut a file's front (ext4, xfs);
 * elsewhere what comes between the copy and the cut may be. */
int output_rotate(int fd, const char *state_dir, const char *name, off_t *begin,
		  struct err *err);

#endif
