// SPDX-License-Identifier: GPL-2.0-only
/*
 * The primitives against published vectors, the derivations against values
 * computed by another implementation (Python's hmac).
 */
#include "unit.h"

/* McGrew and Viega, The Galois/Counter Mode of Operation, cases 13 to 16. */
static const struct aead_vector {
	const char *key, *nonce, *aad, *plain, *cipher, *tag;
} gcm_vectors[] = {
	{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"000000000000000000000000", "", "", "",
		"530f8afbc74536b9a963b4f1c4cb738b"
	}, {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"000000000000000000000000", "",
		"00000000000000000000000000000000",
		"cea7403d4d606b6e074ec5d3baf39d18",
		"d0d1c8a799996bf0265b98b5d48ab919"
	}, {
		"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
		"cafebabefacedbaddecaf888", "",
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
		"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
		"b094dac5d93471bdec1a502270e3cc6c"
	}, {
		"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
		"cafebabefacedbaddecaf888",
		"feedfacedeadbeeffeedfacedeadbeefabaddad2",
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
		"76fc6ece0f4e1768cddf8853bb2d551b"
	},
};

/* RFC 8439, section 2.8.2. */
static const struct aead_vector chacha_vector = {
	"808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
	"070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
	"4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966204920636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73637265656e20776f756c642062652069742e",
	"d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116",
	"1ae10b594f09e26a7e902ecbd0600691"
};

struct aead_bytes {
	u8 key[32], nonce[12], aad[64], plain[128], cipher[128], tag[16];
	unsigned int aad_len, len;
};

static void decode(const struct aead_vector *v, struct aead_bytes *b)
{
	assert_int_equal(unhex(v->key, b->key), sizeof(b->key));
	assert_int_equal(unhex(v->nonce, b->nonce), sizeof(b->nonce));
	b->aad_len = unhex(v->aad, b->aad);
	b->len = unhex(v->plain, b->plain);
	assert_int_equal(unhex(v->cipher, b->cipher), b->len);
	assert_int_equal(unhex(v->tag, b->tag), sizeof(b->tag));
}

static void test_gcm(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		struct ic_meta_key *key;
		struct aead_bytes b;
		u8 buf[128], tag[16];

		decode(&gcm_vectors[i], &b);
		key = ic_meta_key_new(b.key);
		assert_non_null(key);
		/* Twice: a key is used again and again. */
		for (unsigned int n = 0; n < 2; n++) {
			memcpy(buf, b.plain, b.len);
			assert_int_equal(ic_meta_seal(key, b.nonce, b.aad,
						      b.aad_len, buf, b.len,
						      tag), 0);
			assert_memory_equal(buf, b.cipher, b.len);
			assert_memory_equal(tag, b.tag, sizeof(tag));
			assert_int_equal(ic_meta_open(key, b.nonce, b.aad,
						      b.aad_len, buf, b.len,
						      tag), 0);
			assert_memory_equal(buf, b.plain, b.len);
		}
		/* A failure zeroes the buffer and doesn't spoil the key. */
		memcpy(buf, b.cipher, b.len);
		tag[15] ^= 1;
		assert_int_equal(ic_meta_open(key, b.nonce, b.aad, b.aad_len,
					      buf, b.len, tag), -EBADMSG);
		assert_true(mem_is_zero(buf, b.len));
		memcpy(buf, b.cipher, b.len);
		tag[15] ^= 1;
		assert_int_equal(ic_meta_open(key, b.nonce, b.aad, b.aad_len,
					      buf, b.len, tag), 0);
		assert_memory_equal(buf, b.plain, b.len);
		ic_meta_key_free(key);
	}
}

static void check_data(u32 cipher, const struct aead_vector *v)
{
	struct aead_bytes b;
	u8 buf[128];

	decode(v, &b);
	memcpy(buf, b.cipher, b.len);
	assert_int_equal(ic_data_open(cipher, b.key, b.nonce, b.aad, b.aad_len,
				      buf, b.len, b.tag), 0);
	assert_memory_equal(buf, b.plain, b.len);
	memcpy(buf, b.cipher, b.len);
	b.aad[0] ^= 0x80;
	assert_int_equal(ic_data_open(cipher, b.key, b.nonce, b.aad,
				      b.aad_len ? b.aad_len : 1, buf, b.len,
				      b.tag), -EBADMSG);
	assert_true(mem_is_zero(buf, b.len));
}

static void test_data(void **state)
{
	u8 none[32] = { 0 };

	(void)state;
	check_data(IC_CIPHER_CHACHA20_POLY1305, &chacha_vector);
	for (unsigned int i = 0; i < 4; i++)
		check_data(IC_CIPHER_AES256_GCM, &gcm_vectors[i]);
	assert_int_equal(ic_data_open(IC_CIPHER_AEGIS128, none, none, none, 0,
				      none, 0, none), -EOPNOTSUPP);
}

/* RFC 4231; its shorter keys equal ours of 32 bytes, as HMAC pads with zeros. */
static void test_hmac(void **state)
{
	static const struct {
		const char *key, *data, *mac;
	} v[] = {
		{
			"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
			"4869205468657265",
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
		}, {
			"4a656665",
			"7768617420646f2079612077616e7420666f72206e6f7468696e673f",
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
		}, {
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
			"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
		}, {
			"0102030405060708090a0b0c0d0e0f10111213141516171819",
			"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
			"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
		},
	};

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		u8 key[IC_KEY_SIZE] = { 0 }, data[64], want[32], out[32];
		unsigned int n = unhex(v[i].data, data);

		unhex(v[i].key, key);
		assert_int_equal(unhex(v[i].mac, want), sizeof(want));
		assert_int_equal(ic_hmac_sha256(key, data, n, out), 0);
		assert_memory_equal(out, want, sizeof(out));
	}
}

/* VK is 00..1f, MK 80..9f, the UUID 10..1f, the salt f0..ff. */
static void count_up(u8 *p, unsigned int n, u8 first)
{
	while (n--)
		*p++ = first++;
}

static void assert_bytes(const u8 *got, const char *want)
{
	u8 bytes[64];
	unsigned int n = unhex(want, bytes);

	assert_memory_equal(got, bytes, n);
}

static void test_volume_keys(void **state)
{
	static const struct {
		const char *label, *key;
	} v[] = {
		{
			IC_LABEL_SUPER,
			"0281c84d896ea7ef3ed81c54e1617962b0ee6d52902d9b9bd875d759b2b68e8a"
		},
		{
			IC_LABEL_NODE,
			"d8c8d052febc55d992a404f0405d9598c812a6061760529af2cbc9c554be7c10"
		},
		{
			IC_LABEL_LOG,
			"1b0028061d9ef801a018242acbed7dc2743ac5b78ccdee20d0793f5eb2c52d84"
		},
		{
			IC_LABEL_ANCHOR,
			"0482b04c2897094eab6cd6c821202ed7a8ff46936ac6f27c5cf6dda8450893cd"
		},
	};
	static const char * const data_keys[IC_CIPHER_COUNT] = {
		[IC_CIPHER_AES256_GCM] =
			"d654eeec0e87494cdbffcce238381afc968b144e56f38995e1d72288be09b539",
		[IC_CIPHER_CHACHA20_POLY1305] =
			"cba3c702ca36166239bf455c6604935389df86760328e5ed11f42d8c19484e39",
		[IC_CIPHER_AEGIS128] =
			"c5d27fe52dafb6008ca3c25a81e33090dadce8556810cf454258c3b4acda12be",
	};
	u8 vk[32], uuid[16], key[32];

	(void)state;
	count_up(vk, sizeof(vk), 0);
	count_up(uuid, sizeof(uuid), 0x10);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(ic_derive_volume_key(vk, uuid, v[i].label,
						      key), 0);
		assert_bytes(key, v[i].key);
	}
	for (u32 c = 1; c < IC_CIPHER_COUNT; c++) {
		assert_int_equal(ic_derive_data_key(vk, uuid, c, key), 0);
		assert_bytes(key, data_keys[c]);
	}
	assert_int_equal(ic_derive_data_key(vk, uuid, 0, key), -EINVAL);
	assert_int_equal(ic_derive_data_key(vk, uuid, IC_CIPHER_COUNT, key),
			 -EINVAL);
}

/* The log's master is the key of IC_LABEL_LOG above. */
static void test_log_key(void **state)
{
	u8 vk[IC_KEY_SIZE], uuid[IC_UUID_SIZE], salt[IC_SALT_SIZE];
	u8 master[IC_KEY_SIZE], key[IC_KEY_SIZE];

	(void)state;
	count_up(vk, sizeof(vk), 0);
	count_up(uuid, sizeof(uuid), 0x10);
	count_up(salt, sizeof(salt), 0xf0);
	assert_int_equal(ic_derive_volume_key(vk, uuid, IC_LABEL_LOG, master),
			 0);
	assert_int_equal(ic_derive_log_key(master, salt, key), 0);
	assert_bytes(key,
		     "65e6c2f03dbf06a21d68ad58a1876689c00a81d0960c88a22800273ddc2666e6");
}

static void test_owner_keys(void **state)
{
	static const struct {
		const char *key, *check;
	} v[IC_CIPHER_COUNT] = {
		[IC_CIPHER_AES256_GCM] = {
			"bed9877d9364a614dead02bfe32a6e2739a20a9ad4e137c95786e4f1f8c71b85",
			"04b73db288c71f76"
		},
		[IC_CIPHER_CHACHA20_POLY1305] = {
			"bb70b96b05d7bce0869ac6c0828c54d6d287fa7263f711dc4f1b9710ad88624d",
			"8e630e581b958a60"
		},
		[IC_CIPHER_AEGIS128] = {
			"062fde1f433012fc7c5f87222f8da047cb6d932879e9b0950feea43658074925",
			"70052932845315d9"
		},
	};
	u8 mk[32], uuid[16], salt[16], key[32], other[32], check[8], id[16];

	(void)state;
	count_up(mk, sizeof(mk), 0x80);
	count_up(uuid, sizeof(uuid), 0x10);
	count_up(salt, sizeof(salt), 0xf0);
	assert_int_equal(ic_derive_key_id(mk, uuid, id), 0);
	assert_bytes(id, "9911faf5d8fa565097365e6cd9f2d206");
	for (u32 c = 1; c < IC_CIPHER_COUNT; c++) {
		assert_int_equal(ic_derive_owner_key(mk, uuid, c, 0x01020304,
						     0xa1b2c3d4, salt, key),
				 0);
		assert_bytes(key, v[c].key);
		assert_int_equal(ic_derive_owner_check(key, check), 0);
		assert_bytes(check, v[c].check);
		/* Every part of an owner matters. */
		ic_derive_owner_key(mk, uuid, c, 0x01020305, 0xa1b2c3d4, salt,
				    other);
		assert_memory_not_equal(key, other, sizeof(key));
		ic_derive_owner_key(mk, uuid, c, 0x01020304, 0xa1b2c3d5, salt,
				    other);
		assert_memory_not_equal(key, other, sizeof(key));
		salt[15] ^= 1;
		ic_derive_owner_key(mk, uuid, c, 0x01020304, 0xa1b2c3d4, salt,
				    other);
		assert_memory_not_equal(key, other, sizeof(key));
		salt[15] ^= 1;
	}
	assert_int_equal(ic_derive_owner_key(mk, uuid, 0, 1, 1, salt, key),
			 -EINVAL);
}

static void test_sector_aad(void **state)
{
	struct ic_sector_aad aad;
	u8 uuid[16];

	(void)state;
	count_up(uuid, sizeof(uuid), 0x10);
	ic_sector_aad(&aad, uuid, 0x0102030405060708, 0x11121314, 0x21222324);
	assert_bytes((const u8 *)&aad,
		     "696e6f63727970743120736563746f72101112131415161718191a1b1c1d1e1f08070605040302011413121124232221");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gcm),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_volume_keys),
		cmocka_unit_test(test_log_key),
		cmocka_unit_test(test_owner_keys),
		cmocka_unit_test(test_sector_aad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
