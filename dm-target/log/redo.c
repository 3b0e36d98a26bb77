// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data that recovery found in the log: it is put in its place, or, if nothing
 * may be written, kept in memory and read from there.
 *
 * Only the log has this data, and the commit that follows frees the log.  So while a
 * sector can't be put in place the volume isn't activated, whatever the device calls
 * the error: most devices that say "bad medium" have only run full, or lost a cable.
 * The table option give_up_unwritable gives such sectors up.
 */
#include <linux/highmem.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "log/log.h"

/*
 * Keep as many pages as there is memory for, without making others give theirs
 * up.
 */
#define REDO_GFP	(GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN)

/**
 * struct ic_redone - sectors whose place in the data area isn't what counts
 * @sectors: pages with their data, or values for those that were given up
 * @nr_pages: number of the pages; 0 unless the table is read-only
 */
struct ic_redone {
	struct xarray	sectors;
	unsigned int	nr_pages;
};

/**
 * ic_redo_init() - nothing is kept yet
 * @ic: the table
 *
 * Return: 0 or -ENOMEM; ic_redo_exit() cleans up in both cases.
 */
int ic_redo_init(struct inocrypt *ic)
{
	ic->redone = kzalloc(sizeof(*ic->redone), GFP_KERNEL);
	if (!ic->redone)
		return -ENOMEM;
	xa_init(&ic->redone->sectors);
	return 0;
}

static int keep(struct inocrypt *ic, u64 sector, struct page *data)
{
	struct page *page;
	int err;

	if (sector != (unsigned long)sector)
		return -ENOMEM;
	page = xa_load(&ic->redone->sectors, sector);
	if (page) {
		copy_highpage(page, data);
		return 1;
	}
	page = alloc_page(REDO_GFP);
	if (!page)
		return -ENOMEM;
	copy_highpage(page, data);
	err = xa_err(xa_store(&ic->redone->sectors, sector, page, REDO_GFP));
	if (err)
		__free_page(page);
	else
		ic->redone->nr_pages++;
	return err ? err : 1;
}

/**
 * ic_refused() - is this an error that a device reports?
 * @err: negative errno, of a bio that has ended
 *
 * Such an error may pass, whatever it says.  Each errno of blk_status_to_errno() is
 * listed here; any other is one of our own, as want of memory.
 */
bool ic_refused(int err)
{
	switch (err) {
	case -EIO:
	case -EOPNOTSUPP:	/* a kind of request that the device doesn't know */
	case -ETIMEDOUT:
	case -ENOSPC:
	case -ENOLINK:		/* the path to the device failed */
	case -EREMOTEIO:	/* the storage target failed */
	case -EBADE:		/* the device is reserved for another host */
	case -ENODATA:		/* the medium failed */
	case -EILSEQ:		/* a checksum of the device's failed */
	case -EBUSY:
	case -ENODEV:		/* the device is gone, or offline */
	case -ETOOMANYREFS:	/* too many zones are open */
	case -EOVERFLOW:	/* too many zones are active */
		return true;
	case -ENOMEM:
	case -EAGAIN:		/* only requests with REQ_NOWAIT get this */
	case -EREMCHG:		/* only device mapper itself uses this */
	default:
		return false;
	}
}

/**
 * ic_redo_give_up() - a sector can't be put in place
 * @ic: the table, recovering
 * @sector: crypto sector, whose data only the log has
 * @err: why, a negative errno
 *
 * Context: may sleep.
 * Return: 0 if it is given up, as the table line says; or a negative errno.
 */
int ic_redo_give_up(struct inocrypt *ic, u64 sector, int err)
{
	int failed;

	if (!ic->options.give_up_unwritable) {
		DMERR("%s: sector %llu, whose data only the log has, can't be put in place: %d",
		      dm_device_name(ic->vol->md), sector, err);
		return err;
	}
	failed = xa_err(xa_store(&ic->redone->sectors, sector, xa_mk_value(0), REDO_GFP));
	if (!failed)
		ic->nr_given_up++;
	return failed;
}

static void report(struct inocrypt *ic, unsigned long first,
		   unsigned long last)
{
	DMERR("%s: given up: sectors %lu to %lu, whose data only the log had",
	      dm_device_name(ic->vol->md), first, last);
}

/**
 * ic_redo_report() - name the sectors that were given up
 * @ic: the table; what was recovered has just been committed, so it is true
 *
 * Context: may sleep.
 */
void ic_redo_report(struct inocrypt *ic)
{
	unsigned long sector, first = 0, last = 0;
	bool any = false;
	void *entry;

	xa_for_each(&ic->redone->sectors, sector, entry) {
		if (any && sector != last + 1) {
			report(ic, first, last);
			any = false;
			cond_resched();
		}
		if (!any)
			first = sector;
		last = sector;
		any = true;
	}
	if (any)
		report(ic, first, last);
}

/**
 * ic_redo() - put a sector's data in its place
 * @ic: the table, recovering
 * @sector: crypto sector
 * @data: its ciphertext, IC_BLOCK_SIZE bytes
 *
 * Context: may sleep and do I/O.
 * Return: 1 if it is there, 0 if it is given up, or a negative errno.
 */
int ic_redo(struct inocrypt *ic, u64 sector, struct page *data)
{
	struct bio_vec bvec;
	struct bio bio;
	int err;

	if (ic->read_only)
		return keep(ic, sector, data);
	bio_init(&bio, ic->data->bdev, &bvec, 1, REQ_OP_WRITE | REQ_SYNC);
	bio.bi_iter.bi_sector = ic->data_start +
		(sector << (ic->geo.sector_shift - SECTOR_SHIFT));
	__bio_add_page(&bio, data, IC_BLOCK_SIZE, 0);
	err = submit_bio_wait(&bio);
	bio_uninit(&bio);
	if (!err)
		return 1;
	ic_count(ic, IC_STAT_IO_ERRORS);
	return ic_redo_give_up(ic, sector, err);
}

/**
 * ic_redo_find() - copy a sector's data if it is kept in memory
 * @ic: the table
 * @sector: crypto sector
 * @data: receives IC_BLOCK_SIZE bytes
 *
 * Context: any.
 * Return: 1, 0 if it isn't, or -EIO if it is given up.
 */
int ic_redo_find(struct inocrypt *ic, u64 sector, void *data)
{
	struct page *page = xa_load(&ic->redone->sectors, sector);

	if (!page)
		return 0;
	if (xa_is_value(page))
		return -EIO;
	memcpy(data, page_address(page), IC_BLOCK_SIZE);
	return 1;
}

/**
 * ic_redo_read() - replace what was read by what is kept in memory
 * @ic: the table
 * @io: a read that has ended, well or not
 *
 * Context: any.
 * Return: true if all of it was in memory, so that an error of the device's doesn't
 * matter.
 */
bool ic_redo_read(struct inocrypt *ic, struct ic_io *io)
{
	bool all = true;
	u32 i;

	if (!ic->redone->nr_pages)
		return false;
	for (i = 0; i < ic_io_sectors(io); i++)
		all &= ic_redo_find(ic, io->range.start + i,
				    ic_io_ciphertext(io, i)) > 0;
	return all;
}

/**
 * ic_redo_drop() - forget what is kept
 * @ic: the table; no I/O is under way
 */
void ic_redo_drop(struct inocrypt *ic)
{
	struct page *page;
	unsigned long sector;

	xa_for_each(&ic->redone->sectors, sector, page)
		if (!xa_is_value(page))
			__free_page(page);
	xa_destroy(&ic->redone->sectors);
	ic->redone->nr_pages = 0;
	ic->nr_given_up = 0;
}

/**
 * ic_redo_exit() - undo ic_redo_init(); no I/O is under way
 * @ic: the table
 */
void ic_redo_exit(struct inocrypt *ic)
{
	if (!ic->redone)
		return;
	ic_redo_drop(ic);
	kfree(ic->redone);
}
