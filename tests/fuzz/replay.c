/* replay.c - runs a fuzz target over its saved corpus, without libFuzzer
 *
 * The target's name says which folder: fuzz_NAME reads tests/fuzz/corpus/NAME.
 * Files given as arguments are read instead.
 */
#include "config.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/tap.h"

#include "base/banned.h"

#define INPUT_BYTES_MAX (1 << 20)
#define FOLDER_BYTES	4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const char *path)
{
	FILE *file = fopen(path, "re");
	const char *slash = strrchr(path, '/');
	uint8_t *data = malloc(INPUT_BYTES_MAX);
	uint8_t *exact;
	size_t size;

	if (!file || !data) {
		ok(false, "%s can be read", path);
		exit(1);
	}
	size = fread(data, 1, INPUT_BYTES_MAX, file);
	/* of its own size: a sanitizer sees each byte too far */
	exact = malloc(size > 0 ? size : 1);
	if (!exact)
		abort();
	memcpy(exact, data, size);
	(void)LLVMFuzzerTestOneInput(exact, size);
	ok(true, "%s", slash ? slash + 1 : path);
	free(exact);
	free(data);
	(void)fclose(file);
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay_folder(const char folder[FOLDER_BYTES])
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_input, alphasort);
	char path[FOLDER_BYTES + 256];

	ok(count > 0, "%s has inputs", strrchr(folder, '/') + 1);
	for (int i = 0; i < count; i++) {
		(void)snprintf(path, sizeof(path), "%.*s/%s", FOLDER_BYTES - 1,
			       folder, entries[i]->d_name);
		replay(path);
		free(entries[i]);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	const char *top = getenv("TOP_SRCDIR");
	const char *name = strstr(argv[0], "fuzz_");
	char folder[FOLDER_BYTES];

	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (argc < 2) {
		while (name && strstr(name + 1, "fuzz_"))
			name = strstr(name + 1, "fuzz_");
		(void)snprintf(folder, sizeof(folder),
			       "%s/tests/fuzz/corpus/%s", top ? top : ".",
			       name ? name + strlen("fuzz_") : "none");
		replay_folder(folder);
	}
	return done_testing();
}
