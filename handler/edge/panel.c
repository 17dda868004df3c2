#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/deadline.h"
#include "base/when.h"
#include "edge/panel.h"
#include "edge/panel_private.h"
#include "edge/panel_texts.h"

#include "base/banned.h"

#define KB 1024.0

/* --- small things ------------------------------------------------------------ */

void panel_puts(struct panel *panel, const char *html)
{
	buffer_puts(&panel->call->out, html);
}

void panel_text(struct panel *panel, const char *text)
{
	html_text(&panel->call->out, text);
}

void panel_printf(struct panel *panel, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	panel_puts(panel, text);
}

size_t panel_size(const struct panel *panel)
{
	return panel->left + panel->call->out.len;
}

bool panel_fits(struct panel *panel, size_t mark)
{
	if (panel_size(panel) <= panel->end)
		return true;
	panel->call->out.len = mark;
	return false;
}

size_t panel_cost(char c)
{
	return strchr("<>&\"'", c) ? 6 : 1;
}

void panel_section(struct panel *panel, const char *id, const char *title)
{
	panel_printf(panel,
		     "<section id=\"%s\" aria-labelledby=\"%s-title\">"
		     "<h2 id=\"%s-title\">%s</h2>\n",
		     id, id, id, title);
}

void panel_section_end(struct panel *panel)
{
	panel_puts(panel, "</section>\n");
}

void panel_say(struct panel *panel, const char *sentence)
{
	panel_puts(panel, "<p>");
	panel_text(panel, sentence);
	panel_puts(panel, "</p>\n");
}

void panel_time(struct panel *panel, int64_t at_ms)
{
	char when[WHEN_BYTES], span[WHEN_BYTES];
	int64_t ago_ms = panel->now_ms - at_ms;

	(void)when_utc(when, at_ms);
	panel_printf(panel, "<time datetime=\"%s\" title=\"%s\">", when, when);
	if (ago_ms >= 0)
		panel_printf(panel, "%s ago", when_span(span, ago_ms));
	else
		panel_printf(panel, "in %s", when_span(span, -ago_ms));
	panel_puts(panel, "</time>");
}

void panel_bytes(struct panel *panel, int64_t bytes)
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB" };
	double size = (double)bytes;
	size_t unit = 0;

	while (size >= KB && unit < 4) {
		size /= KB;
		unit++;
	}
	panel_printf(panel, unit == 0 || size >= 100 ? "%.0f %s" : "%.1f %s",
		     size, units[unit]);
}

/* --- the frame --------------------------------------------------------------- */

/* From the page, or what is beside it, to routes.admin. */
static void put_api(struct panel *panel)
{
	const struct gateway_settings *gateway = panel->call->gateway;

	for (const char *c = gateway->page_path; *c; c++)
		if (*c == '/')
			panel_puts(panel, "../");
	panel_text(panel, gateway->admin_path + 1);
}

static void put_head(struct panel *panel, const char *nonce)
{
	struct buffer *out = &panel->call->out;

	buffer_clear(out);
	if (panel->refused)
		problem_page_head(out, panel->problem, call_id(panel->call));
	else
		problem_done_head(out, true, call_id(panel->call));
	buffer_puts(out, "Content-Type: text/html; charset=utf-8\r\n"
			 "X-Content-Type-Options: nosniff\r\n"
			 "Referrer-Policy: same-origin\r\n");
	buffer_printf(out,
		      "Content-Security-Policy: default-src 'none'; "
		      "script-src 'nonce-%s'; style-src 'nonce-%s'; "
		      "img-src data:; connect-src 'self'; form-action 'self'; "
		      "base-uri 'none'; frame-ancestors 'none'\r\n\r\n",
		      nonce, nonce);
}

static void put_begin(struct panel *panel, const char *nonce)
{
	const char *name = panel->call->gateway->name;

	panel_puts(panel,
		   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
		   "<meta charset=\"utf-8\">\n"
		   "<meta name=\"viewport\" content=\"width=device-width, "
		   "initial-scale=1\">\n<link rel=\"icon\" href=\"data:,\">\n"
		   "<title>");
	panel_text(panel, name);
	panel_printf(panel, ": %s</title>\n<style nonce=\"%s\">\n",
		     panel_states[panel->view.row.state].title, nonce);
	panel_puts(panel, panel_css);
	panel_puts(panel, "</style>\n</head>\n<body data-api=\"");
	put_api(panel);
	panel_printf(panel, "\">\n<header><p>" TEXT_ADMINISTRATION "</p><h1>");
	panel_text(panel, name);
	panel_puts(panel, "</h1></header>\n<main>\n");
}

static void put_end(struct panel *panel, const char *nonce)
{
	panel_puts(panel, "</main>\n<footer><a href=\"./\">" TEXT_RELOAD
			  "</a> <small>request ");
	panel_puts(panel, call_id(panel->call));
	panel_printf(panel, "</small></footer>\n<script nonce=\"%s\">\n",
		     nonce);
	panel_puts(panel, panel_js);
	panel_puts(panel, "</script>\n</body>\n</html>\n");
}

/* The place is always there, so that what comes into it is read aloud. */
static void put_said(struct panel *panel)
{
	panel_printf(panel, "<div id=\"said\" role=\"%s\"%s>",
		     panel->refused ? "alert" : "status",
		     panel->refused ? " class=\"bad\"" : "");
	if (panel->said)
		panel_say(panel, panel->said);
	if (panel->refused && panel_hints[panel->problem])
		panel_say(panel, panel_hints[panel->problem]);
	panel_puts(panel, "</div>\n");
}

/* --- the page ---------------------------------------------------------------- */

int panel_look(struct panel *panel, struct err *err)
{
	struct call *call = panel->call;

	panel->now_ms = clock_wall_ms();
	if (view_look(&panel->view, call->settings, call->gateway, call->store,
		      err))
		return -1;
	call->row = panel->view.row;
	return 0;
}

static void leave(struct panel *panel)
{
	struct client *client = panel->call->client;
	struct err ignored; /* who has gone can't be told */

	call_send(panel->call);
	(void)client->door->flush(client, &ignored);
	panel->left += panel->call->out.len;
	buffer_clear(&panel->call->out);
}

void panel_send(struct panel *panel)
{
	struct html html;

	html_nonce(&html);
	put_head(panel, html.nonce);
	if (!panel->call->request.head) {
		put_begin(panel, html.nonce);
		put_said(panel);
		panel_results(panel);
		panel_state(panel);
		panel_controls_part(panel);
		panel_actions(panel);
		leave(panel);
		panel_processes(panel);
		panel_snapshots(panel);
		panel_starts(panel);
		panel_exits(panel);
		panel_events(panel);
		panel_output(panel);
		put_end(panel, html.nonce);
	}
	call_send(panel->call);
}

/* --- the question ------------------------------------------------------------ */

static const struct panel_control *find_control(struct slice word)
{
	for (size_t i = 0; i < CONTROL_MAX_; i++)
		if (action_name_is(word, panel_controls[i].word))
			return &panel_controls[i];
	return NULL;
}

const char *panel_done(struct slice word)
{
	const struct panel_control *control = find_control(word);

	if (action_name_is(word, "action"))
		return TEXT_ACTION_DONE;
	return control ? control->done : NULL;
}

static void put_question(struct panel *panel,
			 const struct panel_control *control, int64_t snapshot)
{
	panel_printf(panel,
		     "<form method=\"post\" action=\"%s\">\n"
		     "<input type=\"hidden\" name=\"snapshot\" value=\"%" PRId64
		     "\">\n",
		     control->word, snapshot);
	if (control == &panel_controls[CONTROL_STOP])
		panel_puts(panel, "<p><label><input type=\"checkbox\" "
				  "name=\"hold\" value=\"1\"> " TEXT_HOLD
				  "</label></p>\n");
	panel_printf(panel,
		     "<p><button>%s</button> <a href=\"./\" "
		     "class=\"cancel\">" TEXT_CANCEL "</a></p>\n</form>\n",
		     control->label);
}

bool panel_ask(struct panel *panel, struct slice word, int64_t snapshot)
{
	const struct panel_control *control = find_control(word);
	bool restore = control == &panel_controls[CONTROL_RESTORE];
	struct html html;
	bool known = true;

	if (!control || !control->ask)
		return false;
	html_nonce(&html);
	put_head(panel, html.nonce);
	put_begin(panel, html.nonce);
	panel_section(panel, "ask", TEXT_ASK_TITLE);
	if (restore)
		known = panel_snapshot_lost(panel, snapshot);
	panel_say(panel, control->ask);
	put_question(panel, control, snapshot);
	panel_section_end(panel);
	put_end(panel, html.nonce);
	if (!known)
		return false;
	call_send(panel->call);
	return true;
}
