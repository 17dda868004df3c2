#include "config.h"

#include <errno.h>
#include <fastcgi.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "edge/fcgi_look.h"

#include "base/banned.h"

#define FIRST_LOOK_BYTES 4096 /* most requests have less */
#define RECORD_BYTES_MAX (FCGI_HEADER_LEN + FCGI_MAX_LENGTH + 255)

/* A record, as its header says. */
struct record {
	unsigned int type;
	unsigned int id;
	size_t content;
	size_t len; /* with its header and padding */
};

/* False: it is of no version that we know. */
static bool record_read(struct record *ret, const unsigned char *at)
{
	const FCGI_Header *header = (const FCGI_Header *)at;

	ret->type = header->type;
	ret->id = (unsigned int)header->requestIdB1 << 8 | header->requestIdB0;
	ret->content =
		(size_t)header->contentLengthB1 << 8 | header->contentLengthB0;
	ret->len = FCGI_HEADER_LEN + ret->content + header->paddingLength;
	return header->version == FCGI_VERSION_1;
}

/* Is the body's end all that follows? */
static bool ends_at(const unsigned char *at, size_t len, unsigned int id)
{
	struct record record;

	return len >= FCGI_HEADER_LEN && record_read(&record, at) &&
	       record.type == FCGI_STDIN && record.id == id &&
	       record.content == 0 && record.len == len;
}

static bool is_begin(const struct record *record)
{
	return record->type == FCGI_BEGIN_REQUEST && record->id != 0 &&
	       record->content == sizeof(FCGI_BeginRequestBody);
}

/* What libfcgi skips, and reads on behind, is skipped: whatever is not of the request
 * that has begun. */
static enum fcgi_said judge(const unsigned char *at, size_t len, bool *ends)
{
	struct record record;
	bool plain = true;   /* as every web server says it */
	unsigned int id = 0; /* of that request */

	for (;;) {
		if (len < FCGI_HEADER_LEN)
			return FCGI_SAID_HALF;
		if (!record_read(&record, at))
			return FCGI_SAID_ENOUGH;
		if (len < record.len)
			return FCGI_SAID_HALF;
		at += record.len;
		len -= record.len;
		if (id == 0 && is_begin(&record)) {
			id = record.id;
		} else if (id == 0 || record.id != id ||
			   record.type == FCGI_BEGIN_REQUEST) {
			plain = false;
		} else if (record.type != FCGI_PARAMS || record.content == 0) {
			*ends = plain && ends_at(at, len, id);
			return FCGI_SAID_ENOUGH;
		}
	}
}

static void take_away(int fd, size_t len)
{
	unsigned char scrap[RECORD_BYTES_MAX];

	(void)!recv(fd, scrap, len, MSG_DONTWAIT); /* it was just seen */
}

/* The whole of an abort lies at the beginning. */
static bool is_abort(const unsigned char *at, size_t len, size_t *record_len)
{
	struct record record;

	if (len < FCGI_HEADER_LEN || !record_read(&record, at) ||
	    record.type != FCGI_ABORT_REQUEST || len < record.len)
		return false;
	*record_len = record.len;
	return true;
}

static enum fcgi_said look(int fd, unsigned char *buf, size_t size, bool *full,
			   bool *ends)
{
	size_t abort_len = 0;

	for (;;) {
		ssize_t count = recv(fd, buf, size, MSG_PEEK | MSG_DONTWAIT);

		*full = count == (ssize_t)size;
		if (count < 0 && (errno == EAGAIN || errno == EINTR))
			return FCGI_SAID_NOTHING;
		if (count <= 0)
			return FCGI_SAID_LAST;
		if (!is_abort(buf, (size_t)count, &abort_len))
			return judge(buf, (size_t)count, ends);
		take_away(fd, abort_len);
	}
}

/* More parameters than that are too many for us; libfcgi is to read them. */
static enum fcgi_said look_further(int fd, bool *ends)
{
	unsigned char buf[2 * HEAD_BYTES_MAX];
	bool full = false;
	enum fcgi_said said = look(fd, buf, sizeof(buf), &full, ends);

	return said == FCGI_SAID_HALF && full ? FCGI_SAID_ENOUGH : said;
}

enum fcgi_said fcgi_look(int fd, bool *ends)
{
	unsigned char buf[FIRST_LOOK_BYTES];
	bool full = false;
	enum fcgi_said said;

	*ends = false;
	said = look(fd, buf, sizeof(buf), &full, ends);
	return said == FCGI_SAID_HALF && full ? look_further(fd, ends) : said;
}

enum fcgi_word fcgi_look_aside(int fd)
{
	unsigned char buf[RECORD_BYTES_MAX];
	ssize_t count = recv(fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT);
	size_t len = count > 0 ? (size_t)count : 0;
	size_t abort_len = 0;
	struct record record;

	if (is_abort(buf, len, &abort_len)) {
		take_away(fd, abort_len);
		return FCGI_WORD_ABORT;
	}
	if (len >= FCGI_HEADER_LEN && record_read(&record, buf) &&
	    record.type == FCGI_STDIN && record.content == 0 &&
	    len >= record.len)
		return FCGI_WORD_BODY_END;
	return FCGI_WORD_NONE;
}
