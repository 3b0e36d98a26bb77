// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the log's ring remembers of writes that failed: either contents may be on
 * the disk, so that both records stay in doubt, and are logged again at each cut,
 * until the sector is written or zeroed.  The caller holds the ring's lock.
 */
#include "log_failed.h"

static void list_failed(struct ic_log *log, struct ic_log_write *failed)
{
	ic_log_hold(log, &failed->now);
	ic_log_hold(log, &failed->before);
	failed->past = IC_LOG_NOWHERE;
	failed->past_before = IC_LOG_NOWHERE;
	failed->data = false;
	failed->data_before = false;
	log->live += failed->nr;
	log->nr_failed++;
	list_add_tail(&failed->list, &log->failed);
	list_add_tail(&failed->same, &log->bucket[ic_log_bucket(failed->sector)]);
}

static void settle(struct ic_log *log, struct ic_log_write *failed,
		   struct list_head *settled)
{
	list_del(&failed->same);
	log->nr_failed--;
	ic_log_complete(log, failed);
	list_add_tail(&failed->list, settled);
}

/* The next failed write after @w of the same sector, or NULL. */
static struct ic_log_write *next_same(struct ic_log *log,
				      struct ic_log_write *w)
{
	struct ic_log_write *next = w;

	list_for_each_entry_continue(next, &log->bucket[ic_log_bucket(w->sector)],
				     same)
		if (next->sector == w->sector)
			return next;
	return NULL;
}

/*
 * The low-water mark still must not pass the PUTs of @from, which is about to go: from
 * now on @to holds it back there.
 */
static void inherit(struct ic_log *log, struct ic_log_place *to,
		    const struct ic_log_place *from)
{
	if (from->last < from->first)
		return;
	if (to->last >= to->first && to->first <= from->first)
		return;
	ic_log_release(log, to);
	to->first = from->first;
	to->last = from->first;
	ic_log_hold(log, to);
}

/*
 * Forget a failed write of a sector where a newer write has failed, too. Recovery
 * takes PUTs below the mark for facts, so the mark must not pass the older write's
 * until a cut has left them behind.
 */
static void forget(struct ic_log *log, struct ic_log_write *failed,
		   struct ic_log_write *heir, struct list_head *forgotten)
{
	inherit(log, &heir->past, &failed->past);
	inherit(log, &heir->past, &failed->now);
	inherit(log, &heir->past_before, &failed->past_before);
	inherit(log, &heir->past_before, &failed->before);
	log->forgotten++;
	settle(log, failed, forgotten);
}

/*
 * Forget the oldest failed write of a sector if there are too many: only the
 * newest are remembered.
 */
static void forget_older(struct ic_log *log, u64 sector,
			 struct list_head *forgotten)
{
	struct ic_log_write *w, *oldest = NULL;
	u32 n = 0;

	list_for_each_entry(w, &log->bucket[ic_log_bucket(sector)], same) {
		if (w->sector != sector || w->adopted)
			continue;
		if (!oldest)
			oldest = w;
		n++;
	}
	if (n > IC_LOG_SAME_MAX)
		forget(log, oldest, next_same(log, oldest), forgotten);
}

/*
 * Too many writes have failed: forget those whose sector has a newer failed
 * write.
 */
static bool forget_more(struct ic_log *log, struct list_head *forgotten)
{
	struct ic_log_write *w, *n, *heir;

	list_for_each_entry_safe(w, n, &log->failed, list) {
		if (log->nr_failed <= log->live_max / 2)
			break;
		heir = w->adopted ? NULL : next_same(log, w);
		if (heir)
			forget(log, w, heir, forgotten);
	}
	return log->nr_failed <= log->live_max / 2;
}

/**
 * ic_log_fail() - a write failed: either contents may be on the disk
 * @log: the ring
 * @write: from ic_log_intend(); the ring refers to it no more on return
 * @failed: list of struct ic_log_write, one for each of its sectors that may
 *	have changed, with sector, nr (1), rec and head set to copies; emptied
 * @forgotten: receives older ones that are not remembered any more, for the caller
 *	to free
 *
 * The failed ones stop the low-water mark and are logged again at a cut, until
 * ic_log_settle().  Of one sector only the newest are kept, or a sector that fails for
 * ever would fill the log, and all memory.  Should the disk hold what a forgotten one
 * wrote, the sector reads as an error.  What the sector held before any of them failed
 * is in its record, and never forgotten; nor is what recovery was in doubt about, as it
 * may have been flushed.
 *
 * Return: false if there are still too many, so that no cut has room for them.
 */
bool ic_log_fail(struct ic_log *log, struct ic_log_write *write,
		 struct list_head *failed, struct list_head *forgotten)
{
	while (!list_empty(failed)) {
		struct ic_log_write *f = list_entry(failed->next,
						    struct ic_log_write, list);

		list_del(&f->list);
		f->now = write->now;
		f->before = write->before;
		f->adopted = false;
		list_failed(log, f);
		forget_older(log, f->sector, forgotten);
	}
	ic_log_complete(log, write);
	return log->nr_failed <= log->live_max / 2 ||
	       forget_more(log, forgotten);
}

/**
 * ic_log_failed_sectors() - how many sectors have failed writes
 * @log: the ring
 */
u32 ic_log_failed_sectors(const struct ic_log *log)
{
	const struct ic_log_write *w, *first;
	u32 n = 0;

	list_for_each_entry(w, &log->failed, list)
		list_for_each_entry(first, &log->bucket[ic_log_bucket(w->sector)],
				    same)
			if (first->sector == w->sector) {
				n += first == w;
				break;
			}
	return n;
}

/**
 * ic_log_adopt() - log again what recovery could not settle
 * @log: the ring, just started
 * @failed: nr is 1; sector, rec and head set
 */
void ic_log_adopt(struct ic_log *log, struct ic_log_write *failed)
{
	ic_log_append_puts(log, failed, &failed->now);
	failed->before = IC_LOG_NOWHERE;
	failed->adopted = true;
	list_failed(log, failed);
}

/**
 * ic_log_unplaced() - a write's data is in the log, and can't be put in place
 * @log: the ring; nothing is written any more, so there is no cut
 * @failed: as for ic_log_fail(); emptied
 *
 * Until the next load puts it in place, what the disk has there instead is older than
 * what somebody was told is there.
 */
void ic_log_unplaced(struct ic_log *log, struct list_head *failed)
{
	struct ic_log_write *w, *n;

	list_for_each_entry_safe(w, n, failed, list) {
		list_del(&w->list);
		w->now = IC_LOG_NOWHERE;
		w->before = IC_LOG_NOWHERE;
		w->unplaced = true;
		list_failed(log, w);
	}
}

/**
 * ic_log_settle() - sectors were written or zeroed, so earlier failures don't matter
 * @log: the ring, which has the write's PUT or the ZERO
 * @first: crypto sector
 * @last: crypto sector
 * @settled: receives their failed writes, for the caller to free
 */
void ic_log_settle(struct ic_log *log, u64 first, u64 last,
		   struct list_head *settled)
{
	struct ic_log_write *w, *n;
	u64 sector;

	if (list_empty(&log->failed))
		return;
	/*
	 * For a long ZERO, looking at each failed write is less work than at
	 * each sector.
	 */
	if (last - first >= IC_LOG_BUCKETS) {
		list_for_each_entry_safe(w, n, &log->failed, list)
			if (w->sector >= first && w->sector <= last)
				settle(log, w, settled);
		return;
	}
	for (sector = first; sector <= last; sector++)
		list_for_each_entry_safe(w, n, &log->bucket[ic_log_bucket(sector)],
					 same)
			if (w->sector == sector)
				settle(log, w, settled);
}

/**
 * ic_log_candidate() - did a failed write leave this on the disk?
 * @log: the ring
 * @sector: crypto sector
 * @head: what the sector's ciphertext begins with
 *
 * Return: the newest failed write with that beginning, or NULL.
 */
const struct ic_log_write *ic_log_candidate(const struct ic_log *log,
					    u64 sector, const u8 *head)
{
	const struct ic_log_write *w, *found = NULL;

	list_for_each_entry(w, &log->bucket[ic_log_bucket(sector)], same)
		if (w->sector == sector &&
		    !memcmp(w->head[0], head, IC_HEAD_SIZE))
			found = w;
	return found;
}

/**
 * ic_log_only_has() - does the log have data of a sector that never got to its place?
 * @log: the ring
 * @sector: crypto sector
 * @found: what ic_log_candidate() has found there, or NULL
 *
 * Return: true if it has, by ic_log_unplaced(), and that is newer than @found.
 */
bool ic_log_only_has(const struct ic_log *log, u64 sector,
		     const struct ic_log_write *found)
{
	const struct ic_log_write *w;
	bool newer = false;

	list_for_each_entry(w, &log->bucket[ic_log_bucket(sector)], same) {
		if (w->sector != sector)
			continue;
		newer = w != found && (newer || w->unplaced);
	}
	return newer;
}
