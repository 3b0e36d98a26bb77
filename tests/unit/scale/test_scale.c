// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pieces of the scale simulation beside brute force.
 */
#include <math.h>

#include "../src/unit.h"
#include "scale.h"

#define BY	0.000000001

static void assert_near(double a, double b, double by, const char *what)
{
	if (fabs(a - b) > by * fabs(b))
		fail_msg("%s: %g, should be %g within %g", what, a, b, by);
}

static struct point a_point(enum pattern pattern, u64 bytes)
{
	struct point p = {
		.bytes = bytes,
		.log_bytes = 4 * MIB,
		.cache_bytes = 4 * MIB,
		.pattern = pattern,
		.theta = pattern >= ZIPF ? 0.99 : 0,
		.io = pattern == SEQ ? 64 : 1,
		.rate = 1e9,
		.seed = 7,
	};

	return p;
}

static void test_zipf_sum(void **state)
{
	static const double thetas[] = { 0.5, 0.99, 1, 1.2, 2 };
	double sum = 0;
	u32 t;
	u64 r;

	(void)state;
	for (t = 0; t < ARRAY_SIZE(thetas); t++, sum = 0) {
		for (r = 1; r <= 100000; r++)
			sum += pow(r, -thetas[t]);
		assert_near(zipf_sum(1, 100000, thetas[t]), sum, BY, "sum");
		assert_near(zipf_sum(1, 70, thetas[t]) +
			    zipf_sum(71, 5000, thetas[t]) +
			    zipf_sum(5001, 100000, thetas[t]), sum, BY, "parts");
	}
}

/* Draws against the probabilities: chi squared over the first ranks and the rest. */
static void test_zipf_draw(void **state)
{
	static const double thetas[] = { 0.99, 1.2 };
	const u64 n = 100000, draws = 400000;
	u32 t;

	(void)state;
	for (t = 0; t < ARRAY_SIZE(thetas); t++) {
		double all = zipf_sum(1, n, thetas[t]), chi = 0;
		u64 seen[51] = { 0 }, i;
		struct zipf z;
		struct rng r;

		rng_init(&r, 1);
		zipf_init(&z, n, thetas[t]);
		for (i = 0; i < draws; i++) {
			u64 x = zipf_draw(&z, &r);

			assert_true(x < n);
			seen[x < 50 ? x : 50]++;
		}
		for (i = 0; i <= 50; i++) {
			double want = draws / all *
				      (i < 50 ? pow(i + 1, -thetas[t]) :
				       zipf_sum(51, n, thetas[t]));

			chi += (seen[i] - want) * (seen[i] - want) / want;
		}
		/* 50 degrees of freedom: more than 100 is one in 30,000. */
		assert_true(chi < 100);
	}
}

static void test_scatter(void **state)
{
	static const u64 sizes[] = { 1, 2, 3, 100, 4096, 65537 };
	static u8 seen[65537];
	u32 s;
	u64 i;

	(void)state;
	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		memset(seen, 0, sizeof(seen));
		for (i = 0; i < sizes[s]; i++) {
			u64 x = scatter(i, sizes[s]);

			assert_true(x < sizes[s]);
			assert_false(seen[x]);
			seen[x] = 1;
		}
	}
	assert_true(scatter(5, 1ULL << 34) < 1ULL << 34);
}

/* How many nodes of @span sectors really are touched, on average. */
static double count_distinct(const struct point *p, u64 span, u64 writes)
{
	static u32 seen[1 << 12];
	u64 n = point_span(p), total = 0, i, from;
	const u32 runs = 2000000 / writes + 1;
	struct zipf z;
	struct rng r;
	u32 run;

	zipf_init(&z, n, p->theta ? p->theta : 1);
	rng_init(&r, 3);
	for (run = 0; run < runs; run++) {
		if (!run)
			memset(seen, 0, sizeof(seen));
		from = rng_below(&r, n - writes + 1);
		for (i = 0; i < writes; i++) {
			u64 x = from + i;

			if (p->pattern == UNIFORM)
				x = rng_below(&r, n);
			else if (p->pattern == ZIPF)
				x = scatter(zipf_draw(&z, &r), n);
			else if (p->pattern == ZIPF_RUN)
				x = zipf_draw(&z, &r);
			total += seen[x / span] != run + 1;
			seen[x / span] = run + 1;
		}
	}
	return (double)total / runs;
}

static void test_distinct(void **state)
{
	static const u64 writes[] = { 100, 3000, 60000 };
	u32 pattern, i, theta;

	(void)state;
	for (pattern = SEQ; pattern <= ZIPF_RUN; pattern++)
		for (i = 0; i < ARRAY_SIZE(writes); i++)
			for (theta = 0; theta < (pattern < ZIPF ? 1 : 2); theta++) {
				struct point p = a_point(pattern, GIB);
				struct ic_geometry geo;
				struct dist *d;

				if (theta)
					p.theta = 1.2;
				p.io = 1;
				assert_int_equal(point_geometry(&p, &geo), 0);
				d = dist_new(&p, &geo);
				assert_near(dist_distinct(d, 0, writes[i]),
					    count_distinct(&p, 127, writes[i]),
					    0.03, pattern_name(&p));
				assert_near(dist_distinct(d, 1, writes[i]),
					    count_distinct(&p, 127 * 508,
							   writes[i]),
					    0.08, pattern_name(&p));
				dist_free(d);
			}
}

/* The miss rate is what the number of distinct leaves grows by. */
static void test_miss(void **state)
{
	u32 pattern;

	(void)state;
	for (pattern = UNIFORM; pattern <= ZIPF_RUN; pattern++) {
		struct point p = a_point(pattern, 16 * GIB);
		struct ic_geometry geo;
		struct dist *d;
		double t = 20000;

		assert_int_equal(point_geometry(&p, &geo), 0);
		d = dist_new(&p, &geo);
		assert_near(dist_miss(d, 0, t), dist_distinct(d, 0, t + 1) -
			    dist_distinct(d, 0, t), 0.02, pattern_name(&p));
		dist_free(d);
	}
}

/*
 * The cache beside a table of when each node was last used: with parents pinned by
 * children it is the order of last use, for leaves.
 */
static void test_cache(void **state)
{
	enum { LEAVES = 700, BOUND = 256 };
	static u64 used[LEAVES];
	struct point p = a_point(UNIFORM, LEAVES * 127 * SECTOR);
	struct ic_geometry geo;
	u64 step, reads = 0, i;
	struct cache *c;
	u32 inner;

	(void)state;
	assert_int_equal(point_geometry(&p, &geo), 0);
	inner = geo.levels == 3 ? 3 : 2;	/* the root, and what is above leaves */
	c = cache_new(&geo, BOUND * IC_BLOCK_SIZE, false);
	for (step = 1; step < 20000; step++) {
		u64 leaf = rnd() % LEAVES, newer = 0, was;

		for (i = 0; i < LEAVES; i++)
			newer += used[i] > used[leaf];
		was = cache_counts(c)->reads;
		cache_put(c, cache_get(c, 0, geo.sector_leaf + leaf));
		/* All inner nodes are there once they were used. */
		if (step > 5000) {
			bool miss = newer >= BOUND - inner;

			assert_int_equal(cache_counts(c)->reads - was, miss);
			reads += miss;
		}
		used[leaf] = step;
		assert_true(cache_counts(c)->nr <= BOUND);
	}
	assert_true(reads > 1000);
	cache_free(c);
}

/* Dirty nodes stay, each is written once, and what is above them. */
static void test_checkpoint(void **state)
{
	struct point p = a_point(UNIFORM, GIB);
	struct ic_geometry geo;
	struct cache *c;
	u32 i, node;

	(void)state;
	assert_int_equal(point_geometry(&p, &geo), 0);
	c = cache_new(&geo, MIB, false);
	for (i = 0; i < 300; i++) {
		node = cache_get(c, 0, geo.sector_leaf + i * 3 % 900);
		cache_dirty(c, node);
		cache_dirty(c, node);
		cache_put(c, node);
	}
	assert_int_equal(cache_counts(c)->nr_dirty, 300);
	assert_true(cache_counts(c)->nr > 256);
	cache_checkpoint(c);
	assert_int_equal(cache_counts(c)->leaves, 300);
	/* Leaves 0 to 897 behind those of keys and owners. */
	assert_int_equal(cache_counts(c)->inner, 1 +
			 (geo.sector_leaf + 897) / 508 - geo.sector_leaf / 508 + 1);
	assert_int_equal(cache_counts(c)->nr_dirty, 0);
	assert_true(cache_counts(c)->nr <= 256);
	cache_checkpoint(c);
	assert_int_equal(cache_counts(c)->leaves, 300);
	cache_free(c);
}

/* Blocks: full ones, those that a round closes, and what a checkpoint adds. */
static void test_ring(void **state)
{
	struct ring *r = ring_new(1024, 1);
	u32 i;

	(void)state;
	for (i = 0; i < 84 * 3 + 10; i++)
		assert_true(ring_write(r, i, 1, true));
	ring_round(r, false);
	assert_int_equal(ring_counts(r)->blocks, 4);
	for (i = 0; i < 84 * 3 + 10; i++)
		ring_complete(r);
	/* The cut's own block, nothing logged again. */
	ring_checkpoint(r);
	assert_int_equal(ring_counts(r)->blocks, 5);
	assert_int_equal(ring_counts(r)->used, 1);
	for (i = 0; i < 5; i++)
		assert_true(ring_write(r, i, 1, true));
	/* One with those five, one with them again. */
	ring_checkpoint(r);
	assert_int_equal(ring_counts(r)->blocks, 7);
	assert_int_equal(ring_counts(r)->used, 2);
	for (i = 0; i < 5; i++)
		ring_complete(r);
	for (i = 0; !ring_half(r); i++) {
		assert_true(ring_write(r, i, 1, true));
		ring_round(r, false);
		ring_complete(r);
	}
	assert_int_equal(i, 1024 / 2 - 1);
	ring_free(r);
}

/* What a flush finds waiting: its data follows a block that has two entries for each. */
static void test_ring_data(void **state)
{
	struct ring *r = ring_new(1024, 1);
	u64 before;
	u32 i, n;

	(void)state;
	for (n = 1; n <= IC_FLUSH_SECTORS_MAX; n++) {
		before = ring_counts(r)->blocks;
		for (i = 0; i < n; i++)
			assert_true(ring_write(r, i, 1, true));
		assert_true(ring_data(r));
		ring_round(r, true);
		assert_int_equal(ring_counts(r)->blocks - before, 1 + n);
		for (i = 0; i < n; i++)
			ring_complete(r);
	}
	/* One with 60 PUTs, which leaves no room for 60 more, one with those. */
	for (i = 0; i < 60; i++)
		assert_true(ring_write(r, i, 1, true));
	before = ring_counts(r)->blocks;
	assert_true(ring_data(r));
	ring_round(r, true);
	assert_int_equal(ring_counts(r)->blocks - before, 2 + 60);
	for (i = 0; i < 60; i++)
		ring_complete(r);
	/* More than a bound. */
	for (i = 0; i <= IC_LOG_DATA_MAX; i++)
		assert_true(ring_write(r, i, 1, true));
	assert_false(ring_data(r));
	ring_checkpoint(r);
	for (i = 0; i <= IC_LOG_DATA_MAX; i++)
		ring_complete(r);
	ring_checkpoint(r);
	assert_int_equal(ring_counts(r)->used, 1);
	ring_free(r);
}

/* What begins a round. */
static void test_pace(void **state)
{
	struct point p = a_point(UNIFORM, GIB);

	(void)state;
	/* 1024 nodes: 128 writes, and the one that waits. */
	assert_true(point_round(&p) == 129);
	p.cache_bytes = 128 * MIB;
	assert_true(point_live(&p) == 64 * 84 && point_round(&p) == 32 * 84);
	p.log_bytes = 256 * 1024;
	assert_true(point_live(&p) == 8 * 84 && point_round(&p) == 4 * 84);
	assert_near(point_blocks(&p), 1 / 84., 0.000001, "full");
	p.rate = 1000;
	assert_true(point_round(&p) == 100);
	assert_near(point_blocks(&p), 2 / 100., BY, "by the timer");
	p.rate = 10000;
	assert_near(point_blocks(&p), (2 * 4 + 4) / 1000., BY, "in between");
	p.rate = 1000;
	p.sync = 240;
	assert_near(point_blocks(&p), (2 + 2 + 1) / 240., BY, "two, and a flush");
	assert_true(point_logged(&p) == 0);
	p.sync = 220;
	assert_near(point_blocks(&p), (2 + 2 + 1 + 20) / 220., BY, "with data");
	assert_near(point_logged(&p), 20 / 220., BY, "logged");
	/* Once in 50 times one of two was written before, or none. */
	p.sync = 2;
	assert_near(point_blocks(&p), 3 / 2., 0.001, "by two");
	assert_near(point_logged(&p), 1 - 1 / 50. / 2 / 2, BY, "almost all");
	p.sync = 200;
	assert_near(point_blocks(&p), 4 / 200., BY, "nothing left");
	p.fresh = true;
	assert_near(point_blocks(&p), 3 / 200., BY, "fresh");
}

/* Played and computed: two ways to the same figures. */
static void test_both_ways(void **state)
{
	static const struct {
		enum pattern pattern;
		double theta;
		u64 bytes, log, cache;
		u32 sync;
	} points[] = {
		{ SEQ, 0, GIB, 4 * MIB, 64 * MIB, 0 },
		{ UNIFORM, 0, GIB, 4 * MIB, 64 * MIB, 0 },
		{ UNIFORM, 0, 64 * GIB, 16 * MIB, 4 * MIB, 0 },
		{ UNIFORM, 0, 4096 * GIB, 16 * MIB, 4 * MIB, 0 },
		{ ZIPF, 0.99, 16 * GIB, 2 * MIB, 8 * MIB, 0 },
		{ ZIPF, 1.2, 16 * GIB, 2 * MIB, 8 * MIB, 0 },
		{ ZIPF_RUN, 0.99, 16 * GIB, 2 * MIB, 8 * MIB, 0 },
		{ ZIPF_RUN, 1.2, 1024 * GIB, 4 * MIB, 4 * MIB, 0 },
		{ UNIFORM, 0, GIB, 4 * MIB, 64 * MIB, 1 },
		{ UNIFORM, 0, GIB, 4 * MIB, 64 * MIB, 24 },
		{ UNIFORM, 0, GIB, 4 * MIB, 64 * MIB, 25 },
		{ UNIFORM, 0, GIB, 4 * MIB, 64 * MIB, 300 },
		{ ZIPF_RUN, 0.99, 16 * GIB, 16 * MIB, 8 * MIB, 4 },
	};
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(points); i++) {
		struct point p = a_point(points[i].pattern, points[i].bytes);
		struct figures f, g;
		struct costs c, e;

		p.theta = points[i].theta;
		p.log_bytes = points[i].log;
		p.cache_bytes = points[i].cache;
		p.sync = points[i].sync;
		assert_int_equal(run_point(&p, ~0ULL, &f, &c), 0);
		assert_int_equal(run_point(&p, 0, &g, &e), 0);
		assert_string_equal(f.method, "sim");
		assert_string_equal(g.method, "exp");
		assert_near(c.total, e.total, 0.01, "bytes per byte");
		/* Played, the cache is found full between two rounds. */
		assert_near(c.log, e.log, 0.1, "log");
		assert_near(f.logged / f.writes + 0.01,
			    g.logged / g.writes + 0.01, 0.01, "data logged");
		assert_near(c.leaves + c.inner, e.leaves + e.inner, 0.04, "nodes");
		assert_near(f.interval, g.interval, 0.04, "interval");
		assert_near(c.node_reads + 0.02, e.node_reads + 0.02, 0.1, "reads");
	}
}

static void test_reads(void **state)
{
	static const u64 sizes[] = { 2 * GIB, 64 * GIB, 2048 * GIB };
	u32 pattern, i;

	(void)state;
	for (pattern = UNIFORM; pattern <= ZIPF_RUN; pattern++)
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			struct point p = a_point(pattern, sizes[i]);
			struct ic_geometry geo;
			struct dist *d;

			p.cache_bytes = 8 * MIB;
			assert_int_equal(point_geometry(&p, &geo), 0);
			d = dist_new(&p, &geo);
			assert_near(expect_reads(&p, d), play_reads(&p, &geo),
				    0.03, pattern_name(&p));
			dist_free(d);
		}
}

/* A small volume, counted by hand. */
static void test_by_hand(void **state)
{
	struct point p = a_point(SEQ, 127 * 64 * SECTOR);
	struct figures f;
	struct costs c;

	(void)state;
	/* One leaf for each 127 sectors, one checkpoint, three levels at the most. */
	p.io = 1;
	p.fill = 1;
	p.writes = 127 * 64;
	p.log_bytes = 128 * MIB;
	assert_int_equal(run_point(&p, 0, &f, &c), 0);
	assert_true(f.writes == 127 * 64);
	assert_true(f.leaves == 64);
	assert_true(f.inner == 1);
	assert_true(f.checkpoints == 1);
	/* A block for each, and the cut's. */
	assert_true(f.log_blocks == 127 * 64 + 1);
	/* Each flushed: its data, too. */
	p.fill = 0;
	p.sync = 1;
	assert_int_equal(run_point(&p, 0, &f, &c), 0);
	assert_true(f.log_blocks == 2 * 127 * 64 + 1);
	assert_true(f.logged == 127 * 64);
	p.sync = 32;
	assert_int_equal(run_point(&p, 0, &f, &c), 0);
	assert_true(f.log_blocks == 127 * 2 + 1);
	assert_true(f.logged == 0);
	p.sync = 0;
	p.fresh = true;
	assert_int_equal(run_point(&p, 0, &f, &c), 0);
	assert_true(f.puts == 127 * 64);
	assert_true(f.log_blocks == (127 * 64 + 83) / 84 + 1);
	assert_true(f.node_reads == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zipf_sum),
		cmocka_unit_test(test_zipf_draw),
		cmocka_unit_test(test_scatter),
		cmocka_unit_test(test_distinct),
		cmocka_unit_test(test_miss),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_checkpoint),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_ring_data),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_by_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
