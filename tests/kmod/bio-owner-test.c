// SPDX-License-Identifier: GPL-2.0-only
/*
 * bio-owner-test: what bio-owner promises, tried on a device
 *
 * insmod bio-owner-test.ko dev=<device of dm-owner-count> raw=<device below it>
 * Loading succeeds if all is as it should be; else the kernel log has the line.
 * It overwrites the device.
 */
#include <linux/bio.h>
#include <linux/blk-integrity.h>
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "bio_owner.h"
#include "../../compat/bdev.h"

static char *dev;
module_param(dev, charp, 0444);
static char *raw;
module_param(raw, charp, 0444);

#define ORDER	10	/* of the pages of the large bio */
#define NR_BIG	5	/* of these pages: 20 MiB */

static const struct bio_owner_id id = {
	.key_id = { [0 ... 15] = 0x11 },
	.ino = 1000,
	.gen = 42,
};

static struct page *page;
static int ended;

#define CHECK(cond)							\
	do {								\
		if (!(cond)) {						\
			pr_err("bio-owner-test: line %d: not so: %s\n",	\
			       __LINE__, #cond);			\
			return -EINVAL;					\
		}							\
	} while (0)

static void count_end(struct bio *bio)
{
	if (bio->bi_private == page)
		ended++;
}

static struct bio *new_bio(struct block_device *bdev, blk_opf_t opf,
			   sector_t sector, unsigned int bytes)
{
	struct bio *bio = bio_alloc(bdev, 8, opf, GFP_KERNEL);

	bio->bi_iter.bi_sector = sector;
	bio->bi_end_io = count_end;
	bio->bi_private = page;
	for (; bytes; bytes -= min_t(unsigned int, bytes, PAGE_SIZE))
		__bio_add_page(bio, page, min_t(unsigned int, bytes, PAGE_SIZE),
			       0);
	return bio;
}

static bool same_id(const struct bio_owner_id *a)
{
	return a->ino == id.ino && a->gen == id.gen &&
	       !memcmp(a->key_id, id.key_id, sizeof(id.key_id));
}

/* End a bio that was never submitted; its end_io must come back unwrapped. */
static bool end_bio(struct bio *bio)
{
	int before = ended;
	bool ok;

	bio_endio(bio);
	ok = ended == before + 1 && bio->bi_end_io == count_end;
	bio_put(bio);
	return ok;
}

static int test_attach(struct block_device *bdev, unsigned int ss)
{
	struct bio_owner_id got;
	struct bio *bio, *split;

	bio = new_bio(bdev, REQ_OP_WRITE, 0, 8 * ss);
	CHECK(bio_owner_read(bio, &got) == BIO_OWNER_NONE);
	CHECK(!bio_owner_attach(bio, &id, GFP_NOIO));
	CHECK(bio_owner_attach(bio, &id, GFP_NOIO) == -EEXIST);
	memset(&got, 0, sizeof(got));
	CHECK(bio_owner_read(bio, &got) == BIO_OWNER_TAGGED);
	CHECK(same_id(&got));
	split = bio_split(bio, 3 * ss / SECTOR_SIZE, GFP_NOIO, &fs_bio_set);
	memset(&got, 0, sizeof(got));
	CHECK(bio_owner_read(split, &got) == BIO_OWNER_TAGGED && same_id(&got));
	memset(&got, 0, sizeof(got));
	CHECK(bio_owner_read(bio, &got) == BIO_OWNER_TAGGED && same_id(&got));
	bio_put(split);
	CHECK(end_bio(bio));

	/* What carries no data needs no tag; what can't be tagged is refused. */
	bio = new_bio(bdev, REQ_OP_DISCARD, 0, 0);
	CHECK(!bio_owner_attach(bio, &id, GFP_NOIO) && !bio_integrity(bio));
	CHECK(end_bio(bio));
	bio = new_bio(bdev, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0);
	CHECK(!bio_owner_attach(bio, &id, GFP_NOIO) && !bio_integrity(bio));
	CHECK(end_bio(bio));
	bio = new_bio(bdev, REQ_OP_ZONE_APPEND, 0, ss);
	CHECK(bio_owner_attach(bio, &id, GFP_NOIO) == -EOPNOTSUPP);
	CHECK(end_bio(bio));
	if (ss > SECTOR_SIZE) {
		bio = new_bio(bdev, REQ_OP_WRITE, 1, ss);
		CHECK(bio_owner_attach(bio, &id, GFP_NOIO) == -EINVAL);
		CHECK(end_bio(bio));
		bio = new_bio(bdev, REQ_OP_WRITE, 0, ss - SECTOR_SIZE);
		CHECK(bio_owner_attach(bio, &id, GFP_NOIO) == -EINVAL);
		CHECK(end_bio(bio));
	}
	return 0;
}

/* Tags that aren't ours, or not all alike, or too few. */
static int test_malformed(struct block_device *bdev, unsigned int ss)
{
	struct bio_integrity_payload *bip;
	struct bio_owner_tag *tags;
	struct bio_owner_id got;
	struct page *tuples;
	struct bio *bio;
	int err;

	bio = new_bio(bdev, REQ_OP_WRITE, 0, 2 * ss);
	CHECK(!bio_owner_attach(bio, &id, GFP_NOIO));
	bip = bio_integrity(bio);
	tags = page_address(bip->bip_vec[0].bv_page);
	CHECK(tags[0].cookie == tags[1].cookie && tags[0].cookie);
	tags[1].ino = cpu_to_le32(1001);
	CHECK(bio_owner_read(bio, &got) == BIO_OWNER_MALFORMED);
	tags[0].ino = 0;
	tags[1].ino = 0;
	CHECK(bio_owner_read(bio, &got) == BIO_OWNER_MALFORMED);
	tags[0].ino = cpu_to_le32(1000);
	tags[1].ino = cpu_to_le32(1000);
	CHECK(bio_owner_read(bio, &got) == BIO_OWNER_TAGGED);
	bip->bip_iter.bi_size -= sizeof(*tags);
	CHECK(bio_owner_read(bio, &got) == BIO_OWNER_MALFORMED);
	CHECK(end_bio(bio));

	/* Somebody else's payload, as a driver or user space might attach. */
	tuples = alloc_page(GFP_KERNEL | __GFP_ZERO);
	CHECK(tuples);
	tags = page_address(tuples);
	tags->ino = cpu_to_le32(1000);
	tags->cookie = cpu_to_le64(0x1234567890abcdefULL);
	bio = new_bio(bdev, REQ_OP_WRITE, 0, ss);
	bip = bio_integrity_alloc(bio, GFP_KERNEL, 1);
	CHECK(!IS_ERR(bip));
	CHECK(bio_integrity_add_page(bio, tuples, sizeof(*tags), 0));
	bip->bip_iter.bi_size = sizeof(*tags);
	CHECK(bio_owner_read(bio, &got) == BIO_OWNER_MALFORMED);
	err = submit_bio_wait(bio);
	CHECK(err == -EIO);
	bio_put(bio);
	__free_page(tuples);
	return 0;
}

static int test_no_profile(struct block_device *below, unsigned int ss)
{
	struct bio *bio;

	bio = new_bio(below, REQ_OP_WRITE, 0, ss);
	CHECK(bio_owner_attach(bio, &id, GFP_NOIO) == -EOPNOTSUPP);
	ended = 0;
	/* Completes at once, and has not been written. */
	bio_owner_submit(bio, &id);
	CHECK(ended == 1 && bio->bi_status == BLK_STS_NOTSUPP);
	bio_put(bio);
	CHECK(PTR_ERR(bio_owner_bind(below)) == -EOPNOTSUPP);
	return 0;
}

static void big_end(struct bio *bio)
{
	complete(bio->bi_private);
}

/* One bio of 20 MiB, more than its tags' payload can list if @ss is 512. */
static int test_big(struct block_device *bdev, unsigned int ss, blk_opf_t op)
{
	DECLARE_COMPLETION_ONSTACK(done);
	struct page *pages[NR_BIG];
	struct bio *bio;
	blk_status_t status;
	int i, err;

	bio = bio_alloc(bdev, NR_BIG, op, GFP_KERNEL);
	bio->bi_iter.bi_sector = 64 * ss / SECTOR_SIZE;
	bio->bi_end_io = big_end;
	bio->bi_private = &done;
	for (i = 0; i < NR_BIG; i++) {
		pages[i] = alloc_pages(GFP_KERNEL | __GFP_ZERO, ORDER);
		CHECK(pages[i]);
		__bio_add_page(bio, pages[i], PAGE_SIZE << ORDER, 0);
	}
	if (ss == SECTOR_SIZE) {
		err = bio_owner_attach(bio, &id, GFP_NOIO);
		CHECK(err == -E2BIG);
	}
	bio_owner_submit(bio, &id);
	wait_for_completion(&done);
	status = bio->bi_status;
	bio_put(bio);
	for (i = 0; i < NR_BIG; i++)
		__free_pages(pages[i], ORDER);
	CHECK(!status);
	return 0;
}

static int test_bind(struct block_device *bdev, unsigned int ss)
{
	struct bio_owner_volume *vol = bio_owner_bind(bdev);
	u32 ino = 0, gen = 0;

	CHECK(!IS_ERR(vol));
	CHECK(vol->sector_size == ss);
	CHECK(PTR_ERR(bio_owner_bind(bdev)) == -EBUSY);
	CHECK(!bio_owner_key_present(vol, id.key_id));
	CHECK(!bio_owner_next(vol, &ino, &gen));
	CHECK(ino == id.ino && gen == id.gen);
	CHECK(bio_owner_forget(vol, ino, gen + 1) == -ENOENT);
	CHECK(!bio_owner_forget(vol, ino, gen));
	CHECK(bio_owner_next(vol, &ino, &gen) == -ENOENT);
	bio_owner_unbind(vol);
	vol = bio_owner_bind(bdev);
	CHECK(!IS_ERR(vol));
	bio_owner_unbind(vol);
	return 0;
}

static int run(struct block_device *bdev, struct block_device *below)
{
	unsigned int ss = bdev_logical_block_size(bdev);
	int err;

	err = test_attach(bdev, ss);
	if (!err)
		err = test_malformed(bdev, ss);
	if (!err)
		err = test_no_profile(below, ss);
	if (!err)
		err = test_big(bdev, ss, REQ_OP_WRITE);
	if (!err)
		err = test_big(bdev, ss, REQ_OP_READ);
	if (!err)
		err = test_bind(bdev, ss);
	return err;
}

static int __init test_init(void)
{
	struct ic_compat_bdev top, below;
	int err;

	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	err = ic_compat_bdev_open(&top, dev);
	if (err)
		goto free_page;
	err = ic_compat_bdev_open(&below, raw);
	if (err)
		goto close_top;
	err = run(top.bdev, below.bdev);
	ic_compat_bdev_close(&below);
close_top:
	ic_compat_bdev_close(&top);
free_page:
	/* After a failure, something may still refer to it. */
	if (!err)
		__free_page(page);
	return err;
}

static void __exit test_exit(void)
{
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("Tests of bio-owner");
MODULE_LICENSE("GPL");
