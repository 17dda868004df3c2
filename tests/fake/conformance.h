/* conformance.h - the parts of the conformance runner
 *
 * conformance_table.c reads the table, conformance_gateway.c is the gateway that
 * answers with a row's bytes and notes what arrives, conformance_client.c sends a
 * row's bytes to the web server and reads what comes back, conformance.c compares.
 */
#ifndef FAKE_CONFORMANCE_H
#define FAKE_CONFORMANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TEXT_MAX    (128 * 1024)
#define PARTS_MAX   8
#define ACT	    '\xfe' /* before a letter, in bytes that are to be sent */
#define ACT_PAUSE   'P'
#define ACT_FIN	    'K'
#define ACT_RESET   'R'
#define ANSWER_FILE "answer"
#define LOG_FILE    "arrived"

struct text {
	size_t len;
	char data[TEXT_MAX];
};

/* One line of the table for one server. "": not said. */
struct row {
	char name[256];
	struct text request;		/* C */
	struct text answer;		/* G */
	bool arrives_said;		/* is there an A at all? */
	struct text arrives[PARTS_MAX]; /* A, one a request */
	bool arrives_cut;		/* the last one breaks off */
	int arrives_count;
	bool statuses_said;
	int statuses[PARTS_MAX]; /* S */
	int statuses_count;
	bool body_said;
	struct text body;	     /* B: of the last response */
	bool broken;		     /* E: broken */
	char fields[PARTS_MAX][256]; /* F: "Name: value", or "!Name" */
	int fields_count;
};

/* Reads the next row as it is for that server: 1, 0 at the end; exits on what is
 * no table. */
int table_next(FILE *file, const char *server, struct row *row);

/* Answers until it is killed; notes and takes answers in folder. */
int gateway_main(const char *address, const char *folder);

/* What a client got. */
struct outcome {
	int statuses[PARTS_MAX];
	int statuses_count;
	bool broken;	  /* the last one is not whole */
	struct text head; /* of the last one, with LF */
	struct text body;
};

/* Sends the row's request to the port of 127.0.0.1 and reads what comes. */
void client_run(int port, const struct row *row, struct outcome *outcome);

bool send_bytes(int fd, const char *data, size_t len);
/* Finds the end of a body that has begun at data: gives its length, or -1 as long
 * as it isn't all there, -2 when it is no chunk. chunked: else of length bytes. */
long body_end(const char *data, size_t len, bool chunked, long length,
	      struct text *content);
/* The value of a field in a head, NULL when there is none. */
const char *field_value(const char *head, const char *name, char *value,
			size_t size);
void sleep_ms(int ms);
_Noreturn void fail(const char *what);

#endif
