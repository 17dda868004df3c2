#include "config.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "gateway/connections_private.h"

#include "base/banned.h"

static void read_line(struct found_list *list, const char *line, uint16_t port)
{
	struct found found = { .inode = (uint32_t)list->count };
	unsigned local = 0;
	unsigned state = 0;

	/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
	if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", &local,
		   &state) != 2 ||
	    local != port)
		return;
	if (state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT)
		found_add(list, &found);
}

int connections_read_tcp(struct found_list *list, uint16_t port,
			 struct err *err)
{
	static const char *const paths[] = { "/proc/net/tcp",
					     "/proc/net/tcp6" };
	bool read = false;
	char line[512];

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		FILE *file = fopen(paths[i], "re");

		if (!file)
			continue;
		read = true;
		while (fgets(line, sizeof(line), file))
			read_line(list, line, port);
		(void)fclose(file);
	}
	return read ? 0 : err_errno(err, "cannot read '/proc/net/tcp'");
}
