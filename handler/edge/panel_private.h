/* panel_private.h - what the files of the operator's page share */
#ifndef WAKEGATE_PANEL_PRIVATE_H
#define WAKEGATE_PANEL_PRIVATE_H

#include "edge/assets.h"
#include "edge/html.h"
#include "edge/panel.h"

/* --- panel.c */

void panel_section(struct panel *panel, const char *id, const char *title);
void panel_section_end(struct panel *panel);
void panel_say(struct panel *panel, const char *sentence); /* a paragraph */
void panel_text(struct panel *panel, const char *text);
void panel_puts(struct panel *panel, const char *html);
void panel_printf(struct panel *panel, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The page, its head and its script, whatever there is to be told. */
#define PANEL_BYTES_MAX 40000
#define PANEL_END_BYTES 6500 /* the script, and what is round it */

size_t panel_size(const struct panel *panel); /* so far */

/* Was there room until panel->end for what was put since out.len was mark? False:
 * it is taken away again. */
bool panel_fits(struct panel *panel, size_t mark);

/* How long a byte of a text is as HTML has it. */
size_t panel_cost(char c);

/* <time>, as "3 min ago" */
void panel_time(struct panel *panel, int64_t at_ms);
void panel_bytes(struct panel *panel, int64_t bytes);

/* --- the parts */

void panel_state(struct panel *panel);
void panel_controls_part(struct panel *panel);
void panel_processes(struct panel *panel);
void panel_actions(struct panel *panel);
void panel_results(struct panel *panel);
void panel_snapshots(struct panel *panel);
void panel_starts(struct panel *panel);
void panel_exits(struct panel *panel);
void panel_events(struct panel *panel);
void panel_output(struct panel *panel);

/* Of the snapshot with that id: what a restore would cost. False: there is none. */
bool panel_snapshot_lost(struct panel *panel, int64_t id);

#endif
