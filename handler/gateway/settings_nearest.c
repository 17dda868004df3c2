#include "config.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "gateway/settings_nearest.h"

#include "base/banned.h"

#define NAME_MAX_LEN 63 /* longer ones are nobody's neighbours */

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int lower(char c)
{
	return tolower((unsigned char)c);
}

/* Damerau-Levenshtein, each place edited at most once: insertions, deletions,
 * replacements and swaps of neighbours, without case. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][NAME_MAX_LEN + 2];
	size_t *before = rows[0], *last = rows[1], *now = rows[2], *spare;
	size_t a_len = strlen(a), b_len = strlen(b), i, j;

	if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN)
		return (size_t)-1;
	memset(rows, 0, sizeof(rows));
	for (j = 0; j <= b_len; j++)
		last[j] = j;
	for (i = 1; i <= a_len; i++) {
		now[0] = i;
		for (j = 1; j <= b_len; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);

			now[j] = smaller(last[j] + 1, now[j - 1] + 1);
			now[j] = smaller(now[j], last[j - 1] + !same);
			if (i > 1 && j > 1 &&
			    lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]))
				now[j] = smaller(now[j], before[j - 2] + 1);
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[b_len];
}

void nearest_try(struct nearest *nearest, const char *name)
{
	size_t found = distance(nearest->wanted, name);

	if (nearest->name && found >= nearest->distance)
		return;
	nearest->name = name;
	nearest->distance = found;
}

const char *nearest_name(const struct nearest *nearest)
{
	if (!nearest->name ||
	    nearest->distance > 1 + strlen(nearest->wanted) / 3)
		return NULL;
	return nearest->name;
}
