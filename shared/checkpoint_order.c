// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order of a checkpoint.  Shared code.
 *
 * Whatever was logged before the cut has its effect in memory, so the nodes that
 * are sealed after it hold it.  They may hold more: writes go on.  Two things
 * make that harmless.  All records in a node are of data writes that had completed
 * before the flush below.  And everything since the cut is logged under the new
 * salt, whether a sealed node has it or not, and all of it that was logged by the end
 * of sealing is durable before the superblock: recovery, which applies the log
 * from the cut on, never ends behind what the tree held already.
 *
 * Data that is in the log, and whose writer was told that it is durable, leaves
 * the log with the commit: so it has to be in place before the flush.
 */
#include "checkpoint_order.h"

static int end(const struct ic_commit_ops *ops, void *home,
	       struct ic_state *next, int err)
{
	/* Whichever step has failed, what is sealed isn't committed. */
	if (err)
		ops->failed(home, err);
	else
		ops->committed(home, next);
	memzero_explicit(next, sizeof(*next));
	return err;
}

/**
 * ic_commit() - run one checkpoint
 * @ops: the home's
 * @home: handed to @ops
 * @state: the committed state
 *
 * Context: may sleep; one at a time.
 * Return: 0 or a negative errno.
 */
int ic_commit(const struct ic_commit_ops *ops, void *home,
	      const struct ic_state *state)
{
	struct ic_state next = *state;
	int err;

	next.epoch++;
	err = ops->cut(home, &next);
	if (!err)
		err = ops->seal(home, &next);
	if (!err)
		err = ops->relogged(home);
	if (!err)
		err = ops->in_place(home);
	if (!err)
		err = ops->flush(home);
	if (!err)
		err = ops->write_super(home, &next);
	return end(ops, home, &next, err);
}

/**
 * ic_commit_same() - commit once more what is committed
 * @ops: the home's
 * @home: handed to @ops
 * @state: the committed state
 *
 * This is written over the other copy of the superblock, which could not be read and
 * was passed over.  It may be the newer one, so the places that its tree has are
 * free only when it is gone.
 *
 * Context: may sleep; before the first ic_commit().
 * Return: 0 or a negative errno.
 */
int ic_commit_same(const struct ic_commit_ops *ops, void *home,
		   const struct ic_state *state)
{
	struct ic_state next = *state;

	next.epoch++;
	return end(ops, home, &next, ops->write_super(home, &next));
}
