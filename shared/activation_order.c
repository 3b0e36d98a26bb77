// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order of an activation.  Shared code.
 *
 * The devices may hold in their caches what nobody has flushed: the volume may have
 * failed, or its module may have gone, while the power stayed.  What is read then is
 * the newest, and a power cut may still take it away.  So the sidecar is flushed
 * before anything is read that a write of ours is based on: a superblock that was
 * read and isn't durable would free the places of the tree before it, and data would
 * be put in place whose log could be lost.  The data device needs no flush of its
 * own here: the first commit flushes it, and before that the log stays.
 *
 * A read-only activation writes nothing, so it flushes nothing: what it shows is what
 * a plain disk would show.
 *
 * The old log stays as it is until the superblock is committed that begins the own
 * one, behind it and under a fresh salt.  Until then, whatever happens, the next
 * activation comes to the same result.
 */
#include "activation_order.h"

/* Find the superblock to go on from. */
static int choose(struct ic_activation *a)
{
	struct ic_super_copy copy[2];
	int best;

	a->why = "can't look at it";
	best = a->ops->judge(a->home, copy);
	if (!best)
		best = ic_super_choose(copy, &a->why);
	if (best >= 0 && memcmp(&copy[best].params, a->params,
				sizeof(*a->params))) {
		a->why = "it was formatted anew since the table was loaded";
		best = -ESTALE;
	}
	if (best >= 0) {
		const struct ic_super_copy *other = &copy[!best];

		a->why = NULL;
		a->super_lost = other->err;
		/*
		 * A commit would overwrite what the unread superblock hides. The
		 * log tells which one is newer.
		 */
		a->super_unread = other->verdict == IC_SUPER_UNREAD &&
				  !a->read_only;
		a->ops->chosen(a->home, &copy[best], other);
	}
	memzero_explicit(copy, sizeof(copy));
	return best < 0 ? best : 0;
}

/* Begin a log of our own, and commit what was recovered. */
static int begin_own_log(struct ic_activation *a)
{
	const struct ic_recovery *r = a->recovery;
	u32 again = a->nr_unsettled / IC_LOG_ENTRIES + 1;
	int err;

	/* The old log must stay as it is until the superblock is written. */
	if (a->nr_unsettled && r->next - r->start + again > a->log->blocks) {
		a->no_room = true;
		return -EIO;
	}
	ic_log_start(a->log, r->next);
	err = a->ops->new_salt(a->home, a->log->gen);
	if (err)
		return err;
	a->ops->adopt(a->home);
	return a->ops->commit(a->home);
}

/**
 * ic_activate() - bring a volume up to its log, and make the log its own
 * @a: all but what is marked "out" set
 *
 * Context: may sleep; nobody else uses the volume.
 * Return: 0 or a negative errno.
 */
int ic_activate(struct ic_activation *a)
{
	int err = 0;

	a->nr_unsettled = 0;
	a->why = NULL;
	a->super_lost = false;
	a->super_unread = false;
	a->no_room = false;
	if (!a->read_only)
		err = a->ops->flush(a->home);
	if (!err)
		err = choose(a);
	if (!err)
		err = a->ops->load_root(a->home);
	if (!err)
		err = a->ops->recover(a->home, a);
	if (!err && !a->read_only)
		err = begin_own_log(a);
	return err;
}
