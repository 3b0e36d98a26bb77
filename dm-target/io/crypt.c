// SPDX-License-Identifier: GPL-2.0-only
/*
 * Encryption and decryption of a bio's sectors, between the bio's own pages
 * and those of our bio on the data device.
 *
 * Ciphertext is only ever in our own pages: nobody can change it between the
 * check of its tag and its decryption, and a failed read needs no second look.
 */
#include <linux/sched/mm.h>

#include "keys/owners.h"
#include "io/io.h"

/*
 * Give a transform back. If its owner was forgotten or locked meanwhile, we may
 * have keyed it again after all others' were wiped.
 */
static void put_tfm(struct inocrypt *ic, struct ic_tfm *tfm,
		    const struct ic_owner *owner)
{
	ic_tfm_put(&ic->tfms, tfm);
	if (owner && READ_ONCE(owner->dead))
		ic_tfm_forget(&ic->tfms, owner->key.serial);
}

/* Some of the ciphers' code leaves keys on the stack: write over it. */
static noinline void burn_stack(void)
{
	u8 below[1024];

	memzero_explicit(below, sizeof(below));
}

/* The driver's context in a request holds what it derived from the key: wipe it. */
static void free_crypt(struct inocrypt *ic, struct ic_crypt *c)
{
	memzero_explicit(c, ic->tfms.crypt_bytes);
	mempool_free(c, &ic->tfms.crypts);
	burn_stack();
}

/* Where sector @i of @io is in our own pages. */
static void sub_page(struct ic_io *io, u32 i, struct page **page,
		     unsigned int *offset)
{
	u64 pos = (u64)i << io->ic->geo.sector_shift;

	*page = io->sub->bi_io_vec[pos >> PAGE_SHIFT].bv_page;
	*offset = pos & ~PAGE_MASK;
}

static void set_request(struct inocrypt *ic, struct ic_crypt *c,
			struct ic_tfm *tfm, const u8 *nonce, bool in_place,
			unsigned int cryptlen)
{
	memcpy(c->iv, nonce, IC_NONCE_SIZE);
	memset(c->iv + IC_NONCE_SIZE, 0, sizeof(c->iv) - IC_NONCE_SIZE);
	crypto_init_wait(&c->wait);
	aead_request_set_tfm(&c->req, tfm->aead);
	aead_request_set_callback(&c->req, CRYPTO_TFM_REQ_MAY_SLEEP |
				  CRYPTO_TFM_REQ_MAY_BACKLOG,
				  crypto_req_done, &c->wait);
	aead_request_set_ad(&c->req, sizeof(c->aad));
	aead_request_set_crypt(&c->req, c->src, in_place ? c->src : c->dst,
			       cryptlen, c->iv);
}

static void set_sg(struct scatterlist *sg, struct ic_crypt *c,
		   struct page *page, unsigned int offset, unsigned int len)
{
	sg_init_table(sg, 3);
	sg_set_buf(&sg[0], &c->aad, sizeof(c->aad));
	sg_set_page(&sg[1], page, len, offset);
	sg_set_buf(&sg[2], c->tag, IC_TAG_SIZE);
}

/* Copy one sector between the bio at @iter and our page. */
static void copy_sector(struct bio *bio, struct bvec_iter iter,
			unsigned int size, struct page *page,
			unsigned int offset, bool to_bio)
{
	u8 *ours = page_address(page) + offset;

	while (size) {
		struct bio_vec bv = bio_iter_iovec(bio, iter);
		unsigned int len = min(bv.bv_len, size);

		bv.bv_len = len;
		if (to_bio)
			memcpy_to_bvec(&bv, ours);
		else
			memcpy_from_bvec(ours, &bv);
		ours += len;
		size -= len;
		bio_advance_iter_single(bio, &iter, len);
	}
}

static int encrypt_sector(struct ic_io *io, struct ic_crypt *c,
			  struct ic_tfm *tfm, struct bvec_iter iter, u32 i)
{
	struct inocrypt *ic = io->ic;
	struct bio *bio = io->bio;
	struct ic_sector_record *rec = &io->rec[i];
	struct bio_vec bv = bio_iter_iovec(bio, iter);
	unsigned int size = ic->geo.sector_size, offset;
	struct page *page;
	bool in_place;
	int err;

	sub_page(io, i, &page, &offset);
	ic_sector_aad(&c->aad, ic->params.uuid, io->range.start + i,
		      io->tagged ? io->id.ino : 0, io->tagged ? io->id.gen : 0);
	ic_nonce(&ic->nonces, rec->nonce);
	/*
	 * A page that changes while it is encrypted must not end up with a tag
	 * that fits no single reading of it.  GCM and ChaCha20-Poly1305 take
	 * the tag over what they wrote; AEGIS may read its input twice.
	 */
	in_place = bv.bv_len < size ||
		   ic_cipher_info(ic->params.cipher)->rereads;
	if (in_place) {
		copy_sector(bio, iter, size, page, offset, false);
		set_sg(c->src, c, page, offset, size);
	} else {
		set_sg(c->src, c, bv.bv_page, bv.bv_offset, size);
		set_sg(c->dst, c, page, offset, size);
	}
	set_request(ic, c, tfm, rec->nonce, in_place, size);
	err = crypto_wait_req(crypto_aead_encrypt(&c->req), &c->wait);
	if (err) {
		/* What is in the page may still be plaintext. */
		memzero_explicit(page_address(page) + offset, size);
		return err;
	}
	memcpy(rec->tag, c->tag, IC_TAG_SIZE);
	rec->owner = cpu_to_le32(io->tagged ? io->id.ino : 0);
	return 0;
}

/**
 * ic_encrypt() - encrypt @io's data into our pages, and fill in its records
 * @ic: the table
 * @io: a write with owner (if tagged), sub and rec allocated
 * @wait: may wait for memory, which readers in raw mode hold while they do I/O
 *
 * Context: may sleep.
 * Return: 0, -EAGAIN without @wait, or another negative errno; then the pages must
 * not be written.
 */
int ic_encrypt(struct inocrypt *ic, struct ic_io *io, bool wait)
{
	struct bio *bio = io->bio;
	struct bvec_iter iter = bio->bi_iter;
	struct ic_crypt *c;
	struct ic_tfm *tfm;
	u32 i, n = ic_io_sectors(io);
	unsigned int noio;
	int err = 0;

	/*
	 * Memory comes before the transform everywhere: whoever holds a
	 * transform waits for nothing.
	 */
	c = mempool_alloc(&ic->tfms.crypts,
			  wait ? GFP_NOIO : GFP_NOWAIT | __GFP_NOWARN);
	if (!c)
		return -EAGAIN;
	tfm = ic_tfm_get(&ic->tfms,
			 io->owner ? &io->owner->key : &ic->volume_key);
	if (IS_ERR(tfm)) {
		free_crypt(ic, c);
		return PTR_ERR(tfm);
	}
	noio = memalloc_noio_save();
	for (i = 0; i < n && !err; i++) {
		err = encrypt_sector(io, c, tfm, iter, i);
		bio_advance_iter(bio, &iter, ic->geo.sector_size);
		cond_resched();
	}
	memalloc_noio_restore(noio);
	free_crypt(ic, c);
	put_tfm(ic, tfm, io->owner);
	return err;
}

static int decrypt_sector(struct ic_io *io, struct ic_crypt *c,
			  struct ic_tfm *tfm, struct bvec_iter iter, u32 i,
			  u32 ino, u32 gen)
{
	struct inocrypt *ic = io->ic;
	struct bio *bio = io->bio;
	struct ic_sector_record *rec = &io->rec[i];
	struct bio_vec bv = bio_iter_iovec(bio, iter);
	unsigned int size = ic->geo.sector_size, offset;
	struct page *page;
	bool in_place = bv.bv_len < size;
	int err;

	sub_page(io, i, &page, &offset);
	ic_sector_aad(&c->aad, ic->params.uuid, io->range.start + i, ino, gen);
	memcpy(c->tag, rec->tag, IC_TAG_SIZE);
	set_sg(c->src, c, page, offset, size);
	if (!in_place)
		set_sg(c->dst, c, bv.bv_page, bv.bv_offset, size);
	set_request(ic, c, tfm, rec->nonce, in_place, size + IC_TAG_SIZE);
	err = crypto_wait_req(crypto_aead_decrypt(&c->req), &c->wait);
	if (!err && in_place)
		copy_sector(bio, iter, size, page, offset, true);
	if (in_place)
		memzero_explicit(page_address(page) + offset, size);
	return err;
}

static void zero_sector(struct bio *bio, struct bvec_iter iter,
			unsigned int size)
{
	while (size) {
		struct bio_vec bv = bio_iter_iovec(bio, iter);
		unsigned int len = min(bv.bv_len, size);

		bv.bv_len = len;
		memzero_bvec(&bv);
		size -= len;
		bio_advance_iter_single(bio, &iter, len);
	}
}

/* The owner that sector record @rec calls for; NULL for the volume itself. */
static struct ic_owner *record_owner(struct ic_io *io, u32 ino)
{
	if (!ino)
		return NULL;
	if (io->tagged) {
		refcount_inc(&io->owner->ref);
		return io->owner;
	}
	return ic_owner_get_raw(io->ic, ino);
}

/**
 * ic_decrypt() - check and decrypt our pages into @io's bio
 * @ic: the table
 * @io: a read whose data has arrived in sub; every record's owner was found
 *	to be one that @io may read
 *
 * Sectors without a record become zeros.
 *
 * Context: may sleep.
 * Return: 0, -EBADMSG if a sector does not authenticate, -ENOKEY, or another
 * negative errno; the caller zeroes the bio.
 */
int ic_decrypt(struct inocrypt *ic, struct ic_io *io)
{
	struct bio *bio = io->bio;
	struct bvec_iter iter = bio->bi_iter;
	unsigned int noio = memalloc_noio_save();
	struct ic_owner *owner = NULL;
	struct ic_tfm *tfm = NULL;
	struct ic_crypt *c;
	u32 i, n = ic_io_sectors(io), ino, current_ino = 0;
	int err = 0;

	c = mempool_alloc(&ic->tfms.crypts, GFP_NOIO);
	for (i = 0; i < n; i++) {
		if (mem_is_zero(&io->rec[i], sizeof(io->rec[i]))) {
			zero_sector(bio, iter, ic->geo.sector_size);
			goto next;
		}
		ino = le32_to_cpu(io->rec[i].owner);
		if (!tfm || ino != current_ino) {
			if (tfm)
				put_tfm(ic, tfm, owner);
			tfm = NULL;
			ic_owner_put(owner);
			owner = record_owner(io, ino);
			if (IS_ERR(owner)) {
				err = PTR_ERR(owner);
				owner = NULL;
				break;
			}
			tfm = ic_tfm_get(&ic->tfms, owner ? &owner->key :
							  &ic->volume_key);
			if (IS_ERR(tfm)) {
				err = PTR_ERR(tfm);
				tfm = NULL;
				break;
			}
			current_ino = ino;
		}
		err = decrypt_sector(io, c, tfm, iter, i, ino,
				     owner ? owner->gen : 0);
		if (err) {
			if (err == -EBADMSG)
				DMERR_LIMIT("%s: sector %llu of owner %u does not authenticate",
					    dm_device_name(ic->vol->md),
					    io->range.start + i, ino);
			break;
		}
next:
		bio_advance_iter(bio, &iter, ic->geo.sector_size);
		cond_resched();
	}
	if (tfm)
		put_tfm(ic, tfm, owner);
	ic_owner_put(owner);
	free_crypt(ic, c);
	memalloc_noio_restore(noio);
	return err;
}

/**
 * ic_decrypt_page() - does a volume-key sector authenticate?
 * @ic: the table
 * @page: begins with the sector's ciphertext; decrypted in place
 * @sector: crypto sector
 * @rec: its record, owner 0
 *
 * Context: may sleep.
 * Return: 0, -EBADMSG, or another negative errno.
 */
int ic_decrypt_page(struct inocrypt *ic, struct page *page, u64 sector,
		    const struct ic_sector_record *rec)
{
	unsigned int noio = memalloc_noio_save();
	unsigned int size = ic->geo.sector_size;
	struct ic_crypt *c;
	struct ic_tfm *tfm;
	int err;

	c = mempool_alloc(&ic->tfms.crypts, GFP_NOIO);
	tfm = ic_tfm_get(&ic->tfms, &ic->volume_key);
	err = PTR_ERR_OR_ZERO(tfm);
	if (!err) {
		ic_sector_aad(&c->aad, ic->params.uuid, sector, 0, 0);
		memcpy(c->tag, rec->tag, IC_TAG_SIZE);
		set_sg(c->src, c, page, 0, size);
		set_request(ic, c, tfm, rec->nonce, true, size + IC_TAG_SIZE);
		err = crypto_wait_req(crypto_aead_decrypt(&c->req), &c->wait);
		put_tfm(ic, tfm, NULL);
	}
	free_crypt(ic, c);
	memalloc_noio_restore(noio);
	return err;
}
