#include "config.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"

#include "base/banned.h"

#define STACK_BYTES (16 * 1024) /* the kernel has made room for more */

/* AddressSanitizer has a heap of its own; glibc's is not set up then, and trimming
 * it crashes. */
#if defined(__SANITIZE_ADDRESS__)
#define HEAP_IS_FOREIGN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEAP_IS_FOREIGN
#endif
#endif

void memory_give_back(void)
{
#ifndef HEAP_IS_FOREIGN
	(void)malloc_trim(0);
#endif
}

static void populate(uintptr_t begin, size_t bytes, int advice)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = begin & ~(page - 1);

	(void)madvise((void *)first, begin + bytes - first, advice);
}

void memory_populate(void *begin, size_t bytes)
{
	populate((uintptr_t)begin, bytes, MADV_POPULATE_WRITE);
}

static int populate_code(struct dl_phdr_info *object, size_t size, void *user)
{
	(void)size;
	(void)user;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];

		if (part->p_type == PT_LOAD && (part->p_flags & PF_X))
			populate(object->dlpi_addr + part->p_vaddr,
				 part->p_memsz, MADV_POPULATE_READ);
	}
	return 0;
}

/* All of it in one go, from the first block on. */
static void populate_heap(size_t bytes)
{
#ifndef HEAP_IS_FOREIGN
	void *first;

	(void)mallopt(M_TOP_PAD, (int)bytes);
	first = malloc(1);
	if (first)
		memory_populate(first, bytes);
	free(first);
#else
	(void)bytes;
#endif
}

void memory_prepare(size_t heap_bytes)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	(void)dl_iterate_phdr(populate_code, NULL);
	populate(here - STACK_BYTES, STACK_BYTES, MADV_POPULATE_WRITE);
	populate_heap(heap_bytes);
}
