// SPDX-License-Identifier: GPL-2.0-only
/*
 * An owner's record from its making to its erasure.  Shared code.
 *
 * The record has the salt that the owner's key derives from.  When the owner is
 * forgotten a tombstone takes the record's place, and stays until neither place
 * of the leaf has the salt any more.  A crash before that leaves the tombstone, in
 * the leaf or in the log, and whoever finds it begins the erasure anew.  An inode
 * number may be used again while that is under way: the new owner's record takes
 * the tombstone's place, and is marked so that it tells a finder the same.
 *
 * When the erasure is done: node_state.c.
 */
#include "owner_record.h"

/**
 * ic_owner_tombstone() - the record of an owner that is forgotten
 * @rec: receives it
 * @gen: the owner's generation
 */
void ic_owner_tombstone(union ic_record *rec, u32 gen)
{
	memset(rec, 0, sizeof(*rec));
	rec->owner.gen = cpu_to_le32(gen);
	rec->owner.flags = cpu_to_le16(IC_OWNER_ERASED);
}

/**
 * ic_owner_set() - make or forget an owner
 * @at: its record in memory
 * @rec: a new owner's, with a salt of its own, or a tombstone; on return it is as
 *	it is to be logged
 *
 * Context: what guards the leaf is held.
 * Return: what is to be done about the leaf, never IC_OWNER_SAME.
 */
enum ic_owner_change ic_owner_set(union ic_record *at, union ic_record *rec)
{
	bool erases = at->owner.flags;

	/*
	 * If the record that is replaced says that a salt is still to be erased,
	 * the new one has to say so, too.
	 */
	if (erases && ic_owner_used(rec))
		rec->owner.flags |= cpu_to_le16(IC_OWNER_ERASING);
	*at = *rec;
	return erases ? IC_OWNER_ERASES : IC_OWNER_FRESH;
}

/**
 * ic_owner_replay() - recovery applies a record that the log has
 * @at: the owner's record in memory
 * @rec: as ic_owner_set() made it
 *
 * If it is there already an earlier recovery has applied it, and committed it on
 * the way.  That one's leaf has what says that there is something to erase.
 *
 * Context: what guards the leaf is held.
 * Return: what is to be done about the leaf.
 */
enum ic_owner_change ic_owner_replay(union ic_record *at,
				     const union ic_record *rec)
{
	bool erases = at->owner.flags;

	if (!memcmp(at, rec, sizeof(*at)))
		return IC_OWNER_SAME;
	*at = *rec;
	return erases ? IC_OWNER_ERASES : IC_OWNER_FRESH;
}

/**
 * ic_owners_in() - count the owners in a leaf
 * @leaf: of owner records
 */
unsigned int ic_owners_in(const struct ic_node *leaf)
{
	unsigned int i, n = 0;

	for (i = 0; i < IC_LEAF_RECORDS; i++)
		n += ic_owner_used(&leaf->rec[i]);
	return n;
}

/**
 * ic_left_to_erase() - did a crash cut an erasure short?
 * @leaf: of owner records, as it was committed
 *
 * Return: true if its other place may hold the salt of an owner that is gone.
 */
bool ic_left_to_erase(const struct ic_node *leaf)
{
	unsigned int i;

	for (i = 0; i < IC_LEAF_RECORDS; i++)
		if (le16_to_cpu(leaf->rec[i].owner.flags) &
		    (IC_OWNER_ERASED | IC_OWNER_ERASING))
			return true;
	return false;
}

/**
 * ic_clear_tombstones() - before the last of the two writings that erase a leaf
 * @leaf: of owner records; what it forgot is gone from both places with this
 */
void ic_clear_tombstones(struct ic_node *leaf)
{
	unsigned int i;

	for (i = 0; i < IC_LEAF_RECORDS; i++) {
		struct ic_owner_record *rec = &leaf->rec[i].owner;

		if (le16_to_cpu(rec->flags) & IC_OWNER_ERASED)
			memset(rec, 0, sizeof(*rec));
		rec->flags &= ~cpu_to_le16(IC_OWNER_ERASING);
	}
}
