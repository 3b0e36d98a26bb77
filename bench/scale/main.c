// SPDX-License-Identifier: GPL-2.0-only
/*
 * scale: what a volume of any size costs, on paper.  Without a point: all tables.
 */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "scale.h"

#define BUDGET	400000ULL

struct args {
	struct point p;
	enum report how;
	u64 budget;
	bool one, reads;
};

enum { OPT_SPAN = 0x100, OPT_CACHE, OPT_SYNC, OPT_FILL, OPT_FRESH,
	OPT_RATE, OPT_DEVICE, OPT_WRITES, OPT_SEED, OPT_JSON, OPT_CSV, OPT_BRIEF,
	OPT_SIM, OPT_EXP, OPT_READS };

static const struct argp_option options[] = {
	{ "volume", 'v', "SIZE", 0, "One point: data area of SIZE", 0 },
	{ "span", OPT_SPAN, "SIZE", 0, "Write only to its first SIZE", 0 },
	{ "log", 'l', "SIZE", 0, "Size of the log (default: as format)", 0 },
	{ "cache", OPT_CACHE, "SIZE", 0, "cache_bytes (default: 64M)", 0 },
	{ "pattern", 'p', "NAME", 0,
	  "seq, uniform (default), zipf:THETA scattered, zipf-run:THETA not", 0 },
	{ "io", 'b', "SIZE", 0, "of a write (default: 4K; seq: 256K)", 0 },
	{ "sync", OPT_SYNC, "N", 0, "A flush after each N writes", 0 },
	{ "fill", OPT_FILL, "X", 0,
	  "PUTs for each round of the log's writer, as measured", 0 },
	{ "fresh", OPT_FRESH, NULL, 0,
	  "Nothing was written before; written once, unless --writes", 0 },
	{ "rate", OPT_RATE, "N", 0, "Sectors written per second (default: by device)", 0 },
	{ "device", OPT_DEVICE, "NAME", 0, "ssd (default), nvme, hdd", 0 },
	{ "writes", OPT_WRITES, "N", 0,
	  "Play so many sectors from an empty cache, then flush and checkpoint", 0 },
	{ "reads", OPT_READS, NULL, 0, "Nodes read for each random read, too", 0 },
	{ "seed", OPT_SEED, "N", 0, "of the generator", 0 },
	{ "sim", OPT_SIM, NULL, 0, "Play it, however long that takes", 1 },
	{ "exp", OPT_EXP, NULL, 0, "Compute expectations only", 1 },
	{ "brief", OPT_BRIEF, NULL, 0, "One short table", 2 },
	{ "json", OPT_JSON, NULL, 0, "JSON, all fields", 2 },
	{ "csv", OPT_CSV, NULL, 0, "CSV, all fields", 2 },
	{ 0 }
};

static u64 size(struct argp_state *state, const char *s)
{
	static const char units[] = "KMGT";
	const char *u;
	char *end;
	double n = strtod(s, &end);

	u = *end ? strchr(units, *end & ~0x20) : NULL;
	if (end == s || n < 0 || (*end && (!u || end[1])))
		argp_error(state, "%s is no size", s);
	return n * (u ? 1ULL << 10 * (u - units + 1) : 1);
}

static double number(struct argp_state *state, const char *s)
{
	char *end;
	double n = strtod(s, &end);

	if (end == s || *end || n < 0)
		argp_error(state, "%s is no number", s);
	return n;
}

static void pattern(struct argp_state *state, struct point *p, const char *s)
{
	if (!strcmp(s, "seq"))
		p->pattern = SEQ;
	else if (!strcmp(s, "uniform"))
		p->pattern = UNIFORM;
	else if (!strncmp(s, "zipf:", 5))
		p->pattern = ZIPF;
	else if (!strncmp(s, "zipf-run:", 9))
		p->pattern = ZIPF_RUN;
	else
		argp_error(state, "pattern %s", s);
	if (p->pattern == ZIPF || p->pattern == ZIPF_RUN) {
		p->theta = number(state, strchr(s, ':') + 1);
		if (p->theta <= 0)
			argp_error(state, "theta is above 0");
	}
}

static void device(struct argp_state *state, struct point *p, const char *s)
{
	for (p->dev = 0; p->dev < ARRAY_SIZE(devices); p->dev++)
		if (!strcmp(devices[p->dev].name, s))
			return;
	argp_error(state, "device %s: ssd, nvme or hdd", s);
}

/* What was left out, and what doesn't go together. */
static void finish(struct argp_state *state, struct point *p)
{
	if (!p->io)
		p->io = (p->pattern == SEQ ? IC_IO_MAX_BYTES : SECTOR) / SECTOR;
	if (p->io > IC_LOG_WRITE_MAX || p->io * SECTOR > IC_IO_MAX_BYTES)
		argp_error(state, "writes have 4K to 256K");
	if (p->io > 1 && p->pattern >= ZIPF)
		argp_error(state, "zipf is of 4K");
	if (!p->log_bytes)
		p->log_bytes = ic_log_blocks_default(p->bytes / SECTOR, SECTOR) *
			       (u64)IC_BLOCK_SIZE;
	if (p->fresh && !p->writes)
		p->writes = point_span(p);
	if (p->cache_bytes < IC_CACHE_BYTES_MIN)
		argp_error(state, "a cache has 1M at least");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;
	struct point *p = &a->p;

	switch (key) {
	case 'v':
		p->bytes = size(state, arg);
		a->one = true;
		break;
	case OPT_SPAN:
		p->span = size(state, arg);
		break;
	case 'l':
		p->log_bytes = size(state, arg);
		break;
	case OPT_CACHE:
		p->cache_bytes = size(state, arg);
		break;
	case 'p':
		pattern(state, p, arg);
		break;
	case 'b':
		p->io = size(state, arg) / SECTOR;
		break;
	case OPT_SYNC:
		p->sync = number(state, arg);
		break;
	case OPT_FILL:
		p->fill = number(state, arg);
		break;
	case OPT_FRESH:
		p->fresh = true;
		break;
	case OPT_RATE:
		p->rate = number(state, arg);
		break;
	case OPT_DEVICE:
		device(state, p, arg);
		break;
	case OPT_WRITES:
		p->writes = number(state, arg);
		break;
	case OPT_READS:
		a->reads = true;
		break;
	case OPT_SEED:
		p->seed = number(state, arg);
		break;
	case OPT_SIM:
		a->budget = ~0ULL;
		break;
	case OPT_EXP:
		a->budget = 0;
		break;
	case OPT_BRIEF:
		a->how = BRIEF;
		break;
	case OPT_JSON:
		a->how = JSON;
		break;
	case OPT_CSV:
		a->how = CSV;
		break;
	case ARGP_KEY_END:
		finish(state, p);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options, parse, NULL,
	"What a volume of any size costs: bytes at the device, memory, recovery, checkpoints.",
	NULL, NULL, NULL
};

int main(int argc, char **argv)
{
	struct args a = {
		.p.cache_bytes = IC_CACHE_BYTES_DEFAULT,
		.p.pattern = UNIFORM,
		.budget = BUDGET,
	};
	struct ic_geometry geo;
	struct figures f;
	struct costs c;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (!a.one) {
		report_all(a.how, a.budget);
		return 0;
	}
	if (run_point(&a.p, a.budget, &f, &c)) {
		fprintf(stderr, "scale: there is no such volume\n");
		return 1;
	}
	report_point(a.how, &a.p, &f, &c, true);
	if (a.how == JSON)
		printf("\n");
	if (a.reads && !point_geometry(&a.p, &geo))
		printf("node_reads_per_read=%.10g\n",
		       reads_per_read(&a.p, &geo, true));
	return 0;
}
