// SPDX-License-Identifier: GPL-2.0-only
/*
 * Appending to the log, with waiting.
 *
 * Appending waits for the log's writer, for a checkpoint, or for data writes that
 * are under way, none of which wait for appending.
 */
#include <linux/slab.h>

#include "core/trace.h"
#include "log/log.h"

static void kick(struct inocrypt *ic)
{
	queue_work(ic->logger.wq, &ic->logger.work);
}

/* Call the writer on this CPU, for those who are about to wait for it. */
static void kick_near(struct inocrypt *ic)
{
	queue_work(ic->logger.near_wq, &ic->logger.near_work);
}

/**
 * ic_fail() - stop the volume until its table is loaded again
 * @ic: the table
 * @what: what could not be done
 * @err: negative errno
 *
 * Context: any but hard interrupt; the log's lock may be held.
 */
void ic_fail(struct inocrypt *ic, const char *what, int err)
{
	/*
	 * Only the first failure counts: the log's worker fails each round, and
	 * must come to rest.
	 */
	if (xchg(&ic->failed, true))
		return;
	DMCRIT("%s: can't write %s: error %d; no more writes until reloaded",
	       dm_device_name(ic->vol->md), what, err);
	wake_up_all(&ic->logger.room_wait);
	wake_up_all(&ic->cache.dirty_wait);
	kick(ic);
}

/* The log's lock is held whenever the rounds are called, and so when they call. */
static struct ic_io *to_io(const struct ic_request *req)
{
	struct ic_io *io = container_of(req, struct ic_io, req);

	lockdep_assert_held(&io->ic->logger.lock);
	return io;
}

static struct inocrypt *to_table(const struct ic_rounds *rounds)
{
	struct inocrypt *ic = container_of(rounds, struct inocrypt,
					   logger.rounds);

	lockdep_assert_held(&ic->logger.lock);
	return ic;
}

static bool op_wanted(const struct ic_request *req)
{
	/* Pairs with the one in ic_range_lock(). */
	smp_mb();
	return READ_ONCE(to_io(req)->range.wanted);
}

static const void *op_data(const struct ic_request *req, u32 i)
{
	return ic_io_ciphertext(to_io(req), i);
}

static void op_end_early(struct ic_rounds *rounds, struct ic_request *req)
{
	struct ic_logger *lg = &to_table(rounds)->logger;
	struct ic_io *io = to_io(req);

	trace_ic_io(io, IC_AT_DURABLE, 0);
	trace_ic_io(io, IC_AT_ACKNOWLEDGED, 0);
	bio_list_add(&lg->ended, io->bio);
	io->bio = NULL;
}

static void op_kick(struct ic_rounds *rounds)
{
	kick(to_table(rounds));
}

static void op_stop(struct ic_rounds *rounds, const struct ic_request *req,
		    int err)
{
	ic_fail(to_table(rounds),
		req->puts.data ? "data that the log holds" :
		err == -EIO ? "data, in too many places" :
			      "data, nor remember where", err);
}

/* The simulator has ops of its own, in tests/sim. */
const struct ic_rounds_ops ic_rounds_kernel_ops = {
	.wanted		= op_wanted,
	.data		= op_data,
	.end_early	= op_end_early,
	.kick		= op_kick,
	.stop		= op_stop,
};

/*
 * Lock the log with room for @entries, of which @intents have data waiting.
 * @early: nothing has changed yet, so it may also fail because checkpoints do,
 * and, without @wait, with -EAGAIN; else that stops the volume.
 */
static int lock_room(struct inocrypt *ic, u32 entries, u32 intents, bool early,
		     bool wait)
{
	struct ic_logger *lg = &ic->logger;
	u64 run = READ_ONCE(ic->checkpoints.begun);
	enum ic_log_room room;
	bool counted = false;
	DEFINE_WAIT(entry);
	int err = 0;

	for (;;) {
		/* The first pass only looks whether there is room. */
		if (counted)
			prepare_to_wait(&lg->room_wait, &entry,
					TASK_UNINTERRUPTIBLE);
		spin_lock(&lg->lock);
		room = ic_rounds_room(&lg->rounds, entries, intents,
				      &ic->checkpoints, run);
		if (room == IC_LOG_NO_LIVE)
			ic_log_place(ic);
		if (READ_ONCE(ic->failed) || room == IC_LOG_FULL)
			err = -EIO;
		if (!err && room && !wait)
			err = -EAGAIN;
		if (err || !room)
			break;
		spin_unlock(&lg->lock);
		if (room == IC_LOG_NO_SPACE)
			ic_checkpoint_need(ic);
		else
			kick(ic);
		if (counted) {
			io_schedule();
			continue;
		}
		ic_count(ic, IC_STAT_LOG_WAITS);
		counted = true;
	}
	if (counted)
		finish_wait(&lg->room_wait, &entry);
	if (!err) {
		/* The lock is held on success. Sparse can't be told so. */
		__release(&lg->lock);
		return 0;
	}
	spin_unlock(&lg->lock);
	if (!early)
		ic_fail(ic, "the log", err);
	return err;
}

/* Something was appended: write full blocks, see that the ring doesn't fill. */
static void unlock_appended(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;
	bool closed, half;

	lockdep_assert_held(&lg->lock);
	closed = ic_rounds_appended(&lg->rounds, &half);
	__acquire(&lg->lock);
	spin_unlock(&lg->lock);
	if (closed)
		kick(ic);
	if (half)
		ic_checkpoint_kick(ic);
	else
		ic_checkpoint_later(ic);
}

static void set_write(struct ic_io *io)
{
	struct ic_log_write *puts = &io->req.puts;

	puts->sector = io->range.start;
	puts->nr = ic_io_sectors(io);
	puts->rec = io->rec;
	puts->head = (const u8 (*)[IC_HEAD_SIZE])io->head;
}

/**
 * ic_log_intent() - log a write's PUTs; its data is submitted when they are durable
 * @ic: the table
 * @io: a write with sub encrypted; on success it is the log's until write_endio
 * @behind: @io is detached: its bio ends now
 * @wait: may sleep
 *
 * Context: process; no transform held.
 * Return: 0 or a negative errno, -EAGAIN if it would have to wait; then nothing
 * has been logged.
 */
int ic_log_intent(struct inocrypt *ic, struct ic_io *io, bool behind, bool wait)
{
	struct ic_logger *lg = &ic->logger;
	u32 n = ic_io_sectors(io);
	struct bio *bio = NULL;
	bool go;
	int err;

	set_write(io);
	io->req.may_log = io->detached;
	err = lock_room(ic, n, n, true, wait);
	if (err)
		return err;
	if (list_empty(&lg->rounds.intents))
		lg->waiting_since = jiffies;
	go = ic_rounds_intend(&lg->rounds, &io->req, behind);
	trace_ic_io(io, IC_AT_APPENDED, 0);
	if (behind) {
		/*
		 * All this is done under the lock, as @io may be freed once it
		 * is dropped.
		 */
		trace_ic_io(io, IC_AT_ACKNOWLEDGED, 0);
		bio = io->bio;
		io->bio = NULL;
	}
	unlock_appended(ic);
	atomic64_add(n, &ic->stats[IC_STAT_INTENTS]);
	/*
	 * The near worker isn't used, as more bios may follow before this task
	 * goes to sleep.
	 */
	if (go)
		kick(ic);
	/*
	 * The timer is set even if a round was called: that may be one that had
	 * begun already, and has only taken the writes before this one.
	 */
	if (behind && !delayed_work_pending(&lg->drain_work))
		queue_delayed_work(lg->wq, &lg->drain_work, IC_DRAIN_DELAY);
	if (bio) {
		bio->bi_status = BLK_STS_OK;
		bio_endio(bio);
	}
	return 0;
}

/* Free failed writes that are settled or forgotten. */
static void free_failed(struct list_head *failed)
{
	struct ic_log_write *w, *n;

	list_for_each_entry_safe(w, n, failed, list)
		kfree(container_of(w, struct ic_failed, write));
}

/**
 * ic_log_puts() - log the PUTs of a write without an intent
 * @ic: the table
 * @io: the write; its data is written and its records are stored
 *
 * Context: may sleep.
 * Return: 0 or a negative errno; then the volume has stopped.
 */
int ic_log_puts(struct inocrypt *ic, struct ic_io *io)
{
	u32 n = ic_io_sectors(io);
	int err;

	set_write(io);
	err = lock_room(ic, n, 0, false, true);
	if (err)
		return err;
	ic_rounds_put(&ic->logger.rounds, &io->req);
	trace_ic_io(io, IC_AT_APPENDED, 0);
	unlock_appended(ic);
	atomic64_add(n, &ic->stats[IC_STAT_PUTS]);
	return 0;
}

/**
 * ic_log_write_done() - what the intent of a write said has been done
 * @ic: the table
 * @io: the write; its data is written and its records are stored
 *
 * Context: process.
 */
void ic_log_write_done(struct inocrypt *ic, struct ic_io *io)
{
	struct ic_logger *lg = &ic->logger;
	LIST_HEAD(settled);

	spin_lock(&lg->lock);
	ic_rounds_write_done(&lg->rounds, &io->req, &settled);
	spin_unlock(&lg->lock);
	free_failed(&settled);
	if (wq_has_sleeper(&lg->room_wait))
		wake_up_all(&lg->room_wait);
}

static int copy_failed(struct ic_io *io, struct list_head *list)
{
	u32 i, n = ic_io_sectors(io);

	for (i = 0; i < n; i++) {
		struct ic_failed *f = kzalloc(sizeof(*f), GFP_NOIO |
					      __GFP_NOWARN);

		if (!f)
			return -ENOMEM;
		f->rec = io->rec[i];
		memcpy(f->head[0], io->head[i], IC_HEAD_SIZE);
		f->write.sector = io->range.start + i;
		f->write.nr = 1;
		f->write.rec = &f->rec;
		f->write.head = (const u8 (*)[IC_HEAD_SIZE])f->head;
		list_add_tail(&f->write.list, list);
	}
	return 0;
}

/**
 * ic_log_write_failed() - a write's data may or may not be on the disk
 * @ic: the table
 * @io: a write that was logged before its data
 * @status: why it failed
 *
 * Both contents stay valid until the sectors are written or zeroed.  If its bio has
 * ended, the next flush fails.
 *
 * Context: may sleep.
 */
void ic_log_write_failed(struct inocrypt *ic, struct ic_io *io,
			 blk_status_t status)
{
	struct ic_logger *lg = &ic->logger;
	LIST_HEAD(failed);
	LIST_HEAD(forgotten);
	bool late;
	int err;

	err = copy_failed(io, &failed);
	spin_lock(&lg->lock);
	late = ic_rounds_write_failed(&lg->rounds, &io->req, &failed, err,
				      blk_status_to_errno(status), &forgotten);
	spin_unlock(&lg->lock);
	free_failed(&failed);
	free_failed(&forgotten);
	wake_up_all(&lg->room_wait);
	if (!late)
		return;
	DMERR_LIMIT("%s: a write failed after it had been acknowledged: the next flush will fail",
		    dm_device_name(ic->vol->md));
}

/**
 * ic_log_adopt_failed() - go on with a sector that recovery could not settle
 * @ic: the table, its log just started
 * @f: from recovery; the log's from now on
 *
 * Context: nobody else uses the log yet.
 */
void ic_log_adopt_failed(struct inocrypt *ic, struct ic_failed *f)
{
	struct ic_logger *lg = &ic->logger;

	spin_lock(&lg->lock);
	ic_log_adopt(&lg->log, &f->write);
	spin_unlock(&lg->lock);
}

/*
 * Will a flush follow soon that saves a request if @io, which overwrites nothing, waits
 * for it? The write has to be of an fsync() or a journal. Direct I/O is REQ_IDLE
 * without REQ_META.
 */
static bool flush_follows(const struct ic_io *io)
{
	blk_opf_t opf = io->bio->bi_opf;

	return (opf & REQ_SYNC) &&
	       (opf & (REQ_META | REQ_IDLE)) != REQ_IDLE &&
	       !READ_ONCE(io->range.wanted);
}

/**
 * ic_log_decide() - have a write's PUTs to be durable before its data is written?
 * @ic: the table
 * @io: the write, its range locked; receives req.intent and req.joins
 * @empty: its sectors have no records
 * @may_end: its bio may end before its data is in its place
 *
 * Context: process.
 */
void ic_log_decide(struct inocrypt *ic, struct ic_io *io, bool empty,
		   bool may_end)
{
	struct ic_logger *lg = &ic->logger;

	set_write(io);
	spin_lock(&lg->lock);
	ic_rounds_decide(&lg->rounds, &io->req, empty, may_end,
			 may_end && flush_follows(io));
	spin_unlock(&lg->lock);
}

/**
 * ic_log_record() - log an owner or key record that has changed in memory
 * @ic: the table
 * @type: IC_LOG_SET_OWNER or IC_LOG_SET_KEY
 * @nr: inode number or key slot
 * @rec: its contents
 *
 * Context: may sleep; owner_mutex orders changes of one record.
 * Return: 0 or a negative errno; then the volume has stopped.
 */
int ic_log_record(struct inocrypt *ic, enum ic_log_type type, u64 nr,
		  const union ic_record *rec)
{
	int err;

	lockdep_assert_held(&ic->owner_mutex);
	err = lock_room(ic, 1, 0, false, true);
	if (err)
		return err;
	ic_log_set(&ic->logger.log, type, nr, rec);
	unlock_appended(ic);
	ic_count(ic, IC_STAT_SETS);
	return 0;
}

/**
 * ic_log_discard() - log that sectors, zero in memory, have no records any more
 * @ic: the table
 * @io: the discard or write-zeroes
 * @last: last crypto sector that was made zero
 *
 * Context: may sleep; the range is locked.
 * Return: 0 or a negative errno; then the volume has stopped.
 */
int ic_log_discard(struct inocrypt *ic, struct ic_io *io, u64 last)
{
	struct ic_logger *lg = &ic->logger;
	LIST_HEAD(settled);
	int err = lock_room(ic, 1, 0, false, true);

	if (err)
		return err;
	ic_rounds_zero(&lg->rounds, &io->req, io->range.start, last, &settled);
	trace_ic_io(io, IC_AT_APPENDED, 0);
	unlock_appended(ic);
	free_failed(&settled);
	ic_count(ic, IC_STAT_ZEROS);
	return 0;
}

/**
 * ic_log_wait_flush() - end @io once all that completed so far is durable
 * @io: a flush, or a write with FUA, which has let go of its sectors
 *
 * Context: any but hard interrupt.
 */
void ic_log_wait_flush(struct ic_io *io)
{
	struct inocrypt *ic = io->ic;
	struct ic_logger *lg = &ic->logger;

	spin_lock(&lg->lock);
	io->req.preflush = io->bio->bi_opf & REQ_PREFLUSH;
	ic_rounds_wait_flush(&lg->rounds, &io->req);
	/*
	 * The kick is under the lock, as @io, and then @ic, may go once it is
	 * dropped.
	 */
	kick_near(ic);
	spin_unlock(&lg->lock);
}

/**
 * ic_log_wait_logged() - go on with @io once its entries are durable
 * @io: a discard, or a write with FUA whose data is durable; it is logged
 *
 * Context: any but hard interrupt.
 */
void ic_log_wait_logged(struct ic_io *io)
{
	struct inocrypt *ic = io->ic;
	struct ic_logger *lg = &ic->logger;

	spin_lock(&lg->lock);
	ic_rounds_wait_logged(&lg->rounds, &io->req);
	kick_near(ic);
	spin_unlock(&lg->lock);
}

/**
 * ic_log_nearly_full() - is so much in the log that writers are held back?
 * @lg: the logger
 *
 * Context: any but hard interrupt.
 */
bool ic_log_nearly_full(struct ic_logger *lg)
{
	bool full;

	spin_lock(&lg->lock);
	full = ic_log_used(&lg->log) > lg->log.blocks - lg->log.blocks / 4;
	spin_unlock(&lg->lock);
	return full;
}

/**
 * ic_log_throttle() - hold a writer back while the log is nearly full
 * @ic: the table
 * @wait: may sleep
 *
 * Context: process; nothing held.
 * Return: 0, -EAGAIN if it would have to wait, or -EIO if it stays full because
 * checkpoints fail.
 */
int ic_log_throttle(struct inocrypt *ic, bool wait)
{
	struct ic_logger *lg = &ic->logger;
	u64 run = READ_ONCE(ic->checkpoints.begun);
	bool full;

	if (!ic_log_nearly_full(lg))
		return 0;
	if (!wait)
		return -EAGAIN;
	ic_checkpoint_need(ic);
	ic_count(ic, IC_STAT_LOG_WAITS);
	wait_event(lg->room_wait, !(full = ic_log_nearly_full(lg)) ||
		   ic_checkpoint_failed(&ic->checkpoints, run) ||
		   READ_ONCE(ic->failed));
	return full ? -EIO : 0;
}
