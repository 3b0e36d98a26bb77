/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The records that fuzz_log.c recovers: in memory, as the list of what happened to
 * them.
 */
#ifndef FUZZ_RECORDS_H
#define FUZZ_RECORDS_H

#include <string.h>

#include "log_format.h"

#define MAX_RING	128
#define MAX_EVENTS	(MAX_RING * IC_LOG_ENTRIES)

/* The array of sector records, as the list of what happened to it. */
struct event {
	u64			first, last;
	struct ic_sector_record	rec;
};

struct records {
	struct event	event[MAX_EVENTS];
	unsigned int	nr;
	u64		sets;		/* hash of the owner and key records */
	u64		redos;		/* hash of what was put in place */
	u64		logged, redone;
};

/* The volume's records before recovery: every third sector was written. */
static inline void initial(u64 sector, struct ic_sector_record *rec)
{
	memset(rec, 0, sizeof(*rec));
	if (sector % 3)
		return;
	memset(rec->tag, 0x11, sizeof(rec->tag));
	rec->owner = cpu_to_le32(sector % 2);
}

static inline void lookup(const struct records *r, u64 sector,
			  struct ic_sector_record *rec)
{
	for (unsigned int i = r->nr; i-- > 0;)
		if (sector >= r->event[i].first && sector <= r->event[i].last) {
			*rec = r->event[i].rec;
			return;
		}
	initial(sector, rec);
}

static inline void change(struct records *r, u64 first, u64 last,
			  const struct ic_sector_record *rec)
{
	struct event *e = &r->event[r->nr];

	/* Runs that are cut short and repeated say the same again. */
	if (r->nr == MAX_EVENTS)
		return;
	e->first = first;
	e->last = last;
	if (rec)
		e->rec = *rec;
	else
		memset(&e->rec, 0, sizeof(e->rec));
	r->nr++;
}

/* Order matters: the newest record of a number is what counts. */
static inline void hash(struct records *r, enum ic_log_type type, u64 nr,
			const union ic_record *rec)
{
	u64 h = r->sets * 31 + type * 7 + nr;

	for (unsigned int i = 0; i < IC_RECORD_SIZE; i++)
		h = (h ^ rec->bytes[i]) * 0x100000001b3ULL;
	r->sets = h;
}

#endif /* FUZZ_RECORDS_H */
