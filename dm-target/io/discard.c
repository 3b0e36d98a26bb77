// SPDX-License-Identifier: GPL-2.0-only
/*
 * Discards and write-zeroes: both make the records zero, so that the sectors
 * read as zeros, and no record authenticates their old contents any more.
 */
#include "core/trace.h"
#include "tree/tree.h"
#include "log/log.h"
#include "io/io.h"

static void pass_down_endio(struct bio *sub)
{
	struct ic_io *io = sub->bi_private;

	/*
	 * The records are zero, so it doesn't matter what became of the data.
	 */
	trace_ic_io(io, IC_AT_DATA_DONE, blk_status_to_errno(sub->bi_status));
	bio_put(sub);
	ic_io_end(io, BLK_STS_OK);
}

/*
 * The zeroed records are durable, or not.  The data device learns of a discard only
 * now: had it come first, a crash could leave records whose data is gone.
 */
static void discard_logged(struct ic_io *io, blk_status_t status)
{
	struct inocrypt *ic = io->ic;
	unsigned int shift = ic->geo.sector_shift - SECTOR_SHIFT;
	struct bio *sub;

	trace_ic_io(io, IC_AT_DURABLE, blk_status_to_errno(status));
	if (status || !io->pass_down) {
		ic_io_end(io, status);
		return;
	}
	/*
	 * This runs in the log's worker, so it takes nothing from the data
	 * path's pools.
	 */
	sub = bio_alloc_bioset(ic->data->bdev, 0, REQ_OP_DISCARD, GFP_NOIO,
			       &ic->logger.bs);
	sub->bi_iter.bi_sector = ic->data_start + (io->range.start << shift);
	sub->bi_iter.bi_size = io->bio->bi_iter.bi_size;
	sub->bi_private = io;
	sub->bi_end_io = pass_down_endio;
	trace_ic_io(io, IC_AT_DATA_SUBMITTED, 0);
	submit_bio_noacct(sub);
}

/* Make the records zero, and log as much of that as was done. */
static int zero_and_log(struct inocrypt *ic, struct ic_io *io)
{
	u64 next = io->range.start;
	int err, log_err = 0;

	err = ic_zero_range(ic, io->range.start, io->range.last, &next);
	if (next > io->range.start)
		log_err = ic_log_discard(ic, io, next - 1);
	return log_err ? log_err : err;
}

/**
 * ic_discard() - first step of a discard or of writing zeroes
 * @io: its range is locked
 *
 * Context: worker, may sleep.
 */
void ic_discard(struct ic_io *io)
{
	struct inocrypt *ic = io->ic;
	struct bio *bio = io->bio;
	int err = -EIO;

	if (!READ_ONCE(ic->failed))
		err = ic_dirty_throttle(ic, true);
	if (!err)
		err = ic_log_throttle(ic, true);
	if (!err)
		err = zero_and_log(ic, io);
	if (err) {
		ic_io_end(io, ic_blk_status(err));
		return;
	}
	io->pass_down = bio_op(bio) == REQ_OP_DISCARD && ic->options.allow_discards &&
			bdev_max_discard_sectors(ic->data->bdev);
	if (io->pass_down || (bio->bi_opf & REQ_FUA)) {
		io->logged = discard_logged;
		ic_log_wait_logged(io);
	} else {
		ic_io_end(io, BLK_STS_OK);
	}
}
