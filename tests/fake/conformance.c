/* conformance.c - runs tests/conformance.txt against one web server
 *
 *	conformance gateway HOST:PORT FOLDER
 *	conformance run SERVER PORT FOLDER TABLE [NAME]
 *
 * The first is the gateway that wakegate starts. The second sends each row's
 * bytes to SERVER on PORT and says `ok` or `not ok`; what differs follows. With
 * NAME it runs the rows whose name has it, and shows what came.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conformance.h"

#define ARRIVE_MS 3000

_Noreturn void fail(const char *what)
{
	fprintf(stderr, "conformance: %s: %s\n", what, strerror(errno));
	exit(2);
}

void sleep_ms(int ms)
{
	struct timespec left = { .tv_sec = ms / 1000,
				 .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

static int open_in(const char *folder, const char *name, int flags)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return open(path, flags | O_CLOEXEC, 0644);
}

/* In place of the old one, as one step. */
static void give_answer(const char *folder, const struct row *row)
{
	char new[4096];
	char path[4096];
	int fd = open_in(folder, ANSWER_FILE ".new",
			 O_WRONLY | O_CREAT | O_TRUNC);

	(void)snprintf(new, sizeof(new), "%s/%s.new", folder, ANSWER_FILE);
	(void)snprintf(path, sizeof(path), "%s/%s", folder, ANSWER_FILE);
	if (fd < 0 ||
	    write(fd, row->answer.data, row->answer.len) !=
		    (ssize_t)row->answer.len ||
	    close(fd) != 0 || rename(new, path) != 0)
		fail(ANSWER_FILE);
}

/* The requests that arrived since offset. */
struct arrivals {
	int count;
	bool cut; /* the last one */
	struct text texts[PARTS_MAX];
};

static void read_arrivals(const char *folder, off_t offset,
			  struct arrivals *arrivals)
{
	static char data[2 * TEXT_MAX];
	int fd = open_in(folder, LOG_FILE, O_RDONLY);
	ssize_t len = fd < 0 ? 0 : pread(fd, data, sizeof(data) - 1, offset);
	char *at = data;

	if (fd >= 0)
		(void)close(fd);
	data[len > 0 ? len : 0] = '\0';
	arrivals->count = 0;
	while (len > 0 && at < data + len && arrivals->count < PARTS_MAX) {
		struct text *text = &arrivals->texts[arrivals->count++];
		char *end = NULL;

		arrivals->cut = strncmp(at, "cut ", 4) == 0;
		text->len = (size_t)strtoul(strchr(at, ' '), &end, 10);
		memcpy(text->data, end + 1, text->len);
		at = end + 1 + text->len;
	}
}

static off_t log_size(const char *folder)
{
	int fd = open_in(folder, LOG_FILE, O_RDONLY);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);

	if (fd >= 0)
		(void)close(fd);
	return size;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Puts the fields into an order: each web server has its own. */
static void sort_fields(struct text *text)
{
	static char copy[TEXT_MAX];
	char *lines[256];
	char *body = memmem(text->data, text->len, "\r\n\r\n", 4);
	size_t count = 0;
	size_t len;
	char *at;

	if (!body)
		return;
	*body = '\0';
	memcpy(copy, text->data, (size_t)(body - text->data) + 1);
	for (at = copy; at && *at && count < 256;) {
		lines[count++] = at;
		at = strstr(at, "\r\n");
		if (at) {
			*at = '\0';
			at += 2;
		}
	}
	if (count > 1)
		qsort(lines + 1, count - 1, sizeof(lines[0]), compare_lines);
	at = text->data;
	for (size_t i = 0; i < count; i++) {
		len = strlen(lines[i]);
		memcpy(at, lines[i], len);
		at += len;
		if (i + 1 < count) {
			memcpy(at, "\r\n", 2);
			at += 2;
		}
	}
	*body = '\r';
}

static void show(const char *what, const struct text *text)
{
	printf("#   %s \"", what);
	for (size_t i = 0; i < text->len && i < 700; i++) {
		unsigned char c = (unsigned char)text->data[i];

		if (c == '\r')
			printf("\\r");
		else if (c == '\n')
			printf("\\n");
		else if (c < 0x20 || c > 0x7e)
			printf("\\x%02x", c);
		else
			putchar(c);
	}
	printf("\"\n");
}

static bool same_text(const char *what, struct text *wanted, struct text *got)
{
	if (wanted->len == got->len &&
	    memcmp(wanted->data, got->data, got->len) == 0)
		return true;
	printf("# %s:\n", what);
	show("wanted", wanted);
	show("came  ", got);
	return false;
}

static bool same_arrivals(const char *folder, off_t offset, struct row *row)
{
	static struct arrivals arrivals;
	bool same;

	if (!row->arrives_said)
		return true;
	for (int ms = 0; ms < ARRIVE_MS; ms += 10) {
		read_arrivals(folder, offset, &arrivals);
		if (arrivals.count >= row->arrives_count)
			break;
		sleep_ms(10);
	}
	same = arrivals.count == row->arrives_count &&
	       (arrivals.count == 0 || arrivals.cut == row->arrives_cut);
	if (!same)
		printf("# %d requests arrived%s, not %d%s\n", arrivals.count,
		       arrivals.count && arrivals.cut ? " (cut)" : "",
		       row->arrives_count, row->arrives_cut ? " (cut)" : "");
	for (int i = 0; i < arrivals.count; i++) {
		sort_fields(&arrivals.texts[i]);
		sort_fields(&row->arrives[i]);
		same = same_text("arrived", &row->arrives[i],
				 &arrivals.texts[i]) &&
		       same;
	}
	return same;
}

/* "Name: value" is there, "!Name" is not. */
static bool has_field(const struct outcome *outcome, const char *wanted)
{
	char name[256];
	char value[1024];
	size_t len = strcspn(wanted, ":");
	const char *got;

	(void)snprintf(name, sizeof(name), "%.*s", (int)len,
		       *wanted == '!' ? wanted + 1 : wanted);
	got = field_value(outcome->head.data, name, value, sizeof(value));
	if (*wanted == '!' ? !got : got && strcmp(got, wanted + len + 2) == 0)
		return true;
	printf("# field: wanted \"%s\", came \"%s\"\n", wanted,
	       got ? got : "(none)");
	return false;
}

static bool same_outcome(struct row *row, struct outcome *outcome)
{
	bool same = row->statuses_count == outcome->statuses_count &&
		    memcmp(row->statuses, outcome->statuses,
			   sizeof(int) * (size_t)row->statuses_count) == 0;

	if (!same) {
		printf("# statuses: wanted");
		for (int i = 0; i < row->statuses_count; i++)
			printf(" %d", row->statuses[i]);
		printf(", came");
		for (int i = 0; i < outcome->statuses_count; i++)
			printf(" %d", outcome->statuses[i]);
		printf("\n");
	}
	if (row->broken != outcome->broken) {
		printf("# the response looks %s\n",
		       outcome->broken ? "broken" : "whole");
		same = false;
	}
	for (int i = 0; i < row->fields_count; i++)
		same = has_field(outcome, row->fields[i]) && same;
	if (row->body_said)
		same = same_text("body", &row->body, &outcome->body) && same;
	return same;
}

static bool run_row(int port, const char *folder, struct row *row, bool verbose)
{
	static struct outcome outcome;
	off_t offset = log_size(folder);
	bool same;

	memset(&outcome, 0, sizeof(outcome));
	give_answer(folder, row);
	client_run(port, row, &outcome);
	same = same_arrivals(folder, offset, row);
	same = same_outcome(row, &outcome) && same;
	if (!same || verbose) {
		show("head  ", &outcome.head);
		show("body  ", &outcome.body);
	}
	return same;
}

static int run(char **argv)
{
	static struct row row;
	FILE *file = fopen(argv[5], "re");
	int number = 0;
	int failed = 0;

	if (!file)
		fail(argv[5]);
	while (table_next(file, argv[2], &row)) {
		bool same;

		if (argv[6] && !strstr(row.name, argv[6]))
			continue;
		same = run_row((int)strtol(argv[3], NULL, 10), argv[4], &row,
			       argv[6] != NULL);
		failed += !same;
		printf("%s %d - %s\n", same ? "ok" : "not ok", ++number,
		       row.name);
		(void)fflush(stdout);
	}
	(void)fclose(file);
	printf("1..%d\n", number);
	return failed || number == 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "gateway") == 0)
		return gateway_main(argv[2], argv[3]);
	if (argc >= 6 && strcmp(argv[1], "run") == 0)
		return run(argv);
	fprintf(stderr, "usage: conformance gateway HOST:PORT FOLDER\n"
			"       conformance run SERVER PORT FOLDER TABLE "
			"[NAME]\n");
	return 2;
}
