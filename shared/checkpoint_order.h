/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a checkpoint does, and in which order.
 */
#ifndef IC_CHECKPOINT_ORDER_H
#define IC_CHECKPOINT_ORDER_H

#include "format.h"

/**
 * struct ic_commit_ops - the steps of a checkpoint
 * @cut: cut the log, unless a cut is outstanding; set @next's log_salt and
 *	log_seq
 * @seal: write every changed node to its other place, leaves first; set @next's
 *	root, flags and nr_owners
 * @relogged: wait until all that is logged by now is written
 * @in_place: wait until the data of writes is in place whose data was logged
 *	before the cut; these writes wait for nothing but the device
 * @flush: flush the sidecar, and the data device
 * @write_super: seal the superblock, write it and make it durable; an error of the
 *	writing leaves it unknown which one holds, so that the home has to stop
 * @committed: @next is the committed state
 * @failed: a step has failed, so that the committed state is the one before, as far
 *	as is known: all that was changed for this checkpoint has to be undone
 *
 * All may sleep; those that return int return 0 or a negative errno.
 */
struct ic_commit_ops {
	int (*cut)(void *home, struct ic_state *next);
	int (*seal)(void *home, struct ic_state *next);
	int (*relogged)(void *home);
	int (*in_place)(void *home);
	int (*flush)(void *home);
	int (*write_super)(void *home, const struct ic_state *next);
	void (*committed)(void *home, const struct ic_state *next);
	void (*failed)(void *home, int err);
};

int ic_commit(const struct ic_commit_ops *ops, void *home,
	      const struct ic_state *state);
int ic_commit_same(const struct ic_commit_ops *ops, void *home,
		   const struct ic_state *state);

#endif /* IC_CHECKPOINT_ORDER_H */
