/* holder.h - which processes hold the owner's byte of a lock file
 *
 * The kernel's own word (/proc/PID/fdinfo), for an owner that did not live to
 * sign the row. Looks in a watched child, as process.h does; for the keeper only.
 */
#ifndef WAKEGATE_HOLDER_H
#define WAKEGATE_HOLDER_H

#include "base/err.h"
#include "gateway/process.h"

/* Lists them, each marked as ours. lock_fd: any descriptor of the file; the
 * looker itself is left out. The caller frees the list. */
int holder_list(struct process_list *ret, int lock_fd, struct err *err);

#endif
