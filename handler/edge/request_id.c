#include "config.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/deadline.h"
#include "edge/request_id.h"

#include "base/banned.h"

#define ID_BYTES ((REQUEST_ID_BYTES - 1) / 2)
#define GOLDEN	 0x9e3779b97f4a7c15U /* odd: every step gives another number */

/* Random once a process; then the second half is stepped, which costs no system
 * call. */
static unsigned char seed[ID_BYTES];
static uint64_t steps;
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
	if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(seed)) {
		/* early after boot: an id, if not a random one */
		int64_t now = clock_wall_ms();

		memcpy(seed, &now, sizeof(now));
	}
}

void request_id_make(char ret[REQUEST_ID_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[ID_BYTES];
	uint64_t number;

	(void)pthread_once(&seeded, make_seed);
	memcpy(bytes, seed, sizeof(bytes));
	memcpy(&number, bytes + ID_BYTES / 2, sizeof(number));
	number += GOLDEN * __atomic_fetch_add(&steps, 1, __ATOMIC_RELAXED);
	memcpy(bytes + ID_BYTES / 2, &number, sizeof(number));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		ret[2 * i] = digits[bytes[i] >> 4];
		ret[2 * i + 1] = digits[bytes[i] & 15];
	}
	ret[REQUEST_ID_BYTES - 1] = '\0';
}
