// SPDX-License-Identifier: GPL-2.0-only
/*
 * damage: what each block of the volume is, by docs/format.md.
 */
#include "../../shared/format.c"
#include "../../shared/derive.c"
#include "../../userspace/port/libcrypto.c"
#include "../../userspace/base/say.c"
#include "../../userspace/base/shown.c"
#include "../../userspace/base/parse.c"
#include "../../userspace/disk/device.c"
#include "../../userspace/disk/on_disk.c"

#include <err.h>

#include "damage.h"

static struct volume v;
static bool *there[IC_MAX_LEVELS];	/* nodes that aren't all zero */
static u8 *places[IC_MAX_LEVELS];	/* the place that counts */

/**
 * layout_read() - take the layout from a closed volume that is whole
 * @vk: file of the volume key
 * @data: data image, with its header area
 * @side: sidecar image
 *
 * Return: blocks of the sidecar.
 */
uint64_t layout_read(const char *vk, const char *data, const char *side)
{
	struct secret key;

	if (volume_open(&v, data, side, false) || secret_read(&key, vk) ||
	    volume_read_supers(&v, key.key))
		exit(1);
	if (v.params.data_sectors != SECTORS || v.params.owners != OWNERS ||
	    v.params.log_blocks != LOG_BLOCKS || v.geo.levels != 3)
		errx(1, "not a volume of %d sectors, %d owners, %d blocks of log in 3 levels",
		     SECTORS, OWNERS, LOG_BLOCKS);
	for (u32 level = 0; level < v.geo.levels; level++) {
		u64 n = v.geo.level_nodes[level];

		there[level] = calloc(n, sizeof(bool));
		places[level] = calloc(n, 1);
		if (!there[level] || !places[level])
			errx(1, "out of memory");
		for (u64 i = 0; i < n; i++) {
			struct path_step *step;
			struct tree_path path;

			if (tree_walk(&v, level, i, &path))
				exit(1);
			step = &path.step[path.steps - 1];
			there[level][i] = !step->zero;
			places[level][i] = step->place;
		}
	}
	return v.geo.blocks;
}

/**
 * layout_blocks() - length of the data area or the sidecar
 * @dev: ON_DATA or ON_SIDE
 */
uint64_t layout_blocks(int dev)
{
	return dev == ON_DATA ? v.params.data_sectors : v.geo.blocks;
}

/**
 * layout_data_offset() - bytes before the data area in its image
 */
uint64_t layout_data_offset(void)
{
	return v.data_offset;
}

static void node_spot(struct spot *s, uint64_t number, u32 place)
{
	u32 level = 0;

	while (level + 1 < v.geo.levels &&
	       number >= v.geo.level_base[level + 1])
		level++;
	s->level = level;
	s->index = number - v.geo.level_base[level];
	if (!there[level][s->index])
		s->kind = NO_NODE;
	else if (places[level][s->index] != place)
		s->kind = OTHER_PLACE;
	else if (level)
		s->kind = level == v.geo.levels - 1 ? ROOT : INNER;
	else if (s->index < v.geo.owner_leaf)
		s->kind = KEY_LEAF;
	else
		s->kind = s->index < v.geo.sector_leaf ? OWNER_LEAF :
							 SECTOR_LEAF;
}

static void log_spot(struct spot *s)
{
	u64 at = s->block - v.geo.log_start;
	u64 first = v.state.log_seq % v.geo.log_blocks;

	s->log = (at + v.geo.log_blocks - first) % v.geo.log_blocks;
	if (s->log < plan_log_blocks())
		s->kind = plan_log_is_data(s->log) ? LOG_DATA : LOG_BLOCK;
	else
		s->kind = s->log == plan_log_blocks() ? LOG_END : LOG_FREE;
}

/**
 * layout_spot() - what is this block?
 * @dev: ON_DATA or ON_SIDE
 * @block: within layout_blocks()
 */
struct spot layout_spot(int dev, uint64_t block)
{
	struct spot s = { .dev = dev, .block = block };

	if (dev == ON_DATA) {
		const struct planned *p = plan_sector(block);

		if (p->waits)
			s.kind = DATA_LOGGED;
		else if (p->open)
			s.kind = DATA_OPEN;
		else
			s.kind = p->now ? DATA : DATA_FREE;
	} else if (block == IC_SUPER_BLOCK(0) || block == IC_SUPER_BLOCK(1)) {
		s.kind = block == IC_SUPER_BLOCK(v.state.epoch & 1) ?
			 SUPER_NEW : SUPER_OLD;
	} else if (block < IC_FIRST_BLOCK) {
		s.kind = GAP;
	} else if (block < v.geo.place_start[0]) {
		log_spot(&s);
	} else {
		u32 place = block >= v.geo.place_start[1];

		node_spot(&s, block - v.geo.place_start[place], place);
	}
	return s;
}

/**
 * layout_under() - the leaves below a node
 * @level: of the node
 * @index: of the node
 * @first: receives the first one
 * @end: receives the one behind the last
 */
void layout_under(uint32_t level, uint64_t index, uint64_t *first,
		  uint64_t *end)
{
	*first = index;
	*end = index + 1;
	while (level--) {
		*first *= IC_FANOUT;
		*end *= IC_FANOUT;
	}
}

/**
 * layout_owner_leaf() - where an owner's record is
 * @ino: inode number
 */
uint64_t layout_owner_leaf(uint32_t ino)
{
	return v.geo.owner_leaf + ino / IC_LEAF_RECORDS;
}

/**
 * layout_key_leaf() - where a key's record is
 * @slot: key slot
 */
uint64_t layout_key_leaf(uint32_t slot)
{
	return slot / IC_LEAF_RECORDS;
}

/**
 * layout_sector_leaf() - where a sector's record is
 * @sector: number
 */
uint64_t layout_sector_leaf(uint32_t sector)
{
	return v.geo.sector_leaf + sector / IC_LEAF_RECORDS;
}
