// SPDX-License-Identifier: GPL-2.0-only
/*
 * forge - what somebody who holds the volume key, but no master key, can do to
 * a closed volume: change sector records and seal the tree again, up to the
 * superblock.  The target has to refuse such sectors by their own tags.
 * libs: -lcrypto
 *
 * usage: forge VKFILE DEV SIDECAR|- copy FROM TO [OWNER]
 *	  forge VKFILE DEV SIDECAR|- swap A B
 *	  forge VKFILE DEV SIDECAR|- owner SECTOR OWNER
 *	  forge VKFILE DEV SIDECAR|- super COPY OFFSET BYTE
 *
 * copy takes record and ciphertext from one sector to another, as that of OWNER
 * if given; swap exchanges two sectors with their records; super changes a byte of
 * a superblock copy under its tag, as a version to come might write it.
 */
#include "../../../shared/format.c"
#include "../../../shared/derive.c"
#include "../../../userspace/port/libcrypto.c"
#include "../../../userspace/base/say.c"
#include "../../../userspace/base/shown.c"
#include "../../../userspace/base/parse.c"
#include "../../../userspace/disk/device.c"
#include "../../../userspace/disk/on_disk.c"

#include <err.h>

static struct volume v;
static struct secret vk;

/* Leaf and slot of a sector's record. */
static u64 leaf_of(u64 sector)
{
	return v.geo.sector_leaf + sector / IC_LEAF_RECORDS;
}

static void read_record(u64 sector, union ic_record *rec)
{
	struct tree_path path;

	if (tree_walk(&v, 0, leaf_of(sector), &path))
		exit(1);
	*rec = path.node.rec[sector % IC_LEAF_RECORDS];
}

static void seal_node(struct ic_node *node, const struct path_step *step)
{
	struct ic_node plain = *node;
	u8 nonce[IC_NONCE_SIZE];
	int ret;

	do {
		*node = plain;
		if (random_bytes(nonce, sizeof(nonce)))
			exit(1);
		ret = ic_node_seal(node, v.node_key, v.params.uuid,
				   step->level, step->index, nonce);
	} while (ret == -EAGAIN);
	if (ret)
		errx(1, "can't seal");
	if (dev_write_block(v.side, tree_offset(&v, step, step->place), node))
		exit(1);
}

/* The superblock that is current, with another root tag. */
static void seal_super(const u8 root_tag[IC_TAG_SIZE])
{
	u8 raw[IC_KEY_SIZE], nonce[IC_NONCE_SIZE];
	u8 block[IC_BLOCK_SIZE] = { 0 };
	struct ic_meta_key *key;

	memcpy(v.state.root_tag, root_tag, IC_TAG_SIZE);
	if (ic_derive_volume_key(vk.key, v.params.uuid, IC_LABEL_SUPER, raw) ||
	    random_bytes(nonce, sizeof(nonce)))
		errx(1, "libcrypto fails");
	key = ic_meta_key_new(raw);
	if (!key || ic_super_seal((struct ic_super *)block, key, &v.params,
				  &v.state, nonce))
		errx(1, "can't seal");
	ic_meta_key_free(key);
	if (dev_write_block(v.side, v.side_offset +
			    IC_SUPER_BLOCK(v.current) * IC_BLOCK_SIZE, block))
		exit(1);
}

/* One byte of a superblock copy's plaintext, under its tag. */
static void super_byte(u64 copy, u64 offset, const char *value)
{
	u8 block[IC_BLOCK_SIZE] = { 0 }, raw[IC_KEY_SIZE];
	struct ic_super *sb = (struct ic_super *)block;
	struct ic_meta_key *key;
	u64 byte;

	if (copy > 1 || offset >= sizeof(*sb) || !value ||
	    !parse_u64(value, &byte))
		errx(2, "usage: forge VKFILE DEV SIDECAR|- super COPY OFFSET BYTE");
	*sb = v.raw[copy];
	((u8 *)sb)[offset] = byte;
	if (ic_derive_volume_key(vk.key, sb->clear.uuid, IC_LABEL_SUPER, raw) ||
	    random_bytes(sb->nonce, sizeof(sb->nonce)))
		errx(1, "libcrypto fails");
	key = ic_meta_key_new(raw);
	if (!key || ic_meta_seal(key, sb->nonce, &sb->clear, sizeof(sb->clear),
				 &sb->state, sizeof(sb->state), sb->tag))
		errx(1, "can't seal");
	ic_meta_key_free(key);
	if (dev_write_block(v.side, v.side_offset +
			    IC_SUPER_BLOCK(copy) * IC_BLOCK_SIZE, block))
		exit(1);
}

/* Put a record in place, and seal the way up to the root anew. */
static void write_record(u64 sector, const union ic_record *rec)
{
	struct tree_path path, part;
	struct ic_node node;
	u8 tag[IC_TAG_SIZE] = { 0 };
	unsigned int i;

	if (tree_walk(&v, 0, leaf_of(sector), &path))
		exit(1);
	node = path.node;
	node.rec[sector % IC_LEAF_RECORDS] = *rec;
	for (i = path.steps; i-- > 0;) {
		const struct path_step *step = &path.step[i];

		if (step->zero)
			errx(1, "nothing was ever written near sector %llu",
			     (unsigned long long)sector);
		/* The parent, before its child on the disk changes. */
		if (i && tree_walk(&v, path.step[i - 1].level,
				   path.step[i - 1].index, &part))
			exit(1);
		seal_node(&node, step);
		memcpy(tag, node.tag, sizeof(tag));
		if (!i)
			break;
		node = part.node;
		node.word[step->index % IC_FANOUT] =
			cpu_to_le64(ic_word(tag, step->place));
	}
	seal_super(tag);
}

static void data_io(bool writing, u64 sector, u8 *buf)
{
	u64 pos = v.data_offset + sector * v.params.sector_size;
	u8 block[IC_BLOCK_SIZE];
	u64 skip = pos % IC_BLOCK_SIZE;

	if (dev_read(&v.data, pos - skip, block, sizeof(block)))
		exit(1);
	if (!writing) {
		memcpy(buf, block + skip, v.params.sector_size);
		return;
	}
	memcpy(block + skip, buf, v.params.sector_size);
	if (dev_write_block(&v.data, pos - skip, block))
		exit(1);
}

static void copy(u64 from, u64 to, const char *owner)
{
	u8 buf[IC_MAX_SECTOR_SIZE];
	union ic_record rec;

	read_record(from, &rec);
	data_io(false, from, buf);
	if (owner)
		rec.sector.owner = cpu_to_le32(strtoul(owner, NULL, 0));
	data_io(true, to, buf);
	write_record(to, &rec);
}

static void swap(u64 a, u64 b)
{
	u8 buf[2][IC_MAX_SECTOR_SIZE];
	union ic_record rec[2];

	read_record(a, &rec[0]);
	read_record(b, &rec[1]);
	data_io(false, a, buf[0]);
	data_io(false, b, buf[1]);
	data_io(true, a, buf[1]);
	data_io(true, b, buf[0]);
	write_record(a, &rec[1]);
	write_record(b, &rec[0]);
}

int main(int argc, char **argv)
{
	const char *what = argc >= 7 ? argv[4] : "", *side;
	u64 a, b;

	if (argc < 7 || argc > 8 || !parse_u64(argv[5], &a) ||
	    !parse_u64(argv[6], &b))
		errx(2, "usage: forge VKFILE DEV SIDECAR|- copy|swap|owner|super A B [C]");
	side = strcmp(argv[3], "-") ? argv[3] : NULL;
	if (volume_open(&v, argv[2], side, true) ||
	    secret_read(&vk, argv[1]) || volume_read_supers(&v, vk.key))
		return 1;
	/* volume_open() opened them for reading. */
	dev_close(&v.data);
	dev_close(&v.side_dev);
	if (dev_open(&v.data, argv[2], true, true) ||
	    (side && dev_open(&v.side_dev, side, true, true)))
		return 1;
	if (!strcmp(what, "copy")) {
		copy(a, b, argv[7]);
	} else if (!strcmp(what, "swap")) {
		swap(a, b);
	} else if (!strcmp(what, "owner")) {
		union ic_record rec;

		read_record(a, &rec);
		rec.sector.owner = cpu_to_le32(b);
		write_record(a, &rec);
	} else if (!strcmp(what, "super")) {
		super_byte(a, b, argv[7]);
	} else {
		errx(2, "forge: no such act as %s", what);
	}
	if (dev_flush(&v.data) || dev_flush(v.side))
		return 1;
	volume_close(&v);
	return 0;
}
