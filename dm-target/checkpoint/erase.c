// SPDX-License-Identifier: GPL-2.0-only
/*
 * Erasure: waiting until the salts of forgotten owners are gone.
 *
 * Two checkpoints whose cuts follow a forget do it.  Each writes the owner's leaf
 * to its other place, so both places are new.  Each draws a salt for the log
 * after the owner's record was last logged, and overwrites one of the two
 * superblocks, so nothing leads to the log that has the record any more.
 * docs/crash-consistency.md has it at length.
 */
#include "keys/owners.h"
#include "checkpoint/checkpoint.h"

/**
 * ic_erase_pending() - does an erasure wait for another checkpoint?
 * @ic: the table
 */
bool ic_erase_pending(struct inocrypt *ic)
{
	return READ_ONCE(ic->committed_gen) <
	       (u64)atomic64_read(&ic->erase_until);
}

/**
 * ic_erase_look() - before ic_erase_sync(): look at one more leaf of owner records
 * @ic: the table, active
 *
 * A crash may have left leaves that nobody has looked at since.
 *
 * Context: may sleep and do I/O.
 * Return: 0 if all were looked at, 1 if there are more, -EROFS, or the error of reading
 * owner records.
 */
int ic_erase_look(struct inocrypt *ic)
{
	return ic->read_only ? -EROFS : ic_owners_see(ic);
}

/**
 * ic_erase_sync() - wait until the salts of forgotten owners are gone
 * @ic: the table, active, writable; ic_erase_look() has returned 0
 *
 * That concerns all owners that were forgotten before the call, also before a crash.
 *
 * Context: may sleep and do I/O; no I/O of ours waits for the caller.
 * Return: 0, or the error of a checkpoint.
 */
int ic_erase_sync(struct inocrypt *ic)
{
	u64 until = atomic64_read(&ic->erase_until);
	int err = 0;

	/* Others that wait use the same checkpoints. */
	while (!err && READ_ONCE(ic->committed_gen) < until)
		err = ic_checkpoint_wait(ic);
	return err;
}
