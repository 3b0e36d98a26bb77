/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sizes, bounds and delays that were chosen, not derived: the target works by them,
 * and the scale simulation (bench/scale/) says what they cost.
 */
#ifndef IC_TUNABLES_H
#define IC_TUNABLES_H

/* A bio is cut so that its data is at most this much; more bios keep more CPUs busy. */
#define IC_IO_MAX_BYTES		(256U * 1024)

/* The node cache's size, in bytes: by default, and the least that a table may ask for. */
#define IC_CACHE_BYTES_DEFAULT	(64ULL << 20)
#define IC_CACHE_BYTES_MIN	0x100000ULL
#define IC_NODE_RESERVE		256	/* nodes */
#define IC_OWNERS_CACHED	4096

/* A checkpoint begins after so long, at this part of the log or of the cache. */
#define IC_CHECKPOINT_SECS	20
#define IC_LOG_CHECKPOINT_AT(blocks)	((blocks) / 2)
#define IC_DIRTY_CHECKPOINT_AT(nodes)	((nodes) / 2)
#define IC_CHECKPOINT_PAGES	64	/* node writes in flight */

/*
 * Overwrites end early, and wait together for a round of the log's writer: until so
 * many sectors have gathered, of those that may be in flight, so that the other half
 * can gather meanwhile; or this many writes, for a cache of so many nodes; or this
 * many milliseconds have passed.
 */
#define IC_LOG_GATHER(live_max)	((live_max) / 2)
#define IC_BEHIND_MAX(nodes)	((nodes) / 8)
#define IC_DRAIN_MS		100

/* A flush that finds so few sectors waiting has their data logged with them. */
#define IC_FLUSH_SECTORS_MAX	24
/*
 * After so many blocks the devices are flushed, whether somebody waits or not: above
 * the low-water mark recovery has to ask the disk about each sector, and a read-only
 * table keeps in memory what is in the log.
 */
#define IC_UNSETTLED_MAX	1024
/*
 * Recovery asks the disk about so many sectors side by side.  When it asked about one
 * after the other, that took most of its time.
 */
#define IC_RECOVERY_READS	32

#endif /* IC_TUNABLES_H */
