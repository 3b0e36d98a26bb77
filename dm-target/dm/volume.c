// SPDX-License-Identifier: GPL-2.0-only
/*
 * The volume, as a file system sees it: what outlives a table reload.  Here are the
 * list of all volumes, the operations that a file system calls, raw mode, and the
 * binding to the one file system that may write to it.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "keys/owners.h"
#include "checkpoint/checkpoint.h"
#include "dm/dm.h"

static DEFINE_MUTEX(registry_lock);	/* guards registry and vol->targets */
static LIST_HEAD(registry);

static struct ic_volume *to_volume(struct bio_owner_volume *bov)
{
	return container_of(bov, struct ic_volume, bov);
}

static int op_key_present(struct bio_owner_volume *bov,
			  const u8 key_id[BIO_OWNER_KEY_ID_SIZE])
{
	return ic_master_is_there(to_volume(bov), key_id) ? 0 : -ENOKEY;
}

static int op_forget(struct bio_owner_volume *bov, u32 ino, u32 gen)
{
	struct ic_volume *vol = to_volume(bov);
	struct inocrypt *ic = ic_volume_get_active(vol);
	int err;

	if (!ic)
		return -ENODEV;
	err = ic_owner_forget(ic, ino, gen);
	ic_volume_release(vol);
	return err;
}

static int op_next_owner(struct bio_owner_volume *bov, u32 *ino, u32 *gen)
{
	struct ic_volume *vol = to_volume(bov);
	struct inocrypt *ic = ic_volume_get_active(vol);
	int err;

	/* This holds the table for one leaf at a time, so as not to delay a suspend. */
	do {
		if (!ic)
			return -ENODEV;
		err = ic_owner_next(ic, ino, gen);
		ic_volume_release(vol);
		ic = err > 0 ? ic_volume_get_active(vol) : NULL;
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
	struct inocrypt *ic = ic_volume_get_active_killable(vol);
	int err;

	if (IS_ERR(ic))
		return PTR_ERR(ic);
	err = ic_key_add(ic, key);
	ic_volume_release(vol);
	return err;
}

static int op_key_remove(struct bio_owner_volume *bov,
			 const u8 key_id[BIO_OWNER_KEY_ID_SIZE])
{
	struct ic_volume *vol = to_volume(bov);
	struct inocrypt *ic = ic_volume_get_active_killable(vol);
	int err;

	if (IS_ERR(ic))
		return PTR_ERR(ic);
	err = ic_key_remove(ic, key_id);
	ic_volume_release(vol);
	return err;
}

static int op_key_next(struct bio_owner_volume *bov, struct bio_owner_key *key)
{
	struct ic_volume *vol = to_volume(bov);
	struct inocrypt *ic = ic_volume_get_active_killable(vol);
	int err;

	if (IS_ERR(ic))
		return PTR_ERR(ic);
	err = ic_key_next(ic, key);
	ic_volume_release(vol);
	return err;
}

static int op_key_delete(struct bio_owner_volume *bov,
			 const u8 key_id[BIO_OWNER_KEY_ID_SIZE])
{
	struct ic_volume *vol = to_volume(bov);
	struct inocrypt *ic = ic_volume_get_active_killable(vol);

	/* ic_key_delete() releases the table. */
	return IS_ERR(ic) ? PTR_ERR(ic) : ic_key_delete(vol, ic, key_id);
}

static int op_erase_sync(struct bio_owner_volume *bov)
{
	struct ic_volume *vol = to_volume(bov);
	struct inocrypt *ic = ic_volume_get_active(vol);
	int err;

	do {
		if (!ic)
			return -ENODEV;
		/*
		 * A read-only table has nothing to erase, and a sync must not
		 * fail because of that.
		 */
		err = ic->read_only ? 0 : ic_erase_look(ic);
		if (err <= 0)
			break;
		ic_volume_release(vol);
		ic = ic_volume_get_active(vol);
	} while (true);
	if (!err && !ic->read_only)
		err = ic_erase_sync(ic);
	ic_volume_release(vol);
	return err;
}

static void op_unbind(struct bio_owner_volume *bov)
{
	struct ic_volume *vol = to_volume(bov);

	mutex_lock(&vol->lock);
	WRITE_ONCE(vol->bound, false);
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

	lockdep_assert_held(&registry_lock);
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
	vol->snapshot = ic->options.snapshot;
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
		bool beside = vol->snapshot || ic->options.snapshot;

		if (vol->md == md) {
			found = same && vol->snapshot == ic->options.snapshot ?
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
	/*
	 * A file system may still be bound, if another table that fails all I/O
	 * took the place of ours. The volume then stays until that unbinds.
	 */
	ic_masters_wipe(vol);
	bio_owner_volume_put(&vol->bov);
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
	/*
	 * This replaces the caller's reason: with -ENXIO the file system would be
	 * mounted, without owners, and only one may write.
	 */
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
