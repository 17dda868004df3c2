/* gateway.h - the parts of the fake gateway
 *
 * gateway_flags.c has its flags, gateway.c its life, gateway_request.c reads requests and
 * writes answers, gateway_paths.c says what each path does, gateway_state.c what it
 * remembers, gateway_ws.c what switches to another protocol.
 */
#ifndef FAKE_GATEWAY_H
#define FAKE_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_MAX	(256 * 1024)
#define FIELDS_MAX	512
#define CONNECTIONS_MAX 4096

enum crash_when { CRASH_BEFORE, CRASH_DURING, CRASH_AFTER };

/* What the flags said; filled in once, then only read. */
struct manners {
	const char *listen;
	const char *starts;
	const char *deliveries;
	const char *env_file;
	const char *uses;
	const char *state; /* its folder; NULL: it has none */
	int state_writes;  /* transactions a second */
	int boot_ms, ready_ms;
	int exit_code, exit_after_ms, exit_before_listen; /* -1: not given */
	int crash_at_request;				  /* 0: never */
	enum crash_when crash_when;
	int closed_ms;
	int log_bytes;
	bool hang_request;
	bool fork_session, daemonise, helper;
	bool ignore_term;
	bool self_restart;
};

struct gateway {
	struct manners manners;
	int64_t started_ms; /* wall clock */
	int64_t ready_at_ms;
	int requests;			  /* atomic; probes are not counted */
	int connections_ever;		  /* atomic */
	int connections[CONNECTIONS_MAX]; /* -1: free; see connection_lock() */
};

struct field {
	const char *name;
	const char *value;
};

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED };

struct conn {
	struct gateway *gateway;
	int fd;
	int number;   /* the how manieth connection */
	int requests; /* on this connection */
	char in[HEAD_MAX + 1];
	size_t in_len;

	/* the request that is being answered */
	char *method;
	char *target; /* as it came */
	char *path;   /* up to the '?' */
	char *query;  /* after it, "" */
	struct field fields[FIELDS_MAX];
	size_t fields_count;
	enum body_kind body;
	int64_t body_left; /* of the body or of the chunk */
	bool body_ended;
	bool expects_continue;
	bool keep_alive;
	bool is_use;		 /* no probe */
	char head[HEAD_MAX + 1]; /* what the pointers above point into */
};

/* Exits with the usage when the flags are not understood. */
void flags_read(struct manners *manners, int argc, char **argv);

int64_t wall_ms(void);
void sleep_ms(int ms);

/* Dies as a crash does: SIGKILL, or exit_code when that was given. */
_Noreturn void crash(const struct gateway *gateway);

/* Reads the next request's head: 1, 0 at the end of the connection, -1 bad. */
int request_read(struct conn *conn);
/* Gives bytes of the body, 0 at its end, -1 when it breaks off. */
long request_body(struct conn *conn, char *buf, size_t size);
/* Reads the body to its end; keeps what fits when buf is not NULL. Gives its
 * length, or -1. */
int64_t request_body_all(struct conn *conn, char *buf, size_t size);
const char *request_field(const struct conn *conn, const char *name);
int request_number(const struct conn *conn, const char *key, int otherwise);
/* Is key=value in the query? */
bool request_says(const struct conn *conn, const char *key, const char *value);

/* Bytes behind the request's head, whatever they are: 0 at the end, -1. */
long connection_read(struct conn *conn, char *buf, size_t size);

/* Writes all of it; false when the peer has gone. */
bool send_all(struct conn *conn, const void *data, size_t len);
bool send_text(struct conn *conn, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A whole answer with Content-Length. fields: more header lines with CRLF, or
 * "". */
void reply(struct conn *conn, int status, const char *type, const char *fields,
	   const char *body);
/* A head without length; the caller sends what follows. */
void reply_head(struct conn *conn, int status, const char *fields);

/* Opens what it remembers, when it is to; exits when that is damaged. */
void state_open(const struct manners *manners);
/* /state */
bool state_answer(struct conn *conn);

/* gateway_ws.c */
bool path_ws(struct conn *conn);
bool path_ws_refuse(struct conn *conn);
bool path_switch(struct conn *conn);

/* Answers one request; false: close the connection. */
bool answer(struct conn *conn);

#endif
