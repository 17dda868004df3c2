/* Looking into /proc and telling ours from others; the scout that hangs. */
#include "config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/redact.h"
#include "gateway/lock.h"
#include "gateway/process.h"
#include "gateway/scout.h"
#include "unit/tap.h"

#include "base/banned.h"

#define INSTANCE "WAKEGATE_INSTANCE=0123456789abcdef/test/"
#define OTHER	 1000

static struct process made(pid_t pid, uint64_t start, pid_t parent,
			   pid_t session)
{
	return (struct process){ .id = { .pid = pid, .start = start },
				 .parent = parent,
				 .session = session,
				 .uid = OTHER,
				 .name = "sh" };
}

static void test_marks(void)
{
	struct process items[] = {
		made(1, 1, 0, 1),	 /* 0 init */
		made(500, 50, 1, 500),	 /* 1 the keeper */
		made(600, 60, 500, 600), /* 2 its child: the wrapper */
		made(601, 61, 600, 600), /* 3 the wrapper's child */
		made(602, 62, 1, 602),	 /* 4 bears the instance */
		made(603, 63, 602, 603), /* 5 its child in an own session */
		made(700, 40, 1, 600), /* 6 an older user of the session's id */
		made(701, 70, 1, 701), /* 7 a stranger on the port */
		made(702, 71, 1, 702), /* 8 started by hand, on the port */
		made(703, 72, 1, 703), /* 9 the same name, not on the port */
	};
	struct process_list list = { .items = items,
				     .count =
					     sizeof(items) / sizeof(items[0]) };
	struct process_claim claim = { .main = { .pid = 600, .start = 60 },
				       .session = 600,
				       .keeper = 500,
				       .uid = OTHER,
				       .name = "openclaw-gateway" };
	static const bool want[] = { false, false, true,  true, true,
				     true,  false, false, true, false };

	items[4].bears = true;
	items[7].listens = true;
	items[8].listens = true;
	memcpy(items[8].name, "openclaw-gatewa", 16); /* comm is cut at 15 */
	memcpy(items[9].name, "openclaw-gatewa", 16);
	process_mark(&list, &claim);
	for (size_t i = 0; i < list.count; i++)
		ok(items[i].ours == want[i], "process %zu is %sours", i,
		   want[i] ? "" : "not ");
	ok(process_stranger(&list) == &items[7], "the stranger is named");
	ok(process_listener(&list) == &items[8], "and so is our listener");
	ok(process_ours(&list) == 5, "five are ours");
	ok(process_eldest(&list) == &items[2], "the eldest is the wrapper");
	items[2].zombie = true;
	ok(process_ours(&list) == 4, "a zombie is dead");
	claim.main.start = 59;
	claim.keeper = 0;
	claim.session = 0;
	process_mark(&list, &claim);
	ok(!items[2].ours && !items[3].ours,
	   "a pid with another start time is somebody else");
}

static int listen_somewhere(struct address *ret)
{
	struct sockaddr_in *in = &ret->socket.in;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(ret, 0, sizeof(*ret));
	ret->len = sizeof(*in);
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, &ret->socket.any, ret->len) != 0 ||
	    listen(fd, 1) != 0 ||
	    getsockname(fd, &ret->socket.any, &ret->len) != 0)
		return -1;
	return fd;
}

/* A child that bears the instance in its environment and holds no port. */
static pid_t start_bearer(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		char *const argv[] = { (char[]){ "sleep" }, (char[]){ "60" },
				       NULL };
		char *const envp[] = { (char[]){ INSTANCE "3" }, NULL };

		(void)setsid();
		(void)execve("/bin/sleep", argv, envp);
		_exit(127);
	}
	return pid;
}

/* execve is seen by its effect. */
static bool await_bearer(struct process_list *list, pid_t pid)
{
	struct deadline deadline = deadline_in(5000);
	struct err err;

	do {
		if (process_look(list, INSTANCE, NULL, &err))
			return false;
		for (size_t i = 0; i < list->count; i++)
			if (list->items[i].id.pid == pid &&
			    list->items[i].bears)
				return true;
		process_list_free(list);
	} while (deadline_pause(deadline, 5));
	return false;
}

static void test_look(void)
{
	struct process_claim claim = { .uid = getuid(), .name = "none" };
	struct process_list list = { .count = 0 };
	pid_t bearer = start_bearer();
	struct err err;
	int status = 0;

	ok(await_bearer(&list, bearer), "the bearer of an instance is found");
	process_mark(&list, &claim);
	ok(process_ours(&list) == 1, "and nobody else is ours");
	ok(process_eldest(&list)->id.start == process_start(bearer),
	   "its start time is the same by either way");
	ok(process_signal(&list, NULL, SIGKILL, &err) == 1, "it is signalled");
	ok(waitpid(bearer, &status, 0) == bearer && WIFSIGNALED(status),
	   "and gone");
	ok(process_signal(&list, NULL, SIGKILL, &err) == 0,
	   "a pid that is gone is not signalled again");
	process_list_free(&list);
}

static void test_port(void)
{
	struct address address;
	struct process_list list = { .count = 0 };
	int fd = listen_somewhere(&address);
	size_t holders = 0;
	struct err err;

	ok(fd >= 0, "a port is open");
	ok(process_look(&list, INSTANCE, &address, &err) == 0, "looked");
	ok(list.listening && list.listener_uid == getuid(),
	   "the listener's user is known");
	for (size_t i = 0; i < list.count; i++)
		if (list.items[i].listens) {
			holders++;
			ok(list.items[i].id.pid == getpid(),
			   "this process holds the port");
		}
	ok(holders == 1, "and no other");
	process_list_free(&list);
	(void)close(fd);
	ok(process_look(&list, INSTANCE, &address, &err) == 0 &&
		   !list.listening,
	   "a closed port has no listener");
	process_list_free(&list);
}

static void hang_on_42(struct scout *scout, const void *argument)
{
	(void)argument;
	for (pid_t pid = 40; pid < 45; pid++) {
		if (!scout_at(scout, pid))
			continue;
		if (pid == 42)
			(void)poll(NULL, 0, -1);
		scout_put(scout, &pid, sizeof(pid));
	}
}

static void hang_on_nothing(struct scout *scout, const void *argument)
{
	(void)argument;
	(void)scout_at(scout, 0);
	(void)poll(NULL, 0, -1);
}

static void test_scout(void)
{
	struct buffer out = BUFFER_INIT(1 << 16);
	struct deadline limit = deadline_in(3000);
	bool hung = false;
	struct err err;

	ok(scout_run(hang_on_42, NULL, deadline_in(5000), &out, &hung, &err) ==
			   0 &&
		   hung && out.len == 4 * sizeof(pid_t),
	   "what hangs is passed over");
	limit = deadline_in(900);
	ok(scout_run(hang_on_42, NULL, deadline_in(5000), &out, &hung, &err) ==
			   0 &&
		   !deadline_passed(limit),
	   "and not waited for again");
	limit = deadline_in(4000);
	ok(scout_run(hang_on_nothing, NULL, deadline_in(5000), &out, &hung,
		     &err) == -1 &&
		   err.code == ERR_TIMEOUT && !deadline_passed(limit),
	   "a /proc that hangs altogether is an error in time");
	buffer_free(&out);
	while (waitpid(-1, NULL, WNOHANG) >= 0 && deadline_pause(limit, 1))
		;
	ok(waitpid(-1, NULL, WNOHANG) == -1, "no child of it is left");
}

static void test_locks(void)
{
	char folder[] = "/tmp/wakegate-lock-XXXXXX";
	char *path;
	int a = -1;
	int b = -1;
	bool taken = true;
	struct err err;

	ok(mkdtemp(folder) && lock_open(&a, folder, "x", &err) == 0 &&
		   lock_open(&b, folder, "x", &err) == 0,
	   "two holders have the file open");
	ok(lock_is_taken(b, LOCK_OWNER, &taken, &err) == 0 && !taken,
	   "nobody owns it");
	ok(lock_take(a, LOCK_OWNER, &err) == 0, "one takes it");
	ok(lock_take(b, LOCK_OWNER, &err) == -1 && err.code == ERR_BUSY,
	   "the other doesn't");
	ok(lock_is_taken(b, LOCK_OWNER, &taken, &err) == 0 && taken,
	   "and sees that");
	ok(lock_wait_place(a, 1, &err) == 0 &&
		   lock_wait_place(b, 1, &err) == -1 && err.code == ERR_BUSY,
	   "one place is for one waiter");
	(void)close(a);
	ok(lock_take(b, LOCK_OWNER, &err) == 0 &&
		   lock_wait_place(b, 1, &err) == 0,
	   "closing gives all back");
	(void)close(b);
	path = lock_path(folder, "x");
	ok(path && unlink(path) == 0, "its path is told");
	free(path);
	(void)rmdir(folder);
}

static bool redacts(const char *before, const char *after)
{
	static char secret[] = "s3cr3t-value";
	static char *const secrets[] = { secret, NULL };
	char text[256];

	(void)snprintf(text, sizeof(text), "%s", before);
	redact(text, sizeof(text), secrets);
	if (strcmp(text, after) != 0)
		printf("# got: %s\n", text);
	return strcmp(text, after) == 0;
}

static void test_redaction(void)
{
	ok(redacts("starting", "starting"), "plain text stays");
	ok(redacts("x s3cr3t-value y", "x [redacted] y"), "a known secret");
	ok(redacts("GET /?token=abc&x=1", "GET /?token=[redacted]&x=1"),
	   "a token in a URL");
	ok(redacts("Authorization: Bearer a b\nnext",
		   "Authorization: [redacted]\nnext"),
	   "a header's whole value");
	ok(redacts("{\"api_key\": \"abc\"}", "{\"api_key\": \"[redacted]\"}"),
	   "a member of JSON");
	ok(redacts("PASSWORD=hunter2 ok", "PASSWORD=[redacted] ok"),
	   "in capitals");
	ok(redacts("the key is lost", "the key is lost"), "a mere word stays");
	ok(redacts("run --token abc -v", "run --token [redacted] -v"),
	   "an option's word");
	ok(redacts("run --auth-token=abc -v", "run --auth-token=[redacted] -v"),
	   "an option with its value");
	ok(redacts("['--api-key', 'abc', 'x']",
		   "['--api-key', '[redacted]', 'x']"),
	   "an option in a list");
	ok(redacts("with Bearer abc now", "with Bearer [redacted] now"),
	   "a bearer's token");
	ok(redacts("5 tokens: 3 keyboards", "5 tokens: 3 keyboards"),
	   "what only looks a little like it stays");
}

static void test_command_secrets(void)
{
	static char program[] = "run", option[] = "--gateway-token",
		    value[] = "abc", both[] = "--passphrase=abc",
		    variable[] = "API_KEY=abc", plain[] = "--port=1";
	char *const command[] = {
		program, option, value, both, variable, plain
	};

	ok(!redact_secret_in(command, 0) && !redact_secret_in(command, 1) &&
		   !redact_secret_in(command, 5),
	   "a program, an option's name, a plain option are no secrets");
	ok(redact_secret_in(command, 2) == value, "the word after one is");
	ok(redact_secret_in(command, 3) == both + 13 &&
		   redact_secret_in(command, 4) == variable + 8,
	   "and so is what follows '='");
}

int main(void)
{
	test_marks();
	test_look();
	test_port();
	test_scout();
	test_locks();
	test_redaction();
	test_command_secrets();
	return done_testing();
}
