// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt check, the records: each leaf as it is after recovery.  Leaves come
 * in order, so that keys are known before owners, and owners before sectors.
 */
#include <stdlib.h>

#include "check/check.h"

/*
 * Return where a record is on the disk: nowhere, if so far only the log has it.
 */
static struct check_place record_place(const struct check *c, u64 number,
				       u64 owner)
{
	struct check_place at = c->leaf;

	at.owner = owner;
	if (at.dev)
		at.offset += offsetof(struct ic_node, rec) +
			     number % IC_LEAF_RECORDS * IC_RECORD_SIZE;
	return at;
}

/* A stretch of records of one kind that are lost: said at once. */
static void add_lost(struct check *c, u64 first, u64 last,
		     const struct check_place *at)
{
	c->records.lost += last - first + 1;
	if (c->stretch.next != first || c->stretch.next == c->stretch.first ||
	    first == record_number(c->v.geo.owner_leaf, 0) ||
	    first == record_number(c->v.geo.sector_leaf, 0)) {
		check_stretch_end(c);
		c->stretch.first = first;
		c->stretch.place = *at;
		c->stretch.place.sector = CHECK_NO;
		c->stretch.place.owner = CHECK_NO;
	}
	c->stretch.next = last + 1;
}

/**
 * check_lost_leaves() - leaves that were given up, which the log doesn't change
 * @c: the run
 * @first: leaf
 * @last: leaf
 */
void check_lost_leaves(struct check *c, u64 first, u64 last)
{
	const struct ic_geometry *g = &c->v.geo;
	const struct check_place nowhere = { 0 };

	while (first <= last) {
		u64 kind, from, to, end = last;
		u32 n;

		kind = ic_leaf_first(g, first, &from, &n);
		if (kind < g->sector_leaf && end >= g->sector_leaf)
			end = g->sector_leaf - 1;
		if (!kind && end >= g->owner_leaf)
			end = g->owner_leaf - 1;
		ic_leaf_first(g, end, &to, &n);
		to += n - 1;
		/* Owner 0 is the volume: it has no record to lose. */
		if (kind == g->owner_leaf && !from)
			from++;
		for (u64 i = from; !kind && i <= to; i++)
			c->slot_lost[i] = true;
		if (from <= to)
			add_lost(c, record_number(kind, from),
				 record_number(kind, to), &nowhere);
		first = end + 1;
	}
}

/**
 * check_stretch_end() - say which records are lost, so far
 * @c: the run
 */
void check_stretch_end(struct check *c)
{
	const struct ic_geometry *g = &c->v.geo;
	u64 first = c->stretch.first, n = c->stretch.next - first, of = 0;
	const char *kind = "key slots";

	if (!n)
		return;
	if (first >= record_number(g->sector_leaf, 0)) {
		kind = "sectors";
		of = record_number(g->sector_leaf, 0);
	} else if (first >= record_number(g->owner_leaf, 0)) {
		kind = "owners";
		of = record_number(g->owner_leaf, 0);
	}
	check_report(c, CK_LOST, &c->stretch.place,
		     "the records of %s %llu to %llu are lost: what they were about reads as an error%s",
		     kind, (unsigned long long)(first - of),
		     (unsigned long long)(first + n - 1 - of),
		     of == record_number(g->sector_leaf, 0) ?
		     " until it is written or discarded" : "");
	c->stretch.first = c->stretch.next;
}

static bool key_lost(const struct ic_key_record *key)
{
	struct ic_key_record rest = *key;

	rest.state = 0;
	return le32_to_cpu(key->state) == IC_KEY_LOST &&
	       mem_is_zero(&rest, sizeof(rest));
}

static bool owner_lost(const struct ic_owner_record *o)
{
	return le16_to_cpu(o->flags) == IC_OWNER_LOST &&
	       mem_is_zero(o, offsetof(struct ic_owner_record, flags)) &&
	       mem_is_zero(o->check, sizeof(o->check));
}

static void look_at_key(struct check *c, u32 slot, const union ic_record *rec)
{
	struct check_place at = record_place(c, slot, CHECK_NO);
	const struct ic_key_record *key = &rec->key;

	if (mem_is_zero(rec, sizeof(*rec)))
		return;
	if (key_lost(key)) {
		c->slot_lost[slot] = true;
		add_lost(c, slot, slot, &at);
		return;
	}
	c->records.keys++;
	if (le32_to_cpu(key->state) != IC_KEY_USED ||
	    mem_is_zero(key->key_id, IC_KEY_ID_SIZE) ||
	    !mem_is_zero(key->reserved, sizeof(key->reserved))) {
		check_report(c, CK_KEY_RECORD, &at,
			     "key slot %u is of an unknown kind", slot);
		return;
	}
	/* It may have two: it got the other one while this leaf could not be read. */
	c->slot_used[slot] = true;
	memcpy(c->slot_id[slot], key->key_id, IC_KEY_ID_SIZE);
	for (size_t i = 0; i < c->masters; i++) {
		u8 id[IC_KEY_ID_SIZE];

		if (!ic_derive_key_id(c->master[i].secret.key,
				      c->v.params.uuid, id) &&
		    !memcmp(id, key->key_id, IC_KEY_ID_SIZE))
			c->master[i].slot = slot;
	}
}

/* Derive an owner's key, if its master key was given. */
static bool owner_key(const struct check *c, u32 ino,
		      const struct ic_owner_record *rec, u8 key[IC_KEY_SIZE])
{
	u32 slot = le16_to_cpu(rec->key_slot);

	if (slot >= IC_KEY_SLOTS || !c->slot_used[slot])
		return false;
	for (size_t i = 0; i < c->masters; i++)
		if (c->master[i].slot < IC_KEY_SLOTS &&
		    !memcmp(c->slot_id[c->master[i].slot], c->slot_id[slot],
			    IC_KEY_ID_SIZE))
			return !ic_derive_owner_key(c->master[i].secret.key,
						    c->v.params.uuid,
						    c->v.params.cipher, ino,
						    le32_to_cpu(rec->gen),
						    rec->salt, key);
	return false;
}

static bool key_fits(const struct ic_owner_record *rec,
		     const u8 key[IC_KEY_SIZE])
{
	u8 check[IC_CHECK_SIZE];

	return !ic_derive_owner_check(key, check) &&
	       !memcmp(check, rec->check, sizeof(check));
}

static bool is_used(const union ic_record *rec)
{
	return (le16_to_cpu(rec->owner.flags) & ~IC_OWNER_ERASING) ==
	       IC_OWNER_USED;
}

static void look_at_owner(struct check *c, u64 ino, const union ic_record *rec)
{
	const struct ic_owner_record *o = &rec->owner;
	struct check_place at = record_place(c, ino, ino);
	unsigned long long n = ino;
	u32 slot = le16_to_cpu(o->key_slot);
	struct ic_owner_record rest = *o;
	u8 key[IC_KEY_SIZE];
	u64 number;

	if (mem_is_zero(rec, sizeof(*rec)))
		return;
	if (le16_to_cpu(o->flags) == IC_OWNER_ERASED) {
		rest.gen = 0;
		rest.flags = 0;
		c->records.erased++;
		if (!mem_is_zero(&rest, sizeof(rest)))
			check_report(c, CK_OWNER_RECORD, &at,
				     "owner %llu is erased, but not all of its record is zero",
				     n);
		explicit_bzero(&rest, sizeof(rest));
		return;
	}
	explicit_bzero(&rest, sizeof(rest));
	if (owner_lost(o)) {
		number = record_number(c->v.geo.owner_leaf, ino);
		add_lost(c, number, number, &at);
		return;
	}
	if (!is_used(rec)) {
		check_report(c, CK_OWNER_RECORD, &at,
			     "owner %llu has unknown flags %u", n,
			     le16_to_cpu(o->flags));
		return;
	}
	c->records.owners++;
	c->owner_used[ino / 8] |= 1 << ino % 8;
	if (!ino) {
		check_report(c, CK_OWNER_RECORD, &at,
			     "owner 0 is the volume itself, but has a record");
		return;
	}
	if (slot >= IC_KEY_SLOTS ||
	    (!c->slot_used[slot] && !c->slot_lost[slot] &&
	     !check_is_lost(c, slot / IC_LEAF_RECORDS))) {
		check_report(c, CK_OWNER_RECORD, &at,
			     "owner %llu names key slot %u, which no key is in",
			     n, slot);
		return;
	}
	if (!owner_key(c, ino, o, key))
		return;
	c->records.keyed++;
	if (!key_fits(o, key))
		check_report(c, CK_OWNER_KEY, &at,
			     "owner %llu: the check value doesn't fit the key in slot %u",
			     n, slot);
	explicit_bzero(key, sizeof(key));
}

/* Is it not known who a sector's owner was? */
static bool owner_unknown(struct check *c, u32 ino)
{
	union ic_record rec;

	if (check_is_lost(c, c->v.geo.owner_leaf + ino / IC_LEAF_RECORDS))
		return true;
	return c->records.lost &&
	       !check_record(c, record_number(c->v.geo.owner_leaf, ino),
			     &rec) && owner_lost(&rec.owner);
}

static void look_at_sector(struct check *c, u64 sector,
			   const union ic_record *rec)
{
	u32 ino = le32_to_cpu(rec->sector.owner);
	struct check_place at = check_sector_place(c, sector, ino);
	u64 number;

	if (mem_is_zero(rec, sizeof(*rec)))
		return;
	if (ic_sector_lost(&rec->sector)) {
		number = record_number(c->v.geo.sector_leaf, sector);
		at = record_place(c, number, CHECK_NO);
		add_lost(c, number, number, &at);
		return;
	}
	c->sectors.written++;
	if (!ino)
		return;
	c->sectors.owned++;
	if (ino >= c->v.params.owners)
		check_report(c, CK_SECTOR_RECORD, &at,
			     "sector %llu names owner %u, which can't be",
			     (unsigned long long)sector, ino);
	else if (c->owner_used[ino / 8] & 1 << ino % 8)
		return;
	else if (owner_unknown(c, ino))
		c->sectors.unknown_owner++;
	else
		c->sectors.orphans++;
}

/*
 * Check the superblock's own figures, which are those of the committed state
 * alone.
 */
static void count_committed(struct check *c, u64 leaf,
			    const union ic_record *rec)
{
	const struct ic_geometry *g = &c->v.geo;

	for (u32 i = 0; leaf >= g->owner_leaf && i < IC_LEAF_RECORDS; i++) {
		if (leaf >= g->sector_leaf) {
			c->committed_owned |= rec[i].sector.owner &&
					      !ic_sector_lost(&rec[i].sector);
		} else if (is_used(&rec[i])) {
			c->records.committed_owners++;
			c->committed_owned = true;
		}
	}
}

/* Lay what the log changes over a leaf. */
static void apply_changes(const struct check *c, u64 leaf, union ic_record *rec)
{
	u64 first = leaf * IC_LEAF_RECORDS, last = first + IC_LEAF_RECORDS - 1;
	size_t i = changes_from(&c->changes, first);

	for (; i < c->changes.nr && c->changes.list[i]->first <= last; i++) {
		const struct change_node *n = c->changes.list[i];
		u64 from = n->first < first ? first : n->first;
		u64 to = n->last > last ? last : n->last;

		for (; from <= to; from++)
			rec[from - first] = n->rec;
	}
}

/**
 * check_leaf() - look at one leaf's records
 * @c: the run
 * @leaf: its index; c->leaf says where it is
 * @committed: records as the tree has them
 */
void check_leaf(struct check *c, u64 leaf, const union ic_record *committed)
{
	union ic_record rec[IC_LEAF_RECORDS];
	u64 number, first;
	u32 n;

	memcpy(rec, committed, sizeof(rec));
	first = ic_leaf_first(&c->v.geo, leaf, &number, &n);
	count_committed(c, leaf, rec);
	apply_changes(c, leaf, rec);
	if (!mem_is_zero(rec + n, (IC_LEAF_RECORDS - n) * sizeof(*rec)))
		check_report(c, CK_TREE_BOUNDS, &c->leaf,
			     "leaf %llu has records beyond the last",
			     (unsigned long long)leaf);
	for (u32 i = 0; i < n; i++) {
		if (!first)
			look_at_key(c, number + i, &rec[i]);
		else if (first == c->v.geo.owner_leaf)
			look_at_owner(c, number + i, &rec[i]);
		else
			look_at_sector(c, number + i, &rec[i]);
	}
	if (c->data && first == c->v.geo.sector_leaf)
		check_data_add(c, number, n, rec);
	explicit_bzero(rec, sizeof(rec));
	progress_show(c->data ? "data" : "tree", leaf,
		      c->v.geo.level_nodes[0],
		      c->sectors.verified << c->v.geo.sector_shift);
}

/**
 * check_owner() - an owner's key, for its sectors
 * @c: the run, past the owners' leaves
 * @ino: not 0
 *
 * Return: what is known of it; good until the next call.
 */
const struct check_owner *check_owner(struct check *c, u32 ino)
{
	struct check_owner *o = &c->owners[ino % CHECK_OWNERS];
	union ic_record rec;

	if (o->state != OWNER_NONE && o->ino == ino)
		return o;
	o->ino = ino;
	o->state = OWNER_GONE;
	if (ino >= c->v.params.owners ||
	    check_record(c, record_number(c->v.geo.owner_leaf, ino), &rec) ||
	    !is_used(&rec))
		return o;
	o->gen = le32_to_cpu(rec.owner.gen);
	o->state = owner_key(c, ino, &rec.owner, o->key) &&
		   key_fits(&rec.owner, o->key) ? OWNER_KEYED : OWNER_NOKEY;
	explicit_bzero(&rec, sizeof(rec));
	return o;
}

/**
 * check_totals() - compare what was found with what the superblock says
 * @c: the run, past the tree
 */
void check_totals(struct check *c)
{
	const struct ic_state *s = &c->v.state;
	struct check_place at = {
		.dev = c->v.side,
		.offset = c->v.side_offset +
			  IC_SUPER_BLOCK(c->v.current) * IC_BLOCK_SIZE,
		.sector = CHECK_NO,
		.owner = CHECK_NO,
	};
	const struct ic_geometry *g = &c->v.geo;

	if (c->committed_owned && !(s->flags & IC_STATE_OWNED))
		check_report(c, CK_OWNED_FLAG, &at,
			     "there are owners or owned sectors, but the superblock says that there never were");
	/*
	 * The count is that of the committed tree, if all of that is there,
	 * whatever the log adds.
	 */
	for (size_t i = 0; i < c->nr_lost; i++)
		if (c->lost[i].first < g->sector_leaf &&
		    c->lost[i].last >= g->owner_leaf)
			return;
	if (s->nr_owners != c->records.committed_owners)
		check_report(c, CK_OWNER_COUNT, &at,
			     "the superblock counts %llu owners, there are %llu",
			     (unsigned long long)s->nr_owners,
			     (unsigned long long)c->records.committed_owners);
}
