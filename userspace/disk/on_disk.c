// SPDX-License-Identifier: GPL-2.0-only
/*
 * Find a volume on its devices, authenticate its superblock, walk its tree.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disk/disk.h"

/**
 * volume_data_offset() - where the data area begins on its device
 * @geo: geometry
 * @sidecar: the sidecar has a device of its own
 *
 * Return: bytes.
 */
u64 volume_data_offset(const struct ic_geometry *geo, bool sidecar)
{
	u64 len;

	if (sidecar)
		return HEADER_BYTES;
	len = geo->blocks * IC_BLOCK_SIZE;
	return HEADER_BYTES + (len + ALIGN_BYTES - 1) / ALIGN_BYTES *
			      ALIGN_BYTES;
}

/**
 * volume_open() - open a volume's devices for reading
 * @v: to fill in; volume_close() afterwards, whatever this returns
 * @dev: device of the data, and of the sidecar if it has none of its own
 * @sidecar: device of the sidecar, or NULL
 * @exclusive: fail if they are in use
 *
 * Return: 0 or an exit code.
 */
int volume_open(struct volume *v, const char *dev, const char *sidecar,
		bool exclusive)
{
	int ret;

	memset(v, 0, sizeof(*v));
	v->current = -1;
	ret = dev_open(&v->data, dev, false, exclusive);
	if (!ret && sidecar)
		ret = dev_open(&v->side_dev, sidecar, false, exclusive);
	v->side = sidecar ? &v->side_dev : &v->data;
	v->side_offset = sidecar ? 0 : HEADER_BYTES;
	return ret;
}

static unsigned long long copy_offset(const struct volume *v, unsigned int n)
{
	return v->side_offset + IC_SUPER_BLOCK(n) * IC_BLOCK_SIZE;
}

/* Read and judge one copy of the superblock. */
static int read_copy(struct volume *v, unsigned int n, const u8 *vk)
{
	struct ic_super *sb = &v->raw[n];
	struct ic_meta_key *key;
	u8 raw_key[IC_KEY_SIZE];

	/* One of the two copies may be unreadable. */
	if (dev_read(v->side, copy_offset(v, n), sb, sizeof(*sb))) {
		ic_super_unread(&v->copy[n], -EIO);
		return 0;
	}
	if (ic_derive_volume_key(vk, sb->clear.uuid, IC_LABEL_SUPER, raw_key))
		return fail(EX_FAIL, "libcrypto fails");
	key = ic_meta_key_new(raw_key);
	explicit_bzero(raw_key, sizeof(raw_key));
	if (!key)
		return fail(EX_FAIL, "libcrypto fails");
	ic_super_judge(sb, n, key, &v->copy[n]);
	ic_meta_key_free(key);
	return 0;
}

/* No copy can be gone on from, or none may be: say why, and which it is. */
static int refuse_supers(const struct volume *v, int err, const char *why)
{
	const char *at = v->side->path;
	int strange = -1;

	for (int n = 0; n < 2; n++)
		if (v->copy[n].verdict == IC_SUPER_STRANGE && strange < 0 &&
		    v->copy[n].why == why)
			strange = n;
	if (err == -ENODATA && strange < 0)
		return fail(EX_NOVOLUME, v->side == &v->side_dev ?
			    "no inocrypt superblock at the start of %s" :
			    "no inocrypt superblock at 16 MiB of %s; if its sidecar is on another device, give --sidecar",
			    at);
	if (err == -EUCLEAN && strange < 0)
		return fail(EX_AUTH,
			    "%s: %s (at bytes %llu and %llu); see tool.md, \"Checking a volume\"",
			    at, why, copy_offset(v, 0), copy_offset(v, 1));
	if (err == -EUCLEAN)
		return fail(EX_AUTH,
			    "%s: %s (copy %d, at byte %llu); see tool.md, \"Checking a volume\"",
			    at, why, strange, copy_offset(v, strange));
	if (strange >= 0)
		return fail(EX_NOVOLUME,
			    "%s: %s, in a superblock that is authentic (copy %d, at byte %llu): a newer inocrypt may have written it",
			    at, why, strange, copy_offset(v, strange));
	return fail(err == -EINVAL ? EX_NOVOLUME : errno_code(-err), "%s: %s",
		    at, why);
}

/**
 * volume_read_supers() - find the volume's state
 * @v: opened; on success its params, state and geometry are authentic
 * @vk: volume key
 *
 * Return: 0 or an exit code.
 */
int volume_read_supers(struct volume *v, const u8 vk[IC_KEY_SIZE])
{
	bool two = v->side == &v->side_dev;
	const char *why = NULL;
	u8 raw_key[IC_KEY_SIZE];
	int ret;

	if (v->side->bytes < v->side_offset +
			     IC_FIRST_BLOCK * (u64)IC_BLOCK_SIZE)
		return fail(EX_NOVOLUME, "%s is too small for a volume",
			    v->side->path);
	for (unsigned int n = 0; n < 2; n++) {
		ret = read_copy(v, n, vk);
		if (ret)
			return ret;
	}
	v->current = ic_super_choose(v->copy, &why);
	if (v->current < 0) {
		ret = refuse_supers(v, v->current, why);
		v->current = -1;
		return ret;
	}
	v->params = v->copy[v->current].params;
	v->state = v->copy[v->current].state;
	ic_geometry_init(&v->geo, &v->params);
	v->data_offset = volume_data_offset(&v->geo, two);
	if (v->side->bytes < v->side_offset + v->geo.blocks * IC_BLOCK_SIZE)
		return fail(EX_NOVOLUME, "%s is smaller than its sidecar",
			    v->side->path);
	if (v->data.bytes < v->data_offset +
			    v->params.data_sectors * v->params.sector_size)
		return fail(EX_NOVOLUME,
			    "%s is smaller than the volume's data (%llu bytes from byte %llu on)",
			    v->data.path,
			    (unsigned long long)v->params.data_sectors *
			    v->params.sector_size,
			    (unsigned long long)v->data_offset);
	if (ic_derive_volume_key(vk, v->params.uuid, IC_LABEL_NODE, raw_key))
		return fail(EX_FAIL, "libcrypto fails");
	v->node_key = ic_meta_key_new(raw_key);
	explicit_bzero(raw_key, sizeof(raw_key));
	return v->node_key ? 0 : fail(EX_FAIL, "libcrypto fails");
}

/**
 * volume_close() - close its devices, wipe its keys
 * @v: given to volume_open()
 */
void volume_close(struct volume *v)
{
	dev_close(&v->data);
	dev_close(&v->side_dev);
	ic_meta_key_free(v->node_key);
	v->node_key = NULL;
}

/**
 * tree_offset() - where a node is
 * @v: volume
 * @step: node
 * @place: 0 or 1
 *
 * Return: bytes from the start of the sidecar's device.
 */
u64 tree_offset(const struct volume *v, const struct path_step *step,
		u32 place)
{
	return v->side_offset + IC_BLOCK_SIZE *
	       ic_node_block(&v->geo, step->level, step->index, place);
}

/* Index of a node's ancestor @up levels above it. */
static u64 ancestor(u64 index, u32 up)
{
	while (up--)
		index /= IC_FANOUT;
	return index;
}

/**
 * tree_walk() - go from the root to a node, checking all on the way
 * @v: volume with its superblock read
 * @level: the node's
 * @index: the node's
 * @path: receives the way and the node
 *
 * Return: 0 or an exit code.
 */
int tree_walk(struct volume *v, u32 level, u64 index,
	      struct tree_path *path)
{
	bool zero = mem_is_zero(v->state.root_tag, IC_TAG_SIZE);
	u32 place = v->state.root_place;
	u64 word = 0;

	memset(path, 0, sizeof(*path));
	if (level >= v->geo.levels || index >= v->geo.level_nodes[level])
		return fail(EX_USAGE, "no node %llu on level %u",
			    (unsigned long long)index, level);
	for (u32 l = v->geo.levels; l-- > level;) {
		struct path_step *step = &path->step[path->steps++];
		struct ic_node *node = &path->node;
		bool root = l == v->geo.levels - 1;
		int ret;

		step->level = l;
		step->index = ancestor(index, l - level);
		step->place = place;
		step->zero = zero;
		step->lost = !root && word == IC_WORD_LOST;
		if (zero || step->lost) {
			memset(node, 0, sizeof(*node));
			if (step->lost)
				ic_node_lost(node, &v->geo, l, step->index);
			continue;
		}
		ret = dev_read(v->side, tree_offset(v, step, place), node,
			       sizeof(*node));
		if (ret) {
			memset(node, 0, sizeof(*node));
			return ret;
		}
		/* The superblock keeps all of the tag, a word 63 bits of it. */
		if ((root ? memcmp(node->tag, v->state.root_tag, IC_TAG_SIZE) :
			    ic_word(node->tag, place) != word) ||
		    ic_node_open(node, v->node_key, v->params.uuid, l,
				 step->index)) {
			memset(node, 0, sizeof(*node));
			return fail(EX_AUTH,
				    "node %llu of level %u, place %u, at byte %llu of %s isn't the one its parent names",
				    (unsigned long long)step->index, l, place,
				    (unsigned long long)
				    tree_offset(v, step, place),
				    v->side->path);
		}
		if (l == level)
			break;
		word = le64_to_cpu(node->word[ancestor(index, l - 1 - level) %
					      IC_FANOUT]);
		zero = !word;
		place = ic_word_place(word);
	}
	return 0;
}
