#include "config.h"

#include <string.h>

#include "edge/html.h"

#include "base/banned.h"

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

void html_begin(struct buffer *out, const char *title, int refresh_s)
{
	buffer_puts(out,
		    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
		    "<meta charset=\"utf-8\">\n"
		    "<meta name=\"viewport\" content=\"width=device-width, "
		    "initial-scale=1\">\n");
	if (refresh_s > 0)
		buffer_printf(out,
			      "<meta http-equiv=\"refresh\" content=\"%d\">\n",
			      refresh_s);
	buffer_puts(out, "<title>");
	html_text(out, title);
	buffer_puts(out, "</title>\n<style>\n"
			 ":root{color-scheme:light dark}\n"
			 "body{font:1rem/1.5 system-ui,sans-serif;"
			 "max-width:40rem;margin:15vh auto 2rem;"
			 "padding:0 1rem}\n"
			 "pre{overflow:auto;padding:.75rem;"
			 "border:1px solid #8888}\n"
			 "small{opacity:.7}\n"
			 "</style>\n</head>\n<body>\n<main>\n<h1>");
	html_text(out, title);
	buffer_puts(out, "</h1>\n");
}

void html_end(struct buffer *out)
{
	buffer_puts(out, "</main>\n</body>\n</html>\n");
}
