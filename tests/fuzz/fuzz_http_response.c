#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/http1.h"
#include "edge/relay.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the web server would get has one line a field, and no more. */
static void check_head(const struct buffer *out)
{
	if (!buffer_ok(out))
		return;
	for (size_t i = 0; i < out->len; i++) {
		char c = out->data[i];

		if (c == '\0' ||
		    (c == '\r' &&
		     (i + 1 == out->len || out->data[i + 1] != '\n')) ||
		    (c == '\n' && (i == 0 || out->data[i - 1] != '\r')))
			abort();
	}
	if (memmem(out->data, out->len, "\r\n\r\n", 4) !=
	    out->data + out->len - 4)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_response response;
	struct buffer out = BUFFER_INIT(1 << 20);
	struct err err;

	if (size == 0)
		return 0;
	/* the first byte says what was asked */
	if (http_response_parse(&response, (const char *)data + 1, size - 1,
				data[0] & 1, &err) == PARSE_DONE) {
		relay_head(&out, &response);
		check_head(&out);
	}
	buffer_free(&out);
	return 0;
}
