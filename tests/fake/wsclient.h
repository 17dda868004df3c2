/* wsclient.h - the parts of the WebSocket client: wsclient.c connects, and
 * wsclient_actions.c has what it does then
 */
#ifndef FAKE_WSCLIENT_H
#define FAKE_WSCLIENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define RESULT_MAX 512

struct client {
	pthread_t thread;
	int fd;
	char result[RESULT_MAX];
};

/* Adds to the result. */
void say(struct client *client, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

bool client_send(int fd, const void *data, size_t len);

/* "ACTION:ARGUMENT"; false when what came was not what it should be. */
bool client_act(struct client *client, const char *words);

#endif
