/* The first byte says which look it is; the others are what the web server said. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/fcgi_look.h"

#include "base/banned.h"

#define INPUT_MAX 32768 /* what a socket takes without a reader */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Only whole aborts at the beginning are taken away: what is left is an end of what
 * came. */
static void check_left(int fd, const uint8_t *data, size_t size)
{
	static uint8_t left[INPUT_MAX];
	ssize_t count = recv(fd, left, sizeof(left), MSG_DONTWAIT);
	size_t len = count > 0 ? (size_t)count : 0;

	if (len > size || memcmp(left, data + size - len, len) != 0 ||
	    (len < size && (size - len < 8 || data[1] != 2)))
		abort();
}

static void look(int fd)
{
	bool ends = false;
	bool again = false;
	enum fcgi_said said = fcgi_look(fd, &ends);

	if (fcgi_look(fd, &again) != said || again != ends ||
	    (ends && said != FCGI_SAID_ENOUGH))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fds[2];

	if (size < 2 || size > INPUT_MAX)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0 ||
	    write(fds[1], data + 1, size - 1) != (ssize_t)size - 1)
		abort();
	if (data[0] & 1)
		(void)fcgi_look_aside(fds[0]);
	else
		look(fds[0]);
	check_left(fds[0], data + 1, size - 1);
	(void)close(fds[0]);
	(void)close(fds[1]);
	return 0;
}
