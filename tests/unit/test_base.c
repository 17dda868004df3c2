/* err, buffer, deadline and address: what everything else stands on. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/deadline.h"
#include "base/err.h"
#include "unit/tap.h"

#include "base/banned.h"

static void test_err(void)
{
	struct err err = { .code = ERR_MAX_ };
	char text[700];

	ok(err_set(&err, ERR_LIMIT, "more than %d", 3) == -1 &&
		   err.code == ERR_LIMIT &&
		   strcmp(err.text, "more than 3") == 0,
	   "an error is a code and a sentence");
	ok(err_context(&err, "cannot read '%s'", "x") == -1 &&
		   err.code == ERR_LIMIT &&
		   strcmp(err.text, "cannot read 'x': more than 3") == 0,
	   "context goes before it, and the code stays");
	errno = ENOENT;
	ok(err_errno(&err, "cannot open '%s'", "y") == -1 &&
		   err.code == ERR_SYSTEM &&
		   strcmp(err.text,
			  "cannot open 'y': No such file or directory") == 0,
	   "errno becomes words");
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)err_set(&err, ERR_INVALID, "%s", text);
	(void)err_context(&err, "%s", text);
	errno = ENOENT;
	(void)err_errno(&err, "%s", text);
	ok(strlen(err.text) == sizeof(err.text) - 1,
	   "a text that is too long is cut");
}

static void test_buffer(void)
{
	struct buffer buffer = BUFFER_INIT(2000);
	char big[1500];

	memset(big, 'b', sizeof(big));
	ok(buffer_ok(&buffer) && strcmp(buffer_text(&buffer), "") == 0,
	   "a new buffer is empty");
	buffer_puts(&buffer, "one ");
	buffer_printf(&buffer, "%s %d", "two", 3);
	buffer_append(&buffer, "\0x", 2);
	ok(buffer.len == 11 && memcmp(buffer.data, "one two 3\0x", 11) == 0,
	   "what is appended follows what is there, NUL too");
	buffer_append(&buffer, big, sizeof(big));
	ok(buffer_ok(&buffer) && buffer.len == 1511, "it grows");
	buffer_append(&buffer, big, 489);
	ok(buffer_ok(&buffer) && buffer.len == 2000 && buffer_text(&buffer),
	   "up to its maximum");
	buffer_puts(&buffer, "x");
	ok(!buffer_ok(&buffer) && !buffer_text(&buffer), "and not past it");
	buffer_clear(&buffer);
	buffer_puts(&buffer, "again");
	ok(buffer_ok(&buffer) && strcmp(buffer_text(&buffer), "again") == 0,
	   "cleared it is as new");
	ok(!buffer_room(&buffer, SIZE_MAX) && !buffer_ok(&buffer),
	   "a length that overflows is refused");
	buffer_free(&buffer);
	ok(buffer.len == 0 && buffer.max == 2000 && buffer_ok(&buffer),
	   "freed it can be used again");
	buffer_printf(&buffer, "%s", "x");
	ok(strcmp(buffer_text(&buffer), "x") == 0, "and is");
	buffer_free(&buffer);
}

static void test_deadline(void)
{
	struct deadline soon = deadline_in(30);
	struct deadline never = deadline_never();
	int ends[2];
	int64_t begin = clock_mono_ms();

	ok(deadline_passed(deadline_in(0)) && deadline_passed(deadline_in(-5)),
	   "a deadline of no time has passed");
	ok(!deadline_passed(deadline_in(60000)) && !deadline_passed(never),
	   "one in the future has not");
	ok(deadline_left_ms(soon) <= 30 && deadline_left_ms(never) == -1 &&
		   deadline_left_ms(deadline_in(-5)) == 0,
	   "what is left is what poll(2) wants");
	ok(deadline_min(soon, never).at_ms == soon.at_ms &&
		   deadline_min(never, soon).at_ms == soon.at_ms,
	   "the earlier of two");
	if (pipe2(ends, O_CLOEXEC) != 0)
		return;
	ok(deadline_poll(ends[0], POLLIN, soon) == 0 &&
		   clock_mono_ms() - begin >= 29,
	   "a wait for nothing ends with the deadline");
	ok(!deadline_pause(soon, 1000), "there is no pause after it");
	(void)!write(ends[1], "x", 1);
	ok(deadline_poll(ends[0], POLLIN, never) == 1, "what is there is seen");
	ok(deadline_poll(ends[0], POLLIN, deadline_in(-1)) == 1,
	   "even when there is no time left");
	(void)close(ends[0]);
	(void)close(ends[1]);
	begin = clock_mono_ms();
	ok(deadline_pause(deadline_in(20), 5000) &&
		   clock_mono_ms() - begin < 1000,
	   "a pause is no longer than the deadline");
	ok(clock_wall_ms() > 1577836800000, "the wall clock is in ms");
}

static bool takes(const char *text)
{
	struct address address;
	struct err err;

	return address_parse(&address, text, &err) == 0;
}

static void test_parse(void)
{
	static const char *const bad[] = {
		"",
		":",
		"80",
		":80",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:0",
		"127.0.0.1:65536",
		"127.0.0.1:99999999999999",
		"127.0.0.1:-1",
		"127.0.0.1:+1",
		"127.0.0.1: 80",
		"127.0.0.1:80x",
		"127.0.0.1:08",
		"127.1:80",
		"example.org:80",
		"::1:80",
		"[::1]",
		"[::1:80",
		"[]:80",
		"[127.0.0.1]:80",
		"unix:",
		"unix:relative",
		"[fe80::1%lo]:80",
	};
	struct address address;
	struct err err;
	char path[200] = "unix:/";

	ok(takes("127.0.0.1:80") && takes("[::1]:65535") &&
		   takes("unix:/run/x.sock"),
	   "the three forms are taken");
	ok(address_parse(&address, "localhost:8080", &err) == 0 &&
		   address.socket.in.sin_addr.s_addr ==
			   htonl(INADDR_LOOPBACK) &&
		   address_port(&address) == 8080,
	   "localhost is 127.0.0.1");
	ok(address_parse(&address, "[::1]:443", &err) == 0 &&
		   address_port(&address) == 443,
	   "an IPv6 address has its port");
	ok(address_parse(&address, "unix:/x", &err) == 0 &&
		   address_port(&address) == 0,
	   "a Unix socket has none");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!takes(bad[i]), "'%s' is refused", bad[i]);
	memset(path + 6, 'p', 106);
	ok(takes(path), "a path of 107 bytes fits");
	memset(path + 6, 'p', 107);
	ok(!takes(path), "one of 108 does not");
}

static void test_connect(void)
{
	struct address address;
	struct err err = { .code = ERR_MAX_ };
	socklen_t len = sizeof(address.socket);
	CLEANUP_FD int listener =
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = -1;

	(void)address_parse(&address, "127.0.0.1:1", &err);
	address.socket.in.sin_port = 0;
	if (bind(listener, &address.socket.any, address.len) != 0 ||
	    getsockname(listener, &address.socket.any, &len) != 0)
		return;
	ok(address_connect(&fd, &address, deadline_in(2000), &err) != 0 &&
		   err.code == ERR_REFUSED && fd == -1,
	   "where nobody listens it is refused: %s", err.text);
	ok(listen(listener, 5) == 0 &&
		   address_connect(&fd, &address, deadline_in(2000), &err) ==
			   0 &&
		   fd >= 0,
	   "where somebody does it connects");
	ok(fcntl(fd, F_GETFD) == FD_CLOEXEC &&
		   (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0,
	   "close-on-exec and non-blocking");
	if (fd >= 0)
		(void)close(fd);
	(void)address_parse(&address, "unix:/nonexistent/socket", &err);
	ok(address_connect(&fd, &address, deadline_in(2000), &err) != 0 &&
		   err.code == ERR_REFUSED,
	   "a socket file that is missing is refused too");
}

int main(void)
{
	test_err();
	test_buffer();
	test_deadline();
	test_parse();
	test_connect();
	return done_testing();
}
