/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that bio-owner, dm-inocrypt and the code
 * beside ext4 support: Debian 12's 6.1 and Debian 13's 6.12.
 *
 * All are written against these helpers only; a new kernel gets its branch
 * here.  docs/kernels.md has what isn't seen by compiling.
 */
#ifndef COMPAT_KERNEL_H
#define COMPAT_KERNEL_H

#include <linux/blk-integrity.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/log2.h>
#include <linux/shrinker.h>
#include <linux/string.h>

#include "version.h"

#ifndef CONFIG_BLK_DEV_INTEGRITY
#error "inocrypt: the kernel must be built with CONFIG_BLK_DEV_INTEGRITY"
#endif

/*
 * 6.1 has it from 6.1.176 on, and distributions take it over when they like.
 * This does for all of them.
 */
#define mem_is_zero(_p, _bytes)	(!memchr_inv(_p, 0, _bytes))

/*
 * Has the disk an integrity profile?  It goes when a table without one is
 * resumed.
 */
static inline bool bio_owner_disk_has_profile(struct gendisk *disk)
{
	return blk_get_integrity(disk);
}

#if !IC_SINCE(6, 11)
/*
 * A profile is a table of functions that the disk points at.  None of them is
 * ever needed, nobody may generate or check our tags but us; but prepare_fn and
 * complete_fn would be called without a test for NULL, should a request-based
 * driver take the profile over.
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

static inline void
bio_owner_limits_profile(struct queue_limits *limits, unsigned int tuple_size,
			 unsigned int shift)
{
}

#else
/*
 * The profile is part of the queue's limits, which come with each table; it has
 * no functions and no name.  Ours is told by what no hardware's has: room for a
 * tag, but no checksum, and this size of the tag.
 */
#define BIO_OWNER_TAG_SIZE	0x4f

struct blk_integrity_profile {
};

#define BIO_OWNER_DEFINE_PROFILE(_name, _label)				\
static const struct blk_integrity_profile _name = { }

static inline unsigned int
bio_owner_disk_shift(struct gendisk *disk,
		     const struct blk_integrity_profile *profile,
		     unsigned int tuple_size)
{
	struct blk_integrity *bi = blk_get_integrity(disk);

	if (!bi || bi->csum_type != BLK_INTEGRITY_CSUM_NONE ||
	    bi->tuple_size != tuple_size || bi->tag_size != BIO_OWNER_TAG_SIZE)
		return 0;
	return bi->interval_exp;
}

static inline void
bio_owner_disk_register(struct gendisk *disk,
			const struct blk_integrity_profile *profile,
			unsigned int tuple_size, unsigned int shift)
{
}

static inline void
bio_owner_limits_profile(struct queue_limits *limits, unsigned int tuple_size,
			 unsigned int shift)
{
	limits->integrity = (struct blk_integrity) {
		.csum_type	= BLK_INTEGRITY_CSUM_NONE,
		.tuple_size	= tuple_size,
		.tag_size	= BIO_OWNER_TAG_SIZE,
		.interval_exp	= shift,
	};
}
#endif

/* From 6.6 on bio_integrity_add_page() counts the bytes itself. */
static inline bool bio_owner_add_page(struct bio *bio, struct page *page,
				      unsigned int len)
{
	if (bio_integrity_add_page(bio, page, len, 0) != len)
		return false;
#if !IC_SINCE(6, 6)
	bio_integrity(bio)->bip_iter.bi_size += len;
#endif
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
#if !IC_SINCE(6, 11)
	blk_queue_max_write_zeroes_sectors(disk->queue, sectors);
#else
	/* Device-mapper takes it away as directly: disable_write_zeroes(). */
	disk->queue->limits.max_write_zeroes_sectors = sectors;
#endif
}

/*
 * Pages under writeback mustn't change: what is encrypted has to be one version
 * of them.  Up to 6.10 device-mapper clears a flag of the queue, going by the
 * integrity profile, each time a table is resumed; later it is one of the
 * table's limits.
 */
static inline void ic_compat_stable_writes(struct gendisk *disk)
{
#if !IC_SINCE(6, 11)
	blk_queue_flag_set(QUEUE_FLAG_STABLE_WRITES, disk->queue);
#endif
}

static inline void ic_compat_limits_stable_writes(struct queue_limits *limits)
{
#if IC_SINCE(6, 11)
	limits->features |= BLK_FEAT_STABLE_WRITES;
#endif
}

/*
 * What tells that two bios a target gets were made of one: where its data is. Device
 * mapper makes two of a flush with data: a flush, and when that has ended, however it
 * did, a write. On 6.1 and 6.12 both are clones of the same bio (alloc_io() in dm.c),
 * and point at its vector of pages, the flush too, which has no size. It is NULL where
 * no data follows.
 */
static inline const void *ic_compat_bio_data(const struct bio *bio)
{
	return bio->bi_io_vec;
}

/*
 * A shrinker with something that it knows of; from 6.7 on the kernel allocates
 * shrinkers.
 */
struct ic_compat_shrinker {
#if !IC_SINCE(6, 7)
	struct shrinker	shrinker;
	void		*private;
	bool		registered;
#else
	struct shrinker	*shrinker;	/* NULL: not registered */
#endif
};

/* What ic_compat_register_shrinker() was given, for the two functions. */
static inline void *ic_compat_shrinker_private(struct shrinker *shrinker)
{
#if !IC_SINCE(6, 7)
	return container_of(shrinker, struct ic_compat_shrinker,
			    shrinker)->private;
#else
	return shrinker->private_data;
#endif
}

/*
 * @s is zeroed.  The shrinker is called dm-inocrypt-@what:@device; @seeks as in
 * struct shrinker.
 */
static inline int
ic_compat_register_shrinker(struct ic_compat_shrinker *s,
			    unsigned long (*count)(struct shrinker *shrinker,
						   struct shrink_control *sc),
			    unsigned long (*scan)(struct shrinker *shrinker,
						  struct shrink_control *sc),
			    int seeks, void *private, const char *what,
			    const char *device)
{
#if !IC_SINCE(6, 7)
	int err;

	s->shrinker.count_objects = count;
	s->shrinker.scan_objects = scan;
	s->shrinker.seeks = seeks;
	s->private = private;
	err = register_shrinker(&s->shrinker, "dm-inocrypt-%s:%s", what,
				device);
	s->registered = !err;
	return err;
#else
	s->shrinker = shrinker_alloc(0, "dm-inocrypt-%s:%s", what, device);
	if (!s->shrinker)
		return -ENOMEM;
	s->shrinker->count_objects = count;
	s->shrinker->scan_objects = scan;
	s->shrinker->seeks = seeks;
	s->shrinker->private_data = private;
	shrinker_register(s->shrinker);
	return 0;
#endif
}

/* Also for one that never was registered. */
static inline void ic_compat_unregister_shrinker(struct ic_compat_shrinker *s)
{
#if !IC_SINCE(6, 7)
	if (s->registered)
		unregister_shrinker(&s->shrinker);
	s->registered = false;
#else
	shrinker_free(s->shrinker);
	s->shrinker = NULL;
#endif
}

/* From 6.5 on block devices have modes of their own. */
static inline bool ic_compat_table_writable(struct dm_table *table)
{
#if !IC_SINCE(6, 5)
	return dm_table_get_mode(table) & FMODE_WRITE;
#else
	return dm_table_get_mode(table) & BLK_OPEN_WRITE;
#endif
}

/*
 * The clone of a bio with a tag has a payload of its own.  Up to 6.11 it comes
 * from kmalloc(), and device-mapper takes for granted that there is one; from
 * 6.12 on it comes from a reserve, if a target says that it needs it.
 */
static inline void ic_compat_payload_reserve(struct dm_target *ti)
{
#if IC_SINCE(6, 12)
	ti->mempool_needs_integrity = true;
#endif
}

#endif /* COMPAT_KERNEL_H */
