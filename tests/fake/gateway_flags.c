/* gateway_flags.c - the fake gateway's flags; see gateway.h */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"

static const char usage[] =
	"usage: gateway --listen HOST:PORT|unix:/PATH [flags]\n"
	"\n"
	"starting\n"
	"  --boot-ms N            is silent for so long before it listens\n"
	"  --ready-ms N           then listens, but answers 503 for so long\n"
	"  --starts FILE          adds the line 'PID START-TIME' when it "
	"starts\n"
	"  --env-file FILE        writes its environment there, a line each\n"
	"  --log-lines TEXT       prints TEXT when it starts (may be "
	"repeated)\n"
	"  --log-bytes N          prints so many bytes more, in lines\n"
	"  --fork-session         serves from a child in a session of its own; "
	"the\n"
	"                         parent waits for it\n"
	"  --daemonise            the same, but the parent exits with 0\n"
	"  --helper               leaves a child in a session of its own that\n"
	"                         ignores SIGTERM and does not hold the port\n"
	"ending\n"
	"  --ignore-term          SIGTERM does nothing\n"
	"  --exit-code N          its exit code, and that of its crashes\n"
	"  --exit-after-ms N      exits so long after its start\n"
	"  --exit-before-listen N exits with N instead of listening\n"
	"  --crash-at-request N   dies at the N-th request (probes not "
	"counted)\n"
	"  --crash-when W         'before' any byte of the answer, 'during', "
	"'after'\n"
	"  --hang-request         answers nothing but probes\n"
	"  --self-restart         on SIGUSR2 closes the port, then listens "
	"again\n"
	"  --closed-ms N          for so long (2000)\n"
	"  --deliveries FILE      adds each body that POST /count delivers\n"
	"  --uses FILE            keeps the time there when it last sent some "
	"of an\n"
	"                         answer (probes not counted), in ms\n"
	"remembering\n"
	"  --state DIR            has a live database and small files there; "
	"exits\n"
	"                         with 1 when they are damaged\n"
	"  --state-writes N       writes N transactions a second\n"
	"\n"
	"paths: / /pid /conn /startupz /healthz /crash[?when=during|after] "
	"/hang\n"
	"  /slow?ms=N[&head=1] /sse?n=N&ms=M /big?bytes=N[&chunked=1] "
	"/echo[?body=1]\n"
	"  /status?code=N /interim /cookies /redirect[?code=N&to=PATH] "
	"/early413\n"
	"  /close /half[?chunked=1] /chunks /count[?die=1|first] "
	"/state[?key=K]\n"
	"  /ws[?hello=TEXT&deflate=1] /ws-refuse /switch\n"
	"  (any method where none is said)\n";

static void print_bytes(int bytes)
{
	static const char line[] = "a line of output that says nothing and is "
				   "64 bytes long, or so.\n";

	for (; bytes > 0; bytes -= (int)sizeof(line) - 1)
		(void)fputs(line, stdout);
	(void)fflush(stdout);
}

static const struct option options[] = {
	{ "listen", required_argument, NULL, 'l' },
	{ "boot-ms", required_argument, NULL, 'b' },
	{ "ready-ms", required_argument, NULL, 'r' },
	{ "starts", required_argument, NULL, 's' },
	{ "exit-code", required_argument, NULL, 'x' },
	{ "exit-after-ms", required_argument, NULL, 'a' },
	{ "exit-before-listen", required_argument, NULL, 'X' },
	{ "crash-at-request", required_argument, NULL, 'c' },
	{ "crash-when", required_argument, NULL, 'w' },
	{ "hang-request", no_argument, NULL, 'h' },
	{ "fork-session", no_argument, NULL, 'f' },
	{ "daemonise", no_argument, NULL, 'D' },
	{ "helper", no_argument, NULL, 'p' },
	{ "ignore-term", no_argument, NULL, 'i' },
	{ "env-file", required_argument, NULL, 'e' },
	{ "log-lines", required_argument, NULL, 'o' },
	{ "log-bytes", required_argument, NULL, 'O' },
	{ "self-restart", no_argument, NULL, 'R' },
	{ "closed-ms", required_argument, NULL, 'C' },
	{ "deliveries", required_argument, NULL, 'd' },
	{ "uses", required_argument, NULL, 'u' },
	{ "state", required_argument, NULL, 'S' },
	{ "state-writes", required_argument, NULL, 'W' },
	{ "help", no_argument, NULL, '?' },
	{ NULL, 0, NULL, 0 },
};

static int number(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < 0 || value > 1000000000) {
		fprintf(stderr, "gateway: '%s' is not a number\n", text);
		exit(2);
	}
	return (int)value;
}

static void crash_when_set(struct manners *manners, const char *text)
{
	static const char *const names[] = { "before", "during", "after" };
	int i;

	for (i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0) {
			manners->crash_when = (enum crash_when)i;
			return;
		}
	fprintf(stderr, "gateway: --crash-when before|during|after\n");
	exit(2);
}

static bool flag_number(struct manners *manners, int flag, const char *value)
{
	switch (flag) {
	case 'b':
		manners->boot_ms = number(value);
		return true;
	case 'r':
		manners->ready_ms = number(value);
		return true;
	case 'x':
		manners->exit_code = number(value);
		return true;
	case 'a':
		manners->exit_after_ms = number(value);
		return true;
	case 'X':
		manners->exit_before_listen = number(value);
		return true;
	case 'c':
		manners->crash_at_request = number(value);
		return true;
	case 'O':
		manners->log_bytes = number(value);
		return true;
	case 'C':
		manners->closed_ms = number(value);
		return true;
	case 'W':
		manners->state_writes = number(value);
		return true;
	default:
		return false;
	}
}

static bool flag_set(struct manners *manners, int flag)
{
	switch (flag) {
	case 'l':
		manners->listen = optarg;
		return true;
	case 's':
		manners->starts = optarg;
		return true;
	case 'd':
		manners->deliveries = optarg;
		return true;
	case 'e':
		manners->env_file = optarg;
		return true;
	case 'u':
		manners->uses = optarg;
		return true;
	case 'S':
		manners->state = optarg;
		return true;
	case 'w':
		crash_when_set(manners, optarg);
		return true;
	case 'o':
		puts(optarg);
		return true;
	case 'h':
		manners->hang_request = true;
		return true;
	case 'f':
		manners->fork_session = true;
		return true;
	case 'D':
		manners->daemonise = true;
		return true;
	case 'p':
		manners->helper = true;
		return true;
	case 'i':
		manners->ignore_term = true;
		return true;
	case 'R':
		manners->self_restart = true;
		return true;
	default:
		return flag_number(manners, flag, optarg);
	}
}

void flags_read(struct manners *manners, int argc, char **argv)
{
	int flag;

	while ((flag = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!flag_set(manners, flag)) {
			(void)fputs(usage, optopt ? stderr : stdout);
			exit(optopt ? 2 : 0);
		}
	if (!manners->listen || optind != argc) {
		(void)fputs(usage, stderr);
		exit(2);
	}
	print_bytes(manners->log_bytes);
	(void)fflush(stdout);
}
