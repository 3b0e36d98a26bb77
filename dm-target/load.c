// SPDX-License-Identifier: GPL-2.0-only
/*
 * Activation: find the newest valid superblock, load what it names, and bring it
 * up to its log.
 *
 * The superblock is read twice: by the constructor, to know the volume and to
 * see that the key fits, and on resume, because an older table for the same
 * volume may have been active in between.
 */
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "inocrypt.h"

static int read_copy(struct inocrypt *ic, u32 copy, struct page *page)
{
	return ic_block_rw(ic, IC_SUPER_BLOCK(copy), page,
			   REQ_OP_READ | REQ_SYNC | REQ_META);
}

/* An opened superblock has the log's salt. */
static void wipe_state(struct page *page, struct ic_state *state)
{
	memzero_explicit(state, sizeof(*state));
	memzero_explicit(page_address(page), PAGE_SIZE);
	__free_page(page);
}

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

static int open_copy(struct inocrypt *ic, struct ic_super *sb, u32 copy,
		     struct ic_state *state, const char **why)
{
	int err = ic_super_open(sb, ic->super_key, state, why);

	if (!err && (state->epoch & 1) != copy) {
		*why = "superblock is in the place of the other copy";
		err = -EBADMSG;
	}
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
	struct page *page = alloc_page(GFP_KERNEL);
	const char *why = "can't read the superblock";
	struct ic_params params;
	struct ic_state state;
	u64 epoch = 0;
	u32 copy;
	int err, first_err = 0;

	if (!page)
		return -ENOMEM;
	for (copy = 0; copy < 2; copy++) {
		struct ic_super *sb = page_address(page);

		err = read_copy(ic, copy, page);
		if (!err)
			err = ic_super_read_params(sb, &params, &why);
		if (!err)
			err = derive_meta_key(&ic->super_key, vk, params.uuid,
					      IC_LABEL_SUPER);
		if (!err)
			err = open_copy(ic, sb, copy, &state, &why);
		if (err) {
			/* "No superblock" says less than anything else. */
			if (!first_err || first_err == -ENODATA) {
				first_err = err;
				*error = (char *)why;
			}
			continue;
		}
		if (state.epoch > epoch) {
			epoch = state.epoch;
			ic->params = params;
		}
	}
	wipe_state(page, &state);
	if (!epoch)
		return first_err == -EBADMSG ? -EKEYREJECTED : first_err;

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
	struct page *page = alloc_page(GFP_KERNEL);
	const char *why = NULL;
	struct ic_super_id loaded = { };
	struct ic_params params;
	struct ic_state state;
	u32 copy;
	int err, bad = 0;

	if (!page)
		return -ENOMEM;
	ic->state.epoch = 0;
	ic->super_lost = false;
	for (copy = 0; copy < 2; copy++) {
		struct ic_super *sb = page_address(page);

		err = read_copy(ic, copy, page);
		if (!err)
			err = ic_super_read_params(sb, &params, &why);
		if (!err && memcmp(&params, &ic->params, sizeof(params)))
			err = -ESTALE;
		if (!err)
			err = open_copy(ic, sb, copy, &state, &why);
		if (err) {
			bad = err;
		} else if (state.epoch > ic->state.epoch) {
			ic->state = state;
			loaded.epoch = state.epoch;
			memcpy(loaded.tag, sb->tag, IC_TAG_SIZE);
		}
	}
	spin_lock(&ic->super_lock);
	ic->super_loaded = loaded;
	ic->super_now = loaded;
	spin_unlock(&ic->super_lock);
	wipe_state(page, &state);
	if (!ic->state.epoch) {
		DMERR("%s: no valid superblock: %s",
		      dm_device_name(ic->vol->md),
		      why ?: "can't be read, or of another volume");
		return bad;
	}
	if (!bad)
		return 0;
	/* No crash does this: a superblock is one 512-byte sector. */
	ic->super_lost = true;
	DMWARN("%s: one of the superblocks is unusable (error %d): the last checkpoint may be lost",
	       dm_device_name(ic->vol->md), bad);
	if (ic->read_only || bad == -EBADMSG || bad == -EINVAL ||
	    bad == -ENODATA || bad == -ESTALE)
		return 0;
	/* A read error may pass; a checkpoint would overwrite what it hides. */
	return bad;
}

static int load(struct inocrypt *ic)
{
	int err = wait_for_random_bytes();

	if (err)
		return err;
	/* An earlier try may have failed. */
	WRITE_ONCE(ic->failed, false);
	ic_nonces_init(&ic->nonces);
	ic->owners_seen = 0;
	if (!ic->read_only) {
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
