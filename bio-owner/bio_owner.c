// SPDX-License-Identifier: GPL-2.0-only
/*
 * bio-owner: carry the name of a bio's owner from the file system to the target
 *
 * The tag travels as the bio's integrity payload: one 32-byte tuple for each
 * crypto sector, so that whoever clones, splits, trims or advances the bio on
 * its way down does the same to the tags without knowing of them.  All tuples
 * of a bio are alike; one page of them is filled and listed as often as the bio
 * needs.
 *
 * The page belongs to us, not to the block layer (no BIP_BLOCK_INTEGRITY): it
 * is freed in a wrapped bi_end_io.  bio_endio() has let go of the payload by
 * then, so the page is remembered in the wrapper's context.
 */
#include <linux/bio.h>
#include <linux/blk-crypto.h>
#include <linux/blkdev.h>
#include <linux/kref.h>
#include <linux/mempool.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "bio_owner.h"
#include "../compat/kernel.h"

#define TUPLE_SIZE	sizeof(struct bio_owner_tag)
#define TUPLES_PER_PAGE	(PAGE_SIZE / TUPLE_SIZE)
#define POOL_SIZE	BIO_POOL_SIZE

/* bio_owner_tag.gen of a control tag; its ino is 0, which owns nothing. */
#define CONTROL_BIND	0x444e4942	/* "BIND" */

/**
 * struct owner_ctx - what a tagged bio's completion needs
 * @end_io: the file system's bi_end_io
 * @private: the file system's bi_private
 * @tuples: page full of tags that the payload lists
 */
struct owner_ctx {
	bio_end_io_t	*end_io;
	void		*private;
	struct page	*tuples;
};

/**
 * struct bind_request - what a control tag points at
 * @vol: the target's answer
 * @error: the target's refusal, or -EOPNOTSUPP while nobody has answered
 *
 * It lives on the stack of bio_owner_bind(), which waits for the bio.
 */
struct bind_request {
	struct bio_owner_volume	*vol;
	int			error;
};

BIO_OWNER_DEFINE_PROFILE(owner_profile, "INOCRYPT-OWNER");

static struct kmem_cache *ctx_cache;
static mempool_t *ctx_pool;
static mempool_t *tuple_pool;
static struct bio_set split_set;
static __le64 cookie;
static atomic_t pinned = ATOMIC_INIT(0);

static_assert(sizeof(struct bio_owner_tag) == 32);

static unsigned int disk_shift(struct gendisk *disk)
{
	return bio_owner_disk_shift(disk, &owner_profile, TUPLE_SIZE);
}

static void tagged_endio(struct bio *bio)
{
	struct owner_ctx *ctx = bio->bi_private;

	bio->bi_end_io = ctx->end_io;
	bio->bi_private = ctx->private;
	mempool_free(ctx->tuples, tuple_pool);
	mempool_free(ctx, ctx_pool);
	if (bio->bi_end_io)
		bio->bi_end_io(bio);
}

static int attach_tag(struct bio *bio, const struct bio_owner_tag *tag,
		      unsigned int shift, gfp_t gfp)
{
	unsigned int tuples = bio->bi_iter.bi_size >> shift;
	unsigned int vecs = DIV_ROUND_UP(tuples, TUPLES_PER_PAGE);
	struct bio_integrity_payload *bip;
	struct bio_owner_tag *p;
	struct owner_ctx *ctx;
	unsigned int i, n;

	if (vecs > BIO_MAX_VECS)
		return -E2BIG;

	ctx = mempool_alloc(ctx_pool, gfp);
	if (!ctx)
		return -ENOMEM;
	ctx->tuples = mempool_alloc(tuple_pool, gfp);
	if (!ctx->tuples)
		goto free_ctx;
	bip = bio_integrity_alloc(bio, gfp, vecs);
	if (IS_ERR(bip))
		goto free_tuples;

	p = page_address(ctx->tuples);
	for (i = 0; i < min_t(unsigned int, tuples, TUPLES_PER_PAGE); i++)
		p[i] = *tag;

	bip->bip_iter.bi_sector = bio->bi_iter.bi_sector >> (shift - SECTOR_SHIFT);
	for (; tuples; tuples -= n) {
		n = min_t(unsigned int, tuples, TUPLES_PER_PAGE);
		/*
		 * This can't fail: the payload has room for each page of
		 * tuples.
		 */
		if (WARN_ON_ONCE(!bio_owner_add_page(bio, ctx->tuples,
						     n * TUPLE_SIZE)))
			goto free_payload;
	}

	ctx->end_io = bio->bi_end_io;
	ctx->private = bio->bi_private;
	bio->bi_end_io = tagged_endio;
	bio->bi_private = ctx;
	return 0;

free_payload:
	/*
	 * The payload is freed with the bio. With a size of zero nobody uses it
	 * until then.
	 */
	bip->bip_iter.bi_size = 0;
	mempool_free(ctx->tuples, tuple_pool);
	mempool_free(ctx, ctx_pool);
	return -EIO;
free_tuples:
	mempool_free(ctx->tuples, tuple_pool);
free_ctx:
	mempool_free(ctx, ctx_pool);
	return -ENOMEM;
}

/* Does @bio carry data, so that an owner's tag must go with it? */
static int needs_tag(struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		return bio_sectors(bio) != 0;
	case REQ_OP_FLUSH:
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
	case REQ_OP_WRITE_ZEROES:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int check_bio(struct bio *bio, unsigned int *shift)
{
	unsigned int mask;

	*shift = disk_shift(bio->bi_bdev->bd_disk);
	if (!*shift)
		return -EOPNOTSUPP;
	if (bio_integrity(bio))
		return -EEXIST;
	if (bio_has_crypt_ctx(bio))
		return -EOPNOTSUPP;
	mask = (1U << (*shift - SECTOR_SHIFT)) - 1;
	if ((bio->bi_iter.bi_sector | bio_sectors(bio)) & mask ||
	    bio->bi_iter.bi_size & (SECTOR_SIZE - 1))
		return -EINVAL;
	return 0;
}

static void make_tag(struct bio_owner_tag *tag, const struct bio_owner_id *id)
{
	memcpy(tag->key_id, id->key_id, sizeof(tag->key_id));
	tag->ino = cpu_to_le32(id->ino);
	tag->gen = cpu_to_le32(id->gen);
	tag->cookie = cookie;
}

/**
 * bio_owner_attach - tag a bio with its owner
 * @bio: bio with bi_bdev, bi_iter, bi_end_io and bi_private in place; nothing
 *	may be added to it afterwards
 * @id: the owner
 * @gfp: with __GFP_DIRECT_RECLAIM, -ENOMEM can't occur for a bio that comes
 *	from a bio_set with integrity pools (all of bio_alloc()'s do)
 *
 * Operations that carry no data (discard, write-zeroes, flush) need no tag and
 * are left as they are.
 *
 * Return: 0; -EOPNOTSUPP if the device takes no tags or the operation can't be
 * tagged, -EINVAL if the bio isn't aligned to the crypto sector, -EEXIST if it
 * has an integrity payload already, -E2BIG if it needs to be split first (see
 * bio_owner_submit()), -ENOMEM.  On error the caller must fail the bio.
 */
int bio_owner_attach(struct bio *bio, const struct bio_owner_id *id, gfp_t gfp)
{
	struct bio_owner_tag tag;
	unsigned int shift;
	int err;

	err = needs_tag(bio);
	if (err <= 0)
		return err;
	if (WARN_ON_ONCE(!id->ino))
		return -EINVAL;
	err = check_bio(bio, &shift);
	if (err)
		return err;
	make_tag(&tag, id);
	return attach_tag(bio, &tag, shift, gfp);
}
EXPORT_SYMBOL_GPL(bio_owner_attach);

static void fail_bio(struct bio *bio, int err)
{
	/*
	 * A task that asked not to wait is told to come back, and may wait
	 * then.
	 */
	if (err == -ENOMEM && (bio->bi_opf & REQ_NOWAIT)) {
		bio_wouldblock_error(bio);
		return;
	}
	bio->bi_status = errno_to_blk_status(err);
	bio_endio(bio);
}

/**
 * bio_owner_submit - tag a bio and submit it
 * @bio: as for bio_owner_attach()
 * @id: the owner
 *
 * Splits a bio whose tags would not fit into one payload (more than 16 MiB with
 * 512-byte sectors).  A bio that can't be tagged completes with an error; it is
 * never sent without its tag.
 */
void bio_owner_submit(struct bio *bio, const struct bio_owner_id *id)
{
	gfp_t gfp = bio->bi_opf & REQ_NOWAIT ? GFP_NOWAIT : GFP_NOIO;
	unsigned int shift, max;
	struct bio *split;
	int err;

	shift = disk_shift(bio->bi_bdev->bd_disk);
	max = (BIO_MAX_VECS * TUPLES_PER_PAGE) <<
		(shift >= SECTOR_SHIFT ? shift - SECTOR_SHIFT : 0);

	while (needs_tag(bio) == 1 && bio_sectors(bio) > max) {
		err = check_bio(bio, &shift);
		if (err)
			goto fail;
		/*
		 * A bio in pieces can't be polled; the block layer clears this
		 * flag, too.
		 */
		bio_clear_polled(bio);
		split = bio_split(bio, max, gfp, &split_set);
		if (!split) {
			err = -ENOMEM;
			goto fail;
		}
		bio_chain(split, bio);
		err = bio_owner_attach(split, id, gfp);
		if (err) {
			fail_bio(split, err);
			goto fail;
		}
		submit_bio(split);
	}

	err = bio_owner_attach(bio, id, gfp);
	if (err)
		goto fail;
	submit_bio(bio);
	return;
fail:
	fail_bio(bio, err);
}
EXPORT_SYMBOL_GPL(bio_owner_submit);

/* Check that the first @bytes of the payload are copies of one tuple. */
static bool tuples_alike(struct bio_integrity_payload *bip, unsigned int bytes,
			 struct bio_owner_tag *tag)
{
	struct page *seen = NULL;
	unsigned int seen_from = 0, seen_to = 0;
	struct bvec_iter iter = bip->bip_iter;
	bool first = true;
	struct bio_vec bv;

	iter.bi_size = bytes;
	for_each_bvec(bv, bip->bip_vec, iter, iter) {
		unsigned int from = bv.bv_offset, to = from + bv.bv_len;
		bool alike = true;
		void *p;

		/*
		 * bio_owner_attach() lists one page of tags again and again:
		 * compare it once.
		 */
		if (bv.bv_page == seen && from >= seen_from && to <= seen_to)
			continue;
		if (bv.bv_len % TUPLE_SIZE)
			return false;
		p = bvec_kmap_local(&bv);
		if (first) {
			memcpy(tag, p, TUPLE_SIZE);
			first = false;
		}
		/*
		 * The tuples are alike if the first is the tag and each other
		 * one equals its predecessor.
		 */
		alike = !memcmp(p, tag, TUPLE_SIZE) &&
			!memcmp(p, p + TUPLE_SIZE, bv.bv_len - TUPLE_SIZE);
		kunmap_local(p);
		if (!alike)
			return false;
		seen = bv.bv_page;
		seen_from = from;
		seen_to = to;
	}
	return !first;
}

static enum bio_owner_kind read_tag(struct bio *bio, struct bio_owner_tag *tag)
{
	struct bio_integrity_payload *bip = bio_integrity(bio);
	unsigned int shift, bytes;

	if (!bip || needs_tag(bio) != 1)
		return BIO_OWNER_NONE;

	shift = disk_shift(bio->bi_bdev->bd_disk);
	if (!shift || bio->bi_iter.bi_size & ((1U << shift) - 1))
		return BIO_OWNER_MALFORMED;
	bytes = (bio->bi_iter.bi_size >> shift) * TUPLE_SIZE;
	if (bip->bip_iter.bi_size < bytes || !tuples_alike(bip, bytes, tag))
		return BIO_OWNER_MALFORMED;
	if (tag->cookie != cookie)
		return BIO_OWNER_MALFORMED;
	if (tag->ino)
		return BIO_OWNER_TAGGED;
	if (le32_to_cpu(tag->gen) == CONTROL_BIND && bio_op(bio) == REQ_OP_READ)
		return BIO_OWNER_CONTROL;
	return BIO_OWNER_MALFORMED;
}

/**
 * bio_owner_read - whose data does this bio carry?
 * @bio: a bio as a target's map function gets it, before bi_bdev or bi_iter
 *	are changed
 * @id: filled in for BIO_OWNER_TAGGED
 *
 * Return: one of &enum bio_owner_kind.  The caller must refuse a malformed bio.
 */
enum bio_owner_kind bio_owner_read(struct bio *bio, struct bio_owner_id *id)
{
	enum bio_owner_kind kind;
	struct bio_owner_tag tag;

	kind = read_tag(bio, &tag);
	if (kind == BIO_OWNER_TAGGED) {
		memcpy(id->key_id, tag.key_id, sizeof(id->key_id));
		id->ino = le32_to_cpu(tag.ino);
		id->gen = le32_to_cpu(tag.gen);
	}
	return kind;
}
EXPORT_SYMBOL_GPL(bio_owner_read);

/**
 * bio_owner_stash - take the tag off a bio that goes on to another device
 * @bio: the bio, tagged or not
 *
 * The device below knows nothing of our profile, and the block layer would size
 * the payload by that device's.
 *
 * Return: what bio_owner_restore() wants back when the bio comes back; may be
 * NULL.
 */
void *bio_owner_stash(struct bio *bio)
{
	struct bio_integrity_payload *bip = bio_integrity(bio);

	if (bip) {
		bio->bi_integrity = NULL;
		bio->bi_opf &= ~REQ_INTEGRITY;
	}
	return bip;
}
EXPORT_SYMBOL_GPL(bio_owner_stash);

/**
 * bio_owner_restore - put the tag back
 * @bio: the bio, completed by the device below or about to be ended
 * @stash: from bio_owner_stash(); freed with the bio
 */
void bio_owner_restore(struct bio *bio, void *stash)
{
	if (stash) {
		bio->bi_integrity = stash;
		bio->bi_opf |= REQ_INTEGRITY;
	}
}
EXPORT_SYMBOL_GPL(bio_owner_restore);

static void bind_endio(struct bio *bio)
{
	complete(bio->bi_private);
}

/**
 * bio_owner_bind - bind a mount to the volume that its device lies on
 * @bdev: device to be mounted; its first crypto sector names the volume
 *
 * Sends a read with a control tag, which passes all targets on the way down and
 * is answered by the one that keeps the owners.  Nothing is read.
 *
 * Return: the volume, to be released with bio_owner_unbind(); or an ERR_PTR:
 * -EOPNOTSUPP if there is no such target, -EBUSY if a file system is bound to
 * the volume already, -ENXIO if tags don't arrive at it or @bdev doesn't begin
 * where it does, or what else the target refuses with.
 */
struct bio_owner_volume *bio_owner_bind(struct block_device *bdev)
{
	struct bind_request req = { .error = -EOPNOTSUPP };
	struct bind_request *reqp = &req;
	DECLARE_COMPLETION_ONSTACK(done);
	struct bio_owner_tag tag = {
		.gen = cpu_to_le32(CONTROL_BIND),
		.cookie = cookie,
	};
	unsigned int shift = disk_shift(bdev->bd_disk);
	struct page *page;
	struct bio *bio;
	int err;

	if (!shift)
		return ERR_PTR(-EOPNOTSUPP);
	if (WARN_ON_ONCE(shift > PAGE_SHIFT))
		return ERR_PTR(-EINVAL);

	static_assert(sizeof(reqp) <= sizeof(tag.key_id));
	memcpy(tag.key_id, &reqp, sizeof(reqp));

	page = alloc_page(GFP_KERNEL);
	if (!page)
		return ERR_PTR(-ENOMEM);
	bio = bio_alloc(bdev, 1, REQ_OP_READ | REQ_SYNC, GFP_KERNEL);
	bio->bi_iter.bi_sector = 0;
	__bio_add_page(bio, page, 1U << shift, 0);

	bio->bi_end_io = bind_endio;
	bio->bi_private = &done;
	err = attach_tag(bio, &tag, shift, GFP_KERNEL);
	if (!err) {
		submit_bio(bio);
		wait_for_completion_io(&done);
		err = blk_status_to_errno(bio->bi_status);
	}
	bio_put(bio);
	__free_page(page);

	if (req.vol)
		return req.vol;
	/* If nobody answered, an error of the read says more than that. */
	if (req.error == -EOPNOTSUPP && err)
		return ERR_PTR(err);
	/* The profile is that of a target, but the tag was lost: md does that. */
	if (req.error == -EOPNOTSUPP)
		return ERR_PTR(-ENXIO);
	return ERR_PTR(req.error);
}
EXPORT_SYMBOL_GPL(bio_owner_bind);

/**
 * bio_owner_answer_bind - answer a control bio
 * @bio: what bio_owner_read() said BIO_OWNER_CONTROL of
 * @vol: the volume, if @error is 0
 * @error: 0, or why the file system can't be bound: a negative errno
 *
 * Takes a reference to the volume and to the target's module on behalf of the
 * file system.  The caller ends the bio afterwards.
 *
 * Return: 0 if the file system is bound from now on; else it isn't: @error,
 * -EALREADY if another target has answered, -EINVAL if @bio is no control bio.
 */
int bio_owner_answer_bind(struct bio *bio, struct bio_owner_volume *vol,
			  int error)
{
	struct bind_request *req;
	struct bio_owner_tag tag;

	if (read_tag(bio, &tag) != BIO_OWNER_CONTROL)
		return -EINVAL;
	memcpy(&req, tag.key_id, sizeof(req));
	if (req->vol)
		return -EALREADY;
	if (!error && !try_module_get(vol->ops->owner))
		error = -ENODEV;
	if (error) {
		req->error = error;
		return error;
	}
	kref_get(&vol->ref);
	req->vol = vol;
	return 0;
}
EXPORT_SYMBOL_GPL(bio_owner_answer_bind);

/**
 * bio_owner_unbind - the file system goes away
 * @vol: from bio_owner_bind()
 */
void bio_owner_unbind(struct bio_owner_volume *vol)
{
	struct module *owner = vol->ops->owner;

	vol->ops->unbind(vol);
	bio_owner_volume_put(vol);
	module_put(owner);
}
EXPORT_SYMBOL_GPL(bio_owner_unbind);

/**
 * bio_owner_key_present - can files of this key be used now?
 * @vol: from bio_owner_bind()
 * @key_id: names the key
 *
 * Return: 0, or -ENOKEY.  May sleep.
 */
int bio_owner_key_present(struct bio_owner_volume *vol,
			  const u8 key_id[BIO_OWNER_KEY_ID_SIZE])
{
	return vol->ops->key_present(vol, key_id);
}
EXPORT_SYMBOL_GPL(bio_owner_key_present);

/**
 * bio_owner_forget - an owner is gone for good
 * @vol: from bio_owner_bind()
 * @ino: its inode number
 * @gen: its generation
 *
 * Return: 0, -ENOENT if there is no such owner, or another error, after which
 * the inode number must not be used again.  May sleep.
 */
int bio_owner_forget(struct bio_owner_volume *vol, u32 ino, u32 gen)
{
	return vol->ops->forget(vol, ino, gen);
}
EXPORT_SYMBOL_GPL(bio_owner_forget);

/**
 * bio_owner_next - walk the owners that the volume knows
 * @vol: from bio_owner_bind()
 * @ino: where to begin; the owner found
 * @gen: its generation
 *
 * Return: 0; -ENOENT if there is no owner with a number >= *@ino; -EBADMSG if
 * what is damaged keeps all up to *@ino, changed, from being known.  May sleep.
 */
int bio_owner_next(struct bio_owner_volume *vol, u32 *ino, u32 *gen)
{
	return vol->ops->next_owner(vol, ino, gen);
}
EXPORT_SYMBOL_GPL(bio_owner_next);

/**
 * bio_owner_key_identify - the name of a master key on this volume
 * @vol: from bio_owner_bind()
 * @key: with @key->raw; @key->key_id is filled in
 *
 * Return: 0, -EOPNOTSUPP, or another error.  May sleep; waits for nobody.
 */
int bio_owner_key_identify(struct bio_owner_volume *vol,
			   struct bio_owner_key *key)
{
	return vol->ops->key_identify ? vol->ops->key_identify(vol, key) :
					-EOPNOTSUPP;
}
EXPORT_SYMBOL_GPL(bio_owner_key_identify);

/**
 * bio_owner_key_add - bring a master key
 * @vol: from bio_owner_bind()
 * @key: the key, and what its record may cost; see &struct bio_owner_key
 *
 * Return: 0, -ENOKEY, -EDQUOT, -ENOSPC, -EROFS (a new key on a read-only
 * volume), -EINTR if the caller is killed, -EOPNOTSUPP, or another error.  May
 * sleep.
 */
int bio_owner_key_add(struct bio_owner_volume *vol, struct bio_owner_key *key)
{
	return vol->ops->key_add ? vol->ops->key_add(vol, key) : -EOPNOTSUPP;
}
EXPORT_SYMBOL_GPL(bio_owner_key_add);

/**
 * bio_owner_key_remove - wipe a master key from memory
 * @vol: from bio_owner_bind()
 * @key_id: names the key
 *
 * Return: 0, -ENOKEY if it isn't loaded, -EOPNOTSUPP.  May sleep.
 */
int bio_owner_key_remove(struct bio_owner_volume *vol,
			 const u8 key_id[BIO_OWNER_KEY_ID_SIZE])
{
	return vol->ops->key_remove ? vol->ops->key_remove(vol, key_id) :
				      -EOPNOTSUPP;
}
EXPORT_SYMBOL_GPL(bio_owner_key_remove);

/**
 * bio_owner_key_next - walk the keys that the volume knows
 * @vol: from bio_owner_bind()
 * @key: in: its slot, where to begin; out: the key found, without @key->raw
 *
 * Return: 0, -ENOENT if there is none from there on, -EOPNOTSUPP.  May sleep.
 */
int bio_owner_key_next(struct bio_owner_volume *vol, struct bio_owner_key *key)
{
	return vol->ops->key_next ? vol->ops->key_next(vol, key) : -EOPNOTSUPP;
}
EXPORT_SYMBOL_GPL(bio_owner_key_next);

/**
 * bio_owner_key_delete - have the volume know a key no more
 * @vol: from bio_owner_bind()
 * @key_id: names the key
 *
 * Return: 0, -ENOKEY, -EBUSY while it is loaded or an owner refers to it,
 * -EOPNOTSUPP, or another error.  May sleep, and read all owner records.
 */
int bio_owner_key_delete(struct bio_owner_volume *vol,
			 const u8 key_id[BIO_OWNER_KEY_ID_SIZE])
{
	return vol->ops->key_delete ? vol->ops->key_delete(vol, key_id) :
				      -EOPNOTSUPP;
}
EXPORT_SYMBOL_GPL(bio_owner_key_delete);

/**
 * bio_owner_erase_sync - wait until forgotten owners can't be had back
 * @vol: from bio_owner_bind()
 *
 * Return: 0, also where the volume keeps no salts, or an I/O error.  May sleep.
 */
int bio_owner_erase_sync(struct bio_owner_volume *vol)
{
	return vol->ops->erase_sync ? vol->ops->erase_sync(vol) : 0;
}
EXPORT_SYMBOL_GPL(bio_owner_erase_sync);

/**
 * bio_owner_volume_init - prepare the volume in a target's object
 * @vol: zeroed by the caller, who also sets sector_size and max_ino
 * @ops: the target's functions
 *
 * The caller holds the first reference, see bio_owner_volume_put().
 */
void bio_owner_volume_init(struct bio_owner_volume *vol,
			   const struct bio_owner_volume_ops *ops)
{
	vol->ops = ops;
	kref_init(&vol->ref);
}
EXPORT_SYMBOL_GPL(bio_owner_volume_init);

static void volume_release(struct kref *ref)
{
	struct bio_owner_volume *vol =
		container_of(ref, struct bio_owner_volume, ref);

	vol->ops->release(vol);
}

/**
 * bio_owner_volume_put - drop a reference
 * @vol: the volume; ops->release() is called with the last one
 */
void bio_owner_volume_put(struct bio_owner_volume *vol)
{
	kref_put(&vol->ref, volume_release);
}
EXPORT_SYMBOL_GPL(bio_owner_volume_put);

/**
 * bio_owner_register_profile - let a disk take tags
 * @disk: the target's disk
 * @sector_size: crypto sector size in bytes, a power of two, 512 to PAGE_SIZE
 *
 * There is no way back: bios may hold payloads that are sized by the profile
 * when the target's destructor runs.  So the target never takes it away; device
 * mapper does when a table without one is resumed, and tells nobody.  Therefore this
 * module stays in memory.
 *
 * Return: 0 (also if the disk has this very profile already), -EINVAL for a
 * bad size, -EBUSY if the disk has another profile or sector size.
 */
int bio_owner_register_profile(struct gendisk *disk, unsigned int sector_size)
{
	unsigned int shift;

	if (!is_power_of_2(sector_size) || sector_size < SECTOR_SIZE ||
	    sector_size > PAGE_SIZE)
		return -EINVAL;
	shift = ilog2(sector_size);

	if (bio_owner_disk_has_profile(disk))
		return disk_shift(disk) == shift ? 0 : -EBUSY;

	if (!atomic_xchg(&pinned, 1))
		__module_get(THIS_MODULE);
	bio_owner_disk_register(disk, &owner_profile, TUPLE_SIZE, shift);
	return 0;
}
EXPORT_SYMBOL_GPL(bio_owner_register_profile);

/**
 * bio_owner_set_limits - make room for tags in a target's queue limits
 * @limits: as handed to the target's io_hints function
 * @sector_size: as bio_owner_register_profile() was given it
 */
void bio_owner_set_limits(struct queue_limits *limits, unsigned int sector_size)
{
	bio_owner_limits_profile(limits, TUPLE_SIZE, ilog2(sector_size));
	limits->max_integrity_segments = BIO_MAX_VECS;
}
EXPORT_SYMBOL_GPL(bio_owner_set_limits);

static int __init bio_owner_init(void)
{
	int err = -ENOMEM;

	cookie = cpu_to_le64(get_random_u64());

	ctx_cache = KMEM_CACHE(owner_ctx, 0);
	if (!ctx_cache)
		return -ENOMEM;
	ctx_pool = mempool_create_slab_pool(POOL_SIZE, ctx_cache);
	if (!ctx_pool)
		goto free_cache;
	tuple_pool = mempool_create_page_pool(POOL_SIZE, 0);
	if (!tuple_pool)
		goto free_ctx_pool;
	err = bioset_init(&split_set, POOL_SIZE, 0, 0);
	if (err)
		goto free_tuple_pool;
	/*
	 * Split bios are tagged after they are made, so they need pools of
	 * their own.
	 */
	if (bioset_integrity_create(&split_set, POOL_SIZE)) {
		err = -ENOMEM;
		goto free_split_set;
	}
	return 0;

free_split_set:
	bioset_exit(&split_set);
free_tuple_pool:
	mempool_destroy(tuple_pool);
free_ctx_pool:
	mempool_destroy(ctx_pool);
free_cache:
	kmem_cache_destroy(ctx_cache);
	return err;
}

static void __exit bio_owner_exit(void)
{
	bioset_exit(&split_set);
	mempool_destroy(tuple_pool);
	mempool_destroy(ctx_pool);
	kmem_cache_destroy(ctx_cache);
}

module_init(bio_owner_init);
module_exit(bio_owner_exit);

MODULE_DESCRIPTION("Whose data does a bio carry?");
MODULE_LICENSE("GPL");
