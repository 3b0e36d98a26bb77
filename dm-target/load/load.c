// SPDX-License-Identifier: GPL-2.0-only
/*
 * Activation: find the newest valid superblock, load what it names, and bring it
 * up to its log.
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
	}
	/* An opened superblock has the log's salt. */
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

/* Take the newest valid copy's state. */
static int newest_state(struct inocrypt *ic)
{
	const char *why = "can't look at it";
	struct ic_super_copy copy[2];
	struct ic_super_id loaded;
	int best, bad;

	ic->super_lost = false;
	ic->super_unread = false;
	best = judge_copies(ic, NULL, copy);
	if (!best)
		best = ic_super_choose(copy, &why);
	if (best >= 0 && memcmp(&copy[best].params, &ic->params,
				sizeof(ic->params))) {
		why = "it was formatted anew since the table was loaded";
		best = -ESTALE;
	}
	if (best < 0) {
		memzero_explicit(copy, sizeof(copy));
		DMERR("%s: no superblock to go on from: %s",
		      dm_device_name(ic->vol->md), why);
		return best;
	}
	ic->state = copy[best].state;
	loaded.epoch = ic->state.epoch;
	memcpy(loaded.tag, copy[best].tag, IC_TAG_SIZE);
	bad = copy[!best].err;
	spin_lock(&ic->super_lock);
	ic->super_loaded = loaded;
	ic->super_now = loaded;
	spin_unlock(&ic->super_lock);
	why = copy[!best].why;
	best = copy[!best].verdict;
	memzero_explicit(copy, sizeof(copy));
	if (!bad)
		return 0;
	ic->super_lost = true;
	/*
	 * A commit would overwrite what the unread superblock hides. The log
	 * tells which one is newer.
	 */
	if (best == IC_SUPER_UNREAD && !ic->read_only) {
		ic->super_unread = true;
		return 0;
	}
	/* No crash does this: a superblock is one 512-byte sector. */
	DMWARN("%s: a superblock is unusable (%s; error %d): the last checkpoint may be lost",
	       dm_device_name(ic->vol->md), why, bad);
	return 0;
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
		/*
		 * The superblock we begin with has to be on the medium before
		 * a place that it frees is written.
		 */
		err = blkdev_issue_flush(ic->sidecar->bdev);
	}
	if (!err)
		err = newest_state(ic);
	if (!err) {
		atomic64_set(&ic->nr_owners, ic->state.nr_owners);
		ic->owned = ic->state.flags & IC_STATE_OWNED;
		err = ic_cache_load_root(ic);
	}
	if (!err)
		err = ic_recover_log(ic);
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
