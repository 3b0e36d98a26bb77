// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads: look the records up, see whether the reader may have these sectors,
 * read the ciphertext into our own pages, and decrypt it into the bio's.
 */
#include "inocrypt.h"

static blk_status_t fail(struct ic_io *io, int err)
{
	struct inocrypt *ic = io->ic;

	switch (err) {
	case -EBADMSG:
		ic_count(ic, IC_STAT_AUTH_FAILURES);
		break;
	case -EILSEQ:
		ic_count(ic, IC_STAT_OWNER_MISMATCHES);
		break;
	case -ENOKEY:
	case -EKEYREJECTED:
		ic_count(ic, IC_STAT_KEY_MISSING);
		break;
	}
	return ic_blk_status(err);
}

static void end_failed(struct ic_io *io, blk_status_t status)
{
	zero_fill_bio(io->bio);
	ic_io_end(io, status);
}

/*
 * May the reader have these sectors?  A tag must name the owner of each; a
 * reader without a tag gets the volume's own, or in raw mode any.
 * Returns 1 if there is something to read, 0 if all are zero, -EILSEQ, or -EAGAIN
 * for untagged readahead that ran into them, which is nobody's mistake.
 */
static int check_owners(struct ic_io *io)
{
	u32 i, n = ic_io_sectors(io), want = io->tagged ? io->id.ino : 0;
	bool any = false;

	for (i = 0; i < n; i++) {
		struct ic_sector_record *rec = &io->rec[i];

		if (mem_is_zero(rec, sizeof(*rec)))
			continue;
		any = true;
		if (le32_to_cpu(rec->owner) == want ||
		    (!io->tagged && READ_ONCE(io->ic->vol->raw)))
			continue;
		if (!io->tagged && io->bio->bi_opf & REQ_RAHEAD)
			return -EAGAIN;
		DMERR_LIMIT("%s: sector %llu belongs to inode %u, read as inode %u",
			    dm_device_name(io->ic->vol->md),
			    io->range.start + i, le32_to_cpu(rec->owner), want);
		return -EILSEQ;
	}
	return any;
}

static void read_done(struct work_struct *work)
{
	struct ic_io *io = container_of(work, struct ic_io, work);
	int err;

	if (io->sub->bi_status) {
		ic_count(io->ic, IC_STAT_IO_ERRORS);
		end_failed(io, io->sub->bi_status);
		return;
	}
	ic_redo_read(io->ic, io);
	ic_log_try_failed(io->ic, io);
	err = ic_decrypt(io->ic, io);
	if (err)
		end_failed(io, fail(io, err));
	else
		ic_io_end(io, BLK_STS_OK);
}

static void read_endio(struct bio *sub)
{
	struct ic_io *io = sub->bi_private;

	INIT_WORK(&io->work, read_done);
	queue_work(io->ic->done_wq, &io->work);
}

/* All that comes before the device.  1: there is something to read from it. */
static int prepare(struct ic_io *io, bool wait)
{
	struct inocrypt *ic = io->ic;
	struct ic_owner *owner;
	int err;

	err = ic_io_alloc_records(io, wait);
	if (!err)
		err = ic_read_records(ic, io, wait);
	if (err)
		return err;
	/* What it finds, it says and counts: once. */
	err = check_owners(io);
	if (err <= 0)
		return err == -EAGAIN ? -ENODATA : err;
	if (io->tagged) {
		owner = wait ? ic_owner_get(ic, &io->id, false) :
			       ic_owner_try(ic, &io->id);
		if (IS_ERR_OR_NULL(owner))
			return owner ? PTR_ERR(owner) : -EAGAIN;
		io->owner = owner;
	}
	err = ic_io_alloc_sub(io, REQ_OP_READ |
			      (io->bio->bi_opf & (REQ_SYNC | REQ_META |
			       REQ_PRIO | REQ_RAHEAD | REQ_BACKGROUND)),
			      read_endio, wait);
	return err ? err : 1;
}

/**
 * ic_read() - first step of a read
 * @io: its range is locked
 * @wait: may sleep and do I/O
 *
 * Context: process.
 * Return: 0, or -EAGAIN if nothing could be done without waiting.
 */
int ic_read(struct ic_io *io, bool wait)
{
	int err = prepare(io, wait);

	if (err == -EAGAIN && !wait)
		return ic_io_again(io);
	if (err > 0) {
		submit_bio_noacct(io->sub);
	} else if (!err) {
		zero_fill_bio(io->bio);
		ic_io_end(io, BLK_STS_OK);
	} else {
		end_failed(io, fail(io, err == -ENODATA ? -EAGAIN : err));
	}
	return 0;
}
