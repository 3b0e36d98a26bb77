// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log's writer: it seals, writes and flushes for all who wait, by whichever of
 * two workers is called, one round at a time.
 *
 * While it writes, others append; all of them share its next round.  It has its
 * own bios, its blocks are allocated beforehand, and it waits for nobody.
 *
 * An error writing the log stops the volume: blocks are chained, so nothing after
 * it could be found again.
 */
#include <linux/list_sort.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "log/log.h"

/* Blocks in one bio. */
#define RUN_BLOCKS	128

/*
 * After so many blocks the devices are flushed, whether somebody waits or not:
 * above the low-water mark recovery has to ask the disk about each sector, and a
 * read-only table keeps in memory what is in the log.
 */
#define UNSETTLED_MAX	1024

static void kick(struct inocrypt *ic)
{
	queue_work(ic->logger.wq, &ic->logger.work);
}

static int seal_block(struct inocrypt *ic, u64 seq)
{
	struct ic_logger *lg = &ic->logger;
	struct ic_log *log = &lg->log;
	static const u8 none[IC_TAG_SIZE];
	struct ic_log_block *block;
	u8 nonce[IC_NONCE_SIZE];
	const u8 *prev;
	u32 slot;
	u64 gen;
	int err;

	div_u64_rem(seq, log->nr_slots, &slot);
	block = log->slot[slot];
	spin_lock(&lg->lock);
	gen = ic_log_gen(log, seq);
	prev = ic_log_is_first(log, seq) ? none : log->prev_tag;
	spin_unlock(&lg->lock);
	err = ic_log_set_checks(log, seq, lg->key[gen & 1]);
	if (err)
		return err;
	ic_nonce(&ic->nonces, nonce);
	err = ic_log_seal(block, lg->key[gen & 1], ic->params.uuid, seq, prev,
			  nonce);
	if (!err)
		memcpy(log->prev_tag, block->tag, IC_TAG_SIZE);
	return err;
}

/* Write sealed blocks that are adjacent in the ring. */
static int write_run(struct inocrypt *ic, u64 seq, u32 nr, bool fua)
{
	struct ic_log *log = &ic->logger.log;
	struct bio *bio;
	u32 slot;
	int err;

	bio = bio_alloc_bioset(ic->sidecar->bdev, nr, REQ_OP_WRITE | REQ_SYNC |
			       REQ_META | (fua ? REQ_FUA : 0), GFP_NOIO,
			       &ic->logger.bs);
	bio->bi_iter.bi_sector = ic->sidecar_start +
		(ic_log_block_nr(&ic->geo, seq) <<
		 (IC_BLOCK_SHIFT - SECTOR_SHIFT));
	for (; nr--; seq++) {
		const void *block = ic_log_data_block(log, seq);

		div_u64_rem(seq, log->nr_slots, &slot);
		if (!block)
			block = log->slot[slot];
		__bio_add_page(bio, virt_to_page(block), IC_BLOCK_SIZE, 0);
		ic_count(ic, IC_STAT_LOG_BLOCKS);
	}
	err = submit_bio_wait(bio);
	bio_put(bio);
	if (err)
		ic_count(ic, IC_STAT_IO_ERRORS);
	return err;
}

/* Seal and write blocks [@from, @to). */
static int write_blocks(struct inocrypt *ic, u64 from, u64 to, bool fua)
{
	u64 seq;
	int err;

	for (seq = from; seq < to; seq++) {
		if (ic_log_data_block(&ic->logger.log, seq))
			continue;
		err = seal_block(ic, seq);
		if (err)
			return err;
		cond_resched();
	}
	while (from < to) {
		u64 nr = ic_log_block_nr(&ic->geo, from);
		u64 left = ic->geo.log_start + ic->geo.log_blocks - nr;
		u32 run = min3(to - from, left, (u64)RUN_BLOCKS);

		err = write_run(ic, from, run, fua);
		if (err)
			return err;
		from += run;
	}
	return 0;
}

/**
 * ic_flush_devices() - flush the data device and the sidecar
 * @ic: the table
 *
 * What was complete before moves the low-water mark.
 *
 * An error stops the volume: a device may drop its cache, say so once, and call
 * the next flush a success.  The log still knows both contents of what it lost.
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int ic_flush_devices(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;
	u64 settled, next;
	int err;

	spin_lock(&lg->lock);
	settled = ic_log_settled(&lg->log);
	next = lg->log.next;
	spin_unlock(&lg->lock);
	err = blkdev_issue_flush(ic->sidecar->bdev);
	if (!err && ic->data->bdev != ic->sidecar->bdev)
		err = blkdev_issue_flush(ic->data->bdev);
	if (err) {
		ic_count(ic, IC_STAT_IO_ERRORS);
		ic_fail(ic, "a device's cache back", err);
		return err;
	}
	ic_count(ic, IC_STAT_DEVICE_FLUSHES);
	spin_lock(&lg->lock);
	ic_log_flushed(&lg->log, settled);
	ic_log_durable(&lg->log, next);
	spin_unlock(&lg->lock);
	return 0;
}

/*
 * Make blocks before @to, all written, durable for those who only wait for it.
 * With @fua they are: where the device has no FUA, the block layer flushed it.
 */
static int make_durable(struct inocrypt *ic, u64 to, bool fua)
{
	struct ic_logger *lg = &ic->logger;
	bool cached = bdev_write_cache(ic->sidecar->bdev);
	int err = 0;

	/* Free, and moves the low-water mark. */
	if (!cached && !bdev_write_cache(ic->data->bdev))
		return ic_flush_devices(ic);
	if (fua && !bdev_fua(ic->sidecar->bdev))
		ic_count(ic, IC_STAT_DEVICE_FLUSHES);
	if (!fua && cached && READ_ONCE(lg->log.durable) < to) {
		if (ic->data->bdev == ic->sidecar->bdev)
			return ic_flush_devices(ic);
		err = blkdev_issue_flush(ic->sidecar->bdev);
		if (!err)
			ic_count(ic, IC_STAT_DEVICE_FLUSHES);
	}
	if (err) {
		ic_count(ic, IC_STAT_IO_ERRORS);
		ic_fail(ic, "the sidecar's cache back", err);
		return err;
	}
	spin_lock(&lg->lock);
	ic_log_durable(&lg->log, to);
	spin_unlock(&lg->lock);
	return 0;
}

static int by_sector(void *priv, const struct list_head *a,
		     const struct list_head *b)
{
	const struct ic_io *first = list_entry(a, struct ic_io, submit_list);
	const struct ic_io *second = list_entry(b, struct ic_io, submit_list);

	return first->range.start > second->range.start;
}

/* In the order of the disk: there are more than its own queue can sort. */
static void submit_all(struct list_head *subs)
{
	struct ic_io *io, *n;
	struct blk_plug plug;

	if (list_empty(subs))
		return;
	list_sort(NULL, subs, by_sector);
	blk_start_plug(&plug);
	/* Once it is submitted @io may go. */
	list_for_each_entry_safe(io, n, subs, submit_list) {
		list_del(&io->submit_list);
		submit_bio_noacct(io->sub);
	}
	blk_finish_plug(&plug);
}

static void place_work(struct work_struct *work)
{
	struct ic_logger *lg = container_of(work, struct ic_logger,
					    place_work.work);
	LIST_HEAD(subs);

	spin_lock(&lg->lock);
	list_splice_init(&lg->held, &subs);
	spin_unlock(&lg->lock);
	submit_all(&subs);
}

/* Of a flush, device mapper may send its data all the same. */
static void end_io(struct inocrypt *ic, struct ic_io *io, blk_status_t status)
{
	if (status && io->bio && io->bio->bi_opf & REQ_PREFLUSH)
		ic_behind_flush_failed(ic);
	io->logged(io, status);
}

static void end_waiter(struct inocrypt *ic, struct ic_io *io, int err)
{
	end_io(ic, io, err ? ic_blk_status(err) : BLK_STS_OK);
}

/*
 * Nobody's entries became durable.  Data that waited for its PUTs was never
 * written, but the PUTs may be on the disk: those writes failed.
 */
static void end_all(struct inocrypt *ic, struct list_head *flushes, int err)
{
	struct ic_logger *lg = &ic->logger;
	LIST_HEAD(intents);
	LIST_HEAD(others);
	LIST_HEAD(subs);
	struct ic_io *io, *n;

	spin_lock(&lg->lock);
	/* These have been durable since the round before. */
	list_splice_init(&lg->held, &subs);
	/* As if their data had been on the way. */
	list_splice_init(&lg->intents, &intents);
	list_splice_tail_init(&lg->data, &intents);
	lg->waiting = 0;
	lg->joined = 0;
	list_splice_init(&lg->flushes, &others);
	list_splice_init(&lg->logged, &others);
	spin_unlock(&lg->lock);
	submit_all(&subs);
	list_splice_init(flushes, &others);
	list_for_each_entry_safe(io, n, &intents, wait_list) {
		if (!io->bio)
			ic_behind_late(ic, ic_blk_status(err));
		ic_log_write_failed(ic, io);
		end_waiter(ic, io, err);
	}
	list_for_each_entry_safe(io, n, &others, wait_list) {
		list_del_init(&io->wait_list);
		end_waiter(ic, io, err);
	}
	wake_up_all(&lg->room_wait);
}

/*
 * Let go all that waits for blocks that are durable by now.  What is logged with
 * its data need not be put in place at once, and with @hold it is not: a journal's
 * commit block follows its flush, and lies next to what was flushed.
 */
static void end_durable(struct inocrypt *ic, bool hold)
{
	struct ic_logger *lg = &ic->logger;
	struct bio_list ended = BIO_EMPTY_LIST;
	struct ic_io *io, *n;
	struct bio *sub;
	LIST_HEAD(logged);
	LIST_HEAD(subs);
	u64 durable;

	spin_lock(&lg->lock);
	durable = lg->log.durable;
	list_splice_init(&lg->held, &subs);
	list_for_each_entry_safe(io, n, &lg->intents, wait_list) {
		if (io->puts.now.last >= durable)
			break;
		list_move_tail(&io->wait_list, &lg->writing);
		ic_log_leave(lg, io);
		list_add_tail(&io->submit_list, &subs);
	}
	ic_log_data_durable(ic, hold ? &lg->held : &subs, &subs, &ended);
	/* Before who wants one of them can see it there, and call for it. */
	if (!list_empty(&lg->held))
		mod_delayed_work(lg->wq, &lg->place_work, IC_PLACE_DELAY);
	list_for_each_entry_safe(io, n, &lg->logged, wait_list)
		if (io->log_seq < durable)
			list_move_tail(&io->wait_list, &logged);
	spin_unlock(&lg->lock);

	while ((sub = bio_list_pop(&ended))) {
		sub->bi_status = BLK_STS_OK;
		bio_endio(sub);
	}
	submit_all(&subs);
	list_for_each_entry_safe(io, n, &logged, wait_list) {
		list_del_init(&io->wait_list);
		end_waiter(ic, io, 0);
	}
}

/* The first write whose data is not on the disk.  Under lg->lock. */
static u64 first_ticket(const struct ic_logger *lg)
{
	const struct list_head *list = list_empty(&lg->writing) ?
		&lg->intents : &lg->writing;

	if (list_empty(list))
		return lg->ticket;
	return list_first_entry(list, struct ic_io, wait_list)->ticket;
}

/**
 * ic_log_flush_ready() - has all completed that the first flush has to wait for?
 * @lg: the logger, locked
 */
bool ic_log_flush_ready(struct ic_logger *lg)
{
	const struct ic_io *io =
		list_first_entry_or_null(&lg->flushes, struct ic_io, wait_list);

	return io && io->ticket <= first_ticket(lg);
}

/*
 * Take the flushes that need wait for nothing but the devices.  Those with FUA
 * writes in between needn't wait for those before them.  Under lg->lock.
 */
static blk_status_t take_flushes(struct ic_logger *lg, struct list_head *to)
{
	u64 first = first_ticket(lg);
	blk_status_t late = BLK_STS_OK;
	struct ic_io *io, *n;

	list_for_each_entry_safe(io, n, &lg->flushes, wait_list) {
		if (io->ticket > first)
			continue;
		list_move_tail(&io->wait_list, to);
		if (io->bio->bi_opf & REQ_PREFLUSH) {
			late = late ? late : lg->late_err;
			lg->late_err = BLK_STS_OK;
		}
	}
	return late;
}

/* Does somebody wait for what waits in the log?  Under lg->lock. */
static bool is_urgent(struct ic_logger *lg)
{
	const struct ic_io *io =
		list_first_entry_or_null(&lg->intents, struct ic_io, wait_list);

	return io && io->ticket < lg->urgent;
}

/* Must what is in the open block be durable now?  Under lg->lock. */
static bool wants_durable(struct ic_logger *lg)
{
	if (!list_empty(&lg->logged))
		return true;
	if (!list_empty(&lg->data))
		return true;
	return !list_empty(&lg->intents) &&
	       (is_urgent(lg) || !list_empty(&lg->flushes) ||
		ic_log_enough_wait(lg));
}

static void end_flushes(struct inocrypt *ic, struct list_head *flushes,
			blk_status_t late)
{
	struct ic_io *io, *n;

	list_for_each_entry_safe(io, n, flushes, wait_list) {
		list_del_init(&io->wait_list);
		end_io(ic, io, io->bio->bi_opf & REQ_PREFLUSH ? late :
								BLK_STS_OK);
	}
}

/*
 * One round for all who wait.  Returns true if another one could get further at
 * once.
 */
static bool log_round(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;
	struct ic_log *log = &lg->log;
	blk_status_t late = BLK_STS_OK;
	bool durable, fua, devices, closed = true;
	LIST_HEAD(flushes);
	u64 from, to;
	int err;

	spin_lock(&lg->lock);
	durable = wants_durable(lg);
	if (durable || !list_empty(&lg->flushes)) {
		ic_log_choose_data(ic);
		closed = ic_log_close(log);
	}
	if (closed)
		late = take_flushes(lg, &flushes);
	from = log->next;
	to = log->head;
	lg->taken = to;
	/* Data that is in the log needs no flush of its place. */
	devices = (!list_empty(&flushes) && lg->unflushed) ||
		  to > lg->flushed + UNSETTLED_MAX;
	durable = durable || !list_empty(&flushes);
	if (devices) {
		lg->unflushed = false;
		lg->flushed = to;
	}
	fua = durable && !devices && log->durable == from && from < to &&
	      bdev_write_cache(ic->sidecar->bdev);
	spin_unlock(&lg->lock);

	err = READ_ONCE(ic->failed) ? -EIO : write_blocks(ic, from, to, fua);
	if (err) {
		ic_fail(ic, "the log", err);
		end_all(ic, &flushes, err);
		return false;
	}
	spin_lock(&lg->lock);
	ic_log_written(log, to);
	spin_unlock(&lg->lock);
	wake_up_all(&lg->room_wait);

	if (devices)
		err = ic_flush_devices(ic);
	else if (durable || !bdev_write_cache(ic->sidecar->bdev))
		err = make_durable(ic, to, fua);
	if (closed)
		lg->stuck_since = 0;
	else if (!lg->stuck_since)
		lg->stuck_since = READ_ONCE(ic->checkpoint_runs) + 1;
	else if (from == to &&
		 ic_checkpoint_failed_since(ic, lg->stuck_since - 1))
		err = err ? err : -EIO;	/* no space, and none to come */
	if (err) {
		end_all(ic, &flushes, err);
		return false;
	}
	end_durable(ic, !list_empty(&flushes));
	if (!list_empty(&flushes))
		mod_delayed_work(lg->wq, &lg->mark_work, IC_MARK_DELAY);
	end_flushes(ic, &flushes, late);
	/* No space: the checkpoint kicks us when it is through. */
	if (!closed)
		ic_checkpoint_kick(ic);
	return !closed && from != to;
}

static void log_rounds(struct inocrypt *ic)
{
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&ic->logger.round_mutex);
	while (log_round(ic))
		cond_resched();
	mutex_unlock(&ic->logger.round_mutex);
	memalloc_noio_restore(noio);
}

static void log_work(struct work_struct *work)
{
	log_rounds(container_of(work, struct inocrypt, logger.work));
}

static void near_work(struct work_struct *work)
{
	log_rounds(container_of(work, struct inocrypt, logger.near_work));
}

/*
 * Writes have waited long enough, unless the device has enough to do: then more
 * of them share a round, and nothing is later for it.
 */
static void drain_work(struct work_struct *work)
{
	struct inocrypt *ic = container_of(work, struct inocrypt,
					   logger.drain_work.work);
	struct ic_logger *lg = &ic->logger;
	unsigned long now = jiffies, due;
	bool busy, none;

	spin_lock(&lg->lock);
	busy = !list_empty(&lg->writing);
	none = list_empty(&lg->intents);
	due = lg->waiting_since + IC_DRAIN_DELAY;
	spin_unlock(&lg->lock);
	if (none)
		return;
	if (busy)
		queue_delayed_work(lg->wq, &lg->drain_work, IC_DRAIN_DELAY);
	else if (time_before(now, due))
		queue_delayed_work(lg->wq, &lg->drain_work, due - now);
	else
		ic_behind_hurry(ic);
}

/*
 * After a flush with nothing following: write down how far all is settled.  Data
 * that was logged came to its place after that flush: it takes one more.  Not of
 * a device that fails: nobody asked for this one, and an error stops the volume.
 */
static void mark_work(struct work_struct *work)
{
	struct inocrypt *ic = container_of(work, struct inocrypt,
					   logger.mark_work.work);
	bool closed, behind;

	spin_lock(&ic->logger.lock);
	behind = !ic->logger.log.nr_failed &&
		 ic->logger.log.low < ic_log_settled(&ic->logger.log);
	spin_unlock(&ic->logger.lock);
	if (behind && !READ_ONCE(ic->failed) && ic_flush_devices(ic))
		return;
	spin_lock(&ic->logger.lock);
	closed = ic_log_mark(&ic->logger.log);
	spin_unlock(&ic->logger.lock);
	if (closed)
		kick(ic);
}

/**
 * ic_log_kick() - have the worker look again
 * @ic: the table
 *
 * Context: any.
 */
void ic_log_kick(struct inocrypt *ic)
{
	wake_up_all(&ic->logger.room_wait);
	kick(ic);
}

/**
 * ic_log_place() - somebody waits for what is held back from its place
 * @ic: the table
 *
 * Context: any.
 */
void ic_log_place(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;

	if (!list_empty_careful(&lg->held))
		mod_delayed_work(lg->wq, &lg->place_work, 0);
}

static int cut(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;
	struct ic_log *log = &lg->log;
	int err;

	/* Of the last generation but one nothing is left to seal. */
	err = ic_log_new_salt(ic, log->gen + 1);
	if (err)
		return err;
	for (;;) {
		spin_lock(&lg->lock);
		if (ic_log_can_cut(log))
			break;
		spin_unlock(&lg->lock);
		kick(ic);
		wait_event(lg->room_wait, READ_ONCE(ic->failed) ||
			   ic_log_can_cut(log));
		if (READ_ONCE(ic->failed))
			return -EIO;
	}
	ic_log_cut(log, lg->salt);
	/* Their PUTs moved on: a round under way can't let them go. */
	lg->urgent = lg->ticket;
	spin_unlock(&lg->lock);
	kick(ic);
	return 0;
}

/**
 * ic_log_do_cut() - cut the log for a checkpoint, unless a cut is outstanding
 * @ic: the table
 * @next: receives log_salt and log_seq
 *
 * Context: the checkpoint; may sleep.
 * Return: 0 or a negative errno.
 */
int ic_log_do_cut(struct inocrypt *ic, struct ic_state *next)
{
	struct ic_logger *lg = &ic->logger;
	int err;

	if (!READ_ONCE(lg->log.cutting)) {
		WRITE_ONCE(lg->cut_coming, true);
		err = cut(ic);
		WRITE_ONCE(lg->cut_coming, false);
		if (err)
			return err;
	}
	memcpy(next->log_salt, lg->salt, IC_SALT_SIZE);
	next->log_seq = lg->log.cut;
	return 0;
}

/**
 * ic_log_new_salt() - draw a salt, and set the key of the blocks under it
 * @ic: the table
 * @gen: the ring's generation that it is for
 *
 * Context: may sleep; no block of generation @gen - 2 is left to seal.
 * Return: 0 or a negative errno.
 */
int ic_log_new_salt(struct inocrypt *ic, u64 gen)
{
	struct ic_logger *lg = &ic->logger;
	u8 key[IC_KEY_SIZE], salt[IC_SALT_SIZE];
	int err;

	get_random_bytes(salt, IC_SALT_SIZE);
	err = ic_derive_log_key(lg->master, salt, key);
	if (!err)
		err = ic_meta_key_set(lg->key[gen & 1], key);
	/* Until the cut the salt in use is the one before. */
	if (!err)
		memcpy(lg->salt, salt, IC_SALT_SIZE);
	memzero_explicit(key, sizeof(key));
	memzero_explicit(salt, sizeof(salt));
	return err;
}

/**
 * ic_log_relogged() - wait until all is written that sealed nodes may hold
 * @ic: the table
 *
 * Context: the checkpoint; may sleep.
 * Return: 0 or a negative errno.
 */
int ic_log_relogged(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;
	u64 relogged;

	spin_lock(&lg->lock);
	ic_log_seal_end(&lg->log);
	relogged = lg->log.relogged;
	spin_unlock(&lg->lock);
	kick(ic);
	wait_event(lg->room_wait, READ_ONCE(ic->failed) ||
		   READ_ONCE(lg->log.next) >= relogged);
	return READ_ONCE(ic->failed) ? -EIO : 0;
}

/**
 * ic_log_in_place() - wait until the data is in place that the cut leaves behind
 * @ic: the table
 *
 * It waits in no queue but the device's, and for the log's writer.
 *
 * Context: the checkpoint; may sleep.
 * Return: 0 or a negative errno.
 */
int ic_log_in_place(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;

	ic_log_place(ic);
	wait_event(lg->room_wait, READ_ONCE(ic->failed) ||
		   !READ_ONCE(lg->log.data_before));
	return READ_ONCE(ic->failed) ? -EIO : 0;
}

/**
 * ic_log_stop() - nothing is written any more
 * @ic: the table; no I/O is under way
 *
 * Context: may sleep.
 */
void ic_log_stop(struct inocrypt *ic)
{
	cancel_delayed_work_sync(&ic->logger.drain_work);
	cancel_delayed_work_sync(&ic->logger.mark_work);
	flush_work(&ic->logger.near_work);
	flush_work(&ic->logger.work);
	cancel_delayed_work_sync(&ic->logger.place_work);
	/* The last round may have set the timer. */
	cancel_delayed_work_sync(&ic->logger.mark_work);
	flush_work(&ic->logger.work);
}

/**
 * ic_logger_reset() - forget all that was in the log
 * @ic: the table; nobody uses its log
 */
void ic_logger_reset(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;
	u32 nr = lg->log.nr_slots;
	u64 gen = lg->log.gen;

	while (!list_empty(&lg->log.failed)) {
		struct ic_log_write *w = list_first_entry(&lg->log.failed,
							  struct ic_log_write,
							  list);

		list_del(&w->list);
		kfree(container_of(w, struct ic_failed, write));
	}
	lg->taken = 0;
	lg->appended = 0;
	lg->flushed = 0;
	memset(lg->inflight, 0, ic->geo.log_blocks * sizeof(*lg->inflight));
	memset(lg->data_block, 0, nr * sizeof(*lg->data_block));
	ic_log_init(&lg->log, ic->geo.log_blocks, nr, lg->slot,
		    lg->data_block, lg->inflight);
	lg->log.gen = gen;
}

/**
 * ic_logger_init() - reserve what the log needs
 * @ic: with its geometry and logger.master
 *
 * Return: 0 or a negative errno; ic_logger_exit() cleans up in both cases.
 */
int ic_logger_init(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;
	u32 i, nr = ic_log_slots(ic->geo.log_blocks);
	int err;

	spin_lock_init(&lg->lock);
	init_waitqueue_head(&lg->room_wait);
	INIT_LIST_HEAD(&lg->intents);
	INIT_LIST_HEAD(&lg->writing);
	INIT_LIST_HEAD(&lg->data);
	INIT_LIST_HEAD(&lg->placing);
	INIT_LIST_HEAD(&lg->held);
	INIT_LIST_HEAD(&lg->flushes);
	INIT_LIST_HEAD(&lg->logged);
	mutex_init(&lg->round_mutex);
	INIT_WORK(&lg->work, log_work);
	INIT_WORK(&lg->near_work, near_work);
	INIT_DELAYED_WORK(&lg->drain_work, drain_work);
	INIT_DELAYED_WORK(&lg->place_work, place_work);
	INIT_DELAYED_WORK(&lg->mark_work, mark_work);
	err = bioset_init(&lg->bs, 2, 0, BIOSET_NEED_BVECS);
	if (err)
		return err;
	lg->slot = kcalloc(nr, sizeof(*lg->slot), GFP_KERNEL);
	lg->data_block = kcalloc(nr, sizeof(*lg->data_block), GFP_KERNEL);
	lg->inflight = kvcalloc(ic->geo.log_blocks, sizeof(*lg->inflight),
				GFP_KERNEL);
	if (!lg->slot || !lg->data_block || !lg->inflight)
		return -ENOMEM;
	ic_log_init(&lg->log, ic->geo.log_blocks, nr, lg->slot,
		    lg->data_block, lg->inflight);
	for (i = 0; i < nr; i++) {
		lg->slot[i] = (struct ic_log_block *)get_zeroed_page(GFP_KERNEL);
		if (!lg->slot[i])
			return -ENOMEM;
	}
	for (i = 0; i < 2; i++) {
		lg->key[i] = ic_meta_key_new(lg->master);
		if (IS_ERR(lg->key[i]))
			return PTR_ERR(lg->key[i]);
	}
	/* Completions of logged data, too: those wait for nothing. */
	lg->wq = alloc_workqueue("inocrypt-log", WQ_UNBOUND | WQ_MEM_RECLAIM |
				 WQ_HIGHPRI, 16);
	lg->near_wq = alloc_workqueue("inocrypt-log-near", WQ_MEM_RECLAIM |
				      WQ_HIGHPRI | WQ_CPU_INTENSIVE, 0);
	return lg->wq && lg->near_wq ? 0 : -ENOMEM;
}

/**
 * ic_logger_exit() - undo ic_logger_init()
 * @ic: the table; no I/O is under way
 */
void ic_logger_exit(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;
	u32 i;

	if (lg->wq && lg->near_wq) {
		ic_log_stop(ic);
		ic_logger_reset(ic);
	}
	if (lg->wq)
		destroy_workqueue(lg->wq);
	if (lg->near_wq)
		destroy_workqueue(lg->near_wq);
	for (i = 0; lg->slot && i < lg->log.nr_slots; i++) {
		if (!lg->slot[i])
			break;
		memzero_explicit(lg->slot[i], IC_BLOCK_SIZE);
		free_page((unsigned long)lg->slot[i]);
	}
	kfree(lg->slot);
	kfree(lg->data_block);
	kvfree(lg->inflight);
	ic_meta_key_free(lg->key[0]);
	ic_meta_key_free(lg->key[1]);
	bioset_exit(&lg->bs);
	memzero_explicit(lg->master, sizeof(lg->master));
}
