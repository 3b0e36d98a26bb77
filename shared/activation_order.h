/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an activation does, and in which order: from the devices as somebody left
 * them to a volume that can be used.
 */
#ifndef IC_ACTIVATION_ORDER_H
#define IC_ACTIVATION_ORDER_H

#include "log_ring.h"
#include "recover.h"

struct ic_activation;

/**
 * struct ic_activation_ops - the steps of an activation
 * @flush: flush the sidecar
 * @judge: read both copies of the superblock and judge them, by ic_super_judge() or
 *	ic_super_unread(); an error only for want of memory or of keys
 * @chosen: @best is what the volume is to go on from: take its state over.  @other
 *	is the other copy, perhaps unusable
 * @load_root: read the root of the tree which that names
 * @recover: run ic_recover() with the home's ops, and set @a->nr_unsettled
 * @new_salt: draw a salt for generation @gen of the own log, and set its key
 * @adopt: log anew what recovery left unsettled, by ic_log_adopt()
 * @commit: make a checkpoint whose log is the own one
 *
 * All may sleep; those that return int return 0 or a negative errno.
 */
struct ic_activation_ops {
	int (*flush)(void *home);
	int (*judge)(void *home, struct ic_super_copy copy[2]);
	void (*chosen)(void *home, const struct ic_super_copy *best,
		       const struct ic_super_copy *other);
	int (*load_root)(void *home);
	int (*recover)(void *home, struct ic_activation *a);
	int (*new_salt)(void *home, u64 gen);
	void (*adopt)(void *home);
	int (*commit)(void *home);
};

/**
 * struct ic_activation - one activation
 * @ops: the home's
 * @home: handed to @ops
 * @params: what the volume was when its keys were derived
 * @recovery: what @ops->recover fills in
 * @log: the ring, empty
 * @read_only: nothing may be written
 * @nr_unsettled: sectors that recovery left unsettled
 * @why: out: why no superblock was chosen, a string for people; or NULL
 * @super_lost: out: only one copy of the superblock is usable ...
 * @super_unread: out: ... as the other can't be read, and may be the newer one
 * @no_room: out: the log has no room for what is unsettled
 */
struct ic_activation {
	const struct ic_activation_ops	*ops;
	void				*home;
	const struct ic_params		*params;
	struct ic_recovery		*recovery;
	struct ic_log			*log;
	bool				read_only;
	u32				nr_unsettled;
	const char			*why;
	bool				super_lost;
	bool				super_unread;
	bool				no_room;
};

int ic_activate(struct ic_activation *a);

/**
 * ic_unsettled_max() - how many sectors may be left unsettled by a recovery
 * @log: the ring
 *
 * The log, and its memory, have room for so many, whatever else fails.
 */
static inline u32 ic_unsettled_max(const struct ic_log *log)
{
	return log->live_max / 2;
}

#endif /* IC_ACTIVATION_ORDER_H */
