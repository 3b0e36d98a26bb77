// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data that recovery found in the log: it is put in its place, or, if nothing
 * may be written, kept in memory and read from there.
 */
#include <linux/highmem.h>
#include <linux/slab.h>

#include "inocrypt.h"

/* Pages kept for a read-only table. */
#define REDO_MAX	16384

static int keep(struct inocrypt *ic, u64 sector, struct page *data)
{
	struct page *page;
	int err;

	/* A log that was made by the target holds less than that in flight. */
	if (sector != (unsigned long)sector || ic->nr_redo == REDO_MAX)
		return -ENOMEM;
	page = alloc_page(GFP_NOIO);
	if (!page)
		return -ENOMEM;
	copy_highpage(page, data);
	err = xa_err(xa_store(&ic->redo, sector, page, GFP_NOIO));
	if (err)
		__free_page(page);
	else
		ic->nr_redo++;
	return err ? err : 1;
}

/**
 * ic_refused() - is it what a device says of a bad place?
 * @err: negative errno
 *
 * (An I/O error may pass, too, but most drivers say nothing else.)  Any other error
 * may pass, and the log would be gone.
 */
bool ic_refused(int err)
{
	return err == -EIO || err == -ENODATA || err == -EREMOTEIO ||
	       err == -EILSEQ;
}

/* Its place can't be written: no reading of it counts, until a later write. */
static int lose(struct inocrypt *ic, u64 sector, int err)
{
	ic_count(ic, IC_STAT_IO_ERRORS);
	DMERR_LIMIT("%s: sector %llu, whose data was in the log, is lost: error %d",
		    dm_device_name(ic->vol->md), sector, err);
	err = xa_err(xa_store(&ic->redo, sector, xa_mk_value(0), GFP_NOIO));
	if (!err)
		ic->nr_redo++;
	return err;
}

/**
 * ic_redo() - put a sector's data in its place
 * @ic: the table, recovering
 * @sector: crypto sector
 * @data: its ciphertext, IC_BLOCK_SIZE bytes
 *
 * If the device refuses, that sector reads as an error from now on.
 *
 * Context: may sleep and do I/O.
 * Return: 1, 0 if it is lost, or a negative errno.
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
	if (ic_refused(err))
		return lose(ic, sector, err);
	ic_count(ic, IC_STAT_IO_ERRORS);
	DMERR("%s: can't put sector %llu in place, whose data is in the log: error %d",
	      dm_device_name(ic->vol->md), sector, err);
	return err;
}

/**
 * ic_redo_find() - copy a sector's data if it is kept in memory
 * @ic: the table
 * @sector: crypto sector
 * @data: receives IC_BLOCK_SIZE bytes
 *
 * Context: any.
 * Return: 1, 0 if it isn't, or -EIO if its data is lost.
 */
int ic_redo_find(struct inocrypt *ic, u64 sector, void *data)
{
	struct page *page = xa_load(&ic->redo, sector);

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
 * @io: a read whose ciphertext is in sub
 *
 * Context: any.
 */
void ic_redo_read(struct inocrypt *ic, struct ic_io *io)
{
	u32 i;

	/* Of a table that may be written, there are only lost ones. */
	if (!ic->nr_redo || !ic->read_only)
		return;
	for (i = 0; i < ic_io_sectors(io); i++)
		ic_redo_find(ic, io->range.start + i, ic_io_ciphertext(io, i));
}

/**
 * ic_redo_drop() - forget what is kept
 * @ic: the table; no I/O is under way
 */
void ic_redo_drop(struct inocrypt *ic)
{
	struct page *page;
	unsigned long sector;

	xa_for_each(&ic->redo, sector, page)
		if (!xa_is_value(page))
			__free_page(page);
	xa_destroy(&ic->redo);
	ic->nr_redo = 0;
}
