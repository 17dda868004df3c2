/* html.h - the frame of our pages, and text that is safe in them
 *
 * One policy for all: nothing from elsewhere, and of style and script only what
 * bears the nonce of this answer. A page is rendered as html_begin(), what is in
 * it, html_end(); html_fields() goes into the head of the answer.
 */
#ifndef WAKEGATE_HTML_H
#define WAKEGATE_HTML_H

#include "base/buffer.h"

#define HTML_NONCE_BYTES 33

struct html {
	const char *title;
	const char *style;	/* beside the common one; NULL: none */
	const char *script;	/* NULL: none */
	int refresh_s;		/* where no script runs; 0: the page stays */
	const char *refresh_to; /* NULL: where it is, if that has no fragment */
	char nonce[HTML_NONCE_BYTES];
};

/* A new one for each answer. */
void html_nonce(struct html *html);

/* Content-Type and the policy, a line each. */
void html_fields(struct buffer *out, const struct html *html);

/* From <!DOCTYPE to <main>; from </main> to </html>. */
void html_begin(struct buffer *out, const struct html *html);
void html_end(struct buffer *out, const struct html *html);

/* Appends text with the characters that HTML reads replaced: safe between tags and
 * in a quoted attribute. */
void html_text(struct buffer *out, const char *text);

#endif
