/* observed.h - counters that outlive workers, and what single requests met
 *
 * Names of counters, and their labels:
 *	requests	1xx .. 5xx, gone	by what answered
 *	refusals	a problem's code
 *	retries		ok, failed		after a crash
 *	starts		ready, adopted, exited, timeout, stopped, spawn_failed
 *	crashes					of a gateway that was ready
 *	restores, backups	ok, failed
 *	start_ms, restore_ms, backup_ms			sums, of those that succeeded
 *	restore_bytes, backup_bytes			the same
 *	start_le	an upper bound in ms, "inf"	how many starts took up to that
 *							and more than the one before
 */
#ifndef WAKEGATE_STORE_OBSERVED_H
#define WAKEGATE_STORE_OBSERVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

struct count {
	const char *gateway;
	const char *name;
	const char *label; /* "": none */
	int64_t amount;	   /* to add */
};

/* Adds them all, or none. Best effort. */
int store_count(struct store *store, const struct count *counts, size_t len,
		struct err *err);

/* Calls each() for the gateway's counters, by name and label; amount is what there
 * is. The texts are each()'s only while it runs. Nothing else may be asked of the
 * store meanwhile. */
int store_counters(struct store *store, const char *gateway,
		   void (*each)(const struct count *, void *), void *user,
		   struct err *err);

/* The bounds of start_le in ms, ascending; what is above is "inf". */
extern const int store_start_bounds_ms[];
extern const size_t store_start_bounds_len;

#define REQUESTS_KEPT 10000

struct request_row {
	char request[REQUEST_ID_BYTES];
	char gateway[GATEWAY_NAME_BYTES]; /* "": none */
	int64_t at_ms;
	int64_t took_ms;
	char found[16]; /* a state; "": it did not look */
	int64_t found_generation;
	int64_t waited_ms;
	int64_t generation;
	int64_t crashed_generation; /* 0: it saw no crash */
	bool retried;
	int status;    /* 0: nobody got an answer */
	char code[32]; /* "": no problem of ours */
};

/* Adds them in one transaction, and forgets the oldest. Gives up when others write
 * for 250 ms. */
int store_requests_add(struct store *store, const struct request_row *rows,
		       size_t len, struct err *err);

/* The newest with that id: ERR_MISSING when there is none. */
int store_request(struct store *store, const char *request,
		  struct request_row *ret, struct err *err);

#endif
