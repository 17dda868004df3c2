/* page_words.h - the words of the loading page: all of them are in page_words.c
 *
 * No character of HTML is in them.
 */
#ifndef WAKEGATE_PAGE_WORDS_H
#define WAKEGATE_PAGE_WORDS_H

#include "base/buffer.h"
#include "edge/outlook.h"
#include "store/row.h"

struct page_words {
	const char *title;
	const char *say;
	const char *then; /* what the page does by itself; NULL: nothing */
};

extern const struct page_words page_words[STATE_MAX_];

/* Why it isn't started, and what is to be done. */
struct page_reason {
	const char *word; /* as in the row */
	const char *title;
	const char *say;
	const char *hint; /* for the operator */
};

/* Never NULL. */
const struct page_reason *page_reason(const char *word);

/* "12 s so far, usually ready in 20 s" */
void page_say_start(struct buffer *out, const struct outlook *outlook);

/* "12.3 of 200.0 MB are back, 12 s so far" */
void page_say_restore(struct buffer *out, const struct gateway_row *row,
		      const struct outlook *outlook);

/* What stands before and behind the point in time. */
extern const char page_next_try[];
void page_say_next_try(struct buffer *out, const struct outlook *outlook);

extern const char page_for_operator[]; /* before a hint */
extern const char page_for_visitor[];  /* who can do nothing */
extern const char page_reason_word[];  /* before it */
extern const char page_last_line[];    /* before it */
extern const char page_output[];       /* before the newest lines */
extern const char page_again[];	       /* a link's */
extern const char page_panel[];	       /* another's */
extern const char page_request[];      /* before its id */

#endif
