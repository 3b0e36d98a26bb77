// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt check: sectors whose data is in the log only.  Opening the volume puts
 * it in place; here it is kept in memory and read from there.
 *
 * No more of them than the log has blocks.
 */
#include <search.h>
#include <stdlib.h>

#include "check/check.h"

struct redo_node {
	u64 sector;
	u8 data[IC_BLOCK_SIZE];
};

static int compare(const void *a, const void *b)
{
	const struct redo_node *x = a, *y = b;

	return x->sector < y->sector ? -1 : x->sector > y->sector;
}

/**
 * redo_keep() - a sector gets data from the log
 * @redo: zeroed, or used before
 * @sector: crypto sector
 * @data: its ciphertext, IC_BLOCK_SIZE bytes
 *
 * Return: 0 or -ENOMEM.
 */
int redo_keep(struct redo *redo, u64 sector, const void *data)
{
	struct redo_node *n = malloc(sizeof(*n)), **found;

	if (!n)
		return -ENOMEM;
	n->sector = sector;
	found = tsearch(n, &redo->tree, compare);
	if (found)
		memcpy((*found)->data, data, IC_BLOCK_SIZE);
	if (!found || *found != n)
		free(n);
	return found ? 0 : -ENOMEM;
}

/**
 * redo_find() - is a sector's data kept in memory?
 * @redo: redone sectors; not changed any more if several threads ask
 * @sector: crypto sector
 *
 * Return: IC_BLOCK_SIZE bytes, or NULL.
 */
const u8 *redo_find(const struct redo *redo, u64 sector)
{
	struct redo_node **found;

	/* Only the sector is compared. */
	found = tfind(&sector, &redo->tree, compare);
	return found ? (*found)->data : NULL;
}

/**
 * redo_drop() - forget all
 * @redo: redone sectors
 */
void redo_drop(struct redo *redo)
{
	tdestroy(redo->tree, free);
	redo->tree = NULL;
}
