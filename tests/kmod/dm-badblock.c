// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-badblock: a pass-through target with one stretch of bad sectors
 *
 * Table: badblock <device> <offset>
 *
 * Messages, with numbers in 512-byte sectors of this device:
 *	bad <first> <count> read	reading it is an error
 *	bad <first> <count> write	writing it is an error, and changes nothing
 *	bad <first> <count> both	either
 *	bad <first> <count> pending	reading it is an error until all of it was
 *					written again, as on a disk with spare sectors
 *	good				no sector is bad
 *
 * What of a bio is outside the bad stretch is passed on before it fails.
 */
#include <linux/device-mapper.h>
#include <linux/module.h>
#include <linux/spinlock.h>

#define DM_MSG_PREFIX "badblock"

enum { GOOD, BAD_READ, BAD_WRITE, BAD_BOTH, BAD_PENDING };

static const char * const names[] = {
	[GOOD]		= "good",
	[BAD_READ]	= "read",
	[BAD_WRITE]	= "write",
	[BAD_BOTH]	= "both",
	[BAD_PENDING]	= "pending",
};

/**
 * struct badblock - the target
 * @dev: device below
 * @start: first sector of it
 * @lock: guards all below
 * @how: GOOD, BAD_*
 * @first: bad sectors, as the bios of the target count them
 * @end: behind the last one
 * @failed: requests that failed
 */
struct badblock {
	struct dm_dev	*dev;
	sector_t	start;
	spinlock_t	lock;	/* guards the members below it */
	int		how;
	sector_t	first, end;
	unsigned long	failed;
};

/* Does a request of this kind for bad sectors fail?  Writing may make them good. */
static bool fails(struct badblock *b, bool write, sector_t first, sector_t end)
{
	lockdep_assert_held(&b->lock);
	switch (b->how) {
	case BAD_READ:
		return !write;
	case BAD_WRITE:
		return write;
	case BAD_BOTH:
		return true;
	case BAD_PENDING:
		if (write && first <= b->first && end >= b->end)
			b->how = GOOD;
		return !write;
	}
	return false;
}

static int badblock_map(struct dm_target *ti, struct bio *bio)
{
	struct badblock *b = ti->private;
	sector_t first = dm_target_offset(ti, bio->bi_iter.bi_sector);
	sector_t end = first + bio_sectors(bio);
	bool write = op_is_write(bio_op(bio));
	bool fail = false;

	spin_lock(&b->lock);
	if (b->how && first < end && first < b->end && end > b->first) {
		if (first < b->first) {
			/* The rest comes again by itself. */
			dm_accept_partial_bio(bio, b->first - first);
		} else {
			fail = fails(b, write, first, end);
			b->failed += fail;
		}
	}
	spin_unlock(&b->lock);
	if (fail)
		return DM_MAPIO_KILL;
	bio_set_dev(bio, b->dev->bdev);
	bio->bi_iter.bi_sector = b->start + first;
	return DM_MAPIO_REMAPPED;
}

static int badblock_message(struct dm_target *ti, unsigned int argc,
			    char **argv, char *result, unsigned int maxlen)
{
	struct badblock *b = ti->private;
	u64 first = 0, count = 0;
	int how = GOOD;

	if (argc == 4 && !strcmp(argv[0], "bad")) {
		how = match_string(names, ARRAY_SIZE(names), argv[3]);
		if (how < 0 || kstrtou64(argv[1], 10, &first) ||
		    kstrtou64(argv[2], 10, &count))
			return -EINVAL;
	} else if (argc != 1 || strcmp(argv[0], "good")) {
		return -EINVAL;
	}
	spin_lock(&b->lock);
	b->how = how;
	b->first = first;
	b->end = first + count;
	spin_unlock(&b->lock);
	return 0;
}

static void badblock_status(struct dm_target *ti, status_type_t type,
			    unsigned int flags, char *result,
			    unsigned int maxlen)
{
	struct badblock *b = ti->private;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		spin_lock(&b->lock);
		DMEMIT("%s first=%llu end=%llu failed=%lu", names[b->how],
		       (u64)b->first, (u64)b->end, b->failed);
		spin_unlock(&b->lock);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s %llu", b->dev->name, (u64)b->start);
		break;
	case STATUSTYPE_IMA:
		result[0] = '\0';
		break;
	}
}

static void badblock_dtr(struct dm_target *ti)
{
	struct badblock *b = ti->private;

	if (b->dev)
		dm_put_device(ti, b->dev);
	kfree(b);
}

static int badblock_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct badblock *b;
	u64 start;
	int err;

	if (argc != 2 || kstrtou64(argv[1], 10, &start)) {
		ti->error = "Need <device> <offset>";
		return -EINVAL;
	}
	b = kzalloc(sizeof(*b), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	ti->private = b;
	b->start = start;
	spin_lock_init(&b->lock);
	err = dm_get_device(ti, argv[0], dm_table_get_mode(ti->table), &b->dev);
	if (err) {
		ti->error = "Device lookup failed";
		badblock_dtr(ti);
		return err;
	}
	ti->num_flush_bios = 1;
	ti->flush_supported = true;
	return 0;
}

static int badblock_iterate_devices(struct dm_target *ti,
				    iterate_devices_callout_fn fn, void *data)
{
	struct badblock *b = ti->private;

	return fn(ti, b->dev, b->start, ti->len, data);
}

static struct target_type badblock_target = {
	.name		 = "badblock",
	.version	 = {1, 0, 0},
	.module		 = THIS_MODULE,
	.ctr		 = badblock_ctr,
	.dtr		 = badblock_dtr,
	.map		 = badblock_map,
	.message	 = badblock_message,
	.status		 = badblock_status,
	.iterate_devices = badblock_iterate_devices,
};

static int __init badblock_init(void)
{
	return dm_register_target(&badblock_target);
}

static void __exit badblock_exit(void)
{
	dm_unregister_target(&badblock_target);
}

module_init(badblock_init);
module_exit(badblock_exit);

MODULE_DESCRIPTION("Test target with a stretch of bad sectors");
MODULE_LICENSE("GPL");
