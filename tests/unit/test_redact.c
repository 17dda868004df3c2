/* Redaction, by the corpus of tests/redaction.tsv: no planted secret stays, and what
 * is none does. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/redact.h"
#include "unit/tap.h"

#define LINE_BYTES 1024
#define ALL_BYTES  65536

static FILE *corpus(void)
{
	const char *top = getenv("TOP_SRCDIR");
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/tests/redaction.tsv",
		       top ? top : "..");
	return fopen(path, "re");
}

/* Calls each() for the texts of a group; gives how many there are. */
static int each_text(const char *group, void (*each)(char *text, void *user),
		     void *user)
{
	FILE *file = corpus();
	char line[LINE_BYTES];
	size_t len = strlen(group);
	int count = 0;

	while (file && fgets(line, LINE_BYTES / 2, file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, group, len) != 0 || line[len] != '\t')
			continue;
		memmove(line, line + len + 1, strlen(line + len));
		each(line, user);
		count++;
	}
	if (file)
		(void)fclose(file);
	return count;
}

static void add(char *text, void *user)
{
	char *all = user;
	size_t len = strlen(all);

	(void)snprintf(all + len, ALL_BYTES - len, "%s\n", text);
}

static void check_kept(char *text, void *user)
{
	char copy[LINE_BYTES];

	(void)user;
	(void)snprintf(copy, sizeof(copy), "%s", text);
	redact(copy, sizeof(copy), NULL);
	ok(strcmp(copy, text) == 0, "stays: %s%s%s", text,
	   strcmp(copy, text) != 0 ? " -> " : "",
	   strcmp(copy, text) != 0 ? copy : "");
}

static void check_gone(char *text, void *user)
{
	char copy[LINE_BYTES];
	bool key = strstr(text, "MIIE") || strstr(text, "AASC");

	(void)user;
	(void)snprintf(copy, sizeof(copy), "%s", text);
	redact(copy, sizeof(copy), NULL);
	/* a key's lines are told by those around them */
	ok(key || !strstr(copy, "Pl4nt"), "gone: %.60s -> %s", text, copy);
}

static void test_all_at_once(void)
{
	char *all = calloc(1, ALL_BYTES);
	char *again = calloc(1, ALL_BYTES);

	if (!all || !again)
		abort();
	(void)each_text("out", add, all);
	redact(all, ALL_BYTES, NULL);
	ok(!strstr(all, "Pl4nt"), "gone from all lines at once");
	memcpy(again, all, ALL_BYTES);
	redact(again, ALL_BYTES, NULL);
	ok(strcmp(all, again) == 0, "what is redacted stays so");
	free(all);
	free(again);
}

/* However little room there is, nothing is written behind it. */
static void cut_short(char *text, void *user)
{
	size_t len = strlen(text);
	char copy[LINE_BYTES];

	(void)user;
	for (size_t size = 1; size <= len + 1; size++) {
		(void)snprintf(copy, size, "%s", text);
		copy[size] = '#';
		redact(copy, size, NULL);
		if (copy[size] != '#' || strlen(copy) >= size)
			ok(false, "within %zu bytes: %s", size, text);
	}
}

static void test_cut_key(void)
{
	char text[] = "AASCPl4nt\nPl4nt\n-----END PRIVATE KEY-----\nlater line";
	char other[] = "a line\n-----END CERTIFICATE-----\nlater line\n";
	char copy[sizeof(other)];

	redact(text, sizeof(text), NULL);
	ok(!strstr(text, "Pl4nt") && strstr(text, "later line"),
	   "a private key without its beginning: %s", text);
	memcpy(copy, other, sizeof(copy));
	redact(other, sizeof(other), NULL);
	ok(strcmp(other, copy) == 0, "a certificate is no secret");
}

static void test_list(void)
{
	char text[256] = "\"tokens\": [\n  \"Pl4nt1\",\n  \"Pl4nt2\"\n],\n"
			 "\"port\": 80";

	redact(text, sizeof(text), NULL);
	ok(!strstr(text, "Pl4nt") && strstr(text, "\"port\": 80"),
	   "a list of secrets over lines: %s", text);
}

static char **two_secrets(void *user)
{
	char **list = calloc(3, sizeof(*list));

	if (!list)
		abort();
	(void)user;
	list[0] = strdup("long-secret-and-more");
	list[1] = strdup("long-secret");
	return list;
}

static void drop(void *user)
{
	*(int *)user += 1;
}

static void test_source(void)
{
	int dropped = 0;
	const struct redact_source source = { two_secrets, drop, &dropped };
	const struct redact_source none = { NULL, NULL, NULL };
	char text[128] = "x long-secret-and-more y long-secret z";

	redact_set_source(&source);
	redact_all(text, sizeof(text));
	ok(strcmp(text, "x " REDACTED " y " REDACTED " z") == 0,
	   "secrets of the process: %s", text);
	redact_set_source(&none);
	ok(dropped == 1, "the last source is told that it is over");
}

int main(void)
{
	ok(each_text("out", check_gone, NULL) >= 100, "the corpus is there");
	ok(each_text("keep", check_kept, NULL) >= 10, "so is what must stay");
	(void)each_text("out", cut_short, NULL);
	ok(true, "nothing is written behind the room that there is");
	test_all_at_once();
	test_cut_key();
	test_list();
	test_source();
	return done_testing();
}
