#include "config.h"

#include <string.h>

#include "snapshot/s3_list.h"

#include "base/banned.h"

#define DEPTH_MAX   8
#define DIGITS_MAX  18
#define ENTITY_MAX  10
#define UNICODE_MAX 0x10ffff

/* A piece of the input. */
struct slice {
	const char *at;
	size_t len;
};

enum token { TOKEN_OPEN, TOKEN_CLOSE, TOKEN_END, TOKEN_BAD };

struct scan {
	const char *at, *end;
	struct slice open[DEPTH_MAX];
	size_t depth;
	struct slice text; /* before the tag that was read last */
	bool empty_tag;	   /* <A/>: its close comes next */
	bool leaf;	   /* no tag since the one that opened last */
	bool rooted;	   /* the root has been seen */
};

/* What is collected from a page. */
struct page {
	struct s3_page answer;
	bool url_encoded;
	struct slice key, size; /* of the Contents that is open */
	s3_list_each *each;	/* NULL: the page is only checked */
	void *user;
};

static bool is(struct slice slice, const char *word)
{
	return slice.len == strlen(word) &&
	       memcmp(slice.at, word, slice.len) == 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_blank(struct slice slice)
{
	for (size_t i = 0; i < slice.len; i++)
		if (!is_space(slice.at[i]))
			return false;
	return true;
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' ||
	       c == ':';
}

static bool begins(const struct scan *scan, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(scan->end - scan->at) >= len &&
	       memcmp(scan->at, word, len) == 0;
}

/* Goes behind the next `word`. */
static bool skip_past(struct scan *scan, const char *word)
{
	const char *found = memmem(scan->at, (size_t)(scan->end - scan->at),
				   word, strlen(word));

	if (!found)
		return false;
	scan->at = found + strlen(word);
	return true;
}

static struct slice take_name(struct scan *scan)
{
	struct slice name = { .at = scan->at };

	while (scan->at < scan->end && is_name(*scan->at))
		scan->at++;
	name.len = (size_t)(scan->at - name.at);
	return name;
}

/* To the '>' or '/' that ends a start tag; '<' and these may stand in quotes. */
static bool skip_attributes(struct scan *scan)
{
	while (scan->at < scan->end && *scan->at != '>' && *scan->at != '/') {
		char c = *scan->at++;

		if (c == '<')
			return false;
		if (c != '"' && c != '\'')
			continue;
		scan->at = memchr(scan->at, c, (size_t)(scan->end - scan->at));
		if (!scan->at)
			return false;
		scan->at++;
	}
	return scan->at < scan->end;
}

static enum token open_tag(struct scan *scan)
{
	struct slice name = take_name(scan);

	if (name.len == 0 || scan->depth == DEPTH_MAX ||
	    (scan->depth == 0 && scan->rooted) || !skip_attributes(scan))
		return TOKEN_BAD;
	scan->empty_tag = *scan->at == '/';
	if (scan->empty_tag)
		scan->at++;
	if (scan->at == scan->end || *scan->at != '>')
		return TOKEN_BAD;
	scan->at++;
	scan->rooted = true;
	scan->leaf = true;
	scan->open[scan->depth++] = name;
	return TOKEN_OPEN;
}

static enum token close_tag(struct scan *scan)
{
	struct slice name = take_name(scan);
	struct slice open;

	while (scan->at < scan->end && is_space(*scan->at))
		scan->at++;
	if (scan->at == scan->end || *scan->at != '>' || scan->depth == 0)
		return TOKEN_BAD;
	scan->at++;
	open = scan->open[scan->depth - 1];
	if (name.len != open.len || memcmp(name.at, open.at, name.len) != 0)
		return TOKEN_BAD;
	return TOKEN_CLOSE;
}

/* Reads up to the next tag's end, the text before it into scan->text. */
static enum token next_token(struct scan *scan)
{
	const char *tag;

	if (scan->empty_tag) {
		scan->empty_tag = false;
		scan->text = (struct slice){ .at = scan->at };
		return TOKEN_CLOSE;
	}
	tag = memchr(scan->at, '<', (size_t)(scan->end - scan->at));
	scan->text.at = scan->at;
	scan->text.len = (size_t)((tag ? tag : scan->end) - scan->at);
	if (scan->depth == 0 && !is_blank(scan->text))
		return TOKEN_BAD;
	if (!tag)
		return scan->depth == 0 && scan->rooted ? TOKEN_END : TOKEN_BAD;
	scan->at = tag + 1;
	if (begins(scan, "/")) {
		scan->at++;
		return close_tag(scan);
	}
	return open_tag(scan);
}

/* <?xml ...?> and a byte order mark, before the root. */
static bool skip_declaration(struct scan *scan)
{
	if (begins(scan, "\xef\xbb\xbf"))
		scan->at += 3;
	return !begins(scan, "<?xml ") || skip_past(scan, "?>");
}

/* --- values ------------------------------------------------------------------ */

/* The number of bytes written for a character in UTF-8; 0: there is none. */
static size_t put_character(char *room, size_t size, unsigned int c)
{
	static const unsigned int first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (c == 0 || c > UNICODE_MAX || (c >= 0xd800 && c < 0xe000) ||
	    len > size)
		return 0;
	for (size_t i = len - 1; i > 0; i--) {
		room[i] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	room[0] = (char)(first[len] | c);
	return len;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* "#10" or "#xA": the character; 0 is none. */
static unsigned int reference(struct slice name)
{
	bool hex = name.len > 1 && name.at[1] == 'x';
	unsigned int value = 0;

	for (size_t i = hex ? 2 : 1; i < name.len; i++) {
		int digit = hex_digit(name.at[i]);

		if (digit < 0 || (!hex && digit > 9))
			return 0;
		value = value * (hex ? 16 : 10) + (unsigned int)digit;
		if (value > UNICODE_MAX)
			return 0;
	}
	return value;
}

static unsigned int entity(struct slice name)
{
	static const struct {
		const char *name;
		char c;
	} known[] = { { "amp", '&' },
		      { "lt", '<' },
		      { "gt", '>' },
		      { "quot", '"' },
		      { "apos", '\'' } };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (is(name, known[i].name))
			return (unsigned int)known[i].c;
	return name.len > 1 && name.at[0] == '#' ? reference(name) : 0;
}

/* Copies text with its entities decoded; -1 when it does not fit or one is
 * unknown. */
static int copy_text(char *room, size_t size, struct slice text)
{
	const char *end = text.at + text.len;
	size_t used = 0;

	for (const char *at = text.at; at < end; at++) {
		struct slice name = { .at = at + 1 };
		const char *stop;
		size_t len = 1;

		if (used + 1 >= size)
			return -1;
		if (*at != '&') {
			room[used++] = *at;
			continue;
		}
		stop = memchr(at, ';', (size_t)(end - at));
		if (!stop || stop - at > ENTITY_MAX)
			return -1;
		name.len = (size_t)(stop - name.at);
		len = put_character(room + used, size - used - 1, entity(name));
		if (len == 0)
			return -1;
		used += len;
		at = stop;
	}
	room[used] = '\0';
	return memchr(room, '\0', used) ? -1 : 0;
}

/* In place; as S3 encodes: '+' is a space. */
static int url_decode(char *text)
{
	char *to = text;

	for (const char *at = text; *at; at++) {
		int high, low;

		if (*at != '%') {
			*to++ = (char)(*at == '+' ? ' ' : *at);
			continue;
		}
		high = hex_digit(at[1]);
		low = high < 0 ? -1 : hex_digit(at[2]);
		if (low < 0 || high + low == 0)
			return -1;
		*to++ = (char)(high * 16 + low);
		at += 2;
	}
	*to = '\0';
	return 0;
}

static int read_size(struct slice text, int64_t *ret)
{
	int64_t value = 0;

	if (text.len == 0 || text.len > DIGITS_MAX)
		return -1;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return -1;
		value = value * 10 + (text.at[i] - '0');
	}
	*ret = value;
	return 0;
}

/* --- what the elements mean -------------------------------------------------- */

static int end_contents(struct page *page, struct err *err)
{
	char key[3 * S3_KEY_BYTES];
	int64_t bytes = 0;

	if (!page->key.at || !page->size.at || read_size(page->size, &bytes) ||
	    copy_text(key, sizeof(key), page->key) ||
	    (page->url_encoded && page->each && url_decode(key)) ||
	    key[0] == '\0')
		return err_set(err, ERR_INVALID,
			       "the store lists an object with a bad key or "
			       "size");
	page->key.at = NULL;
	page->size.at = NULL;
	if (!page->each)
		return 0;
	if (strlen(key) >= S3_KEY_BYTES)
		return err_set(err, ERR_INVALID,
			       "the store lists a key longer than %d bytes",
			       S3_KEY_BYTES - 1);
	return page->each(key, bytes, page->user, err);
}

static bool note_once(struct slice *slot, struct slice text)
{
	if (slot->at)
		return false;
	*slot = text;
	return true;
}

/* An element of the root with nothing but text in it. */
static bool note_answer(struct page *page, struct slice name, struct slice text)
{
	if (is(name, "IsTruncated")) {
		page->answer.truncated = is(text, "true");
		return page->answer.truncated || is(text, "false");
	}
	if (is(name, "EncodingType"))
		page->url_encoded = is(text, "url");
	if (is(name, "NextContinuationToken"))
		return copy_text(page->answer.token, sizeof(page->answer.token),
				 text) == 0;
	return true;
}

static int end_element(const struct scan *scan, struct page *page,
		       struct err *err)
{
	struct slice name = scan->open[scan->depth - 1];
	bool contents = scan->depth > 1 && is(scan->open[1], "Contents");
	bool good = true;

	if (scan->depth == 2 && contents)
		return end_contents(page, err);
	if (scan->depth == 2 && scan->leaf)
		good = note_answer(page, name, scan->text);
	else if (scan->depth == 3 && contents && is(name, "Key"))
		good = scan->leaf && note_once(&page->key, scan->text);
	else if (scan->depth == 3 && contents && is(name, "Size"))
		good = scan->leaf && note_once(&page->size, scan->text);
	if (good)
		return 0;
	return err_set(err, ERR_INVALID, "the store's listing has a bad '%.*s'",
		       (int)(name.len < 64 ? name.len : 64), name.at);
}

static int read_page(struct page *page, const char *xml, size_t len,
		     struct err *err)
{
	struct scan scan = { .at = xml, .end = xml + len };
	enum token token = TOKEN_BAD;

	if (!skip_declaration(&scan))
		return err_set(err, ERR_INVALID,
			       "the store's listing is no XML");
	for (;;) {
		token = next_token(&scan);
		if (token == TOKEN_END)
			return 0;
		if (token == TOKEN_BAD || !is(scan.open[0], "ListBucketResult"))
			return err_set(err, ERR_INVALID,
				       "the store's listing is not what S3 "
				       "sends, at byte %zu",
				       (size_t)(scan.at ? scan.at - xml : 0));
		if (token == TOKEN_OPEN)
			continue;
		if (end_element(&scan, page, err))
			return -1;
		scan.depth--;
		scan.leaf = false;
	}
}

int s3_list_parse(const char *xml, size_t len, s3_list_each *each, void *user,
		  struct s3_page *ret, struct err *err)
{
	struct page page = { 0 };

	if (read_page(&page, xml, len, err))
		return -1;
	if (page.answer.truncated && page.answer.token[0] == '\0')
		return err_set(err, ERR_INVALID,
			       "the store's listing is cut and does not say "
			       "how it goes on");
	/* EncodingType may come behind the keys that it is about */
	page.each = each;
	page.user = user;
	if (read_page(&page, xml, len, err))
		return -1;
	*ret = page.answer;
	return 0;
}
