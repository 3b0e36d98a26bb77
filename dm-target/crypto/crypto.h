/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What encrypts: keys and transforms of the crypto API, nonces.
 */
#ifndef IC_CRYPTO_H
#define IC_CRYPTO_H

#include <linux/device-mapper.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <crypto/aead.h>

#include "derive.h"

#define DM_MSG_PREFIX "inocrypt"

/* A key for data sectors; @serial identifies it and reveals nothing of it. */
struct ic_data_key {
	u64	serial;
	u8	bytes[IC_KEY_SIZE];
};

/**
 * struct ic_tfm - one transform of the pool
 * @serial: of the key it holds, 0 for none
 * @users: how many requests run on it
 * @keying: it is being re-keyed, and can't be used yet
 *
 * The pool's lock guards all of them.
 */
struct ic_tfm {
	struct crypto_aead	*aead;
	struct list_head	lru;
	u64			serial;
	unsigned int		users;
	bool			keying;
};

struct ic_tfm_pool {
	const struct ic_cipher_info *cipher;
	struct ic_tfm		volume;	/* keyed for good, not in the list */
	spinlock_t		lock;	/* guards lru and every transform in it */
	wait_queue_head_t	wait;
	struct list_head	lru;	/* least recently used first */
	unsigned int		nr;
	struct ic_tfm		*tfms;
	mempool_t		crypts;	/* struct ic_crypt */
	size_t			crypt_bytes;	/* of each */
};

struct ic_nonces {
	/* guards all below, which are taken together */
	spinlock_t	lock;
	u8		base[IC_NONCE_SIZE];
	u64		used;
	unsigned long	redraw;		/* generation of the base */
};

/* What one AEAD call on a sector needs; from a mempool, on the heap. */
struct ic_crypt {
	struct ic_sector_aad	aad;
	u8			iv[16];
	u8			tag[IC_TAG_SIZE];
	struct scatterlist	src[3];
	struct scatterlist	dst[3];
	struct crypto_wait	wait;
	struct aead_request	req;	/* last: the driver's context follows */
};

/* port_kernel.c */
struct ic_meta_key *ic_meta_key_new(const u8 key[IC_KEY_SIZE]);
void ic_meta_key_free(struct ic_meta_key *key);
int ic_logon_key(const char *description, u8 key[IC_KEY_SIZE]);

/* nonce.c */
void ic_nonces_init(struct ic_nonces *nonces);
void ic_nonce(struct ic_nonces *nonces, u8 nonce[IC_NONCE_SIZE]);
int ic_nonces_begin_writes(void);
void ic_nonces_end_writes(void);
int ic_nonce_module_init(void);
void ic_nonce_module_exit(void);

/* tfm.c */
int ic_tfm_init(struct ic_tfm_pool *pool, const struct ic_cipher_info *cipher,
		struct ic_data_key *volume_key);
void ic_tfm_exit(struct ic_tfm_pool *pool);
void ic_new_serial(struct ic_data_key *key);
struct ic_tfm *ic_tfm_get(struct ic_tfm_pool *pool,
			  const struct ic_data_key *key);
void ic_tfm_put(struct ic_tfm_pool *pool, struct ic_tfm *tfm);
void ic_tfm_forget(struct ic_tfm_pool *pool, u64 serial);

#endif /* IC_CRYPTO_H */
