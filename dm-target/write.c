// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes: find the owner's key, pin the leaves, encrypt into our own pages,
 * write them in place; then, and only then, the records change in memory.
 */
#include "inocrypt.h"

static void write_done(struct work_struct *work)
{
	struct ic_io *io = container_of(work, struct ic_io, work);
	struct inocrypt *ic = io->ic;

	if (io->sub->bi_status) {
		/* Whatever is on the disk, the old record stays. */
		ic_count(ic, IC_STAT_IO_ERRORS);
		ic_io_end(io, io->sub->bi_status);
		return;
	}
	ic_store_records(ic, io);
	if (!(ic_io_bio(io)->bi_opf & REQ_FUA)) {
		ic_io_end(io, BLK_STS_OK);
		return;
	}
	/* The checkpoint must not run short of what its waiters hold. */
	ic_io_release(io);
	ic_checkpoint_wait_io(io);
}

static void write_endio(struct bio *sub)
{
	struct ic_io *io = sub->bi_private;

	INIT_WORK(&io->work, write_done);
	queue_work(io->ic->done_wq, &io->work);
}

/**
 * ic_write() - first step of a write
 * @io: its range is locked
 *
 * Context: worker, may sleep.
 */
void ic_write(struct ic_io *io)
{
	struct inocrypt *ic = io->ic;
	struct bio *bio = ic_io_bio(io);
	int err;

	if (READ_ONCE(ic->failed)) {
		ic_io_end(io, BLK_STS_IOERR);
		return;
	}
	err = ic_dirty_throttle(ic);
	if (err)
		goto fail;
	if (io->tagged) {
		struct ic_owner *owner = ic_owner_get(ic, &io->id, true);

		if (IS_ERR(owner)) {
			err = PTR_ERR(owner);
			goto fail;
		}
		io->owner = owner;
	}
	io->rec = mempool_alloc(&ic->rec_pool, GFP_NOIO);
	err = ic_pin_leaves(ic, io);
	if (err)
		goto fail;
	ic_io_alloc_sub(io, REQ_OP_WRITE | (bio->bi_opf & (REQ_SYNC | REQ_META |
			REQ_PRIO | REQ_IDLE | REQ_BACKGROUND)),
			write_endio);
	err = ic_encrypt(ic, io);
	if (err)
		goto fail;
	submit_bio_noacct(io->sub);
	return;

fail:
	if (err == -ENOKEY || err == -EKEYREJECTED)
		ic_count(ic, IC_STAT_KEY_MISSING);
	ic_io_end(io, ic_blk_status(err));
}
