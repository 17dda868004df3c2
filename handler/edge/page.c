#include "config.h"

#include <inttypes.h>

#include "edge/html.h"
#include "edge/page.h"
#include "edge/problem.h"

#include "base/banned.h"

#define PAGE_BYTES_MAX 65536

static const char *const titles[] = {
	[STATE_STOPPED] = "Starting",	 [STATE_RESTORING] = "Restoring",
	[STATE_STARTING] = "Starting",	 [STATE_READY] = "Ready",
	[STATE_STOPPING] = "Stopping",	 [STATE_COOLDOWN] = "Cooling down",
	[STATE_FAILED] = "Out of order",
};
_Static_assert(sizeof(titles) / sizeof(titles[0]) == STATE_MAX_,
	       "each state has its title");

static const char *const sentences[] = {
	[STATE_STOPPED] = "It is being started. This page asks again by "
			  "itself.",
	[STATE_RESTORING] = "Its data is being put back. This page asks again "
			    "by itself.",
	[STATE_STARTING] = "It is being started. This page asks again by "
			   "itself.",
	[STATE_READY] = "It is ready.",
	[STATE_STOPPING] = "It is being stopped. This page asks again by "
			   "itself.",
	[STATE_COOLDOWN] = "It ended by itself too often. It is started again "
			   "after a pause.",
	[STATE_FAILED] = "It is not started again until its operator looks at "
			 "it.",
};
_Static_assert(sizeof(sentences) / sizeof(sentences[0]) == STATE_MAX_,
	       "each state has its sentence");

static void render_times(struct buffer *out, const struct outlook *outlook)
{
	if (outlook->elapsed_ms >= 0)
		buffer_printf(out, "<p>So far: %" PRId64 " s.",
			      outlook->elapsed_ms / 1000);
	else
		buffer_puts(out, "<p>");
	if (outlook->usual_ms > 0)
		buffer_printf(out, " Usually: %.1f s.",
			      (double)outlook->usual_ms / 1000.0);
	buffer_puts(out, "</p>\n");
	if (outlook->progress >= 0)
		buffer_printf(out,
			      "<p><progress value=\"%.2f\"></progress></p>\n",
			      outlook->progress);
}

static void render_trouble(struct buffer *out, const struct page *page)
{
	const struct gateway_row *row = page->row;

	if (row->reason[0]) {
		buffer_puts(out, "<p>Reason: ");
		html_text(out, row->reason);
		if (page->show_output && row->detail[0]) {
			buffer_puts(out, ": ");
			html_text(out, row->detail);
		}
		buffer_puts(out, "</p>\n");
	}
	if (row->state == STATE_COOLDOWN)
		buffer_printf(out, "<p>Next try in %d s.</p>\n",
			      page->outlook.retry_after_s);
	if (page->show_output && row->output_tail[0]) {
		buffer_puts(out, "<pre>");
		html_text(out, row->output_tail);
		buffer_puts(out, "</pre>\n");
	}
}

void page_render(struct buffer *out, const struct page *page)
{
	struct buffer body = BUFFER_INIT(PAGE_BYTES_MAX);
	enum gateway_state state = page->row->state;
	bool trouble = state == STATE_COOLDOWN || state == STATE_FAILED;
	int after = page->outlook.retry_after_s;

	html_begin(&body, titles[state], state == STATE_FAILED ? 0 : after);
	buffer_puts(&body, "<p><strong>");
	html_text(&body, page->gateway);
	buffer_puts(&body, "</strong></p>\n<p>");
	html_text(&body, sentences[state]);
	buffer_puts(&body, "</p>\n");
	if (trouble)
		render_trouble(&body, page);
	else
		render_times(&body, &page->outlook);
	buffer_puts(&body, "<p><small>request ");
	html_text(&body, page->id);
	buffer_puts(&body, "</small></p>\n");
	html_end(&body);
	problem_head(out, false, after, page->id);
	buffer_printf(out,
		      "Content-Type: text/html; charset=utf-8\r\n"
		      "Content-Security-Policy: " HTML_POLICY "\r\n"
		      "Content-Length: %zu\r\n\r\n",
		      body.len);
	if (body.len > 0)
		buffer_append(out, body.data, body.len);
	buffer_free(&body);
}
