// SPDX-License-Identifier: GPL-2.0-only
/*
 * The primitives that the shared code needs, from libcrypto.
 */
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "port/libcrypto.h"

/* One context for each direction; libcrypto wipes them when they are freed. */
struct ic_meta_key {
	EVP_CIPHER_CTX *seal;
	EVP_CIPHER_CTX *open;
};

/**
 * ic_meta_key_free() - wipe and free a key
 * @key: may be NULL
 */
void ic_meta_key_free(struct ic_meta_key *key)
{
	if (!key)
		return;
	EVP_CIPHER_CTX_free(key->seal);
	EVP_CIPHER_CTX_free(key->open);
	free(key);
}

/**
 * ic_meta_key_new() - prepare an AES-256-GCM key
 * @key: copied
 *
 * Return: the key, NULL if memory or libcrypto fails.
 */
struct ic_meta_key *ic_meta_key_new(const u8 key[IC_KEY_SIZE])
{
	struct ic_meta_key *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->seal = EVP_CIPHER_CTX_new();
	k->open = EVP_CIPHER_CTX_new();
	if (!k->seal || !k->open ||
	    !EVP_EncryptInit_ex(k->seal, EVP_aes_256_gcm(), NULL, key, NULL) ||
	    !EVP_DecryptInit_ex(k->open, EVP_aes_256_gcm(), NULL, key, NULL)) {
		ic_meta_key_free(k);
		return NULL;
	}
	return k;
}

int ic_meta_key_set(struct ic_meta_key *key, const u8 bytes[IC_KEY_SIZE])
{
	return EVP_EncryptInit_ex(key->seal, NULL, NULL, bytes, NULL) &&
	       EVP_DecryptInit_ex(key->open, NULL, NULL, bytes, NULL) ?
	       0 : -EIO;
}

int ic_meta_seal(struct ic_meta_key *key, const u8 nonce[IC_NONCE_SIZE],
		 const void *aad, unsigned int aad_len, void *buf,
		 unsigned int len, u8 tag[IC_TAG_SIZE])
{
	EVP_CIPHER_CTX *ctx = key->seal;
	u8 last[IC_TAG_SIZE];
	int n;

	if (!EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) ||
	    !EVP_EncryptUpdate(ctx, NULL, &n, aad, aad_len) ||
	    !EVP_EncryptUpdate(ctx, buf, &n, buf, len) ||
	    !EVP_EncryptFinal_ex(ctx, last, &n) ||
	    !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, IC_TAG_SIZE, tag))
		return -EIO;
	return 0;
}

int ic_meta_mac(struct ic_meta_key *key, const u8 nonce[IC_NONCE_SIZE],
		const void *buf, u8 tag[IC_TAG_SIZE])
{
	EVP_CIPHER_CTX *ctx = key->seal;
	u8 last[IC_TAG_SIZE];
	int n;

	if (!EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) ||
	    !EVP_EncryptUpdate(ctx, NULL, &n, buf, IC_META_MAC_BYTES) ||
	    !EVP_EncryptFinal_ex(ctx, last, &n) ||
	    !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, IC_TAG_SIZE, tag))
		return -EIO;
	return 0;
}

/* Check and decrypt in place with a keyed context. */
static int open_ctx(EVP_CIPHER_CTX *ctx, const u8 *nonce, const void *aad,
		    unsigned int aad_len, void *buf, unsigned int len,
		    const u8 tag[IC_TAG_SIZE])
{
	u8 copy[IC_TAG_SIZE], last[IC_TAG_SIZE];
	int n, err = -EIO;

	memcpy(copy, tag, sizeof(copy));
	if (EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, nonce) &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, IC_TAG_SIZE,
				copy) &&
	    EVP_DecryptUpdate(ctx, NULL, &n, aad, aad_len) &&
	    EVP_DecryptUpdate(ctx, buf, &n, buf, len))
		err = EVP_DecryptFinal_ex(ctx, last, &n) > 0 ? 0 : -EBADMSG;
	if (err)
		explicit_bzero(buf, len);
	return err;
}

int ic_meta_open(struct ic_meta_key *key, const u8 nonce[IC_NONCE_SIZE],
		 const void *aad, unsigned int aad_len, void *buf,
		 unsigned int len, const u8 tag[IC_TAG_SIZE])
{
	return open_ctx(key->open, nonce, aad, aad_len, buf, len, tag);
}

int ic_hmac_sha256(const u8 key[IC_KEY_SIZE], const void *data,
		   unsigned int len, u8 out[32])
{
	unsigned int n;

	return HMAC(EVP_sha256(), key, IC_KEY_SIZE, data, len, out, &n) ? 0 :
									  -EIO;
}

/* The data ciphers of shared/derive.c that libcrypto has. */
static const EVP_CIPHER *(*const evp_ciphers[IC_CIPHER_COUNT])(void) = {
	[IC_CIPHER_AES256_GCM] = EVP_aes_256_gcm,
	[IC_CIPHER_CHACHA20_POLY1305] = EVP_chacha20_poly1305,
};

/**
 * ic_data_open() - check and decrypt a data sector in place
 * @cipher: enum ic_cipher
 * @key: the owner's or the volume's data key
 * @nonce: from the sector's record
 * @aad: struct ic_sector_aad
 * @aad_len: its size
 * @buf: ciphertext in, plaintext out; zeroed on failure
 * @len: the sector's size
 * @tag: from the sector's record
 *
 * Return: 0, -EBADMSG if the tag doesn't fit, -EOPNOTSUPP if libcrypto hasn't
 * got the cipher (AEGIS-128), or -EIO.
 */
int ic_data_open(u32 cipher, const u8 key[IC_KEY_SIZE],
		 const u8 nonce[IC_NONCE_SIZE], const void *aad,
		 unsigned int aad_len, void *buf, unsigned int len,
		 const u8 tag[IC_TAG_SIZE])
{
	EVP_CIPHER_CTX *ctx;
	int err = -EIO;

	if (cipher >= IC_CIPHER_COUNT || !evp_ciphers[cipher])
		return -EOPNOTSUPP;
	ctx = EVP_CIPHER_CTX_new();
	if (ctx && EVP_DecryptInit_ex(ctx, evp_ciphers[cipher](), NULL, key, NULL))
		err = open_ctx(ctx, nonce, aad, aad_len, buf, len, tag);
	else
		explicit_bzero(buf, len);
	EVP_CIPHER_CTX_free(ctx);
	return err;
}
