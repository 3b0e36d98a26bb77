/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The seam between the shared code and its two homes.
 *
 * format.c and derive.c are compiled into dm-inocrypt.ko and into the user
 * space tool from the same files.  This header gives them the same types and
 * helpers in both, and declares the two primitives each home provides with its
 * own crypto library: seam_kernel.c uses the crypto API, userspace/seam_user.c
 * libcrypto.
 */
#ifndef IC_SEAM_H
#define IC_SEAM_H

#ifdef __KERNEL__

#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/string.h>
#include <linux/types.h>
#include <crypto/algapi.h>
#include <asm/byteorder.h>

#else

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define cpu_to_le16(x)		((__le16)htole16(x))
#define cpu_to_le32(x)		((__le32)htole32(x))
#define cpu_to_le64(x)		((__le64)htole64(x))
#define le16_to_cpu(x)		le16toh((uint16_t)(x))
#define le32_to_cpu(x)		le32toh((uint32_t)(x))
#define le64_to_cpu(x)		le64toh((uint64_t)(x))
#define DIV_ROUND_UP_ULL(n, d)	(((n) + (d) - 1) / (d))
#define div64_u64(n, d)		((n) / (d))
#define static_assert		_Static_assert
#define memzero_explicit(p, n)	explicit_bzero(p, n)

/* Zero if equal; takes the same time wherever the first difference is. */
static inline unsigned long crypto_memneq(const void *a, const void *b,
					  size_t n)
{
	const volatile u8 *x = a, *y = b;
	unsigned long neq = 0;

	while (n--)
		neq |= *x++ ^ *y++;
	return neq;
}

static inline bool mem_is_zero(const void *p, size_t n)
{
	const u8 *b = p;

	return !n || (!b[0] && !memcmp(b, b + 1, n - 1));
}

#endif /* __KERNEL__ */

#define IC_KEY_SIZE	32	/* bytes: VK, MK and every derived key */
#define IC_NONCE_SIZE	12
#define IC_TAG_SIZE	16

/* An AES-256-GCM key for the sidecar's own blocks; each home's own business. */
struct ic_meta_key;

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
 *
 * Arguments as ic_meta_seal().  On failure @buf is zeroed.
 *
 * Return: 0, -EBADMSG if @tag doesn't fit, or another negative errno.
 * Context: may sleep.
 */
int ic_meta_open(struct ic_meta_key *key, const u8 nonce[IC_NONCE_SIZE],
		 const void *aad, unsigned int aad_len, void *buf,
		 unsigned int len, const u8 tag[IC_TAG_SIZE]);

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

#endif /* IC_SEAM_H */
