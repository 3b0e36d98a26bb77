// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners: where on the device files are placed.
 *
 * Inode numbers: a volume keeps owners up to some number only; a file with a key
 * takes one of these.
 *
 * Blocks: whoever wants to know what is on a device (libblkid, for mount, udev,
 * lsblk, wipefs) reads it untagged in some places, and gives up at the first read
 * error.  An owner's sector is one.  So nothing is placed there; the device need
 * not lie to anybody about what it holds.
 */
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/sizes.h>

#include "ext4.h"

/**
 * struct place - what isn't to be used by files
 * @start: byte of the device
 * @len: in bytes
 */
struct place {
	u64	start;
	u64	len;
};

/*
 * Where libblkid 2.38.1 looks, by its debug output.  Below 576 KiB nearly
 * everything has its magic number; LUKS2 has second headers, and VMFS its own,
 * further on.
 */
static const struct place probed[] = {
	{ 0, SZ_512K + SZ_64K },
	{ SZ_1M, SZ_64K },
	{ SZ_2M, SZ_64K },
	{ SZ_4M, SZ_64K },
};

/* At the end: labels of ZFS, RAID superblocks (the first of them 1.5 MiB before it). */
#define PROBED_AT_END	SZ_2M

static struct place probed_place(struct super_block *sb, unsigned int i)
{
	u64 size = bdev_nr_bytes(sb->s_bdev);
	u64 len = min_t(u64, size, PROBED_AT_END);

	if (i < ARRAY_SIZE(probed))
		return probed[i];
	/* Labels are aligned downwards, so this is, too: to any block size. */
	return (struct place){ round_down(size - len, SZ_64K),
			       size - round_down(size - len, SZ_64K) };
}

/*
 * Find the part of a place that the file system has. Return: false if it has
 * none of it.
 */
static bool place_blocks(struct super_block *sb, const struct place *p,
			 ext4_fsblk_t *first, ext4_fsblk_t *last)
{
	struct ext4_super_block *es = EXT4_SB(sb)->s_es;

	if (!p->len)
		return false;
	*first = max_t(ext4_fsblk_t, p->start >> sb->s_blocksize_bits,
		       le32_to_cpu(es->s_first_data_block));
	*last = min_t(ext4_fsblk_t,
		      (p->start + p->len - 1) >> sb->s_blocksize_bits,
		      ext4_blocks_count(es) - 1);
	return *first <= *last;
}

static int keep_place(struct super_block *sb, const struct place *p,
		      atomic64_t *clear)
{
	ext4_group_t group, last_group;
	ext4_grpblk_t from, to, end;
	ext4_fsblk_t first, last;
	int err = 0;

	if (!place_blocks(sb, p, &first, &last))
		return 0;
	ext4_get_group_no_and_offset(sb, first, &group, &from);
	ext4_get_group_no_and_offset(sb, last, &last_group, &to);
	for (; group <= last_group && !err; group++, from = 0) {
		end = group == last_group ? to :
		      EXT4_CLUSTERS_PER_GROUP(sb) - 1;
		err = ext4_mb_keep_clear(sb, group, from, end, clear);
	}
	return err;
}

/**
 * ext4_owner_keep_clear - place nothing where the device is probed
 * @sb: the mount, writable or about to be; again after a resize
 *
 * Blocks there that are free stay free until unmount, and those in use stay in use.
 * Nothing changes on the disk.
 *
 * Context: may sleep.
 */
void ext4_owner_keep_clear(struct super_block *sb)
{
	atomic64_t *clear = ext4_owner_clear(sb);
	struct place p;
	unsigned int i;
	int err = 0;

	if (!clear)
		return;
	for (i = 0; i <= ARRAY_SIZE(probed) && !err; i++) {
		p = probed_place(sb, i);
		err = keep_place(sb, &p, clear);
	}
	/* Files may be placed there now, and blkid may then not know the device. */
	if (err)
		ext4_msg(sb, KERN_WARNING,
			 "can't keep files away from where the device is probed (%d)",
			 err);
}

/**
 * ext4_owner_freed - clusters can be used again
 * @sb: the mount
 * @group: block group
 * @start: first cluster in the group
 * @count: number of them
 *
 * They were in use when this mount began to keep free blocks there clear: if they are
 * in such a place, that is done again.
 *
 * Context: may sleep; commit callbacks.
 */
void ext4_owner_freed(struct super_block *sb, ext4_group_t group,
		      ext4_grpblk_t start, ext4_grpblk_t count)
{
	ext4_fsblk_t block, end, first, last;
	struct place p;
	unsigned int i;

	if (!ext4_owner_clear(sb))
		return;
	block = ext4_group_first_block_no(sb, group) +
		EXT4_C2B(EXT4_SB(sb), start);
	end = block + EXT4_C2B(EXT4_SB(sb), count);
	for (i = 0; i <= ARRAY_SIZE(probed); i++) {
		p = probed_place(sb, i);
		if (place_blocks(sb, &p, &first, &last) && block <= last &&
		    end > first) {
			ext4_owner_keep_clear(sb);
			return;
		}
	}
}

/**
 * ext4_owner_clear_clusters - free clusters that can't be had
 * @sbi: the mount
 *
 * Context: any.
 */
s64 ext4_owner_clear_clusters(struct ext4_sb_info *sbi)
{
	atomic64_t *clear = ext4_owner_clear(sbi->s_sb);

	return clear ? atomic64_read(clear) : 0;
}

/*
 * Inode numbers
 */

/*
 * Is the new inode going to have a key, or to be a directory of files that have
 * one?
 */
static bool wants_owner(struct inode *inode)
{
	const struct ext4_owner_opts *opts = ext4_owner_options(inode->i_sb);

	if (S_ISREG(inode->i_mode))
		return ext4_owned(inode);
	if (!S_ISDIR(inode->i_mode))
		return false;
	return ext4_has_owner_key(inode) ||
		(!EXT4_I(inode)->i_owner_flags && opts && opts->has_key);
}

/**
 * ext4_owner_group - a group for a new inode
 * @inode: after ext4_owner_new_inode()
 * @group: the one that the inode allocator would begin with
 *
 * A directory's files are placed in its group, so that has to be one where they can be.
 *
 * Return: @group, or, if the volume keeps no owners there, one where it does.
 */
ext4_group_t ext4_owner_group(struct inode *inode, ext4_group_t group)
{
	struct bio_owner_volume *vol = ext4_owner_volume(inode->i_sb);
	u32 per_group = EXT4_INODES_PER_GROUP(inode->i_sb);

	if (!vol || !vol->max_ino || !wants_owner(inode) ||
	    (u64)group * per_group < vol->max_ino)
		return group;
	/*
	 * Use all groups that keep owners, not the first one only, where files
	 * would crowd.
	 */
	return group % DIV_ROUND_UP(vol->max_ino, per_group);
}

/**
 * ext4_owner_group_inodes - how many inodes of a group can a new inode be?
 * @inode: after ext4_owner_new_inode()
 * @group: block group
 *
 * Return: their number, from the group's first inode on; 0: none.
 */
unsigned long ext4_owner_group_inodes(struct inode *inode, ext4_group_t group)
{
	struct bio_owner_volume *vol = ext4_owner_volume(inode->i_sb);
	u32 per_group = EXT4_INODES_PER_GROUP(inode->i_sb);
	u64 before = (u64)group * per_group;

	if (!vol || !ext4_owned(inode))
		return per_group;
	if (before >= vol->max_ino)
		return 0;
	return min_t(u64, per_group, vol->max_ino - before);
}
