// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same figures as expectations: how many different leaves, and nodes of each
 * level, do so many writes touch?  Exact for independent draws; what follows
 * from it takes the number touched to be its mean, which for thousands it is.
 *
 * Zipf over billions of sectors: the hottest one by one, then groups of neighbours
 * whose shares differ by 2 % at most.
 */
#include <math.h>
#include <stdlib.h>

#include "scale.h"

#define SINGLE		1024
#define GROWTH		1.02

/* Groups of items: @count items that are each drawn with probability @p. */
struct table {
	double *count, *p;
	u32 nr, max;
};

struct dist {
	const struct point *p;
	u32 levels;
	double n;			/* writes to choose from: span / io */
	double span[IC_MAX_LEVELS];	/* sectors below a node */
	struct table item;		/* ZIPF: sectors */
	struct table node[IC_MAX_LEVELS]; /* ZIPF_RUN */
};

static void add(struct table *t, double count, double p)
{
	if (t->nr == t->max) {
		t->max = t->max ? 2 * t->max : 2 * SINGLE;
		t->count = realloc(t->count, t->max * sizeof(*t->count));
		t->p = realloc(t->p, t->max * sizeof(*t->p));
		if (!t->count || !t->p)
			abort();
	}
	t->count[t->nr] = count;
	t->p[t->nr++] = p < 1 ? p : 1;
}

/* Runs of @span ranks of a Zipf distribution over @n. */
static void fill(struct table *t, u64 n, double theta, u64 span)
{
	double all = zipf_sum(1, n, theta);
	u64 groups = (n + span - 1) / span, g, to;

	for (g = 0; g < groups; g = to) {
		u64 last;

		to = g < SINGLE ? g + 1 : (u64)(g * GROWTH);
		if (to > groups)
			to = groups;
		last = to * span < n ? to * span : n;
		add(t, to - g, zipf_sum(g * span + 1, last, theta) / all / (to - g));
	}
}

struct dist *dist_new(const struct point *p, const struct ic_geometry *geo)
{
	struct dist *d = calloc(1, sizeof(*d));
	u64 span = IC_LEAF_RECORDS;
	u32 i;

	if (!d)
		abort();
	d->p = p;
	d->levels = geo->levels;
	d->n = point_span(p) / p->io;
	if (p->pattern == ZIPF)
		fill(&d->item, d->n, p->theta, 1);
	for (i = 0; i < geo->levels; i++, span *= IC_FANOUT) {
		d->span[i] = span;
		if (p->pattern == ZIPF_RUN)
			fill(&d->node[i], d->n, p->theta, span);
	}
	return d;
}

void dist_free(struct dist *d)
{
	u32 i;

	free(d->item.count);
	free(d->item.p);
	for (i = 0; i < IC_MAX_LEVELS; i++) {
		free(d->node[i].count);
		free(d->node[i].p);
	}
	free(d);
}

/* 1 - (1 - p)^t */
static double touched(double p, double t)
{
	return p < 1 ? -expm1(t * log1p(-p)) : t > 0;
}

static double sum_touched(const struct table *t, double draws)
{
	double sum = 0;
	u32 i;

	for (i = 0; i < t->nr; i++)
		sum += t->count[i] * touched(t->p[i], draws);
	return sum;
}

/* Its derivative: the probability that a draw is of an item not drawn before. */
static double sum_new(const struct table *t, double draws)
{
	double sum = 0;
	u32 i;

	for (i = 0; i < t->nr; i++)
		sum += t->count[i] * t->p[i] * (1 - touched(t->p[i], draws));
	return sum;
}

/* The chance that a node of so many sectors is touched. */
static double node_touched(const struct dist *d, double span, double draws)
{
	u32 io = d->p->io;

	/* A write is in a node if it begins there, or before and reaches it. */
	if (d->p->pattern == UNIFORM)
		return touched(fmin(1, (span + io - 1) / d->n / io), draws);
	/* So many sectors, anywhere: what is the chance that none is here? */
	return touched(sum_touched(&d->item, draws) / d->n, span);
}

/**
 * dist_distinct() - how many nodes of @level do @writes sectors touch?
 * @d: how they are chosen
 * @level: 0 for leaves
 * @writes: sectors
 */
double dist_distinct(const struct dist *d, u32 level, double writes)
{
	double span = d->span[level], sectors = d->n * d->p->io;
	double whole = floor(sectors / span), rest = sectors - whole * span;
	double draws = writes / d->p->io, sum = 0;

	switch (d->p->pattern) {
	case SEQ:
		return fmin(ceil(sectors / span), 1 + fmax(writes - 1, 0) / span);
	case ZIPF_RUN:
		return sum_touched(&d->node[level], draws);
	case UNIFORM:
	case ZIPF:
		if (whole)
			sum = whole * node_touched(d, span, draws);
		return sum + (rest ? node_touched(d, rest, draws) : 0);
	}
	return 0;
}

/**
 * dist_miss() - the chance that a write is in a node of @level that @writes
 * sectors before it were not in
 * @d: how they are chosen
 * @level: 0 for leaves
 * @writes: sectors
 */
double dist_miss(const struct dist *d, u32 level, double writes)
{
	double span = d->span[level], sectors = d->n * d->p->io;
	double draws = writes / d->p->io, u;

	switch (d->p->pattern) {
	case SEQ:
		return writes < sectors ? d->p->io / span : 0;
	case UNIFORM:
		return 1 - touched(fmin(1, span / sectors), draws);
	case ZIPF:
		u = sum_touched(&d->item, draws) / d->n;
		return sum_new(&d->item, draws) *
		       (1 - touched(u, fmin(span, sectors) - 1));
	case ZIPF_RUN:
		return sum_new(&d->node[level], draws);
	}
	return 0;
}

/*
 * Logged again at a cut, in blocks.  A round's worth is under way: what has gathered,
 * and what of the round before isn't in place yet.  If flushes come sooner, half of
 * what they wait for, on average.
 */
static double relogged(const struct point *p)
{
	double round = point_round(p), all = (double)p->sync * p->io;

	if (p->fresh)
		return 0;
	return blocks_per_round(p->sync && all < round ? all / 2 : round);
}

/* Sectors written until the log is half full. */
static double log_interval(const struct point *p, const struct ic_geometry *geo)
{
	double blocks = IC_LOG_CHECKPOINT_AT(geo->log_blocks) - relogged(p);

	return blocks / point_blocks(p);
}

/* Sectors written until so many leaves are dirty; INFINITY if they never are. */
static double dirty_interval(const struct dist *d, double leaves)
{
	double lo = 0, hi = leaves;
	u32 i;

	while (dist_distinct(d, 0, hi) < leaves) {
		lo = hi;
		hi *= 2;
		if (hi > 1e15)
			return INFINITY;
	}
	for (i = 0; i < 50 && hi - lo > 1; i++) {
		double mid = (lo + hi) / 2;

		if (dist_distinct(d, 0, mid) < leaves)
			lo = mid;
		else
			hi = mid;
	}
	return hi;
}

/**
 * expect_interval() - sectors written between checkpoints, the timer apart
 */
double expect_interval(const struct point *p, const struct ic_geometry *geo,
		       const struct dist *d)
{
	u64 max = IC_DIRTY_CHECKPOINT_AT(p->cache_bytes / IC_BLOCK_SIZE);

	return fmin(log_interval(p, geo), dirty_interval(d, max));
}

/**
 * expect_end() - what ends an interval: "log", "cache" or "timer"
 * @p: what is written
 * @geo: of its volume
 * @d: of @p
 */
const char *expect_end(const struct point *p, const struct ic_geometry *geo,
		       const struct dist *d)
{
	double writes = expect_interval(p, geo, d);

	if (point_rate(p) * IC_CHECKPOINT_SECS < writes)
		return "timer";
	return writes < log_interval(p, geo) ? "cache" : "log";
}

/* An interval of @writes, @times: nodes of each level, and log. */
static void add_interval(const struct point *p, const struct dist *d,
			 double writes, double times, struct figures *f)
{
	double inner = 0, leaves = dist_distinct(d, 0, writes);
	u32 i;

	for (i = 1; i < d->levels; i++)
		inner += i == d->levels - 1 ? 1 : dist_distinct(d, i, writes);
	f->writes += times * writes;
	f->checkpoints += times;
	f->supers += times;
	f->leaves += times * leaves;
	f->inner += times * inner;
	/* The cut closes a block, the end of sealing what was logged again. */
	f->log_blocks += times * (writes * point_blocks(p) + 1 + relogged(p));
	f->dirty = fmax(f->dirty, leaves + inner);
}

/*
 * Nodes read per write, by Che's approximation: a leaf stays as long as it takes
 * to touch a cache full of others; its parent goes to the end of the queue when
 * the last child left, so stays once more, and so on up.
 */
static double nodes_after(const struct dist *d, double t)
{
	double sum = 1;
	u32 i;

	for (i = 0; i + 1 < d->levels; i++)
		sum += dist_distinct(d, i, t * (i + 1));
	return sum;
}

/**
 * expect_reads() - nodes read for each sector read or written
 * @p: what is read or written
 * @d: of @p
 */
double expect_reads(const struct point *p, const struct dist *d)
{
	double max = p->cache_bytes / IC_BLOCK_SIZE, lo = 0, hi = max, sum = 0;
	u32 i;

	while (nodes_after(d, hi) < max) {
		lo = hi;
		hi *= 2;
		if (hi > 1e15)
			return 0;
	}
	for (i = 0; i < 50; i++) {
		double mid = (lo + hi) / 2;

		if (nodes_after(d, mid) < max)
			lo = mid;
		else
			hi = mid;
	}
	for (i = 0; i + 1 < d->levels; i++)
		sum += dist_miss(d, i, hi * (i + 1));
	return sum / p->io;
}

/**
 * expect() - the figures of a point in the steady state
 * @p: what is written
 * @geo: of its volume
 * @d: of @p
 * @f: receives them
 */
void expect(const struct point *p, const struct ic_geometry *geo,
	    const struct dist *d, struct figures *f)
{
	double writes = expect_interval(p, geo, d);
	double timer = point_rate(p) * IC_CHECKPOINT_SECS;
	double whole = floor(timer / writes), all;

	memset(f, 0, sizeof(*f));
	f->method = "exp";
	/* The timer is not put off by other checkpoints. */
	if (whole > 0)
		add_interval(p, d, writes, whole, f);
	if (timer - whole * writes >= 1)
		add_interval(p, d, timer - whole * writes, 1, f);
	f->interval = f->writes / f->checkpoints;
	f->log_used = fmin(writes, timer) * point_blocks(p) + 2 + relogged(p);
	f->intents = p->fresh ? 0 : f->writes;
	f->puts = f->writes - f->intents;
	f->logged = f->intents * point_logged(p);
	f->node_reads = f->writes * expect_reads(p, d);
	all = nodes_after(d, 1e15);
	f->nodes = fmin(all, p->cache_bytes / IC_BLOCK_SIZE);
}
