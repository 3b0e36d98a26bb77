// SPDX-License-Identifier: GPL-2.0-only
/*
 * The volume: what outlives a table reload.  Master keys, raw mode, and the
 * binding to the one file system that may write to it.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "inocrypt.h"

static DEFINE_MUTEX(registry_lock);	/* guards registry and vol->targets */
static LIST_HEAD(registry);

static struct ic_volume *to_volume(struct bio_owner_volume *bov)
{
	return container_of(bov, struct ic_volume, bov);
}

/*
 * Use the active table.  Not over what takes long: who suspends the device waits, and
 * behind him all who use the volume.  While a reload is between two tables the call waits,
 * as I/O would.  NULL once the last table is gone, as after a forced removal.
 */
static struct inocrypt *active_get(struct ic_volume *vol)
{
	struct inocrypt *ic;

	for (;;) {
		down_read(&vol->ops_sem);
		ic = vol->active;
		if (ic)
			return ic;
		up_read(&vol->ops_sem);
		if (READ_ONCE(vol->gone))
			return NULL;
		wait_event(vol->active_wait, READ_ONCE(vol->active) ||
			   READ_ONCE(vol->gone));
	}
}

/* The same for who can be killed meanwhile: ERR_PTR(-EINTR), or -ENODEV. */
static struct inocrypt *active_get_killable(struct ic_volume *vol)
{
	struct inocrypt *ic;

	for (;;) {
		if (down_read_killable(&vol->ops_sem))
			return ERR_PTR(-EINTR);
		ic = vol->active;
		if (ic)
			return ic;
		up_read(&vol->ops_sem);
		if (READ_ONCE(vol->gone))
			return ERR_PTR(-ENODEV);
		if (wait_event_killable(vol->active_wait,
					READ_ONCE(vol->active) ||
					READ_ONCE(vol->gone)))
			return ERR_PTR(-EINTR);
	}
}

static void active_put(struct ic_volume *vol)
{
	up_read(&vol->ops_sem);
}

static int op_key_present(struct bio_owner_volume *bov,
			  const u8 key_id[BIO_OWNER_KEY_ID_SIZE])
{
	return ic_volume_has_key(to_volume(bov), key_id) ? 0 : -ENOKEY;
}

static int op_forget(struct bio_owner_volume *bov, u32 ino, u32 gen)
{
	struct ic_volume *vol = to_volume(bov);
	struct inocrypt *ic = active_get(vol);
	int err;

	if (!ic)
		return -ENODEV;
	err = ic_owner_forget(ic, ino, gen);
	active_put(vol);
	return err;
}

static int op_next_owner(struct bio_owner_volume *bov, u32 *ino, u32 *gen)
{
	struct ic_volume *vol = to_volume(bov);
	struct inocrypt *ic = active_get(vol);
	int err;

	/* A leaf at a time. */
	do {
		if (!ic)
			return -ENODEV;
		err = ic_owner_next(ic, ino, gen);
		active_put(vol);
		ic = err > 0 ? active_get(vol) : NULL;
	} while (err > 0);
	return err;
}

static int op_key_identify(struct bio_owner_volume *bov,
			   struct bio_owner_key *key)
{
	return ic_derive_key_id(key->raw, to_volume(bov)->uuid, key->key_id);
}

static int op_key_add(struct bio_owner_volume *bov, struct bio_owner_key *key)
{
	struct ic_volume *vol = to_volume(bov);
	struct inocrypt *ic = active_get_killable(vol);
	int err;

	if (IS_ERR(ic))
		return PTR_ERR(ic);
	err = ic_key_add(ic, key);
	active_put(vol);
	return err;
}

static int op_key_remove(struct bio_owner_volume *bov,
			 const u8 key_id[BIO_OWNER_KEY_ID_SIZE])
{
	struct ic_volume *vol = to_volume(bov);
	struct inocrypt *ic = active_get_killable(vol);
	int err;

	if (IS_ERR(ic))
		return PTR_ERR(ic);
	err = ic_key_remove(ic, key_id);
	active_put(vol);
	return err;
}

static int op_key_next(struct bio_owner_volume *bov, struct bio_owner_key *key)
{
	struct ic_volume *vol = to_volume(bov);
	struct inocrypt *ic = active_get_killable(vol);
	int err;

	if (IS_ERR(ic))
		return PTR_ERR(ic);
	err = ic_key_next(ic, key);
	active_put(vol);
	return err;
}

static int op_key_delete(struct bio_owner_volume *bov,
			 const u8 key_id[BIO_OWNER_KEY_ID_SIZE])
{
	struct ic_volume *vol = to_volume(bov);
	struct inocrypt *ic = active_get_killable(vol);

	/* It lets go of the table. */
	return IS_ERR(ic) ? PTR_ERR(ic) : ic_key_delete(vol, ic, key_id);
}

static int op_erase_sync(struct bio_owner_volume *bov)
{
	struct ic_volume *vol = to_volume(bov);
	struct inocrypt *ic = active_get(vol);
	int err;

	do {
		if (!ic)
			return -ENODEV;
		/* Its file system has nothing to erase: not an error of a sync. */
		err = ic->read_only ? 0 : ic_erase_look(ic);
		if (err <= 0)
			break;
		active_put(vol);
		ic = active_get(vol);
	} while (true);
	if (!err && !ic->read_only)
		err = ic_erase_sync(ic);
	active_put(vol);
	return err;
}

static void op_unbind(struct bio_owner_volume *bov)
{
	struct ic_volume *vol = to_volume(bov);

	mutex_lock(&vol->lock);
	WRITE_ONCE(vol->bound, false);
	mutex_unlock(&vol->lock);
}

/* Nobody adds any more: no table is left. */
static void wipe_masters(struct ic_volume *vol)
{
	struct ic_master *m, *n;

	mutex_lock(&vol->lock);
	list_for_each_entry_safe(m, n, &vol->masters, list) {
		list_del(&m->list);
		kfree_sensitive(m);
	}
	mutex_unlock(&vol->lock);
}

static void op_release(struct bio_owner_volume *bov)
{
	kfree_sensitive(to_volume(bov));
}

static const struct bio_owner_volume_ops volume_ops = {
	.owner		= THIS_MODULE,
	.key_present	= op_key_present,
	.forget		= op_forget,
	.next_owner	= op_next_owner,
	.key_identify	= op_key_identify,
	.key_add	= op_key_add,
	.key_remove	= op_key_remove,
	.key_next	= op_key_next,
	.key_delete	= op_key_delete,
	.erase_sync	= op_erase_sync,
	.unbind		= op_unbind,
	.release	= op_release,
};

static struct ic_volume *volume_new(struct inocrypt *ic)
{
	struct ic_volume *vol = kzalloc(sizeof(*vol), GFP_KERNEL);

	if (!vol)
		return ERR_PTR(-ENOMEM);
	bio_owner_volume_init(&vol->bov, &volume_ops);
	vol->bov.sector_size = ic->geo.sector_size;
	vol->bov.max_ino = min_t(u64, ic->geo.owners - 1, U32_MAX);
	mutex_init(&vol->lock);
	init_rwsem(&vol->ops_sem);
	init_waitqueue_head(&vol->active_wait);
	INIT_LIST_HEAD(&vol->masters);
	vol->md = dm_table_get_md(ic->ti->table);
	memcpy(vol->uuid, ic->params.uuid, IC_UUID_SIZE);
	vol->snapshot = ic->snapshot;
	list_add(&vol->list, &registry);
	return vol;
}

/**
 * ic_volume_get() - the volume of a table that is being loaded
 * @ic: with params read
 *
 * Context: constructor.
 * Return: the volume; -EBUSY if another device holds it, unless one of the two is
 * a snapshot, or this device holds another volume; -ENOMEM.
 */
struct ic_volume *ic_volume_get(struct inocrypt *ic)
{
	struct mapped_device *md = dm_table_get_md(ic->ti->table);
	struct ic_volume *vol, *found = NULL;

	mutex_lock(&registry_lock);
	list_for_each_entry(vol, &registry, list) {
		bool same = !memcmp(vol->uuid, ic->params.uuid, IC_UUID_SIZE);
		bool beside = vol->snapshot || ic->snapshot;

		if (vol->md == md) {
			found = same && vol->snapshot == ic->snapshot ?
				vol : ERR_PTR(-EBUSY);
			break;
		}
		if (same && !beside) {
			found = ERR_PTR(-EBUSY);
			break;
		}
	}
	if (!found)
		found = volume_new(ic);
	if (!IS_ERR(found))
		found->targets++;
	mutex_unlock(&registry_lock);
	return found;
}

/**
 * ic_volume_put() - a table goes away
 * @vol: the volume
 * @ic: the table
 */
void ic_volume_put(struct ic_volume *vol, struct inocrypt *ic)
{
	bool last;

	ic_volume_deactivate(vol, ic);
	mutex_lock(&registry_lock);
	last = !--vol->targets;
	if (last)
		list_del(&vol->list);
	mutex_unlock(&registry_lock);
	if (!last)
		return;
	WRITE_ONCE(vol->gone, true);
	wake_up_all(&vol->active_wait);
	/* A file system may still be bound, over a table that only fails. */
	wipe_masters(vol);
	bio_owner_volume_put(&vol->bov);
}

/**
 * ic_volume_activate() - a table takes over
 * @vol: the volume
 * @ic: the table, loaded
 */
void ic_volume_activate(struct ic_volume *vol, struct inocrypt *ic)
{
	down_write(&vol->ops_sem);
	WRITE_ONCE(vol->active, ic);
	up_write(&vol->ops_sem);
	wake_up_all(&vol->active_wait);
}

/**
 * ic_volume_deactivate() - a table is suspended or goes away
 * @vol: the volume
 * @ic: the table; nothing happens if another one is active
 */
void ic_volume_deactivate(struct ic_volume *vol, struct inocrypt *ic)
{
	down_write(&vol->ops_sem);
	if (vol->active == ic)
		WRITE_ONCE(vol->active, NULL);
	up_write(&vol->ops_sem);
}

/**
 * ic_volume_hold() - keep a table active, if it is
 * @vol: the volume
 * @ic: the table
 *
 * Return: true if it is active; it stays so until ic_volume_release().
 */
bool ic_volume_hold(struct ic_volume *vol, struct inocrypt *ic)
{
	down_read(&vol->ops_sem);
	if (vol->active == ic)
		return true;
	up_read(&vol->ops_sem);
	return false;
}

/**
 * ic_volume_hold_again() - go on with a table that was let go of
 * @vol: the volume
 * @ic: the table; perhaps it is gone
 * @nr: its number
 *
 * While the device is suspended the call waits, unless the caller keeps device mapper
 * from suspending it, as a message does.
 *
 * Return: false if another table has taken over, or none is left; true if it is held.
 */
bool ic_volume_hold_again(struct ic_volume *vol, struct inocrypt *ic, u64 nr)
{
	struct inocrypt *now = active_get(vol);

	if (!now)
		return false;
	if (now == ic && now->nr == nr)
		return true;
	active_put(vol);
	return false;
}

/**
 * ic_volume_release() - undo ic_volume_hold()
 * @vol: the volume
 */
void ic_volume_release(struct ic_volume *vol)
{
	up_read(&vol->ops_sem);
}

/**
 * ic_volume_bind() - answer a file system's handshake
 * @vol: the volume
 * @bio: the request's bio; the caller ends it
 * @err: a reason to refuse, or 0
 *
 * Context: may sleep.
 */
void ic_volume_bind(struct ic_volume *vol, struct bio *bio, int err)
{
	mutex_lock(&vol->lock);
	/* Whatever else is wrong: nobody else is to write now. */
	if (vol->bound || vol->raw)
		err = -EBUSY;
	if (!bio_owner_answer_bind(bio, &vol->bov, err) && !err)
		WRITE_ONCE(vol->bound, true);
	mutex_unlock(&vol->lock);
}

/**
 * ic_volume_set_raw() - enter or leave raw mode
 * @vol: the volume
 * @raw: allow untagged writes, and untagged reads of owned sectors
 *
 * Return: 0, or -EBUSY while a file system is bound.
 */
int ic_volume_set_raw(struct ic_volume *vol, bool raw)
{
	int err = 0;

	mutex_lock(&vol->lock);
	if (raw && vol->bound)
		err = -EBUSY;
	else
		WRITE_ONCE(vol->raw, raw);
	mutex_unlock(&vol->lock);
	return err;
}

/* Under vol->lock. */
static struct ic_master *find_master(struct ic_volume *vol, const u8 *key_id)
{
	struct ic_master *m;

	list_for_each_entry(m, &vol->masters, list)
		if (!memcmp(m->key_id, key_id, IC_KEY_ID_SIZE))
			return m;
	return NULL;
}

/**
 * ic_volume_add_key() - keep a master key in memory
 * @vol: the volume
 * @master: the key; the volume's from now on
 *
 * Return: false if it was there.
 */
bool ic_volume_add_key(struct ic_volume *vol, struct ic_master *master)
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
 * ic_volume_remove_key() - wipe a master key
 * @vol: the volume
 * @key_id: its name
 *
 * Return: 0, or -ENOKEY if it isn't loaded.
 */
int ic_volume_remove_key(struct ic_volume *vol,
			 const u8 key_id[IC_KEY_ID_SIZE])
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
 * ic_volume_copy_key() - copy a master key
 * @vol: the volume
 * @key_id: its name
 * @mk: receives it; the caller wipes it
 *
 * Return: 0 or -ENOKEY.
 */
int ic_volume_copy_key(struct ic_volume *vol, const u8 key_id[IC_KEY_ID_SIZE],
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
 * ic_volume_has_key() - is a master key in memory?
 * @vol: the volume
 * @key_id: its name
 */
bool ic_volume_has_key(struct ic_volume *vol, const u8 key_id[IC_KEY_ID_SIZE])
{
	bool has;

	mutex_lock(&vol->lock);
	has = find_master(vol, key_id);
	mutex_unlock(&vol->lock);
	return has;
}
