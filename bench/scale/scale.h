/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The scale simulation: what a volume of any size costs, on paper.
 *
 * sim.c plays writes against the target's own ring (log.c) and a node cache
 * that works as node.c does.  expect.c computes the same figures as
 * expectations, for points that would take too long to play.  cost.c turns
 * either into bytes, memory and time.
 */
#ifndef SCALE_H
#define SCALE_H

#include <stdio.h>

#include "log_ring.h"
#include "model.h"

#define SECTOR		4096ULL
#define MIB		(1024 * 1024ULL)
#define GIB		(1024 * MIB)
#define TIB		(1024 * GIB)

enum pattern { SEQ, UNIFORM, ZIPF, ZIPF_RUN };

/**
 * struct point - one volume, one workload
 * @bytes: of the data area
 * @span: bytes that the work goes to, from its beginning; 0: all
 * @log_bytes: of the log
 * @cache_bytes: the target's cache_bytes
 * @pattern: what is written
 * @theta: of ZIPF (scattered by a hash) and ZIPF_RUN (hottest first, side by side)
 * @io: sectors of a write
 * @sync: writes for each flush, which comes before the next; 0: never
 * @fill: PUTs for each round of the log's writer, where that was measured; 0: as
 *	the model has it
 * @fresh: nothing was written before: no intents, no nodes to read
 * @rate: sectors written per second; 0: as fast as @dev
 * @dev: index in devices[]
 * @writes: stop after so many sectors instead of finding the steady state
 * @seed: of the generator
 */
struct point {
	u64 bytes, span, log_bytes, cache_bytes;
	enum pattern pattern;
	double theta;
	u32 io, sync;
	double fill;
	bool fresh;
	double rate;
	u32 dev;
	u64 writes;
	u64 seed;
};

/**
 * struct figures - what came of it; of @writes sectors in all
 * @method: "sim" or "exp"
 * @leaves: leaves written by checkpoints; @inner: inner nodes
 * @flushes: of the device, those for the log's rounds not among them
 * @interval: sectors written between two checkpoints, on average
 * @dirty: most nodes that one checkpoint wrote
 * @log_used: most blocks that a crash would leave to apply
 * @nodes: most nodes in memory
 * @node_reads: nodes read for the writes
 * @puts: PUTs without, @intents: with an intent
 * @logged: sectors whose data was logged, too
 */
struct figures {
	const char *method;
	double writes, log_blocks, leaves, inner, supers, checkpoints;
	double interval, dirty, log_used, nodes, node_reads;
	double puts, intents, logged;
};

/*
 * What a workload takes from the device, and what a crash costs.  @ended_by: what
 * ends an interval: "log", "cache" or "timer".
 */
struct costs {
	double data, log, leaves, inner, super;	/* bytes per user byte */
	double total;
	double node_reads;			/* per user sector */
	double ckpt_nodes, ckpt_bytes, ckpt_s;
	double mem_fixed, mem_flight, mem_used, mem_needed;	/* bytes */
	double rec_blocks, rec_nodes, rec_tries;
	double rec_s, rec_unflushed_s;
	const char *ended_by;
};

static inline u64 point_span(const struct point *p)
{
	return (p->span ? p->span : p->bytes) / SECTOR;
}

/* pace.c */
double point_live(const struct point *p);
double point_rate(const struct point *p);
double point_drain(const struct point *p);
double point_round(const struct point *p);
double point_blocks(const struct point *p);
double point_logged(const struct point *p);
double blocks_per_round(double puts);

/* geometry.c */
int point_geometry(const struct point *p, struct ic_geometry *geo);

/* zipf.c */
struct rng {
	u64 s[2];
};

struct zipf {
	u64 n;
	double theta, h_x1, h_n, s;
};

void rng_init(struct rng *r, u64 seed);
u64 rng_below(struct rng *r, u64 n);
double rng_unit(struct rng *r);
void zipf_init(struct zipf *z, u64 n, double theta);
u64 zipf_draw(const struct zipf *z, struct rng *r);
double zipf_sum(u64 a, u64 b, double theta);
u64 scatter(u64 x, u64 n);

/* cache.c */
struct cache;

struct cache_counts {
	u64 reads, hits, nr, nr_max, nr_dirty, leaves, inner;
};

struct cache *cache_new(const struct ic_geometry *geo, u64 cache_bytes,
			bool fresh);
void cache_free(struct cache *c);
u32 cache_get(struct cache *c, u32 level, u64 index);
void cache_put(struct cache *c, u32 node);
void cache_dirty(struct cache *c, u32 node);
void cache_checkpoint(struct cache *c);
u64 cache_max(const struct cache *c);
const struct cache_counts *cache_counts(const struct cache *c);

/* ring.c */
struct ring;

struct ring_counts {
	u64 blocks, used, used_max;
};

struct ring *ring_new(u32 log_blocks, u32 io);
void ring_free(struct ring *r);
bool ring_write(struct ring *r, u64 sector, u32 nr, bool intent);
bool ring_data(struct ring *r);
void ring_round(struct ring *r, bool flush);
void ring_complete(struct ring *r);
bool ring_half(const struct ring *r);
bool ring_empty(const struct ring *r);
void ring_checkpoint(struct ring *r);
const struct ring_counts *ring_counts(struct ring *r);

/* sim.c */
int simulate(const struct point *p, const struct ic_geometry *geo,
	     struct figures *f);
double play_reads(const struct point *p, const struct ic_geometry *geo);

/* expect.c */
struct dist;

struct dist *dist_new(const struct point *p, const struct ic_geometry *geo);
void dist_free(struct dist *d);
double dist_distinct(const struct dist *d, u32 level, double writes);
double dist_miss(const struct dist *d, u32 level, double writes);
double expect_interval(const struct point *p, const struct ic_geometry *geo,
		       const struct dist *d);
const char *expect_end(const struct point *p, const struct ic_geometry *geo,
		       const struct dist *d);
void expect(const struct point *p, const struct ic_geometry *geo,
	    const struct dist *d, struct figures *f);
double expect_reads(const struct point *p, const struct dist *d);

/* cost.c */
void cost(const struct point *p, const struct ic_geometry *geo,
	  const struct dist *d, const struct figures *f, struct costs *c);

/* report.c */
enum report { TABLE, BRIEF, JSON, CSV };

int run_point(const struct point *p, u64 budget, struct figures *f,
	      struct costs *c);
double reads_per_read(const struct point *p, const struct ic_geometry *geo,
		      bool play);
void report_point(enum report how, const struct point *p,
		  const struct figures *f, const struct costs *c, bool first);
const char *pattern_name(const struct point *p);
const char *size_name(u64 bytes, char name[16]);

/* tables.c */
void report_all(enum report how, u64 budget);

#endif /* SCALE_H */
