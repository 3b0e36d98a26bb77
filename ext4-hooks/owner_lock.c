// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners: what locking a key takes away.
 *
 * Each key has a list of its files in memory.  They are written back, the key is
 * removed, their pages are wiped and dropped.  That is done by a work item, so
 * that whoever asked for it can be killed meanwhile, and nothing is done by halves.
 * Only those who bring or lock the same key wait for it.
 */
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "ext4.h"
#include "../compat/fs.h"

/* How long to wait for tasks that are copying from a page, in units of 20 ms. */
#define WIPE_TRIES	50

/* How long to wait, in all, for files whose writers are stuck, in units of 20 ms. */
#define LOCK_TRIES	1500

/**
 * struct key_lock - a key that is being locked
 * @work: does it
 * @done: it is done
 * @ref: references: the work has one, and the caller
 * @filp: keeps the mount in use until the work is done
 * @mkey: the key, whose turn the work holds
 * @pages: pages that are wiped later, as somebody held references when they were dropped
 * @nr_pages: number of these
 * @deleted: files without a name, by their addresses: our reference may be the last one,
 *	and is put when all else is done
 * @patience: how often to wait yet, see LOCK_TRIES
 * @going: files that are being written back for the last time, as they leave memory
 * @busy: files in use
 * @pinned: pages that could not be wiped
 * @write_failed: files that could not be written back
 * @err: of removing the key
 */
struct key_lock {
	struct work_struct	work;
	struct completion	done;
	refcount_t		ref;
	struct file		*filp;
	struct ext4_owner_mkey	*mkey;
	struct xarray		pages;
	unsigned long		nr_pages;
	struct xarray		deleted;
	unsigned int		patience;
	u32			going;
	u32			busy;
	u32			pinned;
	u32			write_failed;
	int			err;
};

/**
 * ext4_owner_join - put a file in its key's list
 * @inode: a regular file that nobody else uses yet, its key's id in place
 *
 * Whoever looks at mkey->locking after this sees that the key is being locked, or else
 * the lock finds the file in the list.
 *
 * Return: 0 or -ENOMEM.
 */
int ext4_owner_join(struct inode *inode)
{
	struct ext4_owner_keys *keys = ext4_owner_keys(inode->i_sb);
	struct ext4_inode_info *ei = EXT4_I(inode);
	struct ext4_owner_mkey *mkey;

	if (!keys)
		return 0;
	mkey = ext4_owner_mkey_get(keys, ei->i_owner_key);
	if (!mkey)
		return -ENOMEM;
	ei->i_owner_mkey = mkey;
	/*
	 * New files go to the front, which a walk over the list has passed
	 * already: so it comes to an end.
	 */
	spin_lock(&mkey->inodes_lock);
	list_add(&ei->i_owner_list, &mkey->inodes);
	spin_unlock(&mkey->inodes_lock);
	return 0;
}

/**
 * ext4_owner_leave - take an inode out of its key's list, if it is in one
 * @inode: about to be freed
 */
void ext4_owner_leave(struct inode *inode)
{
	struct ext4_inode_info *ei = EXT4_I(inode);
	struct ext4_owner_mkey *mkey = ei->i_owner_mkey;

	if (!mkey)
		return;
	spin_lock(&mkey->inodes_lock);
	list_del(&ei->i_owner_list);
	spin_unlock(&mkey->inodes_lock);
	ei->i_owner_mkey = NULL;
	ext4_owner_mkey_put(ext4_owner_keys(inode->i_sb), mkey);
}

/*
 * Put a file that was walked over.  If it has no name any more this may be the last
 * reference, and putting that deletes the file, which waits while the file system is
 * frozen.  Locking the key need not wait for that, so it is put later.
 */
static void put_file(struct key_lock *kl, struct inode *inode)
{
	if (inode && !READ_ONCE(inode->i_nlink) &&
	    !xa_insert(&kl->deleted, (unsigned long)inode, inode, GFP_KERNEL))
		return;
	/* If the file is in @deleted already, that has another reference. */
	iput(inode);
}

static void put_deleted(struct key_lock *kl)
{
	struct inode *inode;
	unsigned long i;

	xa_for_each(&kl->deleted, i, inode)
		iput(inode);
	xa_destroy(&kl->deleted);
}

static void walk_files(struct key_lock *kl,
		       void (*fn)(struct inode *inode, struct key_lock *kl))
{
	struct ext4_owner_mkey *mkey = kl->mkey;
	struct inode *inode, *done = NULL;
	struct ext4_inode_info *ei;

	kl->going = 0;
	spin_lock(&mkey->inodes_lock);
	list_for_each_entry(ei, &mkey->inodes, i_owner_list) {
		inode = &ei->vfs_inode;
		/*
		 * An inode leaves the list before it is freed, so this one is
		 * still there.
		 */
		if (READ_ONCE(inode->i_state) & I_NEW)
			continue;
		/* It fails for what is about to be freed. */
		if (!igrab(inode)) {
			spin_lock(&inode->i_lock);
			kl->going += !!(inode->i_state & I_WILL_FREE);
			spin_unlock(&inode->i_lock);
			continue;
		}
		spin_unlock(&mkey->inodes_lock);

		/*
		 * The inode before this one kept our place in the list until
		 * here.
		 */
		put_file(kl, done);
		done = inode;
		fn(inode, kl);
		cond_resched();
		spin_lock(&mkey->inodes_lock);
	}
	spin_unlock(&mkey->inodes_lock);
	put_file(kl, done);
}

/*
 * Wait only so long for a writer: nobody's write may keep a key from being
 * locked. The buffer that he copies from may be a mapping that somebody else's
 * file system doesn't fill.
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
 * Write a file back. Writers check the key under the locks taken here: those
 * who came before have finished, and those who come later see that it is being
 * locked. A writer that is stuck loses what he writes. The inode's lock isn't
 * kept while the file is written back, which may take long: whoever removes the
 * file waits for that lock with the directory locked.
 */
static void clean_inode(struct inode *inode, struct key_lock *kl)
{
	bool locked = lock_inode(inode, kl);

	if (locked) {
		inode_dio_wait(inode);
		inode_unlock(inode);
	}
	filemap_invalidate_lock(inode->i_mapping);
	filemap_invalidate_unlock(inode->i_mapping);
	kl->write_failed += filemap_write_and_wait(inode->i_mapping) || !locked;
}

/*
 * Wipe a page that is no longer in the page cache, if we have the only
 * reference. Nobody who would read its contents can take a new one.
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
		ext4_compat_remove_folio(inode->i_mapping, folio);
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
		/* drop_folio() has taken over the references. */
		folio_batch_init(&batch);
		cond_resched();
	}
}

/*
 * Take away what a file has in memory; its key has been removed already. The
 * inode's lock isn't needed: nobody writes any more, a writer who was stuck
 * looks at a page's mapping under the page's lock, and readers and faults are
 * kept out by the mapping's lock.
 */
static void drop_inode(struct inode *inode, struct key_lock *kl)
{
	struct address_space *mapping = inode->i_mapping;
	int tries = 3;

	filemap_invalidate_lock(mapping);
	unmap_mapping_range(mapping, 0, 0, 0);
	/*
	 * One pass is enough, except for what a writer who was stuck puts back.
	 */
	do {
		drop_folios(inode, kl);
	} while (mapping->nrpages && --tries);
	kl->pinned += mapping->nrpages;
	filemap_invalidate_unlock(mapping);

	d_prune_aliases(inode);
	spin_lock(&inode->i_lock);
	kl->busy += !hlist_empty(&inode->i_dentry);
	spin_unlock(&inode->i_lock);
}

static void drain_work(struct work_struct *work)
{
	ext4_compat_drain();
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

static void lock_key(struct key_lock *kl)
{
	struct ext4_owner_mkey *mkey = kl->mkey;
	struct super_block *sb = file_inode(kl->filp)->i_sb;

	WRITE_ONCE(mkey->locked, true);
	WRITE_ONCE(mkey->locking, true);
	for (;;) {
		walk_files(kl, clean_inode);
		if (!kl->going || !kl->patience)
			break;
		/*
		 * Files on their way out are written back once more, and that
		 * needs the key.
		 */
		kl->patience--;
		msleep(20);
	}
	kl->err = bio_owner_key_remove(ext4_owner_volume(sb), mkey->key_id);
	/*
	 * From now on reads fail. Pages are dropped also if the key was gone
	 * before, or the volume is.
	 */
	walk_files(kl, drop_inode);
	wipe_later(kl);
	WRITE_ONCE(mkey->locking, false);
}

static void put_lock(struct key_lock *kl)
{
	if (refcount_dec_and_test(&kl->ref))
		kfree(kl);
}

static void lock_work(struct work_struct *work)
{
	struct key_lock *kl = container_of(work, struct key_lock, work);
	struct super_block *sb = file_inode(kl->filp)->i_sb;
	bool deleted;

	lock_key(kl);
	up(&kl->mkey->turn);
	ext4_owner_mkey_put(ext4_owner_keys(sb), kl->mkey);
	/* The caller doesn't wait for files to be deleted; the mount is busy until then. */
	deleted = !xa_empty(&kl->deleted);
	if (deleted)
		complete(&kl->done);
	put_deleted(kl);
	/*
	 * If there are none, our reference to the mount is dropped before the
	 * caller goes on, so that he can unmount.
	 */
	fput(kl->filp);
	if (!deleted)
		complete(&kl->done);
	put_lock(kl);
}

/**
 * ext4_owner_lock_new - prepare for locking a key
 * @filp: any file of the mount
 * @mkey: the key
 *
 * Return: for ext4_owner_lock_run() or kfree(); NULL without memory.
 */
struct key_lock *ext4_owner_lock_new(struct file *filp,
				     struct ext4_owner_mkey *mkey)
{
	struct key_lock *kl = kzalloc(sizeof(*kl), GFP_KERNEL);

	if (!kl)
		return NULL;
	INIT_WORK(&kl->work, lock_work);
	init_completion(&kl->done);
	refcount_set(&kl->ref, 2);
	xa_init(&kl->pages);
	xa_init(&kl->deleted);
	kl->patience = LOCK_TRIES;
	kl->filp = filp;
	kl->mkey = mkey;
	return kl;
}

/**
 * ext4_owner_lock_run - lock a key on which nobody has a claim any more
 * @kl: from ext4_owner_lock_new(); used up
 * @result: receives status and busy
 *
 * Context: the key's turn is held; it is given back when the key is locked, which
 * may be after the return if the caller is killed.
 * Return: 0; -ENOKEY if it wasn't loaded; -EINTR if the caller is killed; or
 * another negative errno.
 */
int ext4_owner_lock_run(struct key_lock *kl, struct ext4_owner_key_lock *result)
{
	struct super_block *sb = file_inode(kl->filp)->i_sb;
	int err;

	get_file(kl->filp);
	refcount_inc(&kl->mkey->ref);
	queue_work(ext4_owner_keys(sb)->wq, &kl->work);
	/*
	 * A freezable wait: a machine that is put to sleep doesn't wait for the
	 * lock, either.
	 */
	if (wait_for_completion_state(&kl->done,
				      TASK_KILLABLE | TASK_FREEZABLE)) {
		put_lock(kl);
		return -EINTR;
	}
	result->busy = kl->busy;
	if (kl->pinned)
		result->status |= EXT4_OWNER_LOCK_PINNED;
	if (kl->write_failed)
		result->status |= EXT4_OWNER_LOCK_WRITE_FAILED;
	err = kl->err;
	put_lock(kl);
	return err;
}
