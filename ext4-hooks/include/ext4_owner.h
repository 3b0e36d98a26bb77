/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The ioctls by which a directory gets a policy (the key that files made below
 * it belong to), and users bring, lock and list master keys on a mount.
 */
#ifndef EXT4_OWNER_H
#define EXT4_OWNER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define EXT4_OWNER_POLICY_V1	1
#define EXT4_OWNER_KEY_ID_SIZE	16
#define EXT4_OWNER_KEY_SIZE	32

/* In flags: each creator's own default key, see EXT4_OWNER_DEFAULT_KEY. */
#define EXT4_OWNER_POLICY_USER_KEY	0x1
/* In flags: no key, whatever the mount options say. */
#define EXT4_OWNER_POLICY_NO_KEY	0x2

/*
 * version: EXT4_OWNER_POLICY_V1
 * flags: one of the above (key_id is then all zero), or 0
 * key_id: the key of new files and directories below this directory
 * reserved: 0
 */
struct ext4_owner_policy {
	__u32	version;
	__u32	flags;
	__u8	key_id[EXT4_OWNER_KEY_ID_SIZE];
	__u8	reserved[8];
};

/*
 * SET: on an empty directory its owner or CAP_FOWNER holds; EEXIST if it has
 * another policy already, ENOTEMPTY, ENOTDIR, ENOKEY (key not loaded, or not by
 * the caller, who doesn't hold CAP_FOWNER), EOPNOTSUPP (not mounted on an
 * inocrypt volume), ENXIO (mounted from one, but not from its first sector on).
 * NO_KEY takes CAP_SYS_ADMIN (else EACCES).  Same policy again: 0.
 * GET: on a file or directory; ENODATA if it has none.  A file whose key isn't
 * loaded can be opened for it with access mode 3, which allows ioctls only.
 */
#define EXT4_IOC_SET_OWNER_POLICY	_IOW('f', 0x70, struct ext4_owner_policy)
#define EXT4_IOC_GET_OWNER_POLICY	_IOR('f', 0x71, struct ext4_owner_policy)

/*
 * Keys.  Any file or directory of the mount will do, opened in any way but
 * O_PATH.  All fail with EOPNOTSUPP or ENXIO, as above, unless mounted on an inocrypt
 * volume.
 */

/* In ext4_owner_key_add.flags: make it known to the volume if it isn't. */
#define EXT4_OWNER_KEY_CREATE		0x1
/* Records that one user other than CAP_SYS_ADMIN may make ... */
#define EXT4_OWNER_KEYS_PER_USER	16
/* ... and slots kept back for CAP_SYS_ADMIN. */
#define EXT4_OWNER_KEYS_SPARE		64
/*
 * Uses of keys that one person other than CAP_SYS_ADMIN may have: a user, or, of all
 * who are in other user namespaces than the first, the owner of the outermost.
 */
#define EXT4_OWNER_CLAIMS_PER_USER	1024

/*
 * raw: the master key
 * flags: EXT4_OWNER_KEY_CREATE or 0
 * key_id: out: its name
 *
 * Loads the key and notes that the caller's file system user (fsuid) uses it.  Whoever
 * knows a key may.  User 0 without CAP_SYS_ADMIN is another user than with it.
 * ENOKEY: the volume doesn't know it; EDQUOT, ENOSPC, EROFS; EPERM: CREATE in another
 * user namespace than the first, or by user 0 without CAP_SYS_ADMIN.  Waits, until
 * killed, only for who brings or locks the same key.
 */
struct ext4_owner_key_add {
	__u8	raw[EXT4_OWNER_KEY_SIZE];
	__u8	key_id[EXT4_OWNER_KEY_ID_SIZE];
	__u32	flags;
	__u32	reserved;
};

#define EXT4_IOC_OWNER_KEY_ADD		_IOWR('f', 0x72, struct ext4_owner_key_add)

/* In ext4_owner_key_lock.flags: for all its users (CAP_SYS_ADMIN) */
#define EXT4_OWNER_LOCK_ALL_USERS	0x1
/* ... or: only if nobody else uses it, else EBUSY and nothing has changed */
#define EXT4_OWNER_LOCK_IF_LAST		0x2
/* In ext4_owner_key_lock.status */
#define EXT4_OWNER_LOCK_OTHER_USERS	0x1	/* not locked: others use it */
#define EXT4_OWNER_LOCK_PINNED		0x2	/* pages pinned, not wiped */
#define EXT4_OWNER_LOCK_WRITE_FAILED	0x4	/* files not written back: lost */

/*
 * key_id: which
 * flags: one of the above, or 0
 * status: out: see above
 * busy: out: files still open (or mapped, or executed): locked all the same,
 *	what they had in memory is gone, and using them gives errors
 *
 * The caller's use of the key ends; with the last one's the files under it are
 * written back, their pages wiped and dropped, the key and all that derives from
 * it wiped.  ENOKEY: not loaded, or not used by the caller.  EINTR: the caller was
 * killed; what had begun goes on without him.  Holds back only who brings or locks
 * the same key, or uses files under it.  Keys added with dmsetup have no users, or
 * user 0 when somebody else brings them too: they take ALL_USERS, or user 0.
 */
struct ext4_owner_key_lock {
	__u8	key_id[EXT4_OWNER_KEY_ID_SIZE];
	__u32	flags;
	__u32	status;
	__u32	busy;
	__u32	reserved;
};

#define EXT4_IOC_OWNER_KEY_LOCK		_IOWR('f', 0x73, struct ext4_owner_key_lock)

/* In ext4_owner_key_info.flags */
#define EXT4_OWNER_KEY_LOADED		0x1
#define EXT4_OWNER_KEY_MINE		0x2	/* the caller uses it */
/* Others' use isn't shown: LOADED only with MINE, only himself among the users. */
#define EXT4_OWNER_KEY_OTHERS_HIDDEN	0x4

/*
 * slot: in: first slot to look at; out: where the key was found
 * key_id, uid (who made it known to the volume), flags, users (how many use it): out
 *
 * Walks the keys that the volume knows.  ENOENT: no more.  Others' use is shown to
 * CAP_SYS_ADMIN alone.  Doesn't wait for keys that are being brought or locked.
 */
struct ext4_owner_key_info {
	__u32	slot;
	__u32	flags;
	__u32	uid;
	__u32	users;
	__u8	key_id[EXT4_OWNER_KEY_ID_SIZE];
};

#define EXT4_IOC_OWNER_KEY_NEXT		_IOWR('f', 0x74, struct ext4_owner_key_info)

/*
 * The volume forgets a key that nobody has loaded and no file is under; by who
 * made it known, or CAP_SYS_ADMIN (else EACCES).  ENOKEY: not known; EBUSY:
 * loaded, or there are files with data under it (directories' policies and empty
 * files stay, ENOKEY until the key is made known again).  Takes a key id.
 */
struct ext4_owner_key_id {
	__u8	key_id[EXT4_OWNER_KEY_ID_SIZE];
};

#define EXT4_IOC_OWNER_KEY_DELETE	_IOW('f', 0x75, struct ext4_owner_key_id)

/*
 * A key of type "user" with this description, in the user keyring of a file's
 * creator (fsuid): 32 hexadecimal digits, the id of the master key that his new
 * files are under in directories with EXT4_OWNER_POLICY_USER_KEY.
 */
#define EXT4_OWNER_DEFAULT_KEY		"EXT4_DEFAULT_KEY"

#endif /* EXT4_OWNER_H */
