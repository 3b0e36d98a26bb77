// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners: their records, their keys, and forgetting them.
 *
 * An owner's key is HMAC(master key, ... salt): without the record's 16 random
 * bytes nobody can derive it again.
 */
#include <linux/hashtable.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "tree/tree.h"
#include "log/log.h"
#include "keys/owners.h"

#define OWNER_HASH_BITS	9

/* Writes make owners, so this many have to be available without reclaim. */
#define OWNER_RESERVE	16

/**
 * struct ic_owners - owners' keys in memory; but for @pool, guarded by ic->owner_lock
 * @pool: what owners are allocated from; it has a reserve that writers may wait for
 * @hash: the cached owners, by inode number
 * @lru: the cached owners, least recently used first
 * @all: all owners in memory, also those that have left the cache
 * @cached: how many are cached
 * @wait: woken when the key of an owner that had left the cache is wiped
 */
struct ic_owners {
	mempool_t		pool;
	DECLARE_HASHTABLE(hash, OWNER_HASH_BITS);
	struct list_head	lru;
	struct list_head	all;
	unsigned int		cached;
	wait_queue_head_t	wait;
};

/**
 * ic_owner_put() - drop a reference; the key is wiped with the last one
 * @owner: from ic_owner_get() or ic_owner_get_raw(), or NULL
 *
 * Context: process.
 */
void ic_owner_put(struct ic_owner *owner)
{
	struct inocrypt *ic;

	if (!owner || !refcount_dec_and_test(&owner->ref))
		return;
	ic = owner->ic;
	/*
	 * Whoever waits for the owner to leave the list counts on its key being
	 * wiped.
	 */
	memzero_explicit(&owner->key, sizeof(owner->key));
	spin_lock(&ic->owner_lock);
	list_del(&owner->all);
	if (owner->dead)
		wake_up_all(&ic->owners->wait);
	spin_unlock(&ic->owner_lock);
	mempool_free(owner, &ic->owners->pool);
}

/* Take an owner out of the cache.  The caller gets the cache's reference. */
static void owner_unhash(struct inocrypt *ic, struct ic_owner *owner)
{
	lockdep_assert_held(&ic->owner_lock);
	hash_del(&owner->hash);
	list_del_init(&owner->lru);
	ic->owners->cached--;
	WRITE_ONCE(owner->dead, true);
}

/**
 * ic_owners_exit() - empty the cache
 * @ic: the table; no I/O is under way
 */
void ic_owners_exit(struct inocrypt *ic)
{
	struct ic_owner *owner, *n;

	if (!ic->owners)
		return;
	list_for_each_entry_safe(owner, n, &ic->owners->lru, lru) {
		spin_lock(&ic->owner_lock);
		owner_unhash(ic, owner);
		spin_unlock(&ic->owner_lock);
		ic_owner_put(owner);
	}
	mempool_exit(&ic->owners->pool);
	kvfree(ic->slots);
	kfree(ic->owners);
}

/* Look an owner up in the cache. */
static struct ic_owner *cached(struct inocrypt *ic, u32 ino)
{
	struct ic_owner *owner;

	lockdep_assert_held(&ic->owner_lock);
	hash_for_each_possible(ic->owners->hash, owner, hash, ino) {
		if (owner->ino != ino)
			continue;
		list_move_tail(&owner->lru, &ic->owners->lru);
		refcount_inc(&owner->ref);
		return owner;
	}
	return NULL;
}

static struct ic_owner *get_cached(struct inocrypt *ic, u32 ino)
{
	struct ic_owner *owner;

	spin_lock(&ic->owner_lock);
	owner = cached(ic, ino);
	spin_unlock(&ic->owner_lock);
	return owner;
}

/* Put @owner in the cache, at the cost of the least recently used one. */
static void cache_owner(struct inocrypt *ic, struct ic_owner *owner)
{
	struct ic_owner *old = NULL;

	refcount_inc(&owner->ref);
	spin_lock(&ic->owner_lock);
	hash_add(ic->owners->hash, &owner->hash, owner->ino);
	list_add_tail(&owner->lru, &ic->owners->lru);
	if (++ic->owners->cached > IC_OWNERS_CACHED) {
		old = list_first_entry(&ic->owners->lru, struct ic_owner, lru);
		owner_unhash(ic, old);
	}
	spin_unlock(&ic->owner_lock);
	if (old)
		ic_tfm_forget(&ic->tfms, old->key.serial);
	ic_owner_put(old);
}

/* Take @ino out of the cache, and its key out of the transforms. */
static void uncache_owner(struct inocrypt *ic, u32 ino)
{
	struct ic_owner *owner;
	u64 serial;

	spin_lock(&ic->owner_lock);
	owner = cached(ic, ino);
	if (owner) {
		owner_unhash(ic, owner);
		refcount_dec(&owner->ref);
	}
	spin_unlock(&ic->owner_lock);
	if (!owner)
		return;
	serial = owner->key.serial;
	ic_owner_put(owner);
	ic_tfm_forget(&ic->tfms, serial);
}

/*
 * The node cache says that records of owners are lost, and so their keys are.
 * Nobody could read later on what is written under a key that is still in the
 * cache.
 */
static void owners_lost(struct inocrypt *ic, u64 first, u32 count)
{
	lockdep_assert_held(&ic->owner_mutex);
	while (count--)
		uncache_owner(ic, first++);
}

/**
 * ic_owners_init() - prepare the cache of owner keys
 * @ic: the table
 *
 * Return: 0 or -ENOMEM; ic_owners_exit() cleans up in both cases.
 */
int ic_owners_init(struct inocrypt *ic)
{
	mutex_init(&ic->owner_mutex);
	spin_lock_init(&ic->owner_lock);
	ic->owners = kzalloc(sizeof(*ic->owners), GFP_KERNEL);
	if (!ic->owners)
		return -ENOMEM;
	ic->owners_lost = owners_lost;
	hash_init(ic->owners->hash);
	INIT_LIST_HEAD(&ic->owners->lru);
	INIT_LIST_HEAD(&ic->owners->all);
	init_waitqueue_head(&ic->owners->wait);
	ic->slots = kvcalloc(IC_KEY_SLOTS, sizeof(*ic->slots), GFP_KERNEL);
	if (!ic->slots)
		return -ENOMEM;
	return mempool_init_kmalloc_pool(&ic->owners->pool, OWNER_RESERVE,
					 sizeof(struct ic_owner));
}

/* Take the least recently used owners out of the cache. */
static void evict_owners(struct inocrypt *ic, u32 nr)
{
	struct ic_owner *owner;

	for (; nr; nr--) {
		spin_lock(&ic->owner_lock);
		owner = list_first_entry_or_null(&ic->owners->lru,
						 struct ic_owner, lru);
		if (owner)
			owner_unhash(ic, owner);
		spin_unlock(&ic->owner_lock);
		if (!owner)
			return;
		ic_tfm_forget(&ic->tfms, owner->key.serial);
		ic_owner_put(owner);
	}
}

/*
 * Allocate an owner. If the reserve is used up the cache may hold all of it, so
 * this evicts some owners before it waits.
 */
static struct ic_owner *alloc_owner(struct inocrypt *ic)
{
	struct ic_owner *owner;

	lockdep_assert_held(&ic->owner_mutex);
	owner = mempool_alloc(&ic->owners->pool, GFP_NOWAIT | __GFP_NOWARN);
	if (owner)
		return owner;
	evict_owners(ic, OWNER_RESERVE);
	return mempool_alloc(&ic->owners->pool, GFP_NOIO);
}

/*
 * Derive the key of an owner whose record is @rec, and the check value that goes with
 * it.  The caller has to compare that with the record's.
 */
static struct ic_owner *derive_owner(struct inocrypt *ic, u32 ino,
				     const struct ic_owner_record *rec,
				     const u8 *key_id, u8 *check)
{
	u8 mk[IC_KEY_SIZE];
	struct ic_owner *owner;
	int err;

	lockdep_assert_held(&ic->owner_mutex);
	err = ic_master_copy(ic->vol, key_id, mk);
	if (err)
		return ERR_PTR(err);
	owner = alloc_owner(ic);
	memset(owner, 0, sizeof(*owner));
	refcount_set(&owner->ref, 1);
	INIT_LIST_HEAD(&owner->lru);
	owner->ic = ic;
	owner->ino = ino;
	owner->gen = le32_to_cpu(rec->gen);
	memcpy(owner->key_id, key_id, IC_KEY_ID_SIZE);
	ic_new_serial(&owner->key);
	spin_lock(&ic->owner_lock);
	list_add_tail(&owner->all, &ic->owners->all);
	spin_unlock(&ic->owner_lock);
	err = ic_derive_owner_key(mk, ic->params.uuid, ic->params.cipher, ino,
				  owner->gen, rec->salt, owner->key.bytes);
	if (!err)
		err = ic_derive_owner_check(owner->key.bytes, check);
	memzero_explicit(mk, sizeof(mk));
	if (!err)
		return owner;
	ic_owner_put(owner);
	return ERR_PTR(err);
}

/**
 * ic_change_record() - change an owner's or a key's record
 * @ic: the table, active
 * @type: IC_LOG_SET_OWNER or IC_LOG_SET_KEY
 * @nr: inode number or key slot
 * @rec: its new contents; on return it is as it was logged
 *
 * Only when this has succeeded may anything name the record.
 *
 * Context: may sleep; owner_mutex held.
 * Return: 0 or a negative errno.
 */
int ic_change_record(struct inocrypt *ic, enum ic_log_type type, u64 nr,
		     union ic_record *rec)
{
	enum ic_change_state state = ic_change_next(IC_CHANGE_NEW);
	int err = 0;

	lockdep_assert_held(&ic->owner_mutex);
	for (; !err && state != IC_CHANGE_DONE; state = ic_change_next(state)) {
		if (state == IC_CHANGE_LOG)
			err = ic_log_record(ic, type, nr, rec);
		else if (type == IC_LOG_SET_OWNER)
			err = ic_set_owner(ic, nr, rec);
		else
			err = ic_set_record(ic, 0, nr, rec);
	}
	return err;
}

/* Make a record for a new owner; if @replace, over another owner's. */
static struct ic_owner *create_owner(struct inocrypt *ic,
				     const struct bio_owner_id *id,
				     bool replace)
{
	union ic_record rec = { };
	struct ic_owner *owner;
	int slot, err;

	lockdep_assert_held(&ic->owner_mutex);
	slot = ic_slot_find(ic, id->key_id);
	if (slot < 0)
		return ERR_PTR(slot);
	get_random_bytes(rec.owner.salt, IC_SALT_SIZE);
	rec.owner.gen = cpu_to_le32(id->gen);
	rec.owner.key_slot = cpu_to_le16(slot);
	rec.owner.flags = cpu_to_le16(IC_OWNER_USED);
	owner = derive_owner(ic, id->ino, &rec.owner, id->key_id,
			     rec.owner.check);
	if (IS_ERR(owner))
		goto out;
	if (replace) {
		uncache_owner(ic, id->ino);
		ic_count(ic, IC_STAT_OWNERS_REPLACED);
	}
	err = ic_change_record(ic, IC_LOG_SET_OWNER, id->ino, &rec);
	if (err) {
		ic_owner_put(owner);
		owner = ERR_PTR(err);
		goto out;
	}
	WRITE_ONCE(ic->owned, true);
	cache_owner(ic, owner);
out:
	memzero_explicit(&rec, sizeof(rec));
	return owner;
}

/*
 * Derive the key of the owner whose record is @rec. Only if the record's check value
 * fits the owner is under the master key that @key_id names.
 */
static struct ic_owner *load_owner(struct inocrypt *ic, u32 ino,
				   const struct ic_owner_record *rec,
				   const u8 *key_id)
{
	u8 check[IC_CHECK_SIZE];
	struct ic_owner *owner;

	lockdep_assert_held(&ic->owner_mutex);
	owner = derive_owner(ic, ino, rec, key_id, check);
	if (IS_ERR(owner))
		return owner;
	if (crypto_memneq(check, rec->check, sizeof(check))) {
		ic_owner_put(owner);
		return ERR_PTR(-EKEYREJECTED);
	}
	cache_owner(ic, owner);
	return owner;
}

/*
 * May an owner record be under a key? If its slot is lost, only the record's
 * check value can tell which key it was. And a key may have two slots, if it
 * was given another one while the leaf of the first could not be read.
 */
static bool may_be_under(struct inocrypt *ic, const struct ic_owner_record *rec,
			 const u8 *key_id)
{
	u32 slot = le16_to_cpu(rec->key_slot);

	lockdep_assert_held(&ic->owner_mutex);
	if (slot >= IC_KEY_SLOTS)
		return false;
	return ic->slots[slot].lost ||
	       !memcmp(ic->slots[slot].key_id, key_id, IC_KEY_ID_SIZE);
}

static bool matches(const struct ic_owner *owner, const struct bio_owner_id *id)
{
	return owner->gen == id->gen &&
	       !memcmp(owner->key_id, id->key_id, IC_KEY_ID_SIZE);
}

/**
 * ic_owner_try() - the owner that a tag names, if it is cached
 * @ic: the table, active
 * @id: from the tag
 *
 * Context: process.
 * Return: the owner, or NULL.
 */
struct ic_owner *ic_owner_try(struct inocrypt *ic, const struct bio_owner_id *id)
{
	struct ic_owner *owner = get_cached(ic, id->ino);

	if (!owner || matches(owner, id))
		return owner;
	ic_owner_put(owner);
	return NULL;
}

/**
 * ic_owner_get() - the owner that a tag names
 * @ic: the table, active
 * @id: from the tag
 * @create: a write: make its record if there is none
 *
 * A record of another generation or key is left over from an inode that is
 * gone.  A writer replaces it, for the file system never lets two live inodes
 * have one number; what was written under it can't be read any more.
 *
 * Context: may sleep and do I/O; no transform, no spinlock held.
 * Return: the owner, or an ERR_PTR: -EILSEQ if a reader's tag doesn't match
 * the record, -ENOKEY, -EKEYREJECTED, -EOVERFLOW for an inode number beyond the
 * volume's owner records, or an I/O error.
 */
struct ic_owner *ic_owner_get(struct inocrypt *ic,
			      const struct bio_owner_id *id, bool create)
{
	struct ic_owner *owner;
	union ic_record rec;
	bool used;
	int err;

	if (id->ino >= ic->geo.owners)
		return ERR_PTR(-EOVERFLOW);
	owner = get_cached(ic, id->ino);
	if (owner && matches(owner, id))
		return owner;
	ic_owner_put(owner);

	mutex_lock(&ic->owner_mutex);
	owner = get_cached(ic, id->ino);
	if (owner && matches(owner, id))
		goto out;
	ic_owner_put(owner);
	if (create)
		err = ic_get_record_to_write(ic, ic->geo.owner_leaf, id->ino,
					     &rec);
	else
		err = ic_get_record(ic, ic->geo.owner_leaf, id->ino, &rec);
	if (err) {
		owner = ERR_PTR(err);
		goto out;
	}
	used = ic_owner_used(&rec);
	if (used && le32_to_cpu(rec.owner.gen) == id->gen &&
	    may_be_under(ic, &rec.owner, id->key_id))
		owner = load_owner(ic, id->ino, &rec.owner, id->key_id);
	else if (create)
		owner = create_owner(ic, id, used);
	else
		owner = ERR_PTR(-EILSEQ);
out:
	mutex_unlock(&ic->owner_mutex);
	memzero_explicit(&rec, sizeof(rec));
	return owner;
}

/*
 * Load an owner whose key's slot is lost: the key that fits its check value is the
 * one, if it has been added.
 */
static struct ic_owner *load_by_check(struct inocrypt *ic, u32 ino,
				      const struct ic_owner_record *rec)
{
	struct ic_owner *owner = ERR_PTR(-ENOKEY);
	u32 i;

	lockdep_assert_held(&ic->owner_mutex);
	for (i = 0; i < IC_KEY_SLOTS && IS_ERR(owner); i++)
		if (!mem_is_zero(ic->slots[i].key_id, IC_KEY_ID_SIZE))
			owner = load_owner(ic, ino, rec, ic->slots[i].key_id);
	return IS_ERR(owner) ? ERR_PTR(-ENOKEY) : owner;
}

/**
 * ic_owner_get_raw() - the owner that a sector record names, in raw mode
 * @ic: the table, active
 * @ino: from the sector record
 *
 * Context: may sleep and do I/O.
 * Return: the owner, or an ERR_PTR as ic_owner_get().
 */
struct ic_owner *ic_owner_get_raw(struct inocrypt *ic, u32 ino)
{
	struct ic_owner *owner;
	union ic_record rec;
	u32 slot;
	int err;

	if (ino >= ic->geo.owners)
		return ERR_PTR(-EILSEQ);
	mutex_lock(&ic->owner_mutex);
	owner = get_cached(ic, ino);
	if (owner)
		goto out;
	err = ic_get_record(ic, ic->geo.owner_leaf, ino, &rec);
	slot = le16_to_cpu(rec.owner.key_slot);
	if (err)
		owner = ERR_PTR(err);
	else if (!(le16_to_cpu(rec.owner.flags) & IC_OWNER_USED))
		owner = ERR_PTR(-EILSEQ);
	else if (slot >= IC_KEY_SLOTS)
		owner = ERR_PTR(-EBADMSG);
	else if (ic->slots[slot].lost)
		owner = load_by_check(ic, ino, &rec.owner);
	else
		owner = load_owner(ic, ino, &rec.owner,
				   ic->slots[slot].key_id);
out:
	mutex_unlock(&ic->owner_mutex);
	memzero_explicit(&rec, sizeof(rec));
	return owner;
}

/**
 * ic_owner_forget() - destroy an owner's record
 * @ic: the table, active
 * @ino: inode number
 * @gen: its generation
 *
 * On return its key is out of the caches.  Its leaf is written to both places
 * by the next two checkpoints, after which the salt is on no place of the
 * device in a form that any key opens.  Until then a tombstone stands in the
 * record, so that after a crash the sweep at mount finds it, calls this function
 * for it, and the two writings begin anew.  Nobody knows the generation of a record
 * that is lost, but its salt may still be in a damaged leaf: so this function
 * assumes that the record was that of @gen.
 *
 * Context: may sleep and do I/O; no request of this owner is under way.
 * Return: 0, -ENOENT if there is no such owner, -EROFS, or an I/O error.
 */
int ic_owner_forget(struct inocrypt *ic, u32 ino, u32 gen)
{
	union ic_record rec, tombstone;
	u16 flags;
	int err;

	if (ic->read_only)
		return -EROFS;
	if (!ino || ino >= ic->geo.owners)
		return -ENOENT;
	mutex_lock(&ic->owner_mutex);
	err = ic_get_record_to_write(ic, ic->geo.owner_leaf, ino, &rec);
	if (err)
		goto out;
	flags = le16_to_cpu(rec.owner.flags);
	if (!flags || (!(flags & IC_OWNER_LOST) &&
		       le32_to_cpu(rec.owner.gen) != gen)) {
		err = -ENOENT;
		goto out;
	}
	ic_owner_tombstone(&tombstone, gen);
	err = ic_change_record(ic, IC_LOG_SET_OWNER, ino, &tombstone);
	/* The owner's key goes even if the log has failed. */
	if (flags & IC_OWNER_USED)
		uncache_owner(ic, ino);
	if (!err && flags & IC_OWNER_USED)
		ic_count(ic, IC_STAT_FORGETS);
out:
	mutex_unlock(&ic->owner_mutex);
	memzero_explicit(&rec, sizeof(rec));
	return err;
}

/* Does an owner record have what owner_scan() looks for? */
typedef bool (*owner_match)(struct inocrypt *ic,
			    const struct ic_owner_record *rec, u32 arg);

/*
 * Find the first owner record from number *@nr on that matches, in the leaf of that
 * number.  Returns 0 with its number and generation; 1 if none does, with the number
 * that the next leaf begins with; -ENOENT beyond the last one; -EINTR or an I/O error.
 */
static int owner_scan(struct inocrypt *ic, u64 *nr, u32 *gen, owner_match match,
		      u32 arg)
{
	struct ic_cnode *node;
	int err = 1;
	u64 leaf;
	u32 slot;

	if (*nr >= ic->geo.owners)
		return -ENOENT;
	leaf = div_u64_rem(*nr, IC_LEAF_RECORDS, &slot);
	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	node = ic_leaf_get_used(ic, ic->geo.owner_leaf + leaf);
	if (IS_ERR(node))
		return PTR_ERR(node);
	if (!node) {
		*nr += IC_LEAF_RECORDS - slot;
		return 1;
	}
	spin_lock(&node->lock);
	for (; slot < IC_LEAF_RECORDS && *nr < ic->geo.owners; slot++, ++*nr) {
		const struct ic_owner_record *rec = &node->data->rec[slot].owner;

		if (!match(ic, rec, arg))
			continue;
		*gen = le32_to_cpu(rec->gen);
		err = 0;
		break;
	}
	spin_unlock(&node->lock);
	ic_node_put(ic, node);
	return err;
}

static bool any_record(struct inocrypt *ic,
		       const struct ic_owner_record *rec, u32 arg)
{
	return rec->flags;
}

/**
 * ic_owner_next() - find an owner record, or the tombstone of one, in one leaf
 * @ic: the table, active
 * @ino: in: where to begin; out: the owner that was found, or, with 1, the first
 *	number of the next leaf, or, with -EBADMSG, the last number of the damaged leaf
 * @gen: receives its generation
 *
 * Context: may sleep and do I/O.
 * Return: 0, 1 if there is none in the rest of the leaf, -ENOENT if there are no more,
 * -EBADMSG for a damaged leaf, or an I/O error.
 */
int ic_owner_next(struct inocrypt *ic, u32 *ino, u32 *gen)
{
	u64 nr = max(*ino, 1U);
	bool seen = nr <= max(READ_ONCE(ic->owners_seen), 1ULL);
	int err = owner_scan(ic, &nr, gen, any_record, 0);
	u32 slot;

	if (!err) {
		*ino = nr++;
	} else if (err > 0) {
		*ino = min_t(u64, nr, U32_MAX);
		/* This is beyond the last number that there can be. */
		if (nr > U32_MAX)
			err = -ENOENT;
	} else if (err == -EBADMSG) {
		div_u64_rem(nr, IC_LEAF_RECORDS, &slot);
		nr += IC_LEAF_RECORDS - 1 - slot;
		*ino = min_t(u64, nr, U32_MAX);
	}
	/* A race here only makes the number smaller than it could be. */
	if (seen && (err >= 0 || err == -ENOENT) &&
	    READ_ONCE(ic->owners_seen) < nr)
		WRITE_ONCE(ic->owners_seen, nr);
	return err;
}

static bool no_record(struct inocrypt *ic, const struct ic_owner_record *rec,
		      u32 arg)
{
	return false;
}

/**
 * ic_owners_see() - look at the next leaf of owner records that nobody has looked at
 * @ic: the table, active
 *
 * Loading a leaf resumes the erasures in it that a crash cut short.  What the sweep
 * at mount has looked at, by ic_owner_next(), needs no second look.
 *
 * Context: may sleep and do I/O.
 * Return: 0 if all were looked at, 1 if there are more, -EINTR, or an I/O error.
 */
int ic_owners_see(struct inocrypt *ic)
{
	u64 nr = READ_ONCE(ic->owners_seen);
	u32 gen, slot;
	int err = owner_scan(ic, &nr, &gen, no_record, 0);

	if (err == -ENOENT)
		return 0;
	/*
	 * A leaf that was destroyed has no salt that anybody could read: pass
	 * it over.
	 */
	if (err == -EBADMSG) {
		div_u64_rem(nr, IC_LEAF_RECORDS, &slot);
		nr += IC_LEAF_RECORDS - slot;
		err = 1;
	}
	if (err > 0 && READ_ONCE(ic->owners_seen) < nr)
		WRITE_ONCE(ic->owners_seen, nr);
	return err;
}

/*
 * An owner whose slot is lost may be under any key: nobody can tell while that
 * key isn't loaded. Another slot may have the same key, see may_be_under().
 * While the key is in @slot no other slot gets or loses it, so no lock is
 * needed.
 */
static bool in_slot(struct inocrypt *ic, const struct ic_owner_record *rec,
		    u32 slot)
{
	u32 his = le16_to_cpu(rec->key_slot);

	if (!(le16_to_cpu(rec->flags) & IC_OWNER_USED) || his >= IC_KEY_SLOTS)
		return false;
	return his == slot || ic->slots[his].lost ||
	       !memcmp(ic->slots[his].key_id, ic->slots[slot].key_id,
		       IC_KEY_ID_SIZE);
}

/**
 * ic_owner_slot_unused() - does no owner in one more leaf refer to a key slot?
 * @ic: the table, active
 * @slot: the slot; its key isn't loaded, and nobody can load it meanwhile
 * @nr: number of the owner to go on with, 0 at first; updated
 *
 * Context: may sleep and do I/O.
 * Return: 0 if none in any leaf does, 1 if there are more leaves, -EBUSY, -EINTR, or
 * an I/O error.
 */
int ic_owner_slot_unused(struct inocrypt *ic, u32 slot, u64 *nr)
{
	u32 gen;
	int err = owner_scan(ic, nr, &gen, in_slot, slot);

	if (err == -ENOENT)
		return 0;
	return err ? err : -EBUSY;
}

/* Does somebody still use the key of an owner that was locked or forgotten? */
static bool dead_owner_left(struct inocrypt *ic, const u8 *key_id)
{
	struct ic_owner *owner;
	bool left = false;

	spin_lock(&ic->owner_lock);
	list_for_each_entry(owner, &ic->owners->all, all) {
		left = owner->dead &&
		       !memcmp(owner->key_id, key_id, IC_KEY_ID_SIZE);
		if (left)
			break;
	}
	spin_unlock(&ic->owner_lock);
	return left;
}

/**
 * ic_owner_lock_key() - drop every owner key that derives from a master key
 * @ic: the table, active
 * @key_id: of a master key that was just removed from the volume
 *
 * Nobody derives one any more: that is done under owner_mutex, from taking a
 * copy of the master key to having the result in the cache.  On return the keys
 * are wiped, those too that had left the cache and were still being used.
 *
 * Context: may sleep; waits for requests under way with these keys.
 */
void ic_owner_lock_key(struct inocrypt *ic, const u8 key_id[IC_KEY_ID_SIZE])
{
	struct ic_owner *owner, *n;
	LIST_HEAD(gone);

	mutex_lock(&ic->owner_mutex);
	spin_lock(&ic->owner_lock);
	list_for_each_entry_safe(owner, n, &ic->owners->lru, lru) {
		if (memcmp(owner->key_id, key_id, IC_KEY_ID_SIZE))
			continue;
		owner_unhash(ic, owner);
		list_add(&owner->lru, &gone);
	}
	spin_unlock(&ic->owner_lock);
	mutex_unlock(&ic->owner_mutex);
	list_for_each_entry_safe(owner, n, &gone, lru) {
		u64 serial = owner->key.serial;

		list_del_init(&owner->lru);
		ic_owner_put(owner);
		ic_tfm_forget(&ic->tfms, serial);
	}
	/*
	 * If somebody still uses such a key he may key a transform with it, but
	 * he wipes that before he gives it back: see put_tfm().
	 */
	wait_event(ic->owners->wait, !dead_owner_left(ic, key_id));
}
