/* show.h - a gateway's row, for people and as JSON */
#ifndef WAKEGATE_SHOW_H
#define WAKEGATE_SHOW_H

#include <jansson.h>
#include <stdbool.h>

#include "store/row.h"

struct view {
	struct gateway_row row;
	bool owner_alive;
	bool listening;
};

/* The row's columns, NULL where there is nothing, and the facts of the view. */
json_t *show_json(const struct view *view);
void show_people(const struct view *view);

/* Text as JSON; bytes that are no UTF-8 become '?'. NULL for "". */
json_t *show_text(const char *text);

#endif
