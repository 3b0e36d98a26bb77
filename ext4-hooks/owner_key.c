// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners: master keys that the users of a mount bring, lock and list.
 *
 * Whoever knows a key may load it, as with fscrypt: a key opens nothing that
 * file permissions don't allow.  Each user who brings it has a claim on it; when
 * the last claim is dropped the files under the key are written back, their
 * pages wiped and dropped, and the key is gone.
 */
#include <linux/cpu.h>
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "ext4.h"

static_assert(EXT4_OWNER_KEY_SIZE == BIO_OWNER_KEY_SIZE);

/* How long to wait for those who are copying from a page: times 20 ms. */
#define WIPE_TRIES	50

/* How long to wait, in all, for files whose writers are stuck: times 20 ms. */
#define LOCK_TRIES	1500

/* A user's use of a loaded key. */
struct key_claim {
	struct list_head	list;
	u8			key_id[BIO_OWNER_KEY_ID_SIZE];
	kuid_t			uid;
	bool			elsewhere;	/* user 0's: was loaded before */
};

static bool same_key(const u8 *a, const u8 *b)
{
	return !memcmp(a, b, BIO_OWNER_KEY_ID_SIZE);
}

/**
 * ext4_owner_keys_init - nobody has brought a key yet
 * @keys: of a new mount
 */
void ext4_owner_keys_init(struct ext4_owner_keys *keys)
{
	mutex_init(&keys->mutex);
	spin_lock_init(&keys->lock);
	INIT_LIST_HEAD(&keys->claims);
}

/* Under keys->mutex or keys->lock. */
static struct key_claim *find_claim(struct ext4_owner_keys *keys,
				    const u8 *key_id, kuid_t uid)
{
	struct key_claim *claim;

	list_for_each_entry(claim, &keys->claims, list)
		if (same_key(claim->key_id, key_id) && uid_eq(claim->uid, uid))
			return claim;
	return NULL;
}

/* Under keys->mutex. */
static u32 count_claims(struct ext4_owner_keys *keys, const u8 *key_id)
{
	struct key_claim *claim;
	u32 n = 0;

	list_for_each_entry(claim, &keys->claims, list)
		n += same_key(claim->key_id, key_id);
	return n;
}

/* Under keys->mutex. */
static void add_claim(struct ext4_owner_keys *keys, struct key_claim *claim,
		      const u8 *key_id, kuid_t uid)
{
	memcpy(claim->key_id, key_id, sizeof(claim->key_id));
	claim->uid = uid;
	spin_lock(&keys->lock);
	list_add_tail(&claim->list, &keys->claims);
	spin_unlock(&keys->lock);
}

/* Under keys->mutex. */
static void drop_claim(struct ext4_owner_keys *keys, struct key_claim *claim)
{
	spin_lock(&keys->lock);
	list_del(&claim->list);
	spin_unlock(&keys->lock);
	kfree(claim);
}

/* Under keys->mutex. */
static void drop_claims(struct ext4_owner_keys *keys, const u8 *key_id)
{
	struct key_claim *claim, *n;

	list_for_each_entry_safe(claim, n, &keys->claims, list)
		if (same_key(claim->key_id, key_id))
			drop_claim(keys, claim);
}

/**
 * ext4_owner_keys_exit - a mount goes away, and with it what was brought to it
 * @keys: of the mount; nobody uses it any more
 * @vol: the volume it is bound to
 */
void ext4_owner_keys_exit(struct ext4_owner_keys *keys,
			  struct bio_owner_volume *vol)
{
	while (!list_empty(&keys->claims)) {
		u8 key_id[BIO_OWNER_KEY_ID_SIZE];
		struct key_claim *roots;
		bool stays;

		memcpy(key_id, list_first_entry(&keys->claims,
						struct key_claim, list)->key_id,
		       sizeof(key_id));
		roots = find_claim(keys, key_id, GLOBAL_ROOT_UID);
		stays = roots && roots->elsewhere;
		drop_claims(keys, key_id);
		if (!stays)
			bio_owner_key_remove(vol, key_id);
	}
}

/**
 * ext4_owner_key_locking - is this key being locked right now?
 * @keys: of the mount
 * @key_id: names the key
 *
 * Context: any that may take a spinlock.
 */
bool ext4_owner_key_locking(struct ext4_owner_keys *keys, const u8 *key_id)
{
	bool locking;

	/* Who misses the change holds a lock that clean_inode() waits for. */
	if (!READ_ONCE(keys->is_locking))
		return false;
	spin_lock(&keys->lock);
	locking = keys->is_locking && same_key(keys->locking, key_id);
	spin_unlock(&keys->lock);
	return locking;
}

/**
 * ext4_owner_key_claimed - has the caller brought this key?
 * @keys: of the mount
 * @key_id: names the key
 *
 * Context: any that may take a spinlock.
 */
bool ext4_owner_key_claimed(struct ext4_owner_keys *keys, const u8 *key_id)
{
	bool claimed;

	/* Not the mutex: who makes a file holds its directory's lock. */
	spin_lock(&keys->lock);
	claimed = find_claim(keys, key_id, current_fsuid());
	spin_unlock(&keys->lock);
	return claimed;
}

/*
 * Locking
 */

/**
 * struct key_lock - a key that is being locked
 * @key_id: which
 * @pages: wiped later: somebody held references when they were dropped
 * @nr_pages: number of these
 * @patience: see LOCK_TRIES
 * @busy: files in use
 * @pinned: pages that could not be wiped
 * @write_failed: files that could not be written back
 */
struct key_lock {
	const u8	*key_id;
	struct xarray	pages;
	unsigned long	nr_pages;
	unsigned int	patience;
	u32		busy;
	u32		pinned;
	u32		write_failed;
};

static void walk_files(struct super_block *sb, struct key_lock *kl,
		       void (*fn)(struct inode *inode, struct key_lock *kl))
{
	struct inode *inode, *done = NULL;
	bool ours;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		spin_lock(&inode->i_lock);
		ours = ext4_owned(inode) &&
			same_key(EXT4_I(inode)->i_owner_key, kl->key_id);
		/* Others are taken, too, when it is time to reschedule. */
		if (inode->i_state & (I_FREEING | I_WILL_FREE | I_NEW) ||
		    (!ours && !need_resched())) {
			spin_unlock(&inode->i_lock);
			continue;
		}
		__iget(inode);
		spin_unlock(&inode->i_lock);
		spin_unlock(&sb->s_inode_list_lock);

		/* The one before kept our place in the list. */
		iput(done);
		done = inode;
		if (ours)
			fn(inode, kl);
		cond_resched();
		spin_lock(&sb->s_inode_list_lock);
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(done);
}

/*
 * Nobody's write keeps a key from being locked: its buffer may be a mapping that
 * somebody else's file system doesn't fill.
 */
static bool lock_inode(struct inode *inode, struct key_lock *kl)
{
	while (!inode_trylock(inode)) {
		if (!kl->patience)
			return false;
		kl->patience--;
		msleep(20);
	}
	return true;
}

/*
 * Write a file back.  Writers check the key under the locks taken here: those
 * who came before have finished, others see that it is being locked.  One that
 * is stuck loses what it writes.
 */
static void clean_inode(struct inode *inode, struct key_lock *kl)
{
	bool locked = lock_inode(inode, kl);
	int err;

	if (locked)
		inode_dio_wait(inode);
	filemap_invalidate_lock(inode->i_mapping);
	filemap_invalidate_unlock(inode->i_mapping);
	err = filemap_write_and_wait(inode->i_mapping);
	if (locked)
		inode_unlock(inode);
	kl->write_failed += err || !locked;
}

/*
 * Wipe a page that is no longer in the page cache, if we have the only
 * reference.  No new one is taken by anybody who reads what is in it.
 */
static bool wipe_folio(struct folio *folio)
{
	if (folio_ref_count(folio) != 1)
		return false;
	folio_zero_range(folio, 0, folio_size(folio));
	folio_put(folio);
	return true;
}

static void drop_folio(struct inode *inode, struct folio *folio,
		       struct key_lock *kl)
{
	folio_lock(folio);
	folio_wait_writeback(folio);
	if (folio->mapping == inode->i_mapping)
		generic_error_remove_page(inode->i_mapping, &folio->page);
	folio_unlock(folio);
	if (wipe_folio(folio))
		return;
	if (xa_err(xa_store(&kl->pages, kl->nr_pages, folio, GFP_KERNEL))) {
		kl->pinned++;
		folio_put(folio);
		return;
	}
	kl->nr_pages++;
}

static void drop_folios(struct inode *inode, struct key_lock *kl)
{
	struct folio_batch batch;
	pgoff_t next = 0;
	unsigned int i;

	folio_batch_init(&batch);
	while (filemap_get_folios(inode->i_mapping, &next, ULONG_MAX, &batch)) {
		for (i = 0; i < folio_batch_count(&batch); i++)
			drop_folio(inode, batch.folios[i], kl);
		/* drop_folio() has taken the references over. */
		folio_batch_init(&batch);
		cond_resched();
	}
}

/*
 * Take what a file has in memory away; the key is gone already.  Where a writer
 * is stuck, the inode's lock isn't needed: it looks at a page's mapping under the
 * page's lock, and readers and faults are kept out by the mapping's lock.
 */
static void drop_inode(struct inode *inode, struct key_lock *kl)
{
	struct address_space *mapping = inode->i_mapping;
	bool locked = lock_inode(inode, kl);
	int tries = 3;

	filemap_invalidate_lock(mapping);
	unmap_mapping_range(mapping, 0, 0, 0);
	/* Once is enough, but for what a collapse that failed puts back. */
	do {
		drop_folios(inode, kl);
	} while (mapping->nrpages && --tries);
	kl->pinned += mapping->nrpages;
	filemap_invalidate_unlock(mapping);
	if (locked)
		inode_unlock(inode);

	d_prune_aliases(inode);
	spin_lock(&inode->i_lock);
	kl->busy += !hlist_empty(&inode->i_dentry);
	spin_unlock(&inode->i_lock);
}

static void drain_work(struct work_struct *work)
{
	struct pagevec pvec;

	/* Not exported by itself: what this CPU keeps on its way to the LRU. */
	pagevec_init(&pvec);
	__pagevec_release(&pvec);
}

/* Have every CPU let go of the pages it is about to put on LRU lists. */
static void drain_lru(void)
{
	struct work_struct work;
	int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		INIT_WORK_ONSTACK(&work, drain_work);
		queue_work_on(cpu, system_wq, &work);
		flush_work(&work);
		destroy_work_on_stack(&work);
	}
	cpus_read_unlock();
}

static void wipe_later(struct key_lock *kl)
{
	struct folio *folio;
	unsigned long i;
	int tries;

	for (tries = 0; !xa_empty(&kl->pages) && tries < WIPE_TRIES; tries++) {
		if (tries)
			msleep(20);
		drain_lru();
		xa_for_each(&kl->pages, i, folio) {
			if (wipe_folio(folio))
				xa_erase(&kl->pages, i);
			cond_resched();
		}
	}
	xa_for_each(&kl->pages, i, folio) {
		folio_put(folio);
		kl->pinned++;
	}
	xa_destroy(&kl->pages);
}

/* Under keys->mutex. */
static int lock_key(struct super_block *sb, struct ext4_owner_keys *keys,
		    struct key_lock *kl)
{
	struct bio_owner_volume *vol = ext4_owner_volume(sb);
	int err;

	xa_init(&kl->pages);
	kl->patience = LOCK_TRIES;
	spin_lock(&keys->lock);
	memcpy(keys->locking, kl->key_id, sizeof(keys->locking));
	WRITE_ONCE(keys->is_locking, true);
	spin_unlock(&keys->lock);

	walk_files(sb, kl, clean_inode);
	err = bio_owner_key_remove(vol, kl->key_id);
	/*
	 * What is read from now on fails.  Pages are dropped also if the key was
	 * gone before, or the volume is.
	 */
	walk_files(sb, kl, drop_inode);
	wipe_later(kl);

	spin_lock(&keys->lock);
	WRITE_ONCE(keys->is_locking, false);
	spin_unlock(&keys->lock);
	return err;
}

/*
 * ioctls
 */

/**
 * ext4_owner_ioc_key_add - EXT4_IOC_OWNER_KEY_ADD
 * @filp: any file of the mount
 * @arg: &struct ext4_owner_key_add
 *
 * Safe for any user: it gives nobody a right to a file, takes as much memory as
 * there are keys the volume knows, and only so many records per user.
 *
 * Return: 0 or a negative errno, see ext4_owner.h.
 */
int ext4_owner_ioc_key_add(struct file *filp, void __user *arg)
{
	struct super_block *sb = file_inode(filp)->i_sb;
	struct bio_owner_volume *vol = ext4_owner_volume(sb);
	struct ext4_owner_key_add __user *uarg = arg;
	struct ext4_owner_keys *keys;
	struct ext4_owner_key_add add;
	struct bio_owner_key key = { };
	struct key_claim *claim = NULL, *roots = NULL;
	bool want_write = false;
	int err;

	if (!vol)
		return -EOPNOTSUPP;
	keys = ext4_owner_keys(sb);
	err = -EFAULT;
	if (copy_from_user(&add, arg, sizeof(add)))
		goto out;
	err = -EINVAL;
	if (add.flags & ~EXT4_OWNER_KEY_CREATE || add.reserved)
		goto out;
	err = -ENOMEM;
	claim = kzalloc(sizeof(*claim), GFP_KERNEL_ACCOUNT);
	roots = kzalloc(sizeof(*roots), GFP_KERNEL_ACCOUNT);
	if (!claim || !roots)
		goto out;

	key.create = add.flags & EXT4_OWNER_KEY_CREATE;
	if (key.create) {
		/* Subordinate uids would multiply what one person may make. */
		err = -EPERM;
		if (current_user_ns() != &init_user_ns)
			goto out;
		err = mnt_want_write_file(filp);
		if (err)
			goto out;
		want_write = true;
	}
	memcpy(key.raw, add.raw, sizeof(key.raw));
	key.uid = from_kuid(&init_user_ns, current_fsuid());
	if (!capable(CAP_SYS_ADMIN)) {
		key.limit = EXT4_OWNER_KEYS_PER_USER;
		key.spare = EXT4_OWNER_KEYS_SPARE;
	}

	mutex_lock(&keys->mutex);
	err = bio_owner_key_add(vol, &key);
	if (!err && key.loaded && !count_claims(keys, key.key_id)) {
		/* From elsewhere: the administrator's, who is to have a say. */
		roots->elsewhere = true;
		add_claim(keys, roots, key.key_id, GLOBAL_ROOT_UID);
		roots = NULL;
	}
	/* Taken away there, and brought back here. */
	if (!err && !key.loaded && find_claim(keys, key.key_id, GLOBAL_ROOT_UID))
		find_claim(keys, key.key_id, GLOBAL_ROOT_UID)->elsewhere = false;
	if (!err && !find_claim(keys, key.key_id, current_fsuid())) {
		add_claim(keys, claim, key.key_id, current_fsuid());
		claim = NULL;
	}
	mutex_unlock(&keys->mutex);
	if (!err && copy_to_user(uarg->key_id, key.key_id, sizeof(key.key_id)))
		err = -EFAULT;
out:
	if (want_write)
		mnt_drop_write_file(filp);
	kfree(claim);
	kfree(roots);
	memzero_explicit(&add, sizeof(add));
	memzero_explicit(&key, sizeof(key));
	return err;
}

/**
 * ext4_owner_ioc_key_lock - EXT4_IOC_OWNER_KEY_LOCK
 * @filp: any file of the mount
 * @arg: &struct ext4_owner_key_lock
 *
 * Return: 0 or a negative errno, see ext4_owner.h.
 */
int ext4_owner_ioc_key_lock(struct file *filp, void __user *arg)
{
	struct super_block *sb = file_inode(filp)->i_sb;
	struct ext4_owner_keys *keys;
	struct ext4_owner_key_lock lock;
	struct key_claim *claim;
	struct key_lock kl = { };
	int err = 0;

	if (!ext4_owner_volume(sb))
		return -EOPNOTSUPP;
	keys = ext4_owner_keys(sb);
	if (copy_from_user(&lock, arg, sizeof(lock)))
		return -EFAULT;
	if (lock.flags & ~EXT4_OWNER_LOCK_ALL_USERS || lock.reserved)
		return -EINVAL;
	if (lock.flags && !capable(CAP_SYS_ADMIN))
		return -EACCES;
	lock.status = 0;
	lock.busy = 0;
	kl.key_id = lock.key_id;

	mutex_lock(&keys->mutex);
	if (lock.flags) {
		drop_claims(keys, lock.key_id);
	} else {
		claim = find_claim(keys, lock.key_id, current_fsuid());
		if (!claim) {
			err = -ENOKEY;
			goto unlock;
		}
		drop_claim(keys, claim);
	}
	if (count_claims(keys, lock.key_id)) {
		lock.status = EXT4_OWNER_LOCK_OTHER_USERS;
	} else {
		err = lock_key(sb, keys, &kl);
		lock.busy = kl.busy;
		if (kl.pinned)
			lock.status |= EXT4_OWNER_LOCK_PINNED;
		if (kl.write_failed)
			lock.status |= EXT4_OWNER_LOCK_WRITE_FAILED;
	}
unlock:
	mutex_unlock(&keys->mutex);
	if (!err && copy_to_user(arg, &lock, sizeof(lock)))
		err = -EFAULT;
	return err;
}

/**
 * ext4_owner_ioc_key_next - EXT4_IOC_OWNER_KEY_NEXT
 * @filp: any file of the mount
 * @arg: &struct ext4_owner_key_info
 *
 * Return: 0 or a negative errno, see ext4_owner.h.
 */
int ext4_owner_ioc_key_next(struct file *filp, void __user *arg)
{
	struct super_block *sb = file_inode(filp)->i_sb;
	struct bio_owner_volume *vol = ext4_owner_volume(sb);
	struct ext4_owner_key_info info;
	struct bio_owner_key key = { };
	struct ext4_owner_keys *keys;
	int err;

	if (!vol)
		return -EOPNOTSUPP;
	keys = ext4_owner_keys(sb);
	if (copy_from_user(&info, arg, sizeof(info)))
		return -EFAULT;
	key.slot = info.slot;
	mutex_lock(&keys->mutex);
	err = bio_owner_key_next(vol, &key);
	if (!err) {
		memset(&info, 0, sizeof(info));
		info.slot = key.slot;
		info.uid = from_kuid_munged(current_user_ns(),
					    make_kuid(&init_user_ns, key.uid));
		memcpy(info.key_id, key.key_id, sizeof(info.key_id));
		info.users = count_claims(keys, key.key_id);
		if (key.loaded)
			info.flags |= EXT4_OWNER_KEY_LOADED;
		if (find_claim(keys, key.key_id, current_fsuid()))
			info.flags |= EXT4_OWNER_KEY_MINE;
	}
	mutex_unlock(&keys->mutex);
	if (!err && copy_to_user(arg, &info, sizeof(info)))
		err = -EFAULT;
	return err;
}

/* May the caller have the volume forget this key?  Under keys->mutex. */
static int may_delete(struct bio_owner_volume *vol, const u8 *key_id)
{
	kuid_t uid = current_fsuid();
	struct bio_owner_key key = { };
	int err;

	while (!(err = bio_owner_key_next(vol, &key))) {
		if (same_key(key.key_id, key_id))
			return uid_eq(make_kuid(&init_user_ns, key.uid), uid) ||
				capable(CAP_SYS_ADMIN) ? 0 : -EACCES;
		key.slot++;
	}
	return err == -ENOENT ? -ENOKEY : err;
}

/**
 * ext4_owner_ioc_key_delete - EXT4_IOC_OWNER_KEY_DELETE
 * @filp: any file of the mount
 * @arg: &struct ext4_owner_key_id
 *
 * Return: 0 or a negative errno, see ext4_owner.h.
 */
int ext4_owner_ioc_key_delete(struct file *filp, const void __user *arg)
{
	struct super_block *sb = file_inode(filp)->i_sb;
	struct bio_owner_volume *vol = ext4_owner_volume(sb);
	struct ext4_owner_keys *keys;
	struct ext4_owner_key_id id;
	int err;

	if (!vol)
		return -EOPNOTSUPP;
	keys = ext4_owner_keys(sb);
	if (copy_from_user(&id, arg, sizeof(id)))
		return -EFAULT;
	err = mnt_want_write_file(filp);
	if (err)
		return err;
	mutex_lock(&keys->mutex);
	err = may_delete(vol, id.key_id);
	mutex_unlock(&keys->mutex);
	/* Files deleted just now have owners until their deletion commits. */
	if (!err)
		err = ext4_owner_sync(sb);
	if (!err)
		err = bio_owner_key_delete(vol, id.key_id);
	mnt_drop_write_file(filp);
	return err;
}
