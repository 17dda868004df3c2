#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/http1.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The content in pieces of step bytes; -1 when it is bad. */
static ssize_t decode(const uint8_t *data, size_t size, size_t step, char *out)
{
	struct http_chunks chunks = { 0 };
	size_t total = 0;
	struct err err;

	while (size > 0) {
		size_t part = size < step ? size : step;
		size_t len = 0;
		size_t used = 0;
		enum parse_result result;

		memcpy(out + total, data, part);
		result = http_chunks_decode(&chunks, out + total, part, &len,
					    &used, &err);
		if (result == PARSE_BAD)
			return -1;
		if (len > used || used > part ||
		    (result == PARSE_MORE && used != part))
			abort();
		total += len;
		if (result == PARSE_DONE)
			break;
		data += part;
		size -= part;
	}
	return (ssize_t)total;
}

/* However it is cut, the result is the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *whole = malloc(size + 1);
	char *bytes = malloc(size + 1);
	ssize_t len;

	if (!whole || !bytes)
		abort();
	len = decode(data, size, size > 0 ? size : 1, whole);
	if (decode(data, size, 1, bytes) != len ||
	    (len > 0 && memcmp(whole, bytes, (size_t)len) != 0))
		abort();
	free(whole);
	free(bytes);
	return 0;
}
