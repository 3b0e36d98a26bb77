// SPDX-License-Identifier: GPL-2.0-only
/*
 * All points: as tables (markdown that reads well as it is), JSON or CSV.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <math.h>

#include "scale.h"

#define COLUMN		11

static const u64 volumes[] = {
	GIB, 16 * GIB, 256 * GIB, TIB, 4 * TIB, 16 * TIB, 64 * TIB,
};

static const u64 logs[] = {
	16 * MIB, 64 * MIB, 128 * MIB, 256 * MIB, GIB, 4 * GIB,
};

static const u64 caches[] = {
	16 * MIB, 64 * MIB, 256 * MIB, GIB, 4 * GIB,
};

struct work {
	const char *name, *brief;
	enum pattern pattern;
	double theta;
	u64 span;
};

static const struct work works[] = {
	{ "sequential, 256 KiB", "seq", SEQ, 0, 0 },
	{ "random, in 2 GiB", "hot", UNIFORM, 0, 2 * GIB },
	{ "random", "random", UNIFORM, 0, 0 },
	{ "zipf 0.99, scattered", "z0.99 sc.", ZIPF, 0.99, 0 },
	{ "zipf 1.2, scattered", "z1.2 sc.", ZIPF, 1.2, 0 },
	{ "zipf 0.99", "zipf 0.99", ZIPF_RUN, 0.99, 0 },
	{ "zipf 1.2", "zipf 1.2", ZIPF_RUN, 1.2, 0 },
};

static struct point make(const struct work *w, u64 bytes, u64 log)
{
	struct point p = {
		.bytes = bytes,
		.span = w->span,
		.log_bytes = log,
		.cache_bytes = IC_CACHE_BYTES_DEFAULT,
		.pattern = w->pattern,
		.theta = w->theta,
		.io = w->pattern == SEQ ? IC_IO_MAX_BYTES / SECTOR : 1,
	};

	if (!log)
		p.log_bytes = ic_log_blocks_default(bytes / SECTOR, SECTOR) *
			      (u64)IC_BLOCK_SIZE;
	return p;
}

/* A volume smaller than its work, or half of it log, is none. */
static bool possible(const struct work *w, u64 bytes, u64 log)
{
	return w->span < bytes && log <= bytes / 4;
}

static u64 the_budget;
static struct figures fig;
static struct costs costs;

static void run(const struct point *p)
{
	if (run_point(p, the_budget, &fig, &costs)) {
		fprintf(stderr, "scale: a point that can't be\n");
		exit(1);
	}
}

static void title(const char *text)
{
	printf("\n**%s**\n\n", text);
}

/* One cell; the first of a row is wider. */
static void cell(bool first, const char *format, ...)
{
	char text[64];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	printf("| %*s ", first ? -30 : COLUMN, text);
}

static void rule(u32 columns)
{
	printf("|---|");
	while (--columns)
		printf("---:|");
	printf("\n");
}

static void head_sizes(const char *first, const u64 *sizes, u32 nr,
		       const char *extra)
{
	char name[16];
	u32 i;

	cell(true, "%s", first);
	if (extra)
		cell(false, "%s", extra);
	for (i = 0; i < nr; i++)
		cell(false, "%s", size_name(sizes[i], name));
	printf("|\n");
	rule(nr + 1 + !!extra);
}

static void row_name(const struct work *w, u64 bytes)
{
	char name[16];

	cell(true, "%s, %s", size_name(bytes, name), w->name);
}

/*
 * Rows of works and volumes, columns of log sizes: bytes at the device, then, of the
 * same points, the checkpoint.
 */
static void by_log(void)
{
	static double ckpt[ARRAY_SIZE(works)][ARRAY_SIZE(volumes)]
			  [ARRAY_SIZE(logs) + 1];
	u32 w, v, l, pass;

	for (pass = 0; pass < 2; pass++) {
		title(pass ? "A checkpoint, MiB" :
		      "Device bytes per user byte, by size of the log; "
		      "writes of 4 KiB, cache of 64 MiB, an SSD");
		head_sizes("volume, work", logs, ARRAY_SIZE(logs), "default");
		for (w = 0; w < ARRAY_SIZE(works); w++)
			for (v = 0; v < ARRAY_SIZE(volumes); v++) {
				bool same = works[w].span ||
					    works[w].pattern == SEQ;

				if (same && volumes[v] != TIB)
					continue;
				row_name(&works[w], volumes[v]);
				for (l = 0; l <= ARRAY_SIZE(logs); l++) {
					u64 log = l ? logs[l - 1] : 0;
					struct point p = make(&works[w],
							      volumes[v], log);

					if (!possible(&works[w], volumes[v], log)) {
						cell(false, "-");
						continue;
					}
					if (pass) {
						cell(false, "%.1f", ckpt[w][v][l]);
						continue;
					}
					run(&p);
					cell(false, "%.3f", costs.total);
					ckpt[w][v][l] = costs.ckpt_bytes / MIB;
				}
				printf("|\n");
			}
	}
}

/* What the default log could be: rows of small volumes. */
static void defaults(void)
{
	static const u64 small[] = {
		256 * MIB, GIB, 2 * GIB, 4 * GIB, 8 * GIB, 16 * GIB, 64 * GIB,
		256 * GIB,
	};
	static const struct work *hot = &works[1], *zipf = &works[6];
	u32 v, c;

	cell(true, "volume, work");
	cell(false, "6M to 1/672");
	cell(false, "1/256");
	cell(false, "default");
	cell(false, "1/64");
	cell(false, "128 MiB");
	printf("|\n");
	rule(6);
	for (v = 0; v < 2 * ARRAY_SIZE(small); v++) {
		const struct work *w = v & 1 ? zipf : hot;
		u64 bytes = small[v / 2], want[5] = {
			fmax(bytes / 672 & ~4095ULL, fmin(bytes / 64, 6 * MIB)),
			bytes / 256,
			(u64)ic_log_blocks_default(bytes / SECTOR, SECTOR) *
				IC_BLOCK_SIZE,
			bytes / 64, 128 * MIB,
		};

		row_name(w, bytes);
		for (c = 0; c < ARRAY_SIZE(want); c++) {
			struct point p;

			if (want[c] > 128 * MIB)
				want[c] = 128 * MIB;
			p = make(w, bytes, want[c]);
			if (p.span > bytes)
				p.span = 0;
			if (p.log_bytes > bytes / 4) {
				cell(false, "-");
				continue;
			}
			run(&p);
			cell(false, "%.0fM %.3f", (double)p.log_bytes / MIB,
			     costs.total);
		}
		printf("|\n");
	}
}

static void parts(void)
{
	u32 w, v;

	cell(true, "volume, work");
	cell(false, "log");
	cell(false, "leaves");
	cell(false, "inner");
	cell(false, "super");
	cell(false, "all");
	cell(false, "nodes read");
	cell(false, "ended by");
	cell(false, "nodes");
	cell(false, "figures");
	printf("|\n");
	rule(10);
	for (w = 0; w < ARRAY_SIZE(works); w++)
		for (v = 0; v < ARRAY_SIZE(volumes); v++) {
			struct point p = make(&works[w], volumes[v], 0);

			if (!possible(&works[w], volumes[v], 0) ||
			    (works[w].span && volumes[v] != TIB))
				continue;
			row_name(&works[w], volumes[v]);
			run(&p);
			cell(false, "%.4f", costs.log);
			cell(false, "%.4f", costs.leaves);
			cell(false, "%.4f", costs.inner);
			cell(false, "%.5f", costs.super);
			cell(false, "%.3f", costs.total);
			cell(false, "%.3f", costs.node_reads);
			cell(false, "%s", costs.ended_by);
			cell(false, "%.0f", costs.ckpt_nodes);
			cell(false, "%s", fig.method);
			printf("|\n");
		}
}

static void memory(void)
{
	u32 v, w;

	cell(true, "volume");
	cell(false, "sidecar");
	cell(false, "log");
	cell(false, "fixed");
	cell(false, "cache full");
	for (w = 0; w < ARRAY_SIZE(works); w++)
		if (!works[w].span)
			cell(false, "%s", works[w].brief);
	printf("|\n");
	rule(4 + ARRAY_SIZE(works));
	for (v = 0; v < ARRAY_SIZE(volumes); v++) {
		struct point p = make(&works[2], volumes[v], 0);
		struct ic_geometry geo;
		char name[16];

		cell(true, "%s", size_name(volumes[v], name));
		point_geometry(&p, &geo);
		run(&p);
		cell(false, "%.1f GiB", (double)geo.blocks * IC_BLOCK_SIZE / GIB);
		cell(false, "%.1f MiB", (double)p.log_bytes / MIB);
		cell(false, "%.1f MiB", costs.mem_fixed / MIB);
		cell(false, "%.1f MiB", (costs.mem_fixed + costs.mem_used) / MIB);
		for (w = 0; w < ARRAY_SIZE(works); w++) {
			if (works[w].span)
				continue;
			p = make(&works[w], volumes[v], 0);
			run(&p);
			cell(false, "%.0f MiB", costs.mem_needed / MIB);
		}
		printf("|\n");
	}
}

static void recovery(void)
{
	u32 d, l, w;

	cell(true, "device, work");
	for (l = 0; l < ARRAY_SIZE(logs); l++) {
		char name[16];

		cell(false, "%s", size_name(logs[l], name));
	}
	printf("|\n");
	rule(ARRAY_SIZE(logs) + 1);
	for (d = 0; d < ARRAY_SIZE(devices); d++)
		for (w = 0; w < 3; w++) {
			cell(true, "%s, %s", devices[d].name, works[w].name);
			for (l = 0; l < ARRAY_SIZE(logs); l++) {
				struct point p = make(&works[w], 16 * TIB, logs[l]);

				p.dev = d;
				run(&p);
				cell(false, "%.1f / %.0f", costs.rec_s,
				     costs.rec_unflushed_s);
			}
			printf("|\n");
		}
}

static void reads(void)
{
	u32 w, v, c;

	head_sizes("volume, reads of 4 KiB", caches, ARRAY_SIZE(caches), "first");
	for (w = 2; w < ARRAY_SIZE(works); w++)
		for (v = 0; v < ARRAY_SIZE(volumes); v++) {
			struct point p = make(&works[w], volumes[v], 0);
			struct ic_geometry geo;

			point_geometry(&p, &geo);
			row_name(&works[w], volumes[v]);
			cell(false, "%u", geo.levels - 1);
			for (c = 0; c < ARRAY_SIZE(caches); c++) {
				p.cache_bytes = caches[c];
				cell(false, "%.3f", reads_per_read(&p, &geo, false));
			}
			printf("|\n");
		}
}

static void by_cache(void)
{
	u32 w, v, c;

	head_sizes("volume, work", caches, ARRAY_SIZE(caches), NULL);
	for (w = 2; w < ARRAY_SIZE(works); w++)
		for (v = 2; v < ARRAY_SIZE(volumes); v++) {
			row_name(&works[w], volumes[v]);
			for (c = 0; c < ARRAY_SIZE(caches); c++) {
				struct point p = make(&works[w], volumes[v], 0);

				p.cache_bytes = caches[c];
				run(&p);
				cell(false, "%.2f %.2f", costs.total,
				     costs.node_reads);
			}
			printf("|\n");
		}
}

static void by_sync(void)
{
	static const u32 syncs[] = { 0, 1, 2, 4, 8, 16, 24, 25, 32, 84, 256, 1024 };
	static const char * const heads[] = {
		"log", "of it data", "all", "in 1 GiB", "ended by", "ckpt MiB",
		"recovery s",
	};
	u32 i;

	cell(true, "random in 2 GiB, of 1 TiB");
	for (i = 0; i < ARRAY_SIZE(heads); i++)
		cell(false, "%s", heads[i]);
	printf("|\n");
	rule(ARRAY_SIZE(heads) + 1);
	for (i = 0; i < ARRAY_SIZE(syncs); i++) {
		struct point p = make(&works[2], GIB, 0);
		double small;

		p.sync = syncs[i];
		run(&p);
		small = costs.total;
		p = make(&works[1], TIB, 0);
		p.sync = syncs[i];
		run(&p);
		if (p.sync)
			cell(true, "a flush each %u", p.sync);
		else
			cell(true, "no flush");
		cell(false, "%.3f", costs.log);
		cell(false, "%.3f", fig.logged / fig.writes);
		cell(false, "%.3f", costs.total);
		cell(false, "%.3f", small);
		cell(false, "%s", costs.ended_by);
		cell(false, "%.1f", costs.ckpt_bytes / MIB);
		cell(false, "%.1f", costs.rec_s);
		printf("|\n");
	}
}

static void flat(enum report how)
{
	bool first = true;
	u32 w, v, l;

	if (how == JSON)
		printf("{\"points\":[\n");
	for (w = 0; w < ARRAY_SIZE(works); w++)
		for (v = 0; v < ARRAY_SIZE(volumes); v++)
			for (l = 0; l < ARRAY_SIZE(logs); l++) {
				struct point p = make(&works[w], volumes[v],
						      logs[l]);

				if (!possible(&works[w], volumes[v], logs[l]))
					continue;
				run(&p);
				report_point(how, &p, &fig, &costs, first);
				first = false;
			}
	if (how == JSON)
		printf("\n]}\n");
}

/* What docs/performance.md shows of it all. */
static void brief(void)
{
	static const struct {
		const struct work *work;
		u64 bytes;
	} rows[] = {
		{ &works[0], TIB }, { &works[1], TIB },
		{ &works[2], GIB }, { &works[2], 16 * GIB }, { &works[2], TIB },
		{ &works[2], 16 * TIB }, { &works[2], 64 * TIB },
		{ &works[3], TIB }, { &works[3], 64 * TIB },
		{ &works[4], TIB }, { &works[4], 64 * TIB },
		{ &works[5], TIB }, { &works[5], 64 * TIB },
		{ &works[6], GIB }, { &works[6], TIB }, { &works[6], 64 * TIB },
	};
	static const char * const heads[] = {
		"16M log", "default", "4G log", "ended by", "ckpt MiB",
		"reads/write", "reads/read", "recovery s", "unflushed",
	};
	u32 i;

	cell(true, "volume, work");
	for (i = 0; i < ARRAY_SIZE(heads); i++)
		cell(false, "%s", heads[i]);
	printf("|\n");
	rule(ARRAY_SIZE(heads) + 1);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct work *w = rows[i].work;
		struct point p = make(w, rows[i].bytes, 16 * MIB);
		struct ic_geometry geo;
		double total;

		row_name(w, rows[i].bytes);
		run(&p);
		cell(false, "%.3f", costs.total);
		if (possible(w, p.bytes, 4 * GIB)) {
			p = make(w, rows[i].bytes, 4 * GIB);
			run(&p);
		}
		total = p.log_bytes == 4 * GIB ? costs.total : 0;
		p = make(w, rows[i].bytes, 0);
		run(&p);
		cell(false, "%.3f", costs.total);
		if (total)
			cell(false, "%.3f", total);
		else
			cell(false, "-");
		cell(false, "%s", costs.ended_by);
		cell(false, "%.1f", costs.ckpt_bytes / MIB);
		cell(false, "%.2f", costs.node_reads);
		point_geometry(&p, &geo);
		cell(false, "%.2f", reads_per_read(&p, &geo, false) / p.io);
		cell(false, "%.1f", costs.rec_s);
		cell(false, "%.0f", costs.rec_unflushed_s);
		printf("|\n");
	}
}

/**
 * report_all() - print everything
 * @how: TABLE, BRIEF, JSON or CSV
 * @budget: as for run_point()
 */
void report_all(enum report how, u64 budget)
{
	the_budget = budget;
	if (how == BRIEF) {
		brief();
		printf("\n");
		by_sync();
		return;
	}
	if (how != TABLE) {
		flat(how);
		return;
	}
	by_log();
	title("The same with the default log, by what is written; nodes "
	      "read per 4 KiB written; what ends an interval; nodes of a "
	      "checkpoint");
	parts();
	title("Which log? Its size, and device bytes per user byte; smaller "
	      "volumes are written all over");
	defaults();
	title("Device bytes per user byte, and nodes read per write, by "
	      "size of the node cache; default log");
	by_cache();
	title("Device bytes per user byte, by writes before each flush");
	by_sync();
	title("Memory; the cache with which the log or the timer, not the "
	      "cache, ends an interval, by work");
	memory();
	title("Recovery, seconds: flushed a moment ago / nothing flushed "
	      "since the last checkpoint; 16 TiB");
	recovery();
	title("Nodes read per random read of 4 KiB: the first, and in the "
	      "long run, by size of the node cache");
	reads();
}
