/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An owner's record from its making to its erasure.
 */
#ifndef IC_OWNER_RECORD_H
#define IC_OWNER_RECORD_H

#include "format.h"

/**
 * enum ic_owner_change - what a new record means for its leaf
 * @IC_OWNER_SAME: it was there already
 * @IC_OWNER_FRESH: nothing was in its place
 * @IC_OWNER_ERASES: what was in its place has to go from both places of the leaf:
 *	ic_node_erase()
 */
enum ic_owner_change { IC_OWNER_SAME, IC_OWNER_FRESH, IC_OWNER_ERASES };

void ic_owner_tombstone(union ic_record *rec, u32 gen);
enum ic_owner_change ic_owner_set(union ic_record *at, union ic_record *rec);
enum ic_owner_change ic_owner_replay(union ic_record *at,
				     const union ic_record *rec);
unsigned int ic_owners_in(const struct ic_node *leaf);
bool ic_left_to_erase(const struct ic_node *leaf);
void ic_clear_tombstones(struct ic_node *leaf);

/* Is a record an owner's, not a tombstone, a lost one, or nothing? */
static inline bool ic_owner_used(const union ic_record *rec)
{
	return le16_to_cpu(rec->owner.flags) & IC_OWNER_USED;
}

#endif /* IC_OWNER_RECORD_H */
