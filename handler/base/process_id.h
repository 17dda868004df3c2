/* process_id.h - a process is its pid and its start time
 *
 * start is field 22 of /proc/PID/stat (clock ticks since boot): a pid that was
 * given to somebody else since has another. pid 0 means "none".
 */
#ifndef WAKEGATE_PROCESS_ID_H
#define WAKEGATE_PROCESS_ID_H

#include <stdint.h>
#include <sys/types.h>

struct process_id {
	pid_t pid;
	uint64_t start;
};

#endif
