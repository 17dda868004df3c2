#include "config.h"

#include "base/log.h"
#include "edge/desk.h"

#include "base/banned.h"

void desk_free(struct call *call)
{
	if (call)
		client_free(call->client);
	call_free(call);
}

static struct call *new_desk(struct edge *edge)
{
	struct client *client = NULL;
	struct call *call = NULL;
	struct err err;

	if (client_fcgi_new(&client, &err) == 0 &&
	    call_new(&call, edge, client, &err) == 0)
		return call;
	log_line(LEVEL_ERROR, "msg=\"%s\"", err.text);
	client_free(client);
	return NULL;
}

struct call *desk_take(struct desks *desks)
{
	return desks->count > 0 ? desks->spare[--desks->count]
				: new_desk(desks->edge);
}

void desk_leave(struct desks *desks, struct call *call)
{
	if (call && desks->count < GATE_PENDING_MAX)
		desks->spare[desks->count++] = call;
	else
		desk_free(call);
}

bool desks_clear(struct desks *desks)
{
	bool any = desks->count > 0;

	while (desks->count > 0)
		desk_free(desks->spare[--desks->count]);
	return any;
}
