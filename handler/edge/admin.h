/* admin.h - what who administers may ask: routes.admin, routes.page, and all below
 *
 * Nothing here is ever passed to the gateway, wakes it (but for what is asked to),
 * or counts as its use.
 */
#ifndef WAKEGATE_ADMIN_H
#define WAKEGATE_ADMIN_H

#include <jansson.h>

#include "edge/access.h"
#include "edge/call.h"

struct admin {
	struct call *call;
	enum access access;
	bool page;	   /* asked by the operator's page: it is answered so */
	struct slice name; /* behind the route's path */
	json_t *body;	   /* an object; {} where the request has none */
};

enum admin_body {
	BODY_NOTHING,	 /* none, or an object without members */
	BODY_SNAPSHOT,	 /* it may have the member "snapshot" */
	BODY_PARAMETERS, /* any, and a form is as good */
};

struct admin_route {
	const char *method; /* GET, which is HEAD too, or POST; NULL ends it */
	const char *path;   /* behind routes.admin or, page, behind routes.page;
			     * with a '/' at its end: a name follows */
	void (*answer)(struct admin *admin);
	bool page;
	bool backup; /* needs a backup that is configured */
	enum admin_body body;
};

/* All of them. Access is decided before one is looked up. */
extern const struct admin_route admin_routes[];

void admin_answer(struct call *call);

#endif
