// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the log's writer begins a round, and how many blocks it closes: what fills
 * the log, whoever waits for it.
 */
#include <math.h>

#include "scale.h"

/**
 * point_live() - sectors that may be in flight: log.c's live_max
 * @p: its log and cache are used
 */
double point_live(const struct point *p)
{
	u32 slots = ic_log_slots(p->log_bytes / IC_BLOCK_SIZE);

	return (slots - 2) / 4 * (double)IC_LOG_ENTRIES;
}

/* A flush by itself takes its time, above IC_FLUSH_SECTORS_MAX one for intents, too. */
static double rate_synced(const struct point *p, double rate)
{
	double all = (double)p->sync * p->io;
	double flush = devices[p->dev].flush_us / 1e6;

	return all / (all / rate + (all > IC_FLUSH_SECTORS_MAX ? 2 : 1) * flush);
}

/* While no flush is waited for. */
static double rate_unsynced(const struct point *p)
{
	const struct device *d = &devices[p->dev];
	double seq = d->bytes / SECTOR;

	if (p->rate > 0)
		return p->rate;
	return p->pattern == SEQ ? seq : fmin(d->writes * p->io, seq);
}

/**
 * point_rate() - sectors written per second
 * @p: the point
 */
double point_rate(const struct point *p)
{
	double rate = rate_unsynced(p);

	return p->sync && !p->rate ? rate_synced(p, rate) : rate;
}

/**
 * point_drain() - sectors written from the first that waits until the timer fires,
 * whatever else ended its waiting
 * @p: the point
 *
 * While a flush is waited for nothing gathers, so that it may as well stand still.
 */
double point_drain(const struct point *p)
{
	return fmax(p->io, p->fill > 0 ? INFINITY :
					 rate_unsynced(p) * (IC_DRAIN_MS / 1000.0));
}

/**
 * point_round() - overwritten sectors that gather for a round at the most
 * @p: the point
 *
 * Whatever comes first: half of what may be in flight, as many writes as may have
 * ended early (the next one waits, and so begins a round), or the timer.
 */
double point_round(const struct point *p)
{
	double enough = IC_LOG_GATHER(point_live(p));
	double behind = IC_BEHIND_MAX(p->cache_bytes / IC_BLOCK_SIZE) + 1.0;

	if (p->fill > 0)
		return p->fill;
	return fmax(p->io, fmin(fmin(enough, behind * p->io), point_drain(p)));
}

/**
 * blocks_per_round() - blocks of the log that a round of so many PUTs closes
 */
double blocks_per_round(double puts)
{
	return ceil(puts / IC_LOG_ENTRIES);
}

/* Of so many sectors that a flush finds waiting: how many are logged? */
static double logged(double last)
{
	return last <= IC_FLUSH_SECTORS_MAX ? last : 0;
}

static double flush_blocks(double last)
{
	return blocks_per_round(last) + logged(last);
}

/*
 * Between flushes: whole rounds, then what the flush finds.  Where flushes come
 * sooner than the timer it fires anywhere in between, once for so many sectors.
 */
static void between_flushes(const struct point *p, double *blocks, double *data)
{
	double all = (double)p->sync * p->io, round = point_round(p);
	double last = all - floor(all / round) * round, timer = point_drain(p);
	double split = 0, split_data = 0, part = all / timer;
	u32 i;

	*blocks = floor(all / round) * blocks_per_round(round) +
		  flush_blocks(last);
	*data = logged(last);
	if (all >= round || part > 1)
		return;
	for (i = 0; i < p->sync; i++) {
		double before = (double)i * p->io;

		split += blocks_per_round(before) + flush_blocks(all - before);
		split_data += logged(all - before);
	}
	*blocks += part * (split / p->sync - *blocks);
	*data += part * (split_data / p->sync - *data);
}

/**
 * point_blocks() - blocks of the log for each sector that is written
 * @p: the point
 */
double point_blocks(const struct point *p)
{
	double all = (double)p->sync * p->io, timer = point_drain(p), n, data;
	double round = point_round(p), rounds;

	/* Nothing waits for these PUTs: blocks are full, or a flush closes them. */
	if (p->fresh && !p->fill)
		return p->sync ? blocks_per_round(all) / all :
				 1.0 / IC_LOG_ENTRIES;
	if (p->sync) {
		between_flushes(p, &n, &data);
		return n / all;
	}
	if (isinf(timer))
		return blocks_per_round(round) / round;
	/* It begins anew with the next write. */
	rounds = floor(timer / round);
	return (rounds * blocks_per_round(round) +
		blocks_per_round(timer - rounds * round)) / timer;
}

/**
 * point_logged() - how much of what is written has its data logged, too
 * @p: the point
 */
double point_logged(const struct point *p)
{
	double n, data = 0;

	if (p->sync && !p->fresh)
		between_flushes(p, &n, &data);
	return p->sync ? data / p->sync / p->io : 0;
}
