/* ws.h - what the WebSockets of the fakes share (RFC 6455)
 */
#ifndef FAKE_WS_H
#define FAKE_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WS_HEAD_MAX   14
#define WS_ACCEPT_LEN 28

enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

struct ws_frame {
	bool fin;
	unsigned char rsv; /* three bits, as they stand: 0x40 is RSV1 */
	unsigned char opcode;
	bool masked;
	unsigned char mask[4];
	uint64_t len;
};

/* Sec-WebSocket-Accept for a key. */
void ws_accept(const char *key, char ret[WS_ACCEPT_LEN + 1]);

/* Gives the length of the head. */
size_t ws_head_write(unsigned char out[WS_HEAD_MAX],
		     const struct ws_frame *frame);

/* How long the head is, from its first two bytes. */
size_t ws_head_len(const unsigned char first[2]);
void ws_head_read(struct ws_frame *ret, const unsigned char *head);

void ws_mask(char *data, size_t len, const unsigned char mask[4]);

#endif
