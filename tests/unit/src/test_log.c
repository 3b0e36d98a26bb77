// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data in the log: the check against values of another implementation (openssl
 * mac, GMAC), the bytes of an entry, and how the ring counts data blocks.
 */
#include "log.h"
#include "unit.h"

#define RING	256
#define WRITES	64	/* more than it has room for */

static const struct ic_params params = {
	.sector_size = 4096,
	.cipher = IC_CIPHER_AES256_GCM,
	.data_sectors = 1000,
	.owners = 100,
	.log_blocks = RING,
};

static void count_up(u8 *p, size_t n, u8 from)
{
	while (n--)
		*p++ = from++;
}

static void data_fill(u8 data[IC_BLOCK_SIZE])
{
	for (unsigned int i = 0; i < IC_BLOCK_SIZE; i++)
		data[i] = i * 7 + (i >> 8);
}

/* The key of salt f0 f1 ..., as in test_vectors. */
static struct ic_meta_key *log_key(void)
{
	u8 vk[IC_KEY_SIZE], uuid[IC_UUID_SIZE], salt[IC_SALT_SIZE];
	u8 master[IC_KEY_SIZE], key[IC_KEY_SIZE];
	struct ic_meta_key *k;

	count_up(vk, sizeof(vk), 0);
	count_up(uuid, sizeof(uuid), 0x10);
	count_up(salt, sizeof(salt), 0xf0);
	assert_int_equal(ic_derive_volume_key(vk, uuid, IC_LABEL_LOG, master),
			 0);
	assert_int_equal(ic_derive_log_key(master, salt, key), 0);
	k = ic_meta_key_new(key);
	assert_non_null(k);
	return k;
}

static void assert_check(const u8 *check, const char *hex)
{
	u8 want[IC_HEAD_SIZE];

	assert_int_equal(unhex(hex, want), sizeof(want));
	assert_memory_equal(check, want, sizeof(want));
}

static void test_check(void **state)
{
	u8 raw[IC_KEY_SIZE], data[IC_BLOCK_SIZE], check[IC_HEAD_SIZE];
	struct ic_log_entry entry = { 0 };
	struct ic_meta_key *key;

	(void)state;
	data_fill(data);
	count_up(entry.rec.sector.nonce, IC_NONCE_SIZE, 0xa0);
	count_up(raw, sizeof(raw), 0x40);
	key = ic_meta_key_new(raw);
	assert_non_null(key);
	assert_int_equal(ic_log_check(&entry, key, data, check), 0);
	assert_check(check, "deab53cd6b223984");
	/* Neither the rest of the record nor the number changes it. */
	entry.what = cpu_to_le64(77);
	memset(entry.rec.sector.tag, 0x55, IC_TAG_SIZE);
	assert_int_equal(ic_log_check(&entry, key, data, check), 0);
	assert_check(check, "deab53cd6b223984");
	ic_meta_key_free(key);

	key = log_key();
	assert_int_equal(ic_log_check(&entry, key, data, check), 0);
	assert_check(check, "872df687706cb708");
	for (unsigned int i = 0; i < 200; i++) {
		u8 other[IC_HEAD_SIZE];
		u64 at = rnd() % (8 * IC_BLOCK_SIZE);

		data[at / 8] ^= 1 << at % 8;
		assert_int_equal(ic_log_check(&entry, key, data, other), 0);
		assert_memory_not_equal(other, check, sizeof(check));
		data[at / 8] ^= 1 << at % 8;
	}
	entry.rec.sector.nonce[11] ^= 1;
	assert_int_equal(ic_log_check(&entry, key, data, raw), 0);
	assert_memory_not_equal(raw, check, sizeof(check));
	ic_meta_key_free(key);
}

static void test_entry(void **state)
{
	struct ic_log_block block = { .count = cpu_to_le16(1) };
	struct ic_params p = params;
	struct ic_geometry geo;
	struct ic_change c;
	u8 bytes[48] = { 0x34, 0x02, 0, 0, 0, 0, 0, 5 };

	(void)state;
	count_up(bytes + 8, 40, 0x80);
	memcpy(&block.entry[0], bytes, sizeof(bytes));
	assert_int_equal(ic_log_data_blocks(&block), 1);
	assert_int_equal(ic_geometry_init(&geo, &p), 0);
	assert_int_equal(ic_log_change(&block, 0, &geo, &c), 0);
	assert_int_equal(c.type, IC_LOG_DATA);
	assert_int_equal(c.nr, 0x234);
	assert_int_equal(c.count, 1);
	assert_memory_equal(&c.rec, bytes + 8, IC_RECORD_SIZE);
	assert_memory_equal(c.head, bytes + 40, IC_HEAD_SIZE);
	/* Sector 1000 isn't there. */
	bytes[0] = 0xe8;
	bytes[1] = 0x03;
	memcpy(&block.entry[0], bytes, sizeof(bytes));
	assert_int_equal(ic_log_change(&block, 0, &geo, &c), -EINVAL);
	bytes[0]--;
	memcpy(&block.entry[0], bytes, sizeof(bytes));
	assert_int_equal(ic_log_change(&block, 0, &geo, &c), 0);
	/* Only for sectors as large as a block. */
	for (p.sector_size = 512; p.sector_size < 4096; p.sector_size *= 2) {
		assert_int_equal(ic_geometry_init(&geo, &p), 0);
		assert_int_equal(ic_log_change(&block, 0, &geo, &c), -EINVAL);
	}
}

struct ring {
	struct ic_log		log;
	struct ic_log_block	**slot;
	const void		**data_block;
	u16			*inflight;
	u32			nr;
};

static void ring_new(struct ring *r, u64 seq)
{
	r->nr = ic_log_slots(RING);
	r->slot = calloc(r->nr, sizeof(*r->slot));
	r->data_block = calloc(r->nr, sizeof(*r->data_block));
	r->inflight = calloc(RING, sizeof(*r->inflight));
	for (u32 i = 0; i < r->nr; i++)
		r->slot[i] = malloc(IC_BLOCK_SIZE);
	ic_log_init(&r->log, RING, r->nr, r->slot, r->data_block, r->inflight);
	ic_log_start(&r->log, seq);
}

static void ring_free(struct ring *r)
{
	for (u32 i = 0; i < r->nr; i++)
		free(r->slot[i]);
	free(r->slot);
	free(r->data_block);
	free(r->inflight);
}

/* A write of @nr sectors with its data in the log. */
struct write {
	struct ic_log_write	w;
	struct ic_sector_record	rec[IC_LOG_DATA_MAX];
	u8			head[IC_LOG_DATA_MAX][IC_HEAD_SIZE];
	u8			data[IC_LOG_DATA_MAX][IC_BLOCK_SIZE];
};

static void write_make(struct write *w, u64 sector, u32 nr)
{
	memset(w, 0, sizeof(*w));
	rnd_fill(w->rec, nr * sizeof(w->rec[0]));
	rnd_fill(w->data, nr * IC_BLOCK_SIZE);
	for (u32 i = 0; i < nr; i++)
		memcpy(w->head[i], w->data[i], IC_HEAD_SIZE);
	w->w.sector = sector;
	w->w.nr = nr;
	w->w.rec = w->rec;
	w->w.head = (const u8 (*)[IC_HEAD_SIZE])w->head;
}

static void log_data(struct ic_log *log, struct write *w)
{
	assert_true(ic_log_data_begin(log, w->w.nr));
	for (u32 i = 0; i < w->w.nr; i++)
		ic_log_data(log, &w->w, i, w->data[i]);
	ic_log_data_end(log);
}

/* A block's number, then its data's, then the next block's. */
static void test_ring(void **state)
{
	static struct write a, b;
	u8 salt[IC_SALT_SIZE] = { 1 }, check[IC_HEAD_SIZE];
	struct ic_meta_key *key = log_key();
	const struct ic_log_block *block;
	struct ring r;
	u64 at;

	(void)state;
	ring_new(&r, 100);
	write_make(&a, 5, 3);
	write_make(&b, 500, IC_LOG_DATA_MAX);
	ic_log_intend(&r.log, &a.w);
	assert_int_equal(r.log.head, 100);
	log_data(&r.log, &a);
	assert_int_equal(r.log.head, 104);
	assert_int_equal(ic_log_used(&r.log), 5);
	block = r.slot[100 % r.nr];
	/* PUTs, then the DATA. */
	assert_int_equal(le16_to_cpu(block->count), 6);
	assert_int_equal(ic_log_data_blocks(block), 3);
	assert_null(ic_log_data_block(&r.log, 100));
	for (u32 i = 0; i < 3; i++)
		assert_ptr_equal(ic_log_data_block(&r.log, 101 + i), a.data[i]);
	assert_null(ic_log_data_block(&r.log, 104));
	assert_int_equal(ic_log_set_checks(&r.log, 100, key), 0);
	for (u32 i = 0; i < 3; i++) {
		const struct ic_log_entry *e = &block->entry[3 + i];

		assert_int_equal(le64_to_cpu(e->what), 5ULL << 56 | (5 + i));
		assert_memory_equal(&e->rec, &a.rec[i], IC_RECORD_SIZE);
		assert_int_equal(ic_log_check(e, key, a.data[i], check), 0);
		assert_memory_equal(e->head, check, sizeof(check));
	}

	/* As much as can be, in a block of its own where the open one is full. */
	ic_log_intend(&r.log, &b.w);
	assert_int_equal(r.log.count, IC_LOG_DATA_MAX);
	log_data(&r.log, &b);
	at = 105;
	assert_int_equal(r.log.head, at + 1 + IC_LOG_DATA_MAX);
	assert_int_equal(ic_log_data_blocks(r.slot[104 % r.nr]), 0);
	assert_int_equal(ic_log_data_blocks(r.slot[at % r.nr]),
			 IC_LOG_DATA_MAX);
	assert_false(ic_log_data_begin(&r.log, IC_LOG_DATA_MAX + 1));

	/* A cut has to see them in place; once they are, it doesn't. */
	ic_log_written(&r.log, r.log.head);
	ic_log_durable(&r.log, r.log.head);
	ic_log_cut(&r.log, salt);
	assert_int_equal(r.log.data_before, 2);
	ic_log_complete(&r.log, &a.w);
	assert_int_equal(r.log.data_before, 1);
	ic_log_complete(&r.log, &b.w);
	assert_int_equal(r.log.data_before, 0);
	ic_log_committed(&r.log);
	assert_int_equal(r.log.live, 0);
	ring_free(&r);
	ic_meta_key_free(key);
}

/* Data never takes what is kept for a cut, neither of the ring nor in memory. */
static void test_room(void **state)
{
	static struct write w[WRITES];
	u8 salt[IC_SALT_SIZE] = { 1 };
	struct ring r;

	(void)state;
	for (unsigned int round = 0; round < 50; round++) {
		u32 n = 0;

		ring_new(&r, 1 + rnd() % 1000);
		while (n < WRITES) {
			u32 nr = 1 + rnd() % 16;

			if (ic_log_room(&r.log, nr, nr))
				break;
			write_make(&w[n], 16 * n, nr);
			ic_log_intend(&r.log, &w[n].w);
			if (!ic_log_data_begin(&r.log, nr)) {
				ic_log_complete(&r.log, &w[n].w);
				break;
			}
			for (u32 i = 0; i < nr; i++)
				ic_log_data(&r.log, &w[n].w, i, w[n].data[i]);
			ic_log_data_end(&r.log);
			n++;
			/* Written as soon as it is closed, or not. */
			if (round % 2)
				ic_log_written(&r.log, r.log.head);
		}
		assert_true(n > 1);
		assert_true(ic_log_can_cut(&r.log));
		ic_log_cut(&r.log, salt);
		assert_int_equal(r.log.data_before, n);
		ic_log_seal_end(&r.log);
		assert_true(ic_log_used(&r.log) <= RING);
		assert_true(r.log.head + 1 - r.log.next <= r.nr);
		while (n)
			ic_log_complete(&r.log, &w[--n].w);
		assert_int_equal(r.log.data_before, 0);
		ring_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
