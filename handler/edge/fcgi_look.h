/* fcgi_look.h - what a web server has said on a FastCGI connection, without taking
 * it: libfcgi reads it, and would wait for what is missing
 */
#ifndef WAKEGATE_FCGI_LOOK_H
#define WAKEGATE_FCGI_LOOK_H

#include <stdbool.h>

enum fcgi_said {
	FCGI_SAID_NOTHING,
	FCGI_SAID_HALF,	  /* a request has begun, and is not all here */
	FCGI_SAID_ENOUGH, /* its parameters are, or it is nonsense */
	FCGI_SAID_LAST,	  /* nothing more will come */
};

/* At the beginning of a request. What is left over from the one before (an abort
 * that came too late) is taken away. *ends: a request without a body is here to its
 * end, with nothing in it that libfcgi would skip and read on. */
enum fcgi_said fcgi_look(int fd, bool *ends);

enum fcgi_word { FCGI_WORD_NONE, FCGI_WORD_BODY_END, FCGI_WORD_ABORT };

/* In the middle of one, when its body has been read: the end of that body, which
 * is left to libfcgi; an abort, which is taken away; or none that means anything. */
enum fcgi_word fcgi_look_aside(int fd);

#endif
