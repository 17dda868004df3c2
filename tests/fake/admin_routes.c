/* Prints the table of the administration's endpoints, "METHOD PATH" a line, below
 * their default routes, so that a test meets each of them, also those that come
 * later. Where a name follows, it is `name`. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "edge/admin.h"

static bool is_named(const char *path)
{
	size_t len = strlen(path);

	return len > 1 && path[len - 1] == '/';
}

int main(void)
{
	const struct admin_route *route;

	for (route = admin_routes; route->method; route++)
		(void)printf("%s %s%s%s\n", route->method,
			     route->page ? "/_admin" : "/api/admin",
			     route->path, is_named(route->path) ? "name" : "");
	return 0;
}
