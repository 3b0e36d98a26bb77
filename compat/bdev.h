/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opening a block device by its path, for the tests' modules.
 */
#ifndef COMPAT_BDEV_H
#define COMPAT_BDEV_H

#include <linux/blkdev.h>
#include <linux/err.h>

#include "version.h"

struct ic_compat_bdev {
	struct block_device	*bdev;
#if IC_SINCE(6, 9)
	struct file		*file;
#endif
};

/* For reading and writing, not for oneself alone. */
static inline int ic_compat_bdev_open(struct ic_compat_bdev *b,
				      const char *path)
{
#if !IC_SINCE(6, 9)
	b->bdev = blkdev_get_by_path(path, FMODE_READ | FMODE_WRITE, NULL);
	return PTR_ERR_OR_ZERO(b->bdev);
#else
	b->file = bdev_file_open_by_path(path, BLK_OPEN_READ | BLK_OPEN_WRITE,
					 NULL, NULL);
	if (IS_ERR(b->file))
		return PTR_ERR(b->file);
	b->bdev = file_bdev(b->file);
	return 0;
#endif
}

static inline void ic_compat_bdev_close(struct ic_compat_bdev *b)
{
#if !IC_SINCE(6, 9)
	blkdev_put(b->bdev, FMODE_READ | FMODE_WRITE);
#else
	bdev_fput(b->file);
#endif
}

#endif /* COMPAT_BDEV_H */
