/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What log_ring.c and log_failed.c share of the ring; both offer log_ring.h to the
 * others.
 */
#ifndef IC_LOG_FAILED_H
#define IC_LOG_FAILED_H

#include "log_ring.h"

/* The place of a write whose PUTs no block holds. */
#define IC_LOG_NOWHERE	((struct ic_log_place){ 1, 0 })

/* Which of log->bucket[] has the failed writes of @sector, among others. */
static inline u32 ic_log_bucket(u64 sector)
{
	/* 2^64 divided by the golden ratio: whatever the pattern, they spread. */
	return sector * 0x9e3779b97f4a7c15ULL >> 56;
}

void ic_log_append_puts(struct ic_log *log, const struct ic_log_write *write,
			struct ic_log_place *place);
void ic_log_hold(struct ic_log *log, const struct ic_log_place *place);
void ic_log_release(struct ic_log *log, struct ic_log_place *place);

#endif
