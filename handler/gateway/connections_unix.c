#include "config.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "gateway/connections_private.h"

#include "base/banned.h"

struct unix_request {
	struct nlmsghdr head;
	struct unix_diag_req body;
};

/* Fills what it says of a connected socket; name is NULL when it has none. */
struct unix_answer {
	const struct unix_diag_msg *message;
	const char *name;
	size_t name_len;
	uint32_t peer;
	uint32_t waiting; /* in the queue of a listener */
};

static void read_answer(struct unix_answer *ret, const void *data, size_t len)
{
	const struct unix_diag_msg *message = data;
	/* the macros of rtnetlink(3) know no const */
	struct rtattr *attribute = (void *)(uintptr_t)(message + 1);
	size_t left = len - sizeof(*message);

	*ret = (struct unix_answer){ .message = message };
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type == UNIX_DIAG_NAME) {
			ret->name = RTA_DATA(attribute);
			ret->name_len = RTA_PAYLOAD(attribute);
		}
		if (attribute->rta_type == UNIX_DIAG_PEER &&
		    RTA_PAYLOAD(attribute) >= sizeof(ret->peer))
			memcpy(&ret->peer, RTA_DATA(attribute),
			       sizeof(ret->peer));
		if (attribute->rta_type == UNIX_DIAG_RQLEN &&
		    RTA_PAYLOAD(attribute) >= sizeof(ret->waiting))
			memcpy(&ret->waiting, RTA_DATA(attribute),
			       sizeof(ret->waiting));
	}
}

/* An end of ours, somebody's client. */
static void take_our_end(struct found_list *list, const void *data, size_t len)
{
	static const char prefix[] = "\0" ADDRESS_OUR_NAME;
	struct unix_answer answer;
	struct found found = { .ours = true };

	read_answer(&answer, data, len);
	if (answer.peer == 0 || !answer.name ||
	    answer.name_len < sizeof(prefix) - 1 ||
	    memcmp(answer.name, prefix, sizeof(prefix) - 1) != 0)
		return;
	found.inode = answer.peer;
	found_add(list, &found);
}

/* A socket that was accepted has its listener's name. One that was not is not
 * shown, but it waits in the listener's queue. */
static void take_server_end(struct found_list *list, const void *data,
			    size_t len)
{
	struct unix_answer answer;
	struct found found = { .inode = 0 };

	read_answer(&answer, data, len);
	if (!answer.name ||
	    strnlen(answer.name, answer.name_len) != strlen(list->path) ||
	    memcmp(answer.name, list->path, strlen(list->path)) != 0)
		return;
	if (answer.message->udiag_state == TCP_LISTEN && answer.waiting == 0)
		return;
	found.inode = answer.message->udiag_ino;
	found.ours = found_get(list->clients, &found) != NULL;
	found_add(list, &found);
}

int connections_ask_unix(struct found_list *list, const char *path,
			 struct err *err)
{
	struct unix_request request = {
		.head = { .nlmsg_len = sizeof(request),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.body = { .sdiag_family = AF_UNIX,
			  .udiag_states =
				  1U << TCP_ESTABLISHED | 1U << TCP_LISTEN,
			  .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER |
					UDIAG_SHOW_RQLEN },
	};
	CLEANUP_FD int fd = -1;

	list->path = path;
	if (diag_open(&fd, err) || diag_dump(fd, &request, sizeof(request),
					     take_our_end, list->clients, err))
		return -1;
	return diag_dump(fd, &request, sizeof(request), take_server_end, list,
			 err);
}
