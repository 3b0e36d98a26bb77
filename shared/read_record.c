// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which record a read goes by.  Shared code; the caller holds the lock that guards
 * the ring where that is handed over.
 *
 * The tree has one record of a sector.  Of writes that failed, or that recovery could
 * not look at, the ring remembers others, and the disk says which of them holds: so
 * the ciphertext has to be there before that is decided, be it read before the tree's
 * record or after.  In between nobody writes the sector: whoever reads it holds its
 * range.
 */
#include "read_record.h"

static bool may_have(const struct ic_reader *who,
		     const struct ic_sector_record *rec)
{
	return who->any || le32_to_cpu(rec->owner) == who->ino;
}

/**
 * ic_read_judge() - what does the tree's record say to this reader?
 * @who: the reader
 * @rec: the record
 */
enum ic_read_verdict ic_read_judge(const struct ic_reader *who,
				   const struct ic_sector_record *rec)
{
	if (mem_is_zero(rec, sizeof(*rec)))
		return IC_READ_ZEROS;
	if (ic_sector_lost(rec))
		return IC_READ_LOST;
	return may_have(who, rec) ? IC_READ_DATA : IC_READ_OTHERS;
}

/**
 * ic_read_may_hold() - may the disk hold what these sectors have no record of?
 * @log: the ring
 * @who: the reader
 * @first: crypto sector
 * @last: likewise
 * @rec: their records
 *
 * Return: true if a write over nothing failed, or recovery could not look at it, and
 * the reader may have it; or if only the log has it, which is no zeros to anybody.
 */
bool ic_read_may_hold(const struct ic_log *log, const struct ic_reader *who,
		      u64 first, u64 last, const struct ic_sector_record *rec)
{
	const struct ic_log_write *w;

	list_for_each_entry(w, &log->failed, list) {
		if (w->sector < first || w->sector > last)
			continue;
		if (mem_is_zero(&rec[w->sector - first], sizeof(*rec)) &&
		    (w->unplaced || may_have(who, w->rec)))
			return true;
	}
	return false;
}

/**
 * ic_read_take_failed() - take the record of a failed write that the disk holds
 * @log: the ring
 * @who: the reader
 * @sector: crypto sector
 * @head: what its ciphertext begins with, as it was read
 * @rec: its record; replaced if the reader may have the other one
 *
 * Return: 0, or -EIO if the sector's newest contents are in the log only, as they can't
 * be put in place.
 */
int ic_read_take_failed(const struct ic_log *log, const struct ic_reader *who,
			u64 sector, const u8 *head,
			struct ic_sector_record *rec)
{
	const struct ic_log_write *w = ic_log_candidate(log, sector, head);

	if (ic_log_only_has(log, sector, w))
		return -EIO;
	if (w && may_have(who, w->rec))
		*rec = *w->rec;
	return 0;
}
