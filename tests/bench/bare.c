/* bare.c - the peer of the benchmarks: the least that a FastCGI program can do
 *
 *	bare PORT
 *	bare
 *
 * A libfcgi loop in 16 threads, each with one kept connection to 127.0.0.1:PORT:
 * sends a fixed GET, takes the answer (Content-Length, one read of the head), and
 * writes it back. No store, no configuration, no checks, no retry. Without a PORT it
 * answers 1 KB of its own.
 */
#include <arpa/inet.h>
#include <fcgiapp.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS	     16
#define ANSWER_BYTES 65536
#define ALONE_BYTES  1024

static struct sockaddr_in gateway;

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (connect(fd, (struct sockaddr *)&gateway, sizeof(gateway)) != 0)
		exit(1);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static size_t receive(int fd, char *answer, const char **body)
{
	size_t have = 0;
	size_t want = 0;

	while (want == 0 || have < want) {
		ssize_t len =
			recv(fd, answer + have, ANSWER_BYTES - 1 - have, 0);
		const char *field;

		if (len <= 0)
			exit(1);
		have += (size_t)len;
		answer[have] = '\0';
		*body = strstr(answer, "\r\n\r\n");
		if (!*body)
			continue;
		*body += 4;
		field = strcasestr(answer, "content-length:");
		want = (size_t)(*body - answer) +
		       (field ? strtoul(field + 15, NULL, 10) : 0);
	}
	return have;
}

static void *loop(void *unused)
{
	static const char request[] =
		"GET /pid HTTP/1.1\r\nHost: bench\r\n\r\n";
	char *answer = malloc(ANSWER_BYTES);
	FCGX_Request fcgi;
	int fd = dial();

	(void)unused;
	(void)FCGX_InitRequest(&fcgi, 0, 0);
	while (answer && FCGX_Accept_r(&fcgi) == 0) {
		const char *body = NULL;
		size_t have;

		if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
			exit(1);
		have = receive(fd, answer, &body);
		(void)FCGX_PutS(
			"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n",
			fcgi.out);
		(void)FCGX_PutStr(body, (int)(have - (size_t)(body - answer)),
				  fcgi.out);
		FCGX_Finish_r(&fcgi);
	}
	free(answer);
	return NULL;
}

static void *loop_alone(void *unused)
{
	char body[ALONE_BYTES];
	FCGX_Request fcgi;

	(void)unused;
	memset(body, 'x', sizeof(body));
	(void)FCGX_InitRequest(&fcgi, 0, 0);
	while (FCGX_Accept_r(&fcgi) == 0) {
		(void)FCGX_PutS(
			"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n",
			fcgi.out);
		(void)FCGX_PutStr(body, sizeof(body), fcgi.out);
		FCGX_Finish_r(&fcgi);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	if (argc > 2)
		return 2;
	gateway.sin_family = AF_INET;
	gateway.sin_port =
		htons((uint16_t)(argc == 2 ? strtoul(argv[1], NULL, 10) : 0));
	gateway.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)FCGX_Init();
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL,
				   argc == 2 ? loop : loop_alone, NULL) != 0)
			return 1;
	(void)pthread_join(threads[0], NULL);
	return 0;
}
