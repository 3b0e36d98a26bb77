// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fixed pool of AEAD transforms, re-keyed on demand.
 *
 * There may be millions of owners, so transforms cannot belong to them; the
 * idea is that of block/blk-crypto-fallback.c.  The volume key's transform is
 * apart and keyed for good, as are those of the checkpoint: metadata never
 * waits for a file's key.
 */
#include <linux/cpumask.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "crypto/crypto.h"

static atomic64_t next_serial = ATOMIC64_INIT(1);

/**
 * ic_new_serial() - name a data key that was just derived
 * @key: the key
 */
void ic_new_serial(struct ic_data_key *key)
{
	key->serial = atomic64_inc_return(&next_serial);
}

static int tfm_alloc(const struct ic_cipher_info *cipher, struct ic_tfm *tfm)
{
	int err;

	tfm->aead = crypto_alloc_aead(cipher->driver, 0,
				      CRYPTO_ALG_ALLOCATES_MEMORY);
	if (IS_ERR(tfm->aead)) {
		err = PTR_ERR(tfm->aead);
		tfm->aead = NULL;
		return err;
	}
	if (crypto_aead_ivsize(tfm->aead) != cipher->iv_size)
		return -EINVAL;
	return crypto_aead_setauthsize(tfm->aead, IC_TAG_SIZE);
}

static int tfm_setkey(const struct ic_cipher_info *cipher, struct ic_tfm *tfm,
		      const u8 *bytes)
{
	unsigned int noio = memalloc_noio_save();
	int err;

	err = crypto_aead_setkey(tfm->aead, bytes, cipher->key_size);
	memalloc_noio_restore(noio);
	return err;
}

/**
 * ic_tfm_init() - allocate the pool and the volume key's transform
 * @pool: zeroed
 * @cipher: of all of them
 * @volume_key: the volume's, of which only the serial is left
 *
 * Return: 0 or a negative errno; ic_tfm_exit() cleans up in both cases.
 */
int ic_tfm_init(struct ic_tfm_pool *pool, const struct ic_cipher_info *cipher,
		struct ic_data_key *volume_key)
{
	unsigned int reqsize, i, nr = max(32U, 4 * num_possible_cpus());
	int err;

	spin_lock_init(&pool->lock);
	init_waitqueue_head(&pool->wait);
	INIT_LIST_HEAD(&pool->lru);
	pool->cipher = cipher;
	err = tfm_alloc(cipher, &pool->volume);
	if (err)
		return err;
	pool->volume.serial = volume_key->serial;
	err = tfm_setkey(cipher, &pool->volume, volume_key->bytes);
	/*
	 * From here on the transform has the key, and its serial is enough to
	 * name it.
	 */
	memzero_explicit(volume_key->bytes, IC_KEY_SIZE);
	if (err)
		return err;
	reqsize = crypto_aead_reqsize(pool->volume.aead);

	pool->tfms = kcalloc(nr, sizeof(*pool->tfms), GFP_KERNEL);
	if (!pool->tfms)
		return -ENOMEM;
	pool->nr = nr;
	for (i = 0; i < nr; i++) {
		struct ic_tfm *tfm = &pool->tfms[i];

		err = tfm_alloc(cipher, tfm);
		if (err)
			return err;
		reqsize = max(reqsize, crypto_aead_reqsize(tfm->aead));
		list_add_tail(&tfm->lru, &pool->lru);
	}
	pool->crypt_bytes = sizeof(struct ic_crypt) + reqsize;
	return mempool_init_kmalloc_pool(&pool->crypts, 16, pool->crypt_bytes);
}

/**
 * ic_tfm_exit() - free everything ic_tfm_init() made; keys are wiped
 * @pool: the pool, nothing of it in use
 */
void ic_tfm_exit(struct ic_tfm_pool *pool)
{
	unsigned int i;

	mempool_exit(&pool->crypts);
	for (i = 0; i < pool->nr; i++)
		crypto_free_aead(pool->tfms[i].aead);
	kfree(pool->tfms);
	pool->tfms = NULL;
	pool->nr = 0;
	crypto_free_aead(pool->volume.aead);
	pool->volume.aead = NULL;
}

/* Find the key's transform, or the one to re-key. */
static struct ic_tfm *tfm_find(struct ic_tfm_pool *pool, u64 serial,
			       bool *rekey)
{
	struct ic_tfm *tfm, *idle = NULL;

	lockdep_assert_held(&pool->lock);
	*rekey = false;
	list_for_each_entry_reverse(tfm, &pool->lru, lru) {
		if (tfm->serial == serial)
			return tfm->keying ? NULL : tfm;
		if (!tfm->users && !tfm->keying)
			idle = tfm;	/* the last one seen is the oldest */
	}
	*rekey = true;
	return idle;
}

/**
 * ic_tfm_get() - a transform that holds a key
 * @pool: the pool
 * @key: an owner's, or the volume's
 *
 * Several requests may run on one transform.  Waits until one is idle if all
 * hold other keys; a holder waits for nothing but the CPU.
 *
 * Context: may sleep; no other transform held.
 * Return: the transform, or an ERR_PTR if it refused the key.
 */
struct ic_tfm *ic_tfm_get(struct ic_tfm_pool *pool,
			  const struct ic_data_key *key)
{
	struct ic_tfm *tfm;
	bool rekey;
	int err;

	if (key->serial == pool->volume.serial)
		return &pool->volume;

	spin_lock(&pool->lock);
	wait_event_cmd(pool->wait, (tfm = tfm_find(pool, key->serial, &rekey)),
		       spin_unlock(&pool->lock), spin_lock(&pool->lock));
	tfm->users++;
	list_move_tail(&tfm->lru, &pool->lru);
	if (rekey) {
		tfm->keying = true;
		tfm->serial = key->serial;
	}
	spin_unlock(&pool->lock);
	if (!rekey)
		return tfm;

	err = tfm_setkey(pool->cipher, tfm, key->bytes);
	spin_lock(&pool->lock);
	tfm->keying = false;
	if (err) {
		tfm->serial = 0;
		tfm->users--;
	}
	spin_unlock(&pool->lock);
	wake_up_all(&pool->wait);
	return err ? ERR_PTR(err) : tfm;
}

/**
 * ic_tfm_put() - done with a transform
 * @pool: the pool
 * @tfm: from ic_tfm_get()
 */
void ic_tfm_put(struct ic_tfm_pool *pool, struct ic_tfm *tfm)
{
	bool idle;

	if (tfm == &pool->volume)
		return;
	spin_lock(&pool->lock);
	idle = !--tfm->users;
	spin_unlock(&pool->lock);
	if (idle)
		wake_up_all(&pool->wait);
}

/**
 * ic_tfm_forget() - no transform keeps this key
 * @pool: the pool
 * @serial: of the key
 *
 * Waits for requests under way with it; the caller sees to it that no new ones
 * come.
 *
 * Context: may sleep.
 */
void ic_tfm_forget(struct ic_tfm_pool *pool, u64 serial)
{
	static const u8 zero_key[IC_KEY_SIZE];
	unsigned int i;

	for (i = 0; i < pool->nr; i++) {
		struct ic_tfm *tfm = &pool->tfms[i];

		spin_lock(&pool->lock);
		if (tfm->serial != serial) {
			spin_unlock(&pool->lock);
			continue;
		}
		wait_event_cmd(pool->wait, !tfm->users && !tfm->keying,
			       spin_unlock(&pool->lock),
			       spin_lock(&pool->lock));
		/* While this waited, another key may have come in. */
		if (tfm->serial != serial) {
			spin_unlock(&pool->lock);
			continue;
		}
		tfm->serial = 0;
		tfm->keying = true;
		spin_unlock(&pool->lock);

		/* All ciphers take a zero key; it only overwrites the old. */
		if (tfm_setkey(pool->cipher, tfm, zero_key))
			DMWARN("a transform kept a removed key");
		spin_lock(&pool->lock);
		tfm->keying = false;
		spin_unlock(&pool->lock);
		wake_up_all(&pool->wait);
	}
}
