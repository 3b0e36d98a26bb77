// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners: which key an inode belongs to, and what follows from that.
 *
 * The key id is kept in an xattr whose name index has no handler: user space
 * can't list, read, copy or drop it.  A directory gets it by an ioctl, whatever
 * is made below inherits it in the transaction that makes it.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/key-type.h>
#include <linux/mount.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>
#include <keys/user-type.h>

#include "ext4.h"
#include "ext4_jbd2.h"
#include "xattr.h"
#include "../compat/fs.h"

/*
 * This index has no entry in ext4_xattr_handler_map[], and is out of the way of
 * future ones.
 */
#define OWNER_XATTR_INDEX	79
#define OWNER_XATTR_NAME	"k"
#define OWNER_XATTR_V1		1

/*
 * The xattr's value on the disk. @flags is one of EXT4_OWNER_POLICY_*, of a
 * directory; @key_id then means nothing.
 */
struct owner_xattr {
	u8	version;
	u8	flags;
	u8	reserved[2];
	u8	key_id[BIO_OWNER_KEY_ID_SIZE];
};

static_assert(sizeof_field(struct ext4_inode_info, i_owner_key) ==
	      BIO_OWNER_KEY_ID_SIZE);
static_assert(EXT4_OWNER_KEY_ID_SIZE == BIO_OWNER_KEY_ID_SIZE);
/*
 * Credits for a new inode's xattr are counted as fscrypt's, so it mustn't be
 * larger.
 */
static_assert(sizeof(struct owner_xattr) <= FSCRYPT_SET_CONTEXT_MAX_SIZE);

static int set_key(struct inode *inode, const u8 *key_id)
{
	struct ext4_inode_info *ei = EXT4_I(inode);
	int err = 0;

	memcpy(ei->i_owner_key, key_id, sizeof(ei->i_owner_key));
	if (S_ISREG(inode->i_mode))
		err = ext4_owner_join(inode);
	if (!err)
		/* Pairs with smp_load_acquire() in ext4_has_owner_key(). */
		smp_store_release(&ei->i_owner_keyed, true);
	return err;
}

static void fill_xattr(struct owner_xattr *x, u8 flags, const u8 *key_id)
{
	memset(x, 0, sizeof(*x));
	x->version = OWNER_XATTR_V1;
	x->flags = flags;
	/* Beside a flag this may be an id that another inode left in memory. */
	if (!flags)
		memcpy(x->key_id, key_id, sizeof(x->key_id));
}

static bool valid_xattr(const struct inode *inode, const struct owner_xattr *x)
{
	if (x->version != OWNER_XATTR_V1 || x->reserved[0] || x->reserved[1])
		return false;
	if (x->flags == EXT4_OWNER_POLICY_USER_KEY ||
	    x->flags == EXT4_OWNER_POLICY_NO_KEY)
		/* Earlier versions stored stale ids beside a flag. */
		return S_ISDIR(inode->i_mode);
	return !x->flags;
}

/**
 * ext4_owner_load - learn an inode's key when it is read in
 * @inode: new, its xattrs can be found
 *
 * Return: 0, also if it has none; or a negative errno, and the inode must not
 * be used: its data would be taken for the volume's.
 */
int ext4_owner_load(struct inode *inode)
{
	struct owner_xattr x;
	int ret;

	if (!S_ISREG(inode->i_mode) && !S_ISDIR(inode->i_mode))
		return 0;
	if (ext4_test_inode_flag(inode, EXT4_INODE_EA_INODE))
		return 0;
	if (!ext4_test_inode_state(inode, EXT4_STATE_XATTR) &&
	    !EXT4_I(inode)->i_file_acl)
		return 0;

	ret = ext4_xattr_get(inode, OWNER_XATTR_INDEX, OWNER_XATTR_NAME, &x,
			     sizeof(x));
	if (ret == -ENODATA || ret == -EOPNOTSUPP)
		return 0;
	if (ret != sizeof(x) || !valid_xattr(inode, &x)) {
		/*
		 * On a device that keeps no owners no owned data can be
		 * mistaken for the volume's, and a damaged xattr does no more
		 * harm there than in the stock ext4.
		 */
		if (ret < 0 && ret != -ERANGE && !ext4_owner_volume(inode->i_sb))
			return 0;
		ext4_warning_inode(inode, "can't tell whose it is (%d)", ret);
		return ret < 0 && ret != -ERANGE ? ret : -EFSCORRUPTED;
	}
	if (!x.flags)
		return set_key(inode, x.key_id);
	WRITE_ONCE(EXT4_I(inode)->i_owner_flags, x.flags);
	return 0;
}

/*
 * Read from the user keyring which key the current fsuid wants its files under.
 * The keyring is found as the kernel finds it (look_up_user_keyrings() in
 * security/keys/process_keys.c), but it isn't made if it isn't there, and it is
 * that of the fsuid: a server's threads act for others.
 */
static int default_key(u8 *key_id)
{
	struct user_namespace *ns = current_user_ns();
	/* Pairs with smp_store_release() in get_user_register(). */
	struct key *reg = smp_load_acquire(&ns->user_keyring_register);
	const struct user_key_payload *payload;
	key_ref_t keyring, ref;
	char name[20];
	struct key *key;
	int err = -ENOKEY;

	if (!reg)
		return -ENOKEY;
	snprintf(name, sizeof(name), "_uid.%u", from_kuid(ns, current_fsuid()));
	keyring = keyring_search(make_key_ref(reg, true), &key_type_keyring,
				 name, false);
	if (IS_ERR(keyring))
		return -ENOKEY;
	ref = keyring_search(make_key_ref(key_ref_to_ptr(keyring), true),
			     &key_type_user, EXT4_OWNER_DEFAULT_KEY, false);
	key_ref_put(keyring);
	if (IS_ERR(ref))
		return -ENOKEY;
	key = key_ref_to_ptr(ref);
	if (!key_validate(key)) {
		down_read(&key->sem);
		payload = user_key_payload_locked(key);
		/* A key that was revoked meanwhile has no payload. */
		if (payload && payload->datalen == 2 * BIO_OWNER_KEY_ID_SIZE &&
		    !hex2bin(key_id, payload->data, BIO_OWNER_KEY_ID_SIZE))
			err = 0;
		up_read(&key->sem);
	}
	key_put(key);
	return err;
}

/**
 * ext4_owner_new_inode - which key does a new inode get?
 * @dir: the directory it is made in
 * @inode: the new inode, with nothing but its mode and owner set
 * @encrypted: fscrypt is going to encrypt it
 *
 * Regular files and directories inherit the directory's key.  If its policy says so they
 * get their creator's own key, or none.  (A directory gets its creator's key, too, so
 * that what is made below it is under that.)  Symlinks never have a key: a long target
 * is in a block that goes through the journal.
 *
 * Return: 0; -ENOKEY if the key isn't there or none is given where one is
 * required; -ENOMEM.
 */
int ext4_owner_new_inode(struct inode *dir, struct inode *inode, bool encrypted)
{
	const struct ext4_owner_opts *opts = ext4_owner_options(dir->i_sb);
	u8 flags = READ_ONCE(EXT4_I(dir)->i_owner_flags);
	u8 key_id[BIO_OWNER_KEY_ID_SIZE];
	int err = 0;

	if (!S_ISREG(inode->i_mode) && !S_ISDIR(inode->i_mode))
		return 0;

	if (flags & EXT4_OWNER_POLICY_NO_KEY) {
		if (!S_ISDIR(inode->i_mode))
			return 0;
		/*
		 * Such a file could be moved anywhere, and the policy with it.
		 */
		if (!capable(CAP_SYS_ADMIN))
			return -EACCES;
		EXT4_I(inode)->i_owner_flags = flags;
		return 0;
	}
	if (flags & EXT4_OWNER_POLICY_USER_KEY) {
		struct ext4_owner_keys *keys = ext4_owner_keys(dir->i_sb);

		err = keys ? default_key(key_id) : -ENOKEY;
		/*
		 * The check is that of a policy: nobody has to live with files
		 * under a key that he doesn't use.
		 */
		if (!err && !capable(CAP_FOWNER) &&
		    !ext4_owner_key_claimed(keys, key_id))
			err = -ENOKEY;
		if (!err)
			err = set_key(inode, key_id);
	} else if (ext4_has_owner_key(dir)) {
		err = set_key(inode, EXT4_I(dir)->i_owner_key);
	} else if (S_ISREG(inode->i_mode) && opts && opts->has_key &&
		   !encrypted) {
		err = set_key(inode, opts->key_id);
	} else if (S_ISREG(inode->i_mode) && opts && opts->require_key) {
		err = -ENOKEY;
	}

	return err ? err : ext4_owner_check_key(inode);
}

/**
 * ext4_owner_init_xattr - store a new inode's key
 * @handle: the transaction that makes the inode, see
 *	ext4_xattr_credits_for_new_inode()
 * @inode: after ext4_owner_new_inode(), now with its number
 *
 * Return: 0, -EOVERFLOW if the device can't keep an owner of this number, or
 * another negative errno.
 */
int ext4_owner_init_xattr(handle_t *handle, struct inode *inode)
{
	struct bio_owner_volume *vol = ext4_owner_volume(inode->i_sb);
	struct ext4_inode_info *ei = EXT4_I(inode);
	struct owner_xattr x;

	if (!ext4_has_owner_policy(inode))
		return 0;

	if (S_ISREG(inode->i_mode)) {
		if (WARN_ON_ONCE(!vol))
			return -ENOKEY;
		if (inode->i_ino > vol->max_ino)
			return -EOVERFLOW;
		ext4_clear_inode_state(inode, EXT4_STATE_MAY_INLINE_DATA);
	}
	fill_xattr(&x, ei->i_owner_flags, ei->i_owner_key);
	/* This makes the transaction ineligible for a fast commit. */
	return ext4_xattr_set_handle(handle, inode, OWNER_XATTR_INDEX,
				     OWNER_XATTR_NAME, &x, sizeof(x),
				     XATTR_CREATE);
}

/**
 * ext4_owner_clear_xattr - a deleted inode's key isn't the next one's
 * @handle: the transaction that frees the inode
 * @inode: about to be written for the last time
 *
 * Fast commits don't log xattrs.  When one is replayed that made an inode without any,
 * the inode would get those that are still in the inode table.
 */
void ext4_owner_clear_xattr(handle_t *handle, struct inode *inode)
{
	if (!ext4_has_owner_policy(inode))
		return;
	/* For a new inode ext4_do_update_inode() zeroes all that it doesn't set. */
	ext4_set_inode_state(inode, EXT4_STATE_NEW);
	/*
	 * The number of a directory may be used again before the deletion has
	 * committed.
	 */
	if (ext4_handle_valid(handle))
		ext4_fc_mark_ineligible(inode->i_sb, EXT4_FC_REASON_XATTR,
					handle);
}

/**
 * ext4_owner_check_key - can this inode's data be used now?
 * @inode: any inode
 *
 * Return: 0, also if it needs no key; else -ENOKEY.
 */
int ext4_owner_check_key(struct inode *inode)
{
	struct ext4_inode_info *ei = EXT4_I(inode);
	struct bio_owner_volume *vol;
	bool locking;

	if (!ext4_has_owner_key(inode))
		return 0;
	vol = ext4_owner_volume(inode->i_sb);
	if (!vol)
		return -ENOKEY;
	/*
	 * If the key begins to be locked right after this, the caller holds a
	 * lock that clean_inode() waits for.
	 */
	if (ei->i_owner_mkey)
		locking = READ_ONCE(ei->i_owner_mkey->locking);
	else
		locking = ext4_owner_key_locking(ext4_owner_keys(inode->i_sb),
						 ei->i_owner_key);
	return locking ? -ENOKEY : bio_owner_key_present(vol, ei->i_owner_key);
}

/**
 * ext4_owner_check_page - may this writer go on to the next page?
 * @inode: the file
 *
 * The writer has called ext4_owner_check_key() before.  But locking a key doesn't wait
 * for ever for a writer that is stuck while it holds the inode's lock.
 *
 * Context: a page is locked, a handle may be held.
 * Return: 0 or -ENOKEY.
 */
int ext4_owner_check_page(struct inode *inode)
{
	struct ext4_owner_mkey *mkey = EXT4_I(inode)->i_owner_mkey;

	if (!mkey || !READ_ONCE(mkey->locked))
		return 0;
	return ext4_owner_check_key(inode);
}

/**
 * ext4_owner_check_read - may a direct read begin?
 * @inode: the file
 *
 * It may not while its key is being locked: that takes the inode's lock, which readers
 * share, and without this they could hold it without a pause.
 *
 * Return: 0 or -ENOKEY.
 */
int ext4_owner_check_read(struct inode *inode)
{
	struct ext4_owner_mkey *mkey = EXT4_I(inode)->i_owner_mkey;

	return mkey && READ_ONCE(mkey->locking) ? -ENOKEY : 0;
}

/**
 * ext4_owner_file_modified - file_modified(), if the file's key is there
 * @file: about to be changed by fallocate, its inode locked
 *
 * Return: 0 or a negative errno.
 */
int ext4_owner_file_modified(struct file *file)
{
	int err;

	lockdep_assert_held_write(&file_inode(file)->i_rwsem);
	err = ext4_owner_check_key(file_inode(file));
	return err ? err : file_modified(file);
}

/**
 * ext4_owner_check_link - may this inode be in this directory?
 * @dir: the directory
 * @inode: what is to be linked or renamed into it
 *
 * As with fscrypt, a directory with a key holds only what has the same key.  One whose
 * policy is its creators' keys holds what has any key, and directories with the same
 * policy.  A directory without either holds anything.
 *
 * Return: 0 or -EXDEV.
 */
int ext4_owner_check_link(struct inode *dir, struct inode *inode)
{
	u8 flags = READ_ONCE(EXT4_I(dir)->i_owner_flags);

	if (!S_ISREG(inode->i_mode) && !S_ISDIR(inode->i_mode))
		return 0;
	if (flags & EXT4_OWNER_POLICY_USER_KEY)
		return ext4_has_owner_key(inode) ||
		       READ_ONCE(EXT4_I(inode)->i_owner_flags) == flags ?
		       0 : -EXDEV;
	if (!ext4_has_owner_key(dir))
		return 0;
	if (ext4_has_owner_key(inode) &&
	    !memcmp(EXT4_I(inode)->i_owner_key, EXT4_I(dir)->i_owner_key,
		    sizeof(EXT4_I(dir)->i_owner_key)))
		return 0;
	return -EXDEV;
}

/**
 * ext4_owner_check_rename - as ext4_owner_check_link(), for both directions
 * @old_dir: source directory
 * @old_inode: what is renamed
 * @new_dir: target directory
 * @new_inode: what it replaces or is exchanged with; may be NULL
 * @flags: RENAME_EXCHANGE matters
 *
 * Return: 0 or -EXDEV.
 */
int ext4_owner_check_rename(struct inode *old_dir, struct inode *old_inode,
			    struct inode *new_dir, struct inode *new_inode,
			    unsigned int flags)
{
	int err;

	if (old_dir == new_dir)
		return 0;
	err = ext4_owner_check_link(new_dir, old_inode);
	if (!err && (flags & RENAME_EXCHANGE))
		err = ext4_owner_check_link(old_dir, new_inode);
	return err;
}

/*
 * ioctls and mount options
 */

static int set_dir_policy(struct inode *dir, u8 flags, const u8 *key_id)
{
	struct ext4_inode_info *ei = EXT4_I(dir);
	struct owner_xattr x;
	int err;

	lockdep_assert_held_write(&dir->i_rwsem);
	if (IS_DEADDIR(dir))
		return -ENOENT;
	if (IS_IMMUTABLE(dir))
		return -EPERM;
	if (ei->i_owner_flags)
		return ei->i_owner_flags == flags ? 0 : -EEXIST;
	if (ext4_has_owner_key(dir))
		return flags || memcmp(ei->i_owner_key, key_id,
				       BIO_OWNER_KEY_ID_SIZE) ? -EEXIST : 0;
	if (IS_ENCRYPTED(dir))
		return -EOPNOTSUPP;
	if (!ext4_empty_dir(dir))
		return -ENOTEMPTY;

	fill_xattr(&x, flags, key_id);
	err = ext4_xattr_set(dir, OWNER_XATTR_INDEX, OWNER_XATTR_NAME, &x,
			     sizeof(x), XATTR_CREATE);
	if (err)
		return err;
	if (!flags)
		return set_key(dir, key_id);
	WRITE_ONCE(ei->i_owner_flags, flags);
	return 0;
}

/**
 * ext4_owner_ioc_set_policy - EXT4_IOC_SET_OWNER_POLICY
 * @filp: a directory
 * @arg: &struct ext4_owner_policy
 *
 * Return: 0 or a negative errno, see ext4_owner.h.
 */
int ext4_owner_ioc_set_policy(struct file *filp, const void __user *arg)
{
	struct inode *inode = file_inode(filp);
	struct ext4_owner_policy policy;
	struct bio_owner_volume *vol;
	int err;

	if (copy_from_user(&policy, arg, sizeof(policy)))
		return -EFAULT;
	if (policy.version != EXT4_OWNER_POLICY_V1 ||
	    (policy.flags && policy.flags != EXT4_OWNER_POLICY_USER_KEY &&
	     policy.flags != EXT4_OWNER_POLICY_NO_KEY) ||
	    memchr_inv(policy.reserved, 0, sizeof(policy.reserved)))
		return -EINVAL;
	if (policy.flags &&
	    memchr_inv(policy.key_id, 0, sizeof(policy.key_id)))
		return -EINVAL;
	if (!ext4_compat_owner_or_capable(filp))
		return -EACCES;
	if (!S_ISDIR(inode->i_mode))
		return -ENOTDIR;
	vol = ext4_owner_volume(inode->i_sb);
	if (!vol)
		return ext4_owner_none(inode->i_sb);
	if (policy.flags == EXT4_OWNER_POLICY_NO_KEY &&
	    !capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (!policy.flags) {
		err = bio_owner_key_present(vol, policy.key_id);
		/*
		 * As with fscrypt, nobody has to live with another user's key.
		 */
		if (!err && !capable(CAP_FOWNER) &&
		    !ext4_owner_key_claimed(ext4_owner_keys(inode->i_sb),
					    policy.key_id))
			err = -ENOKEY;
		if (err)
			return err;
	}

	err = mnt_want_write_file(filp);
	if (err)
		return err;
	inode_lock(inode);
	err = set_dir_policy(inode, policy.flags, policy.key_id);
	inode_unlock(inode);
	mnt_drop_write_file(filp);
	return err;
}

/**
 * ext4_owner_ioc_get_policy - EXT4_IOC_GET_OWNER_POLICY
 * @filp: a file or directory
 * @arg: &struct ext4_owner_policy to be filled in
 *
 * Return: 0, or -ENODATA if it has none.
 */
int ext4_owner_ioc_get_policy(struct file *filp, void __user *arg)
{
	struct inode *inode = file_inode(filp);
	struct ext4_owner_policy policy = {
		.version = EXT4_OWNER_POLICY_V1,
	};

	if (!ext4_has_owner_policy(inode))
		return -ENODATA;
	policy.flags = READ_ONCE(EXT4_I(inode)->i_owner_flags);
	if (!policy.flags)
		memcpy(policy.key_id, EXT4_I(inode)->i_owner_key,
		       sizeof(policy.key_id));
	return copy_to_user(arg, &policy, sizeof(policy)) ? -EFAULT : 0;
}

/**
 * ext4_owner_parse_key - the mount option owner_key=
 * @opts: to be filled in
 * @hex: 32 hexadecimal digits
 *
 * Return: 0 or -EINVAL.
 */
int ext4_owner_parse_key(struct ext4_owner_opts *opts, const char *hex)
{
	if (strlen(hex) != 2 * sizeof(opts->key_id) ||
	    hex2bin(opts->key_id, hex, sizeof(opts->key_id))) {
		ext4_msg(NULL, KERN_ERR,
			 "owner_key needs a key id of 32 hexadecimal digits");
		return -EINVAL;
	}
	opts->has_key = true;
	return 0;
}

/**
 * ext4_owner_show_options - for /proc/mounts
 * @seq: where to
 * @sep: what options are separated by
 * @sb: the mount
 */
void ext4_owner_show_options(struct seq_file *seq, char sep,
			     struct super_block *sb)
{
	const struct ext4_owner_opts *opts = ext4_owner_options(sb);

	if (opts && opts->has_key)
		seq_printf(seq, "%cowner_key=%*phN", sep,
			   (int)sizeof(opts->key_id), opts->key_id);
	if (opts && opts->require_key)
		seq_printf(seq, "%crequire_key", sep);
}
