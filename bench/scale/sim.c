// SPDX-License-Identifier: GPL-2.0-only
/*
 * The event simulation: one write after the other, through the node cache and
 * the log's ring, with checkpoints where the target begins one: at half a ring,
 * half a cache of dirty leaves, or when the timer fires.
 *
 * What a round of the log's writer lets go is written in place while the next one
 * gathers, a write for each that comes.  A checkpoint takes no time here, and cuts
 * whatever is under way.
 */
#include <math.h>
#include <stdlib.h>

#include "scale.h"

/* Checkpoints to warm up, and to measure, in the steady state. */
#define WARM_CHECKPOINTS	2
#define MEASURED_CHECKPOINTS	3
#define READS_MEASURED		100000

/* A write under way: its leaves. */
struct under {
	u32 leaf[2], nr;
};

struct run {
	const struct point *p;
	struct cache *cache;
	struct ring *ring;
	struct rng rng;
	struct zipf zipf;
	u64 first_leaf, span, next;
	u8 *written;		/* with @fresh: bit per sector */
	struct under *under;	/* a ring, oldest first */
	u32 first_under, nr_under, max_under;
	u32 placing;		/* of these, whose data is being written */
	double gathered, round;
	u32 unsynced;
	u64 done, checkpoints, puts, intents, logged, dirty_max;
	u64 deadline;		/* in sectors written; 0: no timer */
	u64 timer;		/* sectors written in IC_CHECKPOINT_SECS */
	double drain_at, drain;	/* the same for (IC_DRAIN_MS / 1000.0) */
};

static void run_init(struct run *r, const struct point *p,
		     const struct ic_geometry *geo)
{
	double timer = point_rate(p) * IC_CHECKPOINT_SECS;

	memset(r, 0, sizeof(*r));
	r->p = p;
	r->cache = cache_new(geo, p->cache_bytes, p->fresh);
	rng_init(&r->rng, p->seed);
	r->first_leaf = geo->sector_leaf;
	r->span = point_span(p) / p->io;
	if (p->pattern == ZIPF || p->pattern == ZIPF_RUN)
		zipf_init(&r->zipf, r->span, p->theta);
	r->round = point_round(p);
	r->max_under = point_live(p) / p->io + 2;
	r->under = calloc(r->max_under, sizeof(*r->under));
	if (!r->under)
		abort();
	r->timer = timer < 1 ? 1 : timer;
	r->drain = point_drain(p);
	r->drain_at = INFINITY;
}

static void run_exit(struct run *r)
{
	cache_free(r->cache);
	if (r->ring)
		ring_free(r->ring);
	free(r->written);
	free(r->under);
}

/* The first sector of the next write, or read. */
static u64 draw(struct run *r)
{
	u64 x = 0;

	switch (r->p->pattern) {
	case SEQ:
		x = r->next++;
		if (r->next >= r->span)
			r->next = 0;
		break;
	case UNIFORM:
		x = rng_below(&r->rng, r->span);
		break;
	case ZIPF:
		x = scatter(zipf_draw(&r->zipf, &r->rng), r->span);
		break;
	case ZIPF_RUN:
		x = zipf_draw(&r->zipf, &r->rng);
		break;
	}
	return x * r->p->io;
}

/* A write begins: its leaves are pinned. */
static void begin(struct run *r, const struct under *u)
{
	if (r->nr_under == r->max_under)
		abort();
	r->under[(r->first_under + r->nr_under++) % r->max_under] = *u;
}

/* Has any of these sectors been written?  From now on, all have. */
static bool overwrites(struct run *r, u64 sector, u32 nr)
{
	bool any = !r->written;

	for (; r->written && nr; nr--, sector++) {
		any = any || r->written[sector / 8] & (1 << sector % 8);
		r->written[sector / 8] |= 1 << sector % 8;
	}
	return any;
}

/* The oldest write's data is in place: its records are in the leaves. */
static void complete(struct run *r)
{
	struct under *u = &r->under[r->first_under];

	ring_complete(r->ring);
	while (u->nr) {
		cache_dirty(r->cache, u->leaf[--u->nr]);
		cache_put(r->cache, u->leaf[u->nr]);
	}
	r->first_under = (r->first_under + 1) % r->max_under;
	r->nr_under--;
	if (r->placing)
		r->placing--;
}

static void complete_all(struct run *r)
{
	while (r->nr_under)
		complete(r);
}

static void end_round(struct run *r, bool flush)
{
	ring_round(r->ring, flush);
	r->placing = r->nr_under;
}

static void checkpoint(struct run *r)
{
	const struct cache_counts *c = cache_counts(r->cache);
	u64 before = c->leaves + c->inner;

	ring_checkpoint(r->ring);
	cache_checkpoint(r->cache);
	r->checkpoints++;
	if (r->dirty_max < c->leaves + c->inner - before)
		r->dirty_max = c->leaves + c->inner - before;
}

static void write_log(struct run *r, u64 sector, bool intent)
{
	u32 io = r->p->io;

	if (!ring_write(r->ring, sector, io, intent)) {
		end_round(r, false);
		complete_all(r);
		r->gathered = 0;
		if (!ring_write(r->ring, sector, io, intent)) {
			checkpoint(r);
			if (!ring_write(r->ring, sector, io, intent))
				abort();
		}
	}
	if (intent)
		r->intents += io;
	else
		r->puts += io;
	if (ring_half(r->ring))
		checkpoint(r);
	if (!r->deadline)
		r->deadline = r->done + r->timer;
}

/* A checkpoint that is due before the next write. */
static bool due(struct run *r)
{
	if (r->deadline && r->done >= r->deadline) {
		r->deadline = 0;
		return true;
	}
	return cache_counts(r->cache)->nr_dirty >=
	       IC_DIRTY_CHECKPOINT_AT(cache_max(r->cache));
}

/* A flush: whatever waits becomes durable, a little of it by its data in the log. */
static void flush(struct run *r)
{
	while (r->placing)
		complete(r);
	if (r->gathered && r->gathered <= IC_FLUSH_SECTORS_MAX &&
	    ring_data(r->ring))
		r->logged += r->gathered;
	r->unsynced = 0;
	r->gathered = 0;
	end_round(r, true);
	complete_all(r);
}

static void one_write(struct run *r)
{
	const struct point *p = r->p;
	u64 sector = draw(r), leaf, last;
	struct under u = { .nr = 0 };
	bool intent;

	if (r->done >= r->drain_at) {
		r->drain_at = INFINITY;
		if (r->gathered > 0)
			end_round(r, false);
		r->gathered = 0;
	}
	if (r->placing)
		complete(r);
	if (due(r))
		checkpoint(r);
	last = (sector + p->io - 1) / IC_LEAF_RECORDS;
	for (leaf = sector / IC_LEAF_RECORDS; leaf <= last; leaf++)
		u.leaf[u.nr++] = cache_get(r->cache, 0, r->first_leaf + leaf);
	intent = overwrites(r, sector, p->io);
	write_log(r, sector, intent);
	begin(r, &u);
	r->done += p->io;
	if (!intent)
		complete_all(r);
	else
		r->gathered += p->io;
	/* Flushes take a while, so that the timer is never in step with them. */
	if (intent && isinf(r->drain_at))
		r->drain_at = r->done - p->io + r->drain *
			      (p->sync ? 0.5 + rng_unit(&r->rng) : 1);
	if (r->gathered >= r->round) {
		r->gathered -= r->round;
		end_round(r, false);
	}
	if (p->sync && ++r->unsynced >= p->sync)
		flush(r);
}

static void counts(struct run *r, struct figures *f)
{
	const struct cache_counts *c = cache_counts(r->cache);

	f->writes = r->done;
	f->log_blocks = ring_counts(r->ring)->blocks;
	f->leaves = c->leaves;
	f->inner = c->inner;
	f->supers = r->checkpoints;
	f->checkpoints = r->checkpoints;
	f->node_reads = c->reads;
	f->puts = r->puts;
	f->intents = r->intents;
	f->logged = r->logged;
}

static void subtract(struct figures *f, const struct figures *g)
{
	f->writes -= g->writes;
	f->log_blocks -= g->log_blocks;
	f->leaves -= g->leaves;
	f->inner -= g->inner;
	f->supers -= g->supers;
	f->checkpoints -= g->checkpoints;
	f->node_reads -= g->node_reads;
	f->puts -= g->puts;
	f->intents -= g->intents;
	f->logged -= g->logged;
}

/* From an empty cache and log: so many sectors, a flush, a checkpoint. */
static void play(struct run *r)
{
	while (r->done < r->p->writes)
		one_write(r);
	flush(r);
	checkpoint(r);
}

/* Until the cache is as full as it gets, then some whole intervals. */
static void steady(struct run *r, struct figures *before)
{
	u64 until, enough = 2 * cache_max(r->cache), all;

	all = point_span(r->p) / IC_LEAF_RECORDS + 1;
	if (enough > 8 * all)
		enough = 8 * all;
	enough *= r->p->pattern == SEQ ? IC_LEAF_RECORDS : 1;
	while (r->checkpoints < WARM_CHECKPOINTS || r->done < enough)
		one_write(r);
	for (until = r->checkpoints + 1; r->checkpoints < until;)
		one_write(r);
	counts(r, before);
	r->dirty_max = 0;
	until = r->checkpoints + MEASURED_CHECKPOINTS;
	while (r->checkpoints < until)
		one_write(r);
}

/**
 * simulate() - play a point
 * @p: what to play; with @p->writes all of it, from an empty cache
 * @geo: of its volume
 * @f: receives what came of it
 *
 * Return: 0, or -EINVAL if its sectors are too many to remember.
 */
int simulate(const struct point *p, const struct ic_geometry *geo,
	     struct figures *f)
{
	struct figures before = { 0 };
	struct run r;

	if (p->fresh && point_span(p) > 1ULL << 32)
		return -EINVAL;
	run_init(&r, p, geo);
	r.ring = ring_new(geo->log_blocks, p->io);
	if (p->fresh)
		r.written = calloc(point_span(p) / 8 + 1, 1);
	if (p->fresh && !r.written)
		abort();
	if (p->writes)
		play(&r);
	else
		steady(&r, &before);
	memset(f, 0, sizeof(*f));
	counts(&r, f);
	subtract(f, &before);
	f->method = "sim";
	f->interval = f->writes / f->checkpoints;
	f->dirty = r.dirty_max;
	f->log_used = ring_counts(r.ring)->used_max;
	f->nodes = cache_counts(r.cache)->nr_max;
	run_exit(&r);
	return 0;
}

/**
 * play_reads() - nodes read for each read of data, in the long run
 * @p: pattern, span and cache are used
 * @geo: of its volume
 */
double play_reads(const struct point *p, const struct ic_geometry *geo)
{
	u64 i, last = 0, warm = 4 * (p->cache_bytes / IC_BLOCK_SIZE);
	struct run r;

	run_init(&r, p, geo);
	for (i = 0; i < warm + READS_MEASURED; i++) {
		u64 leaf = draw(&r) / IC_LEAF_RECORDS;

		if (i == warm)
			last = cache_counts(r.cache)->reads;
		cache_put(r.cache, cache_get(r.cache, 0, r.first_leaf + leaf));
	}
	last = cache_counts(r.cache)->reads - last;
	run_exit(&r);
	return (double)last / READS_MEASURED;
}
