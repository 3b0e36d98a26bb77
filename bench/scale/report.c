// SPDX-License-Identifier: GPL-2.0-only
/*
 * One point: played or computed, whichever fits, and printed.
 */
#include <math.h>
#include <stdlib.h>

#include "scale.h"

const char *pattern_name(const struct point *p)
{
	static const char * const names[] = {
		"seq", "uniform", "zipf", "zipf-run",
	};

	return names[p->pattern];
}

const char *size_name(u64 bytes, char name[16])
{
	static const char * const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	u32 u = 0;

	while (u < 4 && bytes >= 1024 && !(bytes % 1024)) {
		bytes /= 1024;
		u++;
	}
	snprintf(name, 16, "%llu %s", (unsigned long long)bytes, units[u]);
	return name;
}

/* Can it be played within @budget writes? */
static bool playable(const struct point *p, const struct ic_geometry *geo,
		     const struct dist *d, u64 budget)
{
	double interval = expect_interval(p, geo, d), warm, leaves;

	interval = fmin(interval, point_rate(p) * IC_CHECKPOINT_SECS);
	leaves = (double)point_span(p) / IC_LEAF_RECORDS;
	warm = fmin(2.0 * p->cache_bytes / IC_BLOCK_SIZE, 8 * leaves);
	if (p->pattern == SEQ)
		warm *= IC_LEAF_RECORDS;
	return (fmax(3 * interval, warm) + 4 * interval) / p->io <= budget;
}

/**
 * run_point() - the figures and the costs of a point
 * @p: the point
 * @budget: play it if that takes no more writes than this; 0: never
 * @f: receives the figures
 * @c: receives the costs
 *
 * Return: 0 or -EINVAL.
 */
int run_point(const struct point *p, u64 budget, struct figures *f,
	      struct costs *c)
{
	struct ic_geometry geo;
	struct dist *d;
	int err = point_geometry(p, &geo);

	if (err)
		return err;
	d = dist_new(p, &geo);
	if (p->writes || p->fresh || playable(p, &geo, d, budget))
		err = simulate(p, &geo, f);
	else
		expect(p, &geo, d, f);
	if (!err)
		cost(p, &geo, d, f, c);
	dist_free(d);
	return err;
}

/* Larger caches would take long to fill. */
#define CACHE_PLAYED	(64 * MIB)

/**
 * reads_per_read() - nodes read for each random read of a sector, in the long run
 * @p: the point; what it writes is read
 * @geo: of its volume
 * @play: play it, however large the cache is
 */
double reads_per_read(const struct point *p, const struct ic_geometry *geo,
		      bool play)
{
	struct dist *d;
	double reads;

	if (play || p->cache_bytes <= CACHE_PLAYED)
		return play_reads(p, geo);
	d = dist_new(p, geo);
	reads = expect_reads(p, d);
	dist_free(d);
	return reads;
}

struct field {
	const char *name;
	double value;
};

/**
 * report_point() - a point as a JSON object or a line of CSV
 * @how: JSON, CSV; else one "name value" a line
 * @p: the point
 * @f: its figures
 * @c: its costs
 * @first: no other was printed before
 */
void report_point(enum report how, const struct point *p,
		  const struct figures *f, const struct costs *c, bool first)
{
	const struct field fields[] = {
		{ "volume_bytes", p->bytes },
		{ "span_bytes", point_span(p) * SECTOR },
		{ "log_bytes", p->log_bytes },
		{ "cache_bytes", p->cache_bytes },
		{ "theta", p->theta },
		{ "io_bytes", p->io * SECTOR },
		{ "writes_per_sync", p->sync },
		{ "sectors_per_s", point_rate(p) },
		{ "sectors", f->writes },
		{ "puts", f->puts },
		{ "intents", f->intents },
		{ "data_logged", f->logged },
		{ "round_sectors", point_round(p) },
		{ "log_writes", f->log_blocks },
		{ "leaf_writes", f->leaves },
		{ "inner_writes", f->inner },
		{ "node_writes", f->leaves + f->inner },
		{ "node_reads", f->node_reads },
		{ "checkpoints", f->checkpoints },
		{ "interval_sectors", f->interval },
		{ "bytes_per_byte", c->total },
		{ "bytes_log", c->log },
		{ "bytes_leaves", c->leaves },
		{ "bytes_inner", c->inner },
		{ "bytes_super", c->super },
		{ "node_reads_per_write", c->node_reads },
		{ "checkpoint_nodes", c->ckpt_nodes },
		{ "checkpoint_bytes", c->ckpt_bytes },
		{ "checkpoint_s", c->ckpt_s },
		{ "memory_fixed", c->mem_fixed },
		{ "memory_in_flight", c->mem_flight },
		{ "memory_nodes", c->mem_used },
		{ "memory_nodes_wanted", c->mem_needed },
		{ "recovery_log_blocks", c->rec_blocks },
		{ "recovery_nodes", c->rec_nodes },
		{ "recovery_tries_unflushed", c->rec_tries },
		{ "recovery_s", c->rec_s },
		{ "recovery_unflushed_s", c->rec_unflushed_s },
	};
	u32 i;

	if (how == CSV && first) {
		printf("pattern,device,method,ended_by");
		for (i = 0; i < ARRAY_SIZE(fields); i++)
			printf(",%s", fields[i].name);
		printf("\n");
	}
	if (how == JSON)
		printf("%s{\"pattern\":\"%s\",\"device\":\"%s\","
		       "\"method\":\"%s\",\"ended_by\":\"%s\"",
		       first ? "" : ",\n", pattern_name(p),
		       devices[p->dev].name, f->method, c->ended_by);
	else if (how == CSV)
		printf("%s,%s,%s,%s", pattern_name(p), devices[p->dev].name,
		       f->method, c->ended_by);
	else
		printf("pattern=%s\ndevice=%s\nmethod=%s\nended_by=%s\n",
		       pattern_name(p), devices[p->dev].name, f->method,
		       c->ended_by);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (how == JSON)
			printf(",\"%s\":%.10g", fields[i].name, fields[i].value);
		else if (how == CSV)
			printf(",%.10g", fields[i].value);
		else
			printf("%s=%.10g\n", fields[i].name, fields[i].value);
	}
	printf(how == JSON ? "}" : how == CSV ? "\n" : "");
}
