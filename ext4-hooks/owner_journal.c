// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners: discard journal blocks before jbd2 writes them again.
 *
 * Writing over a sector takes the device an intent and a flush of its own
 * first; writing to a discarded one doesn't.  jbd2 writes one ring of blocks
 * again and again, with every fsync, so a stretch of it is kept discarded ahead
 * of the head.
 *
 * The commit callback is the place for it: what is written to the ring is
 * written by commits, and while one is in its callback no other can begin.  A
 * discard that has completed there comes before all later writes of its blocks.
 */
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/jbd2.h>
#include <linux/minmax.h>

#include "ext4.h"
#include "ext4_jbd2.h"

/*
 * Discards have this size: large enough to be rare, small enough to be quick.
 */
#define MAX_CHUNK	4096UL

/*
 * Errors don't matter: a block that isn't discarded is written over, only
 * slower. The mapping of the journal's inode doesn't change while it is
 * mounted.
 */
static void discard_blocks(journal_t *journal, unsigned long start,
			   unsigned long len)
{
	struct super_block *sb = journal->j_private;

	while (len && !is_journal_aborted(journal)) {
		struct ext4_map_blocks map = { .m_lblk = start, .m_len = len };
		int n = ext4_map_blocks(NULL, journal->j_inode, &map, 0);

		if (n <= 0 || !(map.m_flags & EXT4_MAP_MAPPED))
			return;
		sb_issue_discard(sb, map.m_pblk, n, GFP_NOFS, 0);
		start += n;
		len -= n;
	}
}

/*
 * No recovery needs the @free blocks from @head on: the superblock on the disk
 * names the tail behind them, or an empty journal. jbd2 moves j_tail only when
 * that superblock has been written with FUA (or, from empty, before this
 * commit's record, whose write began with a flush), and j_tail never moves
 * back. Others may free more blocks meanwhile, but only a commit takes some.
 */
static void discard_ahead(journal_t *journal, struct ext4_owner_ring *ring,
			  unsigned long head, unsigned long free)
{
	unsigned long first = journal->j_first;
	unsigned long last = journal->j_last;
	unsigned long size = last - first;
	unsigned long chunk = clamp(size / 16, 1UL, MAX_CHUNK);
	unsigned long used, low, want, start, n;

	used = head - ring->head;
	if (head < ring->head)
		used += size;
	ring->head = head;
	ring->ahead -= min(ring->ahead, used);
	/* With this the next commit, too, finds only discarded blocks. */
	ring->used = max(used, ring->used - ring->used / 8);

	low = max(2 * ring->used, 2 * chunk);
	want = min(low + chunk, free);
	if (ring->ahead >= low || want < ring->ahead + chunk)
		return;

	start = head + ring->ahead;
	if (start >= last)
		start -= size;
	n = min(want - ring->ahead, last - start);
	discard_blocks(journal, start, n);
	discard_blocks(journal, first, want - ring->ahead - n);
	ring->ahead = want;
}

/*
 * Discard the fast commits since the last full commit. They add to that one, so
 * a durable full commit makes all of them stale: replay looks for those of the
 * next transaction. No fast commit begins before the callback returns, and the
 * next one starts over with the first block.
 */
static void discard_fast_commits(journal_t *journal,
				 struct ext4_owner_ring *ring)
{
	struct ext4_sb_info *sbi = EXT4_SB((struct super_block *)
					   journal->j_private);
	unsigned long n = journal->j_fc_last - journal->j_fc_first;

	if (!jbd2_has_feature_fast_commit(journal))
		return;
	/* The first time all of it goes, as nobody knows what earlier mounts left there. */
	if (ring->fc_known)
		n = min(n, DIV_ROUND_UP((unsigned long)sbi->s_fc_bytes,
					journal->j_blocksize));
	ring->fc_known = true;
	discard_blocks(journal, journal->j_fc_first, n);
}

/**
 * ext4_owner_journal_commit - discard what the journal doesn't need any more
 * @journal: the journal
 *
 * Context: the commit callback, after the commit record is durable.
 */
void ext4_owner_journal_commit(journal_t *journal)
{
	struct super_block *sb = journal->j_private;
	struct ext4_owner_ring *ring = ext4_owner_ring(sb);
	unsigned long flags, head, free;

	/* A journal on another device isn't on this volume. */
	if (!ring || !test_opt(sb, DISCARD) || !journal->j_inode ||
	    journal->j_dev != sb->s_bdev || !bdev_max_discard_sectors(sb->s_bdev))
		return;

	read_lock(&journal->j_state_lock);	/* guards all of these */
	flags = journal->j_flags;
	head = journal->j_head;
	free = journal->j_free;
	read_unlock(&journal->j_state_lock);

	/*
	 * Without barriers nobody knows whether the tail on the disk is the one
	 * here.
	 */
	if (flags & JBD2_ABORT || !(flags & JBD2_BARRIER)) {
		memset(ring, 0, sizeof(*ring));
		return;
	}
	/* After the last commit a discard gains nothing. */
	if (flags & JBD2_UNMOUNT)
		return;
	if (!ring->head) {
		/* Barriers may have been turned on since this commit's record. */
		ring->head = head;
		return;
	}

	discard_ahead(journal, ring, head, free);
	discard_fast_commits(journal, ring);
}
