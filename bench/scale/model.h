/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that the simulation takes for granted about the target and about devices.
 *
 * Geometry and the log's ring are the target's own code (shared/).  What
 * stands here is in headers that only the kernel can read; tests/unit/scale.sh
 * compares it with them.
 */
#ifndef SCALE_MODEL_H
#define SCALE_MODEL_H

/* dm-target/core/table.h */
#define M_CACHE_BYTES_DEFAULT	(64ULL << 20)	/* IC_CACHE_BYTES_DEFAULT */
#define M_CACHE_BYTES_MIN	0x100000ULL	/* IC_CACHE_BYTES_MIN */
#define M_NODE_RESERVE		256		/* IC_NODE_RESERVE */
#define M_CHECKPOINT_PAGES	64		/* IC_CHECKPOINT_PAGES */
#define M_CHECKPOINT_DELAY	20		/* IC_CHECKPOINT_DELAY, seconds */
#define M_IO_MAX_BYTES		(256U * 1024)	/* IC_IO_MAX_BYTES */
#define M_OWNERS_CACHED		4096		/* IC_OWNERS_CACHED */

/* dm-target/log/log_append.c, unlock_appended(): a checkpoint at this part of the ring. */
#define M_LOG_CHECKPOINT(blocks) ((blocks) / 2)
/* dm-target/tree/node.c, ic_dirty_throttle(): a checkpoint at this part of the cache. */
#define M_DIRTY_CHECKPOINT(max)	((max) / 2)

/*
 * Overwrites end early, and wait together for a round of the log's writer, which
 * closes a block: until so many sectors have gathered, of those that may be in
 * flight (shared/log_rounds.h, ic_rounds_enough_wait()), ...
 */
#define M_LOG_GATHER(live_max)	((live_max) / 2)
/* ... or this many writes, for a cache of so many nodes (dm-target/io/detached.c), ... */
#define M_BEHIND(max)		((max) / 8)
/* ... or this many seconds have passed (dm-target/core/table.h, IC_DRAIN_DELAY). */
#define M_DRAIN_DELAY		0.1
/*
 * A flush that finds so few sectors waiting has their data logged with them
 * (shared/log_rounds.c, FLUSH_SECTORS_MAX).
 */
#define M_FLUSH_SECTORS_MAX	24
/* A flush passes the devices by while less of the log is unsettled (log_rounds.c). */
#define M_UNSETTLED_MAX		1024
/* Recovery asks the disk about so many sectors at a time (recovery.c, READS_MAX). */
#define M_RECOVERY_READS	32

/*
 * Memory, in bytes, beside what follows from the above; without lock debugging.
 * tests/vm/scale.sh reads the first off the running kernel.
 */
#define M_CNODE_BYTES		208	/* struct ic_cnode, with each node */
#define M_OWNER_BYTES		256	/* struct ic_owner, as kmalloc rounds it */
#define M_SLOT_BYTES		24	/* struct ic_key_slot */
#define M_IO_BYTES		512	/* struct ic_io, with each write that has ended early */
#define M_REC_BYTES		4096	/* io.c, REC_BYTES as kmalloc rounds it */
#define M_RECS			16
#define M_TFMS			36	/* tfm.c, and keys of the sidecar */
#define M_TFM_BYTES		1536	/* a gcm(aes) transform: two key schedules, tables */
#define M_CRYPTS		16	/* tfm.c, pool->crypts */
#define M_CRYPT_BYTES		1024
/* Bio sets with whole vectors, 256 x 16 bytes: io.c, log_write.c, checkpoint.c. */
#define M_BIOVECS		(2 + 2 + 4)

/* CPU time to read and open a block of the sidecar: 4 KiB of AES-256-GCM. */
#define M_OPEN_BLOCK_US		4.0

/*
 * Devices, as figures.  Writes per second are a ceiling that the extra traffic
 * would lower; a lower rate makes the timer, not the log, end an interval.
 */
struct device {
	const char *name;
	double writes;		/* random 4 KiB writes, or reads, per second, many at once */
	double bytes;		/* sequential bytes per second */
	double read_us;		/* one random 4 KiB read, alone */
	double next_us;		/* one 4 KiB read right after the block before */
	double flush_us;
	int torn;		/* its blocks are smaller than 4 KiB */
	const char *what;
};

static const struct device devices[] = {
	{ "ssd", 50e3, 500e6, 100, 60, 2000, 1, "SATA SSD, volatile cache" },
	{ "nvme", 400e3, 3e9, 80, 20, 20, 0, "NVMe, no volatile cache" },
	{ "hdd", 150, 150e6, 8000, 100, 12000, 1, "hard disk" },
};

#endif /* SCALE_MODEL_H */
