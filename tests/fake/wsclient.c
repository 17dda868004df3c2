/* wsclient.c - WebSocket clients for tests: each does what the arguments say
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "ws.h"
#include "wsclient.h"

static const char usage[] =
	"usage: wsclient --connect HOST:PORT [flags] ACTION...\n"
	"\n"
	"  --path PATH      the request's target (/ws)\n"
	"  --field LINE     one more field of the handshake (may be repeated)\n"
	"  --count N        so many clients at once (1)\n"
	"  --timeout S      for whatever is waited for (30)\n"
	"  --eager          sends the text 'eager' with the handshake\n"
	"\n"
	"echo:BYTES[:TIMES] fragments:BYTES pipeline:TIMES:BYTES ping rsv "
	"text:T\n"
	"expect:TEXT receive:FRAMES idle:MS ask:COMMAND tell:COMMAND "
	"close:CODE\n"
	"closed drop mark:FILE\n"
	"\n"
	"Prints how many clients had which result: '50 101 closed=1000'; with\n"
	"'deflate' where the extension was agreed upon.\n";

#define FIELDS_MAX  8
#define CLIENTS_MAX 1000
#define KEY	    "dGhlIHNhbXBsZSBub25jZQ=="

static struct {
	struct sockaddr_in address;
	const char *host;
	const char *path;
	const char *fields[FIELDS_MAX];
	int fields_count;
	int count, timeout_s;
	bool eager;
	char **actions;
} wanted = { .path = "/ws", .count = 1, .timeout_s = 30 };

/* ---- the handshake ---- */

static bool ask_for_it(struct client *client)
{
	static const struct ws_frame frame = {
		.fin = true, .opcode = WS_TEXT, .masked = true, .len = 5
	};
	char text[4096];
	int len = snprintf(text, sizeof(text),
			   "GET %s HTTP/1.1\r\nHost: %s\r\n"
			   "Connection: keep-alive, Upgrade\r\n"
			   "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
			   "Sec-WebSocket-Key: " KEY "\r\n",
			   wanted.path, wanted.host);
	int i;

	for (i = 0; i < wanted.fields_count; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len,
				"%s\r\n", wanted.fields[i]);
	memcpy(text + len, "\r\n", 2);
	len += 2;
	if (wanted.eager) {
		len += (int)ws_head_write((unsigned char *)text + len, &frame);
		memcpy(text + len, "eager", 5);
		len += 5;
	}
	return client_send(client->fd, text, (size_t)len);
}

/* Reads the head, byte by byte: frames follow. Gives its status, 0: none came. */
static int read_head(struct client *client, char *head, size_t size)
{
	size_t len = 0;

	while (len < size - 1 && recv(client->fd, head + len, 1, 0) == 1) {
		head[++len] = '\0';
		if (len >= 4 && strcmp(head + len - 4, "\r\n\r\n") == 0)
			return (int)strtol(head + strcspn(head, " "), NULL, 10);
	}
	return 0;
}

static bool shake_hands(struct client *client)
{
	char accept[WS_ACCEPT_LEN + 1];
	char head[16384];
	int status;

	if (!ask_for_it(client)) {
		say(client, "no handshake");
		return false;
	}
	status = read_head(client, head, sizeof(head));
	say(client, "%d", status);
	ws_accept(KEY, accept);
	if (status == 101 && !strstr(head, accept))
		say(client, " without Sec-WebSocket-Accept");
	if (strcasestr(head, "\r\nSec-WebSocket-Extensions: "
			     "permessage-deflate\r\n"))
		say(client, " deflate");
	return status == 101;
}

static void *run(void *argument)
{
	struct client *client = argument;
	const struct timeval timeout = { .tv_sec = wanted.timeout_s };
	char **each;

	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout,
			 sizeof(timeout));
	if (connect(client->fd, (struct sockaddr *)&wanted.address,
		    sizeof(wanted.address)) != 0) {
		say(client, "refused");
	} else if (shake_hands(client)) {
		for (each = wanted.actions; *each; each++)
			if (!client_act(client, *each)) {
				say(client, " failed: %s", *each);
				break;
			}
	}
	(void)close(client->fd);
	return NULL;
}

/* ---- all of them ---- */

static int by_result(const void *a, const void *b)
{
	return strcmp(((const struct client *)a)->result,
		      ((const struct client *)b)->result);
}

static void print_results(struct client *clients, int count)
{
	int same = 0;
	int i;

	qsort(clients, (size_t)count, sizeof(*clients), by_result);
	for (i = 0; i < count; i++) {
		same++;
		if (i + 1 < count &&
		    by_result(&clients[i], &clients[i + 1]) == 0)
			continue;
		printf("%d %s\n", same, clients[i].result);
		same = 0;
	}
}

static bool address_read(const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[32] = "";

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return false;
	memcpy(host, text, (size_t)(colon - text));
	wanted.host = text;
	wanted.address.sin_family = AF_INET;
	wanted.address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	return inet_pton(AF_INET, host, &wanted.address.sin_addr) == 1;
}

static bool flags_read(int argc, char **argv)
{
	static const struct option options[] = {
		{ "connect", required_argument, NULL, 'c' },
		{ "path", required_argument, NULL, 'p' },
		{ "field", required_argument, NULL, 'f' },
		{ "count", required_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' },
		{ "eager", no_argument, NULL, 'e' },
		{ NULL, 0, NULL, 0 },
	};
	bool good = true;
	int flag;

	while (good &&
	       (flag = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (flag) {
		case 'c':
			good = address_read(optarg);
			break;
		case 'p':
			wanted.path = optarg;
			break;
		case 'f':
			good = wanted.fields_count < FIELDS_MAX;
			if (good)
				wanted.fields[wanted.fields_count++] = optarg;
			break;
		case 'n':
			wanted.count = (int)strtol(optarg, NULL, 10);
			break;
		case 't':
			wanted.timeout_s = (int)strtol(optarg, NULL, 10);
			break;
		case 'e':
			wanted.eager = true;
			break;
		default:
			good = false;
		}
	wanted.actions = argv + optind;
	return good && wanted.host && wanted.count > 0 &&
	       wanted.count <= CLIENTS_MAX;
}

int main(int argc, char **argv)
{
	static struct client clients[CLIENTS_MAX];
	int i;

	if (!flags_read(argc, argv)) {
		(void)fputs(usage, stderr);
		return 2;
	}
	for (i = 0; i < wanted.count; i++)
		if (pthread_create(&clients[i].thread, NULL, run,
				   &clients[i]) != 0) {
			perror("wsclient: thread");
			return 1;
		}
	for (i = 0; i < wanted.count; i++)
		(void)pthread_join(clients[i].thread, NULL);
	print_results(clients, wanted.count);
	return 0;
}
