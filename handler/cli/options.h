/* options.h - the words of a command line */
#ifndef WAKEGATE_OPTIONS_H
#define WAKEGATE_OPTIONS_H

#include <stdint.h>

#include "base/err.h"

/* Also the bit of a set of options. */
enum option_flag {
	OPTION_JSON = 1 << 0,
	OPTION_NO_WAIT = 1 << 1,
	OPTION_HOLD = 1 << 2,
	OPTION_COUNT = 1 << 3,
	OPTION_FOLLOW = 1 << 4,
	OPTION_GENERATION = 1 << 5,
	OPTION_REPLACE = 1 << 6,
	OPTION_HELP = 1 << 7,
	OPTION_VERSION = 1 << 8,
	OPTION_FORCE = 1 << 9,
	OPTION_SNAPSHOT = 1 << 10, /* the ID of `restore [GATEWAY] [ID]` */
	OPTION_ALL = 1 << 11,
	OPTION_LISTEN = 1 << 12,
	OPTION_THREADS = 1 << 13,
	OPTION_REQUEST = 1 << 14, /* the ID of `explain ID` */
};

struct options {
	unsigned int given; /* set of enum option_flag */
	const char *config; /* -c, or NULL */
	const char *command;
	const char *gateway;
	const char *snapshot; /* a second word, or NULL */
	int count;	      /* -n; -1: not given */
	int64_t generation;   /* --generation */
	const char *listen;   /* --listen, or NULL */
	int threads;	      /* --threads, or its default */
};

/* Options may stand anywhere. ERR_INVALID: the line can't be understood. */
int options_parse(struct options *ret, int argc, char **argv, struct err *err);

/* As it is written: "--json", "-n". */
const char *option_name(enum option_flag flag);

#endif
