// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners: the tagged reads and writes of ext4's file data.
 *
 * Everything that submits a bio of a regular file's data comes through here.
 * Where ext4 leaves the submitting to fs/buffer.c, a tagged replacement does
 * for owned files what that does for others.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/buffer_head.h>
#include <linux/iomap.h>
#include <linux/pagemap.h>

#include "ext4.h"
#include "../compat/fs.h"

static void submit_owned(struct inode *inode, struct bio *bio)
{
	struct bio_owner_id id = {
		.ino = inode->i_ino,
		.gen = inode->i_generation,
	};

	memcpy(id.key_id, EXT4_I(inode)->i_owner_key, sizeof(id.key_id));
	bio_owner_submit(bio, &id);
}

/**
 * ext4_owner_submit_bio - submit a bio of file data
 * @inode: the file
 * @bio: the bio
 *
 * An owned file's bio that can't be tagged completes with an error.
 */
void ext4_owner_submit_bio(struct inode *inode, struct bio *bio)
{
	if (ext4_owned(inode))
		submit_owned(inode, bio);
	else
		submit_bio(bio);
}

/**
 * ext4_owner_dio_submit_io - submit_io of ext4's direct I/O
 * @iter: names the inode
 * @bio: the bio
 * @pos: unused
 */
void ext4_owner_dio_submit_io(const struct iomap_iter *iter, struct bio *bio,
			      loff_t pos)
{
	ext4_owner_submit_bio(iter->inode, bio);
}

const struct iomap_dio_ops ext4_owner_dio_read_ops = {
	.submit_io = ext4_owner_dio_submit_io,
};

static void bh_end_bio(struct bio *bio)
{
	struct buffer_head *bh = bio->bi_private;

	bh->b_end_io(bh, !bio->bi_status);
	bio_put(bio);
}

/* This does what submit_bh(REQ_OP_READ, bh) does, with a tag. */
static void submit_owned_bh(struct inode *inode, struct buffer_head *bh)
{
	struct bio *bio;

	bio = bio_alloc(bh->b_bdev, 1, REQ_OP_READ, GFP_NOIO);
	bio->bi_iter.bi_sector = bh->b_blocknr * (bh->b_size >> SECTOR_SHIFT);
	__bio_add_page(bio, bh->b_page, bh->b_size, bh_offset(bh));
	bio->bi_end_io = bh_end_bio;
	bio->bi_private = bh;
	submit_owned(inode, bio);
}

/**
 * ext4_owner_read_bh_lock - ext4_read_bh_lock() for a block of file data
 * @inode: the file
 * @bh: buffer of a page in its page cache
 * @wait: wait for the block
 *
 * Return: 0, or -EIO if @wait is set and the block can't be read.
 */
int ext4_owner_read_bh_lock(struct inode *inode, struct buffer_head *bh,
			    bool wait)
{
	if (!ext4_owned(inode))
		return ext4_read_bh_lock(bh, 0, wait);

	lock_buffer(bh);
	if (ext4_buffer_uptodate(bh)) {
		unlock_buffer(bh);
		return 0;
	}
	bh->b_end_io = end_buffer_read_sync;
	get_bh(bh);
	submit_owned_bh(inode, bh);
	if (!wait)
		return 0;
	wait_on_buffer(bh);
	return buffer_uptodate(bh) ? 0 : -EIO;
}

/* A copy of end_buffer_async_read() in fs/buffer.c, which isn't exported. */
static void end_async_read(struct buffer_head *bh, int uptodate)
{
	struct buffer_head *first, *tmp;
	struct folio *folio = page_folio(bh->b_page);
	bool folio_uptodate = true;
	unsigned long flags;

	if (uptodate) {
		set_buffer_uptodate(bh);
	} else {
		clear_buffer_uptodate(bh);
		pr_err_ratelimited("Buffer I/O error on dev %pg, logical block %llu, async page read\n",
				   bh->b_bdev, (u64)bh->b_blocknr);
		ext4_compat_read_failed(folio);
	}

	/*
	 * The last buffer to finish unlocks the folio. The lock sees to it that
	 * only one is the last.
	 */
	first = folio_buffers(folio);
	spin_lock_irqsave(&first->b_uptodate_lock, flags);
	clear_buffer_async_read(bh);
	unlock_buffer(bh);
	tmp = bh;
	do {
		if (!buffer_uptodate(tmp))
			folio_uptodate = false;
		if (buffer_async_read(tmp)) {
			spin_unlock_irqrestore(&first->b_uptodate_lock, flags);
			return;
		}
		tmp = tmp->b_this_page;
	} while (tmp != bh);
	spin_unlock_irqrestore(&first->b_uptodate_lock, flags);

	if (folio_uptodate)
		folio_mark_uptodate(folio);
	folio_unlock(folio);
}

/* Map the buffer; if it is in a hole, zero it.  Returns 1 if it is to be read. */
static int map_read_bh(struct inode *inode, struct folio *folio,
		       struct buffer_head *bh, sector_t block, sector_t end)
{
	int err = 0;

	if (buffer_uptodate(bh))
		return 0;
	if (!buffer_mapped(bh)) {
		if (block < end)
			err = ext4_get_block(inode, block, bh, 0);
		if (!buffer_mapped(bh)) {
			folio_zero_range(folio, bh_offset(bh), bh->b_size);
			if (!err)
				set_buffer_uptodate(bh);
			return err;
		}
	}
	return !buffer_uptodate(bh);
}

/**
 * ext4_owner_read_full_folio - block_read_full_folio() for any file
 * @folio: locked; unlocked when all its blocks have been read
 *
 * Return: 0; errors are left in the folio's and its buffers' state.
 */
int ext4_owner_read_full_folio(struct folio *folio)
{
	struct inode *inode = folio->mapping->host;
	unsigned int blkbits = inode->i_blkbits;
	struct buffer_head *head, *bh, *arr[MAX_BUF_PER_PAGE];
	sector_t block, end;
	bool failed = false;
	int nr = 0, i, ret;

	if (!ext4_owned(inode))
		return block_read_full_folio(folio, ext4_get_block);

	if (!folio_buffers(folio))
		ext4_compat_create_buffers(folio, 1 << blkbits);
	head = folio_buffers(folio);
	block = (sector_t)folio->index << (PAGE_SHIFT - blkbits);
	end = (i_size_read(inode) + (1 << blkbits) - 1) >> blkbits;

	bh = head;
	do {
		ret = map_read_bh(inode, folio, bh, block++, end);
		if (ret < 0) {
			ext4_compat_read_failed(folio);
			failed = true;
		} else if (ret) {
			arr[nr++] = bh;
		}
		bh = bh->b_this_page;
	} while (bh != head);

	if (!nr) {
		if (!failed)
			folio_mark_uptodate(folio);
		folio_unlock(folio);
		return 0;
	}

	/*
	 * All buffers are locked first, so that none finishes as the last one
	 * too early.
	 */
	for (i = 0; i < nr; i++) {
		lock_buffer(arr[i]);
		arr[i]->b_end_io = end_async_read;
		set_buffer_async_read(arr[i]);
	}
	for (i = 0; i < nr; i++) {
		if (buffer_uptodate(arr[i]))
			end_async_read(arr[i], 1);
		else
			submit_owned_bh(inode, arr[i]);
	}
	return 0;
}

/**
 * ext4_owner_zeroout - zero blocks of an owned file
 * @inode: the file
 * @pblk: first block
 * @len: number of blocks
 *
 * Blocks of zeros written without a tag would be the volume's, not the file's;
 * zeroed ones are nobody's and read as zeros for everyone.
 *
 * Return: 0 or a negative errno.
 */
int ext4_owner_zeroout(struct inode *inode, ext4_fsblk_t pblk, ext4_lblk_t len)
{
	struct super_block *sb = inode->i_sb;
	unsigned int shift = sb->s_blocksize_bits - SECTOR_SHIFT;

	return blkdev_issue_zeroout(sb->s_bdev, pblk << shift,
				    (sector_t)len << shift, GFP_NOFS,
				    BLKDEV_ZERO_NOFALLBACK);
}
