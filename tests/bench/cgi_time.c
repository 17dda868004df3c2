/* cgi_time.c - from exec to the first byte of a CGI program's answer
 *
 *	cgi_time ROUNDS PROGRAM	(its environment is ours)
 *
 * Prints the median and the 99th percentile in microseconds.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t run(char *program)
{
	char *argv[] = { program, NULL };
	posix_spawn_file_actions_t actions;
	char buf[65536];
	int64_t begin;
	int64_t took;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		exit(1);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	begin = now_us();
	if (posix_spawn(&pid, program, &actions, NULL, argv, environ) != 0)
		exit(1);
	(void)close(ends[1]);
	if (read(ends[0], buf, 1) != 1)
		exit(1);
	took = now_us() - begin;
	while (read(ends[0], buf, sizeof(buf)) > 0)
		;
	(void)close(ends[0]);
	(void)waitpid(pid, NULL, 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	return took;
}

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a;
	int64_t right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
	size_t rounds = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
	int64_t *times = calloc(rounds + 1, sizeof(*times));

	if (rounds == 0 || !times)
		return 2;
	for (size_t i = 0; i < rounds; i++)
		times[i] = run(argv[2]);
	qsort(times, rounds, sizeof(*times), compare);
	printf("%lld %lld\n", (long long)times[rounds / 2],
	       (long long)times[rounds * 99 / 100]);
	free(times);
	return 0;
}
