// SPDX-License-Identifier: GPL-2.0-only
/*
 * Master keys: their records, which say whose they are and give them a number
 * for owner records to refer to; adding, listing, removing and deleting them.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "tree/tree.h"
#include "log/log.h"
#include "keys/owners.h"

static bool slot_named(const struct ic_key_slot *slot)
{
	return !mem_is_zero(slot->key_id, IC_KEY_ID_SIZE);
}

static bool slot_free(const struct ic_key_slot *slot)
{
	return !slot_named(slot) && !slot->lost;
}

static void slot_lost(struct inocrypt *ic, u32 nr)
{
	ic->slots[nr].lost = true;
	ic->slots_lost++;
}

static void slot_load(struct inocrypt *ic, u32 nr,
		      const struct ic_key_record *rec)
{
	struct ic_key_slot *slot = &ic->slots[nr];

	switch (le32_to_cpu(rec->state)) {
	case IC_KEY_USED:
		memcpy(slot->key_id, rec->key_id, IC_KEY_ID_SIZE);
		slot->uid = le32_to_cpu(rec->uid);
		break;
	case IC_KEY_LOST:
		slot_lost(ic, nr);
		break;
	}
}

/**
 * ic_keys_load() - read the key records, once the log is applied
 * @ic: with the root loaded
 *
 * Slots whose leaf is damaged, or can't be read, are lost: no key is given one, as
 * owner records may refer to it.  The volume can be used without them.
 *
 * Context: may sleep and do I/O.
 * Return: 0 or a negative errno.
 */
int ic_keys_load(struct inocrypt *ic)
{
	union ic_record rec;
	u32 i, last;
	int err;

	memset(ic->slots, 0, IC_KEY_SLOTS * sizeof(*ic->slots));
	ic->slots_lost = 0;
	for (i = 0; i < IC_KEY_SLOTS; i++) {
		err = ic_get_record(ic, 0, i, &rec);
		if (!err) {
			slot_load(ic, i, &rec.key);
			continue;
		}
		if (err != -EBADMSG && !ic_refused(err))
			return err;
		last = rounddown(i, IC_LEAF_RECORDS) + IC_LEAF_RECORDS - 1;
		last = min_t(u32, last, IC_KEY_SLOTS - 1);
		DMERR("%s: key slots %u to %u are lost with their leaf: error %d",
		      dm_device_name(ic->vol->md), i, last, err);
		for (; i < last; i++)
			slot_lost(ic, i);
		slot_lost(ic, last);
	}
	return 0;
}

/**
 * ic_slot_find() - where a master key has its record
 * @ic: the table, active
 * @key_id: the key's name
 *
 * Context: owner_mutex held.
 * Return: its slot or -ENOKEY.
 */
int ic_slot_find(struct inocrypt *ic, const u8 key_id[IC_KEY_ID_SIZE])
{
	u32 i;

	lockdep_assert_held(&ic->owner_mutex);
	/* Slots without a key have a key id of zeros, which names no key. */
	if (mem_is_zero(key_id, IC_KEY_ID_SIZE))
		return -ENOKEY;
	for (i = 0; i < IC_KEY_SLOTS; i++)
		if (!memcmp(ic->slots[i].key_id, key_id, IC_KEY_ID_SIZE))
			return i;
	return -ENOKEY;
}

/* Change a key record, in memory and in the log. */
static int set_slot(struct inocrypt *ic, u32 nr, const struct ic_key_slot *slot)
{
	union ic_record rec = { };
	int err;

	lockdep_assert_held(&ic->owner_mutex);
	if (slot_named(slot)) {
		memcpy(rec.key.key_id, slot->key_id, IC_KEY_ID_SIZE);
		rec.key.state = cpu_to_le32(IC_KEY_USED);
		rec.key.uid = cpu_to_le32(slot->uid);
	}
	err = ic_change_record(ic, IC_LOG_SET_KEY, nr, &rec);
	if (err)
		return err;
	spin_lock(&ic->owner_lock);
	ic->slots[nr] = *slot;
	spin_unlock(&ic->owner_lock);
	return 0;
}

/* Give a key a record, if the limits that @key has allow it. */
static int slot_create(struct inocrypt *ic, const struct bio_owner_key *key)
{
	struct ic_key_slot slot = { .uid = key->uid };
	u32 i, nr = 0, unused = 0, his = 0;
	int err;

	lockdep_assert_held(&ic->owner_mutex);
	if (!key->create)
		return -ENOKEY;
	if (ic->read_only)
		return -EROFS;
	for (i = IC_KEY_SLOTS; i--;) {
		if (slot_free(&ic->slots[i])) {
			nr = i;
			unused++;
		} else if (slot_named(&ic->slots[i]) &&
			   ic->slots[i].uid == key->uid) {
			his++;
		}
	}
	if (key->limit && his >= key->limit)
		return -EDQUOT;
	if (unused <= key->spare)
		return -ENOSPC;
	memcpy(slot.key_id, key->key_id, IC_KEY_ID_SIZE);
	err = set_slot(ic, nr, &slot);
	return err ? err : nr;
}

/**
 * ic_key_add() - bring a master key
 * @ic: the table, active
 * @key: the key, see &struct bio_owner_key; the caller wipes it
 *
 * Context: may sleep and do I/O.
 * Return: 0, -ENOKEY, -EROFS, -EDQUOT, -ENOSPC, -EBUSY while it is being
 * deleted, -EINTR, -ENOMEM, or an I/O error.
 */
int ic_key_add(struct inocrypt *ic, struct bio_owner_key *key)
{
	struct ic_master *master;
	int slot, err;

	err = ic_derive_key_id(key->raw, ic->params.uuid, key->key_id);
	if (err)
		return err;
	/*
	 * The caller holds the table, which a suspend waits for. Memory reclaim
	 * that did I/O to a device that is being suspended would wait for the
	 * suspend: so it must not do any.
	 */
	master = kzalloc(sizeof(*master), GFP_NOIO);
	if (!master)
		return -ENOMEM;
	memcpy(master->key_id, key->key_id, IC_KEY_ID_SIZE);
	memcpy(master->mk, key->raw, IC_KEY_SIZE);

	slot = mutex_lock_killable(&ic->owner_mutex);
	if (slot)
		goto free;
	slot = ic_slot_find(ic, key->key_id);
	if (slot < 0)
		slot = slot_create(ic, key);
	else if (ic->slots[slot].going)
		slot = -EBUSY;
	if (slot >= 0) {
		key->slot = slot;
		/*
		 * This is done under the mutex, so that ic_key_delete() either
		 * sees that the key is loaded, or has deleted it before.
		 */
		key->loaded = !ic_master_add(ic->vol, master);
		master = NULL;
	}
	mutex_unlock(&ic->owner_mutex);
free:
	kfree_sensitive(master);
	return min(slot, 0);
}

/**
 * ic_key_remove() - wipe a master key and all that derives from it
 * @ic: the table, active
 * @key_id: its name
 *
 * Context: may sleep; waits for requests under way with it.
 * Return: 0, or -ENOKEY if it isn't loaded.
 */
int ic_key_remove(struct inocrypt *ic, const u8 key_id[IC_KEY_ID_SIZE])
{
	int err = ic_master_remove(ic->vol, key_id);

	if (!err)
		ic_owner_lock_key(ic, key_id);
	return err;
}

/**
 * ic_key_next() - walk the keys that the volume knows
 * @ic: the table, active
 * @key: in: @key->slot, where to begin; out: the key that was found: @key_id, @slot,
 *	@uid and @loaded
 *
 * Context: may sleep; does no I/O, and waits for none.
 * Return: 0, or -ENOENT if there is none from there on.
 */
int ic_key_next(struct inocrypt *ic, struct bio_owner_key *key)
{
	int err = -ENOENT;
	u32 i;

	/*
	 * The mutex isn't taken here: whoever holds it may be doing I/O for any
	 * other user, and listing keys must not wait for that.
	 */
	spin_lock(&ic->owner_lock);
	for (i = key->slot; i < IC_KEY_SLOTS; i++) {
		const struct ic_key_slot *slot = &ic->slots[i];

		if (!slot_named(slot))
			continue;
		memcpy(key->key_id, slot->key_id, IC_KEY_ID_SIZE);
		key->slot = i;
		key->uid = slot->uid;
		err = 0;
		break;
	}
	spin_unlock(&ic->owner_lock);
	if (!err)
		key->loaded = ic_master_is_there(ic->vol, key->key_id);
	return err;
}

/*
 * From here to delete_end() nobody can add the key, so that it doesn't come into
 * use while its users are looked for.
 */
static int delete_begin(struct inocrypt *ic, const u8 *key_id)
{
	int slot;

	if (mutex_lock_killable(&ic->owner_mutex))
		return -EINTR;
	slot = ic_slot_find(ic, key_id);
	if (slot >= 0 && ic->read_only)
		slot = -EROFS;
	else if (slot >= 0 && (ic->slots[slot].going ||
			       ic_master_is_there(ic->vol, key_id)))
		slot = -EBUSY;
	else if (slot >= 0)
		ic->slots[slot].going = true;
	mutex_unlock(&ic->owner_mutex);
	return slot;
}

static int delete_end(struct inocrypt *ic, int slot, int err)
{
	static const struct ic_key_slot none;

	mutex_lock(&ic->owner_mutex);
	if (!err)
		err = set_slot(ic, slot, &none);
	ic->slots[slot].going = false;
	mutex_unlock(&ic->owner_mutex);
	return err;
}

/**
 * ic_key_delete() - forget a master key that nothing is under
 * @vol: the volume
 * @ic: its active table, which the caller holds; released on return
 * @key_id: the key's name
 *
 * While owner records are read the key can't be added, and without it no owner
 * can be made that refers to its slot.  The table is held for one leaf at a time, so
 * that a suspend waits for no more than that.
 *
 * Context: may sleep and do I/O, much of it.
 * Return: 0, -ENOKEY if the volume doesn't know it, -EBUSY while it is loaded or
 * an owner refers to it, -EROFS, -EINTR, -EAGAIN if the device was suspended, or an
 * I/O error.
 */
int ic_key_delete(struct ic_volume *vol, struct inocrypt *ic,
		  const u8 key_id[IC_KEY_ID_SIZE])
{
	u64 table = ic->nr, nr = 0;
	int slot, err = 0;

	lockdep_assert_held_read(&vol->ops_sem);
	slot = delete_begin(ic, key_id);
	if (slot < 0) {
		ic_volume_release(vol);
		return slot;
	}
	for (;;) {
		if (READ_ONCE(ic->suspending))
			err = -EAGAIN;
		else
			err = ic_owner_slot_unused(ic, slot, &nr);
		if (err <= 0)
			break;
		ic_volume_release(vol);
		/* If the table has gone, its slots have gone with it. */
		if (!ic_volume_hold_again(vol, ic, table))
			return -EAGAIN;
	}
	err = delete_end(ic, slot, err);
	ic_volume_release(vol);
	return err;
}
