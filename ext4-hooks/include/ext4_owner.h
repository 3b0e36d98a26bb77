/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The ioctls by which a directory gets a policy: the key that files made below
 * it belong to.
 */
#ifndef EXT4_OWNER_H
#define EXT4_OWNER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define EXT4_OWNER_POLICY_V1	1
#define EXT4_OWNER_KEY_ID_SIZE	16

/*
 * version: EXT4_OWNER_POLICY_V1
 * flags, reserved: 0
 * key_id: the key of new files and directories below this directory
 */
struct ext4_owner_policy {
	__u32	version;
	__u32	flags;
	__u8	key_id[EXT4_OWNER_KEY_ID_SIZE];
	__u8	reserved[8];
};

/*
 * SET: on an empty directory its owner or CAP_FOWNER holds; EEXIST if it has
 * another policy already, ENOTEMPTY, ENOTDIR, ENOKEY (key not loaded),
 * EOPNOTSUPP (not mounted on an inocrypt volume).  Same policy again: 0.
 * GET: on a file or directory; ENODATA if it has none.
 */
#define EXT4_IOC_SET_OWNER_POLICY	_IOW('f', 0x70, struct ext4_owner_policy)
#define EXT4_IOC_GET_OWNER_POLICY	_IOR('f', 0x71, struct ext4_owner_policy)

#endif /* EXT4_OWNER_H */
