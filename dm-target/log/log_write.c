// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log's writer: it seals, writes and flushes for all who wait, by whichever of
 * two workers is called, one round at a time.  What a round does is decided by
 * log_rounds.c; here it is done.
 *
 * It has its own bios, its blocks are allocated beforehand, and it waits for nobody.
 *
 * An error writing the log stops the volume: blocks are chained, so nothing after
 * it could be found again.
 */
#include <linux/list_sort.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "core/trace.h"
#include "log/log.h"

/* Blocks in one bio. */
#define RUN_BLOCKS	128

/**
 * struct ic_log_writer - what only the log's writer has
 * @ic: the table
 * @round_mutex: one round is under way at a time
 * @place_work: puts in place what the rounds have held back, if no round comes
 * @mark_work: writes the low-water mark down, if nothing has followed a flush
 * @data_block: the ring's, for what is written as data blocks
 * @inflight: the ring's counters
 */
struct ic_log_writer {
	struct inocrypt		*ic;
	struct mutex		round_mutex;	/* see above */
	struct delayed_work	place_work;
	struct delayed_work	mark_work;
	const void		**data_block;
	u16			*inflight;
};

static void kick(struct inocrypt *ic)
{
	queue_work(ic->logger.wq, &ic->logger.work);
}

static int seal_block(struct inocrypt *ic, u64 seq)
{
	struct ic_logger *lg = &ic->logger;
	struct ic_log_sealing sealing;
	u8 nonce[IC_NONCE_SIZE];

	/* This keeps prev_tag, and the block, which nobody appends to any more. */
	lockdep_assert_held(&lg->writer->round_mutex);
	spin_lock(&lg->lock);
	ic_log_sealing(&lg->log, seq, &sealing);
	spin_unlock(&lg->lock);
	ic_nonce(&ic->nonces, nonce);
	return ic_log_seal_next(&lg->log, &sealing, lg->key, ic->params.uuid,
				nonce);
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

static void get_caches(struct inocrypt *ic, struct ic_caches *caches)
{
	caches->sidecar = bdev_write_cache(ic->sidecar->bdev);
	caches->data = bdev_write_cache(ic->data->bdev);
	caches->same = ic->data->bdev == ic->sidecar->bdev;
}

/*
 * An error stops the volume: a device may drop its cache, say so once, and call the
 * next flush a success.  The log still knows both contents of what it lost.
 */
static int issue_flush(struct inocrypt *ic, const struct ic_flush *flush)
{
	int err = 0;

	if (flush->sidecar)
		err = blkdev_issue_flush(ic->sidecar->bdev);
	if (!err && flush->data)
		err = blkdev_issue_flush(ic->data->bdev);
	if (!err) {
		ic_count(ic, IC_STAT_DEVICE_FLUSHES);
		return 0;
	}
	ic_count(ic, IC_STAT_IO_ERRORS);
	ic_fail(ic, flush->settles ? "a device's cache back" :
				     "the sidecar's cache back", err);
	return err;
}

/**
 * ic_flush_devices() - flush the data device and the sidecar
 * @ic: the table
 *
 * What was complete before moves the low-water mark.  An error stops the volume.
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int ic_flush_devices(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;
	struct ic_caches caches;
	struct ic_flush flush;
	int err;

	get_caches(ic, &caches);
	spin_lock(&lg->lock);
	ic_flush_begin(&lg->log, &caches, &flush);
	spin_unlock(&lg->lock);
	err = issue_flush(ic, &flush);
	if (err)
		return err;
	spin_lock(&lg->lock);
	ic_flush_end(&lg->log, &flush);
	spin_unlock(&lg->lock);
	return 0;
}

static int by_sector(void *priv, const struct list_head *a,
		     const struct list_head *b)
{
	const struct ic_io *first = list_entry(a, struct ic_io, req.go);
	const struct ic_io *second = list_entry(b, struct ic_io, req.go);

	return first->range.start > second->range.start;
}

/*
 * Submit the data of these writes in the order of the disk: there may be more of them
 * than the device's own queue can sort.
 */
static void submit_all(struct list_head *place)
{
	struct ic_io *io, *n;
	struct blk_plug plug;

	if (list_empty(place))
		return;
	list_sort(NULL, place, by_sector);
	blk_start_plug(&plug);
	/* Once it is submitted @io may go. */
	list_for_each_entry_safe(io, n, place, req.go) {
		list_del(&io->req.go);
		ic_write_step(&io->req);
		/* What is in the log is durable already, so this needn't be. */
		if (io->req.puts.data)
			io->sub->bi_opf &= ~REQ_FUA;
		trace_ic_io(io, IC_AT_DATA_SUBMITTED, 0);
		submit_bio_noacct(io->sub);
	}
	blk_finish_plug(&plug);
}

static void place_work(struct work_struct *work)
{
	struct ic_log_writer *writer = container_of(work, struct ic_log_writer,
						    place_work.work);
	struct ic_logger *lg = &writer->ic->logger;
	LIST_HEAD(place);

	spin_lock(&lg->lock);
	ic_rounds_place_held(&lg->rounds, &place);
	spin_unlock(&lg->lock);
	submit_all(&place);
}

static void end_io(struct inocrypt *ic, struct ic_io *io, blk_status_t status)
{
	if (status && io->bio && io->bio->bi_opf & REQ_PREFLUSH)
		ic_behind_flush_failed(ic, io->bio);
	io->logged(io, status);
}

static void end_waiter(struct inocrypt *ic, struct ic_io *io, int err)
{
	end_io(ic, io, err ? ic_blk_status(err) : BLK_STS_OK);
}

static void end_waiters(struct inocrypt *ic, struct list_head *waiters, int err)
{
	struct ic_io *io, *n;

	list_for_each_entry_safe(io, n, waiters, req.wait) {
		list_del_init(&io->req.wait);
		end_waiter(ic, io, err);
	}
}

static void fail_round(struct inocrypt *ic, struct ic_round *round, int err)
{
	struct ic_logger *lg = &ic->logger;
	struct ic_told told;
	struct ic_io *io, *n;

	lockdep_assert_held(&lg->writer->round_mutex);
	spin_lock(&lg->lock);
	ic_round_fail(&lg->rounds, round, &told);
	spin_unlock(&lg->lock);
	submit_all(&told.place);
	list_for_each_entry_safe(io, n, &told.failed, req.wait) {
		ic_log_write_failed(ic, io, ic_blk_status(err));
		end_waiter(ic, io, err);
	}
	end_waiters(ic, &told.logged, err);
	wake_up_all(&lg->room_wait);
}

static size_t list_length(const struct list_head *list)
{
	const struct list_head *entry;
	size_t n = 0;

	list_for_each(entry, list)
		n++;
	return n;
}

/*
 * Of those whose data goes to its place the first @held were durable before.
 * Writes with FUA whose data is logged have said so when their bios ended.
 */
static void trace_durable(struct ic_logger *lg, const struct ic_told *told,
			  size_t held)
{
	const struct ic_io *io;

	lockdep_assert_held(&lg->lock);
	list_for_each_entry(io, &told->place, req.go) {
		if (held)
			held--;
		else if (!io->req.fua || !io->req.puts.data)
			trace_ic_io(io, IC_AT_DURABLE, 0);
	}
	list_for_each_entry(io, &lg->rounds.held, req.go)
		if (!io->req.fua)
			trace_ic_io(io, IC_AT_DURABLE, 0);
}

static void end_round(struct inocrypt *ic, struct ic_round *round)
{
	struct ic_logger *lg = &ic->logger;
	bool mark = !list_empty(&round->flushes);
	struct ic_told told;
	struct ic_io *io, *n;
	struct bio *bio;
	size_t held = 0;

	lockdep_assert_held(&lg->writer->round_mutex);
	spin_lock(&lg->lock);
	if (trace_ic_io_enabled())
		held = list_length(&lg->rounds.held);
	ic_round_tell(&lg->rounds, round, &told);
	if (trace_ic_io_enabled())
		trace_durable(lg, &told, held);
	/*
	 * The timer is set before anybody who wants such a write can see it
	 * held, and call for it.
	 */
	if (!list_empty(&lg->rounds.held))
		mod_delayed_work(lg->wq, &lg->writer->place_work, IC_PLACE_DELAY);
	spin_unlock(&lg->lock);

	/* Only rounds add to this list, and they come one after the other. */
	while ((bio = bio_list_pop(&lg->ended))) {
		bio->bi_status = BLK_STS_OK;
		bio_endio(bio);
	}
	submit_all(&told.place);
	end_waiters(ic, &told.logged, 0);
	if (mark)
		mod_delayed_work(lg->wq, &lg->writer->mark_work, IC_MARK_DELAY);
	list_for_each_entry_safe(io, n, &round->flushes, req.wait) {
		list_del_init(&io->req.wait);
		end_io(ic, io, io->req.preflush && round->late_err ?
			       ic_blk_status(round->late_err) : BLK_STS_OK);
	}
}

/* Do what @round says.  Returns 0 or a negative errno. */
static int run_round(struct inocrypt *ic, struct ic_round *round)
{
	struct ic_logger *lg = &ic->logger;
	struct ic_caches caches;
	bool flush;
	int err;

	lockdep_assert_held(&lg->writer->round_mutex);
	get_caches(ic, &caches);
	spin_lock(&lg->lock);
	ic_round_begin(&lg->rounds, &caches, round);
	spin_unlock(&lg->lock);
	lg->round_nr++;
	trace_ic_round(ic, round, IC_AT_ROUND_BEGIN);
	if (round->nr_data)
		atomic64_add(round->nr_data, &ic->stats[IC_STAT_DATA_LOGGED]);

	err = READ_ONCE(ic->failed) ? -EIO :
	      write_blocks(ic, round->from, round->to, round->fua);
	if (err) {
		ic_fail(ic, "the log", err);
		return err;
	}
	/* Where the device has no FUA, the block layer flushed it. */
	if (round->fua && !bdev_fua(ic->sidecar->bdev))
		ic_count(ic, IC_STAT_DEVICE_FLUSHES);
	spin_lock(&lg->lock);
	flush = ic_round_written(&lg->rounds, &caches, round);
	spin_unlock(&lg->lock);
	wake_up_all(&lg->room_wait);
	trace_ic_round(ic, round, IC_AT_ROUND_WRITTEN);

	if (flush) {
		err = issue_flush(ic, &round->flush);
		if (err)
			return err;
		spin_lock(&lg->lock);
		ic_round_flushed(&lg->rounds, round);
		spin_unlock(&lg->lock);
		trace_ic_round(ic, round, IC_AT_ROUND_FLUSHED);
	}
	return ic_round_is_stuck(&lg->rounds, round,
				 &ic->checkpoints) ? -EIO : 0;
}

/*
 * One round for all who wait.  Returns true if another one could get further at
 * once.
 */
static bool log_round(struct inocrypt *ic)
{
	struct ic_round round;
	int err;

	err = run_round(ic, &round);
	if (err) {
		fail_round(ic, &round, err);
		trace_ic_round(ic, &round, IC_AT_ROUND_FAILED);
		return false;
	}
	end_round(ic, &round);
	trace_ic_round(ic, &round, IC_AT_ROUND_TOLD);
	/*
	 * The log had no space to close the block; the checkpoint kicks us when
	 * it is through.
	 */
	if (round.full)
		ic_checkpoint_kick(ic);
	return round.again;
}

static void log_rounds(struct inocrypt *ic)
{
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&ic->logger.writer->round_mutex);
	while (log_round(ic))
		cond_resched();
	mutex_unlock(&ic->logger.writer->round_mutex);
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
 * Writes have waited long enough for others to share their round. But while the device
 * still writes the data of earlier ones they wait on, as they would not be written any
 * sooner, and more of them share the round.
 */
static void drain_work(struct work_struct *work)
{
	struct inocrypt *ic = container_of(work, struct inocrypt,
					   logger.drain_work.work);
	struct ic_logger *lg = &ic->logger;
	unsigned long now = jiffies, due;
	bool busy, none;

	spin_lock(&lg->lock);
	busy = !list_empty(&lg->rounds.writing);
	none = list_empty(&lg->rounds.intents);
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
 * Nothing has followed a flush: write down in the log how far all is settled.
 * Data that was logged came to its place after that flush, so it takes one more
 * flush. That isn't done on a device that fails: nobody asked for this flush,
 * and an error would stop the volume.
 */
static void mark_work(struct work_struct *work)
{
	struct ic_log_writer *writer = container_of(work, struct ic_log_writer,
						    mark_work.work);
	struct inocrypt *ic = writer->ic;
	bool closed, flush;

	spin_lock(&ic->logger.lock);
	flush = ic_rounds_mark_flushes(&ic->logger.rounds);
	spin_unlock(&ic->logger.lock);
	if (flush && !READ_ONCE(ic->failed) && ic_flush_devices(ic))
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
 * ic_log_place() - write held data to its place now, as somebody waits for that
 * @ic: the table
 *
 * Context: any.
 */
void ic_log_place(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;

	if (!list_empty_careful(&lg->rounds.held))
		mod_delayed_work(lg->wq, &lg->writer->place_work, 0);
}

static int cut(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;
	struct ic_log *log = &lg->log;
	int err;

	/*
	 * No block of the last generation but one is left to seal, so its key
	 * can go.
	 */
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
	ic_rounds_cut(&lg->rounds, lg->salt);
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
		WRITE_ONCE(lg->rounds.cut_coming, true);
		err = cut(ic);
		WRITE_ONCE(lg->rounds.cut_coming, false);
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
	/* Until the cut the salt in use is the one before this. */
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

	spin_lock(&lg->lock);
	ic_log_seal_end(&lg->log);
	spin_unlock(&lg->lock);
	kick(ic);
	wait_event(lg->room_wait, READ_ONCE(ic->failed) ||
		   ic_log_is_relogged(&lg->log));
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
		   ic_log_is_in_place(&lg->log));
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
	cancel_delayed_work_sync(&ic->logger.writer->mark_work);
	flush_work(&ic->logger.near_work);
	flush_work(&ic->logger.work);
	cancel_delayed_work_sync(&ic->logger.writer->place_work);
	/* The last round may have set this timer again. */
	cancel_delayed_work_sync(&ic->logger.writer->mark_work);
	flush_work(&ic->logger.work);
}

/**
 * ic_logger_reset() - forget all that was in the log
 * @ic: the table; nobody uses its log
 */
void ic_logger_reset(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;
	struct ic_log_writer *writer = lg->writer;
	u32 nr = lg->log.nr_slots;
	u64 gen = lg->log.gen;

	while (!list_empty(&lg->log.failed)) {
		struct ic_log_write *w = list_first_entry(&lg->log.failed,
							  struct ic_log_write,
							  list);

		list_del(&w->list);
		kfree(container_of(w, struct ic_failed, write));
	}
	lg->rounds.taken = 0;
	lg->rounds.appended = 0;
	lg->rounds.flushed = 0;
	memset(writer->inflight, 0,
	       ic->geo.log_blocks * sizeof(*writer->inflight));
	memset(writer->data_block, 0, nr * sizeof(*writer->data_block));
	ic_log_init(&lg->log, ic->geo.log_blocks, nr, lg->slot,
		    writer->data_block, writer->inflight);
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
	struct ic_log_writer *writer;
	int err;

	writer = kzalloc(sizeof(*writer), GFP_KERNEL);
	if (!writer)
		return -ENOMEM;
	lg->writer = writer;
	writer->ic = ic;
	mutex_init(&writer->round_mutex);
	INIT_DELAYED_WORK(&writer->place_work, place_work);
	INIT_DELAYED_WORK(&writer->mark_work, mark_work);
	spin_lock_init(&lg->lock);
	init_waitqueue_head(&lg->room_wait);
	ic_rounds_init(&lg->rounds, &lg->log, &ic_rounds_kernel_ops,
		       ic->geo.sector_size == IC_BLOCK_SIZE);
	bio_list_init(&lg->ended);
	INIT_WORK(&lg->work, log_work);
	INIT_WORK(&lg->near_work, near_work);
	INIT_DELAYED_WORK(&lg->drain_work, drain_work);
	err = bioset_init(&lg->bs, 2, 0, BIOSET_NEED_BVECS);
	if (err)
		return err;
	lg->slot = kcalloc(nr, sizeof(*lg->slot), GFP_KERNEL);
	writer->data_block = kcalloc(nr, sizeof(*writer->data_block),
				     GFP_KERNEL);
	writer->inflight = kvcalloc(ic->geo.log_blocks,
				    sizeof(*writer->inflight), GFP_KERNEL);
	if (!lg->slot || !writer->data_block || !writer->inflight)
		return -ENOMEM;
	ic_log_init(&lg->log, ic->geo.log_blocks, nr, lg->slot,
		    writer->data_block, writer->inflight);
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
	/* Completions of logged data run here, too: they wait for nothing. */
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
	struct ic_log_writer *writer = lg->writer;
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
	if (writer) {
		kfree(writer->data_block);
		kvfree(writer->inflight);
		kfree(writer);
	}
	ic_meta_key_free(lg->key[0]);
	ic_meta_key_free(lg->key[1]);
	bioset_exit(&lg->bs);
	memzero_explicit(lg->master, sizeof(lg->master));
}
