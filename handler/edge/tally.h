/* tally.h - counts of requests: in this process's memory, then in the store
 *
 * To count costs one atomic addition. What is counted goes to the store
 * TALLY_FLUSH_MS after the first of it, and when the worker ends; one that is
 * killed takes that much with it. A CGI process spills its one (spill.h).
 */
#ifndef WAKEGATE_TALLY_H
#define WAKEGATE_TALLY_H

#include "base/deadline.h"
#include "base/err.h"
#include "edge/problem.h"
#include "store/store.h"

#define TALLY_FLUSH_MS 2000

enum tally_kind {
	TALLY_GONE, /* nobody got an answer, or it broke off */
	TALLY_1XX,
	TALLY_2XX,
	TALLY_3XX,
	TALLY_4XX,
	TALLY_5XX,
	TALLY_RETRIED, /* after a crash, and answered by the gateway */
	TALLY_NOT_RETRIED,
	TALLY_REFUSED, /* TALLY_REFUSED + enum problem_code */
	TALLY_MAX_ = TALLY_REFUSED + PROBLEM_MAX_,
};

/* One gateway's; it lives as long as the worker. */
struct tally;

/* All of a worker's. */
struct tallies;

/* arm() is called when something has to be flushed: tallies_due() says when. */
int tallies_new(struct tallies **ret, void (*arm)(void *user), void *user,
		struct err *err);
void tallies_free(struct tallies *tallies); /* accepts NULL */

/* NULL: out of memory. */
struct tally *tally_of(struct tallies *tallies, const char *state_dir,
		       const char *gateway);
const char *tally_gateway(const struct tally *tally);
void tally_add(struct tally *tally, enum tally_kind kind);
enum tally_kind tally_of_status(int status);

/* When tallies_flush() is to be called: never, while there is nothing. */
struct deadline tallies_due(struct tallies *tallies);

/* Writes what there is to the stores that find() gives by their state_dir; what
 * can't be written stays for the next time. */
void tallies_flush(struct tallies *tallies,
		   struct store *(*find)(void *user, const char *state_dir),
		   void *user);

/* For a process that ends with its request: see spill.h. */
void tallies_spill(struct tallies *tallies,
		   struct store *(*find)(void *user, const char *state_dir),
		   void *user);

#endif
