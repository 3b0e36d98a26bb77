// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all parts of the target ask of the table itself: that a checkpoint runs, and
 * what a bio says of an error.
 *
 * This file doesn't know what a checkpoint does, only its worker and its timer.
 */
#include "core/table.h"

/**
 * ic_checkpoint_kick() - start a checkpoint soon
 * @ic: the table
 *
 * Context: any.
 */
void ic_checkpoint_kick(struct inocrypt *ic)
{
	queue_work(ic->checkpoint_wq, &ic->checkpoint_work);
}

/**
 * ic_checkpoint_need() - start a checkpoint soon, as writers are or will be held back
 * @ic: the table
 *
 * While a checkpoint is under way no second one is queued, as the first may make enough
 * room; when it ends it looks whether another is due.  A caller that is going to wait,
 * and to give up by ic_checkpoint_failed(), must have read checkpoints.begun before this
 * call.
 *
 * Context: any.
 */
void ic_checkpoint_need(struct inocrypt *ic)
{
	/*
	 * This mustn't come before the caller has read checkpoints.begun: see
	 * checkpoint_work().
	 */
	smp_store_release(&ic->checkpoint_needed, true);
	/*
	 * Pairs with the barrier in checkpoint_work(): either this sees that the
	 * checkpoint has ended, or the checkpoint sees that another is needed.
	 */
	smp_mb();
	if (!READ_ONCE(ic->checkpoint_running))
		ic_checkpoint_kick(ic);
}

/**
 * ic_checkpoint_later() - see to it that a checkpoint runs in some seconds
 * @ic: the table
 *
 * Context: any.
 */
void ic_checkpoint_later(struct inocrypt *ic)
{
	if (!READ_ONCE(ic->stopping) &&
	    !delayed_work_pending(&ic->checkpoint_timer))
		queue_delayed_work(ic->checkpoint_wq, &ic->checkpoint_timer,
				   IC_CHECKPOINT_DELAY);
}

/**
 * ic_checkpoint_wait() - have a checkpoint run, if anything wants one, and wait
 * @ic: the table, loaded and writable
 *
 * Context: may sleep; no I/O of ours waits for the caller.
 * Return: 0, or its error.
 */
int ic_checkpoint_wait(struct inocrypt *ic)
{
	int err;

	ic_checkpoint_kick(ic);
	flush_work(&ic->checkpoint_work);
	err = READ_ONCE(ic->checkpoint_err);
	return READ_ONCE(ic->failed) && !err ? -EIO : err;
}

/**
 * ic_blk_status() - what a bio says of an error of ours
 * @err: 0 or a negative errno
 */
blk_status_t ic_blk_status(int err)
{
	switch (err) {
	case -EBADMSG:
	case -EILSEQ:
	case -ENOKEY:
	case -EKEYREJECTED:
		return BLK_STS_PROTECTION;
	case -EOVERFLOW:
	case -EAGAIN:
		return BLK_STS_IOERR;
	default:
		return errno_to_blk_status(err);
	}
}
