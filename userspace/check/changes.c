// SPDX-License-Identifier: GPL-2.0-only
/*
 * The records that recovery would change, in memory: disjoint ranges of record
 * numbers, so that what comes later takes the place of what was before.
 */
#include <search.h>
#include <stdlib.h>

#include "check/check.h"

/* Ranges that overlap are "equal": those in the tree never do. */
static int compare(const void *a, const void *b)
{
	const struct change_node *x = a, *y = b;

	if (x->last < y->first)
		return -1;
	return x->first > y->last;
}

/* The record may be an owner's, with its salt. */
static void wipe(void *node)
{
	explicit_bzero(node, sizeof(struct change_node));
	free(node);
}

static int insert(struct changes *ch, u64 first, u64 last,
		  const union ic_record *rec)
{
	struct change_node *n = malloc(sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->first = first;
	n->last = last;
	n->rec = *rec;
	if (!tsearch(n, &ch->tree, compare)) {
		free(n);
		return -ENOMEM;
	}
	ch->nr++;
	return 0;
}

/**
 * changes_set() - records get other contents
 * @ch: zeroed, or used before
 * @first: number of the first record
 * @last: number of the last one
 * @rec: contents, all zero if @last isn't @first
 *
 * Return: 0 or -ENOMEM.
 */
int changes_set(struct changes *ch, u64 first, u64 last,
		const union ic_record *rec)
{
	const struct change_node new = { .first = first, .last = last };
	struct change_node **found, *old;
	int err = 0;

	while (!err && (found = tfind(&new, &ch->tree, compare))) {
		old = *found;
		tdelete(old, &ch->tree, compare);
		ch->nr--;
		/*
		 * The parts of the old range on either side of the new one
		 * stay.
		 */
		if (old->first < first)
			err = insert(ch, old->first, first - 1, &old->rec);
		if (!err && old->last > last)
			err = insert(ch, last + 1, old->last, &old->rec);
		wipe(old);
	}
	return err ? err : insert(ch, first, last, rec);
}

/**
 * changes_get() - has a record been changed?
 * @ch: changes
 * @number: of the record
 * @rec: receives its contents if so
 *
 * Return: true if so.
 */
bool changes_get(struct changes *ch, u64 number, union ic_record *rec)
{
	const struct change_node key = { .first = number, .last = number };
	struct change_node **found = tfind(&key, &ch->tree, compare);

	if (found)
		*rec = (*found)->rec;
	return found;
}

static void collect(const void *node, VISIT visit, void *closure)
{
	struct changes *ch = closure;

	if ((visit == postorder || visit == leaf) && ch->listed < ch->nr)
		ch->list[ch->listed++] = *(struct change_node * const *)node;
}

/**
 * changes_sort() - make the list, when all was collected
 * @ch: changes
 *
 * Return: 0 or -ENOMEM.
 */
int changes_sort(struct changes *ch)
{
	ch->list = malloc((ch->nr ? ch->nr : 1) * sizeof(*ch->list));
	if (!ch->list)
		return -ENOMEM;
	ch->listed = 0;
	twalk_r(ch->tree, collect, ch);
	return 0;
}

/**
 * changes_from() - find the first change from a record on
 * @ch: with its list made
 * @number: of the record
 *
 * Return: index in the list, its length if there is none.
 */
size_t changes_from(const struct changes *ch, u64 number)
{
	size_t lo = 0, hi = ch->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ch->list[mid]->last < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/**
 * changes_drop() - forget them all
 * @ch: changes
 */
void changes_drop(struct changes *ch)
{
	tdestroy(ch->tree, wipe);
	free(ch->list);
	memset(ch, 0, sizeof(*ch));
}
