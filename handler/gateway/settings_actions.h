/* settings_actions.h - the key `actions`: commands that an administrator may run */
#ifndef WAKEGATE_SETTINGS_ACTIONS_H
#define WAKEGATE_SETTINGS_ACTIONS_H

#include "gateway/settings_key.h"

#define ACTIONS_MAX	      32
#define ACTION_PARAMETERS_MAX 16

/* at: a struct action_settings *, a list that ends with one without a name */
extern const struct key_type type_actions;

#endif
