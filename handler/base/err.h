/* err.h - one error: a code for the program, a sentence for the operator
 *
 * A function that can fail returns 0 or -1 and takes `struct err *err` last.
 * On failure it has filled *err; on success it has not touched it. The caller
 * owns the struct; it owns nothing itself. The text begins in lower case, names
 * the thing in single quotes and has no full stop.
 */
#ifndef WAKEGATE_ERR_H
#define WAKEGATE_ERR_H

enum err_code {
	ERR_SYSTEM,	 /* the kernel refused; text has strerror */
	ERR_INVALID,	 /* input is not what it must be */
	ERR_LIMIT,	 /* input is larger than we take */
	ERR_TIMEOUT,	 /* a deadline passed */
	ERR_BUSY,	 /* somebody was first: read again, decide again */
	ERR_REFUSED,	 /* connection refused: nothing listens */
	ERR_CLOSED,	 /* the peer closed or reset the connection */
	ERR_STORE,	 /* the database can't be read or written now */
	ERR_STORE_MOVED, /* the database file was replaced: open it again */
	ERR_CORRUPT,	 /* the database, or an archive, is damaged */
	ERR_MISSING,	 /* what was named is not there */
	ERR_CANCELLED,	 /* the one who asked has gone */
	ERR_MAX_
};

struct err {
	enum err_code code;
	char text[512];
};

/* Fills *err and gives -1, so that a failure is one statement:
 * return err_set(&err, ERR_LIMIT, "more than %d headers", max); */
#define err_set(err, ...) (err_fill((err), __VA_ARGS__), -1)

/* The same with ": strerror(errno)" appended and code ERR_SYSTEM. */
#define err_errno(err, ...) (err_fill_errno((err), __VA_ARGS__), -1)

/* Puts "what: " before the text that is there; the code stays. Gives -1. */
#define err_context(err, ...) (err_prepend((err), __VA_ARGS__), -1)

void err_fill(struct err *err, enum err_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void err_fill_errno(struct err *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void err_prepend(struct err *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
