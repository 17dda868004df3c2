/* html.h - the frame of our pages, and text that is safe in them
 */
#ifndef WAKEGATE_HTML_H
#define WAKEGATE_HTML_H

#include "base/buffer.h"

/* The same rule for all pages: nothing from elsewhere, no script. */
#define HTML_POLICY "default-src 'none'; style-src 'unsafe-inline'"

/* Appends text with the characters that HTML reads replaced. */
void html_text(struct buffer *out, const char *text);

/* From <!DOCTYPE to <h1>; refresh_s 0: the page stays. */
void html_begin(struct buffer *out, const char *title, int refresh_s);
void html_end(struct buffer *out);

#endif
