// SPDX-License-Identifier: GPL-2.0-only
/*
 * The checkpoint: cut the log, write dirty nodes to their other place, bottom
 * up, flush, then commit a superblock.  checkpoint_order.c has the order of it all.
 *
 * A crash at any point leaves the last committed tree whole, and the log that
 * follows it: no node is ever written to the place that tree refers to, and the
 * superblock goes to the copy that isn't the committed one.
 *
 * It runs in the background, on its own workqueue, with pages, bios and
 * transforms of its own, and waits for no data write.
 */
#include <linux/list_sort.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "core/trace.h"
#include "tree/tree.h"
#include "log/log.h"
#include "checkpoint/checkpoint.h"

/* One write of adjacent blocks. */
struct node_bio {
	u64		block;	/* the first one */
	struct bio	bio;
};

/* The run of adjacent blocks that is being put together. */
struct run {
	struct bio	*bio;
	u64		next;	/* block after the last one */
};

/**
 * struct ic_checkpoint - what only the checkpoint has
 * @bs: of &struct node_bio
 * @pages: that sealed nodes are written from
 * @wait: for @inflight to become zero; its lock guards that
 * @inflight: writes under way
 * @status: of one of them that failed
 * @super_page: the superblock is written from it
 * @sealed: nodes of the running checkpoint
 */
struct ic_checkpoint {
	struct bio_set		bs;
	mempool_t		pages;
	wait_queue_head_t	wait;
	unsigned int		inflight;
	blk_status_t		status;
	struct page		*super_page;
	struct list_head	sealed;
};

static void node_write_endio(struct bio *bio)
{
	struct inocrypt *ic = bio->bi_private;
	struct ic_checkpoint *cp = ic->checkpoint;
	unsigned long flags;
	unsigned int i;

	if (bio->bi_status) {
		u64 block = container_of(bio, struct node_bio, bio)->block;

		WRITE_ONCE(cp->status, bio->bi_status);
		ic_count(ic, IC_STAT_IO_ERRORS);
		DMERR_LIMIT("%s: can't write sidecar blocks %llu to %llu: error %d",
			    dm_device_name(ic->vol->md), block,
			    block + bio->bi_vcnt - 1,
			    blk_status_to_errno(bio->bi_status));
	}
	for (i = 0; i < bio->bi_vcnt; i++)
		mempool_free(bio->bi_io_vec[i].bv_page, &cp->pages);
	bio_put(bio);
	/*
	 * The waiter may free @ic as soon as it sees zero, so this is touched
	 * only under the lock.
	 */
	spin_lock_irqsave(&cp->wait.lock, flags);
	if (!--cp->inflight)
		wake_up_locked(&cp->wait);
	spin_unlock_irqrestore(&cp->wait.lock, flags);
}

static void run_submit(struct run *run)
{
	if (run->bio)
		submit_bio_noacct(run->bio);
	run->bio = NULL;
}

static struct page *run_page(struct inocrypt *ic, struct run *run)
{
	struct page *page = mempool_alloc(&ic->checkpoint->pages,
					  GFP_NOWAIT | __GFP_NOWARN);

	if (page)
		return page;
	/* The pool's pages come back only from what was submitted. */
	run_submit(run);
	return mempool_alloc(&ic->checkpoint->pages, GFP_NOIO);
}

static void run_add(struct inocrypt *ic, struct run *run, u64 block,
		    struct page *page)
{
	struct bio *bio = run->bio;

	if (bio && (block != run->next || bio->bi_vcnt == bio->bi_max_vecs))
		run_submit(run);
	if (!run->bio) {
		bio = bio_alloc_bioset(ic->sidecar->bdev, IC_CHECKPOINT_PAGES,
				       REQ_OP_WRITE | REQ_SYNC | REQ_META,
				       GFP_NOIO, &ic->checkpoint->bs);
		bio->bi_iter.bi_sector = ic->sidecar_start +
			(block << (IC_BLOCK_SHIFT - SECTOR_SHIFT));
		bio->bi_private = ic;
		bio->bi_end_io = node_write_endio;
		container_of(bio, struct node_bio, bio)->block = block;
		spin_lock_irq(&ic->checkpoint->wait.lock);
		ic->checkpoint->inflight++;
		spin_unlock_irq(&ic->checkpoint->wait.lock);
		run->bio = bio;
	}
	__bio_add_page(run->bio, page, IC_BLOCK_SIZE, 0);
	run->next = block + 1;
	ic_count(ic, IC_STAT_NODE_WRITES);
}

/*
 * Encrypt the copy of a node in @page, again if its tag makes a word of zero.
 */
static int seal_page(struct inocrypt *ic, struct ic_cnode *node,
		     struct page *page, struct page *spare)
{
	struct ic_node *copy = page_address(page);
	u8 nonce[IC_NONCE_SIZE];
	int err;

	memcpy(page_address(spare), copy, IC_BLOCK_SIZE);
	do {
		memcpy(copy, page_address(spare), IC_BLOCK_SIZE);
		ic_nonce(&ic->nonces, nonce);
		err = ic_node_seal(copy, ic->node_key, ic->params.uuid,
				   node->level, node->index, nonce);
	} while (err == -EAGAIN);
	return err;
}

static struct ic_node_state *parent_of(const struct ic_cnode *node)
{
	return node->parent ? &node->parent->ns : NULL;
}

/* Tell the parent, or the next superblock, which writing of @node holds. */
static void name_sealed(struct inocrypt *ic, struct ic_cnode *node,
			const struct ic_node *sealed, struct ic_state *next)
{
	struct ic_cnode *parent = node->parent;

	if (!parent) {
		ic_node_name(&node->ns, sealed, NULL, next);
		return;
	}
	spin_lock(&parent->lock);
	ic_node_name(&node->ns, sealed, parent->data, next);
	ic_node_dirty(ic, parent);
	spin_unlock(&parent->lock);
}

/* Seal one dirty node as it stands now; checkpoint_order.c says why that will do. */
static int seal_node(struct inocrypt *ic, struct ic_cnode *node,
		     struct ic_state *next, struct run *run)
{
	struct page *page = run_page(ic, run), *spare = ic->checkpoint->super_page;
	struct ic_node *copy = page_address(page);
	bool write;
	int err;

	spin_lock(&node->lock);
	write = ic_node_take(&node->ns, parent_of(node), node->data,
			     ic->logger.log.gen, copy, next);
	spin_unlock(&node->lock);
	if (!write) {
		mempool_free(page, &ic->checkpoint->pages);
		name_sealed(ic, node, NULL, next);
		return 0;
	}
	err = seal_page(ic, node, page, spare);
	if (err) {
		memzero_explicit(copy, IC_BLOCK_SIZE);
		mempool_free(page, &ic->checkpoint->pages);
		return err;
	}
	name_sealed(ic, node, copy, next);
	run_add(ic, run, ic_node_block(&ic->geo, node->level, node->index,
				       node->ns.sealed_place), page);
	return 0;
}

static int by_block(void *priv, const struct list_head *a,
		    const struct list_head *b)
{
	struct ic_cnode *x = list_entry(a, struct ic_cnode, dirty_list);
	struct ic_cnode *y = list_entry(b, struct ic_cnode, dirty_list);
	u32 px = ic_node_place(&x->ns, parent_of(x));
	u32 py = ic_node_place(&y->ns, parent_of(y));

	if (px != py)
		return px < py ? 1 : -1;
	return x->number < y->number ? -1 : 1;
}

/* Seal all dirty nodes of one list; sealed ones go to @sealed. */
static int seal_list(struct inocrypt *ic, unsigned int nr,
		     struct ic_state *next, struct run *run,
		     struct list_head *sealed)
{
	struct ic_cache *cache = &ic->cache;
	struct ic_cnode *node;
	LIST_HEAD(todo);
	int err = 0;

	spin_lock(&cache->dirty_lock);
	list_splice_init(&cache->dirty[nr], &todo);
	spin_unlock(&cache->dirty_lock);
	list_sort(NULL, &todo, by_block);

	while (!err && !list_empty(&todo)) {
		node = list_first_entry(&todo, struct ic_cnode, dirty_list);
		spin_lock(&cache->dirty_lock);
		list_del_init(&node->dirty_list);
		cache->nr_dirty--;
		cache->nr_sealed++;
		spin_unlock(&cache->dirty_lock);
		list_add_tail(&node->sealed_list, sealed);
		err = seal_node(ic, node, next, run);
		cond_resched();
	}
	spin_lock(&cache->dirty_lock);
	list_splice(&todo, &cache->dirty[nr]);
	spin_unlock(&cache->dirty_lock);
	return err;
}

static int seal_all(struct inocrypt *ic, struct ic_state *next)
{
	struct run run = { };
	unsigned int nr;
	int err = 0;

	WRITE_ONCE(ic->checkpoint->status, BLK_STS_OK);
	for (nr = 0; nr < IC_SEAL_ORDERS && !err; nr++)
		err = seal_list(ic, nr, next, &run, &ic->checkpoint->sealed);
	run_submit(&run);
	wait_event(ic->checkpoint->wait, !READ_ONCE(ic->checkpoint->inflight));
	/* See that the last completion has let go of the lock, and of @ic. */
	spin_lock_irq(&ic->checkpoint->wait.lock);
	spin_unlock_irq(&ic->checkpoint->wait.lock);
	if (!err)
		err = blk_status_to_errno(READ_ONCE(ic->checkpoint->status));
	return err;
}

/* The checkpoint is over: no node is sealed any more. */
static void none_sealed(struct ic_cache *cache)
{
	spin_lock(&cache->dirty_lock);
	cache->nr_sealed = 0;
	spin_unlock(&cache->dirty_lock);
}

static int write_super(struct inocrypt *ic, const struct ic_state *next)
{
	struct page *page = ic->checkpoint->super_page;
	u8 nonce[IC_NONCE_SIZE];
	int err;

	clear_page(page_address(page));
	ic_nonce(&ic->nonces, nonce);
	err = ic_super_seal(page_address(page), ic->super_key, &ic->params,
			    next, nonce);
	if (err)
		return err;
	err = ic_block_rw(ic, IC_SUPER_BLOCK(next->epoch & 1), page,
			  REQ_OP_WRITE | REQ_SYNC | REQ_META | REQ_FUA |
			  REQ_PREFLUSH);
	if (err) {
		/*
		 * The superblock may or may not be on the disk, so either tree
		 * may be the committed one, and no place is free. Stop here.
		 */
		ic_fail(ic, "the superblock", err);
	}
	return err;
}

/* Tell the status, and the tool that keeps the anchor, of the new superblock. */
static void super_committed(struct inocrypt *ic)
{
	const struct ic_super *sb = page_address(ic->checkpoint->super_page);

	spin_lock(&ic->super_lock);
	ic->super_now.epoch = ic->state.epoch;
	memcpy(ic->super_now.tag, sb->tag, IC_TAG_SIZE);
	spin_unlock(&ic->super_lock);
	dm_table_event(ic->ti->table);
}

/* The new tree is the committed one. */
static void nodes_committed(struct inocrypt *ic)
{
	struct ic_cnode *node, *n;

	list_for_each_entry_safe(node, n, &ic->checkpoint->sealed, sealed_list) {
		list_del_init(&node->sealed_list);
		WRITE_ONCE(node->replaced, false);
		spin_lock(&node->lock);
		if (ic_node_committed(&node->ns, parent_of(node),
				      ic->logger.log.gen))
			ic_node_dirty(ic, node);
		spin_unlock(&node->lock);
		ic_node_put(ic, node);
	}
	none_sealed(&ic->cache);
}

static int op_cut(void *home, struct ic_state *next)
{
	struct inocrypt *ic = home;

	switch (ic->recovering) {
	case IC_RUNNING:
		return ic_log_do_cut(ic, next);
	case IC_RECOVERED:
		memcpy(next->log_salt, ic->logger.salt, IC_SALT_SIZE);
		next->log_seq = ic->logger.log.cut;
		break;
	case IC_RECOVERING:
		/*
		 * In recovery the log still follows the tree, and is applied
		 * anew after a crash.
		 */
		break;
	}
	return 0;
}

static int op_seal(void *home, struct ic_state *next)
{
	struct inocrypt *ic = home;
	int err;

	trace_ic_checkpoint(ic, IC_AT_CHECKPOINT_CUT, 0);
	err = seal_all(ic, next);
	/*
	 * The flag is read after sealing, so that it covers every owner that a
	 * sealed leaf names.
	 */
	if (READ_ONCE(ic->owned))
		next->flags |= IC_STATE_OWNED;
	return err;
}

static int op_relogged(void *home)
{
	struct inocrypt *ic = home;

	trace_ic_checkpoint(ic, IC_AT_CHECKPOINT_SEALED, 0);
	return ic->recovering == IC_RECOVERING ? 0 : ic_log_relogged(ic);
}

static int op_in_place(void *home)
{
	trace_ic_checkpoint(home, IC_AT_CHECKPOINT_RELOGGED, 0);
	return ic_log_in_place(home);
}

static int op_flush(void *home)
{
	trace_ic_checkpoint(home, IC_AT_CHECKPOINT_IN_PLACE, 0);
	return ic_flush_devices(home);
}

static int op_write_super(void *home, const struct ic_state *next)
{
	struct inocrypt *ic = home;

	trace_ic_checkpoint(ic, IC_AT_CHECKPOINT_FLUSHED, 0);
	return READ_ONCE(ic->failed) ? -EIO : write_super(ic, next);
}

static void op_committed(void *home, const struct ic_state *next)
{
	struct inocrypt *ic = home;

	trace_ic_checkpoint(ic, IC_AT_CHECKPOINT_SUPER, 0);
	ic->state = *next;
	super_committed(ic);
	nodes_committed(ic);
	ic_count(ic, IC_STAT_CHECKPOINTS);
	if (ic->recovering == IC_RECOVERING)
		return;
	WRITE_ONCE(ic->committed_gen, ic->logger.log.gen);
	spin_lock(&ic->logger.lock);
	ic_log_committed(&ic->logger.log);
	spin_unlock(&ic->logger.lock);
}

static void op_failed(void *home, int err)
{
	struct inocrypt *ic = home;
	struct ic_cnode *node, *n;

	list_for_each_entry_safe(node, n, &ic->checkpoint->sealed, sealed_list) {
		list_del_init(&node->sealed_list);
		ic_node_redirty(ic, node);
	}
	none_sealed(&ic->cache);
	ic_count(ic, IC_STAT_CHECKPOINT_FAILURES);
	DMERR_LIMIT("%s: checkpoint failed: error %d",
		    dm_device_name(ic->vol->md), err);
}

static const struct ic_commit_ops commit_ops = {
	.cut		= op_cut,
	.seal		= op_seal,
	.relogged	= op_relogged,
	.in_place	= op_in_place,
	.flush		= op_flush,
	.write_super	= op_write_super,
	.committed	= op_committed,
	.failed		= op_failed,
};

static int run(struct inocrypt *ic,
	       int (*commit)(const struct ic_commit_ops *ops, void *home,
			     const struct ic_state *state))
{
	int err = -EIO;

	ic_checkpoint_begins(&ic->checkpoints);
	trace_ic_checkpoint(ic, IC_AT_CHECKPOINT_BEGIN, 0);
	if (!READ_ONCE(ic->failed) && !WARN_ON_ONCE(ic->read_only))
		err = commit(&commit_ops, ic, &ic->state);
	trace_ic_checkpoint(ic, err ? IC_AT_CHECKPOINT_FAILED :
				      IC_AT_CHECKPOINT_COMMITTED, err);
	memzero_explicit(page_address(ic->checkpoint->super_page), PAGE_SIZE);
	WRITE_ONCE(ic->checkpoint_err, err);
	ic_checkpoint_ends(&ic->checkpoints, err);
	/* One is added, as this may be the first second, which is number 0. */
	if (!err)
		WRITE_ONCE(ic->checkpoint_failing, 0);
	else if (!ic->checkpoint_failing)
		WRITE_ONCE(ic->checkpoint_failing,
			   ktime_get_boottime_seconds() + 1);
	wake_up_all(&ic->cache.dirty_wait);
	ic_log_kick(ic);
	return err;
}

/**
 * ic_checkpoint_run() - run one checkpoint
 * @ic: the table, loaded or recovering, and writable
 *
 * Context: the checkpoint's worker, or recovery; may sleep.
 * Return: 0 or a negative errno.
 */
int ic_checkpoint_run(struct inocrypt *ic)
{
	return run(ic, ic_commit);
}

/**
 * ic_checkpoint_same() - take the place of a superblock that could not be read
 * @ic: the table, recovering, and writable; nothing was committed yet
 *
 * See ic_commit_same().
 *
 * Context: recovery; may sleep.
 * Return: 0 or a negative errno.
 */
int ic_checkpoint_same(struct inocrypt *ic)
{
	return run(ic, ic_commit_same);
}

/* Is there something to commit, or a cut that was not? */
static bool wanted(struct inocrypt *ic)
{
	const struct ic_log *log = &ic->logger.log;
	bool logged;

	spin_lock(&ic->logger.lock);
	logged = !ic_log_empty(log) || log->cutting;
	spin_unlock(&ic->logger.lock);
	return logged || READ_ONCE(ic->cache.nr_dirty) || ic_erase_pending(ic);
}

/* Is another one due at once? */
static bool due(struct inocrypt *ic)
{
	return ic_dirty_due(&ic->cache) || ic_log_nearly_full(&ic->logger);
}

static void checkpoint_work(struct work_struct *work)
{
	struct inocrypt *ic = container_of(work, struct inocrypt,
					   checkpoint_work);
	unsigned int noio = memalloc_noio_save();
	int err = 0;

	/* A kick may come so late that another table is active already. */
	if (READ_ONCE(ic->stopping))
		goto out;
	WRITE_ONCE(ic->checkpoint_running, true);
	WRITE_ONCE(ic->checkpoint_needed, false);
	/*
	 * Whoever has read checkpoints.begun as it is from here on sets the flag
	 * after that.
	 */
	smp_mb();
	if (wanted(ic))
		err = ic_checkpoint_run(ic);
	WRITE_ONCE(ic->checkpoint_running, false);
	/* Pairs with the one in ic_checkpoint_need(). */
	smp_mb();
	if (READ_ONCE(ic->failed))
		;	/* what is dirty stays so */
	else if (err ? READ_ONCE(ic->checkpoint_needed) : due(ic))
		ic_checkpoint_kick(ic);	/* writers are or will be held back */
	else if (err || READ_ONCE(ic->cache.nr_dirty))
		ic_checkpoint_later(ic);
out:
	memalloc_noio_restore(noio);
}

static void checkpoint_timer(struct work_struct *work)
{
	struct inocrypt *ic = container_of(work, struct inocrypt,
					   checkpoint_timer.work);

	queue_work(ic->checkpoint_wq, &ic->checkpoint_work);
}

/**
 * ic_checkpoint_stop() - no checkpoint runs any more, and none will
 * @ic: the table; no I/O is under way
 *
 * Undone by clearing @ic->stopping, which resume does unless it is read-only.
 *
 * Context: may sleep.
 */
void ic_checkpoint_stop(struct inocrypt *ic)
{
	WRITE_ONCE(ic->stopping, true);
	/*
	 * A work that still runs may set the timer, and the timer may queue a
	 * work.
	 */
	cancel_work_sync(&ic->checkpoint_work);
	cancel_delayed_work_sync(&ic->checkpoint_timer);
	cancel_work_sync(&ic->checkpoint_work);
}

/**
 * ic_checkpoint_sync() - checkpoint until nothing is dirty, and wait
 * @ic: the table, loaded and writable
 *
 * Context: may sleep; no I/O of ours waits for the caller.
 * Return: 0 or the last checkpoint's error.
 */
int ic_checkpoint_sync(struct inocrypt *ic)
{
	/* An erased leaf is written by two checkpoints, so one isn't enough. */
	unsigned int tries = IC_ERASE_WRITES + 1;
	int err;

	do {
		err = ic_checkpoint_wait(ic);
	} while (!err && READ_ONCE(ic->cache.nr_dirty) && --tries);
	return err;
}

/**
 * ic_checkpoint_init() - reserve what checkpoints need
 * @ic: the table
 *
 * Return: 0 or a negative errno; ic_checkpoint_exit() cleans up in both cases.
 */
int ic_checkpoint_init(struct inocrypt *ic)
{
	struct ic_checkpoint *cp = kzalloc(sizeof(*cp), GFP_KERNEL);
	int err;

	if (!cp)
		return -ENOMEM;
	ic->checkpoint = cp;
	INIT_WORK(&ic->checkpoint_work, checkpoint_work);
	INIT_DELAYED_WORK(&ic->checkpoint_timer, checkpoint_timer);
	INIT_LIST_HEAD(&cp->sealed);
	/* No checkpoint begins from here until resume. */
	ic->stopping = true;
	init_waitqueue_head(&cp->wait);
	err = bioset_init(&cp->bs, 4, offsetof(struct node_bio, bio),
			  BIOSET_NEED_BVECS);
	if (err)
		return err;
	err = mempool_init_page_pool(&cp->pages, IC_CHECKPOINT_PAGES, 0);
	if (err)
		return err;
	cp->super_page = alloc_page(GFP_KERNEL);
	ic->checkpoint_wq = alloc_workqueue("inocrypt-checkpoint",
					    WQ_UNBOUND | WQ_MEM_RECLAIM, 2);
	if (!cp->super_page || !ic->checkpoint_wq)
		return -ENOMEM;
	return 0;
}

/**
 * ic_checkpoint_exit() - undo ic_checkpoint_init()
 * @ic: the table; no I/O is under way
 */
void ic_checkpoint_exit(struct inocrypt *ic)
{
	struct ic_checkpoint *cp = ic->checkpoint;

	if (!cp)
		return;
	if (ic->checkpoint_wq) {
		ic_checkpoint_stop(ic);
		destroy_workqueue(ic->checkpoint_wq);
	}
	if (cp->super_page)
		__free_page(cp->super_page);
	mempool_exit(&cp->pages);
	bioset_exit(&cp->bs);
	kfree(cp);
}
