// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-inocrypt: per-owner authenticated encryption of a block device.
 *
 * This file is the target itself: construction, mapping of bios, suspend and
 * resume.  See docs/ for what it is all for.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "core/trace.h"
#include "tree/tree.h"
#include "log/log.h"
#include "keys/owners.h"
#include "checkpoint/checkpoint.h"
#include "io/io.h"
#include "load/load.h"
#include "dm/dm.h"

static void free_target(struct inocrypt *ic)
{
	struct dm_target *ti = ic->ti;

	if (ic->loaded && !ic->read_only)
		ic_nonces_end_writes();
	/*
	 * The data path goes first, as its workers may still be about to start a
	 * checkpoint.
	 */
	ic_io_exit(ic);
	ic_checkpoint_exit(ic);
	ic_logger_exit(ic);
	ic_redo_exit(ic);
	kfree(ic->recovery);
	ic_cache_exit(ic);
	ic_owners_exit(ic);
	ic_tfm_exit(&ic->tfms);
	ic_meta_key_free(ic->super_key);
	ic_meta_key_free(ic->node_key);
	if (ic->vol)
		ic_volume_put(ic->vol, ic);
	if (ic->sidecar)
		dm_put_device(ti, ic->sidecar);
	if (ic->data)
		dm_put_device(ti, ic->data);
	kfree(ic->key_desc);
	kfree_sensitive(ic);
}

/* Does the volume fit what the table says? */
static int check_sizes(struct inocrypt *ic)
{
	struct dm_target *ti = ic->ti;
	unsigned int shift = ic->geo.sector_shift - SECTOR_SHIFT;
	u64 sidecar = ic->geo.blocks << (IC_BLOCK_SHIFT - SECTOR_SHIFT);
	u64 data = ic->geo.data_sectors << shift;

	if (ti->begin) {
		ti->error = "The target must begin at sector 0";
		return -EINVAL;
	}
	if (ti->len > data || (ti->len & ((1U << shift) - 1))) {
		ti->error = "Length is beyond the volume, or not a multiple of its sector size";
		return -EINVAL;
	}
	if (ic->sidecar_start + sidecar > bdev_nr_sectors(ic->sidecar->bdev) ||
	    (ic->sidecar_start & (IC_BLOCK_SIZE / SECTOR_SIZE - 1))) {
		ti->error = "Sidecar is beyond its device, or not aligned to 4096 bytes";
		return -EINVAL;
	}
	if (ic->data_start + ti->len > bdev_nr_sectors(ic->data->bdev) ||
	    (ic->data_start & ((1U << shift) - 1))) {
		ti->error = "Data is beyond its device, or not aligned to the sector size";
		return -EINVAL;
	}
	if (ic->data->bdev == ic->sidecar->bdev &&
	    ic->data_start < ic->sidecar_start + sidecar &&
	    ic->sidecar_start < ic->data_start + data) {
		ti->error = "Data and sidecar overlap";
		return -EINVAL;
	}
	if (bdev_logical_block_size(ic->data->bdev) > ic->geo.sector_size ||
	    bdev_logical_block_size(ic->sidecar->bdev) > IC_BLOCK_SIZE) {
		ti->error = "Logical blocks of a device are larger than sectors";
		return -EINVAL;
	}
	return 0;
}

static int open_volume(struct inocrypt *ic)
{
	struct dm_target *ti = ic->ti;
	u8 vk[IC_KEY_SIZE];
	int err;

	err = ic_logon_key(ic->key_desc, vk);
	if (err) {
		ti->error = err == -EKEYREJECTED ?
			"Volume key is not 32 bytes long" :
			"Volume key is not in the keyrings";
		return err;
	}
	err = ic_read_super(ic, vk, &ti->error);
	memzero_explicit(vk, sizeof(vk));
	if (!err)
		err = check_sizes(ic);
	if (err)
		return err;
	ic->vol = ic_volume_get(ic);
	if (IS_ERR(ic->vol)) {
		err = PTR_ERR(ic->vol);
		ic->vol = NULL;
		ti->error = "Volume is active elsewhere, or device holds another volume";
	}
	return err;
}

static int alloc_resources(struct inocrypt *ic)
{
	int err;

	ic->ti->error = "Can't allocate the cipher";
	err = ic_tfm_init(&ic->tfms, ic->cipher, &ic->volume_key);
	if (err)
		return err;
	ic->ti->error = "Out of memory";
	err = ic_owners_init(ic);
	if (!err)
		err = ic_redo_init(ic);
	if (!err)
		err = ic_io_init(ic);
	if (!err)
		err = ic_cache_init(ic);
	if (!err)
		err = ic_logger_init(ic);
	if (!err)
		err = ic_checkpoint_init(ic);
	return err;
}

static int inocrypt_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	static atomic64_t tables;
	struct inocrypt *ic;
	u32 max_bytes;
	int err;

	ic = kzalloc(sizeof(*ic), GFP_KERNEL);
	if (!ic) {
		ti->error = "Out of memory";
		return -ENOMEM;
	}
	ic->ti = ti;
	ic->nr = atomic64_inc_return(&tables);
	ic->read_only = !ic_compat_table_writable(ti->table);
	spin_lock_init(&ic->super_lock);
	err = ic_parse_args(ic, argc, argv);
	if (!err)
		err = open_volume(ic);
	if (!err)
		err = alloc_resources(ic);
	if (err)
		goto fail;
	max_bytes = min_t(u32, IC_IO_MAX_BYTES,
			  IC_IO_MAX_SECTORS << ic->geo.sector_shift);
	err = dm_set_target_max_io_len(ti, max_bytes >> SECTOR_SHIFT);
	if (err)
		goto fail;
	err = bio_owner_register_profile(dm_disk(ic->vol->md),
					 ic->geo.sector_size);
	if (err) {
		ti->error = "Can't register for owner tags";
		goto fail;
	}
	ti->private = ic;
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->discards_supported = true;
	ti->flush_supported = true;
	ti->limit_swap_bios = true;
	ic_compat_payload_reserve(ti);
	ti->per_io_data_size = sizeof(struct ic_io);
	ti->error = NULL;
	return 0;

fail:
	free_target(ic);
	return err;
}

static void inocrypt_dtr(struct dm_target *ti)
{
	free_target(ti->private);
}

/* May this bio write now?  Counts and reports a refusal. */
static bool may_write(struct inocrypt *ic, const struct ic_io *io)
{
	struct ic_volume *vol = ic->vol;

	if (READ_ONCE(vol->bound) || (!io->tagged && READ_ONCE(vol->raw)))
		return true;
	if (!io->tagged && !READ_ONCE(ic->owned))
		return true;
	ic_count(ic, IC_STAT_WRITES_REFUSED);
	DMERR_LIMIT("%s: write refused: volume with owned files, no ext4 of inocrypt's, not raw",
		    dm_device_name(vol->md));
	return false;
}

static int end_now(struct bio *bio, blk_status_t status)
{
	if (status && bio_op(bio) == REQ_OP_READ)
		zero_fill_bio(bio);
	bio->bi_status = status;
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

static int inocrypt_map(struct dm_target *ti, struct bio *bio)
{
	struct inocrypt *ic = ti->private;
	struct ic_io *io = dm_per_bio_data(bio, sizeof(*io));
	unsigned int shift = ic->geo.sector_shift - SECTOR_SHIFT;
	u64 sector = dm_target_offset(ti, bio->bi_iter.bi_sector);

	memset(io, 0, offsetof(struct ic_io, few));
	io->ic = ic;
	io->bio = bio;
	io->logged = ic_io_end;
	if (bio->bi_opf & REQ_PREFLUSH) {
		ic_count(ic, IC_STAT_FLUSHES);
		if (ic->read_only)
			return end_now(bio, ic_behind_flush_ro(ic));
		if (trace_ic_io_enabled()) {
			ic_range_number(ic, io);
			trace_ic_io(io, IC_AT_BEGIN, 0);
		}
		ic_log_wait_flush(io);
		return DM_MAPIO_SUBMITTED;
	}
	if (op_is_write(bio_op(bio)) && ic_behind_flush_has_failed(ic, bio))
		return end_now(bio, BLK_STS_IOERR);

	switch (bio_owner_read(bio, &io->id)) {
	case BIO_OWNER_NONE:
		ic_count(ic, IC_STAT_UNTAGGED);
		break;
	case BIO_OWNER_TAGGED:
		ic_count(ic, IC_STAT_TAGGED);
		io->tagged = true;
		break;
	case BIO_OWNER_CONTROL:
		/*
		 * Owners are named by the inode numbers of one file system, which
		 * has to begin where the volume does.  One that begins further in
		 * is told so, and goes without owners.
		 */
		ic_volume_bind(ic->vol, bio, sector ? -ENXIO : 0);
		zero_fill_bio(bio);
		return end_now(bio, BLK_STS_OK);
	case BIO_OWNER_MALFORMED:
	default:
		ic_count(ic, IC_STAT_MALFORMED);
		DMERR_LIMIT("%s: bio with a malformed owner tag refused",
			    dm_device_name(ic->vol->md));
		return end_now(bio, BLK_STS_PROTECTION);
	}

	if (!bio_sectors(bio))
		return end_now(bio, BLK_STS_OK);
	if ((sector | bio_sectors(bio)) & ((1U << shift) - 1))
		return end_now(bio, BLK_STS_IOERR);
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		ic_count(ic, IC_STAT_READS);
		break;
	case REQ_OP_WRITE:
		ic_count(ic, IC_STAT_WRITES);
		break;
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		ic_count(ic, IC_STAT_DISCARDS);
		break;
	default:
		return end_now(bio, BLK_STS_NOTSUPP);
	}
	io->range.write = op_is_write(bio_op(bio));
	if (io->range.write && ic->read_only)
		return end_now(bio, BLK_STS_IOERR);
	if (io->range.write && !may_write(ic, io))
		return end_now(bio, BLK_STS_IOERR);
	io->range.start = sector >> shift;
	io->range.last = io->range.start + (bio_sectors(bio) >> shift) - 1;
	if (ic_range_lock(ic, io))
		ic_io_start(io);
	return DM_MAPIO_SUBMITTED;
}

/*
 * A suspend has begun. It waits for messages that are under way, and holds new I/O
 * back meanwhile: so messages that take long give up when they see this.
 */
static void inocrypt_presuspend(struct dm_target *ti)
{
	struct inocrypt *ic = ti->private;

	WRITE_ONCE(ic->suspending, true);
}

static void inocrypt_presuspend_undo(struct dm_target *ti)
{
	struct inocrypt *ic = ti->private;

	WRITE_ONCE(ic->suspending, false);
}

/* All I/O has ended. Write back what is in memory only. */
static void inocrypt_postsuspend(struct dm_target *ti)
{
	struct inocrypt *ic = ti->private;
	bool lost = false;

	if (!ic->loaded)
		return;
	ic_volume_deactivate(ic->vol, ic);
	if (!ic->read_only)
		ic_behind_drain(ic);
	cancel_delayed_work_sync(&ic->checkpoint_timer);
	if (!ic->read_only && ic_checkpoint_sync(ic)) {
		DMERR("%s: the last checkpoint failed; what was not flushed before is lost",
		      dm_device_name(ic->vol->md));
		lost = true;
	}
	ic_checkpoint_stop(ic);
	ic_log_stop(ic);
	if (lost)
		ic_behind_lost(ic);
}

static int inocrypt_preresume(struct dm_target *ti)
{
	struct inocrypt *ic = ti->private;

	return ic->loaded ? 0 : ic_load(ic);
}

static void inocrypt_resume(struct dm_target *ti)
{
	struct inocrypt *ic = ti->private;

	ic_compat_enable_write_zeroes(dm_disk(ic->vol->md),
				      round_down(UINT_MAX >> SECTOR_SHIFT,
						 IC_BLOCK_SIZE / SECTOR_SIZE));
	/*
	 * Where this isn't one of the limits, device-mapper has cleared it
	 * again, going by its integrity profile.
	 */
	ic_compat_stable_writes(dm_disk(ic->vol->md));
	if (ic->options.raw && !ic->resumed && ic_volume_set_raw(ic->vol, true))
		DMWARN("%s: a file system is mounted: raw mode stays off",
		       dm_device_name(ic->vol->md));
	ic->resumed = true;
	WRITE_ONCE(ic->suspending, false);
	/*
	 * What a read-only table recovered stays dirty for good, as it is in
	 * memory only.
	 */
	if (!ic->read_only) {
		ic_behind_resume(ic);
		WRITE_ONCE(ic->stopping, false);
	}
	ic_volume_activate(ic->vol, ic);
	/* The last checkpoint may have failed on the way into suspend. */
	if (READ_ONCE(ic->cache.nr_dirty))
		ic_checkpoint_later(ic);
}

static int inocrypt_iterate_devices(struct dm_target *ti,
				    iterate_devices_callout_fn fn, void *data)
{
	struct inocrypt *ic = ti->private;
	int r;

	r = fn(ti, ic->data, ic->data_start, ti->len, data);
	if (!r && ic->sidecar->bdev != ic->data->bdev)
		r = fn(ti, ic->sidecar, ic->sidecar_start,
		       ic->geo.blocks << (IC_BLOCK_SHIFT - SECTOR_SHIFT), data);
	return r;
}

static void inocrypt_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct inocrypt *ic = ti->private;
	unsigned int size = ic->geo.sector_size;

	limits->logical_block_size = size;
	limits->physical_block_size = max(limits->physical_block_size, size);
	limits->io_min = max(limits->io_min, size);
	limits->dma_alignment = size - 1;
	limits->discard_granularity = size;
	limits->max_discard_sectors = round_down(UINT_MAX >> SECTOR_SHIFT,
						 IC_BLOCK_SIZE / SECTOR_SIZE);
	limits->max_hw_discard_sectors = limits->max_discard_sectors;
	ic_compat_limits_stable_writes(limits);
	bio_owner_set_limits(limits, size);
}

static struct target_type inocrypt_target = {
	.name		 = "inocrypt",
	.version	 = { 1, 0, 0 },
	.features	 = DM_TARGET_SINGLETON | DM_TARGET_INTEGRITY,
	.module		 = THIS_MODULE,
	.ctr		 = inocrypt_ctr,
	.dtr		 = inocrypt_dtr,
	.map		 = inocrypt_map,
	.presuspend	 = inocrypt_presuspend,
	.presuspend_undo = inocrypt_presuspend_undo,
	.postsuspend	 = inocrypt_postsuspend,
	.preresume	 = inocrypt_preresume,
	.resume		 = inocrypt_resume,
	.status		 = ic_status,
	.message	 = ic_message,
	.iterate_devices = inocrypt_iterate_devices,
	.io_hints	 = inocrypt_io_hints,
};

static int __init inocrypt_init(void)
{
	int err;

	BUILD_BUG_ON(PAGE_SIZE != IC_BLOCK_SIZE);
	err = ic_nonce_module_init();
	if (err)
		return err;
	err = ic_node_module_init();
	if (err)
		goto err_nonce;
	err = ic_detached_module_init();
	if (err)
		goto err_node;
	err = dm_register_target(&inocrypt_target);
	if (err < 0)
		goto err_behind;
	return 0;

err_behind:
	ic_detached_module_exit();
err_node:
	ic_node_module_exit();
err_nonce:
	ic_nonce_module_exit();
	return err;
}

static void __exit inocrypt_exit(void)
{
	dm_unregister_target(&inocrypt_target);
	ic_detached_module_exit();
	ic_node_module_exit();
	ic_nonce_module_exit();
}

module_init(inocrypt_init);
module_exit(inocrypt_exit);

MODULE_DESCRIPTION("device-mapper target that encrypts each sector under its owner's key");
MODULE_AUTHOR("The inocrypt authors");
MODULE_LICENSE("GPL");
MODULE_SOFTDEP("pre: gcm ghash aesni_intel");
