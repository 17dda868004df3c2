#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/when.h"
#include "edge/panel_private.h"
#include "edge/panel_texts.h"
#include "gateway/figures.h"

#include "base/banned.h"

/* --- facts ------------------------------------------------------------------- */

static void fact(struct panel *panel, const char *name)
{
	panel_printf(panel, "<div><dt>%s</dt><dd>", name);
}

static void fact_end(struct panel *panel)
{
	panel_puts(panel, "</dd></div>\n");
}

static void time_fact(struct panel *panel, const char *name, int64_t at_ms,
		      const char *none)
{
	if (at_ms == 0 && !none)
		return;
	fact(panel, name);
	if (at_ms > 0)
		panel_time(panel, at_ms);
	else
		panel_puts(panel, none);
	fact_end(panel);
}

static bool runs(const struct panel *panel)
{
	enum gateway_state state = panel->view.row.state;

	return state == STATE_STARTING || state == STATE_READY ||
	       state == STATE_STOPPING;
}

static void put_last_exit(struct panel *panel)
{
	const struct gateway_row *row = &panel->view.row;

	if (row->exit_signal == 0 && row->exit_code == EXIT_CODE_NONE)
		return;
	fact(panel, "Last exit");
	if (row->exit_signal)
		panel_printf(panel, "signal %d", row->exit_signal);
	else
		panel_printf(panel, "code %d", row->exit_code);
	fact_end(panel);
}

static void put_facts(struct panel *panel)
{
	const struct gateway_row *row = &panel->view.row;
	char span[WHEN_BYTES];

	panel_puts(panel, "<dl>\n");
	fact(panel, "Generation");
	panel_printf(panel, "%" PRId64, row->generation);
	fact_end(panel);
	if (runs(panel) && row->process.pid) {
		fact(panel, "Process");
		panel_printf(panel, "pid %d%s", (int)row->process.pid,
			     row->adopted ? ", adopted" : "");
		fact_end(panel);
	}
	if (row->state == STATE_READY && row->started_ms) {
		fact(panel, "Uptime");
		panel_printf(panel, "%s",
			     when_span(span, panel->now_ms - row->started_ms));
		fact_end(panel);
	} else {
		time_fact(panel, "Since", row_since_ms(row), NULL);
	}
	fact(panel, "Address");
	panel_text(panel, row->address);
	panel_puts(panel,
		   panel->view.listening ? ", listens" : ", nothing listens");
	fact_end(panel);
	fact(panel, "Keeper");
	panel_puts(panel, panel->view.owner_alive ? "alive" : "none");
	fact_end(panel);
	time_fact(panel, "Last request", row->last_request_ms,
		  TEXT_NO_LAST_REQUEST);
	time_fact(panel, "Next try", row->retry_at_ms, NULL);
	if (row->failures > 0) {
		fact(panel, "Failures in a row");
		panel_printf(panel, "%d", row->failures);
		fact_end(panel);
	}
	put_last_exit(panel);
	panel_puts(panel, "</dl>\n");
}

static void put_progress(struct panel *panel)
{
	struct outlook outlook = call_outlook(panel->call);

	if (outlook.progress < 0 || outlook.progress >= 1)
		return;
	panel_printf(panel,
		     "<p><progress value=\"%.2f\" aria-label=\"progress\">"
		     "</progress>",
		     outlook.progress);
	if (outlook.elapsed_ms >= 0)
		panel_printf(panel, " %.1f s",
			     (double)outlook.elapsed_ms / 1e3);
	if (outlook.usual_ms > 0)
		panel_printf(panel, " of usually %.1f s",
			     (double)outlook.usual_ms / 1e3);
	panel_puts(panel, "</p>\n");
}

void panel_state(struct panel *panel)
{
	const struct gateway_row *row = &panel->view.row;
	char problem[512] = "";

	panel_section(panel, "state", TEXT_STATE);
	panel_printf(panel,
		     "<p class=\"%s\"><strong>%s</strong> <span>%s</span></p>"
		     "\n",
		     gateway_state_names[row->state],
		     panel_states[row->state].title,
		     panel_states[row->state].sentence);
	if (*row->reason) {
		panel_puts(panel, "<p>");
		panel_text(panel, row->reason);
		if (*row->detail) {
			panel_puts(panel, ": ");
			panel_text(panel, row->detail);
		}
		panel_puts(panel, "</p>\n");
	}
	if (row->state != STATE_READY)
		put_progress(panel);
	if (edge_config_problem(panel->call->edge, problem, sizeof(problem))) {
		panel_puts(panel, "<p class=\"bad\">" TEXT_CONFIG_OLD);
		panel_text(panel, problem);
		panel_puts(panel, "</p>\n");
	}
	put_facts(panel);
	panel_section_end(panel);
}

/* --- buttons ----------------------------------------------------------------- */

static const char *why_not(const struct panel *panel,
			   enum panel_control_kind kind)
{
	bool stored = kind == CONTROL_BACKUP || kind == CONTROL_RESTORE;

	if (stored && !panel->call->gateway->backup.directory)
		return TEXT_NO_BACKUP;
	if (kind == CONTROL_RESET && panel->view.row.failures > 0)
		return NULL;
	return panel_controls[kind].why_not[panel->view.row.state];
}

static void put_control(struct panel *panel, enum panel_control_kind kind)
{
	const struct panel_control *control = &panel_controls[kind];
	const char *reason = why_not(panel, kind);

	if (reason)
		panel_printf(panel,
			     "<p><button disabled aria-describedby=\"not-%s\">"
			     "%s</button> <span id=\"not-%s\">%s</span></p>\n",
			     control->word, control->label, control->word,
			     reason);
	else if (control->ask)
		panel_printf(panel,
			     "<form action=\"confirm\" data-ask><input "
			     "type=\"hidden\" name=\"do\" value=\"%s\"><button>"
			     "%s</button></form>\n",
			     control->word, control->label);
	else
		panel_printf(panel,
			     "<form method=\"post\" action=\"%s\"><button>%s"
			     "</button></form>\n",
			     control->word, control->label);
}

void panel_controls_part(struct panel *panel)
{
	panel_section(panel, "controls", TEXT_CONTROLS);
	panel_puts(panel, "<div class=\"buttons\">\n");
	for (enum panel_control_kind kind = 0; kind < CONTROL_RESTORE; kind++)
		put_control(panel, kind);
	panel_puts(panel, "</div>\n");
	panel_section_end(panel);
}

/* --- processes --------------------------------------------------------------- */

static void put_figures(struct panel *panel, const struct figures *figures)
{
	int64_t up_ms = panel->now_ms - panel->view.row.started_ms;

	panel_puts(panel, "<dl>\n");
	fact(panel, "Processes");
	panel_printf(panel, "%" PRId64, figures->processes);
	fact_end(panel);
	fact(panel, "Memory");
	panel_bytes(panel, figures->memory_bytes);
	fact_end(panel);
	fact(panel, "CPU");
	panel_printf(panel,
		     "<data id=\"cpu\" value=\"%" PRId64 "\">%.1f s</data>",
		     figures->cpu_ms, (double)figures->cpu_ms / 1e3);
	if (up_ms > 0)
		panel_printf(panel, ", <span id=\"cpu-share\">%.1f %%</span>",
			     100.0 * (double)figures->cpu_ms / (double)up_ms);
	fact_end(panel);
	panel_puts(panel, "</dl>\n");
}

void panel_processes(struct panel *panel)
{
	struct figures figures = { 0 };
	struct err err;

	panel_section(panel, "processes", TEXT_PROCESSES);
	if (!runs(panel)) {
		panel_say(panel, TEXT_NO_PROCESSES);
	} else if (figures_ask(&figures, panel->call->settings,
			       panel->call->gateway, &err)) {
		panel_puts(panel, "<p>" TEXT_UNCOUNTED);
		panel_text(panel, err.text);
		panel_puts(panel, "</p>\n");
	} else {
		put_figures(panel, &figures);
	}
	panel_section_end(panel);
}
