/* ws.c - frames and the handshake of WebSocket; see ws.h */
#include <string.h>

#include "ws.h"

#define BLOCK 64

static uint32_t roll(uint32_t x, int bits)
{
	return x << bits | x >> (32 - bits);
}

/* FIPS 180-4, 6.1.2 */
static void sha1_block(uint32_t h[5], const unsigned char *block)
{
	static const uint32_t k[4] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc,
				       0xca62c1d6 };
	uint32_t v[5];
	uint32_t w[80];
	int t;

	for (t = 0; t < 16; t++)
		w[t] = (uint32_t)block[4 * t] << 24 |
		       (uint32_t)block[4 * t + 1] << 16 |
		       (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
	for (; t < 80; t++)
		w[t] = roll(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
	memcpy(v, h, sizeof(v));
	for (t = 0; t < 80; t++) {
		uint32_t f =
			t < 20	 ? (v[1] & v[2]) | (~v[1] & v[3])
			: t < 40 ? v[1] ^ v[2] ^ v[3]
			: t < 60 ? (v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3])
				 : v[1] ^ v[2] ^ v[3];
		uint32_t next = roll(v[0], 5) + f + v[4] + k[t / 20] + w[t];

		v[4] = v[3];
		v[3] = v[2];
		v[2] = roll(v[1], 30);
		v[1] = v[0];
		v[0] = next;
	}
	for (t = 0; t < 5; t++)
		h[t] += v[t];
}

/* Of at most 2 * BLOCK - 9 bytes. */
static void sha1(const char *text, unsigned char ret[20])
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
			  0xc3d2e1f0 };
	unsigned char data[2 * BLOCK] = { 0 };
	size_t len = strlen(text);
	size_t end = len + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
	size_t i;

	memcpy(data, text, len);
	data[len] = 0x80;
	data[end - 2] = (unsigned char)(len * 8 >> 8);
	data[end - 1] = (unsigned char)(len * 8);
	for (i = 0; i < end; i += BLOCK)
		sha1_block(h, data + i);
	for (i = 0; i < 20; i++)
		ret[i] = (unsigned char)(h[i / 4] >> (24 - i % 4 * 8));
}

void ws_accept(const char *key, char ret[WS_ACCEPT_LEN + 1])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
				     "pqrstuvwxyz0123456789+/";
	unsigned char hash[21] = { 0 };
	char text[80] = "";
	size_t i;

	/* a key has 24 characters */
	memcpy(text, key, strnlen(key, 24));
	memcpy(text + strlen(text), guid, sizeof(guid));
	sha1(text, hash);
	for (i = 0; i < 7; i++) {
		const unsigned char *three = hash + 3 * i;

		ret[4 * i] = digits[three[0] >> 2];
		ret[4 * i + 1] = digits[(three[0] & 3) << 4 | three[1] >> 4];
		ret[4 * i + 2] = digits[(three[1] & 15) << 2 | three[2] >> 6];
		ret[4 * i + 3] = digits[three[2] & 63];
	}
	ret[WS_ACCEPT_LEN - 1] = '=';
	ret[WS_ACCEPT_LEN] = '\0';
}

size_t ws_head_write(unsigned char out[WS_HEAD_MAX],
		     const struct ws_frame *frame)
{
	int bytes = frame->len < 126 ? 0 : frame->len < 65536 ? 2 : 8;
	size_t used = 2;

	out[0] = (unsigned char)((frame->fin ? 0x80 : 0) | frame->rsv |
				 frame->opcode);
	out[1] = bytes == 0   ? (unsigned char)frame->len
		 : bytes == 2 ? 126
			      : 127;
	while (bytes-- > 0)
		out[used++] = (unsigned char)(frame->len >> 8 * bytes);
	if (frame->masked) {
		out[1] |= 0x80;
		memcpy(out + used, frame->mask, 4);
		used += 4;
	}
	return used;
}

size_t ws_head_len(const unsigned char first[2])
{
	size_t len = first[1] & 0x7f;

	return 2 +
	       (len < 126    ? 0U
		: len == 126 ? 2U
			     : 8U) +
	       (first[1] & 0x80 ? 4U : 0U);
}

void ws_head_read(struct ws_frame *ret, const unsigned char *head)
{
	size_t bytes = ws_head_len(head) - 2 - (head[1] & 0x80 ? 4 : 0);
	size_t i;

	ret->fin = (head[0] & 0x80) != 0;
	ret->rsv = head[0] & 0x70;
	ret->opcode = head[0] & 0x0f;
	ret->masked = (head[1] & 0x80) != 0;
	ret->len = bytes == 0 ? head[1] & 0x7f : 0;
	for (i = 0; i < bytes; i++)
		ret->len = ret->len << 8 | head[2 + i];
	if (ret->masked)
		memcpy(ret->mask, head + 2 + bytes, 4);
}

void ws_mask(char *data, size_t len, const unsigned char mask[4])
{
	size_t i;

	for (i = 0; i < len; i++)
		data[i] = (char)(data[i] ^ mask[i & 3]);
}
