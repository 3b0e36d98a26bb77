// SPDX-License-Identifier: GPL-2.0-only
/*
 * volume-keys-test: the key operations that a volume offers to a file system
 *
 * insmod volume-keys-test.ko dev=<device of dm-inocrypt>
 * Loading succeeds if all is as it should be; else the kernel log has the line.
 * The volume is fresh, without keys.  It overwrites sectors 0 to 15, and leaves
 * three keys behind: slot 0 of user 1000, not loaded; 1 of user 0; 3 of user 7.
 */
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "bio_owner.h"
#include "../../compat/bdev.h"

static char *dev;
module_param(dev, charp, 0444);

#define SLOTS	1024
#define ROUNDS	60

static struct page *page;

#define CHECK(cond)							\
	do {								\
		if (!(cond)) {						\
			pr_err("volume-keys-test: line %d: not so: %s\n", \
			       __LINE__, #cond);			\
			return -EINVAL;					\
		}							\
	} while (0)

/* Key number @nr of the test, brought by @uid. */
static int add(struct bio_owner_volume *vol, struct bio_owner_key *key, u32 nr,
	       u32 uid, bool create)
{
	memset(key, 0, sizeof(*key));
	memset(key->raw, 0x5a, sizeof(key->raw));
	memcpy(key->raw, &nr, sizeof(nr));
	key->uid = uid;
	key->create = create;
	return bio_owner_key_add(vol, key);
}

static int add_within(struct bio_owner_volume *vol, struct bio_owner_key *key,
		      u32 nr, u32 uid, u32 limit, u32 spare)
{
	memset(key, 0, sizeof(*key));
	memset(key->raw, 0x5a, sizeof(key->raw));
	memcpy(key->raw, &nr, sizeof(nr));
	key->uid = uid;
	key->create = true;
	key->limit = limit;
	key->spare = spare;
	return bio_owner_key_add(vol, key);
}

static struct bio *new_bio(struct block_device *bdev, u32 ino, blk_opf_t op)
{
	struct bio *bio = bio_alloc(bdev, 1, op, GFP_KERNEL);

	bio->bi_iter.bi_sector = (ino & 1) * (PAGE_SIZE >> SECTOR_SHIFT);
	__bio_add_page(bio, page, PAGE_SIZE, 0);
	return bio;
}

static int submit(struct block_device *bdev, const struct bio_owner_key *key,
		  u32 ino, blk_opf_t op)
{
	struct bio_owner_id id = { .ino = ino, .gen = 3 };
	struct bio *bio;
	int err;

	memcpy(id.key_id, key->key_id, sizeof(id.key_id));
	bio = new_bio(bdev, ino, op);
	err = bio_owner_attach(bio, &id, GFP_KERNEL);
	if (!err)
		err = submit_bio_wait(bio);
	bio_put(bio);
	return err;
}

static int test_one(struct bio_owner_volume *vol)
{
	struct bio_owner_key key;

	CHECK(add(vol, &key, 1, 1000, false) == -ENOKEY);
	CHECK(bio_owner_key_present(vol, key.key_id) == -ENOKEY);
	CHECK(!add(vol, &key, 1, 1000, true));
	CHECK(key.slot == 0 && !key.loaded);
	CHECK(!bio_owner_key_present(vol, key.key_id));
	/* Another user brings it too: it stays whose it was. */
	CHECK(!add(vol, &key, 1, 1001, false));
	CHECK(key.slot == 0 && key.loaded);
	key.slot = 0;
	CHECK(!bio_owner_key_next(vol, &key));
	CHECK(key.slot == 0 && key.uid == 1000 && key.loaded);
	key.slot++;
	CHECK(bio_owner_key_next(vol, &key) == -ENOENT);
	CHECK(bio_owner_key_delete(vol, key.key_id) == -EBUSY);
	CHECK(!bio_owner_key_remove(vol, key.key_id));
	CHECK(bio_owner_key_remove(vol, key.key_id) == -ENOKEY);
	CHECK(bio_owner_key_present(vol, key.key_id) == -ENOKEY);
	key.slot = 0;
	CHECK(!bio_owner_key_next(vol, &key) && !key.loaded);
	CHECK(!bio_owner_key_delete(vol, key.key_id));
	CHECK(bio_owner_key_delete(vol, key.key_id) == -ENOKEY);
	key.slot = 0;
	CHECK(bio_owner_key_next(vol, &key) == -ENOENT);
	return 0;
}

static int test_limits(struct bio_owner_volume *vol)
{
	struct bio_owner_key key;
	u32 i;

	CHECK(!add_within(vol, &key, 1, 1000, 2, 0));
	CHECK(!add_within(vol, &key, 2, 1000, 2, 0));
	CHECK(add_within(vol, &key, 3, 1000, 2, 0) == -EDQUOT);
	/* One that is known is no new one. */
	CHECK(!add_within(vol, &key, 2, 1000, 2, SLOTS));
	CHECK(!add_within(vol, &key, 3, 1001, 2, 0));
	CHECK(add_within(vol, &key, 4, 1002, 2, SLOTS - 3) == -ENOSPC);
	CHECK(!add_within(vol, &key, 4, 1002, 2, SLOTS - 4));
	for (i = 4; i < SLOTS; i++) {
		CHECK(!add(vol, &key, i + 1, 0, true));
		CHECK(key.slot == i);
		cond_resched();
	}
	CHECK(add(vol, &key, SLOTS + 1, 0, true) == -ENOSPC);
	/* The record of a key that goes makes room for another. */
	key.slot = 700;
	CHECK(!bio_owner_key_next(vol, &key) && key.slot == 700);
	CHECK(!bio_owner_key_remove(vol, key.key_id));
	CHECK(add(vol, &key, SLOTS + 1, 0, true) == -ENOSPC);
	key.slot = 700;
	CHECK(!bio_owner_key_next(vol, &key) && key.slot == 700);
	CHECK(!bio_owner_key_delete(vol, key.key_id));
	CHECK(!add(vol, &key, SLOTS + 1, 7, true) && key.slot == 700);
	for (i = 0; i < SLOTS; i++) {
		key.slot = i;
		CHECK(!bio_owner_key_next(vol, &key) && key.slot == i);
		CHECK(!bio_owner_key_remove(vol, key.key_id));
		CHECK(!bio_owner_key_delete(vol, key.key_id));
		cond_resched();
	}
	key.slot = 0;
	CHECK(bio_owner_key_next(vol, &key) == -ENOENT);
	return 0;
}

static int test_owner(struct bio_owner_volume *vol, struct block_device *bdev)
{
	struct bio_owner_key key;

	CHECK(!add(vol, &key, 1, 1000, true));
	CHECK(!submit(bdev, &key, 500, REQ_OP_WRITE));
	CHECK(!submit(bdev, &key, 500, REQ_OP_READ));
	CHECK(!bio_owner_key_remove(vol, key.key_id));
	CHECK(submit(bdev, &key, 500, REQ_OP_READ) == -EILSEQ);
	CHECK(submit(bdev, &key, 502, REQ_OP_WRITE) == -EILSEQ);
	CHECK(bio_owner_key_delete(vol, key.key_id) == -EBUSY);
	/* The refusal leaves it as it was. */
	CHECK(!add(vol, &key, 1, 1000, false) && !key.loaded);
	CHECK(!submit(bdev, &key, 500, REQ_OP_READ));
	CHECK(!bio_owner_forget(vol, 500, 3));
	CHECK(!bio_owner_key_remove(vol, key.key_id));
	/* What is left of a forgotten owner is in nobody's way. */
	CHECK(!bio_owner_key_delete(vol, key.key_id));
	CHECK(!bio_owner_erase_sync(vol));
	return 0;
}

struct racer {
	struct block_device	*bdev;
	struct bio_owner_key	key;
	u32			ino;
	blk_status_t		status;
	blk_status_t		bad;
	u64			done;
	struct completion	ended;
};

static void race_end(struct bio *bio)
{
	struct racer *r = bio->bi_private;

	r->status = bio->bi_status;
	if (!r->status)
		WRITE_ONCE(r->done, r->done + 1);
	complete(&r->ended);
}

/* Reads and writes go through, or find no key; nothing else. */
static int race_io(void *data)
{
	struct racer *r = data;
	struct bio_owner_id id = { .ino = r->ino, .gen = 3 };
	blk_opf_t op = REQ_OP_WRITE;
	struct bio *bio;

	memcpy(id.key_id, r->key.key_id, sizeof(id.key_id));
	while (!kthread_should_stop()) {
		bio = new_bio(r->bdev, r->ino, op);
		bio->bi_end_io = race_end;
		bio->bi_private = r;
		init_completion(&r->ended);
		bio_owner_submit(bio, &id);
		wait_for_completion(&r->ended);
		bio_put(bio);
		if (r->status && r->status != BLK_STS_PROTECTION)
			r->bad = r->status;
		op = op == REQ_OP_READ ? REQ_OP_WRITE | REQ_FUA : REQ_OP_READ;
		cond_resched();
	}
	return 0;
}

/* The key works for both; then leave at some moment of their I/O. */
static bool works(struct racer *r)
{
	u64 done[2] = { READ_ONCE(r[0].done), READ_ONCE(r[1].done) };
	int ms;

	for (ms = 0; ms < 10000; ms++) {
		usleep_range(500, 2000);
		if (READ_ONCE(r[0].done) != done[0] &&
		    READ_ONCE(r[1].done) != done[1])
			return true;
	}
	return false;
}

static int race(struct bio_owner_volume *vol, struct racer *r)
{
	struct bio_owner_key key;
	u64 before;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		CHECK(works(r));
		CHECK(!bio_owner_key_remove(vol, r->key.key_id));
		before = READ_ONCE(r[0].done) + READ_ONCE(r[1].done);
		CHECK(bio_owner_key_delete(vol, r->key.key_id) == -EBUSY);
		usleep_range(500, 2000);
		/* Whatever was under way was through. */
		CHECK(READ_ONCE(r[0].done) + READ_ONCE(r[1].done) == before);
		CHECK(!add(vol, &key, 1, 1000, false) && !key.loaded);
	}
	return 0;
}

/* Keys that come and go under I/O. */
static int test_race(struct bio_owner_volume *vol, struct block_device *bdev)
{
	struct racer r[2] = { { .ino = 600 }, { .ino = 601 } };
	struct task_struct *task[2];
	int i, err;

	for (i = 0; i < 2; i++) {
		r[i].bdev = bdev;
		CHECK(!add(vol, &r[i].key, 1, 1000, true));
		CHECK(!submit(bdev, &r[i].key, r[i].ino, REQ_OP_WRITE));
	}
	for (i = 0; i < 2; i++) {
		task[i] = kthread_run(race_io, &r[i], "race%d", i);
		if (IS_ERR(task[i]))
			break;
	}
	err = i == 2 ? race(vol, r) : -ENOMEM;
	while (i--)
		kthread_stop(task[i]);
	if (err)
		return err;
	CHECK(!r[0].bad && !r[1].bad);
	CHECK(!bio_owner_forget(vol, 600, 3));
	CHECK(!bio_owner_forget(vol, 601, 3));
	CHECK(!bio_owner_key_remove(vol, r[0].key.key_id));
	return 0;
}

/* What the volume has to know after it was closed and opened. */
static int leave(struct bio_owner_volume *vol)
{
	struct bio_owner_key key;
	u8 going[BIO_OWNER_KEY_ID_SIZE];

	CHECK(!add(vol, &key, 2, 0, true) && key.slot == 1);
	CHECK(!add(vol, &key, 3, 0, true) && key.slot == 2);
	memcpy(going, key.key_id, sizeof(going));
	CHECK(!add(vol, &key, 4, 7, true) && key.slot == 3);
	CHECK(!bio_owner_key_remove(vol, going));
	CHECK(!bio_owner_key_delete(vol, going));
	CHECK(!bio_owner_erase_sync(vol));
	return 0;
}

static int __init test_init(void)
{
	struct bio_owner_volume *vol;
	struct ic_compat_bdev b;
	int err;

	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	err = ic_compat_bdev_open(&b, dev);
	if (err)
		goto free_page;
	vol = bio_owner_bind(b.bdev);
	if (IS_ERR(vol)) {
		err = PTR_ERR(vol);
		goto close_bdev;
	}
	err = test_one(vol);
	if (!err)
		err = test_limits(vol);
	if (!err)
		err = test_owner(vol, b.bdev);
	if (!err)
		err = test_race(vol, b.bdev);
	if (!err)
		err = leave(vol);
	bio_owner_unbind(vol);
close_bdev:
	ic_compat_bdev_close(&b);
free_page:
	__free_page(page);
	return err;
}

static void __exit test_exit(void)
{
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("Tests of a volume's key operations");
MODULE_LICENSE("GPL");
