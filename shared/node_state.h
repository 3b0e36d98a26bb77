/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What memory knows of a tree node beside its contents: where it may be written,
 * and what a checkpoint does to it.
 */
#ifndef IC_NODE_STATE_H
#define IC_NODE_STATE_H

#include "format.h"

/*
 * Nodes are sealed in this order: sector leaves, then owner leaves, then key
 * leaves, so that a sealed sector record's owner, and an owner's key slot, are
 * sealed no earlier than what names them; then the inner levels.
 */
enum ic_seal_order {
	IC_SEAL_SECTORS,
	IC_SEAL_OWNERS,
	IC_SEAL_KEYS,
	IC_SEAL_INNER,		/* level 1; level 2 follows, ... */
	IC_SEAL_ORDERS = IC_SEAL_INNER + IC_MAX_LEVELS - 1
};

/* Checkpoints that write the leaf of what is erased: one for each place. */
#define IC_ERASE_WRITES		2

/**
 * struct ic_node_state - what memory knows of a node
 * @erase_until: of a leaf of owner records: the log's generation whose commit
 *	leaves nothing of what was erased in either place; 0 if nothing ever was
 * @order: its place in &enum ic_seal_order
 * @slot: its word in its parent
 * @dirty: it differs from what the last checkpoint sealed
 * @sealed_place: the place that the running checkpoint writes it to; -1 if none, as
 *	the node is all zero or isn't sealed
 * @root_place: of the root: the place that the committed superblock refers to
 * @owners: of a leaf of owner records: owners in its committed writing
 * @sealed_owners: owners in the running checkpoint's writing
 * @child_place: of an inner node: for each child, the place that the committed
 *	tree refers to; one bit each
 *
 * What guards the node's contents guards @erase_until and @dirty, too.  @order and
 * @slot don't change; the others are the checkpoint's, once the node is loaded.
 */
struct ic_node_state {
	u64	erase_until;
	u16	slot;
	u8	order;
	bool	dirty;
	s8	sealed_place;
	u8	root_place;
	u8	owners;
	u8	sealed_owners;
	u8	child_place[(IC_FANOUT + 7) / 8];
};

void ic_node_init(struct ic_node_state *s, const struct ic_geometry *geo,
		  u32 level, u64 index);
bool ic_node_loaded(struct ic_node_state *s, const struct ic_node *data);
bool ic_node_changed(struct ic_node_state *s);
u64 ic_node_erase(struct ic_node_state *s, u64 gen);
u32 ic_node_place(const struct ic_node_state *s,
		  const struct ic_node_state *parent);
bool ic_node_take(struct ic_node_state *s, const struct ic_node_state *parent,
		  struct ic_node *data, u64 gen, struct ic_node *copy,
		  struct ic_state *next);
void ic_node_name(const struct ic_node_state *s, const struct ic_node *sealed,
		  struct ic_node *parent, struct ic_state *next);
bool ic_node_committed(struct ic_node_state *s, struct ic_node_state *parent,
		       u64 gen);
bool ic_node_failed(struct ic_node_state *s);

#endif /* IC_NODE_STATE_H */
