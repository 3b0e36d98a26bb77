// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recovery's home: what recover.c asks of the node cache and the devices, and the
 * steps of an activation that are recovery's.
 *
 * A table that is read-only recovers in memory only.
 */
#include <linux/delay.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "tree/tree.h"
#include "log/log.h"
#include "checkpoint/checkpoint.h"
#include "io/io.h"
#include "load/load.h"

/* Wait so long between two tries to read a block of the log. */
#define READ_PAUSE_MS	500

/**
 * struct sector_read - the beginning of a sector being read
 * @bio: what reads it
 * @bvec: its only one
 * @page: receives it
 */
struct sector_read {
	struct bio	bio;
	struct bio_vec	bvec;
	struct page	*page;
};

/**
 * struct ic_recovery_home - a recovery under way: what the callbacks need
 * @ic: the table
 * @block: buffer for a log block
 * @data: buffer for a data block of the log
 * @tries: buffer for the sectors of a log block that the disk is asked about
 * @reads: buffers for so many of them as are read at once, IC_RECOVERY_READS
 * @reading: number of reads under way, and one more while some are submitted
 * @all_read: completed when @reading becomes zero
 * @dirty_max: so many dirty nodes are written out on the way
 * @unsettled: by sector, true: its data could not be read
 * @failed: such sectors and what they may hold, oldest first; none if read-only
 * @nr_failed: length of @failed
 * @said_leaf: first leaf of the kind of the records that were last said to be left out
 * @said_first: number of the first of these records
 * @said_nr: how many of them there are
 */
struct ic_recovery_home {
	struct inocrypt		*ic;
	struct page		*block;
	struct page		*data;
	struct ic_try		*tries;
	struct sector_read	*reads;
	atomic_t		reading;
	struct completion	all_read;
	unsigned long		dirty_max;
	struct xarray		unsettled;
	struct list_head	failed;
	u32			nr_failed;
	u64			said_leaf;
	u64			said_first;
	u64			said_nr;
};

static int rec_read_log(void *home, u64 seq, struct ic_log_block *block)
{
	struct ic_recovery_home *r = home;

	return ic_block_rw(r->ic, ic_log_block_nr(&r->ic->geo, seq),
			   virt_to_page(block),
			   REQ_OP_READ | REQ_SYNC | REQ_META);
}

static void read_done(struct ic_recovery_home *r)
{
	if (atomic_dec_and_test(&r->reading))
		complete(&r->all_read);
}

static void read_end_io(struct bio *bio)
{
	read_done(bio->bi_private);
}

static void read_submit(struct ic_recovery_home *r, struct sector_read *read,
			u64 sector, unsigned int size)
{
	struct inocrypt *ic = r->ic;
	struct bio *bio = &read->bio;

	bio_init(bio, ic->data->bdev, &read->bvec, 1, REQ_OP_READ | REQ_SYNC);
	bio->bi_iter.bi_sector = ic->data_start +
		(sector << (ic->geo.sector_shift - SECTOR_SHIFT));
	bio->bi_end_io = read_end_io;
	bio->bi_private = r;
	__bio_add_page(bio, read->page, size, 0);
	atomic_inc(&r->reading);
	submit_bio(bio);
}

/* Read the first @size bytes of @n sectors, IC_RECOVERY_READS at most, side by side. */
static void read_sectors(struct ic_recovery_home *r, struct ic_try *tries, u32 n,
			 unsigned int size)
{
	struct blk_plug plug;
	u32 i;

	atomic_set(&r->reading, 1);
	reinit_completion(&r->all_read);
	blk_start_plug(&plug);
	for (i = 0; i < n; i++) {
		struct sector_read *read = &r->reads[i];

		tries[i].err = ic_redo_find(r->ic, tries[i].sector,
					    page_address(read->page));
		if (!tries[i].err)
			read_submit(r, read, tries[i].sector, size);
	}
	blk_finish_plug(&plug);
	read_done(r);
	wait_for_completion_io(&r->all_read);
	for (i = 0; i < n; i++) {
		struct bio *bio = &r->reads[i].bio;

		if (tries[i].err) {
			/*
			 * Nothing was read for these: they are in memory, or
			 * their records are lost.
			 */
			tries[i].err = min(tries[i].err, 0);
			continue;
		}
		tries[i].err = blk_status_to_errno(bio->bi_status);
		bio_uninit(bio);
	}
}

static void rec_read_heads(void *home, struct ic_try *tries, u32 n)
{
	struct ic_recovery_home *r = home;
	unsigned int size = bdev_logical_block_size(r->ic->data->bdev);
	u32 i, some;

	for (; n; n -= some, tries += some) {
		some = min_t(u32, n, IC_RECOVERY_READS);
		read_sectors(r, tries, some, size);
		for (i = 0; i < some; i++)
			if (!tries[i].err)
				memcpy(tries[i].head,
				       page_address(r->reads[i].page),
				       IC_HEAD_SIZE);
	}
}

/*
 * A record can't be had: does recovery go on without it? Always, if its leaf,
 * or what is above it, is damaged: what the log says of it is left out, and the
 * leaf stays as it is. If it can't be read that may pass, and the log would be
 * gone with the commit: only a table that doesn't commit goes on.
 */
static bool is_lost(struct ic_recovery_home *r, int err)
{
	const struct inocrypt *ic = r->ic;

	return err == -EBADMSG ||
	       (ic_refused(err) && (ic->read_only || ic->options.give_up_unreadable));
}

/* Say why it doesn't go on, if it is a leaf that can't be read; returns @err. */
static int leaf_stops(struct ic_recovery_home *r, u64 first_leaf, u64 nr, int err)
{
	const char *name = dm_device_name(r->ic->vol->md);

	if (!ic_refused(err))
		return err;
	DMERR("%s: the leaf of %s %llu can't be read: error %d", name,
	      ic_kind_of_record(&r->ic->geo, first_leaf), nr, err);
	DMERR("%s: the log changes it: opens only read-only, or by give_up_unreadable",
	      name);
	return err;
}

/*
 * The log has changes of @nr records, from @first on, which can't be applied. Returns 0
 * if recovery goes on without them, else @err.
 */
static int lose(struct ic_recovery_home *r, u64 first_leaf, u64 first, u64 nr,
		int err)
{
	const char *kind = ic_kind_of_record(&r->ic->geo, first_leaf);
	const char *name = dm_device_name(r->ic->vol->md);

	if (!is_lost(r, err))
		return leaf_stops(r, first_leaf, first, err);
	r->ic->lost_records += nr;
	/* A record that was written twice is two changes, and one line. */
	if (r->said_leaf == first_leaf && r->said_first == first &&
	    r->said_nr == nr)
		return 0;
	r->said_leaf = first_leaf;
	r->said_first = first;
	r->said_nr = nr;
	DMERR_LIMIT("%s: left out changes of %s records %llu to %llu: error %d",
		    name, kind, first, first + nr - 1, err);
	return 0;
}

static int rec_get_sector(void *home, u64 sector, struct ic_sector_record *rec)
{
	struct ic_recovery_home *r = home;
	union ic_record any;
	int err;

	err = ic_get_record(r->ic, r->ic->geo.sector_leaf, sector, &any);
	if (err && !is_lost(r, err))
		return leaf_stops(r, r->ic->geo.sector_leaf, sector, err);
	if (err) {
		memset(&any, 0, sizeof(any));
		any.sector.owner = cpu_to_le32(IC_SECTOR_LOST);
	}
	*rec = any.sector;
	return 0;
}

/* An entry that comes later settles sectors [@first, @last]. */
static void drop_unsettled(struct ic_recovery_home *r, u64 first, u64 last)
{
	unsigned long sector = first;
	struct ic_failed *f, *n;
	void *entry;

	if (!xa_find(&r->unsettled, &sector, last, XA_PRESENT))
		return;
	xa_for_each_range(&r->unsettled, sector, entry, first, last)
		xa_erase(&r->unsettled, sector);
	list_for_each_entry_safe(f, n, &r->failed, write.list) {
		if (f->write.sector < first || f->write.sector > last)
			continue;
		list_del(&f->write.list);
		kfree(f);
		r->nr_failed--;
	}
}

static bool is_unsettled(struct ic_recovery_home *r, u64 sector)
{
	return xa_load(&r->unsettled, sector);
}

static int rec_set_sector(void *home, u64 sector,
			  const struct ic_sector_record *rec)
{
	struct ic_recovery_home *r = home;
	u64 leaf = r->ic->geo.sector_leaf;
	union ic_record any = { .sector = *rec };
	int err;

	if (rec->owner)
		r->ic->owned = true;
	err = ic_set_record(r->ic, leaf, sector, &any);
	return err ? lose(r, leaf, sector, 1, err) : 0;
}

static int rec_set_data(void *home, u64 sector,
			const struct ic_sector_record *rec)
{
	drop_unsettled(home, sector, sector);
	return rec_set_sector(home, sector, rec);
}

static int rec_redo(void *home, u64 sector, const void *data)
{
	struct ic_recovery_home *r = home;

	/*
	 * A later writing of the sector can't be judged. It may be there, so
	 * nothing may be put over it. Or it may not, and then only the log has
	 * this one.
	 */
	if (is_unsettled(r, sector))
		return r->ic->read_only ? 0 :
		       ic_redo_give_up(r->ic, sector, -EIO);
	return ic_redo(r->ic, sector, virt_to_page(data));
}

static int rec_set_owner(void *home, u32 ino, const union ic_record *rec)
{
	struct ic_recovery_home *r = home;
	struct inocrypt *ic = r->ic;
	int err = ic_replay_owner(ic, ino, rec);

	if (err)
		return lose(r, ic->geo.owner_leaf, ino, 1, err);
	if (ic_owner_used(rec))
		ic->owned = true;
	return 0;
}

static int rec_set_key(void *home, u32 slot, const union ic_record *rec)
{
	struct ic_recovery_home *r = home;
	int err = ic_set_record(r->ic, 0, slot, rec);

	return err ? lose(r, 0, slot, 1, err) : 0;
}

static int rec_zero(void *home, u64 first, u64 last)
{
	struct ic_recovery_home *r = home;
	struct inocrypt *ic = r->ic;
	u64 next, end;
	int err;

	drop_unsettled(r, first, last);
	for (;; first = end + 1) {
		err = ic_zero_range(ic, first, last, &next);
		if (!err)
			return 0;
		end = min(last, ic_lost_with(ic, next));
		err = lose(r, ic->geo.sector_leaf, next, end - next + 1, err);
		if (err || end == last)
			return err;
	}
}

static int rec_unsettled(void *home, u64 sector,
			 const struct ic_sector_record *rec,
			 const u8 head[IC_HEAD_SIZE])
{
	struct ic_recovery_home *r = home;
	struct ic_failed *f;
	int err;

	ic_count(r->ic, IC_STAT_IO_ERRORS);
	DMERR_LIMIT("%s: can't read sector %llu, which was being written: both contents are kept",
		    dm_device_name(r->ic->vol->md), sector);
	err = xa_err(xa_store(&r->unsettled, sector, xa_mk_value(1), GFP_NOIO));
	if (err)
		return err;
	if (r->ic->read_only)
		return 0;
	if (r->nr_failed >= ic_unsettled_max(&r->ic->logger.log)) {
		DMERR("%s: more than %u sectors in doubt can't be read: open it read-only",
		      dm_device_name(r->ic->vol->md), r->nr_failed);
		return -EIO;
	}
	f = kzalloc(sizeof(*f), GFP_NOIO);
	if (!f)
		return -ENOMEM;
	f->rec = *rec;
	memcpy(f->head[0], head, IC_HEAD_SIZE);
	f->write.sector = sector;
	f->write.nr = 1;
	f->write.rec = &f->rec;
	f->write.head = (const u8 (*)[IC_HEAD_SIZE])f->head;
	list_add_tail(&f->write.list, &r->failed);
	r->nr_failed++;
	return 0;
}

static void rec_verify(void *home, struct ic_try *tries, u32 n)
{
	struct ic_recovery_home *r = home;
	u32 i, some;

	for (; n; n -= some, tries += some) {
		some = min_t(u32, n, IC_RECOVERY_READS);
		read_sectors(r, tries, some, r->ic->geo.sector_size);
		for (i = 0; i < some; i++) {
			if (!tries[i].err)
				tries[i].err = ic_decrypt_page(r->ic, r->reads[i].page,
							       tries[i].sector,
							       &tries[i].rec);
			/*
			 * The sector can be read by now, and may have the other
			 * writing.
			 */
			if (tries[i].err == -EBADMSG &&
			    is_unsettled(r, tries[i].sector))
				tries[i].err = -EIO;
		}
	}
}

static void rec_pause(void *home)
{
	msleep(READ_PAUSE_MS);
}

static int rec_claim(void *home)
{
	struct ic_recovery_home *r = home;

	return ic_checkpoint_same(r->ic);
}

static int rec_progress(void *home)
{
	struct ic_recovery_home *r = home;
	struct inocrypt *ic = r->ic;
	int err;

	cond_resched();
	if (ic->read_only || ic->cache.nr_dirty < r->dirty_max)
		return 0;
	err = ic_checkpoint_run(ic);
	/* Leaves to be erased stay dirty until the log is our own. */
	r->dirty_max = max(ic->cache.max / 2,
			   ic->cache.nr_dirty + ic->cache.max / 8);
	return err;
}

static const struct ic_recovery_ops torn_ops = {
	.read_log	= rec_read_log,
	.read_heads	= rec_read_heads,
	.get_sector	= rec_get_sector,
	.set_sector	= rec_set_sector,
	.set_data	= rec_set_data,
	.redo		= rec_redo,
	.set_owner	= rec_set_owner,
	.set_key	= rec_set_key,
	.zero		= rec_zero,
	.unsettled	= rec_unsettled,
	.verify		= rec_verify,
	.pause		= rec_pause,
	.claim		= rec_claim,
	.progress	= rec_progress,
};

static const struct ic_recovery_ops whole_ops = {
	.read_log	= rec_read_log,
	.read_heads	= rec_read_heads,
	.get_sector	= rec_get_sector,
	.set_sector	= rec_set_sector,
	.set_data	= rec_set_data,
	.redo		= rec_redo,
	.set_owner	= rec_set_owner,
	.set_key	= rec_set_key,
	.zero		= rec_zero,
	.unsettled	= rec_unsettled,
	.pause		= rec_pause,
	.claim		= rec_claim,
	.progress	= rec_progress,
};

/* Say what can't be read, because of which the volume isn't activated. */
static void report_doubt(struct inocrypt *ic)
{
	const struct ic_recovery *r = ic->recovery;
	const char *name = dm_device_name(ic->vol->md);

	if (r->super_unread)
		DMERR("%s: a superblock can't be read, and may be the newer one: not activated",
		      name);
	if (r->end_unread)
		DMERR("%s: block %llu of the log (%llu of the sidecar) can't be read, %s",
		      name, r->unread_block,
		      ic_log_block_nr(&ic->geo, r->unread_block),
		      "and seems not to be its end");
}

/* Say what could not be read, and that the volume was activated without it. */
static void report_unread(struct inocrypt *ic)
{
	const struct ic_recovery *r = ic->recovery;
	const char *name = dm_device_name(ic->vol->md);

	if (r->super_unread)
		DMWARN("%s: a superblock can't be read: %s", name,
		       r->gave_up_log ? "given up, and what only it led to" :
		       "it is the older one, or says the same");
	if (r->end_unread)
		DMWARN("%s: block %llu of the log (%llu of the sidecar) can't be read: %s",
		       name, r->unread_block,
		       ic_log_block_nr(&ic->geo, r->unread_block),
		       r->gave_up_log ? "given up, and what the log has behind it" :
		       "taken for the log's end");
}

static void free_buffers(struct ic_recovery_home *r)
{
	u32 i;

	for (i = 0; r->reads && i < IC_RECOVERY_READS; i++) {
		if (!r->reads[i].page)
			break;
		/* Sectors may have been decrypted in the buffer, so it is wiped. */
		memzero_explicit(page_address(r->reads[i].page), PAGE_SIZE);
		__free_page(r->reads[i].page);
	}
	kvfree(r->reads);
	kvfree(r->tries);
	if (r->data)
		__free_page(r->data);
	if (r->block)
		__free_page(r->block);
}

static int alloc_buffers(struct ic_recovery_home *r)
{
	u32 i;

	r->block = alloc_page(GFP_KERNEL);
	r->data = alloc_page(GFP_KERNEL);
	r->tries = kvcalloc(IC_LOG_TRIES, sizeof(*r->tries), GFP_KERNEL);
	r->reads = kvcalloc(IC_RECOVERY_READS, sizeof(*r->reads), GFP_KERNEL);
	if (!r->block || !r->data || !r->tries || !r->reads)
		return -ENOMEM;
	for (i = 0; i < IC_RECOVERY_READS; i++) {
		r->reads[i].page = alloc_page(GFP_KERNEL);
		if (!r->reads[i].page)
			return -ENOMEM;
	}
	return 0;
}

/**
 * ic_recovery_home_new() - reserve what a recovery needs
 * @ic: the table; its log, and what an earlier recovery left, are emptied
 *
 * Context: resume; may sleep; nobody else uses the table.
 * Return: it, or an ERR_PTR(); ic_recovery_home_free() lets it go.
 */
struct ic_recovery_home *ic_recovery_home_new(struct inocrypt *ic)
{
	struct ic_recovery_home *r = kzalloc(sizeof(*r), GFP_KERNEL);

	if (!r)
		return ERR_PTR(-ENOMEM);
	/* An earlier try to activate this table may have failed. */
	ic->lost_records = 0;
	ic_logger_reset(ic);
	ic_redo_drop(ic);
	r->ic = ic;
	INIT_LIST_HEAD(&r->failed);
	xa_init(&r->unsettled);
	r->dirty_max = ic->cache.max / 2;
	init_completion(&r->all_read);
	if (!ic->recovery)
		ic->recovery = kzalloc(sizeof(*ic->recovery), GFP_KERNEL);
	if (ic->recovery && !alloc_buffers(r))
		return r;
	ic_recovery_home_free(r);
	return ERR_PTR(-ENOMEM);
}

/**
 * ic_recovery_home_free() - free what a recovery needed
 * @r: from ic_recovery_home_new()
 *
 * Context: may sleep.
 */
void ic_recovery_home_free(struct ic_recovery_home *r)
{
	struct ic_recovery *rec = r->ic->recovery;
	struct ic_failed *f, *n;

	/*
	 * A read-only table goes on without these: the sectors read as what was
	 * there before, or fail.
	 */
	list_for_each_entry_safe(f, n, &r->failed, write.list)
		kfree(f);
	xa_destroy(&r->unsettled);
	/* What it has found out stays, for the status. */
	if (rec) {
		ic_meta_key_free(rec->key);
		rec->key = NULL;
		rec->home = NULL;
		rec->block = NULL;
		rec->data = NULL;
		rec->tries = NULL;
	}
	free_buffers(r);
	kfree(r);
}

static int set_up(struct ic_recovery_home *r, const struct ic_activation *a)
{
	struct inocrypt *ic = r->ic;
	struct ic_recovery *rec = ic->recovery;
	bool torn = bdev_logical_block_size(ic->data->bdev) <
		    ic->geo.sector_size;
	struct ic_meta_key *key = ic_meta_key_new(ic->logger.master);

	if (IS_ERR(key))
		return PTR_ERR(key);
	rec->key = key;
	rec->ops = torn ? &torn_ops : &whole_ops;
	rec->home = r;
	rec->geo = &ic->geo;
	rec->uuid = ic->params.uuid;
	rec->log_master = ic->logger.master;
	rec->block = page_address(r->block);
	rec->data = page_address(r->data);
	rec->tries = r->tries;
	rec->zero_torn = torn && ic->options.zero_torn;
	rec->read_only = ic->read_only;
	rec->super_unread = a->super_unread;
	rec->give_up_unreadable = ic->options.give_up_unreadable;
	return 0;
}

/* Say that it failed; the caller gets one error, whichever the device gave. */
static int failure(struct inocrypt *ic, int err)
{
	if (err)
		DMERR("%s: can't recover: error %d",
		      dm_device_name(ic->vol->md), err);
	return ic_refused(err) ? -EIO : err;
}

/**
 * ic_recovery_run() - apply the log
 * @r: from ic_recovery_home_new(); the tree's root is loaded
 * @a: the activation; receives how many sectors are unsettled
 *
 * Context: resume; may sleep and do I/O; nobody else uses the table.
 * Return: 0 or a negative errno.
 */
int ic_recovery_run(struct ic_recovery_home *r, struct ic_activation *a)
{
	struct inocrypt *ic = r->ic;
	struct ic_recovery *rec = ic->recovery;
	int err = set_up(r, a);

	if (err)
		return failure(ic, err);
	ic->recovering = IC_RECOVERING;
	err = ic_recover(rec, &ic->state);
	ic->recovering = IC_RUNNING;
	if (err && rec->doubt && !rec->gave_up_log)
		report_doubt(ic);
	if (err == -EINVAL)
		DMERR("%s: a block of the log authenticates but makes no sense: see inocrypt check",
		      dm_device_name(ic->vol->md));
	if (rec->end != rec->start)
		DMINFO("%s: log: %llu blocks, %llu entries, %llu/%llu PUTs, %llu redone, %llu torn",
		       dm_device_name(ic->vol->md), rec->end - rec->start,
		       rec->facts, rec->kept, rec->candidates, rec->redone,
		       rec->torn);
	if (!err && ic->read_only)
		report_unread(ic);
	/* A checkpoint on the way may have called the log's writer. */
	flush_work(&ic->logger.work);
	a->nr_unsettled = r->nr_failed;
	return failure(ic, err);
}

/**
 * ic_recovery_adopt() - log anew what recovery could not look at
 * @r: after ic_recovery_run(); the log is our own by now
 *
 * Context: resume; may sleep.
 */
void ic_recovery_adopt(struct ic_recovery_home *r)
{
	struct ic_failed *f, *n;

	list_for_each_entry_safe(f, n, &r->failed, write.list) {
		list_del(&f->write.list);
		ic_log_adopt_failed(r->ic, f);
	}
}

/**
 * ic_recovery_commit() - commit what was recovered
 * @r: after ic_recovery_adopt()
 *
 * Context: resume; may sleep and do I/O.
 * Return: 0 or a negative errno.
 */
int ic_recovery_commit(struct ic_recovery_home *r)
{
	struct inocrypt *ic = r->ic;
	int err;

	ic->recovering = IC_RECOVERED;
	err = ic_checkpoint_run(ic);
	ic->recovering = IC_RUNNING;
	/*
	 * If nobody knows whether the superblock is committed, these may be
	 * gone, too.
	 */
	if (!err || READ_ONCE(ic->failed))
		ic_redo_report(ic);
	if (!err)
		report_unread(ic);
	return failure(ic, err);
}
