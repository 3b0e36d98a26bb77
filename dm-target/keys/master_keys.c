// SPDX-License-Identifier: GPL-2.0-only
/*
 * Master keys in memory.  They belong to the volume, so that a table reload keeps
 * them.
 */
#include <linux/slab.h>

#include "keys/owners.h"

static struct ic_master *find_master(struct ic_volume *vol, const u8 *key_id)
{
	struct ic_master *m;

	lockdep_assert_held(&vol->lock);
	list_for_each_entry(m, &vol->masters, list)
		if (!memcmp(m->key_id, key_id, IC_KEY_ID_SIZE))
			return m;
	return NULL;
}

/**
 * ic_master_add() - keep a master key in memory
 * @vol: the volume
 * @master: the key; it belongs to the volume from now on
 *
 * Return: false if the key was in memory already; then @master has been freed.
 */
bool ic_master_add(struct ic_volume *vol, struct ic_master *master)
{
	bool new;

	mutex_lock(&vol->lock);
	new = !find_master(vol, master->key_id);
	if (new)
		list_add_tail(&master->list, &vol->masters);
	mutex_unlock(&vol->lock);
	if (!new)
		kfree_sensitive(master);
	return new;
}

/**
 * ic_master_remove() - wipe a master key
 * @vol: the volume
 * @key_id: its name
 *
 * Return: 0, or -ENOKEY if it isn't loaded.
 */
int ic_master_remove(struct ic_volume *vol, const u8 key_id[IC_KEY_ID_SIZE])
{
	struct ic_master *m;

	mutex_lock(&vol->lock);
	m = find_master(vol, key_id);
	if (m)
		list_del(&m->list);
	mutex_unlock(&vol->lock);
	kfree_sensitive(m);
	return m ? 0 : -ENOKEY;
}

/**
 * ic_master_copy() - copy a master key
 * @vol: the volume
 * @key_id: its name
 * @mk: receives it; the caller wipes it
 *
 * Return: 0 or -ENOKEY.
 */
int ic_master_copy(struct ic_volume *vol, const u8 key_id[IC_KEY_ID_SIZE],
		   u8 mk[IC_KEY_SIZE])
{
	struct ic_master *m;

	mutex_lock(&vol->lock);
	m = find_master(vol, key_id);
	if (m)
		memcpy(mk, m->mk, IC_KEY_SIZE);
	mutex_unlock(&vol->lock);
	return m ? 0 : -ENOKEY;
}

/**
 * ic_master_is_there() - is a master key in memory?
 * @vol: the volume
 * @key_id: its name
 */
bool ic_master_is_there(struct ic_volume *vol, const u8 key_id[IC_KEY_ID_SIZE])
{
	bool has;

	mutex_lock(&vol->lock);
	has = find_master(vol, key_id);
	mutex_unlock(&vol->lock);
	return has;
}

/**
 * ic_masters_wipe() - wipe all master keys
 * @vol: the volume; no table of it is left, so that nobody adds any more
 *
 * Context: may sleep.
 */
void ic_masters_wipe(struct ic_volume *vol)
{
	struct ic_master *m, *n;

	mutex_lock(&vol->lock);
	list_for_each_entry_safe(m, n, &vol->masters, list) {
		list_del(&m->list);
		kfree_sensitive(m);
	}
	mutex_unlock(&vol->lock);
}
