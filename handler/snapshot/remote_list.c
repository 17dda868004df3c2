#include "config.h"

#include <string.h>

#include "base/cleanup.h"
#include "snapshot/remote_private.h"
#include "snapshot/s3_list.h"

#include "base/banned.h"

#define PAGE_BYTES_MAX (8 << 20) /* 1,000 keys, each character encoded */
#define PAGES_MAX      1000
#define URL_BYTES_MAX  32768

struct listing {
	struct remote *remote;
	const char *begin; /* with the prefix */
	int (*each)(const char *key, int64_t bytes, void *user,
		    struct err *err);
	void *user;
	struct deadline deadline;
	struct s3_page page; /* the one that was read last */
};

static int each_key(const char *name, int64_t bytes, void *user,
		    struct err *err)
{
	struct listing *listing = user;

	if (strncmp(name, listing->begin, strlen(listing->begin)) != 0)
		return err_set(err, ERR_INVALID,
			       "the store lists '%.200s', which does not begin "
			       "with '%.200s'",
			       name, listing->begin);
	return listing->each(name + strlen(listing->remote->prefix), bytes,
			     listing->user, err);
}

/* In the order of the names, as the signature wants it. */
static void write_url(struct buffer *url, const struct listing *listing)
{
	buffer_printf(url, "%s?", listing->remote->bucket);
	if (listing->page.truncated) {
		buffer_puts(url, "continuation-token=");
		remote_url_encode(url, listing->page.token, '\0');
		buffer_puts(url, "&");
	}
	buffer_puts(url, "encoding-type=url&list-type=2&prefix=");
	remote_url_encode(url, listing->begin, '\0');
}

static int read_page(struct listing *listing, struct err *err)
{
	CLEANUP(buffer_free) struct buffer url = BUFFER_INIT(URL_BYTES_MAX);
	CLEANUP(buffer_free) struct buffer xml = BUFFER_INIT(PAGE_BYTES_MAX);
	struct remote_call call = { .method = "list",
				    .name = listing->begin,
				    .sink = &remote_buffer_sink,
				    .user = &xml,
				    .deadline = listing->deadline };
	struct s3_page page;

	write_url(&url, listing);
	call.url = buffer_text(&url);
	if (!call.url)
		return err_set(err, ERR_LIMIT, "the prefix is too long");
	if (remote_call(listing->remote, &call, err))
		return -1;
	if (s3_list_parse(xml.data ? xml.data : "", xml.len, each_key, listing,
			  &page, err))
		return -1;
	if (page.truncated && listing->page.truncated &&
	    strcmp(page.token, listing->page.token) == 0)
		return err_set(err, ERR_INVALID,
			       "the store's listing goes round in a circle");
	listing->page = page;
	return 0;
}

int remote_list(struct remote *remote, const char *begin,
		int (*each)(const char *key, int64_t bytes, void *user,
			    struct err *err),
		void *user, struct deadline deadline, struct err *err)
{
	CLEANUP(buffer_free)
	struct buffer name = BUFFER_INIT(REMOTE_KEY_BYTES_MAX);
	struct listing listing = { .remote = remote,
				   .each = each,
				   .user = user,
				   .deadline = deadline };

	buffer_puts(&name, remote->prefix);
	buffer_puts(&name, begin);
	listing.begin = buffer_text(&name);
	if (!listing.begin)
		return err_set(err, ERR_LIMIT, "'%.200s' is too long", begin);
	for (int pages = 0; pages < PAGES_MAX; pages++) {
		if (read_page(&listing, err))
			return -1;
		if (!listing.page.truncated)
			return 0;
	}
	return err_set(err, ERR_LIMIT, "the store lists more than %d pages",
		       PAGES_MAX);
}
