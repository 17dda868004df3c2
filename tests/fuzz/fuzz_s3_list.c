#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot/s3_list.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A key is a text that fits, a size is no negative one. */
static int check_key(const char *key, int64_t bytes, void *user,
		     struct err *err)
{
	size_t *count = user;

	if (key[0] == '\0' || strlen(key) >= S3_KEY_BYTES || bytes < 0)
		abort();
	if (++*count > 1000)
		return err_set(err, ERR_LIMIT, "enough");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct s3_page page;
	struct err err;
	size_t count = 0;

	if (s3_list_parse((const char *)data, size, check_key, &count, &page,
			  &err))
		return 0;
	if ((page.truncated && page.token[0] == '\0') ||
	    strlen(page.token) >= S3_TOKEN_BYTES)
		abort();
	return 0;
}
