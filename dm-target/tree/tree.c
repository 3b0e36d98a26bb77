// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sidecar as an array of records: get, set, and make a range zero.
 */
#include "tree/tree.h"

/* Walk the leaves that hold @io's records; they were pinned, or pin them. */
struct leaf_iter {
	u64	sector;		/* of the part's first record */
	u64	leaf;		/* the part's leaf */
	u32	first;		/* record in the leaf */
	u32	count;		/* records of this part */
	u32	done;		/* records of @io before this part */
};

static bool leaf_part(const struct ic_io *io, struct leaf_iter *it)
{
	const struct ic_geometry *geo = &io->ic->geo;
	u32 left;

	it->done += it->count;
	left = ic_io_sectors(io) - it->done;
	if (!left)
		return false;
	it->sector = io->range.start + it->done;
	it->leaf = geo->sector_leaf + div_u64_rem(it->sector, IC_LEAF_RECORDS,
						  &it->first);
	it->count = min_t(u32, left, IC_LEAF_RECORDS - it->first);
	return true;
}

/**
 * ic_kind_of_record() - what messages call records of a kind
 * @geo: the volume's
 * @first_leaf: of that kind
 */
const char *ic_kind_of_record(const struct ic_geometry *geo, u64 first_leaf)
{
	if (first_leaf == geo->sector_leaf)
		return "sector";
	return first_leaf ? "owner" : "key slot";
}

static struct ic_cnode *get_leaf(struct inocrypt *ic, u64 leaf, bool wait)
{
	struct ic_cnode *node;

	if (wait)
		return ic_node_get(ic, 0, leaf);
	node = ic_node_try(ic, 0, leaf);
	if (!node)
		return ERR_PTR(-EAGAIN);
	ic_count(ic, IC_STAT_NODE_HITS);
	return node;
}

/*
 * Pin a leaf to change records in it. If it is damaged it is written anew, as
 * its other records were lost already. Recovery doesn't do so: it leaves out
 * what concerns such a leaf. Nor is it done if the leaf can't be read, as that
 * may pass.
 */
static struct ic_cnode *get_leaf_to_write(struct inocrypt *ic, u64 leaf,
					  bool wait)
{
	struct ic_cnode *node = get_leaf(ic, leaf, wait);
	int err;

	if (!ic->loaded || ic->read_only)
		return node;
	if (node == ERR_PTR(-EBADMSG))
		node = ic_leaf_replace(ic, leaf);
	if (node == ERR_PTR(-EBADMSG))
		DMERR_LIMIT("%s: can't write below a damaged inner node: see inocrypt check",
			    dm_device_name(ic->vol->md));
	if (IS_ERR(node) || !READ_ONCE(node->replaced))
		return node;
	err = wait ? ic_leaf_wait_committed(ic, node) : -EAGAIN;
	if (!err)
		return node;
	ic_node_put(ic, node);
	return ERR_PTR(err);
}

/**
 * ic_read_records() - copy the records of @io's sectors
 * @ic: the table
 * @io: range locked, rec allocated
 * @wait: may sleep and do I/O
 *
 * As the range is locked they stay what they are while @io is under way.
 *
 * Context: process.
 * Return: 0, -EAGAIN if they can't be had without waiting, -EBADMSG, or another
 * negative errno.
 */
int ic_read_records(struct inocrypt *ic, struct ic_io *io, bool wait)
{
	struct leaf_iter it = { };

	while (leaf_part(io, &it)) {
		struct ic_cnode *node = get_leaf(ic, it.leaf, wait);

		if (IS_ERR(node))
			return PTR_ERR(node);
		spin_lock(&node->lock);
		memcpy(io->rec + it.done, &node->data->rec[it.first],
		       it.count * IC_RECORD_SIZE);
		spin_unlock(&node->lock);
		ic_node_put(ic, node);
	}
	return 0;
}

/* Is a leaf neither in memory nor known to be all zero? */
static bool to_read(struct inocrypt *ic, u64 leaf)
{
	struct ic_cnode *node = ic_node_try(ic, 0, leaf), *parent;
	bool used = true;

	if (node) {
		ic_node_put(ic, node);
		return false;
	}
	parent = ic_node_try(ic, 1, leaf / IC_FANOUT);
	if (parent) {
		spin_lock(&parent->lock);
		used = parent->data->word[leaf % IC_FANOUT];
		spin_unlock(&parent->lock);
		ic_node_put(ic, parent);
	}
	return used;
}

/**
 * ic_leaves_to_read() - will ic_read_records() have to wait for the device?
 * @ic: the table
 * @io: range locked
 *
 * It may turn out otherwise, as leaves come and go.
 *
 * Context: process.
 */
bool ic_leaves_to_read(struct inocrypt *ic, struct ic_io *io)
{
	struct leaf_iter it = { };

	while (leaf_part(io, &it))
		if (to_read(ic, it.leaf))
			return true;
	return false;
}

/**
 * ic_pin_leaves() - have the leaves of @io's records in memory
 * @ic: the table
 * @io: a write, range locked; ic_io_release() drops the pins
 * @wait: may sleep and do I/O
 *
 * Context: process.
 * Return: 0, -EAGAIN if they can't be had without waiting, -EBADMSG, or another
 * negative errno.
 */
int ic_pin_leaves(struct inocrypt *ic, struct ic_io *io, bool wait)
{
	struct leaf_iter it = { };
	u32 i = 0;

	while (leaf_part(io, &it)) {
		struct ic_cnode *node = get_leaf_to_write(ic, it.leaf, wait);

		if (IS_ERR(node))
			return PTR_ERR(node);
		io->leaf[i++] = node;
	}
	return 0;
}

/**
 * ic_leaves_empty() - have @io's sectors no records?
 * @ic: the table
 * @io: a write with its leaves pinned
 *
 * Context: any but hard interrupt.
 */
bool ic_leaves_empty(struct inocrypt *ic, struct ic_io *io)
{
	struct leaf_iter it = { };
	bool empty = true;
	u32 i = 0;

	while (empty && leaf_part(io, &it)) {
		struct ic_cnode *node = io->leaf[i++];

		spin_lock(&node->lock);
		empty = mem_is_zero(&node->data->rec[it.first],
				    it.count * IC_RECORD_SIZE);
		spin_unlock(&node->lock);
	}
	return empty;
}

/**
 * ic_store_records() - the data is written: its records take effect
 * @ic: the table
 * @io: a write with its leaves pinned and rec filled in
 *
 * Context: any but hard interrupt.
 */
void ic_store_records(struct inocrypt *ic, struct ic_io *io)
{
	struct leaf_iter it = { };
	u32 i = 0;

	while (leaf_part(io, &it)) {
		struct ic_cnode *node = io->leaf[i++];

		spin_lock(&node->lock);
		memcpy(&node->data->rec[it.first], io->rec + it.done,
		       it.count * IC_RECORD_SIZE);
		ic_node_dirty(ic, node);
		spin_unlock(&node->lock);
	}
}

/* Copy a record of @node, which may be an ERR_PTR, and put that. */
static int copy_record(struct inocrypt *ic, struct ic_cnode *node, u32 slot,
		       union ic_record *rec)
{
	if (IS_ERR(node))
		return PTR_ERR(node);
	spin_lock(&node->lock);
	*rec = node->data->rec[slot];
	spin_unlock(&node->lock);
	ic_node_put(ic, node);
	return 0;
}

/**
 * ic_get_record() - copy one owner or key record
 * @ic: the table
 * @leaf: first leaf of its kind
 * @nr: number among its kind
 * @rec: receives it
 *
 * Context: may sleep and do I/O.
 * Return: 0 or a negative errno.
 */
int ic_get_record(struct inocrypt *ic, u64 leaf, u64 nr, union ic_record *rec)
{
	u32 slot;

	leaf += div_u64_rem(nr, IC_LEAF_RECORDS, &slot);
	return copy_record(ic, ic_node_get(ic, 0, leaf), slot, rec);
}

/**
 * ic_get_record_to_write() - copy one owner or key record that is to be changed
 * @ic: the table, loaded
 * @leaf: first leaf of its kind
 * @nr: number among its kind
 * @rec: receives it; a lost one if its leaf was damaged
 *
 * Context: may sleep and do I/O, and wait for a checkpoint.
 * Return: 0 or a negative errno.
 */
int ic_get_record_to_write(struct inocrypt *ic, u64 leaf, u64 nr,
			   union ic_record *rec)
{
	u32 slot;

	leaf += div_u64_rem(nr, IC_LEAF_RECORDS, &slot);
	return copy_record(ic, get_leaf_to_write(ic, leaf, true), slot, rec);
}

/**
 * ic_leaf_get_used() - pin a leaf unless all its records are zero for sure
 * @ic: the table
 * @leaf: its index
 *
 * Context: may sleep and do I/O.
 * Return: the leaf, NULL if it isn't cached and its parent says it is all zero,
 * or an ERR_PTR.
 */
struct ic_cnode *ic_leaf_get_used(struct inocrypt *ic, u64 leaf)
{
	struct ic_cnode *node = ic_node_peek(ic, 0, leaf), *parent;
	bool used;

	if (node)
		return node;
	parent = ic_node_get(ic, 1, leaf / IC_FANOUT);
	if (IS_ERR(parent))
		return parent;
	spin_lock(&parent->lock);
	used = parent->data->word[leaf % IC_FANOUT];
	spin_unlock(&parent->lock);
	if (used)
		node = ic_node_get(ic, 0, leaf);
	else
		node = ic_node_peek(ic, 0, leaf);
	ic_node_put(ic, parent);
	return node;
}

/**
 * ic_set_record() - change one sector or key record
 * @ic: the table
 * @leaf: first leaf of its kind
 * @nr: number among its kind
 * @rec: its new contents
 *
 * Context: may sleep and do I/O.
 * Return: 0 or a negative errno.
 */
int ic_set_record(struct inocrypt *ic, u64 leaf, u64 nr,
		  const union ic_record *rec)
{
	struct ic_cnode *node;
	u32 slot;

	leaf += div_u64_rem(nr, IC_LEAF_RECORDS, &slot);
	node = get_leaf_to_write(ic, leaf, true);
	if (IS_ERR(node))
		return PTR_ERR(node);
	spin_lock(&node->lock);
	node->data->rec[slot] = *rec;
	ic_node_dirty(ic, node);
	spin_unlock(&node->lock);
	ic_node_put(ic, node);
	return 0;
}

/* Put a record in an owner's place: a @new one, or one that is @logged. */
static int put_owner(struct inocrypt *ic, u32 ino, union ic_record *new,
		     const union ic_record *logged)
{
	enum ic_owner_change change;
	struct ic_cnode *node;
	union ic_record *at;
	u32 slot;
	u64 leaf = div_u64_rem(ino, IC_LEAF_RECORDS, &slot);
	bool used;

	node = get_leaf_to_write(ic, ic->geo.owner_leaf + leaf, true);
	if (IS_ERR(node))
		return PTR_ERR(node);
	at = &node->data->rec[slot];
	spin_lock(&node->lock);
	used = ic_owner_used(at);
	change = new ? ic_owner_set(at, new) : ic_owner_replay(at, logged);
	atomic64_add(ic_owner_used(at) - used, &ic->nr_owners);
	if (change == IC_OWNER_ERASES)
		ic_erase_begin(ic, node);
	else if (change == IC_OWNER_FRESH)
		ic_node_dirty(ic, node);
	spin_unlock(&node->lock);
	ic_node_put(ic, node);
	return 0;
}

/**
 * ic_set_owner() - make or forget an owner
 * @ic: the table, loaded
 * @ino: its inode number
 * @rec: its new record; on return it is as it is to be logged
 *
 * Context: may sleep and do I/O, and wait for a checkpoint; owner_mutex held.
 * Return: 0 or a negative errno.
 */
int ic_set_owner(struct inocrypt *ic, u32 ino, union ic_record *rec)
{
	lockdep_assert_held(&ic->owner_mutex);
	return put_owner(ic, ino, rec, NULL);
}

/**
 * ic_replay_owner() - recovery applies an owner's record
 * @ic: the table, recovering
 * @ino: the owner's inode number
 * @rec: as the log has it
 *
 * Context: may sleep and do I/O.
 * Return: 0 or a negative errno.
 */
int ic_replay_owner(struct inocrypt *ic, u32 ino, const union ic_record *rec)
{
	return put_owner(ic, ino, NULL, rec);
}

/* Zero a leaf's records [@first, @last]. */
static void zero_leaf(struct inocrypt *ic, struct ic_cnode *node, u32 first,
		      u32 last)
{
	void *start = &node->data->rec[first];
	size_t len = (last - first + 1) * IC_RECORD_SIZE;

	spin_lock(&node->lock);
	if (!mem_is_zero(start, len)) {
		memset(start, 0, len);
		ic_node_dirty(ic, node);
	}
	spin_unlock(&node->lock);
}

/* Leaves below one node of @level. */
static u64 leaves_below(u32 level)
{
	u64 n = 1;

	while (level--)
		n *= IC_FANOUT;
	return n;
}

static int zero_below(struct inocrypt *ic, struct ic_cnode *node, u64 first,
		      u64 last, u64 *next);

/* @node's child @slot and all below it hold nothing. */
static void cut_word(struct inocrypt *ic, struct ic_cnode *node, u32 slot)
{
	lockdep_assert_held(&node->lock);
	if (node->data->word[slot]) {
		node->data->word[slot] = 0;
		ic_node_dirty(ic, node);
	}
}

/*
 * Leaves [@first, @last] below child @slot of @node become zero; @whole if
 * those are all of them.
 *
 * A leaf that isn't cached is cut off without being read: its committed place
 * stays in its parent's bitmap.  An inner node is never cut off, as its
 * children's places would be forgotten, and a new writing of one might go where
 * the committed tree has the old.
 */
static int zero_child(struct inocrypt *ic, struct ic_cnode *node, u32 slot,
		      u64 first, u64 last, bool whole, u64 *next)
{
	u64 index = node->index * IC_FANOUT + slot;
	struct ic_cnode *child;
	bool zero = false;
	int err = 0;

	child = ic_node_peek(ic, node->level - 1, index);
	if (!child && whole) {
		spin_lock(&node->lock);
		if (node->level == 1)
			cut_word(ic, node, slot);
		zero = !node->data->word[slot];
		spin_unlock(&node->lock);
	}
	if (zero)
		return 0;
	if (!child)
		child = ic_node_get(ic, node->level - 1, index);
	if (whole && child == ERR_PTR(-EBADMSG)) {
		/*
		 * Nothing below can be reached, so there is no place to
		 * protect.
		 */
		spin_lock(&node->lock);
		cut_word(ic, node, slot);
		spin_unlock(&node->lock);
		return 0;
	}
	if (IS_ERR(child))
		return PTR_ERR(child);
	if (child->level)
		err = zero_below(ic, child, first, last, next);
	else
		zero_leaf(ic, child, 0, IC_LEAF_RECORDS - 1);
	ic_node_put(ic, child);
	return err;
}

/* Leaves [@first, @last], all below @node, become zero; @next follows. */
static int zero_below(struct inocrypt *ic, struct ic_cnode *node, u64 first,
		      u64 last, u64 *next)
{
	u64 span = leaves_below(node->level - 1);
	u64 leaf, end;
	int err = 0;

	for (leaf = first; leaf <= last && !err; leaf = end + 1) {
		u64 index = div64_u64(leaf, span);
		u64 start = index * span;

		end = min(start + span - 1, last);
		err = zero_child(ic, node, index - node->index * IC_FANOUT,
				 leaf, end, leaf == start &&
				 end == start + span - 1, next);
		if (!err)
			*next = end + 1;
		cond_resched();
	}
	return err;
}

static int zero_part(struct inocrypt *ic, u64 leaf, u32 first, u32 last)
{
	struct ic_cnode *node = get_leaf_to_write(ic, leaf, true);

	if (IS_ERR(node))
		return PTR_ERR(node);
	zero_leaf(ic, node, first, last);
	ic_node_put(ic, node);
	return 0;
}

/**
 * ic_zero_range() - sectors [@first, @last] have no record any more
 * @ic: the table
 * @first: crypto sector
 * @last: crypto sector
 * @next: receives the first sector that is not zero for sure, even on failure
 *
 * Reads no whole leaf, but every inner node that has something below: one for
 * 508 leaves, which is 252 MiB of 4096-byte sectors.
 *
 * Context: may sleep and do I/O; the range is locked, so nobody else uses the
 * leaves that it covers whole.
 * Return: 0 or a negative errno.
 */
int ic_zero_range(struct inocrypt *ic, u64 first, u64 last, u64 *next)
{
	u32 a, b;
	u64 la = div_u64_rem(first, IC_LEAF_RECORDS, &a);
	u64 lb = div_u64_rem(last, IC_LEAF_RECORDS, &b);
	u64 base = ic->geo.sector_leaf, leaf = base + la;
	int err = 0;

	*next = first;
	if (la == lb && (a || b != IC_LEAF_RECORDS - 1)) {
		err = zero_part(ic, leaf, a, b);
		if (!err)
			*next = last + 1;
		return err;
	}
	if (a) {
		err = zero_part(ic, leaf, a, IC_LEAF_RECORDS - 1);
		if (err)
			return err;
		leaf++;
		*next = (leaf - base) * IC_LEAF_RECORDS;
	}
	if (b == IC_LEAF_RECORDS - 1)
		lb++;
	if (leaf < base + lb) {
		err = zero_below(ic, ic->cache.root, leaf, base + lb - 1,
				 &leaf);
		*next = max(first, (leaf - base) * IC_LEAF_RECORDS);
	}
	if (!err && b != IC_LEAF_RECORDS - 1)
		err = zero_part(ic, base + lb, 0, b);
	if (!err)
		*next = last + 1;
	return err;
}

/**
 * ic_lost_with() - how far does the damage go that a sector's record is below?
 * @ic: the table
 * @sector: crypto sector whose record can't be had
 *
 * Context: may sleep and do I/O.
 * Return: the last sector below the same leaf, or below the same inner node if it
 * is one of those that can't be had.
 */
u64 ic_lost_with(struct inocrypt *ic, u64 sector)
{
	u64 base = ic->geo.sector_leaf, span = 1, leaf, last;
	struct ic_cnode *node;
	u32 level;

	leaf = base + div_u64(sector, IC_LEAF_RECORDS);
	for (level = 1; level < ic->geo.levels; level++) {
		node = ic_node_get(ic, level,
				   div64_u64(leaf, span * IC_FANOUT));
		if (!IS_ERR(node)) {
			ic_node_put(ic, node);
			break;
		}
		span *= IC_FANOUT;
	}
	last = (div64_u64(leaf, span) + 1) * span - 1;
	last = (last - base + 1) * IC_LEAF_RECORDS - 1;
	return min(last, ic->geo.data_sectors - 1);
}
