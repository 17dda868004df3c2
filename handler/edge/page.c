#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/when.h"
#include "edge/assets.h"
#include "edge/html.h"
#include "edge/page.h"
#include "edge/page_words.h"
#include "edge/problem.h"
#include "gateway/view.h"

#include "base/banned.h"

#define PAGE_BYTES_MAX	 16384
#define PART_BYTES_MAX	 8192
#define OUTPUT_BYTES_MAX 2560 /* of the newest lines, as HTML */
#define LINE_BYTES_MAX	 400
#define ENTITY_BYTES	 6   /* the longest of html_text() */
#define PLACE_BYTES	 256 /* of an address that the page can name */
#define TITLE_BYTES	 (GATEWAY_NAME_BYTES + 32)

/* How often the script asks, in ms. */
#define ASK_SOON   300
#define ASK_LATER  1000
#define ASK_PAUSE  2000
#define ASK_PERSON 5000
#define SOON_MS	   4000 /* until it is ready */

static bool is_bad(const struct page *page)
{
	return page->row->state == STATE_FAILED;
}

static const char *title(const struct page *page)
{
	return is_bad(page) ? page_reason(page->row->reason)->title
			    : page_words[page->row->state].title;
}

/* --- its parts --------------------------------------------------------------- */

static void part_title(struct buffer *out, const struct page *page)
{
	buffer_puts(out, title(page));
}

static void paragraph(struct buffer *out, const char *before, const char *text)
{
	buffer_puts(out, "<p>");
	buffer_puts(out, before);
	html_text(out, text);
	buffer_puts(out, "</p>\n");
}

/* Read out by a screen reader when it changes: no number is in it. */
static void part_say(struct buffer *out, const struct page *page)
{
	const struct gateway_row *row = page->row;
	const struct page_words *words = &page_words[row->state];
	const struct page_reason *reason = page_reason(row->reason);

	if (is_bad(page)) {
		paragraph(out, "", reason->say);
		if (!page->admin)
			paragraph(out, "", page_for_visitor);
		paragraph(out, page_for_operator, reason->hint);
	} else {
		paragraph(out, "", words->say);
		paragraph(out, "", words->then);
	}
}

static void render_bar(struct buffer *out, const struct page *page)
{
	buffer_puts(out, "<p>");
	if (page->row->state == STATE_RESTORING)
		page_say_restore(out, page->row, &page->outlook);
	else
		page_say_start(out, &page->outlook);
	buffer_printf(out, "</p>\n<progress aria-label=\"%s\"", title(page));
	if (page->outlook.progress >= 0)
		buffer_printf(out, " value=\"%.3f\"", page->outlook.progress);
	buffer_puts(out, "></progress>\n");
}

static void render_pause(struct buffer *out, const struct page *page)
{
	char when[WHEN_BYTES];

	(void)when_utc(when, page->row->retry_at_ms);
	buffer_printf(out, "<p>%s<time datetime=\"%s\">%.8s UTC</time>",
		      page_next_try, when, when + strlen("2026-11-24T"));
	page_say_next_try(out, &page->outlook);
	buffer_puts(out, "</p>\n");
}

static void part_meter(struct buffer *out, const struct page *page)
{
	if (page->row->state == STATE_COOLDOWN)
		render_pause(out, page);
	else if (!is_bad(page))
		render_bar(out, page);
}

/* The end of text that takes no more than max bytes as HTML: whole lines, if one
 * fits. */
static const char *newest(const char *text, size_t max)
{
	const char *at = text + strlen(text);
	const char *line = NULL;
	size_t used = 0;

	while (at > text) {
		used += strchr("<>&\"'", at[-1]) ? ENTITY_BYTES : 1;
		if (used > max)
			break;
		at--;
		if (at > text && at[-1] == '\n')
			line = at;
	}
	if (at == text || line)
		return at == text ? text : line;
	while (((unsigned char)*at & 0xc0) == 0x80) /* inside a character */
		at++;
	return at;
}

static const char *last_line(const char *text)
{
	const char *line = strrchr(text, '\n');

	return newest(line ? line + 1 : text, LINE_BYTES_MAX);
}

static void render_reason(struct buffer *out, const struct page *page)
{
	buffer_printf(out, "<p>%s<code>", page_reason_word);
	html_text(out, page->row->reason);
	buffer_puts(out, "</code>");
	if (page->output && page->row->detail[0]) {
		buffer_puts(out, ", ");
		html_text(out, page->row->detail);
	}
	buffer_puts(out, "</p>\n");
}

static void render_way_to_panel(struct buffer *out, const struct page *page)
{
	buffer_puts(out, "<p><a href=\"");
	html_text(out, page->mount);
	html_text(out, page->panel_path);
	buffer_printf(out, "/\">%s</a></p>\n", page_panel);
}

static void part_output(struct buffer *out, const struct page *page)
{
	enum gateway_state state = page->row->state;

	if (page->row->reason[0])
		render_reason(out, page);
	if (page->output && *page->output) {
		if (is_bad(page) || state == STATE_COOLDOWN) {
			buffer_printf(out, "<p>%s<code>", page_last_line);
			html_text(out, last_line(page->output));
			buffer_puts(out, "</code></p>\n");
		}
		buffer_printf(out, "<p>%s</p>\n<pre>", page_output);
		html_text(out, newest(page->output, OUTPUT_BYTES_MAX));
		buffer_puts(out, "</pre>\n");
	}
	if (is_bad(page))
		buffer_printf(out, "<p><a href=\"\">%s</a></p>\n", page_again);
	if (page->admin)
		render_way_to_panel(out, page);
}

static const struct part {
	const char *id;
	const char *before, *behind; /* the element that it is in */
	void (*render)(struct buffer *out, const struct page *page);
} parts[] = {
	{ "title", "<h1 id=\"title\">", "</h1>\n", part_title },
	{ "say", "<div id=\"say\" role=\"status\" aria-live=\"polite\">",
	  "</div>\n", part_say },
	{ "meter", "<div id=\"meter\">", "</div>\n", part_meter },
	{ "output", "<div id=\"output\">", "</div>\n", part_output },
};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

/* --- for its script ------------------------------------------------------------ */

static int next_ms(const struct page *page)
{
	int64_t eta_ms = page->outlook.eta_ms;

	switch (page->row->state) {
	case STATE_COOLDOWN:
		return eta_ms < ASK_PAUSE ? ASK_SOON : ASK_PAUSE;
	case STATE_FAILED:
		return ASK_PERSON;
	case STATE_STOPPED:
	case STATE_RESTORING:
	case STATE_STARTING:
	case STATE_READY:
	case STATE_STOPPING:
	case STATE_MAX_:
		break;
	}
	return eta_ms > SOON_MS ? ASK_LATER : ASK_SOON;
}

/* Ready; or nothing happens any more until somebody asks for the page. */
static bool goes_on(const struct page *page)
{
	enum gateway_state state = page->row->state;

	return state == STATE_READY || state == STATE_STOPPED ||
	       (state == STATE_COOLDOWN && page->outlook.eta_ms == 0);
}

static void make_title(char ret[TITLE_BYTES], const struct page *page)
{
	(void)snprintf(ret, TITLE_BYTES, "%s: %s", page->gateway, title(page));
}

json_t *page_json(const struct page *page)
{
	json_t *json = json_object();
	json_t *shown = json_object();
	char text[TITLE_BYTES];

	make_title(text, page);
	for (size_t i = 0; i < PARTS; i++) {
		struct buffer part = BUFFER_INIT(PART_BYTES_MAX);
		const char *html;

		parts[i].render(&part, page);
		html = buffer_text(&part);
		(void)json_object_set_new(shown, parts[i].id,
					  html && *html ? view_text(html)
							: json_string(""));
		buffer_free(&part);
	}
	(void)json_object_set_new(json, "title", view_text(text));
	(void)json_object_set_new(json, "bad", json_boolean(is_bad(page)));
	(void)json_object_set_new(json, "go", json_boolean(goes_on(page)));
	(void)json_object_set_new(json, "next_ms", json_integer(next_ms(page)));
	(void)json_object_set_new(json, "parts", shown);
	return json;
}

/* --- the whole ------------------------------------------------------------------ */

static void render_main(struct buffer *out, const struct page *page)
{
	buffer_printf(out, "<div id=\"page\"%s data-next=\"%d\" data-status=\"",
		      is_bad(page) ? " class=\"bad\"" : "", next_ms(page));
	html_text(out, page->mount);
	html_text(out, page->status_path);
	buffer_puts(out, "?" PAGE_QUERY "\">\n<p class=\"name\">");
	html_text(out, page->gateway);
	buffer_puts(out, "</p>\n");
	for (size_t i = 0; i < PARTS; i++) {
		buffer_puts(out, parts[i].before);
		parts[i].render(out, page);
		buffer_puts(out, parts[i].behind);
	}
	buffer_puts(out, "<p><small>");
	buffer_puts(out, page_request);
	html_text(out, page->id);
	buffer_puts(out, "</small></p>\n</div>\n");
}

/* The same place, told in relation to itself: a proxy before the web server may
 * know it by another path. False: too long to be told. */
static bool make_place(char ret[PLACE_BYTES], struct slice target)
{
	const char *query = memchr(target.data, '?', target.len);
	size_t begin = query ? (size_t)(query - target.data) : target.len;

	while (begin > 0 && target.data[begin - 1] != '/')
		begin--;
	if (target.len - begin > PLACE_BYTES - sizeof("./"))
		return false;
	(void)snprintf(ret, PLACE_BYTES, "./%.*s", (int)(target.len - begin),
		       target.data + begin);
	return true;
}

void page_render(struct buffer *out, const struct page *page)
{
	struct buffer body = BUFFER_INIT(PAGE_BYTES_MAX);
	char text[TITLE_BYTES], place[PLACE_BYTES];
	int after = page->outlook.retry_after_s;
	struct html html = {
		.title = text,
		.style = page_css,
		.script = page_js,
		.refresh_s = is_bad(page) ? 0 : after,
		.refresh_to = make_place(place, page->target) ? place : NULL,
	};

	make_title(text, page);
	html_nonce(&html);
	html_begin(&body, &html);
	render_main(&body, page);
	html_end(&body, &html);
	problem_head(out, false, after, page->id);
	html_fields(out, &html);
	if (!page->verdict)
		buffer_printf(out, "Content-Length: %zu\r\n", body.len);
	buffer_puts(out, "\r\n");
	if (body.len > 0)
		buffer_append(out, body.data, body.len);
	buffer_free(&body);
}
