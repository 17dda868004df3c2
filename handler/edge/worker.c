#include "config.h"

#include <fcgiapp.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "edge/answer.h"
#include "edge/crew.h"
#include "edge/record.h"
#include "edge/tunnel.h"
#include "edge/worker.h"

#include "base/banned.h"

#define TRIM_BYTES     (64 * 1024)
#define CGI_HEAP_BYTES (192 * 1024) /* what a request to a ready gateway uses */

bool worker_is_cgi(void)
{
	const char *interface = getenv("GATEWAY_INTERFACE");

	return interface && *interface;
}

bool worker_is_fastcgi(void)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	return getsockopt(STDIN_FILENO, SOL_SOCKET, SO_ACCEPTCONN, &listens,
			  &len) == 0 &&
	       listens;
}

static int fail(const struct err *err)
{
	log_line(LEVEL_ERROR, "msg=\"%s\"", err->text);
	return EXIT_FAILURE;
}

/* The answer is complete: the web server need not wait for what we note of it, and
 * must not end us meanwhile. */
static void let_go(void)
{
	(void)signal(SIGTERM, SIG_IGN);
	(void)close(STDOUT_FILENO);
}

static int run_cgi(const char *config)
{
	struct edge *edge = NULL;
	struct client *client = NULL;
	struct call *call = NULL;
	struct err err;
	int tunnel_fd;

	memory_prepare(CGI_HEAP_BYTES);
	if (edge_new(&edge, config, false, NULL, NULL, &err) ||
	    client_cgi_new(&client, &err) ||
	    call_new(&call, edge, client, &err)) {
		client_free(client);
		edge_free(edge);
		return fail(&err);
	}
	if (!answer_begin(call))
		answer_end(call);
	client->door->finish(client);
	tunnel_fd = STEAL_FD(call->tunnel_fd);
	if (tunnel_fd < 0)
		let_go();
	record_end(call);
	edge_spill(edge);
	/* memory and store go with the process; to undo them here would keep the
	 * web server waiting for its end */
	if (tunnel_fd < 0)
		_exit(client->broken ? EXIT_FAILURE : EXIT_SUCCESS);
	call_free(call);
	client_free(client);
	edge_free(edge);
	memory_give_back(); /* it may last for days */
	return tunnel_run(tunnel_fd, &err) ? fail(&err) : EXIT_SUCCESS;
}

int worker_serve(const char *config, int listen_fd, int threads)
{
	struct crew *crew = NULL;
	struct edge *edge = NULL;
	struct err err;
	int failed;

	/* one heap for all threads, and what is free goes back: a worker is to
	 * stay small */
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
	if (crew_new(&crew, listen_fd, threads, &err))
		return fail(&err);
	if (FCGX_Init() != 0 ||
	    edge_new(&edge, config, true, crew_wake, crew, &err)) {
		crew_free(crew);
		log_line(LEVEL_ERROR, "msg=\"cannot start\"");
		return EXIT_FAILURE;
	}
	failed = crew_run(crew, edge, &err);
	edge_flush(edge);
	if (failed) { /* threads may still use what we would free */
		log_line(LEVEL_WARNING, "msg=\"%s, leaving\"", err.text);
		_exit(err.code == ERR_TIMEOUT ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	edge_free(edge);
	crew_free(crew);
	return EXIT_SUCCESS;
}

int worker_run(const char *config)
{
	return worker_is_fastcgi()
		       ? worker_serve(config, STDIN_FILENO, THREADS_DEFAULT)
		       : run_cgi(config);
}
