// SPDX-License-Identifier: GPL-2.0-only
/*
 * What memory knows of a tree node beside its contents.  Shared code.
 *
 * A node has two places on the disk.  The committed tree refers to one of them at
 * most, and that one is never written: a checkpoint writes the node to the other.
 * Which place it is the node's parent knows, as the node itself may leave memory;
 * so an all-zero node, which no word refers to, keeps its place, too.
 *
 * In the course of a checkpoint each dirty node goes through ic_node_take(), which
 * says what is written and where, and ic_node_name(), which tells the parent; then
 * through ic_node_committed(), or, at whichever step the checkpoint failed,
 * ic_node_failed().  Meanwhile the node may change, and be dirty again.
 */
#include "node_state.h"
#include "owner_record.h"

/**
 * ic_node_init() - of a node that is to be loaded
 * @s: to fill in
 * @geo: the volume's
 * @level: 0 for a leaf
 * @index: within its level
 */
void ic_node_init(struct ic_node_state *s, const struct ic_geometry *geo,
		  u32 level, u64 index)
{
	u32 slot;

	memset(s, 0, sizeof(*s));
	div_u64_rem(index, IC_FANOUT, &slot);
	s->slot = slot;
	s->sealed_place = -1;
	if (level)
		s->order = IC_SEAL_INNER + level - 1;
	else if (index >= geo->sector_leaf)
		s->order = IC_SEAL_SECTORS;
	else if (index >= geo->owner_leaf)
		s->order = IC_SEAL_OWNERS;
	else
		s->order = IC_SEAL_KEYS;
}

static void set_place(struct ic_node_state *parent, u32 slot, u32 place)
{
	u8 bit = 1 << slot % 8;

	if (place)
		parent->child_place[slot / 8] |= bit;
	else
		parent->child_place[slot / 8] &= ~bit;
}

/**
 * ic_node_loaded() - take up what a node says that was just loaded
 * @s: from ic_node_init()
 * @data: the node, as the committed tree has it, and so are its words
 *
 * Context: nobody else uses the node yet.
 * Return: true if a crash has cut an erasure in it short: ic_node_erase().
 */
bool ic_node_loaded(struct ic_node_state *s, const struct ic_node *data)
{
	u32 i;

	if (s->order >= IC_SEAL_INNER) {
		for (i = 0; i < IC_FANOUT; i++)
			set_place(s, i,
				  ic_word_place(le64_to_cpu(data->word[i])));
		return false;
	}
	if (s->order != IC_SEAL_OWNERS)
		return false;
	s->owners = ic_owners_in(data);
	return ic_left_to_erase(data);
}

/**
 * ic_node_changed() - the node's contents have changed
 * @s: of the node
 *
 * Context: what guards the contents is held.
 * Return: true if it wasn't dirty: the caller sees that the next checkpoint takes
 * it.
 */
bool ic_node_changed(struct ic_node_state *s)
{
	bool was = s->dirty;

	s->dirty = true;
	return !was;
}

/**
 * ic_node_erase() - what was in a leaf of owner records has to go from both places
 * @s: of the leaf, which ic_node_changed() has made dirty; what it holds now is to
 *	stay
 * @gen: the log's generation, the number of cuts so far
 *
 * One number says it all, because each generation is committed once, and in turn:
 * a checkpoint that fails leaves its cut to the next one.
 *
 * The checkpoint under way, whose cut is @gen, may have sealed the leaf as it was.
 * The leaf is dirty from now until @gen + 2 is committed: nobody but
 * ic_node_take() makes it clean, and ic_node_failed(), or ic_node_committed()
 * below that number, makes it dirty again.  So it is sealed, as it is now or later,
 * in the checkpoint that commits @gen + 1 and in the one that commits @gen + 2; and
 * each time in the place that isn't committed, so once in each.  What became of
 * checkpoints that failed on the way doesn't matter: they wrote to that place,
 * too, and the one that succeeds overwrites it.
 *
 * The same two commits take the log's salts away that the record was logged
 * under, which is why the one that may be under way doesn't count even if it has
 * the leaf to come: docs/crash-consistency.md, "Erasure".
 *
 * In recovery, before it begins a log of its own, no cut has been made and the
 * generation is 0: what is committed on the way doesn't count.
 *
 * Context: what guards the contents is held.
 * Return: the generation whose commit ends it.
 */
u64 ic_node_erase(struct ic_node_state *s, u64 gen)
{
	s->erase_until = gen + IC_ERASE_WRITES;
	return s->erase_until;
}

/* Is a writing of the leaf in generation @gen one of the two that erase? */
static bool erases(const struct ic_node_state *s, u64 gen)
{
	return s->erase_until && s->erase_until >= gen &&
	       s->erase_until < gen + IC_ERASE_WRITES;
}

/**
 * ic_node_place() - which place does the committed tree refer to?
 * @s: of the node
 * @parent: of its parent, NULL for the root
 *
 * Return: 0 or 1; if no word refers to the node, where it was last.
 */
u32 ic_node_place(const struct ic_node_state *s,
		  const struct ic_node_state *parent)
{
	if (!parent)
		return s->root_place;
	return parent->child_place[s->slot / 8] >> s->slot % 8 & 1;
}

/**
 * ic_node_take() - take from a dirty node what a checkpoint writes of it
 * @s: of the node
 * @parent: of its parent, NULL for the root
 * @data: its contents
 * @gen: the log's generation, which this checkpoint commits
 * @copy: receives what is to be written
 * @next: its nr_owners follows
 *
 * Context: what guards the contents is held.
 * Return: true if @copy is to be sealed and written to @s->sealed_place; false if it
 * is all zero, and needn't be.
 */
bool ic_node_take(struct ic_node_state *s, const struct ic_node_state *parent,
		  struct ic_node *data, u64 gen, struct ic_node *copy,
		  struct ic_state *next)
{
	bool erase = erases(s, gen);

	if (erase && s->erase_until == gen)
		ic_clear_tombstones(data);
	*copy = *data;
	s->dirty = false;
	if (s->order == IC_SEAL_OWNERS) {
		/*
		 * This counts the owners that the sealed leaves hold; recovery
		 * adds those of the log.
		 */
		s->sealed_owners = ic_owners_in(copy);
		next->nr_owners += s->sealed_owners;
		next->nr_owners -= s->owners;
	}
	s->sealed_place = -1;
	if (!erase && mem_is_zero(copy->payload, sizeof(copy->payload)))
		return false;
	s->sealed_place = !ic_node_place(s, parent);
	return true;
}

/**
 * ic_node_name() - tell who names a node which writing of it holds
 * @s: of the node, after ic_node_take()
 * @sealed: what is written; NULL if nothing is
 * @parent: the parent's contents, which this changes; NULL for the root
 * @next: for the root: what the superblock says of it
 *
 * Context: what guards the parent's contents is held.
 */
void ic_node_name(const struct ic_node_state *s, const struct ic_node *sealed,
		  struct ic_node *parent, struct ic_state *next)
{
	u64 word = sealed ? ic_word(sealed->tag, s->sealed_place) : 0;

	if (parent) {
		parent->word[s->slot] = cpu_to_le64(word);
	} else if (sealed) {
		memcpy(next->root_tag, sealed->tag, IC_TAG_SIZE);
		next->root_place = s->sealed_place;
	} else {
		memset(next->root_tag, 0, IC_TAG_SIZE);
	}
}

/**
 * ic_node_committed() - the checkpoint that took the node is committed
 * @s: of the node
 * @parent: of its parent, NULL for the root
 * @gen: the log's generation that it has committed
 *
 * Context: what guards the contents is held; the checkpoint.
 * Return: true if its other place has what is to be erased, so that the node has to
 * be written again: ic_node_changed().
 */
bool ic_node_committed(struct ic_node_state *s, struct ic_node_state *parent,
		       u64 gen)
{
	if (s->sealed_place >= 0) {
		if (parent)
			set_place(parent, s->slot, s->sealed_place);
		else
			s->root_place = s->sealed_place;
	}
	s->sealed_place = -1;
	s->owners = s->sealed_owners;
	return s->erase_until > gen;
}

/**
 * ic_node_failed() - the checkpoint that took the node has failed
 * @s: of the node
 *
 * Its committed place is what it was.  So is what is to be erased, as that goes by
 * what is committed.
 *
 * Context: what guards the contents is held; the checkpoint.
 * Return: as ic_node_changed(): the node differs from what is committed.
 */
bool ic_node_failed(struct ic_node_state *s)
{
	s->sealed_place = -1;
	return ic_node_changed(s);
}
