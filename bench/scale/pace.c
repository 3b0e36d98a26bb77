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

/**
 * point_round() - overwritten sectors that gather for a round, unless a flush comes
 * @p: the point
 *
 * Whatever comes first: half of what may be in flight, as many writes as may have
 * ended early (the next one waits, and so begins a round), or the timer.
 */
double point_round(const struct point *p)
{
	double enough = M_LOG_GATHER(point_live(p));
	double behind = M_BEHIND(p->cache_bytes / IC_BLOCK_SIZE) + 1.0;
	double timer = point_rate(p) * M_DRAIN_DELAY;

	if (p->fill > 0)
		return p->fill;
	return fmax(p->io, fmin(enough, fmin(behind * p->io, timer)));
}

/**
 * point_last() - sectors that a flush finds waiting for a round
 * @p: with @p->sync
 */
double point_last(const struct point *p)
{
	double all = (double)p->sync * p->io, round = point_round(p);

	return all - floor(all / round) * round;
}

/**
 * blocks_per_round() - blocks of the log that a round of so many PUTs closes
 */
double blocks_per_round(double puts)
{
	return ceil(puts / IC_LOG_ENTRIES);
}

/**
 * point_blocks() - blocks of the log for each sector that is written
 * @p: the point
 */
double point_blocks(const struct point *p)
{
	double all = (double)p->sync * p->io, round = point_round(p), last, n;

	/* Nothing waits for these PUTs: blocks are full, or a flush closes them. */
	if (p->fresh && !p->fill)
		return p->sync ? blocks_per_round(all) / all :
				 1.0 / IC_LOG_ENTRIES;
	if (!p->sync)
		return blocks_per_round(round) / round;
	last = point_last(p);
	n = floor(all / round) * blocks_per_round(round);
	n += last <= M_FLUSH_SECTORS_MAX && last ? 1 + last :
						   blocks_per_round(last);
	return n / all;
}
