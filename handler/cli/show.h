/* show.h - a gateway's row, for people */
#ifndef WAKEGATE_SHOW_H
#define WAKEGATE_SHOW_H

#include "gateway/view.h"

void show_people(const struct view *view);

/* All of them, a line each, for a terminal. */
void show_table_head(void);
void show_table_row(const struct view *view);

#endif
