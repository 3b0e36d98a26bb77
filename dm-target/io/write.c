// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes: find the owner's key, pin the leaves, encrypt into our own pages, log
 * the PUTs where something may be overwritten (detached.c says when the bio ends),
 * write the data in place; then, and only then, the records change in memory.
 * shared/write_steps.c has the order.
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

/*
 * @io has done what @state says: what does it do next? This is inline, as the callers
 * know the state.
 */
static __always_inline enum ic_write_state step(struct ic_io *io,
						enum ic_write_state state)
{
	state = ic_write_next(state, &io->req);
	io->req.state = state;
	if (ic_write_left_range(&io->req))
		ic_range_unlock(io->ic, io);
	return state;
}

/* The data is in its place: do all that is left to do. */
static void complete_write(struct ic_io *io)
{
	enum ic_write_state state = step(io, IC_WRITE_DATA);
	struct inocrypt *ic = io->ic;
	int err = 0;

	while (!err) {
		switch (state) {
		case IC_WRITE_STORE:
			ic_store_records(ic, io);
			trace_ic_io(io, IC_AT_STORED, 0);
			break;
		case IC_WRITE_PUT:
			err = ic_log_puts(ic, io);
			break;
		case IC_WRITE_COMPLETE:
			ic_log_write_done(ic, io);
			break;
		case IC_WRITE_WAIT_LOG:
			/*
			 * This write only waits now, and other requests may wait
			 * for the pages and leaves that it holds.
			 */
			ic_io_release(io);
			ic_log_wait_logged(io);
			return;
		case IC_WRITE_WAIT_FLUSH:
			ic_io_release(io);
			ic_log_wait_flush(io);
			return;
		default:
			ic_io_end(io, BLK_STS_OK);
			return;
		}
		if (!err)
			state = step(io, state);
	}
	ic_io_end(io, ic_blk_status(err));
}

static void write_done(struct work_struct *work)
{
	struct ic_io *io = container_of(work, struct ic_io, work);
	blk_status_t status = io->sub->bi_status;

	if (!status) {
		complete_write(io);
		return;
	}
	/* The disk may have the old data or the new: the old record stays. */
	ic_count(io->ic, IC_STAT_IO_ERRORS);
	if (io->req.intent)
		ic_log_write_failed(io->ic, io, status);
	ic_io_end(io, status);
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
	queue_work(io->req.puts.data ? ic->logger.wq : ic->io_path->done_wq,
		   &io->work);
}

static blk_opf_t sub_flags(const struct ic_io *io)
{
	blk_opf_t keep = REQ_SYNC | REQ_META | REQ_PRIO | REQ_IDLE |
			 REQ_BACKGROUND;

	/*
	 * On a device without FUA each such write would cost a flush. Then the
	 * write waits for a flush that it shares with others.
	 */
	if (io->req.fua_kept)
		keep |= REQ_FUA;
	return REQ_OP_WRITE | (io->bio->bi_opf & keep);
}

static int throttle(struct ic_io *io, bool wait)
{
	int err = ic_dirty_throttle(io->ic, wait);

	return err ? err : ic_log_throttle(io->ic, wait);
}

static int get_owner(struct ic_io *io, bool wait)
{
	struct ic_owner *owner;

	if (!io->tagged)
		return 0;
	owner = wait ? ic_owner_get(io->ic, &io->id, true) :
		       ic_owner_try(io->ic, &io->id);
	if (IS_ERR_OR_NULL(owner))
		return owner ? PTR_ERR(owner) : -EAGAIN;
	io->owner = owner;
	return 0;
}

static int seal(struct ic_io *io, bool wait)
{
	struct inocrypt *ic = io->ic;
	u32 i;
	int err;

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

/*
 * Prepare: do all that can fail before anything is on its way. Returns -EAGAIN if that
 * would have to wait, and mustn't.
 */
static int prepare(struct ic_io *io, bool wait)
{
	enum ic_write_state state = IC_WRITE_RANGE;
	int err = READ_ONCE(io->ic->failed) ? -EIO : 0;

	io->req.fua = io->bio->bi_opf & REQ_FUA;
	io->req.fua_kept = data_fua(io->ic);
	while (!err && state != IC_WRITE_DECIDE) {
		if (state == IC_WRITE_RANGE)
			err = throttle(io, wait);
		else if (state == IC_WRITE_OWNER)
			err = get_owner(io, wait);
		else
			err = seal(io, wait);
		if (!err)
			state = step(io, state);
	}
	return err;
}

/* May the bio end before its data is in place? */
static bool may_be_behind(const struct ic_io *io)
{
	struct inocrypt *ic = io->ic;

	if (io->req.fua && !ic_rounds_may_log_data(&ic->logger.rounds,
						   ic_io_sectors(io)))
		return false;
	return !io->scarce && ic_detached_bounded(ic);
}

/* Decide: must, or should, the PUTs be durable before the data is written? */
static void decide(struct ic_io *io)
{
	struct inocrypt *ic = io->ic;

	ic_log_decide(ic, io, ic_leaves_empty(ic, io), may_be_behind(io));
	step(io, IC_WRITE_DECIDE);
}

/*
 * Log the intent of @io, which may go at any time then. Returns -EAGAIN if that would
 * have to wait, and mustn't.
 */
static int log_intent(struct ic_io *io, bool wait)
{
	bool behind = io->detached && !io->req.fua;
	struct inocrypt *ic = io->ic;
	struct ic_owner *owner = io->owner;
	int err;

	/*
	 * Whoever removes a key waits until no request uses it. The data of this
	 * one is encrypted, so it lets the key go before the disk has the data.
	 */
	if (behind)
		io->owner = NULL;
	err = ic_log_intent(ic, io, behind, wait);
	if (behind && err)
		io->owner = owner;
	else if (behind)
		ic_owner_put(owner);
	return err;
}

/* Let @io outlive its bio, if that may end first. Returns what takes its place. */
static struct ic_io *try_detach(struct ic_io *io)
{
	struct ic_io *to = NULL;

	if (!io->detached && may_be_behind(io))
		to = ic_io_detach(io);
	return to ? to : io;
}

static void submit_data(struct ic_io *io)
{
	trace_ic_io(io, IC_AT_DATA_SUBMITTED, 0);
	submit_bio_noacct(io->sub);
}

/*
 * Launch: have a round write the data when the PUTs are durable, or write it now. If
 * the log has no room, and this mustn't wait for it, a worker goes on from here.
 */
static void launch(struct ic_io *io, bool wait)
{
	int err;

	if (io->req.state == IC_WRITE_INTEND)
		io = try_detach(io);
	if (io->req.joins && !io->detached)
		ic_write_unjoin(&io->req);
	if (io->req.state == IC_WRITE_DATA) {
		submit_data(io);
		return;
	}
	err = log_intent(io, wait && !io->req.joins);
	if (!err)
		return;
	if (err != -EAGAIN) {
		ic_io_end(io, ic_blk_status(err));
	} else if (io->req.joins) {
		ic_write_unjoin(&io->req);
		submit_data(io);
	} else {
		ic_io_queue(io);
	}
}

/**
 * ic_write() - what a write does before its data is on its way, or waits for the log
 * @io: its range is locked
 * @wait: may sleep and do I/O
 *
 * Context: process.
 * Return: 0, or -EAGAIN if nothing could be done without waiting.
 */
int ic_write(struct ic_io *io, bool wait)
{
	int err = 0;

	if (io->req.state < IC_WRITE_DECIDE)
		err = prepare(io, wait);
	if (err == -EAGAIN && !wait)
		return ic_io_again(io);
	if (err) {
		if (err == -ENOKEY || err == -EKEYREJECTED)
			ic_count(io->ic, IC_STAT_KEY_MISSING);
		ic_io_end(io, ic_blk_status(err));
		return 0;
	}
	if (io->req.state == IC_WRITE_DECIDE)
		decide(io);
	launch(io, wait);
	return 0;
}
