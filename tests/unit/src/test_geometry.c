// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layout: bounds, levels, no overlaps; fitting a volume onto a device; words.
 */
#include "unit.h"

static const struct ic_params sane = {
	.sector_size = 4096,
	.cipher = IC_CIPHER_AES256_GCM,
	.data_sectors = 1000,
	.owners = 2048,
	.log_blocks = 256,
};

/* Everything a geometry promises, worked out in another way. */
static void check(const struct ic_params *p)
{
	u64 leaves, at, n, block;
	struct ic_geometry g;

	assert_int_equal(ic_geometry_init(&g, p), 0);
	assert_int_equal(1U << g.sector_shift, p->sector_size);
	assert_true(g.levels >= 1 && g.levels <= IC_MAX_LEVELS);
	assert_int_equal(g.owner_leaf, 9);
	assert_int_equal(g.sector_leaf, 9 + (p->owners + 126) / 127);
	leaves = g.sector_leaf + (p->data_sectors + 126) / 127;
	assert_int_equal(g.level_nodes[0], leaves);
	/* Levels follow each other, each no larger than its parents hold. */
	at = 0;
	n = leaves;
	for (u32 l = 0; l < g.levels; l++) {
		assert_int_equal(g.level_base[l], at);
		assert_int_equal(g.level_nodes[l], n);
		at += n;
		n = n / IC_FANOUT + !!(n % IC_FANOUT);
	}
	assert_int_equal(g.level_nodes[g.levels - 1], 1);
	if (g.levels > 1)
		assert_true(g.level_nodes[g.levels - 2] > 1);
	assert_int_equal(g.nodes, at);
	/* Superblocks, log, place 0, place 1, in this order, without gaps. */
	assert_true(IC_SUPER_BLOCK(1) < IC_FIRST_BLOCK);
	assert_int_equal(g.log_start, IC_FIRST_BLOCK);
	assert_int_equal(g.place_start[0], g.log_start + p->log_blocks);
	assert_int_equal(g.place_start[1], g.place_start[0] + g.nodes);
	assert_int_equal(g.blocks, g.place_start[1] + g.nodes);
	/* The first and last node of each level, in both places. */
	for (u32 place = 0; place < 2; place++) {
		block = g.place_start[place];
		for (u32 l = 0; l < g.levels; l++) {
			assert_int_equal(ic_node_block(&g, l, 0, place),
					 block);
			block += g.level_nodes[l];
			assert_int_equal(ic_node_block(&g, l,
						       g.level_nodes[l] - 1,
						       place), block - 1);
		}
	}
	assert_int_equal(block, g.blocks);
}

static void test_example(void **state)
{
	struct ic_geometry g;

	(void)state;
	/* The worked example of docs/format.md. */
	assert_int_equal(ic_geometry_init(&g, &sane), 0);
	assert_int_equal(g.levels, 2);
	assert_int_equal(g.owner_leaf, 9);
	assert_int_equal(g.sector_leaf, 26);
	assert_int_equal(g.level_nodes[0], 34);
	assert_int_equal(g.nodes, 35);
	assert_int_equal(g.log_start, 16);
	assert_int_equal(g.place_start[0], 272);
	assert_int_equal(g.place_start[1], 307);
	assert_int_equal(g.blocks, 342);
	assert_int_equal(ic_node_block(&g, 0, 31, 1), 338);
	assert_int_equal(ic_node_block(&g, 1, 0, 0), 306);
}

static void test_sizes(void **state)
{
	static const u64 sectors[] = {
		1, 2, 126, 127, 128, 508 * 127, 508 * 127 + 1, 1000000,
		508ULL * 508 * 127, 1ULL << 32, (1ULL << 32) + 1, 1ULL << 40,
	};
	static const u64 owners[] = {
		1, 127, 128, 65536, IC_MAX_OWNERS - 1, IC_MAX_OWNERS,
	};

	(void)state;
	for (unsigned int i = 0; i < 12; i++)
		for (unsigned int j = 0; j < 6; j++)
			for (u32 size = 512; size <= 4096; size *= 2) {
				struct ic_params p = sane;

				p.data_sectors = sectors[i];
				p.owners = owners[j];
				p.sector_size = size;
				check(&p);
			}
	for (unsigned int i = 0; i < 20000; i++) {
		struct ic_params p = sane;

		p.sector_size = 512 << (rnd() & 3);
		p.data_sectors = 1 + (rnd() >> (8 + rnd() % 55)) %
				     (IC_MAX_DATA_BYTES / p.sector_size);
		p.owners = 1 + (rnd() >> (8 + rnd() % 55)) % IC_MAX_OWNERS;
		p.log_blocks = IC_MIN_LOG_BLOCKS + rnd() % 100000;
		check(&p);
	}
}

static void test_bounds(void **state)
{
	static const u32 bad_sizes[] = { 0, 1, 256, 511, 513, 1536, 4097, 8192,
					 0x80000000, ~0U };
	struct ic_geometry g;
	struct ic_params p;

	(void)state;
	for (unsigned int i = 0; i < 10; i++) {
		p = sane;
		p.sector_size = bad_sizes[i];
		assert_int_equal(ic_geometry_init(&g, &p), -EINVAL);
	}
	p = sane;
	p.data_sectors = 0;
	assert_int_equal(ic_geometry_init(&g, &p), -EINVAL);
	p.data_sectors = IC_MAX_DATA_BYTES / 4096;
	check(&p);
	p.data_sectors++;
	assert_int_equal(ic_geometry_init(&g, &p), -EINVAL);
	p.data_sectors = ~0ULL;
	assert_int_equal(ic_geometry_init(&g, &p), -EINVAL);
	p.sector_size = 512;
	p.data_sectors = IC_MAX_DATA_BYTES / 512;
	p.owners = IC_MAX_OWNERS;
	p.log_blocks = IC_MAX_LOG_BLOCKS;
	check(&p);
	p = sane;
	p.owners = 0;
	assert_int_equal(ic_geometry_init(&g, &p), -EINVAL);
	p.owners = IC_MAX_OWNERS + 1;
	assert_int_equal(ic_geometry_init(&g, &p), -EINVAL);
	p = sane;
	p.log_blocks = IC_MIN_LOG_BLOCKS - 1;
	assert_int_equal(ic_geometry_init(&g, &p), -EINVAL);
	p.log_blocks = IC_MIN_LOG_BLOCKS;
	check(&p);
	p.log_blocks = IC_MAX_LOG_BLOCKS;
	check(&p);
	p.log_blocks = IC_MAX_LOG_BLOCKS + 1;
	assert_int_equal(ic_geometry_init(&g, &p), -EINVAL);
}

/* Space that a volume of @p takes on what ic_params_fit() was given. */
static u64 need(const struct ic_params *p, bool shared)
{
	struct ic_geometry g;

	assert_int_equal(ic_geometry_init(&g, p), 0);
	return g.blocks * IC_BLOCK_SIZE +
	       (shared ? p->data_sectors * p->sector_size : 0);
}

static void fit(u32 sector_size, u64 owners, u32 log_blocks, u64 data, u64 side)
{
	struct ic_params p = sane, more;
	int err;

	p.sector_size = sector_size;
	p.owners = owners;
	p.log_blocks = log_blocks;
	p.data_sectors = 0;
	err = ic_params_fit(&p, data, side);
	if (err) {
		/* Not even one sector would fit. */
		assert_int_equal(err, -ENOSPC);
		more = p;
		more.data_sectors = 1;
		more.log_blocks = log_blocks ? log_blocks :
				  ic_log_blocks_default(1, sector_size);
		assert_true(need(&more, !data) > side ||
			    (data && data < sector_size));
		return;
	}
	check(&p);
	assert_int_equal(p.owners, owners);
	if (log_blocks)
		assert_int_equal(p.log_blocks, log_blocks);
	assert_true(need(&p, !data) <= side);
	if (data)
		assert_true(p.data_sectors * sector_size <= data);
	/* One sector more doesn't. */
	more = p;
	more.data_sectors++;
	if (!log_blocks)
		more.log_blocks = ic_log_blocks_default(more.data_sectors,
							sector_size);
	assert_true(need(&more, !data) > side ||
		    (data && more.data_sectors * sector_size > data));
}

static void test_fit(void **state)
{
	struct ic_params p;

	(void)state;
	for (unsigned int i = 0; i < 3000; i++) {
		u32 size = 512 << (rnd() & 3);
		u64 side = rnd() >> (14 + rnd() % 40);
		u64 data = i & 1 ? 1 + (rnd() >> (14 + rnd() % 40)) : 0;

		fit(size, 1 + rnd() % 200000, i & 2 ? 0 : 64 + rnd() % 4096,
		    data, side);
	}
	/* At 4 KiB sectors the sidecar costs less than 2 %, owners aside. */
	p = sane;
	p.log_blocks = 0;
	assert_int_equal(ic_params_fit(&p, 0, 1ULL << 40), 0);
	assert_true(p.data_sectors * 4096 > (1ULL << 40) / 100 * 98);
	p.sector_size = 8192;
	assert_int_equal(ic_params_fit(&p, 0, 1ULL << 40), -EINVAL);
	p.sector_size = 0;
	assert_int_equal(ic_params_fit(&p, 0, 1ULL << 40), -EINVAL);
	p.sector_size = 4096;
	p.owners = 0;
	assert_int_equal(ic_params_fit(&p, 0, 1ULL << 40), -EINVAL);
}

static void test_log_default(void **state)
{
	const u64 mib = 1 << 20, blocks = mib / IC_BLOCK_SIZE;

	(void)state;
	for (u32 size = 512; size <= 4096; size *= 2) {
		u32 last = 0;

		for (unsigned int shift = 0; shift < 48; shift++) {
			u32 n = ic_log_blocks_default(1ULL << shift, size);

			assert_true(n >= IC_MIN_LOG_BLOCKS &&
				    n <= IC_MAX_LOG_BLOCKS);
			assert_true(n >= last);
			last = n;
		}
		assert_int_equal(last, 128 * blocks);
	}
	/* 1/16 up to 16 MiB, 1/128 up to 128 MiB. */
	assert_int_equal(ic_log_blocks_default(8 * mib / 512, 512), 1 * blocks);
	assert_int_equal(ic_log_blocks_default(96 * mib / 4096, 4096), 6 * blocks);
	assert_int_equal(ic_log_blocks_default(256 * mib / 4096, 4096), 16 * blocks);
	assert_int_equal(ic_log_blocks_default(2048 * mib / 4096, 4096), 16 * blocks);
	assert_int_equal(ic_log_blocks_default(4096 * mib / 4096, 4096), 32 * blocks);
	assert_int_equal(ic_log_blocks_default(16384 * mib / 4096, 4096),
			 128 * blocks);
	/* An entry for every 8th sector. */
	assert_int_equal(ic_log_blocks_default(4096 * mib / 512, 512),
			 4096 * mib / 512 / 8 / 84);
}

static void test_words(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 10000; i++) {
		u8 tag[IC_TAG_SIZE], other[IC_TAG_SIZE];
		u32 place = rnd() & 1;
		unsigned int bit = rnd() % 64;
		u64 word;

		rnd_fill(tag, sizeof(tag));
		word = ic_word(tag, place);
		assert_int_equal(ic_word_place(word), place);
		assert_true(ic_word_tag(word) ==
			    ic_word_tag(ic_word(tag, !place)));
		/* All 63 bits count; bit 0 of byte 0 gives way to the place. */
		memcpy(other, tag, sizeof(tag));
		other[bit / 8] ^= 1 << bit % 8;
		assert_true((ic_word(other, place) != word) == (bit != 0));
	}
}

/* What stands for a damaged node is never zeros, and says nothing else. */
static void test_lost(void **state)
{
	struct ic_params p = { .sector_size = 4096, .owners = 300,
			       .log_blocks = 64, .data_sectors = 1000 };
	struct ic_sector_record rec = { .owner = cpu_to_le32(IC_SECTOR_LOST) };
	struct ic_geometry geo;
	struct ic_node node;
	u64 number, first;
	u32 n;

	(void)state;
	assert_int_equal(ic_geometry_init(&geo, &p), 0);
	assert_true(ic_sector_lost(&rec));
	rec.nonce[11] = 1;
	assert_false(ic_sector_lost(&rec));
	for (u64 leaf = 0; leaf < geo.level_nodes[0]; leaf++) {
		first = ic_leaf_first(&geo, leaf, &number, &n);
		ic_node_lost(&node, &geo, 0, leaf);
		for (u32 i = 0; i < IC_LEAF_RECORDS; i++) {
			const union ic_record *r = &node.rec[i];
			bool none = i >= n || (first == geo.owner_leaf &&
					       !number && !i);

			assert_true(mem_is_zero(r, sizeof(*r)) == none);
			if (none)
				continue;
			if (!first)
				assert_int_equal(le32_to_cpu(r->key.state),
						 IC_KEY_LOST);
			else if (first == geo.owner_leaf)
				assert_int_equal(le16_to_cpu(r->owner.flags),
						 IC_OWNER_LOST);
			else
				assert_true(ic_sector_lost(&r->sector));
		}
	}
	/* 9 of keys, 3 of owners, 8 of sectors; no more. */
	ic_node_lost(&node, &geo, 1, 0);
	for (u32 i = 0; i < IC_FANOUT; i++)
		assert_true(le64_to_cpu(node.word[i]) ==
			    (i < 20 ? IC_WORD_LOST : 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_fit),
		cmocka_unit_test(test_log_default),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
