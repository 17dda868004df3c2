/* buffer.h - bytes that grow up to a maximum
 *
 * A zeroed struct with a max is an empty buffer. After a failed append the
 * buffer is marked bad and stays so: append much, ask once with buffer_ok().
 */
#ifndef WAKEGATE_BUFFER_H
#define WAKEGATE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
	char *data;
	size_t len;
	size_t capacity;
	size_t max;
	bool bad;
};

#define BUFFER_INIT(max_bytes)                                                 \
	{                                                                      \
		.max = (max_bytes)                                             \
	}

void buffer_append(struct buffer *buffer, const void *data, size_t len);
void buffer_puts(struct buffer *buffer, const char *text);
void buffer_printf(struct buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Makes room for len more bytes and gives where they go; NULL when the maximum
 * does not allow it. Add what was written there to buffer->len. */
char *buffer_room(struct buffer *buffer, size_t len);

/* True when everything appended so far is in it. */
bool buffer_ok(const struct buffer *buffer);

/* The content as a string; the terminator is not part of len. NULL when bad. */
const char *buffer_text(struct buffer *buffer);

void buffer_clear(struct buffer *buffer); /* keeps the memory */
void buffer_free(struct buffer *buffer);

#endif
