/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernel series, for dm-inocrypt.  Nothing else here.
 */
#ifndef IC_COMPAT_H
#define IC_COMPAT_H

#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/shrinker.h>
#include <linux/version.h>

/*
 * Device-mapper offers write-zeroes only if every device below has it.  This
 * target needs nothing from below for it, so it says so itself once the
 * table's limits are in place.
 */
static inline void ic_compat_enable_write_zeroes(struct gendisk *disk,
						 unsigned int sectors)
{
	blk_queue_max_write_zeroes_sectors(disk->queue, sectors);
}

static inline int ic_compat_register_shrinker(struct shrinker *shrinker,
					      const char *name)
{
	return register_shrinker(shrinker, "dm-inocrypt:%s", name);
}

#endif /* IC_COMPAT_H */
