/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that bio-owner and dm-inocrypt support.
 *
 * Both are written against these helpers only; a new kernel gets its branch
 * here.  Supported now: 6.1.
 */
#ifndef COMPAT_KERNEL_H
#define COMPAT_KERNEL_H

#include <linux/blk-integrity.h>
#include <linux/blkdev.h>
#include <linux/log2.h>
#include <linux/shrinker.h>
#include <linux/version.h>

#if LINUX_VERSION_MAJOR != 6 || LINUX_VERSION_PATCHLEVEL != 1
#error "inocrypt: this kernel series is not supported yet"
#endif

#ifndef CONFIG_BLK_DEV_INTEGRITY
#error "inocrypt: the kernel must be built with CONFIG_BLK_DEV_INTEGRITY"
#endif

/*
 * On 6.1 a profile is a table of functions that the disk points at.  None of
 * them is ever needed, nobody may generate or check our tags but us; but
 * prepare_fn and complete_fn would be called without a test for NULL, should a
 * request-based driver take the profile over.
 */
static inline void bio_owner_nop_prepare(struct request *rq)
{
}

static inline void bio_owner_nop_complete(struct request *rq,
					  unsigned int bytes)
{
}

#define BIO_OWNER_DEFINE_PROFILE(_name, _label)				\
static const struct blk_integrity_profile _name = {			\
	.name		= _label,					\
	.prepare_fn	= bio_owner_nop_prepare,			\
	.complete_fn	= bio_owner_nop_complete,			\
}

/* Has anybody registered an integrity profile for the disk? */
static inline bool
bio_owner_disk_has_profile(struct gendisk *disk)
{
	return blk_get_integrity(disk);
}

/*
 * The size of a crypto sector of the disk, as a shift; 0 if its profile isn't
 * ours.
 */
static inline unsigned int
bio_owner_disk_shift(struct gendisk *disk,
		     const struct blk_integrity_profile *profile,
		     unsigned int tuple_size)
{
	struct blk_integrity *bi = blk_get_integrity(disk);

	if (!bi || bi->profile != profile || bi->tuple_size != tuple_size)
		return 0;
	return bi->interval_exp;
}

static inline void
bio_owner_disk_register(struct gendisk *disk,
			const struct blk_integrity_profile *profile,
			unsigned int tuple_size, unsigned int shift)
{
	struct blk_integrity template = {
		.profile	= profile,
		.tuple_size	= tuple_size,
		.tag_size	= tuple_size,
		.interval_exp	= shift,
	};

	blk_integrity_register(disk, &template);
}

/* Later kernels count the bytes themselves in bio_integrity_add_page(). */
static inline bool bio_owner_add_page(struct bio *bio, struct page *page,
				      unsigned int len)
{
	if (bio_integrity_add_page(bio, page, len, 0) != len)
		return false;
	bio_integrity(bio)->bip_iter.bi_size += len;
	return true;
}

/*
 * Device-mapper offers write-zeroes only if every device below has it.
 * dm-inocrypt needs nothing from below for it, so it says so itself once the
 * table's limits are in place.
 */
static inline void ic_compat_enable_write_zeroes(struct gendisk *disk,
						 unsigned int sectors)
{
	blk_queue_max_write_zeroes_sectors(disk->queue, sectors);
}

/*
 * Pages under writeback mustn't change: what is encrypted has to be one version
 * of them.
 */
static inline void ic_compat_stable_writes(struct gendisk *disk)
{
	blk_queue_flag_set(QUEUE_FLAG_STABLE_WRITES, disk->queue);
}

/*
 * What tells that two bios a target gets were made of one: where its data is. Device
 * mapper makes two of a flush with data: a flush, and when that has ended, however it
 * did, a write. On 6.1 both are clones of the same bio (alloc_io() in dm.c), and point
 * at its vector of pages, the flush too, which has no size. It is NULL where no data
 * follows.
 */
static inline const void *ic_compat_bio_data(const struct bio *bio)
{
	return bio->bi_io_vec;
}

static inline int ic_compat_register_shrinker(struct shrinker *shrinker,
					      const char *what,
					      const char *device)
{
	return register_shrinker(shrinker, "dm-inocrypt-%s:%s", what, device);
}

#endif /* COMPAT_KERNEL_H */
