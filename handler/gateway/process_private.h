/* process_private.h - between process.c and process_read.c */
#ifndef WAKEGATE_PROCESS_PRIVATE_H
#define WAKEGATE_PROCESS_PRIVATE_H

#include "gateway/process.h"
#include "gateway/scout.h"

struct look {
	const char *instance;
	const struct address *address;
};

/* What the child hands over, one after the other. */
struct look_record {
	bool is_listener; /* then only listener_uid counts */
	uid_t listener_uid;
	struct process process;
};

/* In the child: reads all of /proc; argument is a struct look. */
void process_read_all(struct scout *scout, const void *argument);

/* Reads /proc/PID/stat; -1 when there is no such process. */
int process_read_stat(pid_t pid, struct process *ret);

/* Reads a whole small file; gives its length, -1 on failure. Terminated. */
ssize_t process_read_file(const char *path, char *buf, size_t size);

#endif
