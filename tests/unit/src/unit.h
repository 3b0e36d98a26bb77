/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the unit tests of the format code share.
 */
#ifndef IC_UNIT_H
#define IC_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "port/libcrypto.h"

/* A small generator with a fixed seed: the tests run the same every time. */
static inline u64 rnd(void)
{
	static u64 x = 0x9e3779b97f4a7c15ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static inline void rnd_fill(void *buf, size_t n)
{
	u8 *p = buf;

	while (n--)
		*p++ = rnd() >> 32;
}

/* Decode a string of hexadecimal digits. */
static inline unsigned int unhex(const char *s, u8 *out)
{
	unsigned int n = 0;

	for (; s[0] && s[1]; s += 2) {
		char digits[3] = { s[0], s[1], 0 };

		out[n++] = strtoul(digits, NULL, 16);
	}
	return n;
}

/* The linker puts the second in the place of ic_meta_seal(), in test_super. */
int __real_ic_meta_seal(struct ic_meta_key *k, const u8 *nonce,
			const void *aad, unsigned int aad_len, void *buf,
			unsigned int len, u8 *tag);
int __wrap_ic_meta_seal(struct ic_meta_key *k, const u8 *nonce,
			const void *aad, unsigned int aad_len, void *buf,
			unsigned int len, u8 *tag);
int __real_ic_meta_open(struct ic_meta_key *k, const u8 *nonce,
			const void *aad, unsigned int aad_len, void *buf,
			unsigned int len, const u8 *tag);
int __wrap_ic_meta_open(struct ic_meta_key *k, const u8 *nonce,
			const void *aad, unsigned int aad_len, void *buf,
			unsigned int len, const u8 *tag);

#endif /* IC_UNIT_H */
