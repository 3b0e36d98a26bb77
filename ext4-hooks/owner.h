/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owners: ext4 tells the device whose data each bio carries.
 *
 * Included at the end of ext4.h; what the hooks in ext4's own files call.
 *   owner.c		mount and unmount, deleted owners
 *   owner_policy.c	which key an inode belongs to
 *   owner_key.c		keys that users bring
 *   owner_lock.c	what locking a key takes away
 *   owner_io.c		tagged reads and writes
 *   owner_journal.c	journal blocks discarded before they are written again
 *   owner_place.c	which inode numbers and blocks files may have
 */
#ifndef _EXT4_OWNER_INTERNAL_H
#define _EXT4_OWNER_INTERNAL_H

#include <linux/hashtable.h>
#include <linux/refcount.h>
#include <linux/semaphore.h>

#include "bio_owner.h"
#include "ext4_owner.h"

struct ext4_owner_sb;
struct key_lock;
struct seq_file;

/*
 * A directory's key is that of its children; a directory has no tagged data of
 * its own.
 */
static inline bool ext4_has_owner_key(struct inode *inode)
{
	/* Pairs with smp_store_release() in ext4_owner_set_key(). */
	return smp_load_acquire(&EXT4_I(inode)->i_owner_keyed);
}

/* Has a directory any policy, or a file a key? */
static inline bool ext4_has_owner_policy(struct inode *inode)
{
	return ext4_has_owner_key(inode) ||
		READ_ONCE(EXT4_I(inode)->i_owner_flags);
}

/* Is this inode's data to be tagged? */
static inline bool ext4_owned(struct inode *inode)
{
	return S_ISREG(inode->i_mode) && ext4_has_owner_key(inode);
}

/* The error that says why there are no owners: see ext4_owner.h. */
static inline int ext4_owner_none(struct super_block *sb)
{
	return EXT4_SB(sb)->s_owner_inside ? -ENXIO : -EOPNOTSUPP;
}

/**
 * struct ext4_owner_opts - mount options
 * @key_id: key of new files in directories without a policy
 * @has_key: @key_id is set
 * @require_key: refuse new files that have no key
 */
struct ext4_owner_opts {
	u8	key_id[BIO_OWNER_KEY_ID_SIZE];
	bool	has_key;
	bool	require_key;
};

/**
 * struct ext4_owner_ring - the journal's blocks, as of the last commit
 * @head: where the next commit writes; 0 if that isn't known
 * @ahead: number of blocks from there on that are discarded
 * @used: how many blocks a commit has lately taken at most
 * @fc_known: the area of fast commits was discarded once
 *
 * Used by commit callbacks alone, of which there is one at a time.
 */
struct ext4_owner_ring {
	unsigned long	head;
	unsigned long	ahead;
	unsigned long	used;
	bool		fc_known;
};

/**
 * struct ext4_owner_mkey - a master key that is in use on a mount
 * @node: in ext4_owner_keys.keys; guarded by ext4_owner_keys.lock
 * @key_id: names it
 * @ref: the claims on it, its files in memory, and who uses it in an ioctl, each
 *	have one; the last one is dropped under ext4_owner_keys.lock
 * @claims: who uses it; guarded by ext4_owner_keys.lock
 * @nr_claims: their number; guarded by ext4_owner_keys.lock
 * @turn: held by whoever adds or locks the key.  Nobody waits for it but those who want
 *	to do that with the same key.  It is a semaphore, as the work that locks the key
 *	gives it back
 * @inodes_lock: guards @inodes and ext4_inode_info.i_owner_list; outside of i_lock
 * @inodes: its regular files in memory, new ones in front
 * @locking: it is being locked: writers and openers have to stop
 * @locked: it was locked after it was last brought: a writer that was stuck meanwhile
 *	has to check its key again, see ext4_owner_check_page()
 */
struct ext4_owner_mkey {
	struct hlist_node	node;
	u8			key_id[BIO_OWNER_KEY_ID_SIZE];
	refcount_t		ref;
	struct list_head	claims;
	u32			nr_claims;
	struct semaphore	turn;
	spinlock_t		inodes_lock;	/* see above */
	struct list_head	inodes;
	bool			locking;
	bool			locked;
};

/**
 * struct ext4_owner_keys - keys that files in memory are under, or users have brought
 * @lock: guards the tables and what is in them; inside of all other locks
 * @keys: &struct ext4_owner_mkey, by key id
 * @claims: who uses which key
 * @payers: how many claims a person has
 * @seed: of the hash of @claims
 * @wq: where keys are locked
 */
struct ext4_owner_keys {
	spinlock_t		lock;	/* see above */
	DECLARE_HASHTABLE(keys, 6);
	DECLARE_HASHTABLE(claims, 8);
	DECLARE_HASHTABLE(payers, 6);
	u32			seed;
	struct workqueue_struct	*wq;
};

/* owner.c */
int ext4_owner_bind(struct super_block *sb);
void ext4_owner_unbind(struct ext4_sb_info *sbi);
int ext4_owner_setup(struct super_block *sb);
void ext4_owner_writable(struct super_block *sb);
int ext4_owner_check_options(struct super_block *sb,
			     const struct ext4_owner_opts *opts);
void ext4_owner_apply_options(struct super_block *sb,
			      const struct ext4_owner_opts *opts);
const struct ext4_owner_opts *ext4_owner_options(struct super_block *sb);
struct bio_owner_volume *ext4_owner_volume(struct super_block *sb);
struct ext4_owner_ring *ext4_owner_ring(struct super_block *sb);
struct ext4_owner_keys *ext4_owner_keys(struct super_block *sb);
atomic64_t *ext4_owner_clear(struct super_block *sb);
void ext4_owner_free_inode(handle_t *handle, struct inode *inode);
bool ext4_owner_ino_busy(struct super_block *sb, ext4_group_t group,
			 unsigned long bit);
bool ext4_owner_wait_forgotten(struct super_block *sb);
int ext4_owner_sync(struct super_block *sb);

/* ialloc.c */
struct buffer_head *ext4_read_inode_bitmap(struct super_block *sb,
					   ext4_group_t group);

/* mballoc.c */
int ext4_mb_keep_clear(struct super_block *sb, ext4_group_t group,
		       ext4_grpblk_t first, ext4_grpblk_t last,
		       atomic64_t *taken);

/* owner_place.c */
void ext4_owner_keep_clear(struct super_block *sb);
void ext4_owner_freed(struct super_block *sb, ext4_group_t group,
		      ext4_grpblk_t start, ext4_grpblk_t count);
s64 ext4_owner_clear_clusters(struct ext4_sb_info *sbi);
ext4_group_t ext4_owner_group(struct inode *inode, ext4_group_t group);
unsigned long ext4_owner_group_inodes(struct inode *inode, ext4_group_t group);

/* owner_policy.c */
int ext4_owner_parse_key(struct ext4_owner_opts *opts, const char *hex);
void ext4_owner_show_options(struct seq_file *seq, char sep,
			     struct super_block *sb);
int ext4_owner_load(struct inode *inode);
int ext4_owner_new_inode(struct inode *dir, struct inode *inode,
			 bool encrypted);
int ext4_owner_init_xattr(handle_t *handle, struct inode *inode);
void ext4_owner_clear_xattr(handle_t *handle, struct inode *inode);
int ext4_owner_check_key(struct inode *inode);
int ext4_owner_check_page(struct inode *inode);
int ext4_owner_check_read(struct inode *inode);
int ext4_owner_file_modified(struct file *file);
int ext4_owner_check_link(struct inode *dir, struct inode *inode);
int ext4_owner_check_rename(struct inode *old_dir, struct inode *old_inode,
			    struct inode *new_dir, struct inode *new_inode,
			    unsigned int flags);
int ext4_owner_ioc_set_policy(struct file *filp, const void __user *arg);
int ext4_owner_ioc_get_policy(struct file *filp, void __user *arg);

/* owner_key.c */
int ext4_owner_keys_init(struct ext4_owner_keys *keys, const char *name);
void ext4_owner_keys_exit(struct ext4_owner_keys *keys,
			  struct bio_owner_volume *vol);
struct ext4_owner_mkey *ext4_owner_mkey_get(struct ext4_owner_keys *keys,
					    const u8 *key_id);
void ext4_owner_mkey_put(struct ext4_owner_keys *keys,
			 struct ext4_owner_mkey *mkey);
bool ext4_owner_key_locking(struct ext4_owner_keys *keys, const u8 *key_id);
bool ext4_owner_key_claimed(struct ext4_owner_keys *keys, const u8 *key_id);
int ext4_owner_ioc_key_add(struct file *filp, void __user *arg);
int ext4_owner_ioc_key_lock(struct file *filp, void __user *arg);
int ext4_owner_ioc_key_next(struct file *filp, void __user *arg);
int ext4_owner_ioc_key_delete(struct file *filp, const void __user *arg);

/* owner_lock.c */
int ext4_owner_join(struct inode *inode);
void ext4_owner_leave(struct inode *inode);
struct key_lock *ext4_owner_lock_new(struct file *filp,
				     struct ext4_owner_mkey *mkey);
int ext4_owner_lock_run(struct key_lock *kl,
			struct ext4_owner_key_lock *result);

/* owner_io.c */
struct iomap_iter;

void ext4_owner_submit_bio(struct inode *inode, struct bio *bio);
int ext4_owner_read_bh_lock(struct inode *inode, struct buffer_head *bh,
			    bool wait);
int ext4_owner_read_full_folio(struct folio *folio);
int ext4_owner_zeroout(struct inode *inode, ext4_fsblk_t pblk,
		       ext4_lblk_t len);
void ext4_owner_dio_submit_io(const struct iomap_iter *iter, struct bio *bio,
			      loff_t pos);
extern const struct iomap_dio_ops ext4_owner_dio_read_ops;

/* owner_journal.c */
void ext4_owner_journal_commit(journal_t *journal);

#endif /* _EXT4_OWNER_INTERNAL_H */
