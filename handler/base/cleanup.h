/* cleanup.h - what a scope opened, the scope closes
 *
 *	CLEANUP_FD int fd = open(...);
 *	CLEANUP_FREE char *text = strdup(...);
 *	*ret = STEAL_PTR(text);		handed on: the scope frees nothing
 *
 * Destructors accept NULL and -1 and leave errno alone.
 */
#ifndef WAKEGATE_CLEANUP_H
#define WAKEGATE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))
#define CLEANUP_FREE	  CLEANUP(cleanup_free)
#define CLEANUP_FD	  CLEANUP(cleanup_fd)

#define STEAL_PTR(pointer)                                                     \
	__extension__({                                                        \
		__typeof__(pointer) stolen_ = (pointer);                       \
		(pointer) = NULL;                                              \
		stolen_;                                                       \
	})
#define STEAL_FD(fd)                                                           \
	__extension__({                                                        \
		int stolen_ = (fd);                                            \
		(fd) = -1;                                                     \
		stolen_;                                                       \
	})

static inline void cleanup_free(void *pointer)
{
	int saved = errno;

	free(*(void **)pointer);
	errno = saved;
}

static inline void cleanup_fd(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = saved;
}

#endif
