/* digest.h - SHA-256 by sha256sum(1) (coreutils), fed through a pipe
 *
 * It runs beside us on another processor; no library for it is linked.
 */
#ifndef WAKEGATE_DIGEST_H
#define WAKEGATE_DIGEST_H

#include <stddef.h>
#include <stdio.h>

#include "base/deadline.h"
#include "base/err.h"
#include "snapshot/report.h"

#define DIGEST_BYTES 65 /* 64 hexadecimal digits and a NUL */

struct digest; /* owns a child process and its pipes */

int digest_begin(struct digest **ret, struct err *err);
int digest_add(struct digest *digest, const void *data, size_t len,
	       struct err *err);
/* The digest of all that was added. Reaps the child and frees digest, also on
 * failure. */
int digest_end(struct digest *digest, char ret[DIGEST_BYTES],
	       struct deadline deadline, struct err *err);
void digest_free(struct digest *digest); /* accepts NULL; ends the child */

/* Of what is on the disk: fd is read from its beginning to its end (its offset
 * moves), after its pages were given up (posix_fadvise(2), POSIX_FADV_DONTNEED).
 * The child reads, so that a file that hangs does not hang us; what it has read is
 * reported (NULL: to nobody) while there is more of it. */
int digest_file(int fd, const struct report *report, char ret[DIGEST_BYTES],
		struct deadline deadline, struct err *err);

#endif
