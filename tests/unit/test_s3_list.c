/* A page of a bucket's listing: what S3 stores send is taken, all else is not. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "snapshot/s3_list.h"
#include "unit/tap.h"

#include "base/banned.h"

#define PAGE(inner)                                                            \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                         \
	"<ListBucketResult xmlns=\"http://s3.amazonaws.com/\">" inner          \
	"</ListBucketResult>\n"
#define OBJECT(key, size)                                                      \
	"<Contents><Key>" key "</Key><Size>" size "</Size></Contents>"

static char keys[4096];
static struct s3_page page;
static struct err err;

static int collect(const char *key, int64_t bytes, void *user,
		   struct err *failure)
{
	size_t used = strlen(keys);

	(void)failure;
	(void)snprintf(keys + used, sizeof(keys) - used, "%s=%lld;", key,
		       (long long)bytes);
	return user ? err_set(failure, ERR_BUSY, "enough") : 0;
}

/* From a block of just that size, so that a sanitizer sees each byte too far. */
static int parse_bytes(const char *xml, size_t len)
{
	char *exact = malloc(len > 0 ? len : 1);
	int result;

	if (!exact)
		abort();
	memcpy(exact, xml, len);
	keys[0] = '\0';
	memset(&page, 0, sizeof(page));
	result = s3_list_parse(exact, len, collect, NULL, &page, &err);
	free(exact);
	return result;
}

static bool gives(const char *xml, const char *expected)
{
	return parse_bytes(xml, strlen(xml)) == 0 &&
	       strcmp(keys, expected) == 0;
}

static bool refused(const char *xml)
{
	return parse_bytes(xml, strlen(xml)) != 0 && err.code == ERR_INVALID;
}

static void test_taken(void)
{
	static const char more[] = PAGE(
		"<IsTruncated>true</IsTruncated>"
		"<NextContinuationToken>a/b&amp;c=</NextContinuationToken>");

	ok(gives(PAGE(""), ""), "a page without keys");
	ok(gives(PAGE("<CommonPrefixes/>"), ""), "an empty element");
	ok(gives(PAGE(OBJECT("a", "1") OBJECT("b/c", "22")), "a=1;b/c=22;"),
	   "keys and sizes, in their order");
	ok(gives(PAGE("<Contents><Size>3</Size><Owner><ID>x</ID>"
		      "<Key>no</Key></Owner><Key>k</Key></Contents>"),
		 "k=3;"),
	   "only the Key of Contents itself");
	ok(gives(PAGE(OBJECT("a+b%41 &amp;&#x1F600;&#228;", "0")),
		 "a+b%41 &\xf0\x9f\x98\x80\xc3\xa4=0;"),
	   "entities are decoded, and without EncodingType no more");
	ok(gives(PAGE(OBJECT("a+b%41%2B%c3%A4",
			     "0") "<EncodingType>url</EncodingType>"),
		 "a bA+\xc3\xa4=0;"),
	   "EncodingType url, also behind the keys");
	ok(parse_bytes(more, strlen(more)) == 0 && page.truncated &&
		   strcmp(page.token, "a/b&c=") == 0,
	   "a token for the page that follows");
	ok(gives("\xef\xbb\xbf<ListBucketResult a='>' />", ""),
	   "a byte order mark, '>' in an attribute");
}

static void test_refused(void)
{
	static const char *const bad[] = {
		"",
		" ",
		"<html><body/></html>",
		"{}",
		"<Error><Code>AccessDenied</Code></Error>",
		PAGE("") PAGE(""),
		PAGE("") "x",
		PAGE("<A>"),
		PAGE("<A></B>"),
		PAGE("<A b=\"></A>"),
		PAGE("<!-- x -->"),
		PAGE("<![CDATA[x]]>"),
		"<!DOCTYPE a>" PAGE(""),
		PAGE("<A><A><A><A><A><A><A><A/></A></A></A></A></A></A></A>"),
		PAGE("<Contents><Key>a</Key></Contents>"),
		PAGE("<Contents><Size>1</Size></Contents>"),
		PAGE("<Contents><Key><b/>a</Key><Size>1</Size></Contents>"),
		PAGE("<Contents><Key>a</Key><Key>b</Key><Size>1</Size>"
		     "</Contents>"),
		PAGE(OBJECT("", "1")),
		PAGE(OBJECT("a", "-1")),
		PAGE(OBJECT("a", "")),
		PAGE(OBJECT("a", "1e3")),
		PAGE(OBJECT("a", "9999999999999999999")),
		PAGE(OBJECT("a&b;", "1")),
		PAGE(OBJECT("a&amp", "1")),
		PAGE(OBJECT("&#0;", "1")),
		PAGE(OBJECT("&#xD800;", "1")),
		PAGE(OBJECT("&#x110000;", "1")),
		PAGE(OBJECT("&#4294967297;", "1")),
		PAGE("<EncodingType>url</EncodingType>" OBJECT("a%00", "1")),
		PAGE("<EncodingType>url</EncodingType>" OBJECT("a%4", "1")),
		PAGE("<IsTruncated>yes</IsTruncated>"),
		PAGE("<IsTruncated>true</IsTruncated>"),
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(refused(bad[i]), "refused: the bad page %zu", i);
	ok(parse_bytes("a\0b", 3) != 0, "refused: bytes that are no text");
}

static void test_limits(void)
{
	static char xml[16384];
	static char key[S3_KEY_BYTES + 1];
	static char token[S3_TOKEN_BYTES + 1];

	memset(key, 'k', S3_KEY_BYTES - 1);
	(void)snprintf(xml, sizeof(xml), PAGE(OBJECT("%s", "1")), key);
	ok(parse_bytes(xml, strlen(xml)) == 0, "the longest key is taken");
	key[S3_KEY_BYTES - 1] = 'k';
	(void)snprintf(xml, sizeof(xml), PAGE(OBJECT("%s", "1")), key);
	ok(refused(xml), "a longer one is not");
	memset(token, 't', S3_TOKEN_BYTES);
	(void)snprintf(xml, sizeof(xml),
		       PAGE("<NextContinuationToken>%s"
			    "</NextContinuationToken>"),
		       token);
	ok(refused(xml), "nor a token that is too long");
}

/* Cut off at each byte: never taken, never read too far. */
static void test_cut(void)
{
	static const char whole[] =
		"<ListBucketResult a=\"b\"><EncodingType>url</EncodingType>"
		"<IsTruncated>false</IsTruncated><Contents><Key>a%2Fb&amp;"
		"</Key><Size>1</Size></Contents><E/></ListBucketResult>";
	size_t taken = 0;

	for (size_t len = 0; len < sizeof(whole) - 1; len++)
		taken += parse_bytes(whole, len) == 0;
	ok(taken == 0, "a page that is cut anywhere is refused");
	ok(gives(whole, "a/b&=1;"), "the whole one is taken");
}

static void test_stop(void)
{
	static const char xml[] = PAGE(OBJECT("a", "1") OBJECT("b", "2"));

	keys[0] = '\0';
	ok(s3_list_parse(xml, sizeof(xml) - 1, collect, keys, &page, &err) !=
			   0 &&
		   err.code == ERR_BUSY && strcmp(keys, "a=1;") == 0,
	   "the listener's failure ends it");
}

int main(void)
{
	test_taken();
	test_refused();
	test_limits();
	test_cut();
	test_stop();
	return done_testing();
}
