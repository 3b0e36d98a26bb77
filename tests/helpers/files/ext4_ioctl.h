/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ext4's own calls, which no header of the system has.
 */
#ifndef TESTS_EXT4_IOCTL_H
#define TESTS_EXT4_IOCTL_H

#include <stdint.h>
#include <sys/ioctl.h>

#define EXT4_IOC_SETVERSION	_IOW('f', 4, long)
#define EXT4_IOC_MOVE_EXT	_IOWR('f', 15, struct move_extent)
#define EXT4_IOC_SWAP_BOOT	_IO('f', 17)

struct move_extent {
	uint32_t reserved;
	uint32_t donor_fd;
	uint64_t orig_start;
	uint64_t donor_start;
	uint64_t len;
	uint64_t moved_len;
};

#endif
