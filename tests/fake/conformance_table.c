/* The table: see the head of tests/conformance.txt. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

#define LINE_MAX_BYTES 8192

static void bad_line(const char *line)
{
	fprintf(stderr, "conformance: not a line of a table: %s\n", line);
	exit(2);
}

static void put(struct text *text, char c)
{
	if (text->len >= sizeof(text->data) - 1)
		bad_line("too long");
	text->data[text->len++] = c;
	text->data[text->len] = '\0';
}

/* \N(TEXT) stands for a thousand times TEXT. */
static const char *put_thousand(struct text *text, const char *at)
{
	const char *end = strchr(at, ')');

	if (*at != '(' || !end)
		bad_line(at);
	for (int i = 0; i < 1000; i++) {
		for (const char *c = at + 1; c < end; c++)
			put(text, *c);
	}
	return end + 1;
}

static const char *put_escape(struct text *text, const char *at)
{
	static const char named[] = "r\rn\nt\t\\\\";
	char digits[3] = "";
	const char *found = strchr(named, *at);

	if (*at == 'x') {
		memcpy(digits, at + 1, 2);
		put(text, (char)strtol(digits, NULL, 16));
		return at + 3;
	}
	if (*at == 'N')
		return put_thousand(text, at + 1);
	if (*at == ACT_PAUSE || *at == ACT_FIN || *at == ACT_RESET) {
		put(text, ACT);
		put(text, *at);
	} else if (*at == '0') {
		put(text, '\0');
	} else if (found && *found) {
		put(text, found[1]);
	} else {
		bad_line(at);
	}
	return at + 1;
}

/* ':' is a line with its CRLF, '|' the very bytes. */
static void put_line(struct text *text, char how, const char *at)
{
	while (*at) {
		if (*at == '\\')
			at = put_escape(text, at + 1);
		else
			put(text, *at++);
	}
	if (how == ':') {
		put(text, '\r');
		put(text, '\n');
	}
}

static void read_arrival(struct row *row, char how, const char *value)
{
	row->arrives_said = true;
	if (how == ':' && strcmp(value, "nothing") == 0)
		return;
	if (how == ':' && strcmp(value, "cut") == 0) {
		row->arrives_cut = true;
		return;
	}
	if (how == ';')
		row->arrives_count++;
	if (row->arrives_count == 0)
		row->arrives_count = 1;
	if (how != ';')
		put_line(&row->arrives[row->arrives_count - 1], how, value);
}

static void read_statuses(struct row *row, const char *value)
{
	char *end = NULL;

	row->statuses_count = 0;
	row->statuses_said = true;
	if (strcmp(value, "none") == 0)
		return;
	while (*value && row->statuses_count < PARTS_MAX) {
		row->statuses[row->statuses_count++] =
			(int)strtol(value, &end, 10);
		value = *end ? end + 1 : end;
	}
}

static void read_line(struct row *row, char kind, char how, const char *value)
{
	switch (kind) {
	case 'C':
		put_line(&row->request, how, value);
		break;
	case 'G':
		put_line(&row->answer, how, value);
		break;
	case 'A':
		read_arrival(row, how, value);
		break;
	case 'S':
		read_statuses(row, value);
		break;
	case 'B':
		row->body_said = true;
		put_line(&row->body, '|', value);
		break;
	case 'E':
		row->broken = strcmp(value, "broken") == 0;
		break;
	case 'F':
		(void)snprintf(row->fields[row->fields_count++],
			       sizeof(row->fields[0]), "%s", value);
		break;
	default:
		bad_line(value);
	}
}

/* What is said for this server alone wins over what is said for all. */
static void forget(struct row *row, char kind)
{
	if (kind == 'A') {
		memset(row->arrives, 0, sizeof(row->arrives));
		row->arrives_count = 0;
		row->arrives_cut = false;
	} else if (kind == 'B') {
		row->body.len = 0;
	} else if (kind == 'E') {
		row->broken = false;
	} else if (kind == 'F') {
		row->fields_count = 0;
	}
}

/* KIND[server,server]: VALUE */
static void take_line(struct row *row, char *line, const char *server,
		      char *own)
{
	char kind = line[0];
	char *how = line + 1;
	bool is_own = *how == '[';

	if (is_own) {
		char *end = strchr(how, ']');
		char *found;

		if (!end)
			bad_line(line);
		*end = '\0';
		found = strstr(how, server);
		how = end + 1;
		if (!found)
			return;
	}
	if (!strchr(":|;", *how) || row->fields_count >= PARTS_MAX)
		bad_line(line);
	if (is_own && !strchr(own, kind)) {
		own[strlen(own)] = kind;
		forget(row, kind);
	} else if (!is_own && strchr(own, kind)) {
		return;
	}
	read_line(row, kind, *how, how[1] == ' ' ? how + 2 : how + 1);
}

static void set_defaults(struct row *row)
{
	if (row->request.len == 0)
		put_line(&row->request, ':',
			 "GET / HTTP/1.1\\r\\nHost: t\\r\\n"
			 "Connection: close\\r\\n");
	if (row->answer.len == 0) {
		put_line(&row->answer, '|',
			 "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n"
			 "\\r\\nok");
	}
	if (!row->statuses_said)
		read_statuses(row, "200");
}

int table_next(FILE *file, const char *server, struct row *row)
{
	static char line[LINE_MAX_BYTES];
	static char next[sizeof(row->name)];
	char own[16] = "";

	memset(row, 0, sizeof(*row));
	(void)snprintf(row->name, sizeof(row->name), "%s", next);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (strncmp(line, "== ", 3) == 0) {
			(void)snprintf(next, sizeof(next), "%.255s", line + 3);
			if (row->name[0])
				break;
			(void)snprintf(row->name, sizeof(row->name), "%s",
				       next);
		} else {
			take_line(row, line, server, own);
		}
	}
	if (feof(file))
		next[0] = '\0';
	set_defaults(row);
	return row->name[0] != '\0';
}
