// SPDX-License-Identifier: GPL-2.0-only
/*
 * From counts to bytes, memory and time.
 */
#include <math.h>

#include "scale.h"

#define NODE_BYTES	(IC_BLOCK_SIZE + M_CNODE_BYTES)

/* What the target allocates when a table is loaded, the node cache apart. */
static double fixed_memory(const struct point *p, const struct ic_geometry *geo)
{
	u64 max = p->cache_bytes / IC_BLOCK_SIZE, hash = 1;
	double sum = 0;

	while (hash * 2 <= max)
		hash *= 2;
	sum += hash * sizeof(void *);
	sum += IC_NODE_RESERVE * (double)NODE_BYTES;
	sum += ic_log_slots(geo->log_blocks) *
	       ((double)IC_BLOCK_SIZE + 2 * sizeof(void *));
	sum += geo->log_blocks * sizeof(u16);
	sum += IC_CHECKPOINT_PAGES * IC_BLOCK_SIZE + IC_BLOCK_SIZE;
	sum += 2 * IC_IO_MAX_BYTES;
	sum += M_RECS * M_REC_BYTES;
	sum += M_TFMS * M_TFM_BYTES + M_CRYPTS * M_CRYPT_BYTES;
	sum += M_BIOVECS * 4096;
	sum += IC_KEY_SLOTS * M_SLOT_BYTES;
	return sum;
}

/* Writes that have ended early, with their ciphertext, at the most. */
static double flight_memory(const struct point *p)
{
	double writes = fmin(IC_BEHIND_MAX(p->cache_bytes / IC_BLOCK_SIZE),
			     point_live(p) / p->io);

	return p->fresh ? 0 : writes * (p->io * SECTOR + M_IO_BYTES);
}

/* A cache in which the log and the timer, not the cache, end an interval. */
static double memory_needed(const struct point *p,
			    const struct ic_geometry *geo, const struct dist *d)
{
	struct point q = *p;
	double writes;

	q.cache_bytes = 1ULL << 50;
	writes = fmin(expect_interval(&q, geo, d),
		      point_rate(p) * IC_CHECKPOINT_SECS);
	return 2 * dist_distinct(d, 0, writes) * NODE_BYTES;
}

/*
 * Microseconds for each sector that the disk is asked about: IC_RECOVERY_READS at a
 * time, of one log block's.
 */
static double try_us(const struct point *p, const struct device *dev)
{
	double rounds = ceil((double)IC_LOG_ENTRIES / IC_RECOVERY_READS);
	double alone, busy;

	if (p->pattern == SEQ) {
		alone = dev->next_us;
		busy = 1e6 * IC_BLOCK_SIZE / dev->bytes;
	} else {
		alone = dev->read_us;
		busy = 1e6 / dev->writes;
	}
	return fmax(alone * rounds / IC_LOG_ENTRIES, busy);
}

/* Each of these steps waits for the one before: recover.c reads block by block. */
static void recovery(const struct point *p, const struct figures *f,
		     struct costs *c)
{
	const struct device *dev = &devices[p->dev];
	double open = M_OPEN_BLOCK_US, redone = 0, s, try, tries = point_round(p);
	u32 passes = dev->torn ? 3 : 2;

	/* Sequential writes had their leaves and sectors one after the other. */
	try = p->pattern == SEQ ? dev->next_us : dev->read_us;
	if (p->sync)
		tries = fmin(tries, (double)p->sync * p->io);
	if (f->logged * 2 > f->writes) {
		/* These aren't flushed at once; data in the log is put in place. */
		double blocks = fmin(c->rec_blocks, IC_UNSETTLED_MAX);

		tries = blocks * f->writes / f->log_blocks;
		passes++;
		redone = tries * f->logged / f->writes;
	}
	/* Once to find the end, once to apply, once for what may be torn. */
	s = c->rec_blocks * (dev->next_us + open) * passes + redone * try;
	s += c->rec_nodes * (try + open);
	s += c->rec_nodes * 1e6 / dev->writes + 2 * dev->flush_us;
	try = try_us(p, dev) * (dev->torn ? 2 : 1);
	c->rec_s = (s + tries * try) / 1e6;
	c->rec_unflushed_s = (s + c->rec_tries * try) / 1e6;
}

/**
 * cost() - what a point costs
 * @p: the point
 * @geo: of its volume
 * @d: of @p
 * @f: from simulate() or expect()
 * @c: receives it
 */
void cost(const struct point *p, const struct ic_geometry *geo,
	  const struct dist *d, const struct figures *f, struct costs *c)
{
	const struct device *dev = &devices[p->dev];
	double block = (double)IC_BLOCK_SIZE / (f->writes * SECTOR);

	memset(c, 0, sizeof(*c));
	c->data = 1;
	c->log = f->log_blocks * block;
	c->leaves = f->leaves * block;
	c->inner = f->inner * block;
	c->super = f->supers * block;
	c->total = c->data + c->log + c->leaves + c->inner + c->super;
	c->node_reads = f->node_reads / f->writes;
	c->ckpt_nodes = f->dirty;
	c->ckpt_bytes = (f->dirty + 1) * IC_BLOCK_SIZE;
	c->ckpt_s = f->dirty / dev->writes + 2 * dev->flush_us / 1e6;
	c->mem_fixed = fixed_memory(p, geo);
	c->mem_flight = flight_memory(p);
	c->mem_used = f->nodes * NODE_BYTES;
	c->mem_needed = memory_needed(p, geo, d);
	c->rec_blocks = f->log_used;
	c->rec_nodes = f->dirty;
	/* The writer flushes the devices now and then, if nobody else does. */
	c->rec_tries = fmin(f->interval, point_live(p) +
			    IC_UNSETTLED_MAX * f->writes / f->log_blocks);
	recovery(p, f, c);
	c->ended_by = expect_end(p, geo, d);
}
