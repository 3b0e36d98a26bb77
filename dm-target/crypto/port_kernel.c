// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's side of port.h: the primitives of the shared code by the crypto
 * API, and logon keys.
 */
#include <linux/key-type.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <keys/user-type.h>
#include <crypto/sha2.h>

#include "crypto/crypto.h"

struct ic_meta_key {
	struct crypto_aead	*aead;
	mempool_t		pool;	/* struct meta_request */
	size_t			request_bytes;
};

/* Everything one call needs. It is on the heap, as stacks may be vmapped. */
struct meta_request {
	struct scatterlist	sg[3];
	struct crypto_wait	wait;
	u8			aad[IC_AAD_MAX];
	u8			tag[IC_TAG_SIZE];
	u8			iv[IC_NONCE_SIZE];
	struct aead_request	req;	/* last: the driver's context follows */
};

/**
 * ic_meta_key_new() - key a transform for the sidecar's own blocks
 * @key: IC_KEY_SIZE bytes
 *
 * Context: process, may sleep; not in the write path.
 * Return: the key, or an ERR_PTR.
 */
struct ic_meta_key *ic_meta_key_new(const u8 key[IC_KEY_SIZE])
{
	struct ic_meta_key *mk;
	int err;

	mk = kzalloc(sizeof(*mk), GFP_KERNEL);
	if (!mk)
		return ERR_PTR(-ENOMEM);
	mk->aead = crypto_alloc_aead("gcm(aes)", 0, CRYPTO_ALG_ALLOCATES_MEMORY);
	if (IS_ERR(mk->aead)) {
		err = PTR_ERR(mk->aead);
		goto err_free;
	}
	err = crypto_aead_setkey(mk->aead, key, IC_KEY_SIZE);
	if (err)
		goto err_aead;
	err = crypto_aead_setauthsize(mk->aead, IC_TAG_SIZE);
	if (err)
		goto err_aead;
	mk->request_bytes = sizeof(struct meta_request) +
			    crypto_aead_reqsize(mk->aead);
	err = mempool_init_kmalloc_pool(&mk->pool, 4, mk->request_bytes);
	if (err)
		goto err_aead;
	return mk;

err_aead:
	crypto_free_aead(mk->aead);
err_free:
	kfree(mk);
	return ERR_PTR(err);
}

/**
 * ic_meta_key_free() - wipe and free a key
 * @key: from ic_meta_key_new(), an ERR_PTR or NULL
 */
void ic_meta_key_free(struct ic_meta_key *key)
{
	if (IS_ERR_OR_NULL(key))
		return;
	mempool_exit(&key->pool);
	crypto_free_aead(key->aead);
	kfree(key);
}

/* Described in port.h. */
int ic_meta_key_set(struct ic_meta_key *key, const u8 bytes[IC_KEY_SIZE])
{
	unsigned int noio = memalloc_noio_save();
	int err = crypto_aead_setkey(key->aead, bytes, IC_KEY_SIZE);

	memalloc_noio_restore(noio);
	return err;
}

static int meta_crypt(struct ic_meta_key *key, const u8 *nonce,
		      const void *aad, unsigned int aad_len, void *buf,
		      unsigned int len, u8 *tag, bool seal)
{
	struct meta_request *r;
	unsigned int noio;
	int err;

	if (WARN_ON_ONCE(aad_len > sizeof(r->aad)))
		return -EINVAL;
	noio = memalloc_noio_save();
	r = mempool_alloc(&key->pool, GFP_NOIO);
	memcpy(r->aad, aad, aad_len);
	memcpy(r->iv, nonce, IC_NONCE_SIZE);
	if (!seal)
		memcpy(r->tag, tag, IC_TAG_SIZE);
	sg_init_table(r->sg, ARRAY_SIZE(r->sg));
	sg_set_buf(&r->sg[0], r->aad, aad_len);
	sg_set_buf(&r->sg[1], buf, len);
	sg_set_buf(&r->sg[2], r->tag, IC_TAG_SIZE);

	crypto_init_wait(&r->wait);
	aead_request_set_tfm(&r->req, key->aead);
	aead_request_set_callback(&r->req, CRYPTO_TFM_REQ_MAY_SLEEP |
				  CRYPTO_TFM_REQ_MAY_BACKLOG,
				  crypto_req_done, &r->wait);
	aead_request_set_ad(&r->req, aad_len);
	aead_request_set_crypt(&r->req, r->sg, r->sg,
			       seal ? len : len + IC_TAG_SIZE, r->iv);
	if (seal)
		err = crypto_wait_req(crypto_aead_encrypt(&r->req), &r->wait);
	else
		err = crypto_wait_req(crypto_aead_decrypt(&r->req), &r->wait);
	if (seal && !err)
		memcpy(tag, r->tag, IC_TAG_SIZE);
	if (!seal && err)
		memzero_explicit(buf, len);
	memzero_explicit(r, key->request_bytes);
	mempool_free(r, &key->pool);
	memalloc_noio_restore(noio);
	return err;
}

/* Described in port.h. */
int ic_meta_mac(struct ic_meta_key *key, const u8 nonce[IC_NONCE_SIZE],
		const void *buf, u8 tag[IC_TAG_SIZE])
{
	unsigned int noio = memalloc_noio_save();
	struct meta_request *r = mempool_alloc(&key->pool, GFP_NOIO);
	int err;

	memcpy(r->iv, nonce, IC_NONCE_SIZE);
	sg_init_table(r->sg, 2);
	sg_set_buf(&r->sg[0], buf, IC_META_MAC_BYTES);
	sg_set_buf(&r->sg[1], r->tag, IC_TAG_SIZE);
	crypto_init_wait(&r->wait);
	aead_request_set_tfm(&r->req, key->aead);
	aead_request_set_callback(&r->req, CRYPTO_TFM_REQ_MAY_SLEEP |
				  CRYPTO_TFM_REQ_MAY_BACKLOG,
				  crypto_req_done, &r->wait);
	aead_request_set_ad(&r->req, IC_META_MAC_BYTES);
	aead_request_set_crypt(&r->req, r->sg, r->sg, 0, r->iv);
	err = crypto_wait_req(crypto_aead_encrypt(&r->req), &r->wait);
	memcpy(tag, r->tag, IC_TAG_SIZE);
	memzero_explicit(r, key->request_bytes);
	mempool_free(r, &key->pool);
	memalloc_noio_restore(noio);
	return err;
}

/* Described in port.h. */
int ic_meta_seal(struct ic_meta_key *key, const u8 nonce[IC_NONCE_SIZE],
		 const void *aad, unsigned int aad_len, void *buf,
		 unsigned int len, u8 tag[IC_TAG_SIZE])
{
	return meta_crypt(key, nonce, aad, aad_len, buf, len, tag, true);
}

/* Described in port.h. */
int ic_meta_open(struct ic_meta_key *key, const u8 nonce[IC_NONCE_SIZE],
		 const void *aad, unsigned int aad_len, void *buf,
		 unsigned int len, const u8 tag[IC_TAG_SIZE])
{
	return meta_crypt(key, nonce, aad, aad_len, buf, len, (u8 *)tag,
			  false);
}

/*
 * This uses the kernel library's SHA-256, which allocates nothing, takes no lock and
 * leaves nothing behind, because keys are derived in the write path.
 */
static void hmac_pass(struct sha256_state *sha, const u8 key[IC_KEY_SIZE],
		      u8 pad, const void *data, unsigned int len, u8 out[32])
{
	u8 block[SHA256_BLOCK_SIZE];
	unsigned int i;

	for (i = 0; i < sizeof(block); i++)
		block[i] = (i < IC_KEY_SIZE ? key[i] : 0) ^ pad;
	sha256_init(sha);
	sha256_update(sha, block, sizeof(block));
	sha256_update(sha, data, len);
	sha256_final(sha, out);
	memzero_explicit(block, sizeof(block));
}

/* Described in port.h. */
int ic_hmac_sha256(const u8 key[IC_KEY_SIZE], const void *data,
		   unsigned int len, u8 out[32])
{
	struct sha256_state sha;
	u8 inner[SHA256_DIGEST_SIZE];

	hmac_pass(&sha, key, 0x36, data, len, inner);
	hmac_pass(&sha, key, 0x5c, inner, sizeof(inner), out);
	memzero_explicit(inner, sizeof(inner));
	memzero_explicit(&sha, sizeof(sha));
	return 0;
}

/*
 * Find a logon key in @ring, and in the keyrings within.  request_key() waits for
 * keys that somebody is still making, and request_key_rcu() doesn't look further
 * than one keyring deep, so that it misses the user's keyring (@u) in that of the
 * session.
 */
static struct key *find_in(struct key *ring, const char *description)
{
	key_ref_t ref;

	if (!ring)
		return ERR_PTR(-ENOKEY);
	ref = keyring_search(make_key_ref(ring, true), &key_type_logon,
			     description, true);
	if (PTR_ERR_OR_ZERO(ref) == -EAGAIN)
		return ERR_PTR(-ENOKEY);
	return IS_ERR(ref) ? ERR_CAST(ref) : key_ref_to_ptr(ref);
}

/* A task without a session keyring has the user's session keyring for one. */
static struct key *find_in_session(const char *description)
{
	const struct cred *cred = current_cred();
	struct key *ring, *k;
	char name[24];

	if (cred->session_keyring)
		return find_in(cred->session_keyring, description);
	snprintf(name, sizeof(name), "_uid_ses.%u",
		 from_kuid(cred->user_ns, cred->user->uid));
	rcu_read_lock();
	ring = request_key_rcu(&key_type_keyring, name, NULL);
	rcu_read_unlock();
	if (IS_ERR(ring))
		return ERR_PTR(-ENOKEY);
	k = find_in(ring, description);
	key_put(ring);
	return k;
}

/* As with request_key() a key that is revoked or expired counts only if no other fits. */
static struct key *find_logon_key(const char *description)
{
	const struct cred *cred = current_cred();
	struct key *first, *k;

	first = find_in(cred->thread_keyring, description);
	if (!IS_ERR(first))
		return first;
	k = find_in(cred->process_keyring, description);
	if (!IS_ERR(k))
		return k;
	if (first == ERR_PTR(-ENOKEY))
		first = k;
	k = find_in_session(description);
	return IS_ERR(k) && first != ERR_PTR(-ENOKEY) ? first : k;
}

/**
 * ic_logon_key() - copy a key out of the caller's keyrings
 * @description: of a logon key
 * @key: receives IC_KEY_SIZE bytes; the caller wipes it
 *
 * It waits for nobody: a key that somebody is still making isn't there yet.  This is
 * because a message keeps a suspend waiting, which holds all I/O back.
 *
 * Context: in the process that runs dmsetup; may sleep, but not for long.
 * Return: 0, -ENOKEY and its like, or -EKEYREJECTED for one of another size.
 */
int ic_logon_key(const char *description, u8 key[IC_KEY_SIZE])
{
	const struct user_key_payload *payload;
	struct key *k;
	int err = 0;

	k = find_logon_key(description);
	if (IS_ERR(k))
		return PTR_ERR(k);
	down_read(&k->sem);
	payload = user_key_payload_locked(k);
	if (!key_is_positive(k))
		err = -ENOKEY;
	else if (!payload)
		err = -EKEYREVOKED;
	else if (payload->datalen != IC_KEY_SIZE)
		err = -EKEYREJECTED;
	else
		memcpy(key, payload->data, IC_KEY_SIZE);
	up_read(&k->sem);
	key_put(k);
	return err;
}
