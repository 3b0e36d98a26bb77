// SPDX-License-Identifier: GPL-2.0-only
/*
 * The anchor: its file's contents against values computed by another
 * implementation (Python's hmac), every single-bit change, every length, random
 * contents, and what it says of a volume.
 */
/* First: cmocka makes a macro of fail(). */
#include "anchor/anchor.h"
#include "unit.h"

static const u8 uuid[IC_UUID_SIZE] = {
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
};

static const struct anchor_state sealed = {
	.epoch = 0x1122334455667788,
	.written = 1700000000,
	.super_tag = {
		0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
		0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf
	},
};

static const char * const contents[] = {
	"696e6f616e63687201000000000000000102030405060708090a0b0c0d0e0f10",
	"887766554433221100f1536500000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
	"0000000000000000000000000000000000000000000000000000000000000000",
	"4a7f44f4388e3456ab99d62819fe860d952a8fa1384064646f7ffbbeba777864",
};

static u8 key[IC_KEY_SIZE];

static int setup(void **state)
{
	u8 vk[IC_KEY_SIZE];

	(void)state;
	for (unsigned int i = 0; i < sizeof(vk); i++)
		vk[i] = i;
	return ic_derive_volume_key(vk, uuid, IC_LABEL_ANCHOR, key);
}

/* Parse a copy of exactly @len bytes, so that ASan sees any read beyond. */
static int load(const void *from, size_t len, struct anchor_state *s)
{
	const char *why = NULL;
	u8 *copy = malloc(len ? len : 1);
	int err;

	assert_non_null(copy);
	memcpy(copy, from, len);
	memset(s, 0x55, sizeof(*s));
	err = anchor_parse(copy, len, key, uuid, s, &why);
	free(copy);
	if (err) {
		const u8 *b = (const u8 *)s;

		assert_non_null(why);
		/* Nothing of a refused file gets out. */
		for (size_t i = 0; i < sizeof(*s); i++)
			assert_int_equal(b[i], 0x55);
	}
	return err;
}

static void seal(struct anchor_file *f)
{
	assert_int_equal(anchor_seal(f, key, uuid, &sealed), 0);
}

/* Make the MAC right again, whatever the rest is. */
static void reseal(struct anchor_file *f)
{
	assert_int_equal(ic_hmac_sha256(key, f,
					offsetof(struct anchor_file, mac),
					f->mac), 0);
}

static void test_vector(void **state)
{
	struct anchor_file f;
	struct anchor_state s;
	u8 want[sizeof(f)];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(contents); i++)
		assert_int_equal(unhex(contents[i], want + 32 * i), 32);
	seal(&f);
	assert_memory_equal(&f, want, sizeof(f));
	assert_int_equal(load(want, sizeof(f), &s), 0);
	assert_int_equal(s.epoch, sealed.epoch);
	assert_int_equal(s.written, sealed.written);
	assert_memory_equal(s.super_tag, sealed.super_tag, IC_TAG_SIZE);
}

static void test_bits(void **state)
{
	struct anchor_file f, changed;
	struct anchor_state s;

	(void)state;
	seal(&f);
	for (unsigned int bit = 0; bit < 8 * sizeof(f); bit++) {
		changed = f;
		((u8 *)&changed)[bit / 8] ^= 1 << bit % 8;
		if (!load(&changed, sizeof(changed), &s))
			fail_msg("bit %u may be changed", bit);
	}
}

static void test_lengths(void **state)
{
	u8 buf[4 * sizeof(struct anchor_file)] = { 0 };
	struct anchor_state s;

	(void)state;
	seal((struct anchor_file *)buf);
	for (size_t len = 0; len <= sizeof(buf); len++)
		assert_int_equal(load(buf, len, &s),
				 len == sizeof(struct anchor_file) ? 0 :
								     -EINVAL);
}

static void test_others(void **state)
{
	u8 other_key[IC_KEY_SIZE], other_uuid[IC_UUID_SIZE];
	struct anchor_state s;
	struct anchor_file f;
	const char *why;

	(void)state;
	seal(&f);
	memcpy(other_key, key, sizeof(key));
	other_key[31] ^= 1;
	assert_int_equal(anchor_parse(&f, sizeof(f), other_key, uuid, &s,
				      &why), -EBADMSG);
	memcpy(other_uuid, uuid, sizeof(uuid));
	other_uuid[0] ^= 1;
	assert_int_equal(anchor_parse(&f, sizeof(f), key, other_uuid, &s,
				      &why), -EXDEV);
	assert_string_equal(why, "it is of another volume");
}

/* Authentic, but with values that this version doesn't write. */
static void test_unknown(void **state)
{
	struct anchor_file f;
	struct anchor_state s;

	(void)state;
	seal(&f);
	f.version = cpu_to_le32(2);
	reseal(&f);
	assert_int_equal(load(&f, sizeof(f), &s), -EINVAL);
	seal(&f);
	f.flags = cpu_to_le32(1);
	reseal(&f);
	assert_int_equal(load(&f, sizeof(f), &s), -EINVAL);
	seal(&f);
	f.epoch = 0;
	reseal(&f);
	assert_int_equal(load(&f, sizeof(f), &s), -EINVAL);
	for (unsigned int i = 0; i < sizeof(f.reserved); i++) {
		seal(&f);
		f.reserved[i] = 1;
		reseal(&f);
		assert_int_equal(load(&f, sizeof(f), &s), -EINVAL);
	}
	/* Extremes that are fine. */
	seal(&f);
	f.epoch = cpu_to_le64(UINT64_MAX);
	f.written = cpu_to_le64(UINT64_MAX);
	reseal(&f);
	assert_int_equal(load(&f, sizeof(f), &s), 0);
	assert_int_equal(s.epoch, UINT64_MAX);
}

static void test_random(void **state)
{
	u8 buf[2 * sizeof(struct anchor_file)];
	struct anchor_file f;
	struct anchor_state s;

	(void)state;
	seal(&f);
	for (unsigned int i = 0; i < 200000; i++) {
		size_t len = i % 4 ? sizeof(f) : rnd() % (sizeof(buf) + 1);
		unsigned int n = 1 + rnd() % 6;

		/* Noise, noise after a good beginning, a good one with changes. */
		rnd_fill(buf, sizeof(buf));
		if (i % 3)
			memcpy(buf, &f, i % 3 == 1 ? 16 + rnd() % 80 :
						     sizeof(f));
		while (n--)
			buf[rnd() % sizeof(f)] = rnd();
		if (len == sizeof(f) && !memcmp(buf, &f, sizeof(f)))
			continue;
		assert_int_not_equal(load(buf, len, &s), 0);
	}
}

static void test_relate(void **state)
{
	static const u64 epochs[] = { 1, 2, 3, 1000, 0x7fffffffffffffff,
		0x8000000000000000, UINT64_MAX };
	const unsigned int n = ARRAY_SIZE(epochs);
	struct anchor_state seen = sealed, now = sealed;

	(void)state;
	for (unsigned int i = 0; i < n * n; i++) {
		unsigned int a = i / n, b = i % n;

		seen.epoch = epochs[a];
		now.epoch = epochs[b];
		now.super_tag[15] = sealed.super_tag[15];
		now.written = rnd();
		assert_int_equal(anchor_relate(&seen, &now),
				 b < a ? ANCHOR_OLDER :
				 b > a ? ANCHOR_NEWER : ANCHOR_SAME);
		now.super_tag[15] ^= 0x80;
		assert_int_equal(anchor_relate(&seen, &now),
				 b < a ? ANCHOR_OLDER :
				 b > a ? ANCHOR_NEWER : ANCHOR_FORKED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_relate),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
