/* s3_list.h - a page of a bucket's listing (ListObjectsV2), read from its XML
 *
 * Takes what S3 stores send and no more: elements that nest and close, text with
 * the five entities and character references. A DTD, CDATA, a foreign root, a
 * Contents without Key or Size are ERR_INVALID. Borrows its input, allocates
 * nothing.
 */
#ifndef WAKEGATE_S3_LIST_H
#define WAKEGATE_S3_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define S3_KEY_BYTES   1025 /* a key, with its NUL */
#define S3_TOKEN_BYTES 4097 /* a continuation token, with its NUL */

/* Non-zero ends the listing; err is filled then. */
typedef int s3_list_each(const char *key, int64_t bytes, void *user,
			 struct err *err);

struct s3_page {
	bool truncated;		    /* there is a page after this one */
	char token[S3_TOKEN_BYTES]; /* and this is how to ask for it */
};

/* Calls each() for the page's keys in their order, decoded where the page says
 * EncodingType "url". A page whose XML is bad gives no key at all. */
int s3_list_parse(const char *xml, size_t len, s3_list_each *each, void *user,
		  struct s3_page *ret, struct err *err);

#endif
