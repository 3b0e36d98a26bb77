// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt key rotate: what it asks of the file system.  The tests of the copying
 * put something else in this file's place.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ext4_owner.h"
#include "rotate/rotate.h"

/**
 * rot_policy_get() - whose is it?
 * @r: the run
 * @fd: a file or a directory
 * @policy: receives the answer
 *
 * Return: 0 or a negative errno.
 */
int rot_policy_get(const struct rot *r, int fd, enum rot_policy *policy)
{
	struct ext4_owner_policy p = { 0 };

	*policy = ROT_NONE;
	if (ioctl(fd, EXT4_IOC_GET_OWNER_POLICY, &p))
		return errno == ENODATA ? 0 : -errno;
	if (p.flags)
		*policy = ROT_SPECIAL;
	else if (!memcmp(p.key_id, r->old, sizeof(r->old)))
		*policy = ROT_OLD;
	else if (!memcmp(p.key_id, r->new, sizeof(r->new)))
		*policy = ROT_NEW;
	else
		*policy = ROT_OTHER;
	return 0;
}

/**
 * rot_policy_set_new() - what is made here is under the new key
 * @r: the run
 * @fd: an empty directory
 *
 * Return: 0 or a negative errno.
 */
int rot_policy_set_new(const struct rot *r, int fd)
{
	struct ext4_owner_policy p = { .version = EXT4_OWNER_POLICY_V1 };

	memcpy(p.key_id, r->new, sizeof(p.key_id));
	return ioctl(fd, EXT4_IOC_SET_OWNER_POLICY, &p) ? -errno : 0;
}

/**
 * rot_key_loaded() - can files under a key be read, as far as the caller may know?
 * @fd: anything on the mount
 * @id: names the key
 *
 * Return: 1 if so, 0 if not, or a negative errno.
 */
int rot_key_loaded(int fd, const u8 *id)
{
	struct ext4_owner_key_info info = { 0 };

	for (;; info.slot++) {
		if (ioctl(fd, EXT4_IOC_OWNER_KEY_NEXT, &info))
			return errno == ENOENT ? 0 : -errno;
		if (!memcmp(info.key_id, id, sizeof(info.key_id)))
			return !!(info.flags & EXT4_OWNER_KEY_LOADED);
	}
}
