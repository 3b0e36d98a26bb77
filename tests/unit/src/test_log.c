// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data in the log: the check against values of another implementation (openssl
 * mac, GMAC), the bytes of an entry, and how the ring counts data blocks.
 */
#include <time.h>

#include "log_ring.h"
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

/* A write of one sector, without any data. */
struct small {
	struct ic_log_write	w;
	struct ic_sector_record	rec;
	u8			head[1][IC_HEAD_SIZE];
};

static void small_make(struct small *s, u64 sector)
{
	memset(s, 0, sizeof(*s));
	rnd_fill(&s->rec, sizeof(s->rec));
	rnd_fill(s->head, sizeof(s->head));
	s->w.sector = sector;
	s->w.nr = 1;
	s->w.rec = &s->rec;
	s->w.head = (const u8 (*)[IC_HEAD_SIZE])s->head;
}

/* Log @s, and have it fail: @copy stays behind. */
static void small_fail(struct ic_log *log, struct small *s, struct small *copy)
{
	struct list_head list, forgotten;

	assert_int_equal(ic_log_room(log, 1, 1), IC_LOG_ROOM);
	ic_log_intend(log, &s->w);
	ic_log_written(log, log->head);
	memset(copy, 0, sizeof(*copy));
	copy->rec = s->rec;
	memcpy(copy->head, s->head, sizeof(copy->head));
	copy->w.sector = s->w.sector;
	copy->w.nr = 1;
	copy->w.rec = &copy->rec;
	copy->w.head = (const u8 (*)[IC_HEAD_SIZE])copy->head;
	INIT_LIST_HEAD(&list);
	INIT_LIST_HEAD(&forgotten);
	list_add_tail(&copy->w.list, &list);
	ic_log_fail(log, &s->w, &list, &forgotten);
	assert_true(list_empty(&list));
}

static u32 length(const struct list_head *list)
{
	const struct list_head *at;
	u32 n = 0;

	for (at = list->next; at != list; at = at->next)
		n++;
	return n;
}

static u32 settle(struct ic_log *log, u64 first, u64 last)
{
	struct list_head settled;

	INIT_LIST_HEAD(&settled);
	ic_log_settle(log, first, last, &settled);
	return length(&settled);
}

/* Failed writes are found by their sectors, the newest first, and settled. */
static void test_failed(void **state)
{
	static struct small s[600], copy[600];
	u8 salt[IC_SALT_SIZE] = { 1 }, other[IC_HEAD_SIZE] = { 0 };
	static struct write data;
	struct ring r;
	u32 n = 0;

	(void)state;
	ring_new(&r, 100);
	/* Each third sector of 0 to 1497, every 10th of them twice. */
	for (u32 i = 0; i < 500; i++) {
		small_make(&s[n], 3 * i);
		small_fail(&r.log, &s[n], &copy[n]);
		n++;
		if (i % 10)
			continue;
		small_make(&s[n], 3 * i);
		small_fail(&r.log, &s[n], &copy[n]);
		n++;
	}
	assert_int_equal(length(&r.log.failed), 550);
	for (u64 i = 0; i < 1600; i++)
		assert_int_equal(ic_log_touches(&r.log, i, i),
				 i < 1500 && i % 3 == 0);
	assert_true(ic_log_touches(&r.log, 1, 3));
	assert_false(ic_log_touches(&r.log, 1, 2));
	for (u32 i = 0; i < n; i++)
		assert_ptr_equal(ic_log_candidate(&r.log, s[i].w.sector,
						  copy[i].head[0]), &copy[i].w);
	assert_null(ic_log_candidate(&r.log, 3, copy[0].head[0]));
	assert_null(ic_log_candidate(&r.log, 0, other));
	/* Of two alike the newest. */
	memcpy(copy[1].head, copy[0].head, sizeof(copy[0].head));
	assert_ptr_equal(ic_log_candidate(&r.log, 0, copy[0].head[0]),
			 &copy[1].w);

	/* Newer data of 30 to 45 is in the log: those aren't logged again. */
	write_make(&data, 30, 16);
	ic_log_intend(&r.log, &data.w);
	log_data(&r.log, &data);
	ic_log_written(&r.log, r.log.head);
	ic_log_cut(&r.log, salt);
	for (u32 i = 0; i < n; i++) {
		bool newer = s[i].w.sector >= 30 && s[i].w.sector < 46;

		assert_int_equal(copy[i].w.now.first > copy[i].w.now.last,
				 newer);
		assert_true(newer || copy[i].w.now.first >= r.log.cut);
	}
	ic_log_complete(&r.log, &data.w);
	assert_int_equal(settle(&r.log, 30, 45), 7);
	ic_log_written(&r.log, r.log.head);
	ic_log_committed(&r.log);
	/* A single one, none, a long stretch, all. */
	assert_int_equal(settle(&r.log, 3, 3), 1);
	assert_int_equal(settle(&r.log, 4, 5), 0);
	assert_int_equal(settle(&r.log, 600, 1199), 220);
	assert_false(ic_log_touches(&r.log, 600, 679));
	assert_true(ic_log_touches(&r.log, 1200, 1200));
	assert_int_equal(settle(&r.log, 0, ~0ULL), 550 - 7 - 1 - 220);
	assert_true(list_empty(&r.log.failed));
	assert_int_equal(r.log.live, 0);
	ring_free(&r);
}

/* A sector that always fails keeps the mark back for an eighth of a ring at most. */
static void test_held(void **state)
{
	u8 salt[IC_SALT_SIZE] = { 1 };
	struct small s, copy, put;
	struct ring r;

	(void)state;
	ring_new(&r, 100);
	small_make(&s, 7);
	small_make(&put, 8);
	for (u32 round = 0; round < 10; round++) {
		small_fail(&r.log, &s, &copy);
		do {
			assert_true(r.log.head - r.log.low <= RING / 8 + 2);
			ic_log_put(&r.log, &put.w);
			ic_log_written(&r.log, r.log.head);
			ic_log_durable(&r.log, r.log.head);
			ic_log_flushed(&r.log, ic_log_settled(&r.log));
		} while (!ic_log_held(&r.log));
		ic_log_cut(&r.log, salt);
		assert_false(ic_log_held(&r.log));
		ic_log_written(&r.log, r.log.head);
		ic_log_durable(&r.log, r.log.head);
		ic_log_committed(&r.log);
		assert_false(ic_log_held(&r.log));
		ic_log_flushed(&r.log, ic_log_settled(&r.log));
		assert_int_equal(r.log.low, r.log.cut);
		assert_int_equal(settle(&r.log, 7, 7), 1);
	}
	/* Nothing has failed: it is only that nobody flushes. */
	for (u32 i = 0; i < 100 * IC_LOG_ENTRIES; i++)
		ic_log_put(&r.log, &put.w);
	assert_false(ic_log_held(&r.log));
	ring_free(&r);
}

#define MANY	1200

/* Seconds that a cut takes with @failed writes that failed and @flight in flight. */
static double cut_seconds(u32 failed, u32 flight)
{
	static struct small s[2 * MANY], copy[MANY];
	u8 salt[IC_SALT_SIZE] = { 1 };
	struct timespec t0, t1;
	struct ring r;

	ring_new(&r, 100);
	for (u32 i = 0; i < failed; i++) {
		small_make(&s[i], 5 * i);
		small_fail(&r.log, &s[i], &copy[i]);
	}
	for (u32 i = 0; i < flight; i++) {
		small_make(&s[failed + i], 100000 + i);
		assert_int_equal(ic_log_room(&r.log, 1, 1), IC_LOG_ROOM);
		ic_log_intend(&r.log, &s[failed + i].w);
		ic_log_written(&r.log, r.log.head);
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t0);
	ic_log_cut(&r.log, salt);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t1);
	ring_free(&r);
	return (double)(t1.tv_sec - t0.tv_sec) +
	       (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
}

/*
 * A cut is made under the lock that all writers wait for.  With half of them failed it
 * takes about as long as with none; if it looked at each of one for each of the other,
 * it would take hundreds of times as long.
 */
static void test_cut_time(void **state)
{
	double none = 1e9, half = 1e9, t;

	(void)state;
	for (u32 i = 0; i < 20; i++) {
		t = cut_seconds(0, 2 * MANY);
		none = t < none ? t : none;
		t = cut_seconds(MANY, MANY);
		half = t < half ? t : half;
	}
	if (half > 12 * none)
		fail_msg("a cut takes %g s, %g s if nothing has failed", half,
			 none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_failed),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_cut_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
