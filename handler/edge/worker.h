/* worker.h - the web server's side: answers requests, as FastCGI or as CGI
 *
 * A worker keeps nothing that another worker could change, and may be killed at
 * any instruction.
 */
#ifndef WAKEGATE_WORKER_H
#define WAKEGATE_WORKER_H

#include <stdbool.h>

/* Did a web server start this process: GATEWAY_INTERFACE in the environment
 * (CGI, RFC 3875), or a listening socket as descriptor 0 (FastCGI)? */
bool worker_is_cgi(void);
bool worker_is_fastcgi(void);

/* Answers one request (CGI) or requests until SIGTERM or SIGUSR1 (FastCGI).
 * config: what -c gave, or NULL. A configuration that can't be read is answered
 * with the problem `not_configured`. Under CGI nobody may pass on argv: a query
 * string becomes arguments there (RFC 3875, 4.4). Gives the exit status; under CGI
 * it is a failure when a response broke off, for whoever watches the process: no
 * web server makes use of it. */
int worker_run(const char *config);

/* Answers FastCGI requests that come through a listening socket, which it closes,
 * as worker_run() does. */
int worker_serve(const char *config, int listen_fd, int threads);

#endif
