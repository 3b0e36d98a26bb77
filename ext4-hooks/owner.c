// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners: the mount's bond to the device, and what becomes of deleted owners.
 *
 * An inode number may serve a new owner only after the deletion of the old one
 * has committed and the device has forgotten the old one.  From the freeing of
 * the inode until then its number is in ext4_owner_sb.pending, and the inode
 * allocator passes it over.  What a crash leaves unforgotten is swept at the
 * next mount.
 */
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "ext4.h"
#include "ext4_jbd2.h"

/**
 * struct ext4_owner_sb - a bound mount
 * @vol: the volume bound to
 * @sb: the mount
 * @opts: mount options; changed under s_umount, read without
 * @unclean: the journal needed recovery when the mount began
 * @ring: what is known of the journal's blocks
 * @keys: keys that users brought
 * @clear: clusters that are free and kept so, see owner_place.c
 * @pending: &struct pending_free by inode number, see above
 * @waiting: number of these that are going to be forgotten; the others have
 *	failed and keep their numbers until unmount
 * @lock: guards @freed
 * @freed: of &struct pending_free whose deletion has committed
 * @work: forgets these
 * @wq: runs @work
 */
struct ext4_owner_sb {
	struct bio_owner_volume	*vol;
	struct super_block	*sb;
	struct ext4_owner_opts	opts;
	bool			unclean;
	struct ext4_owner_ring	ring;
	struct ext4_owner_keys	keys;
	atomic64_t		clear;
	struct xarray		pending;
	atomic_t		waiting;
	spinlock_t		lock;	/* guards freed */
	struct list_head	freed;
	struct work_struct	work;
	struct workqueue_struct	*wq;
};

/**
 * struct pending_free - an owner that has been deleted
 * @jce: must be first
 * @list: in ext4_owner_sb.freed
 * @osb: back pointer
 * @ino: inode number
 * @gen: generation
 */
struct pending_free {
	struct ext4_journal_cb_entry	jce;
	struct list_head		list;
	struct ext4_owner_sb		*osb;
	u32				ino;
	u32				gen;
};

static struct ext4_owner_sb *owner_sb(struct super_block *sb)
{
	return EXT4_SB(sb)->s_owner;
}

/**
 * ext4_owner_volume - the volume that a mount is bound to
 * @sb: the mount
 *
 * Return: the volume, NULL if the device keeps no owners.
 */
struct bio_owner_volume *ext4_owner_volume(struct super_block *sb)
{
	struct ext4_owner_sb *osb = owner_sb(sb);

	return osb ? osb->vol : NULL;
}

/**
 * ext4_owner_options - mount options
 * @sb: the mount
 *
 * Return: the options, NULL if the device keeps no owners.
 */
const struct ext4_owner_opts *ext4_owner_options(struct super_block *sb)
{
	struct ext4_owner_sb *osb = owner_sb(sb);

	return osb ? &osb->opts : NULL;
}

/**
 * ext4_owner_ring - what is known of the journal's blocks
 * @sb: the mount
 *
 * Return: for ext4_owner_journal_commit(); NULL if the device keeps no owners.
 */
struct ext4_owner_ring *ext4_owner_ring(struct super_block *sb)
{
	struct ext4_owner_sb *osb = owner_sb(sb);

	return osb ? &osb->ring : NULL;
}

/**
 * ext4_owner_keys - keys brought by users
 * @sb: the mount
 *
 * Return: the keys, NULL if the device keeps no owners.
 */
struct ext4_owner_keys *ext4_owner_keys(struct super_block *sb)
{
	struct ext4_owner_sb *osb = owner_sb(sb);

	return osb ? &osb->keys : NULL;
}

/**
 * ext4_owner_clear - number of clusters that are kept clear
 * @sb: the mount
 *
 * Return: the number, NULL if the device keeps no owners.
 */
atomic64_t *ext4_owner_clear(struct super_block *sb)
{
	struct ext4_owner_sb *osb = owner_sb(sb);

	return osb ? &osb->clear : NULL;
}

/*
 * Deleted owners
 */

static void forget_one(struct ext4_owner_sb *osb, struct pending_free *pf)
{
	int err = bio_owner_forget(osb->vol, pf->ino, pf->gen);

	if (!err || err == -ENOENT) {
		xa_erase(&osb->pending, pf->ino);
		kfree(pf);
	} else {
		/* syncfs() reports this to whoever counts on the deletion. */
		errseq_set(&osb->sb->s_wb_err, -EIO);
		/*
		 * ext4_msg() can't be used: a mount that failed has no sb info
		 * any more.
		 */
		pr_warn_ratelimited("EXT4-fs (%s): inode %u deleted, but its owner not forgotten (%d)\n",
				    osb->sb->s_id, pf->ino, err);
	}
	atomic_dec(&osb->waiting);
}

static void forget_work(struct work_struct *work)
{
	struct ext4_owner_sb *osb =
		container_of(work, struct ext4_owner_sb, work);
	struct pending_free *pf, *next;
	LIST_HEAD(freed);

	spin_lock(&osb->lock);
	list_splice_init(&osb->freed, &freed);
	spin_unlock(&osb->lock);

	list_for_each_entry_safe(pf, next, &freed, list)
		forget_one(osb, pf);
}

static void queue_forget(struct pending_free *pf)
{
	struct ext4_owner_sb *osb = pf->osb;

	spin_lock(&osb->lock);
	list_add_tail(&pf->list, &osb->freed);
	spin_unlock(&osb->lock);
	queue_work(osb->wq, &osb->work);
}

/* The deletion has committed; or, if there is an @error, perhaps it has not. */
static void free_committed(struct super_block *sb,
			   struct ext4_journal_cb_entry *jce, int error)
{
	struct pending_free *pf = container_of(jce, struct pending_free, jce);

	if (error) {
		errseq_set(&sb->s_wb_err, -EIO);
		atomic_dec(&pf->osb->waiting);
	} else {
		queue_forget(pf);
	}
}

/**
 * ext4_owner_free_inode - an inode is about to be marked free
 * @handle: the transaction that frees it
 * @inode: the inode, deleted
 *
 * To be called before the bit in the inode bitmap is cleared.
 */
void ext4_owner_free_inode(handle_t *handle, struct inode *inode)
{
	struct ext4_owner_sb *osb = owner_sb(inode->i_sb);
	struct pending_free *pf;
	int err;

	if (!osb || !ext4_owned(inode))
		return;
	/*
	 * Another replay may follow this one; the sweep comes after the last one
	 * and finds the owner.
	 */
	if (EXT4_SB(inode->i_sb)->s_mount_state & EXT4_FC_REPLAY)
		return;

	pf = kzalloc(sizeof(*pf), GFP_NOFS | __GFP_NOFAIL);
	pf->osb = osb;
	pf->ino = inode->i_ino;
	pf->gen = inode->i_generation;
	err = xa_insert(&osb->pending, pf->ino, pf, GFP_NOFS | __GFP_NOFAIL);
	if (WARN_ON_ONCE(err)) {
		/*
		 * The number has an entry already, and there can't be two. The
		 * next sweep forgets this owner.
		 */
		kfree(pf);
		return;
	}
	atomic_inc(&osb->waiting);

	if (ext4_handle_valid(handle))
		ext4_journal_callback_add(handle, free_committed, &pf->jce);
	else
		queue_forget(pf);
}

/**
 * ext4_owner_ino_busy - has this free inode number still an owner?
 * @sb: the mount
 * @group: block group
 * @bit: number within the group, from 0
 *
 * The answer is final only under ext4_lock_group().
 */
bool ext4_owner_ino_busy(struct super_block *sb, ext4_group_t group,
			 unsigned long bit)
{
	struct ext4_owner_sb *osb = owner_sb(sb);

	return osb && xa_load(&osb->pending,
			      group * EXT4_INODES_PER_GROUP(sb) + bit + 1);
}

/*
 * A transaction's callback that is called after those of its deletions: see
 * commit_deletions().
 */
struct commit_mark {
	struct ext4_journal_cb_entry	jce;	/* must be first */
	struct completion		done;
};

static void mark_committed(struct super_block *sb,
			   struct ext4_journal_cb_entry *jce, int error)
{
	complete(&container_of(jce, struct commit_mark, jce)->done);
}

/*
 * Commit what was deleted, and wait until the commit's callback has queued it
 * to be forgotten: jbd2's own waiting may end before that.
 */
static int commit_deletions(struct super_block *sb)
{
	struct commit_mark mark;
	handle_t *handle;
	tid_t tid;
	int err;

	handle = ext4_journal_start_sb(sb, EXT4_HT_MISC, 1);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	init_completion(&mark.done);
	ext4_journal_callback_add(handle, mark_committed, &mark.jce);
	tid = handle->h_transaction->t_tid;
	ext4_journal_stop(handle);
	err = jbd2_complete_transaction(EXT4_SB(sb)->s_journal, tid);
	/* The callback is called for an aborted commit too. */
	wait_for_completion(&mark.done);
	return err;
}

/**
 * ext4_owner_wait_forgotten - make deleted owners' numbers free, if there are any
 * @sb: the mount
 *
 * Return: true if there were, and it is worth looking for a free inode again.
 */
bool ext4_owner_wait_forgotten(struct super_block *sb)
{
	struct ext4_owner_sb *osb = owner_sb(sb);
	journal_t *journal = EXT4_SB(sb)->s_journal;

	if (!osb || !atomic_read(&osb->waiting))
		return false;
	/*
	 * A task can't wait for its own transaction, only for the one before.
	 */
	if (journal && ext4_journal_current_handle())
		jbd2_journal_force_commit_nested(journal);
	else if (journal)
		commit_deletions(sb);
	flush_work(&osb->work);
	return true;
}

/**
 * ext4_owner_sync - return when what was deleted before can't be had back
 * @sb: the mount
 *
 * The last step of sync and syncfs.
 *
 * Context: may sleep; no handle held.
 * Return: 0 or a negative errno.
 */
int ext4_owner_sync(struct super_block *sb)
{
	struct ext4_owner_sb *osb = owner_sb(sb);
	int err;

	/*
	 * Freezing has synced the file system. No handle may be started now,
	 * and whoever thaws it, perhaps over a table that took the volume's
	 * place, waits for us.
	 */
	if (!osb || sb_rdonly(sb) ||
	    sb->s_writers.frozen == SB_FREEZE_COMPLETE)
		return 0;
	if (atomic_read(&osb->waiting)) {
		if (EXT4_SB(sb)->s_journal) {
			err = commit_deletions(sb);
			if (err)
				return err;
		}
		flush_work(&osb->work);
	}
	return bio_owner_erase_sync(osb->vol);
}

/*
 * The sweep
 */

/*
 * Does the inode table hold a live inode of this number?  Returns 1 and its generation,
 * 0 if not, or a negative errno.
 */
static int live_inode(struct super_block *sb, u32 ino, ext4_group_t group,
		      int bit, u32 *gen)
{
	struct ext4_group_desc *gdp = ext4_get_group_desc(sb, group, NULL);
	struct ext4_inode *raw;
	struct ext4_iloc iloc;
	int err;

	if (!gdp)
		return -EFSCORRUPTED;
	/*
	 * A part of the inode table that was never initialized may hold
	 * anything.
	 */
	if (ext4_has_group_desc_csum(sb) &&
	    (gdp->bg_flags & cpu_to_le16(EXT4_BG_INODE_UNINIT) ||
	     bit >= EXT4_INODES_PER_GROUP(sb) -
		    ext4_itable_unused_count(sb, gdp)))
		return 0;
	err = ext4_get_fc_inode_loc(sb, ino, &iloc);
	if (err)
		return err;
	raw = ext4_raw_inode(&iloc);
	*gen = le32_to_cpu(raw->i_generation);
	err = raw->i_links_count && raw->i_mode && !raw->i_dtime;
	brelse(iloc.bh);
	return err;
}

/*
 * Is the owner gone?  Returns 1 if it is, 0 if not, or a negative errno.
 *
 * If the inode bitmap calls a number free, the next file may get it.  But a
 * wrong bit there is damage that e2fsck repairs without loss, so the inode
 * itself is asked too.
 */
static int owner_gone(struct ext4_owner_sb *osb, u32 ino, u32 gen)
{
	struct super_block *sb = osb->sb;
	struct ext4_sb_info *sbi = EXT4_SB(sb);
	struct buffer_head *bh;
	ext4_group_t group;
	u32 raw_gen = 0;
	bool used;
	int bit, live;

	if (ino < EXT4_FIRST_INO(sb) ||
	    ino > le32_to_cpu(sbi->s_es->s_inodes_count))
		return 1;

	group = (ino - 1) / EXT4_INODES_PER_GROUP(sb);
	bit = (ino - 1) % EXT4_INODES_PER_GROUP(sb);
	bh = ext4_read_inode_bitmap(sb, group);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	ext4_lock_group(sb, group);
	used = ext4_test_bit(bit, bh->b_data);
	ext4_unlock_group(sb, group);
	brelse(bh);

	if (used && !osb->unclean)
		return 0;
	live = live_inode(sb, ino, group, bit, &raw_gen);
	if (live < 0)
		return live;
	if (used)
		return live && raw_gen != gen;
	if (live && raw_gen == gen) {
		ext4_msg(sb, KERN_WARNING,
			 "inode %u is in use but marked free: run e2fsck", ino);
		return -EFSCORRUPTED;
	}
	return 1;
}

/*
 * Forget owners whose inodes are gone. Normally there are none, as a forget
 * follows each deletion. Left over are those whose forget a crash prevented,
 * and those whose inodes e2fsck deleted.
 */
static void sweep(struct super_block *sb)
{
	struct ext4_owner_sb *osb = owner_sb(sb);
	unsigned long forgotten = 0, skipped = 0, unread = 0;
	struct pending_free mark;
	u32 ino = 0, gen;
	int err = 0, gone;

	if (!osb)
		return;
	if (EXT4_SB(sb)->s_mount_state & EXT4_ERROR_FS) {
		ext4_msg(sb, KERN_WARNING,
			 "deleted owners not swept: the file system has errors");
		return;
	}
	/*
	 * The file system was mounted with noload, so the bitmaps are not what
	 * the journal says.
	 */
	if (!EXT4_SB(sb)->s_journal &&
	    ext4_has_feature_journal_needs_recovery(sb)) {
		ext4_msg(sb, KERN_WARNING,
			 "deleted owners not swept: the journal isn't replayed");
		return;
	}

	for (;; ino++) {
		err = bio_owner_next(osb->vol, &ino, &gen);
		if (err == -EBADMSG) {
			err = 0;
			unread++;
			goto next;
		}
		if (err)
			break;
		/*
		 * While the number is marked as pending it stays free, if it is
		 * free. If it is marked already, a deletion of this mount is
		 * under way.
		 */
		err = xa_insert(&osb->pending, ino, &mark, GFP_KERNEL);
		if (err == -EBUSY)
			goto next;
		if (err)
			break;
		gone = owner_gone(osb, ino, gen);
		if (gone == 1) {
			err = bio_owner_forget(osb->vol, ino, gen);
			forgotten += !err;
		} else if (gone < 0) {
			skipped++;	/* nobody can tell, so the owner stays */
		}
		xa_erase(&osb->pending, ino);
		if (err && err != -ENOENT)
			break;
next:
		if (ino == U32_MAX)
			break;
		cond_resched();
	}
	if (!skipped && !unread && err == -ENOENT)
		osb->unclean = false;

	if (unread)
		ext4_msg(sb, KERN_WARNING,
			 "%lu pieces of the volume's list of owners can't be read and are not swept",
			 unread);
	if (skipped)
		ext4_msg(sb, KERN_WARNING,
			 "%lu owners can't be verified and are kept: run e2fsck",
			 skipped);
	if (forgotten)
		ext4_msg(sb, KERN_INFO, "%lu deleted owners forgotten",
			 forgotten);
	if (err && err != -ENOENT && err != -EBUSY)
		ext4_msg(sb, KERN_WARNING,
			 "sweep for deleted owners stopped at inode %u (%d)",
			 ino, err);
}

/**
 * ext4_owner_writable - a mount becomes writable
 * @sb: the mount, its journal replayed and its orphans dealt with
 */
void ext4_owner_writable(struct super_block *sb)
{
	ext4_owner_keep_clear(sb);
	sweep(sb);
}

/*
 * Mount
 */

/**
 * ext4_owner_bind - bind the mount to the volume below, if there is one
 * @sb: before anything has been written or replayed
 *
 * Return: 0, also if the device keeps no owners, or this begins further on than
 * their volume; or why it must not be mounted.
 */
int ext4_owner_bind(struct super_block *sb)
{
	struct ext4_sb_info *sbi = EXT4_SB(sb);
	struct bio_owner_volume *vol;
	struct ext4_owner_sb *osb;

	vol = bio_owner_bind(sb->s_bdev);
	if (IS_ERR(vol)) {
		if (PTR_ERR(vol) == -EOPNOTSUPP)
			return 0;
		if (PTR_ERR(vol) == -ENXIO) {
			sbi->s_owner_inside = true;
			return 0;
		}
		ext4_msg(sb, KERN_ERR,
			 PTR_ERR(vol) == -EBUSY ?
			 "a file system is mounted from this volume, or it is in raw mode (%ld)" :
			 "can't bind to the volume (%ld)", PTR_ERR(vol));
		return PTR_ERR(vol);
	}

	osb = kzalloc(sizeof(*osb), GFP_KERNEL);
	if (!osb)
		goto unbind;
	osb->vol = vol;
	osb->sb = sb;
	xa_init(&osb->pending);
	spin_lock_init(&osb->lock);
	INIT_LIST_HEAD(&osb->freed);
	if (ext4_owner_keys_init(&osb->keys, sb->s_id))
		goto free_osb;
	INIT_WORK(&osb->work, forget_work);
	osb->wq = alloc_workqueue("ext4-owner/%s",
				  WQ_MEM_RECLAIM | WQ_UNBOUND, 1, sb->s_id);
	if (!osb->wq)
		goto exit_keys;
	sbi->s_owner = osb;
	return 0;

exit_keys:
	ext4_owner_keys_exit(&osb->keys, vol);
free_osb:
	kfree(osb);
unbind:
	bio_owner_unbind(vol);
	return -ENOMEM;
}

/**
 * ext4_owner_unbind - undo ext4_owner_bind()
 * @sbi: the mount, its journal destroyed and the device synced
 */
void ext4_owner_unbind(struct ext4_sb_info *sbi)
{
	struct ext4_owner_sb *osb = sbi->s_owner;
	struct pending_free *pf;
	unsigned long ino;

	if (!osb)
		return;
	sbi->s_owner = NULL;
	/*
	 * This runs what is queued. Deletions that never committed stay in
	 * pending.
	 */
	destroy_workqueue(osb->wq);
	xa_for_each(&osb->pending, ino, pf)
		kfree(pf);
	xa_destroy(&osb->pending);
	ext4_owner_keys_exit(&osb->keys, osb->vol);
	bio_owner_unbind(osb->vol);
	kfree(osb);
}

/**
 * ext4_owner_setup - what binding means for the mount
 * @sb: its super block has been read, its mount options not yet applied
 *
 * Return: 0 or -EINVAL.
 */
int ext4_owner_setup(struct super_block *sb)
{
	struct ext4_sb_info *sbi = EXT4_SB(sb);
	struct ext4_owner_sb *osb = sbi->s_owner;

	if (!osb)
		return 0;
	if (sb->s_blocksize < osb->vol->sector_size) {
		ext4_msg(sb, KERN_ERR,
			 "block size %lu is smaller than the volume's sector size %u",
			 sb->s_blocksize, osb->vol->sector_size);
		return -EINVAL;
	}
	if (sbi->s_daxdev) {
		ext4_msg(sb, KERN_ERR, "a DAX device can't keep owners");
		return -EINVAL;
	}
	if (le32_to_cpu(sbi->s_es->s_inodes_count) > osb->vol->max_ino)
		ext4_msg(sb, KERN_WARNING,
			 "only inodes up to %u of %u can have a key",
			 osb->vol->max_ino,
			 le32_to_cpu(sbi->s_es->s_inodes_count));
	osb->unclean = ext4_has_feature_journal_needs_recovery(sb) ||
		!(le16_to_cpu(sbi->s_es->s_state) & EXT4_VALID_FS);
	/*
	 * To the device a discard is an update of records, and makes the next
	 * write cheaper.
	 */
	set_opt(sb, DISCARD);
	return 0;
}

/**
 * ext4_owner_check_options - do the mount options fit the device?
 * @sb: the mount
 * @opts: parsed options
 *
 * Return: 0 or -EINVAL.
 */
int ext4_owner_check_options(struct super_block *sb,
			     const struct ext4_owner_opts *opts)
{
	if (owner_sb(sb) || !(opts->has_key || opts->require_key))
		return 0;
	ext4_msg(sb, KERN_ERR,
		 "owner_key and require_key need a device that keeps owners");
	if (EXT4_SB(sb)->s_owner_inside)
		ext4_msg(sb, KERN_ERR,
			 "this one does, but the file system must begin at the volume's first sector (not on LVM, md or a partition)");
	return -EINVAL;
}

/**
 * ext4_owner_apply_options - use new mount options
 * @sb: the mount
 * @opts: parsed options; what is not given is left as it was
 */
void ext4_owner_apply_options(struct super_block *sb,
			      const struct ext4_owner_opts *opts)
{
	struct ext4_owner_sb *osb = owner_sb(sb);

	if (!osb)
		return;
	lockdep_assert_held_write(&sb->s_umount);
	if (opts->require_key)
		osb->opts.require_key = true;
	if (opts->has_key) {
		memcpy(osb->opts.key_id, opts->key_id,
		       sizeof(osb->opts.key_id));
		osb->opts.has_key = true;
	}
}
