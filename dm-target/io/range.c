// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of sectors in use: writes, discards and zeroings of one sector are
 * ordered by arrival, and no read runs beside them.
 *
 * Every bio puts its range into one interval tree and counts the conflicting
 * ranges that were there before it.  It starts when the count is zero, and on
 * leaving decrements the counts of later ones.  So it is first come, first
 * served, and nobody sleeps holding a worker.
 */
#include <linux/interval_tree_generic.h>

#include "core/trace.h"
#include "log/log.h"
#include "io/io.h"

#define RANGE_START(range)	((range)->start)
#define RANGE_LAST(range)	((range)->last)

INTERVAL_TREE_DEFINE(struct ic_range, rb, u64, subtree_last, RANGE_START,
		     RANGE_LAST, static, range_tree)

/**
 * ic_ranges_init() - an empty table
 * @ranges: the table
 */
void ic_ranges_init(struct ic_ranges *ranges)
{
	spin_lock_init(&ranges->lock);
	ranges->root = RB_ROOT_CACHED;
}

static bool conflict(const struct ic_range *a, const struct ic_range *b)
{
	const struct ic_sectors first = { a->start, a->last, a->write };
	const struct ic_sectors second = { b->start, b->last, b->write };

	return ic_sectors_conflict(&first, &second);
}

/**
 * ic_range_lock() - enter @io's range
 * @ic: the table
 * @io: range.start, range.last and range.write set
 *
 * What blocks it may be a write whose bio has ended and that nobody waited for until
 * now: such writes are hurried.
 *
 * Context: any but hard interrupt.
 * Return: true if @io may start now; else ic_range_unlock() of the last
 * blocker starts it.
 */
bool ic_range_lock(struct inocrypt *ic, struct ic_io *io)
{
	struct ic_ranges *ranges = &ic->io_path->ranges;
	struct ic_range *range = &io->range, *r;
	unsigned long flags;
	bool start;

	range->blockers = 0;
	range->wanted = false;
	spin_lock_irqsave(&ranges->lock, flags);
	range->order = ranges->order++;
	for (r = range_tree_iter_first(&ranges->root, range->start,
				       range->last); r;
	     r = range_tree_iter_next(r, range->start, range->last)) {
		if (!conflict(range, r))
			continue;
		range->blockers++;
		WRITE_ONCE(r->wanted, true);
	}
	range_tree_insert(range, &ranges->root);
	io->locked = true;
	start = !range->blockers;
	trace_ic_io(io, IC_AT_BEGIN, 0);
	if (start)
		trace_ic_io(io, IC_AT_LOCKED, 0);
	spin_unlock_irqrestore(&ranges->lock, flags);
	if (!start) {
		/* This barrier pairs with the one in op_wanted() of the log. */
		smp_mb();
		ic_behind_hurry(ic);
	}
	return start;
}

/**
 * ic_range_number() - give a request a number that has no sectors to enter
 * @ic: the table
 * @io: a flush
 *
 * Tracepoints tell requests apart by it.
 *
 * Context: any but hard interrupt.
 */
void ic_range_number(struct inocrypt *ic, struct ic_io *io)
{
	struct ic_ranges *ranges = &ic->io_path->ranges;
	unsigned long flags;

	spin_lock_irqsave(&ranges->lock, flags);
	io->range.order = ranges->order++;
	spin_unlock_irqrestore(&ranges->lock, flags);
}

/**
 * ic_range_move() - let @to stand in the table where @from does
 * @ic: the table
 * @from: in the table
 * @to: not in it; receives @from's range
 *
 * Context: any.
 */
void ic_range_move(struct inocrypt *ic, struct ic_io *from, struct ic_io *to)
{
	struct ic_ranges *ranges = &ic->io_path->ranges;
	unsigned long flags;

	spin_lock_irqsave(&ranges->lock, flags);
	to->range = from->range;
	rb_replace_node_cached(&from->range.rb, &to->range.rb, &ranges->root);
	to->locked = true;
	from->locked = false;
	spin_unlock_irqrestore(&ranges->lock, flags);
}

/**
 * ic_range_unlock() - leave, and start those that only waited for @io
 * @ic: the table
 * @io: the bio's; does nothing if it is not in the table
 *
 * Context: any.
 */
void ic_range_unlock(struct inocrypt *ic, struct ic_io *io)
{
	struct ic_ranges *ranges = &ic->io_path->ranges;
	struct ic_range *range = &io->range, *r;
	struct ic_io *next;
	unsigned long flags;

	if (!io->locked)
		return;
	spin_lock_irqsave(&ranges->lock, flags);
	range_tree_remove(range, &ranges->root);
	io->locked = false;
	for (r = range_tree_iter_first(&ranges->root, range->start,
				       range->last); r;
	     r = range_tree_iter_next(r, range->start, range->last)) {
		if (r->order < range->order || !conflict(range, r))
			continue;
		if (--r->blockers)
			continue;
		next = container_of(r, struct ic_io, range);
		trace_ic_io(next, IC_AT_LOCKED, 0);
		ic_io_queue(next);
	}
	spin_unlock_irqrestore(&ranges->lock, flags);
}
