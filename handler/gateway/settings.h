/* settings.h - the configuration, read and checked once, then never changed
 *
 * A struct settings is immutable and counted: workers answer requests with the
 * one that was in force when the request came. Errors name file, line, key and
 * what was expected; an unknown key is an error that names the nearest known
 * one. wakegate.json(5) documents every key.
 */
#ifndef WAKEGATE_SETTINGS_H
#define WAKEGATE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/address.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"

/* A value given as text, or as {"file": "/path"}: then only the path is kept
 * here and the file is read when the value is needed. */
struct setting_value {
	char *name;
	char *text; /* NULL: in a file */
	char *file; /* NULL: given as text */
};

#define KEEPALIVE_MAX_MAX 256

struct probe_settings {
	char *path; /* NULL: a TCP connect is the probe */
	int status;
	char *body_has; /* NULL: any body */
	int interval_ms;
	int timeout_ms;
};

enum forwarded {
	FORWARDED_NONE,
	FORWARDED_X,
	FORWARDED_RFC7239,
	FORWARDED_MAX_
};

/* Without a bucket (NULL): no remote store. */
struct s3_settings {
	char *endpoint; /* "https://HOST[:PORT]", no '/' at the end */
	char *bucket;
	char *prefix; /* "" or with a '/' at the end */
	char *region;
	struct setting_value access_key, secret_key;
};

enum restore_mode { RESTORE_EXTRACT, RESTORE_OVERLAY, RESTORE_MODE_MAX_ };

/* Without a directory (NULL): no backup is configured. */
struct backup_settings {
	char *directory; /* the state folder */
	char *to;	 /* where snapshots are kept; never NULL then */
	struct s3_settings s3;
	int every_s; /* 0: only when asked, and on_stop */
	int keep;
	char **exclude; /* NULL at the end; see snapshot/tree.h */
	bool on_stop, freeze;
	enum restore_mode restore;
	int restore_timeout_s;
	bool start_empty; /* on_restore_failure: "start_empty"; else "fail" */
};

struct action_parameter {
	char *name;
	char *pattern; /* extended regular expression; the whole value matches */
};

/* A command that an administrator may run; see action.h. */
struct action_settings {
	char *name;
	char **command;			     /* NULL at the end */
	struct action_parameter *parameters; /* name NULL at the end */
	int timeout_s;
	bool json; /* output: "json"; else "text" */
};

struct gateway_settings {
	char name[GATEWAY_NAME_BYTES];
	char *mount;  /* begins with '/', no '/' at the end except "/" itself */
	char **hosts; /* lower case, NULL at the end; empty: every host */
	bool strip_mount;
	char *address_text;
	struct address address;
	char **command;			   /* NULL at the end */
	char *directory;		   /* NULL: "/" */
	struct setting_value *environment; /* name NULL at the end */
	char *process; /* name of the gateway's process; default: the file name of
			* command[0] */
	struct probe_settings probe;
	int start_timeout_s, wait_s, stop_timeout_s, lease_s;
	int max_failures, restarts_max;
	int idle_stop_s; /* 0: never */
	bool always_on;
	int *final_exit_codes;
	size_t final_exit_codes_count;
	char **lock_files; /* removed after a proven stop; NULL at the end */
	char **no_wake;	   /* paths; NULL at the end */
	int waiting_max;
	size_t replay_bytes;
	int64_t body_max_bytes;
	int keepalive_max; /* 0 to KEEPALIVE_MAX_MAX */
	int keepalive_s, response_timeout_s,
		stream_idle_timeout_s; /* 0: none */
	enum forwarded forwarded;
	struct setting_value
		*set_headers;	  /* text is filled in, also from files */
	char *identity_header;	  /* NULL: none */
	char **websocket_origins; /* beside the own host; NULL at the end */
	bool loading_page;
	bool show_output_to_anyone; /* show_output: "anyone"; else "admin" */
	char *status_path;	    /* routes.status, default "/api/status" */
	char *admin_path;	    /* routes.admin, default "/api/admin" */
	char *page_path; /* routes.page, default "/_admin"; no '/' at its end */
	struct action_settings *actions; /* name NULL at the end */
	char *metrics_path; /* routes.metrics; NULL: "/metrics" below admin */
	struct backup_settings backup;
};

struct settings {
	char *file; /* the configuration's own path */
	char *state_dir;
	enum log_level log_level;
	enum log_sink log;
	char **admin_users;	/* NULL at the end */
	char *admin_token_file; /* NULL: none; see settings_token.h */
	char **trusted_proxies; /* numeric addresses; NULL at the end */
	struct gateway_settings *gateways; /* longest mount first */
	size_t gateways_count;
};

/* The file that -c FILE (or NULL), $WAKEGATE_CONFIG or the built-in path names. */
const char *settings_file(const char *option);

/* Reads and checks the file and the secret files of set_headers. On success the
 * caller holds one reference. */
int settings_load(struct settings **ret, const char *file, struct err *err);
struct settings *settings_ref(struct settings *settings);
void settings_unref(struct settings *settings); /* accepts NULL */

/* NULL when there is none. An empty or NULL name gives the only gateway, if
 * there is just one. */
const struct gateway_settings *settings_gateway(const struct settings *settings,
						const char *name);

/* The value's text, from its file where it has one (one trailing newline is cut;
 * NUL, CR, LF inside are ERR_INVALID). The caller frees it. */
int settings_value_read(char **ret, const struct setting_value *value,
			struct err *err);

/* Prints the effective configuration as JSON, secrets as "[redacted]". */
int settings_print(const struct settings *settings, FILE *out, struct err *err);

/* The settings in force, for a program that lives long: looks whether the file
 * (or a secret file of set_headers) has changed, by identity, size and mtime, at
 * most twice a second, and reads it anew. A bad new file keeps the old settings
 * in force; that is logged once, and settings_watch_problem() says so until it is
 * mended. Safe from all threads. */
struct settings_watch;
int settings_watch_open(struct settings_watch **ret, const char *file,
			struct err *err);
struct settings *settings_watch_get(
	struct settings_watch *watch); /* unref it */
/* Copies the text of the newest file's error; false and "" when it is good. */
bool settings_watch_problem(struct settings_watch *watch, char *ret,
			    size_t size);
void settings_watch_close(struct settings_watch *watch);

#endif
