#include "config.h"

#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/deadline.h"
#include "edge/request_id.h"

#include "base/banned.h"

void request_id_make(char ret[REQUEST_ID_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[(REQUEST_ID_BYTES - 1) / 2];
	ssize_t got = getrandom(bytes, sizeof(bytes), GRND_NONBLOCK);

	if (got != (ssize_t)sizeof(bytes)) {
		/* early after boot: an id, if not a random one */
		int64_t now = clock_wall_ms();

		memset(bytes, 0, sizeof(bytes));
		memcpy(bytes, &now, sizeof(now));
	}
	for (size_t i = 0; i < sizeof(bytes); i++) {
		ret[2 * i] = digits[bytes[i] >> 4];
		ret[2 * i + 1] = digits[bytes[i] & 15];
	}
	ret[REQUEST_ID_BYTES - 1] = '\0';
}
