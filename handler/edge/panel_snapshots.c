#include "config.h"

#include <inttypes.h>

#include "base/when.h"
#include "edge/panel_private.h"
#include "edge/panel_texts.h"

#include "base/banned.h"

#define SNAPSHOTS_SHOWN 15
#define AFTER_BYTES	7000 /* of the page */

_Static_assert(sizeof(panel_snapshot_states) /
			       sizeof(panel_snapshot_states[0]) ==
		       SNAPSHOT_STATE_MAX_,
	       "each state has its words");

struct shelf {
	struct panel *panel;
	int count;
	bool more; /* than are shown */
};

static void put_button(struct panel *panel, const struct snapshot_row *row)
{
	const struct panel_control *control = &panel_controls[CONTROL_RESTORE];
	const char *reason = control->why_not[panel->view.row.state];

	if (row->state != SNAPSHOT_COMPLETE)
		reason = TEXT_NOT_COMPLETE;
	else if (!panel->call->gateway->backup.directory)
		reason = TEXT_NO_BACKUP;
	if (reason)
		panel_printf(panel,
			     "<button disabled aria-describedby=\"not-%" PRId64
			     "\">%s</button> <span id=\"not-%" PRId64
			     "\">%s</span>",
			     row->id, control->label, row->id, reason);
	else
		panel_printf(panel,
			     "<form action=\"confirm\" data-ask><input "
			     "type=\"hidden\" name=\"do\" value=\"restore\">"
			     "<input type=\"hidden\" name=\"snapshot\" "
			     "value=\"%" PRId64 "\"><button>%s</button></form>",
			     row->id, control->label);
}

static void put_head(struct panel *panel)
{
	panel_puts(panel,
		   "<div class=\"wide\" tabindex=\"0\" role=\"region\" "
		   "aria-label=\"" TEXT_SNAPSHOTS "\"><table><thead><tr>"
		   "<th scope=\"col\">Id</th><th scope=\"col\">Taken</th>"
		   "<th scope=\"col\">Size</th><th scope=\"col\">Files</th>"
		   "<th scope=\"col\">State</th><th scope=\"col\">Kept</th>"
		   "<th scope=\"col\">Put back</th></tr></thead><tbody>\n");
}

static void put_snapshot(struct panel *panel, const struct snapshot_row *row)
{
	panel_printf(panel, "<tr><td>%" PRId64 "</td><td>", row->id);
	panel_time(panel, row->created_ms);
	panel_puts(panel, "</td><td>");
	panel_bytes(panel, row->bytes);
	panel_printf(panel, "</td><td>%" PRId64 "</td><td>%s</td><td>%s%s%s",
		     row->files, panel_snapshot_states[row->state],
		     *row->path ? "here" : "",
		     *row->path && *row->remote ? ", " : "",
		     *row->remote ? "bucket" : "");
	panel_puts(panel, "</td><td>");
	put_button(panel, row);
	panel_puts(panel, "</td></tr>\n");
}

static int add_snapshot(const struct snapshot_row *row, void *user)
{
	struct shelf *shelf = user;
	struct panel *panel = shelf->panel;
	size_t mark;

	if (shelf->count == 0)
		put_head(panel);
	mark = panel->call->out.len;
	shelf->more = shelf->count++ == SNAPSHOTS_SHOWN;
	if (shelf->more)
		return 1;
	put_snapshot(panel, row);
	panel->end = PANEL_BYTES_MAX - PANEL_END_BYTES - AFTER_BYTES;
	shelf->more = !panel_fits(panel, mark);
	return shelf->more;
}

void panel_snapshots(struct panel *panel)
{
	struct shelf shelf = { .panel = panel };
	struct call *call = panel->call;
	struct err err = { .text = "" };
	int result;

	panel_section(panel, "snapshots", TEXT_SNAPSHOTS);
	result = store_snapshots(call->store, call->gateway->name, add_snapshot,
				 &shelf, &err);
	if (shelf.count > 0)
		panel_puts(panel, "</tbody></table></div>\n");
	if (result < 0)
		panel_say(panel, err.text);
	else if (shelf.more)
		panel_say(panel, TEXT_MORE_SNAPSHOTS);
	else if (shelf.count == 0)
		panel_say(panel, call->gateway->backup.directory
					 ? TEXT_NO_SNAPSHOTS
					 : TEXT_NO_BACKUP);
	panel_section_end(panel);
}

/* --- what a restore would cost ----------------------------------------------- */

struct search {
	int64_t id;
	int64_t newest_ms; /* of those that can be put back */
	int64_t created_ms, bytes, files;
	bool found;
};

static int look_at(const struct snapshot_row *row, void *user)
{
	struct search *search = user;

	if (row->state != SNAPSHOT_COMPLETE)
		return 0;
	if (search->newest_ms == 0)
		search->newest_ms = row->created_ms;
	if (row->id != search->id)
		return 0;
	search->created_ms = row->created_ms;
	search->bytes = row->bytes;
	search->files = row->files;
	search->found = true;
	return 1;
}

bool panel_snapshot_lost(struct panel *panel, int64_t id)
{
	struct search search = { .id = id };
	struct call *call = panel->call;
	char when[WHEN_BYTES], span[WHEN_BYTES];
	struct err ignored; /* then it is not found */

	if (!call->gateway->backup.directory ||
	    store_snapshots(call->store, call->gateway->name, look_at, &search,
			    &ignored) < 0 ||
	    !search.found)
		return false;
	panel_printf(panel,
		     "<p>Snapshot %" PRId64 ", taken %s (%s ago), %" PRId64
		     " files, ",
		     id, when_utc(when, search.created_ms),
		     when_span(span, panel->now_ms - search.created_ms),
		     search.files);
	panel_bytes(panel, search.bytes);
	panel_puts(panel, ", is put in the place of ");
	panel_text(panel, call->gateway->backup.directory);
	panel_puts(panel, ". <strong>" TEXT_LOST "</strong></p>\n");
	if (search.newest_ms > search.created_ms)
		panel_printf(panel, "<p>The newest snapshot is %s old.</p>\n",
			     when_span(span, panel->now_ms - search.newest_ms));
	return true;
}
