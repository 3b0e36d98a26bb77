// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes: find the owner's key, pin the leaves, encrypt into our own pages, log
 * the PUTs where something may be overwritten (behind.c says when the bio ends),
 * write the data in place; then, and only then, the records change in memory.
 */
#include "core/trace.h"
#include "tree/tree.h"
#include "log/log.h"
#include "keys/owners.h"
#include "io/io.h"

/* Is a write that completed on the data device with FUA durable there? */
static bool data_fua(struct inocrypt *ic)
{
	struct block_device *bdev = ic->data->bdev;

	return bdev_fua(bdev) || !bdev_write_cache(bdev);
}

static void write_done(struct work_struct *work)
{
	struct ic_io *io = container_of(work, struct ic_io, work);
	blk_status_t status = io->sub->bi_status;
	struct inocrypt *ic = io->ic;
	enum ic_write_waits waits;
	int err;

	if (status) {
		/* Whatever is on the disk now, the old record stays. */
		ic_count(ic, IC_STAT_IO_ERRORS);
		if (io->intent)
			ic_log_write_failed(ic, io, status);
		ic_io_end(io, status);
		return;
	}
	/*
	 * This order matters: what a cut finds complete has to be in the
	 * leaves.
	 */
	ic_store_records(ic, io);
	trace_ic_io(io, IC_AT_STORED, 0);
	err = ic_log_write_done(ic, io);
	waits = ic_rounds_write_waits(&io->req, io->intent, data_fua(ic));
	if (err || waits == IC_WAITS_NOT) {
		ic_io_end(io, ic_blk_status(err));
		return;
	}
	/* Others may wait for what this write holds. */
	ic_io_release(io);
	if (waits == IC_WAITS_LOGGED) {
		ic_log_wait_logged(io);
	} else {
		ic_range_unlock(ic, io);
		ic_log_wait_flush(io);
	}
}

static void write_endio(struct bio *sub)
{
	struct ic_io *io = sub->bi_private;
	struct inocrypt *ic = io->ic;

	trace_ic_io(io, IC_AT_DATA_DONE, blk_status_to_errno(sub->bi_status));
	INIT_WORK(&io->work, write_done);
	/*
	 * The checkpoint waits for data that the log holds, and workers of done_wq
	 * may all wait for the checkpoint, for room in the log.
	 */
	queue_work(io->req.puts.data ? ic->logger.wq : ic->done_wq, &io->work);
}

static blk_opf_t sub_flags(struct ic_io *io)
{
	blk_opf_t keep = REQ_SYNC | REQ_META | REQ_PRIO | REQ_IDLE |
			 REQ_BACKGROUND;

	/*
	 * Where FUA costs a flush anyway, one that is shared with others does
	 * as well.
	 */
	if (data_fua(io->ic))
		keep |= REQ_FUA;
	return REQ_OP_WRITE | (io->bio->bi_opf & keep);
}

/* Do all that can fail before anything is on its way. */
static int prepare(struct inocrypt *ic, struct ic_io *io, bool wait)
{
	u32 i;
	int err;

	err = ic_dirty_throttle(ic, wait);
	if (!err)
		err = ic_log_throttle(ic, wait);
	if (err)
		return err;
	if (io->tagged) {
		struct ic_owner *owner = wait ?
			ic_owner_get(ic, &io->id, true) :
			ic_owner_try(ic, &io->id);

		if (IS_ERR_OR_NULL(owner))
			return owner ? PTR_ERR(owner) : -EAGAIN;
		io->owner = owner;
	}
	err = ic_io_alloc_records(io, wait);
	if (!err)
		err = ic_pin_leaves(ic, io, wait);
	if (!err)
		err = ic_io_alloc_sub(io, sub_flags(io), write_endio, wait);
	if (!err)
		err = ic_encrypt(ic, io, wait);
	if (err)
		return err;
	for (i = 0; i < ic_io_sectors(io); i++)
		memcpy(io->head[i], ic_io_ciphertext(io, i), IC_HEAD_SIZE);
	trace_ic_io(io, IC_AT_PREPARED, 0);
	return 0;
}

/* May the bio end before its data is in place? */
static bool may_be_behind(struct inocrypt *ic, const struct ic_io *io)
{
	if (io->req.fua && !ic_rounds_may_log_data(&ic->logger.rounds,
						   ic_io_sectors(io)))
		return false;
	return !io->scarce && ic_detached_bounded(ic);
}

/* Must, or should, its PUTs be logged before its data is written? */
static bool wants_intent(struct inocrypt *ic, struct ic_io *io)
{
	if (ic_log_must_intend(ic, io, ic_leaves_empty(ic, io)))
		return true;
	/*
	 * With FUA this makes one round of two requests that would follow each
	 * other.
	 */
	if (io->req.fua)
		return may_be_behind(ic, io);
	io->req.joins = ic_log_joins(io) && may_be_behind(ic, io);
	return io->req.joins;
}

/* Log the intent of @io; @behind: its bio ends, and then @io may go at any time. */
static int log_intent(struct inocrypt *ic, struct ic_io *io, bool behind,
		      bool wait)
{
	struct ic_owner *owner = io->owner;
	int err;

	/* Removing a key waits for those who use it: not for the disk. */
	if (behind)
		io->owner = NULL;
	err = ic_log_intent(ic, io, behind, wait);
	if (behind && err)
		io->owner = owner;
	else if (behind)
		ic_owner_put(owner);
	return err;
}

/**
 * ic_write() - first step of a write
 * @io: its range is locked
 * @wait: may sleep and do I/O
 *
 * Context: process.
 * Return: 0, or -EAGAIN if nothing could be done without waiting.
 */
int ic_write(struct ic_io *io, bool wait)
{
	struct inocrypt *ic = io->ic;
	struct ic_io *behind;
	bool fail = READ_ONCE(ic->failed);
	int err = -EIO;

	io->req.fua = io->bio->bi_opf & REQ_FUA;
	if (!io->sub && io->req.fua)
		fail = fail || ic_behind_late_fua(ic);
	if (!fail)
		err = io->sub ? 0 : prepare(ic, io, wait);
	if (err == -EAGAIN && !wait)
		return ic_io_again(io);
	if (err)
		goto fail;
	io->intent = io->intent || wants_intent(ic, io);
	if (!io->intent) {
		trace_ic_io(io, IC_AT_DATA_SUBMITTED, 0);
		submit_bio_noacct(io->sub);
		return 0;
	}
	if (!io->detached && may_be_behind(ic, io)) {
		behind = ic_io_detach(io);
		io = behind ? behind : io;
	}
	if (io->req.joins && !io->detached)
		err = -EAGAIN;
	else
		err = log_intent(ic, io, io->detached && !io->req.fua,
				 wait && !io->req.joins);
	if (!err)
		return 0;
	if (err == -EAGAIN && io->req.joins) {
		/*
		 * The write can do without joining, which is better than to
		 * wait.
		 */
		io->req.joins = false;
		io->intent = false;
		trace_ic_io(io, IC_AT_DATA_SUBMITTED, 0);
		submit_bio_noacct(io->sub);
		return 0;
	}
	if (err == -EAGAIN && !wait) {
		/* The data is encrypted already; a worker goes on from here. */
		ic_io_queue(io);
		return 0;
	}

fail:
	if (err == -ENOKEY || err == -EKEYREJECTED)
		ic_count(ic, IC_STAT_KEY_MISSING);
	ic_io_end(io, ic_blk_status(err));
	return 0;
}
