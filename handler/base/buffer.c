#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

#include "base/banned.h"

#define BUFFER_FIRST_BYTES 512

char *buffer_room(struct buffer *buffer, size_t len)
{
	size_t capacity =
		buffer->capacity ? buffer->capacity : BUFFER_FIRST_BYTES;
	char *data;

	if (buffer->bad || len > buffer->max ||
	    buffer->len > buffer->max - len) {
		buffer->bad = true;
		return NULL;
	}
	if (buffer->data && buffer->len + len < buffer->capacity)
		return buffer->data + buffer->len;
	while (capacity <= buffer->len + len) /* one more, for a terminator */
		capacity *= 2;
	data = realloc(buffer->data, capacity);
	if (!data) {
		buffer->bad = true;
		return NULL;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return data + buffer->len;
}

void buffer_append(struct buffer *buffer, const void *data, size_t len)
{
	char *room = buffer_room(buffer, len);

	if (!room || len == 0)
		return;
	memcpy(room, data, len);
	buffer->len += len;
}

void buffer_puts(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list args;
	char *room;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0) {
		buffer->bad = true;
		return;
	}
	room = buffer_room(buffer, (size_t)len);
	if (!room)
		return;
	va_start(args, format);
	(void)vsnprintf(room, (size_t)len + 1, format, args);
	va_end(args);
	buffer->len += (size_t)len;
}

bool buffer_ok(const struct buffer *buffer)
{
	return !buffer->bad;
}

const char *buffer_text(struct buffer *buffer)
{
	char *room = buffer_room(buffer, 0);

	if (!room)
		return NULL;
	*room = '\0';
	return buffer->data;
}

void buffer_clear(struct buffer *buffer)
{
	buffer->len = 0;
	buffer->bad = false;
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){ .max = buffer->max };
}
