/* syslogd SOCKET FILE: writes what comes to the socket into the file, a
 * line each. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char line[8192];
	FILE *file;
	ssize_t len;
	int fd;

	if (argc != 3)
		return 2;
	file = fopen(argv[2], "ae");
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		       argv[1]);
	if (!file || fd < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		perror("syslogd");
		return 1;
	}
	while ((len = recv(fd, line, sizeof(line) - 1, 0)) >= 0) {
		line[len] = '\0';
		(void)fprintf(file, "%s\n", line);
		(void)fflush(file);
	}
	return 1;
}
