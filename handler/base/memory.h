/* memory.h - what malloc(3) holds and nobody uses goes back to the system; or what a
 * short life will use is there at once */
#ifndef WAKEGATE_MEMORY_H
#define WAKEGATE_MEMORY_H

#include <stddef.h>

void memory_give_back(void);

/* A page that is made ahead, among many, costs a twentieth of what it costs where it
 * is first touched; a process that lives for milliseconds spends much of them on
 * that. These are for speed only: where it can't be done, nothing is lost. */
void memory_populate(void *begin, size_t bytes);

/* For a process that answers one request: its code, and so much of stack and heap. */
void memory_prepare(size_t heap_bytes);

#endif
