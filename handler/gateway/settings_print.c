#include "config.h"

#include <jansson.h>
#include <stdio.h>

#include "gateway/settings.h"
#include "gateway/settings_key.h"

#include "base/banned.h"

int settings_print(const struct settings *settings, FILE *out, struct err *err)
{
	json_t *shown = keys_show(settings_keys, settings);
	int result = json_dumpf(shown, out, JSON_INDENT(2));

	json_decref(shown);
	if (result || fputc('\n', out) == EOF || fflush(out))
		return err_errno(err, "cannot print the configuration");
	return 0;
}
