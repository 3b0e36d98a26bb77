// SPDX-License-Identifier: GPL-2.0-only
/*
 * Activation: find the newest valid superblock, load what it names, and bring it
 * up to its log.  In which order, activation_order.c says.
 *
 * The superblock is read twice: by the constructor, to know the volume and to
 * see that the key fits, and on resume, because an older table for the same
 * volume may have been active in between.
 */
#include <linux/delay.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "tree/tree.h"
#include "log/log.h"
#include "keys/owners.h"
#include "load/load.h"

static int derive_meta_key(struct ic_meta_key **key, const u8 *vk,
			   const u8 *uuid, const char *label)
{
	u8 bytes[IC_KEY_SIZE];
	int err;

	err = ic_derive_volume_key(vk, uuid, label, bytes);
	if (err)
		return err;
	ic_meta_key_free(*key);
	*key = ic_meta_key_new(bytes);
	memzero_explicit(bytes, sizeof(bytes));
	if (!IS_ERR(*key))
		return 0;
	err = PTR_ERR(*key);
	*key = NULL;
	return err;
}

/*
 * A superblock that can't be read is tried so often, with such a pause in
 * between.
 */
#define READ_TRIES	3
#define READ_PAUSE_MS	500

/*
 * Which superblock is the newer one depends on this read, so try again: an
 * error may pass.
 */
static int read_copy(struct inocrypt *ic, u32 nr, struct page *page)
{
	int err, tries;

	for (tries = 1; ; tries++) {
		err = ic_block_rw(ic, IC_SUPER_BLOCK(nr), page,
				  REQ_OP_READ | REQ_SYNC | REQ_META);
		if (!err || tries == READ_TRIES)
			return err;
		msleep(READ_PAUSE_MS);
	}
}

/*
 * Read and judge both copies of the superblock. @vk is NULL once super_key is
 * the volume's. The caller wipes @copy.
 */
static int judge_copies(struct inocrypt *ic, const u8 *vk,
			struct ic_super_copy copy[2])
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct ic_super *sb;
	int err = 0;
	u32 nr;

	memset(copy, 0, 2 * sizeof(*copy));
	if (!page)
		return -ENOMEM;
	sb = page_address(page);
	for (nr = 0; nr < 2 && !err; nr++) {
		err = read_copy(ic, nr, page);
		if (err) {
			ic_super_unread(&copy[nr], err);
			err = 0;
			continue;
		}
		if (vk)
			err = derive_meta_key(&ic->super_key, vk,
					      sb->clear.uuid, IC_LABEL_SUPER);
		if (!err)
			ic_super_judge(sb, nr, ic->super_key, &copy[nr]);
		/* It refuses the volume, and its reason doesn't say which it is. */
		if (copy[nr].verdict == IC_SUPER_STRANGE ||
		    copy[nr].verdict == IC_SUPER_UNJUDGED)
			DMERR("%s: superblock copy %u: %s",
			      dm_device_name(dm_table_get_md(ic->ti->table)),
			      nr, copy[nr].why);
	}
	/* A superblock that was opened has the log's salt, so it is wiped. */
	memzero_explicit(sb, PAGE_SIZE);
	__free_page(page);
	return err;
}

/**
 * ic_read_super() - identify a volume and derive its keys
 * @ic: with its devices open
 * @vk: volume key
 * @error: receives what to tell the user on failure
 *
 * Context: constructor, may sleep and do I/O.
 * Return: 0, -ENODATA if this is no volume, -EKEYREJECTED if the key doesn't
 * fit, or another negative errno.
 */
int ic_read_super(struct inocrypt *ic, const u8 *vk, char **error)
{
	const char *why = "can't look at the superblock";
	struct ic_super_copy copy[2];
	int err, best;

	best = judge_copies(ic, vk, copy);
	if (!best)
		best = ic_super_choose(copy, &why);
	if (best >= 0)
		ic->params = copy[best].params;
	memzero_explicit(copy, sizeof(copy));
	if (best < 0) {
		*error = (char *)why;
		return best == -EBADMSG ? -EKEYREJECTED : best;
	}

	*error = "can't derive keys";
	err = ic_geometry_init(&ic->geo, &ic->params);
	if (!err)
		err = derive_meta_key(&ic->super_key, vk, ic->params.uuid,
				      IC_LABEL_SUPER);
	if (!err)
		err = derive_meta_key(&ic->node_key, vk, ic->params.uuid,
				      IC_LABEL_NODE);
	if (!err)
		err = ic_derive_volume_key(vk, ic->params.uuid, IC_LABEL_LOG,
					   ic->logger.master);
	if (!err)
		err = ic_derive_data_key(vk, ic->params.uuid,
					 ic->params.cipher,
					 ic->volume_key.bytes);
	ic_new_serial(&ic->volume_key);
	ic->cipher = ic_cipher_info(ic->params.cipher);
	return err;
}

/* A home of activation_order.c: the table, and its recovery under way. */
struct loading {
	struct inocrypt		*ic;
	struct ic_recovery_home	*recovery;
};

static int op_flush(void *home)
{
	struct loading *l = home;

	return blkdev_issue_flush(l->ic->sidecar->bdev);
}

static int op_judge(void *home, struct ic_super_copy copy[2])
{
	struct loading *l = home;

	return judge_copies(l->ic, NULL, copy);
}

static void op_chosen(void *home, const struct ic_super_copy *best,
		      const struct ic_super_copy *other)
{
	struct loading *l = home;
	struct inocrypt *ic = l->ic;
	struct ic_super_id loaded = { .epoch = best->state.epoch };

	ic->state = best->state;
	memcpy(loaded.tag, best->tag, IC_TAG_SIZE);
	spin_lock(&ic->super_lock);
	ic->super_loaded = loaded;
	ic->super_now = loaded;
	spin_unlock(&ic->super_lock);
	atomic64_set(&ic->nr_owners, ic->state.nr_owners);
	ic->owned = ic->state.flags & IC_STATE_OWNED;
	/* Recovery says what comes of one that can't be read. */
	if (!other->err ||
	    (other->verdict == IC_SUPER_UNREAD && !ic->read_only))
		return;
	/* No crash does this: a superblock is one 512-byte sector. */
	DMWARN("%s: superblock copy %u is unusable (%s; error %d): the last checkpoint may be lost",
	       dm_device_name(ic->vol->md), !(best->state.epoch & 1),
	       other->why, other->err);
}

static int op_load_root(void *home)
{
	struct loading *l = home;

	return ic_cache_load_root(l->ic);
}

static int op_recover(void *home, struct ic_activation *a)
{
	struct loading *l = home;

	return ic_recovery_run(l->recovery, a);
}

static int op_new_salt(void *home, u64 gen)
{
	struct loading *l = home;

	return ic_log_new_salt(l->ic, gen);
}

static void op_adopt(void *home)
{
	struct loading *l = home;

	ic_recovery_adopt(l->recovery);
}

static int op_commit(void *home)
{
	struct loading *l = home;

	return ic_recovery_commit(l->recovery);
}

static const struct ic_activation_ops activation_ops = {
	.flush		= op_flush,
	.judge		= op_judge,
	.chosen		= op_chosen,
	.load_root	= op_load_root,
	.recover	= op_recover,
	.new_salt	= op_new_salt,
	.adopt		= op_adopt,
	.commit		= op_commit,
};

/* Superblock, root, log: what shared/activation_order.c orders. */
static int activate(struct inocrypt *ic)
{
	const char *name = dm_device_name(ic->vol->md);
	struct loading l = { .ic = ic };
	struct ic_activation a = {
		.ops = &activation_ops,
		.home = &l,
		.params = &ic->params,
		.log = &ic->logger.log,
		.read_only = ic->read_only,
	};
	int err;

	l.recovery = ic_recovery_home_new(ic);
	if (IS_ERR(l.recovery))
		return PTR_ERR(l.recovery);
	a.recovery = ic->recovery;
	err = ic_activate(&a);
	ic_recovery_home_free(l.recovery);
	ic->super_lost = a.super_lost;
	if (a.why)
		DMERR("%s: no superblock to go on from: %s", name, a.why);
	if (a.no_room)
		DMERR("%s: no room in the log for %u sectors that can't be read",
		      name, a.nr_unsettled);
	return err;
}

static int load(struct inocrypt *ic)
{
	int err = wait_for_random_bytes();

	if (err)
		return err;
	/* An earlier try to activate this table may have failed. */
	WRITE_ONCE(ic->failed, false);
	WRITE_ONCE(ic->checkpoint_failing, 0);
	ic_nonces_init(&ic->nonces);
	ic->owners_seen = 0;
	if (!ic->read_only) {
		/*
		 * A device may have been made read-only since the table was
		 * loaded.
		 */
		if (bdev_read_only(ic->data->bdev) ||
		    bdev_read_only(ic->sidecar->bdev)) {
			DMERR("%s: a device is read-only: the table has to be, too",
			      dm_device_name(ic->vol->md));
			return -EROFS;
		}
		err = ic_nonces_begin_writes();
		if (err) {
			DMERR("%s: can't be activated while hibernating",
			      dm_device_name(ic->vol->md));
			return err;
		}
	}
	err = activate(ic);
	if (!err)
		err = ic_keys_load(ic);
	if (!err) {
		ic->loaded = true;
		return 0;
	}
	DMERR("%s: can't load the volume: error %d",
	      dm_device_name(ic->vol->md), err);
	ic_log_stop(ic);
	ic_cache_empty(ic);
	if (!ic->read_only)
		ic_nonces_end_writes();
	return err;
}

/**
 * ic_load() - take the volume's state from the disk
 * @ic: not loaded yet
 *
 * Context: resume, may sleep and do I/O.
 * Return: 0 or a negative errno.
 */
int ic_load(struct inocrypt *ic)
{
	unsigned int noio = memalloc_noio_save();
	int err = load(ic);

	memalloc_noio_restore(noio);
	return err;
}
