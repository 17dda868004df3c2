#include "config.h"

#include <string.h>
#include <sys/random.h>

#include "edge/assets.h"
#include "edge/html.h"

#include "base/banned.h"

/* The icon keeps the browser from asking the gateway for one. */
static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
	"<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, "
	"initial-scale=1\">\n"
	"<link rel=\"icon\" href=\"data:,\">\n";

void html_nonce(struct html *html)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[(HTML_NONCE_BYTES - 1) / 2];

	html->nonce[0] = '\0'; /* lets no script run */
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		html->nonce[2 * i] = digits[bytes[i] >> 4];
		html->nonce[2 * i + 1] = digits[bytes[i] & 15];
	}
	html->nonce[HTML_NONCE_BYTES - 1] = '\0';
}

void html_fields(struct buffer *out, const struct html *html)
{
	buffer_printf(
		out,
		"Content-Type: text/html; charset=utf-8\r\n"
		"Content-Security-Policy: default-src 'none'; "
		"style-src 'nonce-%s'; script-src 'nonce-%s'; "
		"connect-src 'self'; img-src 'self' data:; form-action 'self'; "
		"base-uri 'none'; frame-ancestors 'self'\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"Referrer-Policy: same-origin\r\n",
		html->nonce, html->nonce);
}

/* A refresh that names no address does nothing where the address has a fragment,
 * in Chromium at least. */
static void render_refresh(struct buffer *out, const struct html *html)
{
	buffer_printf(out,
		      "<noscript><meta http-equiv=\"refresh\" content=\"%d",
		      html->refresh_s);
	if (html->refresh_to) {
		buffer_puts(out, ";url=");
		html_text(out, html->refresh_to);
	}
	buffer_puts(out, "\"></noscript>\n");
}

void html_begin(struct buffer *out, const struct html *html)
{
	buffer_puts(out, head);
	if (html->refresh_s > 0)
		render_refresh(out, html);
	buffer_puts(out, "<title>");
	html_text(out, html->title);
	buffer_printf(out, "</title>\n<style nonce=\"%s\">\n%s%s</style>\n",
		      html->nonce, html_css, html->style ? html->style : "");
	buffer_puts(out, "</head>\n<body>\n<main>\n");
}

void html_end(struct buffer *out, const struct html *html)
{
	buffer_puts(out, "</main>\n");
	if (html->script)
		buffer_printf(out, "<script nonce=\"%s\">\n%s</script>\n",
			      html->nonce, html->script);
	buffer_puts(out, "</body>\n</html>\n");
}

static const char *entity(char c)
{
	switch (c) {
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '&':
		return "&amp;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void html_text(struct buffer *out, const char *text)
{
	while (*text) {
		size_t plain = strcspn(text, "<>&\"'");

		buffer_append(out, text, plain);
		text += plain;
		if (*text)
			buffer_puts(out, entity(*text++));
	}
}
