#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "edge/panel_private.h"
#include "edge/panel_texts.h"

#include "base/banned.h"

#define ROWS_MAX       50
#define COLUMNS_MAX    8
#define TABLES_MAX     6
#define CELL_BYTES     64
#define TEXT_BYTES_MAX 8000
#define ALL_MAX	       20    /* rows that one button is for */
#define RESULTS_END    13000 /* of the page */

/* --- the buttons ------------------------------------------------------------- */

static void put_field(struct panel *panel, const struct action_settings *action,
		      const struct action_parameter *one)
{
	panel_printf(panel, "<label>%s <input name=\"%s\" required ", one->name,
		     one->name);
	panel_printf(panel, "maxlength=\"%d\" ", ACTION_VALUE_BYTES);
	panel_printf(panel, "id=\"%s-%s\" ", action->name, one->name);
	panel_puts(panel, "autocomplete=\"off\"></label>\n");
}

void panel_actions(struct panel *panel)
{
	const struct action_settings *one = panel->call->gateway->actions;

	if (!one->name)
		return;
	panel_section(panel, "actions", TEXT_ACTIONS);
	panel_puts(panel, "<div class=\"buttons\">\n");
	for (; one->name; one++) {
		panel_printf(panel,
			     "<form method=\"post\" action=\"action?run=%s\">",
			     one->name);
		for (const struct action_parameter *parameter = one->parameters;
		     parameter->name; parameter++)
			put_field(panel, one, parameter);
		panel_printf(panel, "<button>%s</button></form>\n", one->name);
	}
	panel_puts(panel, "</div>\n");
	panel_section_end(panel);
}

/* --- a cell ------------------------------------------------------------------ */

static void put_cut(struct panel *panel, const char *text)
{
	char shown[CELL_BYTES + 1];
	size_t len = strlen(text);
	bool cut = len > CELL_BYTES;

	if (cut) {
		len = CELL_BYTES; /* at no character's middle */
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(shown, text, len);
	shown[len] = '\0';
	panel_text(panel, shown);
	if (cut)
		panel_puts(panel, "...");
}

/* A text, or what it is as JSON, cut; "" for nothing. */
static void put_cell(struct panel *panel, json_t *value)
{
	CLEANUP_FREE char *dump =
		json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	const char *text =
		json_is_string(value) ? json_string_value(value) : dump;

	if (text && !json_is_null(value))
		put_cut(panel, text);
}

/* --- a table ----------------------------------------------------------------- */

struct table {
	struct panel *panel;
	const struct action_settings *action; /* whose it is */
	json_t *rows;			      /* objects, or anything else */
	const char *columns[COLUMNS_MAX];
	size_t columns_count;
};

static bool has_column(const struct table *table, const char *name)
{
	size_t i = 0;

	while (i < table->columns_count && strcmp(table->columns[i], name) != 0)
		i++;
	return i < table->columns_count;
}

static void add_columns(struct table *table, json_t *row)
{
	const char *name;
	json_t *member;

	json_object_foreach(row, name,
			    member) if (table->columns_count < COLUMNS_MAX &&
					!has_column(table, name))
		table->columns[table->columns_count++] = name;
}

/* Has the row a value for each parameter? */
static bool fits(const struct action_settings *action, json_t *row)
{
	const struct action_parameter *one = action->parameters;

	for (; one->name; one++) {
		json_t *value = json_object_get(row, one->name);

		if (!json_is_string(value) && !json_is_integer(value))
			return false;
		if (json_string_length(value) > ACTION_VALUE_BYTES)
			return false;
	}
	return action->parameters->name != NULL;
}

static bool is_row_action(const struct table *table,
			  const struct action_settings *action)
{
	if (action == table->action || table->action->parameters->name)
		return false;
	for (size_t i = 0; i < json_array_size(table->rows); i++)
		if (fits(action, json_array_get(table->rows, i)))
			return true;
	return false;
}

static void put_values(const struct table *table,
		       const struct action_settings *action, json_t *row)
{
	const struct action_parameter *one = action->parameters;

	for (; one->name; one++) {
		json_t *value = json_object_get(row, one->name);

		panel_printf(table->panel,
			     "<input type=\"hidden\" name=\"%s\" value=\"",
			     one->name);
		if (json_is_string(value))
			panel_text(table->panel, json_string_value(value));
		else
			panel_printf(table->panel, "%" JSON_INTEGER_FORMAT,
				     json_integer_value(value));
		panel_puts(table->panel, "\">");
	}
}

/* Afterwards the table is shown anew. */
static void put_form(const struct table *table,
		     const struct action_settings *action)
{
	panel_printf(table->panel,
		     "<form method=\"post\" action=\"action?run=%s&amp;then=",
		     action->name);
	panel_printf(table->panel, "%s\">", table->action->name);
}

static void put_row(const struct table *table, json_t *row)
{
	const struct action_settings *action =
		table->panel->call->gateway->actions;

	panel_puts(table->panel, "<tr>");
	for (size_t i = 0; i < table->columns_count; i++) {
		panel_puts(table->panel, "<td>");
		put_cell(table->panel, json_object_get(row, table->columns[i]));
		panel_puts(table->panel, "</td>");
	}
	if (table->columns_count == 0) {
		panel_puts(table->panel, "<td>");
		put_cell(table->panel, row);
		panel_puts(table->panel, "</td>");
	}
	panel_puts(table->panel, "<td>");
	for (; action->name; action++) {
		if (!is_row_action(table, action) || !fits(action, row))
			continue;
		put_form(table, action);
		put_values(table, action, row);
		panel_printf(table->panel, "<button>%s</button></form>",
			     action->name);
	}
	panel_puts(table->panel, "</td></tr>\n");
}

static void put_for_all(const struct table *table,
			const struct action_settings *action)
{
	struct buffer *out = &table->panel->call->out;
	size_t begin = out->len;
	size_t count = 0;

	put_form(table, action);
	for (size_t i = 0; i < json_array_size(table->rows) && count < ALL_MAX;
	     i++) {
		json_t *row = json_array_get(table->rows, i);
		size_t mark = out->len;

		if (!fits(action, row))
			continue;
		put_values(table, action, row);
		if (!panel_fits(table->panel, mark))
			break;
		count++;
	}
	if (count == 0) {
		out->len = begin;
		return;
	}
	panel_printf(table->panel, "<button>%s " TEXT_ALL " %zu</button>",
		     action->name, count);
	panel_puts(table->panel, "</form>\n");
}

static void put_heads(const struct table *table)
{
	panel_puts(table->panel, "<thead><tr>");
	for (size_t i = 0; i < table->columns_count; i++) {
		panel_puts(table->panel, "<th scope=\"col\">");
		put_cut(table->panel, table->columns[i]);
		panel_puts(table->panel, "</th>");
	}
	panel_puts(table->panel, "<td></td></tr></thead>");
}

/* Of what is left of the page's part: all but one part in so many. */
static size_t room_without(const struct panel *panel, size_t parts)
{
	size_t size = panel_size(panel);
	size_t room = size < panel->end ? panel->end - size : 0;

	return size + room - room / parts;
}

/* True: all of them. */
static bool put_rows(const struct table *table)
{
	struct panel *panel = table->panel;
	size_t count = json_array_size(table->rows);
	size_t end = panel->end;
	bool room = true;
	size_t i = 0;

	panel->end = room_without(panel, 5); /* then come buttons for all */
	for (; room && i < count && i < ROWS_MAX; i++) {
		size_t mark = panel->call->out.len;

		put_row(table, json_array_get(table->rows, i));
		room = panel_fits(panel, mark);
	}
	panel->end = end;
	return room && i == count;
}

static void put_table(struct table *table, const char *name)
{
	const struct action_settings *action =
		table->panel->call->gateway->actions;
	size_t count = json_array_size(table->rows);
	size_t mark = table->panel->call->out.len;
	bool all;

	panel_puts(table->panel, "<h3>");
	put_cut(table->panel, name);
	panel_puts(table->panel, "</h3>\n");
	if (count == 0) {
		panel_say(table->panel, TEXT_EMPTY);
		return;
	}
	for (size_t i = 0; i < count; i++)
		add_columns(table, json_array_get(table->rows, i));
	panel_puts(table->panel, "<div class=\"wide\" tabindex=\"0\" "
				 "role=\"region\" aria-label=\"");
	put_cut(table->panel, name);
	panel_puts(table->panel, "\"><table>");
	put_heads(table);
	if (!panel_fits(table->panel, mark)) {
		panel_say(table->panel, TEXT_CUT);
		return;
	}
	panel_puts(table->panel, "<tbody>\n");
	all = put_rows(table);
	panel_puts(table->panel, "</tbody></table></div>\n");
	if (!all)
		panel_say(table->panel, TEXT_CUT);
	for (; count > 1 && action->name; action++)
		if (is_row_action(table, action))
			put_for_all(table, action);
}

/* --- what it printed --------------------------------------------------------- */

/* How much of it is shown: to no character's middle. */
static size_t shown_of(const struct panel *panel, const char *text)
{
	size_t size = panel_size(panel);
	size_t max = strnlen(text, TEXT_BYTES_MAX);
	size_t len = 0;

	for (; len < max; len++) {
		size += panel_cost(text[len]);
		if (size > panel->end)
			break;
	}
	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static void put_text(struct panel *panel, const char *text)
{
	char shown[TEXT_BYTES_MAX + 1];
	size_t len = shown_of(panel, text);

	if (!*text)
		return;
	memcpy(shown, text, len);
	shown[len] = '\0';
	panel_puts(panel, "<pre tabindex=\"0\">");
	panel_text(panel, shown);
	panel_puts(panel, "</pre>\n");
	if (text[len])
		panel_say(panel, TEXT_CUT);
}

/* Each that others come after leaves them something. */
static size_t put_tables(struct panel *panel,
			 const struct action_settings *action, json_t *output)
{
	size_t end = panel->end;
	size_t tables = 0;
	const char *name;
	json_t *member;

	json_object_foreach(output, name, member)
	{
		struct table table = { panel, action, member, { NULL }, 0 };

		if (!json_is_array(member))
			continue;
		if (tables++ == TABLES_MAX) {
			panel_say(panel, TEXT_CUT);
			break;
		}
		panel->end = room_without(panel, 4);
		put_table(&table, name);
		panel->end = end;
	}
	return tables;
}

static void put_json(struct panel *panel, const struct action_settings *action,
		     json_t *output)
{
	CLEANUP_FREE char *dump = NULL;

	if (json_is_array(output)) {
		struct table table = { panel, action, output, { NULL }, 0 };

		put_table(&table, action->name);
		return;
	}
	if (put_tables(panel, action, output) > 0)
		return;
	dump = json_dumps(output, JSON_ENCODE_ANY | JSON_INDENT(2));
	put_text(panel, dump ? dump : "");
}

static void put_how(struct panel *panel, const struct action_settings *action,
		    const struct action_end *end)
{
	panel_printf(panel, "<p%s><strong>%s</strong>: ",
		     end->success ? "" : " class=\"bad\"", action->name);
	if (end->timed_out)
		panel_printf(panel, "not done in %d s, and killed",
			     action->timeout_s);
	else if (end->exit_code < 0)
		panel_printf(panel, "ended by signal %d", end->exit_signal);
	else if (end->exit_code > 0)
		panel_printf(panel, "ended with exit code %d", end->exit_code);
	else
		panel_puts(panel, "done");
	panel_puts(panel, ".</p>\n");
}

/* Half of what is left, where something comes after it. */
static void begin_part(struct panel *panel, size_t result, bool last)
{
	panel->end = RESULTS_END;
	if (!last || result + 1 < panel->results_count)
		panel->end = room_without(panel, 2);
}

void panel_results(struct panel *panel)
{
	if (panel->results_count == 0)
		return;
	panel_section(panel, "result", TEXT_RESULT);
	for (size_t i = 0; i < panel->results_count; i++) {
		const struct panel_result *result = &panel->results[i];
		const struct action_end *end = result->end;

		put_how(panel, result->action, end);
		begin_part(panel, i, json_string_length(end->errors) == 0);
		if (json_is_string(end->output))
			put_text(panel, json_string_value(end->output));
		else
			put_json(panel, result->action, end->output);
		begin_part(panel, i, true);
		if (json_is_string(end->errors))
			put_text(panel, json_string_value(end->errors));
		if (end->cut)
			panel_say(panel, TEXT_CUT);
	}
	panel_section_end(panel);
}
