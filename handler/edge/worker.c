#include "config.h"

#include <fcgiapp.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "edge/answer.h"
#include "edge/crew.h"
#include "edge/worker.h"

#include "base/banned.h"

#define TRIM_BYTES (64 * 1024)

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

static int run_cgi(const char *config)
{
	struct edge *edge = NULL;
	struct client *client = NULL;
	struct call *call = NULL;
	struct err err;

	if (edge_new(&edge, config, false, NULL, NULL, &err) ||
	    client_cgi_new(&client, &err) ||
	    call_new(&call, edge, client, &err)) {
		client_free(client);
		edge_free(edge);
		return fail(&err);
	}
	if (client->door->next(client) == 0) {
		answer_request(call);
		client->door->finish(client);
	}
	call_free(call);
	client_free(client);
	edge_free(edge);
	return EXIT_SUCCESS;
}

static int run_fastcgi(const char *config)
{
	struct crew *crew = NULL;
	struct edge *edge = NULL;
	struct err err;
	int failed;

	/* one heap for all threads, and what is free goes back: a worker is to
	 * stay small */
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
	if (crew_new(&crew, STDIN_FILENO, &err))
		return fail(&err);
	if (FCGX_Init() != 0 ||
	    edge_new(&edge, config, true, crew_wake, crew, &err)) {
		crew_free(crew);
		log_line(LEVEL_ERROR, "msg=\"cannot start\"");
		return EXIT_FAILURE;
	}
	failed = crew_run(crew, edge, &err);
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
	return worker_is_fastcgi() ? run_fastcgi(config) : run_cgi(config);
}
