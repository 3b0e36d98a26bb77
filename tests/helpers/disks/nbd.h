/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What QEMU needs of the NBD protocol to use a disk that a program of ours
 * serves: the old-style handshake, requests, simple replies.
 */
#ifndef TESTS_NBD_H
#define TESTS_NBD_H

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define NBD_INIT_MAGIC		0x4e42444d41474943ULL	/* "NBDMAGIC" */
#define NBD_OLD_MAGIC		0x00420281861253ULL
#define NBD_REQUEST_MAGIC	0x25609513
#define NBD_REPLY_MAGIC		0x67446698
/* HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_WRITE_ZEROES */
#define NBD_FLAGS		0x6d
#define NBD_CMD_FLAG_FUA	0x1

enum {
	CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH, CMD_TRIM, CMD_CACHE, CMD_ZEROES
};

#define MIB		1048576U
#define MAX_DATA	(64 * MIB)

struct request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t handle, offset;
	uint32_t len;
} __attribute__((packed));

static inline bool nbd_send(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		struct pollfd pfd = { .fd = fd, .events = POLLOUT };
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			n = poll(&pfd, 1, -1) < 0 && errno != EINTR ? -1 : 0;
		if (n < 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

static inline bool nbd_reply(int fd, uint64_t handle, int error,
			     const void *data, size_t len)
{
	struct {
		uint32_t magic, error;
		uint64_t handle;
	} __attribute__((packed)) r = {
		htobe32(NBD_REPLY_MAGIC), htobe32(error), handle
	};

	return nbd_send(fd, &r, sizeof(r)) && (!len || nbd_send(fd, data, len));
}

static inline bool nbd_greet(int fd, uint64_t size)
{
	struct {
		uint64_t init, magic, size;
		uint32_t flags;
		uint8_t zero[124];
	} __attribute__((packed)) hello = {
		.init = htobe64(NBD_INIT_MAGIC),
		.magic = htobe64(NBD_OLD_MAGIC),
		.size = htobe64(size),
		.flags = htobe32(NBD_FLAGS),
	};

	return nbd_send(fd, &hello, sizeof(hello));
}

#endif
