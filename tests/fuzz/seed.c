// SPDX-License-Identifier: GPL-2.0-only
/*
 * seed NAME CORPUS [KEYFILE IMAGE [SIDECAR]] - turn a real volume into inputs of
 * the fuzzers: what its blocks hold once decrypted, in each fuzzer's own form
 * (see there).  Without a volume: small logs that were never on one.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "recover.h"

static u8 out[4096];
static size_t len;
static const char *name, *corpus;
static struct volume v;
static struct secret vk;

static void put(const void *p, size_t n)
{
	DIE_IF(len + n > sizeof(out));
	memcpy(out + len, p, n);
	len += n;
}

static void seed_u8(u8 x)
{
	put(&x, 1);
}

static void seed_u16(u16 x)
{
	__le16 le = cpu_to_le16(x);

	put(&le, sizeof(le));
}

static void seed_u32(u32 x)
{
	__le32 le = cpu_to_le32(x);

	put(&le, sizeof(le));
}

static void seed_u64(u64 x)
{
	__le64 le = cpu_to_le64(x);

	put(&le, sizeof(le));
}

/* Write what was put so far as an input of @fuzzer. */
static void save(const char *fuzzer, const char *suffix)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", corpus, fuzzer);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/%s%s", corpus, fuzzer, name,
		 suffix);
	f = fopen(path, "w");
	if (!f || fwrite(out, 1, len, f) != len || fclose(f)) {
		perror(path);
		exit(1);
	}
	len = 0;
}

static void seed_super(void)
{
	const u8 flags = 3 | (v.side == &v.side_dev ? 4 : 0) | 32;

	seed_u8(flags);
	for (int i = 0; i < 2; i++)
		put(&v.raw[i], sizeof(v.raw[i]));
	save("super", "");

	/* On devices of just its size. */
	seed_u8(flags | 64);
	seed_u16(0);
	for (int i = 0; i < 2; i++)
		put(&v.raw[i], sizeof(v.raw[i]));
	save("super", "-sizes");

	seed_u8(0x80);
	seed_u8(v.geo.sector_shift - 9);
	seed_u64(v.params.owners);
	seed_u32(v.params.log_blocks);
	seed_u64(v.side == &v.side_dev ? v.data.bytes : 0);
	seed_u64(v.side->bytes);
	save("super", "-fit");
}

/* The node fuzzer's geometry: this volume's. */
static void put_geometry(void)
{
	seed_u8(0);
	seed_u8(3 | (v.geo.sector_shift - 9) << 2 | (v.params.cipher - 1) << 4);
	seed_u32(v.params.owners);
	seed_u64(v.params.data_sectors);
	seed_u8(0);
}

static void put_looks(u64 number)
{
	for (u8 what = 0; what < 4; what++) {
		seed_u8(7);
		seed_u8(what | 4 | (what == 1) << 4);
		seed_u8(what ? 0 : 1);
		seed_u64(number);
	}
}

/* A leaf and its records, at most @most of them. */
static bool put_leaf(u8 kind, u64 first, u64 leaf, unsigned int most)
{
	struct tree_path path;
	bool any = false;

	if (tree_walk(&v, 0, leaf, &path))
		exit(1);
	for (u8 slot = 0; slot < IC_LEAF_RECORDS && most; slot++) {
		const u8 *rec = path.node.rec[slot].bytes;

		if (mem_is_zero(rec, IC_RECORD_SIZE))
			continue;
		seed_u8(0);
		seed_u8(kind);
		seed_u16(leaf - first);
		seed_u8(slot);
		put(rec, IC_RECORD_SIZE);
		any = true;
		most--;
	}
	if (any && path.step[path.steps - 1].place) {
		seed_u8(3);
		seed_u8(kind);
		seed_u16(leaf - first);
	}
	return any;
}

/* The first leaf of a kind that holds anything. */
static bool put_first(u8 kind, u64 first, u64 end)
{
	for (u64 leaf = first; leaf < end && leaf - first < 1000; leaf++)
		if (put_leaf(kind, first, leaf, kind == 2 ? 3 : 8))
			return true;
	return false;
}

static void seed_node(void)
{
	u64 first[] = { 0, v.geo.owner_leaf, v.geo.sector_leaf,
			v.geo.level_nodes[0] };
	bool any = false;
	char suffix[32];
	int files = 0;

	for (u8 kind = 0; kind < 3; kind++) {
		int leaves = 0;

		put_geometry();
		for (u64 leaf = first[kind]; leaf < first[kind + 1] &&
		     leaf - first[kind] < 1000 && leaves < 4; leaf++)
			leaves += put_leaf(kind, first[kind], leaf, 6);
		put_looks(leaves);
		if (!leaves) {
			len = 0;
			continue;
		}
		snprintf(suffix, sizeof(suffix), "-%d", files++);
		save("node", suffix);
	}
	/* Some of each kind, for check; the superblock's counts are wrong. */
	for (u8 how = 0; how < 2; how++) {
		put_geometry();
		for (u8 kind = 0; kind < 3; kind++)
			any |= put_first(kind, first[kind], first[kind + 1]);
		seed_u8(7);
		seed_u8(0x80 | (how ? 0x20 : 0x11));
		seed_u8(0);
		seed_u64(0);
		if (any)
			save("node", how ? "-check" : "-repair");
		len = 0;
	}
}

static int read_log(void *home, u64 seq, struct ic_log_block *block)
{
	(void)home;
	return dev_read(v.side, v.side_offset + IC_BLOCK_SIZE *
			ic_log_block_nr(&v.geo, seq), block, sizeof(*block)) ?
	       -EIO : 0;
}

static void put_log_block(const struct ic_log_block *b, u64 seq)
{
	u16 count = le16_to_cpu(b->count), n = count < 7 ? count : 7;
	bool last = le16_to_cpu(b->flags) & IC_LOG_LAST;
	u64 back = seq - le64_to_cpu(b->low);

	seed_u8(n | (last ? 16 : 0));
	seed_u8(back > 255 ? 255 : back);
	for (u16 i = 0; i < n; i++) {
		seed_u8(0x80);
		put(&b->entry[i], sizeof(b->entry[i]));
		if (le64_to_cpu(b->entry[i].what) >> 56 == IC_LOG_DATA)
			seed_u8(i & 3);
	}
	if (last)
		seed_u8(b->next_salt[0]);
}

/* A ring of 64 for as many owners and sectors as a small volume has. */
static void put_log(u8 flags, u64 seq)
{
	seed_u8(7 | 8 | flags);
	seed_u64(seq << 1);
	put("\1\2\3\0\1\2\3\0", 8);
	seed_u8(0);
	seed_u8(0x10);
	if (flags & 32)
		seed_u8(1);
}

/* The log that follows the tree, its first @most blocks. */
static int seed_log(u8 flags, int most)
{
	static const struct ic_recovery_ops ops = { .read_log = read_log };
	static struct ic_log_block block;
	static u8 data[IC_BLOCK_SIZE];
	u8 master[IC_KEY_SIZE];
	struct ic_recovery r = {
		.ops = &ops,
		.geo = &v.geo,
		.uuid = v.params.uuid,
		.log_master = master,
		.key = ic_meta_key_new(vk.key),
		.block = &block,
		.data = data,
	};
	struct ic_log_walk walk;
	char suffix[32];
	int blocks = 0;

	DIE_IF(!r.key);
	DIE_IF(ic_derive_volume_key(vk.key, v.params.uuid, IC_LABEL_LOG,
				    master));
	put_log(flags, v.state.log_seq);
	ic_log_walk_start(&walk, &r, &v.state);
	while (blocks < most && len + 400 < sizeof(out) &&
	       ic_log_walk_next(&walk) > 0) {
		put_log_block(&block, walk.at);
		blocks++;
	}
	ic_meta_key_free(r.key);
	snprintf(suffix, sizeof(suffix), "-%d-%d", flags >> 4, blocks);
	if (blocks)
		save("log", suffix);
	len = 0;
	return blocks;
}

/* An entry in few bytes, see fuzz_log.c. */
static void put_entry(u8 how, u8 nr, u8 seed, u8 data)
{
	seed_u8(how);
	seed_u8(nr);
	seed_u8(seed);
	if ((how & 7) == IC_LOG_DATA)
		seed_u8(data);
}

/* Each type of entry, at either end of what it may name; two cuts. */
static void seed_made(void)
{
	static const u8 ends[] = { 0, 8, 16, 32 };
	char suffix[32];

	for (u8 type = 1; type <= 5; type++)
		for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
			put_log(64, 100);
			for (u8 last = 0; last <= 16; last += 16) {
				seed_u8(1 | last);
				seed_u8(0);
				put_entry(type | ends[i], 3, type, 1);
				if (last)
					seed_u8(9);
			}
			snprintf(suffix, sizeof(suffix), "-%d-%d", type,
				 ends[i]);
			save("log", suffix);
		}
	/* Data blocks that are there, damaged, and not; then a later PUT. */
	for (u8 how = 1; how; how <<= 1) {
		put_log(64 | 128, 100);
		seed_u8(2);
		seed_u8(0);
		put_entry(IC_LOG_DATA, 3, 1, how);
		put_entry(IC_LOG_DATA, 4, 2, 2);
		seed_u8(2);
		seed_u8(4);
		put_entry(IC_LOG_PUT, 3, 0, 0);
		put_entry(IC_LOG_PUT, 4, 1, 0);
		snprintf(suffix, sizeof(suffix), "-data-%d", how);
		save("log", suffix);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3) {
		name = argv[1];
		corpus = argv[2];
		seed_made();
		return 0;
	}
	if (argc < 5) {
		fprintf(stderr,
			"usage: seed NAME CORPUS [KEYFILE IMAGE [SIDECAR]]\n");
		return 2;
	}
	name = argv[1];
	corpus = argv[2];
	mkdir(corpus, 0777);
	if (volume_open(&v, argv[4], argv[5], false) ||
	    secret_read(&vk, argv[3]) || volume_read_supers(&v, vk.key))
		return 1;
	seed_super();
	seed_node();
	/* With torn sectors; as a device that can't be read; cut short; checked. */
	seed_log(64, 99);
	seed_log(64 | 16, 2);
	seed_log(64 | 32, 4);
	seed_log(64 | 128, 4);
	volume_close(&v);
	return 0;
}
