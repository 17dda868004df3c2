#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/deadline.h"
#include "edge/client.h"

#include "base/banned.h"

#define CGI_BUFFER_BYTES 16384

extern char **environ;

struct client_cgi {
	struct client client;
	bool left; /* something has been written for good */
	size_t len;
	char buf[CGI_BUFFER_BYTES];
};

static struct client_cgi *cgi(struct client *client)
{
	return (struct client_cgi *)client;
}

static char **cgi_envp(const struct client *client)
{
	(void)client;
	return environ;
}

static ssize_t cgi_read(struct client *client, char *buf, size_t len,
			struct err *err)
{
	ssize_t count;

	(void)client;
	do
		count = read(STDIN_FILENO, buf, len);
	while (count < 0 && errno == EINTR);
	if (count < 0) {
		(void)err_errno(err, "cannot read the request's body");
		err->code = ERR_CLOSED;
	}
	return count;
}

static int write_all(const char *buf, size_t len, struct err *err)
{
	while (len > 0) {
		ssize_t count = write(STDOUT_FILENO, buf, len);

		if (count < 0 && errno == EAGAIN) {
			(void)deadline_poll(STDOUT_FILENO, POLLOUT,
					    deadline_never());
			continue;
		}
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0) {
			(void)err_errno(err, "cannot write the response");
			err->code = ERR_CLOSED;
			return -1;
		}
		buf += count;
		len -= (size_t)count;
	}
	return 0;
}

static int cgi_flush(struct client *client, struct err *err)
{
	size_t len = cgi(client)->len;

	cgi(client)->len = 0;
	cgi(client)->left = cgi(client)->left || len > 0;
	return write_all(cgi(client)->buf, len, err);
}

static int cgi_write(struct client *client, const char *buf, size_t len,
		     struct err *err)
{
	struct client_cgi *self = cgi(client);

	if (len > sizeof(self->buf) - self->len && cgi_flush(client, err))
		return -1;
	if (len > sizeof(self->buf)) {
		self->left = true;
		return write_all(buf, len, err);
	}
	memcpy(self->buf + self->len, buf, len);
	self->len += len;
	return 0;
}

static bool cgi_discard(struct client *client)
{
	cgi(client)->len = 0;
	return !cgi(client)->left;
}

/* What isn't written yet never will be. A client can tell by the Content-Length,
 * where there is one; the exit status is for who watches the process. */
static void cgi_abort(struct client *client)
{
	client->broken = true;
	cgi(client)->len = 0;
}

static void cgi_finish(struct client *client)
{
	struct err ignored; /* who isn't there can't be told */

	(void)cgi_flush(client, &ignored);
}

static void cgi_free(struct client *client)
{
	free(cgi(client));
}

static const struct client_door cgi_door = {
	.envp = cgi_envp,
	.read = cgi_read,
	.write = cgi_write,
	.flush = cgi_flush,
	.discard = cgi_discard,
	.abort = cgi_abort,
	.finish = cgi_finish,
	.free = cgi_free,
};

/* A pipe tells when its reader has gone. A socket (mod_cgid) looks the same when
 * the web server has only sent all of the request. */
static bool watchable(void)
{
	struct stat info;

	return fstat(STDOUT_FILENO, &info) == 0 && !S_ISSOCK(info.st_mode);
}

/* After a 101 lighttpd's mod_cgi (cgi.upgrade) passes on bytes as they come; the CGI
 * of these servers does not, so that a gateway must not be asked to switch. */
static bool may_switch(void)
{
	static const char *const cannot[] = { "Apache", "nginx" };
	const char *software = getenv("SERVER_SOFTWARE");

	for (size_t i = 0; software && i < 2; i++) {
		if (strncmp(software, cannot[i], strlen(cannot[i])) == 0)
			return false;
	}
	return true;
}

int client_cgi_new(struct client **ret, struct err *err)
{
	struct client_cgi *self = malloc(sizeof(*self));

	if (!self)
		return err_errno(err, "cannot make a client");
	self->client.door = &cgi_door;
	self->client.watch_fd = watchable() ? STDOUT_FILENO : -1;
	self->client.hears = false;
	self->client.one_shot = true;
	self->client.broken = false;
	self->client.can_switch = may_switch();
	self->client.no_length = true;
	self->left = false;
	self->len = 0;
	*ret = &self->client;
	return 0;
}

void client_step_aside(struct client *client)
{
	if (client->door->step_aside)
		client->door->step_aside(client);
}

void client_free(struct client *client)
{
	if (client)
		client->door->free(client);
}
