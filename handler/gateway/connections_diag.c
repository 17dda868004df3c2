/* sock_diag(7). The kernel's answers are trusted in their form: netlink(7) comes
 * from nobody else, as diag_dump() sees to. */
#include "config.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gateway/connections_private.h"

#include "base/banned.h"

#define ANSWER_BYTES   32768
#define SILENCE_S      2     /* of the kernel */
#define TIME_WAIT_MS   60000 /* the kernel's TCP_TIMEWAIT_LEN */
#define EXT(attribute) (uint8_t)(1U << ((attribute)-1))
#define STATE(state)   (1U << (state))

int diag_open(int *ret, struct err *err)
{
	const struct timeval silence = { .tv_sec = SILENCE_S };
	CLEANUP_FD int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence,
				 sizeof(silence)) != 0)
		return err_errno(err, "cannot ask the kernel for connections");
	*ret = STEAL_FD(fd);
	return 0;
}

/* Gives 1 at the dump's end, 0 before. */
static int take_messages(char *buf, size_t len,
			 void (*each)(struct found_list *, const void *,
				      size_t),
			 struct found_list *list, struct err *err)
{
	/* the kernel aligns what it sends, and so is the buffer */
	struct nlmsghdr *head = (void *)buf;
	const struct nlmsgerr *error;

	for (; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
		if (head->nlmsg_type == NLMSG_DONE)
			return 1;
		if (head->nlmsg_type == NLMSG_ERROR) {
			error = NLMSG_DATA(head);
			errno = -error->error;
			return err_errno(err, "the kernel lists no "
					      "connections");
		}
		if (head->nlmsg_type == SOCK_DIAG_BY_FAMILY)
			each(list, NLMSG_DATA(head), NLMSG_PAYLOAD(head, 0));
	}
	return 0;
}

int diag_dump(int fd, const void *request, size_t len,
	      void (*each)(struct found_list *list, const void *message,
			   size_t len),
	      struct found_list *list, struct err *err)
{
	CLEANUP_FREE char *buf = malloc(ANSWER_BYTES);
	struct sockaddr_nl peer = { .nl_family = AF_NETLINK };
	int done = 0;

	if (!buf)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (sendto(fd, request, len, 0, (const struct sockaddr *)&peer,
		   sizeof(peer)) != (ssize_t)len)
		return err_errno(err, "cannot ask the kernel for connections");
	while (done == 0) {
		socklen_t peer_len = sizeof(peer);
		ssize_t got = recvfrom(fd, buf, ANSWER_BYTES, 0,
				       (struct sockaddr *)&peer, &peer_len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_errno(err, "the kernel does not answer");
		if (peer.nl_pid != 0)
			continue;
		done = take_messages(buf, (size_t)got, each, list, err);
	}
	return done < 0 ? -1 : 0;
}

/* --- TCP */

struct tcp_request {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

/* An IPv4 address as IPv6 has it: both ends may differ in that. */
static void set_peer(struct found *found, int family, const uint32_t words[4],
		     uint16_t port)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(found->peer, words, 16);
	if (family == AF_INET) {
		memcpy(found->peer, mapped, sizeof(mapped));
		memcpy(found->peer + 12, words, 4);
	}
	found->peer_port = port;
}

/* The macros of rtnetlink(3) know no const. */
static struct rtattr *find_attribute(const struct inet_diag_msg *message,
				     size_t len, int type)
{
	struct rtattr *attribute = (void *)(uintptr_t)(message + 1);
	size_t left = len - sizeof(*message);

	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
		if (attribute->rta_type == type)
			return attribute;
	return NULL;
}

static void note_ended(struct found_list *list,
		       const struct inet_diag_msg *message)
{
	int64_t age_ms = TIME_WAIT_MS - (int64_t)message->idiag_expires;

	if (age_ms < list->ended_ms)
		list->ended_ms = age_ms > 0 ? age_ms : 0;
}

static bool has_our_tos(const struct inet_diag_msg *message, size_t len)
{
	int type = message->idiag_family == AF_INET ? INET_DIAG_TOS
						    : INET_DIAG_TCLASS;
	struct rtattr *attribute = find_attribute(message, len, type);
	uint8_t tos;

	if (!attribute || RTA_PAYLOAD(attribute) < 1)
		return false;
	memcpy(&tos, RTA_DATA(attribute), 1);
	return tos == ADDRESS_OUR_TOS;
}

static bool has_pool_buffer(const struct inet_diag_msg *message, size_t len)
{
	struct rtattr *attribute =
		find_attribute(message, len, INET_DIAG_SKMEMINFO);
	uint32_t words[SK_MEMINFO_RCVBUF + 1];

	if (!attribute || RTA_PAYLOAD(attribute) < sizeof(words))
		return false;
	memcpy(words, RTA_DATA(attribute), sizeof(words));
	/* the kernel doubles what SO_RCVBUF gives */
	return words[SK_MEMINFO_RCVBUF] == 2 * POOL_RCVBUF;
}

/* The client's end, where that is on this machine: it knows more. These are listed
 * first, since who goes closes that one first. */
static void take_client_end(struct found_list *list, const void *data,
			    size_t len)
{
	const struct inet_diag_msg *message = data;
	struct found found = { .inode = 0 };

	set_peer(&found, message->idiag_family, message->id.idiag_src,
		 message->id.idiag_sport);
	found.ours = has_our_tos(message, len);
	found.connection.pooled = has_pool_buffer(message, len);
	/* a receive queue counts a FIN, too */
	found.connection.unread = message->idiag_state == TCP_ESTABLISHED &&
				  message->idiag_rqueue > 0;
	found_add(list, &found);
}

/* The gateway's end of a connection. */
static void take_server_end(struct found_list *list, const void *data,
			    size_t len)
{
	const struct inet_diag_msg *message = data;
	struct rtattr *attribute;
	struct found found = { .inode = 0 };
	const struct found *client;

	if (message->idiag_state == TCP_TIME_WAIT) {
		note_ended(list, message);
		return;
	}
	set_peer(&found, message->idiag_family, message->id.idiag_dst,
		 message->id.idiag_dport);
	found.connection.half_closed = message->idiag_state == TCP_CLOSE_WAIT;
	found.connection.unread =
		message->idiag_rqueue >
			(found.connection.half_closed ? 1U : 0U) ||
		message->idiag_wqueue > 0;
	attribute = find_attribute(message, len, INET_DIAG_INFO);
	if (attribute &&
	    RTA_PAYLOAD(attribute) >=
		    offsetof(struct tcp_info, tcpi_last_ack_recv)) {
		struct tcp_info info;

		memset(&info, 0, sizeof(info));
		memcpy(&info, RTA_DATA(attribute),
		       RTA_PAYLOAD(attribute) < sizeof(info)
			       ? RTA_PAYLOAD(attribute)
			       : sizeof(info));
		found.connection.timed = true;
		found.connection.sent_ms = info.tcpi_last_data_sent;
		found.connection.received_ms = info.tcpi_last_data_recv;
	}
	client = found_get(list->clients, &found);
	if (client) {
		found.ours = client->ours;
		found.connection.pooled = client->connection.pooled;
		found.connection.unread |= client->connection.unread;
	}
	found_add(list, &found);
}

static int dump_both(int fd, struct tcp_request *request,
		     void (*each)(struct found_list *, const void *, size_t),
		     struct found_list *list, struct err *err)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < sizeof(families); i++) {
		request->body.sdiag_family = families[i];
		if (diag_dump(fd, request, sizeof(*request), each, list, err))
			return -1;
	}
	return 0;
}

int connections_ask_tcp(struct found_list *list, uint16_t port, bool ended,
			struct err *err)
{
	struct tcp_request request = {
		.head = { .nlmsg_len = sizeof(request),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.body = { .sdiag_protocol = IPPROTO_TCP },
	};
	CLEANUP_FD int fd = -1;

	if (diag_open(&fd, err))
		return -1;
	request.body.idiag_states =
		STATE(TCP_ESTABLISHED) | STATE(TCP_FIN_WAIT1) |
		STATE(TCP_FIN_WAIT2) | STATE(TCP_CLOSE_WAIT);
	request.body.id.idiag_dport = htons(port);
	request.body.idiag_ext = EXT(INET_DIAG_TOS) | EXT(INET_DIAG_TCLASS) |
				 EXT(INET_DIAG_SKMEMINFO);
	if (dump_both(fd, &request, take_client_end, list->clients, err))
		return -1;
	request.body.idiag_states =
		STATE(TCP_ESTABLISHED) | STATE(TCP_CLOSE_WAIT);
	if (ended)
		request.body.idiag_states |= STATE(TCP_TIME_WAIT);
	request.body.id.idiag_dport = 0;
	request.body.id.idiag_sport = htons(port);
	request.body.idiag_ext = EXT(INET_DIAG_INFO);
	return dump_both(fd, &request, take_server_end, list, err);
}
