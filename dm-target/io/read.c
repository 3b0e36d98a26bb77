// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads: look the records up, see whether the reader may have these sectors,
 * read the ciphertext into our own pages, and decrypt it into the bio's.  If the
 * records have to be read from the device, too, both are read side by side.
 */
#include <linux/pagemap.h>

#include "core/trace.h"
#include "tree/tree.h"
#include "log/log.h"
#include "keys/owners.h"
#include "io/io.h"

/*
 * After so many small reads that were decrypted where they arrived, the next one is
 * given to another CPU, to see whether a further read comes meanwhile.
 */
#define NEAR_IN_A_ROW	64
/* After two small reads at once so many have to come one at a time before that. */
#define NEAR_AGAIN	256

/*
 * Does somebody read the device through its page cache?  Programs that want to know
 * what is on it (mount, udev, lsblk) do so, and may read anywhere: they get an error,
 * which isn't counted as an alarm.  A file system reads files into the files' own
 * pages, and its metadata with REQ_META.
 */
static bool only_looking(const struct ic_io *io)
{
	struct address_space *mapping;
	bool looking;

	if (io->tagged || io->bio->bi_opf & REQ_META)
		return false;
	/*
	 * In direct I/O the page may be that of a file which is just being freed.
	 */
	rcu_read_lock();
	mapping = folio_mapping(page_folio(bio_page(io->bio)));
	looking = mapping && mapping->host && S_ISBLK(mapping->host->i_mode);
	rcu_read_unlock();
	return looking;
}

static blk_status_t fail(struct ic_io *io, int err)
{
	struct inocrypt *ic = io->ic;

	switch (err) {
	case -EBADMSG:
		ic_count(ic, IC_STAT_AUTH_FAILURES);
		break;
	case -EILSEQ:
		if (!only_looking(io))
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

/* A tag must name the owner; without one it is the volume's own, or in raw mode any. */
static struct ic_reader reader(const struct ic_io *io)
{
	return (struct ic_reader){
		.ino = io->tagged ? io->id.ino : 0,
		.any = !io->tagged && READ_ONCE(io->ic->vol->raw),
	};
}

/*
 * May the reader have these sectors?
 * Returns 1 if there is something to read, 0 if all are zero, -EBADMSG for a record
 * that is lost, -EILSEQ for another's sector, or -EAGAIN for untagged readahead
 * that ran into one, which is nobody's mistake.
 */
static int check_owners(struct ic_io *io)
{
	const struct ic_reader who = reader(io);
	u32 i, n = ic_io_sectors(io);
	bool any = false;

	for (i = 0; i < n; i++) {
		struct ic_sector_record *rec = &io->rec[i];

		switch (ic_read_judge(&who, rec)) {
		case IC_READ_ZEROS:
			continue;
		case IC_READ_DATA:
			any = true;
			continue;
		case IC_READ_LOST:
			DMERR_LIMIT("%s: sector %llu: its record was lost with a damaged leaf",
				    dm_device_name(io->ic->vol->md),
				    io->range.start + i);
			return -EBADMSG;
		case IC_READ_OTHERS:
			break;
		}
		if (!io->tagged && io->bio->bi_opf & REQ_RAHEAD)
			return -EAGAIN;
		if (only_looking(io))
			return -EILSEQ;
		DMERR_LIMIT("%s: sector %llu belongs to inode %u, read as inode %u",
			    dm_device_name(io->ic->vol->md),
			    io->range.start + i, le32_to_cpu(rec->owner),
			    who.ino);
		return -EILSEQ;
	}
	return any;
}

/*
 * A write that failed may have reached the disk all the same. Where the ciphertext that
 * was read begins as that of such a write, take that write's record.
 */
static int try_failed(struct inocrypt *ic, struct ic_io *io)
{
	struct ic_logger *lg = &ic->logger;
	const struct ic_reader who = reader(io);
	u32 i, n = ic_io_sectors(io);
	int err = 0;

	if (!READ_ONCE(lg->log.nr_failed))
		return 0;
	spin_lock(&lg->lock);
	for (i = 0; i < n && !err; i++)
		err = ic_read_take_failed(&lg->log, &who, io->range.start + i,
					  ic_io_ciphertext(io, i), &io->rec[i]);
	spin_unlock(&lg->lock);
	if (err)
		DMERR_LIMIT("%s: sector %llu: only the log has it, until it is loaded again",
			    dm_device_name(ic->vol->md), io->range.start + i - 1);
	return err;
}

/*
 * May the disk hold data, which the reader may have, in sectors without a record?  It
 * may if a write over nothing has failed, or recovery could not read what it left.
 */
static bool may_hold(struct inocrypt *ic, const struct ic_io *io)
{
	const struct ic_reader who = reader(io);
	struct ic_logger *lg = &ic->logger;
	bool may;

	if (!READ_ONCE(lg->log.nr_failed))
		return false;
	spin_lock(&lg->lock);
	may = ic_read_may_hold(&lg->log, &who, io->range.start, io->range.last,
			       io->rec);
	spin_unlock(&lg->lock);
	return may;
}

static void read_done(struct work_struct *work)
{
	struct ic_io *io = container_of(work, struct ic_io, work);
	struct inocrypt *ic = io->ic;
	int err;

	if (!ic_redo_read(ic, io) && io->sub->bi_status) {
		atomic_dec(&ic->io_path->reads.decrypting);
		ic_count(ic, IC_STAT_IO_ERRORS);
		end_failed(io, io->sub->bi_status);
		return;
	}
	err = try_failed(ic, io);
	if (!err)
		err = ic_decrypt(ic, io);
	trace_ic_io(io, IC_AT_DECRYPTED, err);
	/*
	 * The count goes down before the bio ends, as its reader may send the next
	 * read at once, and that one is alone.
	 */
	atomic_dec(&ic->io_path->reads.decrypting);
	if (err)
		end_failed(io, fail(io, err));
	else
		ic_io_end(io, BLK_STS_OK);
}

/*
 * Do small reads come one at a time? A read that is decrypted where it arrived never
 * overlaps with the next one on that CPU. So now and then one is given to another
 * CPU, to see whether a next one comes meanwhile. The count is racy: it may be wrong.
 */
static bool one_at_a_time(struct inocrypt *ic, bool alone)
{
	int left = READ_ONCE(ic->io_path->reads.near_left);

	if (!alone)
		left = -NEAR_AGAIN;
	else if (left > 0)
		left--;
	else if (!left)
		left = NEAR_IN_A_ROW;
	else
		left++;
	WRITE_ONCE(ic->io_path->reads.near_left, left);
	return left >= 0 && left < NEAR_IN_A_ROW;
}

/*
 * A small read that is alone is decrypted on the CPU where it arrived: waking
 * another CPU takes longer. If there are more reads, the other CPUs help.
 */
static void read_endio(struct bio *sub)
{
	struct ic_io *io = sub->bi_private;
	struct inocrypt *ic = io->ic;
	bool alone = atomic_inc_return(&ic->io_path->reads.decrypting) == 1;

	trace_ic_io(io, IC_AT_DATA_DONE, blk_status_to_errno(sub->bi_status));
	INIT_WORK(&io->work, read_done);
	if (ic_io_sectors(io) > IC_IO_FEW_SECTORS)
		queue_work(ic->io_path->decrypt_wq, &io->work);
	else if (one_at_a_time(ic, alone))
		queue_work(ic->io_path->near_wq, &io->work);
	else
		queue_work(ic->io_path->few_wq, &io->work);
}

static blk_opf_t sub_flags(const struct ic_io *io)
{
	return REQ_OP_READ | (io->bio->bi_opf & (REQ_SYNC | REQ_META | REQ_PRIO |
						 REQ_RAHEAD | REQ_BACKGROUND));
}

/*
 * Do all but the reading. Return: 1 if there is something to read, perhaps
 * under way already; 0 if all is zeros; or a negative errno.
 */
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
	trace_ic_io(io, IC_AT_LOOKED_UP, 0);
	/*
	 * check_owners() reports and counts what it finds, so it is called only
	 * once.
	 */
	err = check_owners(io);
	if (!err && may_hold(ic, io))
		err = 1;
	if (err <= 0)
		return err == -EAGAIN ? -ENODATA : err;
	if (io->tagged) {
		owner = wait ? ic_owner_get(ic, &io->id, false) :
			       ic_owner_try(ic, &io->id);
		if (IS_ERR_OR_NULL(owner))
			return owner ? PTR_ERR(owner) : -EAGAIN;
		io->owner = owner;
	}
	if (io->sub)
		return 1;
	err = ic_io_alloc_sub(io, sub_flags(io), read_endio, wait);
	return err ? err : 1;
}

static void ahead_endio(struct bio *sub)
{
	complete(sub->bi_private);
}

/*
 * Begin to read the ciphertext if a leaf has to be read first.  A read that waits for
 * a leaf must not hold what other requests need to release leaves.  So it takes no
 * pages of the reserve, and at most IC_READ_AHEAD_MAX bios, which were added to the
 * reserve for this.
 */
static bool read_ahead(struct ic_io *io, struct completion *arrived)
{
	struct inocrypt *ic = io->ic;

	if (!ic_leaves_to_read(ic, io))
		return false;
	trace_ic_io(io, IC_AT_LEAF_WANTED, 0);
	if (!atomic_add_unless(&ic->io_path->reads.ahead, 1, IC_READ_AHEAD_MAX))
		return false;
	if (ic_io_alloc_sub(io, sub_flags(io), ahead_endio, false)) {
		atomic_dec(&ic->io_path->reads.ahead);
		return false;
	}
	io->sub->bi_private = arrived;
	trace_ic_io(io, IC_AT_DATA_SUBMITTED, 0);
	submit_bio_noacct(io->sub);
	return true;
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
	DECLARE_COMPLETION_ONSTACK(arrived);
	bool ahead = wait && read_ahead(io, &arrived);
	int err = prepare(io, wait);

	if (ahead) {
		atomic_dec(&io->ic->io_path->reads.ahead);
		wait_for_completion_io(&arrived);
		trace_ic_io(io, IC_AT_DATA_DONE,
			    blk_status_to_errno(io->sub->bi_status));
	}
	if (err == -EAGAIN && !wait)
		return ic_io_again(io);
	if (err > 0 && ahead) {
		atomic_inc(&io->ic->io_path->reads.decrypting);
		read_done(&io->work);
	} else if (err > 0) {
		trace_ic_io(io, IC_AT_DATA_SUBMITTED, 0);
		submit_bio_noacct(io->sub);
	} else if (!err) {
		zero_fill_bio(io->bio);
		ic_io_end(io, BLK_STS_OK);
	} else {
		end_failed(io, fail(io, err == -ENODATA ? -EAGAIN : err));
	}
	return 0;
}
