/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the shared code needs of its two homes, kernel and user space.
 *
 * The files of this directory are compiled into dm-inocrypt.ko and into the user
 * space tool, the crash simulator and the fuzzers, and include nothing but this
 * header and each other.  It gives them the same types and helpers everywhere, and
 * declares the primitives that each home provides with its own crypto library:
 * dm-target/crypto/port_kernel.c uses the crypto API, userspace/port/libcrypto.c libcrypto.
 * What the shared code needs of the disk it asks of struct ic_recovery_ops and struct
 * ic_commit_ops; its callers provide memory and locking.
 */
#ifndef IC_PORT_H
#define IC_PORT_H

#ifdef __KERNEL__

#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/string.h>
#include <linux/types.h>
#include <crypto/algapi.h>
#include <asm/byteorder.h>

#else

#include "port_user.h"

#endif /* __KERNEL__ */

#define IC_KEY_SIZE	32	/* bytes: VK, MK and every derived key */
#define IC_NONCE_SIZE	12
#define IC_TAG_SIZE	16

/* An AES-256-GCM key for the sidecar's own blocks; each home defines what it is. */
struct ic_meta_key;

/**
 * ic_meta_key_set() - give a key other bytes
 * @key: from the home's own constructor, not in use
 * @bytes: the new key
 *
 * Return: 0 or a negative errno.  Context: may sleep.
 */
int ic_meta_key_set(struct ic_meta_key *key, const u8 bytes[IC_KEY_SIZE]);

/**
 * ic_meta_seal() - encrypt and authenticate in place, AES-256-GCM
 * @key: from the home's own constructor
 * @nonce: never used before under this key
 * @aad: authenticated, not encrypted; need not survive the call
 * @aad_len: bytes, at most IC_AAD_MAX
 * @buf: plaintext in, ciphertext out
 * @len: bytes
 * @tag: receives the authentication tag
 *
 * Return: 0 or a negative errno.  Context: may sleep.
 */
int ic_meta_seal(struct ic_meta_key *key, const u8 nonce[IC_NONCE_SIZE],
		 const void *aad, unsigned int aad_len, void *buf,
		 unsigned int len, u8 tag[IC_TAG_SIZE]);

/**
 * ic_meta_open() - check and decrypt in place, AES-256-GCM
 * @key: from the home's own constructor
 * @nonce: that it was sealed with
 * @aad: as when it was sealed
 * @aad_len: bytes, at most IC_AAD_MAX
 * @buf: ciphertext in, plaintext out; zeros on failure
 * @len: bytes
 * @tag: authentication tag
 *
 * Return: 0, -EBADMSG if @tag doesn't fit, or another negative errno.
 * Context: may sleep.
 */
int ic_meta_open(struct ic_meta_key *key, const u8 nonce[IC_NONCE_SIZE],
		 const void *aad, unsigned int aad_len, void *buf,
		 unsigned int len, const u8 tag[IC_TAG_SIZE]);

/**
 * ic_meta_mac() - authenticate a block without encrypting it, AES-256-GMAC
 * @key: from the home's own constructor
 * @nonce: never used before under this key, but perhaps for the same block
 * @buf: IC_META_MAC_BYTES
 * @tag: receives the authentication tag
 *
 * Return: 0 or a negative errno.  Context: may sleep.
 */
int ic_meta_mac(struct ic_meta_key *key, const u8 nonce[IC_NONCE_SIZE],
		const void *buf, u8 tag[IC_TAG_SIZE]);

#define IC_META_MAC_BYTES	4096

/**
 * ic_hmac_sha256() - HMAC-SHA256 (RFC 2104) of one buffer
 * @key: IC_KEY_SIZE bytes
 * @data: message
 * @len: its length in bytes
 * @out: receives 32 bytes
 *
 * Return: 0 or a negative errno.  Context: may sleep.
 */
int ic_hmac_sha256(const u8 key[IC_KEY_SIZE], const void *data,
		   unsigned int len, u8 out[32]);

#endif /* IC_PORT_H */
