/* gateway.c - a gateway for tests and for the demonstration: a small HTTP/1.1
 * server whose manners are set by flags, and by the paths that it is asked for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway.h"

static pthread_mutex_t connections_mutex = PTHREAD_MUTEX_INITIALIZER;

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "gateway: %s: %s\n", what, strerror(errno));
	exit(1);
}

int64_t wall_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sleep_ms(int ms)
{
	struct timespec left = { .tv_sec = ms / 1000,
				 .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

_Noreturn void crash(const struct gateway *gateway)
{
	if (gateway->manners.exit_code >= 0)
		_exit(gateway->manners.exit_code);
	(void)kill(getpid(), SIGKILL);
	for (;;)
		(void)pause();
}

/* Field 22 of /proc/self/stat. */
static unsigned long long start_time(void)
{
	char text[1024];
	const char *at;
	unsigned long long start = 0;
	FILE *file = fopen("/proc/self/stat", "re");
	size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	int field;

	if (file)
		(void)fclose(file);
	text[len] = '\0';
	at = strrchr(text, ')');
	for (field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at)
		start = strtoull(at, NULL, 10);
	return start;
}

static void write_start(const char *path)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "%d %llu\n", (int)getpid(),
			   start_time());
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, line, (size_t)len) != len)
		fail(path);
	(void)close(fd);
}

static void write_environment(const char *path)
{
	FILE *file = fopen(path, "we");
	char **each;

	if (!file)
		fail(path);
	for (each = environ; *each; each++)
		fprintf(file, "%s\n", *each);
	(void)fclose(file);
}

/* ---- listening ---- */

static int listen_unix(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		fail(path);
	}
	memcpy(un.sun_path, path, strlen(path) + 1);
	(void)unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof(un)) != 0)
		fail(path);
	return fd;
}

static int listen_tcp(const char *address)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	const char *colon = strrchr(address, ':');
	char host[64] = "";
	in_port_t port;
	int on = 1;
	int fd;
	bool is_v6;

	if (!colon || (size_t)(colon - address) >= sizeof(host)) {
		errno = EINVAL;
		fail(address);
	}
	memcpy(host, address, (size_t)(colon - address));
	port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	is_v6 = host[0] == '[';
	if (is_v6)
		host[strlen(host) - 1] = '\0';
	in.sin_port = port;
	in6.sin6_port = port;
	fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    inet_pton(is_v6 ? AF_INET6 : AF_INET, is_v6 ? host + 1 : host,
		      is_v6 ? (void *)&in6.sin6_addr : &in.sin_addr) != 1)
		fail(address);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, is_v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in,
		 is_v6 ? sizeof(in6) : sizeof(in)) != 0)
		fail(address);
	return fd;
}

static int listen_open(const char *address)
{
	int fd = strncmp(address, "unix:", 5) == 0 ? listen_unix(address + 5)
						   : listen_tcp(address);

	if (listen(fd, 4096) != 0)
		fail(address);
	return fd;
}

/* ---- connections ---- */

static bool connection_add(struct gateway *gateway, int fd)
{
	bool added = false;
	int i;

	(void)pthread_mutex_lock(&connections_mutex);
	for (i = 0; i < CONNECTIONS_MAX && !added; i++) {
		if (gateway->connections[i] >= 0)
			continue;
		gateway->connections[i] = fd;
		added = true;
	}
	(void)pthread_mutex_unlock(&connections_mutex);
	return added;
}

static void connection_close(struct gateway *gateway, int fd)
{
	int i;

	(void)pthread_mutex_lock(&connections_mutex);
	for (i = 0; i < CONNECTIONS_MAX; i++)
		if (gateway->connections[i] == fd)
			gateway->connections[i] = -1;
	(void)close(fd);
	(void)pthread_mutex_unlock(&connections_mutex);
}

static void connections_shut(struct gateway *gateway)
{
	int i;

	(void)pthread_mutex_lock(&connections_mutex);
	for (i = 0; i < CONNECTIONS_MAX; i++)
		if (gateway->connections[i] >= 0)
			(void)shutdown(gateway->connections[i], SHUT_RDWR);
	(void)pthread_mutex_unlock(&connections_mutex);
}

static void *connection_run(void *argument)
{
	struct conn *conn = argument;

	while (request_read(conn) > 0) {
		conn->requests++;
		if (!answer(conn) || !conn->keep_alive)
			break;
	}
	connection_close(conn->gateway, conn->fd);
	free(conn);
	return NULL;
}

static void connection_accept(struct gateway *gateway, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct conn *conn;
	pthread_attr_t attr;
	pthread_t thread;
	int on = 1;

	if (fd < 0)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	conn = calloc(1, sizeof(*conn));
	if (!conn || !connection_add(gateway, fd)) {
		free(conn);
		(void)close(fd);
		return;
	}
	conn->gateway = gateway;
	conn->fd = fd;
	conn->number = __atomic_add_fetch(&gateway->connections_ever, 1,
					  __ATOMIC_RELAXED);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, (size_t)256 * 1024);
	if (pthread_create(&thread, &attr, connection_run, conn) != 0) {
		connection_close(gateway, fd);
		free(conn);
	}
	(void)pthread_attr_destroy(&attr);
}

/* ---- life ---- */

static void serve(struct gateway *gateway, int signals)
{
	const struct manners *manners = &gateway->manners;
	struct pollfd polled[2] = { { .events = POLLIN },
				    { .events = POLLIN } };
	struct signalfd_siginfo info;

	polled[0].fd = listen_open(manners->listen);
	polled[1].fd = signals;
	gateway->ready_at_ms = wall_ms() + manners->ready_ms;
	printf("listening on %s, pid %d\n", manners->listen, (int)getpid());
	(void)fflush(stdout);
	for (;;) {
		if (poll(polled, 2, -1) < 0)
			continue;
		if (polled[0].revents)
			connection_accept(gateway, polled[0].fd);
		if (!polled[1].revents ||
		    read(signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGUSR2)
			_exit(manners->exit_code < 0 ? 0 : manners->exit_code);
		(void)close(polled[0].fd);
		connections_shut(gateway);
		sleep_ms(manners->closed_ms);
		polled[0].fd = listen_open(manners->listen);
		gateway->ready_at_ms = wall_ms() + manners->ready_ms;
	}
}

/* A child that outlives its parent, for ten minutes at most. */
static void leave_helper(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	if (fork() != 0)
		return;
	(void)setsid();
	(void)prctl(PR_SET_NAME, "gateway-helper");
	(void)sigaction(SIGTERM, &ignore, NULL);
	(void)sigaction(SIGHUP, &ignore, NULL);
	sleep_ms(600000);
	_exit(0);
}

static void fork_session(bool parent_exits)
{
	int status = 0;
	pid_t child = fork();

	if (child < 0)
		fail("fork");
	if (child == 0) {
		(void)setsid();
		return;
	}
	if (parent_exits)
		_exit(0);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void *exit_later(void *argument)
{
	const struct manners *manners = argument;

	sleep_ms(manners->exit_after_ms);
	_exit(manners->exit_code < 0 ? 0 : manners->exit_code);
}

static int signals_open(const struct manners *manners)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;
	int fd;

	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigemptyset(&set);
	if (manners->ignore_term)
		(void)sigaction(SIGTERM, &ignore, NULL);
	else
		(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	if (manners->self_restart)
		(void)sigaddset(&set, SIGUSR2);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		fail("signalfd");
	return fd;
}

/* Waits for the boot to be over; a SIGTERM in it ends the process, as it would
 * one that has not yet set up its handlers. */
static void boot(const struct manners *manners, int signals)
{
	struct pollfd polled = { .fd = signals, .events = POLLIN };

	if (poll(&polled, 1, manners->boot_ms) > 0)
		_exit(128 + SIGTERM);
	if (manners->exit_before_listen >= 0)
		_exit(manners->exit_before_listen);
}

int main(int argc, char **argv)
{
	static struct gateway gateway = {
		.manners = { .exit_code = -1,
			     .exit_after_ms = -1,
			     .exit_before_listen = -1,
			     .closed_ms = 2000 },
	};
	struct manners *manners = &gateway.manners;
	pthread_t thread;
	int signals;

	memset(gateway.connections, 0xff, sizeof(gateway.connections));
	flags_read(manners, argc, argv);
	gateway.started_ms = wall_ms();
	if (manners->starts)
		write_start(manners->starts);
	if (manners->env_file)
		write_environment(manners->env_file);
	if (manners->helper)
		leave_helper();
	if (manners->fork_session || manners->daemonise)
		fork_session(manners->daemonise);
	signals = signals_open(manners);
	if (manners->exit_after_ms >= 0 &&
	    pthread_create(&thread, NULL, exit_later, manners) != 0)
		fail("thread");
	boot(manners, signals);
	state_open(manners);
	serve(&gateway, signals);
}
