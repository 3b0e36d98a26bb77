/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that the simulation takes for granted about the target and about devices.
 *
 * Geometry, the log's ring, bounds and delays are the target's own (shared/).  What
 * stands here only the kernel knows.
 */
#ifndef SCALE_MODEL_H
#define SCALE_MODEL_H

#include "tunables.h"

/*
 * Memory, in bytes, beside what follows from the above; without lock debugging.
 * tests/vm/scale.sh reads the first off the running kernel.
 */
#define M_CNODE_BYTES		208	/* struct ic_cnode, with each node */
#define M_OWNER_BYTES		256	/* struct ic_owner, as kmalloc rounds it */
#define M_SLOT_BYTES		24	/* struct ic_key_slot */
#define M_IO_BYTES		568	/* struct ic_io, with each write that has ended early */
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
