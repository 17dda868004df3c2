#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot/mountinfo.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const char *string, const char *text, size_t size)
{
	if (string < text || string + strlen(string) > text + size)
		abort();
}

/* Whatever it says, the strings lie in the text, and each line is read once. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct mount_line mount;
	struct err err;
	char *before;
	char *rest;

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	rest = before = text;
	while (mountinfo_next(&rest, &mount, &err) == 1) {
		if (rest <= before || rest > text + size)
			abort();
		before = rest;
		inside(mount.root, text, size);
		inside(mount.at, text, size);
		inside(mount.options, text, size);
		inside(mount.type, text, size);
		inside(mount.source, text, size);
		if (mount.at[0] != '/')
			abort();
		(void)mountinfo_has(mount.options, "nosuid");
	}
	free(text);
	return 0;
}
