// SPDX-License-Identifier: GPL-2.0-only
/*
 * Superblock and node: round trips, every single-bit change, values that this
 * version doesn't know, random changes.
 */
#include "unit.h"

static struct ic_meta_key *key, *other_key;

static const struct ic_params params = {
	.uuid = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
	.sector_size = 1024,
	.cipher = IC_CIPHER_CHACHA20_POLY1305,
	.data_sectors = 123456,
	.owners = 70000,
	.log_blocks = 300,
};

static const struct ic_state sealed = {
	.epoch = 0x1122334455667788,
	.root_tag = { 0xaa, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	.root_place = 1,
	.flags = IC_STATE_OWNED,
	.log_salt = { 0xbb, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	.log_seq = 77,
	.nr_owners = 3,
};

static int setup(void **state)
{
	u8 raw[IC_KEY_SIZE];

	(void)state;
	rnd_fill(raw, sizeof(raw));
	key = ic_meta_key_new(raw);
	raw[31] ^= 1;
	other_key = ic_meta_key_new(raw);
	return key && other_key ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	ic_meta_key_free(key);
	ic_meta_key_free(other_key);
	ic_meta_key_free(NULL);
	return 0;
}

static int open_error;

int __wrap_ic_meta_open(struct ic_meta_key *k, const u8 *nonce,
			const void *aad, unsigned int aad_len, void *buf,
			unsigned int len, const u8 *tag)
{
	if (open_error)
		return open_error;
	return __real_ic_meta_open(k, nonce, aad, aad_len, buf, len, tag);
}

static const u8 *forced_tag;

int __wrap_ic_meta_seal(struct ic_meta_key *k, const u8 *nonce,
			const void *aad, unsigned int aad_len, void *buf,
			unsigned int len, u8 *tag)
{
	int err = __real_ic_meta_seal(k, nonce, aad, aad_len, buf, len, tag);

	if (forced_tag)
		memcpy(tag, forced_tag, IC_TAG_SIZE);
	return err;
}

static void seal(struct ic_super *sb, const struct ic_params *p,
		 const struct ic_state *s)
{
	u8 nonce[IC_NONCE_SIZE];

	rnd_fill(nonce, sizeof(nonce));
	assert_int_equal(ic_super_seal(sb, key, p, s, nonce), 0);
}

/* Read a superblock as a mount does: 0 or the first error. */
static int load(const struct ic_super *sb, struct ic_meta_key *k,
		struct ic_params *p, struct ic_state *s, const char **why)
{
	struct ic_super copy = *sb;
	int err;

	*why = NULL;
	err = ic_super_read_params(&copy, p, why);
	return err ? err : ic_super_open(&copy, k, s, why);
}

static void test_round_trip(void **state)
{
	struct ic_super sb;
	struct ic_params p;
	struct ic_state s;
	const char *why;

	(void)state;
	seal(&sb, &params, &sealed);
	assert_int_equal(load(&sb, key, &p, &s, &why), 0);
	assert_memory_equal(p.uuid, params.uuid, sizeof(p.uuid));
	assert_int_equal(p.sector_size, params.sector_size);
	assert_int_equal(p.cipher, params.cipher);
	assert_int_equal(p.data_sectors, params.data_sectors);
	assert_int_equal(p.owners, params.owners);
	assert_int_equal(p.log_blocks, params.log_blocks);
	assert_int_equal(s.epoch, sealed.epoch);
	assert_memory_equal(s.root_tag, sealed.root_tag, IC_TAG_SIZE);
	assert_int_equal(s.root_place, 1);
	assert_int_equal(s.flags, IC_STATE_OWNED);
	assert_memory_equal(s.log_salt, sealed.log_salt, IC_SALT_SIZE);
	assert_int_equal(s.log_seq, 77);
	assert_int_equal(s.nr_owners, 3);

	assert_int_equal(load(&sb, other_key, &p, &s, &why), -EBADMSG);
	assert_non_null(why);
}

/* Where docs/format.md says that the fields are. */
static void test_offsets(void **state)
{
	struct ic_super sb;
	const u8 *b = (const u8 *)&sb;
	u64 n;

	(void)state;
	seal(&sb, &params, &sealed);
	assert_memory_equal(b, "inocrypt\1\0\0\0\0\0\0\0", 16);
	assert_memory_equal(b + 16, params.uuid, 16);
	assert_memory_equal(b + 32, "\0\4\0\0\2\0\0\0", 8);
	memcpy(&n, b + 40, 8);
	assert_int_equal(le64_to_cpu(n), 123456);
	memcpy(&n, b + 48, 8);
	assert_int_equal(le64_to_cpu(n), 70000);
	assert_memory_equal(b + 56, "\0\4\0\0\x2c\1\0\0", 8);
	assert_true(mem_is_zero(b + 64, 64));
	assert_int_equal(offsetof(struct ic_super, nonce), 128);
	assert_int_equal(offsetof(struct ic_super, tag), 144);
	assert_int_equal(offsetof(struct ic_super, state), 160);
	assert_int_equal(offsetof(struct ic_super_state, root_tag), 8);
	assert_int_equal(offsetof(struct ic_super_state, root_place), 24);
	assert_int_equal(offsetof(struct ic_super_state, flags), 28);
	assert_int_equal(offsetof(struct ic_super_state, log_salt), 32);
	assert_int_equal(offsetof(struct ic_super_state, log_seq), 48);
	assert_int_equal(offsetof(struct ic_super_state, nr_owners), 56);
	assert_int_equal(offsetof(struct ic_node, nonce), 16);
	assert_int_equal(offsetof(struct ic_node, payload), 32);
	/* The state isn't readable. */
	assert_memory_not_equal(b + 160 + 8, sealed.root_tag, IC_TAG_SIZE);
}

static void test_super_bits(void **state)
{
	struct ic_super sb;
	u8 *b = (u8 *)&sb;

	(void)state;
	seal(&sb, &params, &sealed);
	for (unsigned int bit = 0; bit < 8 * sizeof(sb); bit++) {
		struct ic_params p;
		struct ic_state s;
		const char *why;

		b[bit / 8] ^= 1 << bit % 8;
		if (!load(&sb, key, &p, &s, &why))
			fail_msg("bit %u may be changed", bit);
		assert_non_null(why);
		b[bit / 8] ^= 1 << bit % 8;
	}
}

/* A superblock of a version, flag or value to come, with a valid tag. */
static void test_unknown(void **state)
{
	struct ic_super sb, changed;
	struct ic_params p;
	struct ic_state s, bad;
	const char *why;

	(void)state;
	seal(&sb, &params, &sealed);
#define REFUSED(field, value, error, reason) do {			\
		changed = sb;						\
		changed.field = (value);				\
		assert_int_equal(load(&changed, key, &p, &s, &why),	\
				 error);				\
		assert_string_equal(why, reason);			\
	} while (0)

	REFUSED(clear.magic[7], 'T', -ENODATA, "no inocrypt superblock");
	REFUSED(clear.version, cpu_to_le32(0), -EINVAL,
		"unknown format version");
	REFUSED(clear.version, cpu_to_le32(2), -EINVAL,
		"unknown format version");
	REFUSED(clear.flags, cpu_to_le32(1), -EINVAL,
		"unknown superblock flags");
	REFUSED(clear.reserved[63], 1, -EINVAL, "unknown superblock flags");
	REFUSED(reserved, cpu_to_le32(1), -EBADMSG,
		"superblock does not authenticate (wrong volume key, or changed)");
	REFUSED(clear.cipher, cpu_to_le32(0), -EINVAL, "unknown cipher");
	REFUSED(clear.cipher, cpu_to_le32(IC_CIPHER_COUNT), -EINVAL,
		"unknown cipher");
	REFUSED(clear.cipher, cpu_to_le32(~0U), -EINVAL, "unknown cipher");
	REFUSED(clear.key_slots, cpu_to_le32(1023), -EINVAL,
		"unknown number of key slots");
	REFUSED(clear.sector_size, cpu_to_le32(3000), -EINVAL,
		"geometry out of bounds");
	REFUSED(clear.data_sectors, cpu_to_le64(0), -EINVAL,
		"geometry out of bounds");
	REFUSED(clear.data_sectors, cpu_to_le64(~0ULL), -EINVAL,
		"geometry out of bounds");
	REFUSED(clear.owners, cpu_to_le64(IC_MAX_OWNERS + 1), -EINVAL,
		"geometry out of bounds");
	REFUSED(clear.log_blocks, cpu_to_le32(1), -EINVAL,
		"geometry out of bounds");
#undef REFUSED

	bad = sealed;
	bad.flags = IC_STATE_OWNED << 1;
	seal(&sb, &params, &bad);
	assert_int_equal(load(&sb, key, &p, &s, &why), -EINVAL);
	bad = sealed;
	bad.root_place = 2;
	seal(&sb, &params, &bad);
	assert_int_equal(load(&sb, key, &p, &s, &why), -EINVAL);
	bad = sealed;
	bad.epoch = 0;
	seal(&sb, &params, &bad);
	assert_int_equal(load(&sb, key, &p, &s, &why), -EINVAL);
	assert_string_equal(why, "superblock state of an unknown kind");
	/* Authentic, with a reserved byte of the state in use. */
	seal(&sb, &params, &sealed);
	assert_int_equal(ic_meta_open(key, sb.nonce, &sb.clear,
				      sizeof(sb.clear), &sb.state,
				      sizeof(sb.state), sb.tag), 0);
	sb.state.reserved[287] = 1;
	assert_int_equal(ic_meta_seal(key, sb.nonce, &sb.clear,
				      sizeof(sb.clear), &sb.state,
				      sizeof(sb.state), sb.tag), 0);
	assert_int_equal(load(&sb, key, &p, &s, &why), -EINVAL);
}

/* Judge what copy 1 is, and with a good copy 0 what becomes of the volume. */
static int judge(const struct ic_super *one, const struct ic_super *zero,
		 enum ic_super_verdict verdict, const char **why)
{
	struct ic_super_copy copy[2];
	struct ic_super sb = *zero;

	ic_super_judge(&sb, 0, key, &copy[0]);
	assert_int_equal(copy[0].verdict, IC_SUPER_VALID);
	assert_int_equal(copy[0].err, 0);
	assert_null(copy[0].why);
	sb = *one;
	ic_super_judge(&sb, 1, key, &copy[1]);
	assert_int_equal(copy[1].verdict, verdict);
	assert_int_equal(!copy[1].err, verdict == IC_SUPER_VALID);
	assert_int_equal(!copy[1].why, verdict == IC_SUPER_VALID);
	*why = NULL;
	return ic_super_choose(copy, why);
}

/* Change one byte of the plaintext, and seal it again. */
static void reseal(struct ic_super *sb, unsigned int at, u8 value)
{
	u8 nonce[IC_NONCE_SIZE];

	assert_int_equal(ic_meta_open(key, sb->nonce, &sb->clear,
				      sizeof(sb->clear), &sb->state,
				      sizeof(sb->state), sb->tag), 0);
	((u8 *)sb)[at] = value;
	rnd_fill(nonce, sizeof(nonce));
	memcpy(sb->nonce, nonce, sizeof(nonce));
	assert_int_equal(ic_meta_seal(key, sb->nonce, &sb->clear,
				      sizeof(sb->clear), &sb->state,
				      sizeof(sb->state), sb->tag), 0);
}

/*
 * What authenticates and isn't understood, or contradicts the other copy, refuses
 * the volume, be it the newer copy or the older one; what doesn't authenticate is
 * passed over.
 */
static void test_choose(void **state)
{
	static const struct {
		unsigned int at;
		u8 value;
		int err;
		const char *why;
	} strange[] = {
		{ 0, 'I', -ENODATA, "no inocrypt superblock" },
		{ 8, 2, -EINVAL, "unknown format version" },
		{ 12, 1, -EINVAL, "unknown superblock flags" },
		{ 33, 5, -EINVAL, "geometry out of bounds" },
		{ 36, 77, -EINVAL, "unknown cipher" },
		{ 57, 5, -EINVAL, "unknown number of key slots" },
		{ 127, 1, -EINVAL, "unknown superblock flags" },
		{ 184, 2, -EINVAL, "superblock state of an unknown kind" },
		{ 189, 1, -EINVAL, "superblock state of an unknown kind" },
		{ 511, 1, -EINVAL, "superblock state of an unknown kind" },
	};
	struct ic_state before = sealed, after = sealed;
	struct ic_super zero, one, changed;
	struct ic_super_copy copy[2];
	const char *why;

	(void)state;
	before.epoch = 10;
	for (u64 epoch = 9; epoch <= 11; epoch += 2) {
		after.epoch = epoch;
		seal(&zero, &params, &before);
		seal(&one, &params, &after);
		assert_int_equal(judge(&one, &zero, IC_SUPER_VALID, &why),
				 epoch > 10);
		for (unsigned int i = 0;
		     i < sizeof(strange) / sizeof(*strange); i++) {
			changed = one;
			reseal(&changed, strange[i].at, strange[i].value);
			assert_int_equal(judge(&changed, &zero,
					       IC_SUPER_STRANGE, &why),
					 strange[i].err);
			assert_string_equal(why, strange[i].why);
			/* The same without a tag that fits: another's. */
			changed = one;
			((u8 *)&changed)[strange[i].at] ^= 1;
			assert_int_equal(judge(&changed, &zero,
					       IC_SUPER_FOREIGN, &why), 0);
		}
		/* Both are valid, but not of one volume. */
		changed = one;
		reseal(&changed, 48, 0x71);
		assert_int_equal(judge(&changed, &zero, IC_SUPER_VALID, &why),
				 -EUCLEAN);
		assert_string_equal(why, "the two superblock copies describe different volumes");
		/* Copy 0 in the place of copy 1. */
		assert_int_equal(judge(&zero, &zero, IC_SUPER_STRANGE, &why),
				 -EUCLEAN);
		/* Bytes that no tag covers: damaged, like any others. */
		changed = one;
		changed.reserved = 1;
		assert_int_equal(judge(&changed, &zero, IC_SUPER_FOREIGN,
				       &why), 0);
		memset(&changed, 0, sizeof(changed));
		assert_int_equal(judge(&changed, &zero, IC_SUPER_FOREIGN,
				       &why), 0);
	}

	ic_super_judge(&zero, 0, key, &copy[0]);
	ic_super_unread(&copy[1], -EIO);
	assert_int_equal(ic_super_choose(copy, &why), 0);
	ic_super_unread(&copy[0], -ETIMEDOUT);
	assert_int_equal(ic_super_choose(copy, &why), -ETIMEDOUT);
	assert_non_null(why);

	/* A verdict that could not be had is none. */
	seal(&zero, &params, &before);
	changed = zero;
	ic_super_judge(&changed, 0, key, &copy[0]);
	open_error = -ENOMEM;
	ic_super_judge(&one, 1, key, &copy[1]);
	open_error = 0;
	assert_int_equal(copy[1].verdict, IC_SUPER_UNJUDGED);
	assert_int_equal(ic_super_choose(copy, &why), -ENOMEM);
	assert_non_null(why);
}

/* Random changes, some with a valid magic and version: never accepted. */
static void test_super_random(void **state)
{
	struct ic_super sb, changed;
	struct ic_params p;
	struct ic_state s;
	const char *why;

	(void)state;
	seal(&sb, &params, &sealed);
	for (unsigned int i = 0; i < 50000; i++) {
		u8 *b = (u8 *)&changed;
		unsigned int n = 1 + rnd() % 8;

		changed = sb;
		if (i % 16 == 0)
			rnd_fill(b + (i & 16 ? 16 : 0),
				 sizeof(changed) - (i & 16 ? 16 : 0));
		while (n--)
			b[rnd() % sizeof(changed)] = rnd();
		if (!memcmp(&changed, &sb, sizeof(sb)))
			continue;
		assert_int_not_equal(load(&changed, key, &p, &s, &why), 0);
		assert_non_null(why);
	}
}

static void node_fill(struct ic_node *node, struct ic_node *plain)
{
	u8 nonce[IC_NONCE_SIZE];

	rnd_fill(plain, sizeof(*plain));
	*node = *plain;
	rnd_fill(nonce, sizeof(nonce));
	assert_int_equal(ic_node_seal(node, key, params.uuid, 2, 7, nonce), 0);
	assert_memory_equal(node->nonce, nonce, sizeof(nonce));
	assert_int_equal(node->reserved, 0);
	assert_memory_not_equal(node->payload, plain->payload,
				sizeof(plain->payload));
}

static void test_node(void **state)
{
	struct ic_node node, copy, plain;
	u8 uuid[IC_UUID_SIZE];

	(void)state;
	node_fill(&node, &plain);
	copy = node;
	assert_int_equal(ic_node_open(&copy, key, params.uuid, 2, 7), 0);
	assert_memory_equal(copy.payload, plain.payload, sizeof(copy.payload));
	/* In any other position, volume or under any other key it is nothing. */
	copy = node;
	assert_int_equal(ic_node_open(&copy, key, params.uuid, 2, 8),
			 -EBADMSG);
	assert_true(mem_is_zero(copy.payload, sizeof(copy.payload)));
	copy = node;
	assert_int_equal(ic_node_open(&copy, key, params.uuid, 1, 7),
			 -EBADMSG);
	copy = node;
	assert_int_equal(ic_node_open(&copy, other_key, params.uuid, 2, 7),
			 -EBADMSG);
	copy = node;
	memcpy(uuid, params.uuid, sizeof(uuid));
	uuid[15] ^= 1;
	assert_int_equal(ic_node_open(&copy, key, uuid, 2, 7), -EBADMSG);
}

/* A tag that would make a zero word has to be avoided, others not. */
static void test_zero_word(void **state)
{
	u8 nonce[IC_NONCE_SIZE] = { 0 }, tag[IC_TAG_SIZE];
	struct ic_node node;

	(void)state;
	memset(tag, 0xff, sizeof(tag));
	for (unsigned int bit = 0; bit < 64; bit++) {
		memset(&node, 0, sizeof(node));
		memset(tag, 0, 8);
		tag[bit / 8] = 1 << bit % 8;
		forced_tag = tag;
		assert_int_equal(ic_node_seal(&node, key, params.uuid, 0, 0,
					      nonce), bit ? 0 : -EAGAIN);
		tag[0] = 0;
		if (bit < 8)
			assert_int_equal(ic_node_seal(&node, key, params.uuid,
						      0, 0, nonce), -EAGAIN);
		forced_tag = NULL;
	}
}

static void test_node_bits(void **state)
{
	struct ic_node node, copy, plain;

	(void)state;
	node_fill(&node, &plain);
	for (unsigned int bit = 0; bit < 8 * sizeof(node); bit++) {
		copy = node;
		((u8 *)&copy)[bit / 8] ^= 1 << bit % 8;
		if (ic_node_open(&copy, key, params.uuid, 2, 7) != -EBADMSG)
			fail_msg("bit %u may be changed", bit);
	}
}

static void test_node_random(void **state)
{
	struct ic_node node, copy, plain;

	(void)state;
	node_fill(&node, &plain);
	for (unsigned int i = 0; i < 5000; i++) {
		unsigned int from = rnd() % sizeof(node);

		copy = node;
		rnd_fill((u8 *)&copy + from,
			 1 + rnd() % (sizeof(node) - from));
		if (!memcmp(&copy, &node, sizeof(node)))
			continue;
		assert_int_equal(ic_node_open(&copy, key, params.uuid, 2, 7),
				 -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_offsets),
		cmocka_unit_test(test_super_bits),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_super_random),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_zero_word),
		cmocka_unit_test(test_node_bits),
		cmocka_unit_test(test_node_random),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
