// SPDX-License-Identifier: GPL-2.0-only
/*
 * damage: the volume that is damaged: commands for mkvol, and what they make of
 * each sector.
 *
 * Some of each leaf's even sectors are written, the volume's own and three owners' in
 * turn; later some odd ones, by others.  What a sector holds is told by a number
 * that grows with each step of the plan.
 */
#include <stdarg.h>
#include <string.h>

#include "damage.h"

#define PER_LEAF	127

const uint32_t key_slots[NR_KEYS] = { 0, 1, 200, 201 };

/* Two of them only the log knows, where there is one. */
static const struct {
	uint32_t	ino, key;
} owners[] = {
	{ 12, 0 }, { 300, 1 }, { 40000, 2 }, { 301, 0 }, { 50000, 3 },
};

static struct planned plan[SECTORS];
static uint8_t step;
static FILE *out;
static uint32_t log_blocks;	/* sealed ones, data blocks included */
static uint32_t open_data;	/* data blocks that the open one will have */
static bool is_data[LOG_BLOCKS];

static void say(const char *fmt, ...)
{
	va_list ap;

	if (!out)
		return;
	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
}

static void next_step(void)
{
	say("fill %u\n", ++step);
}

static uint32_t own_of(uint32_t k)
{
	static const uint32_t by_turn[] = { 12, 300, 40000, 0 };

	if (k & 1)
		return k == 1 ? 301 : 50000;
	return by_turn[k / 2 % 4];
}

/* @how as mkvol has it; "" is in place, and in the log. */
static void put(uint32_t leaf, uint32_t k, const char *how)
{
	uint32_t sector = leaf * PER_LEAF + k, ino = own_of(k), key = 0;
	bool logged = strcmp(how, "nolog");
	struct planned *p = &plan[sector];

	for (size_t i = 0; i < sizeof(owners) / sizeof(*owners); i++)
		if (owners[i].ino == ino)
			key = owners[i].key;
	if (ino)
		say("put %u 1 %u mk%u %s\n", sector, ino, key, how);
	else
		say("put %u 1 0 - %s\n", sector, how);
	p->owner = ino;
	p->had |= 1U << p->now | 1U << step;
	p->waits = !strcmp(how, "inlog");
	p->logged |= p->waits;
	p->open = logged && !p->waits;
	if (strcmp(how, "nodata"))
		p->now = step;
	if (logged)
		p->log = log_blocks;
	open_data += p->waits;
}

static void put_some(uint32_t leaf, uint32_t first, uint32_t last,
		     const char *how)
{
	for (uint32_t k = first; k <= last; k += 2)
		put(leaf, k, how);
}

static void zero(uint32_t leaf, uint32_t first, uint32_t last)
{
	say("zero %u %u\n", leaf * PER_LEAF + first, last - first + 1);
	for (uint32_t k = first; k <= last; k++) {
		struct planned *p = &plan[leaf * PER_LEAF + k];

		p->had |= 1U << p->now | 1;
		p->now = 0;
		p->waits = false;
		p->open = false;
		p->log = log_blocks;
	}
}

/* End the open block of the log. */
static void seal(const char *how)
{
	say("%s\n", how);
	log_blocks++;
	for (; open_data; open_data--)
		is_data[log_blocks++] = true;
}

static void owner(unsigned int i, const char *how)
{
	say("owner %u 1 %u mk%u %s\n", owners[i].ino,
	    key_slots[owners[i].key], owners[i].key, how);
}

static void plan_closed(void)
{
	for (uint32_t i = 0; i < 3; i++)
		say("key %u mk%u nolog\n", key_slots[i], i);
	for (uint32_t i = 0; i < 3; i++)
		owner(i, "nolog");
	next_step();
	for (uint32_t leaf = 0; leaf < SECTORS / PER_LEAF; leaf++) {
		put_some(leaf, 0, 50, "nolog");
		put_some(leaf, 100, PER_LEAF - 1, "nolog");
	}
	/* Twice, so that either place of each node was written. */
	say("commit\ncommit\n");
	/* The other superblock has these in its log. */
	next_step();
	for (uint32_t leaf = 0; leaf < SECTORS / PER_LEAF; leaf++)
		put_some(leaf, 100, 106, "");
	say("close\nmark\ncut\ncommit\n");
	for (uint32_t i = 0; i < SECTORS; i++) {
		plan[i].log = -1;
		plan[i].open = false;
	}
}

/* What comes before a mark is a fact; what is "inlog" comes after it. */
static void plan_cut(void)
{
	say("key %u mk3\n", key_slots[3]);
	owner(3, "");
	owner(4, "");
	next_step();
	for (uint32_t leaf = 0; leaf < SECTORS / PER_LEAF; leaf += 5)
		put_some(leaf, 12, 18, "");
	for (uint32_t leaf = 1; leaf < SECTORS / PER_LEAF; leaf += 5) {
		put_some(leaf, 1, 3, "");
		zero(leaf + 1, 20, 29);
	}
	seal("close");
	say("mark\n");
	for (uint32_t i = 0; i < SECTORS; i++)
		plan[i].open = false;

	next_step();
	for (uint32_t leaf = 0; leaf < SECTORS / PER_LEAF; leaf += 3)
		put_some(leaf, 2, 8, "inlog");
	seal("close");

	next_step();
	put_some(4, 32, 38, "");
	put_some(8, 32, 38, "");
	next_step();
	put_some(4, 42, 48, "nodata");
	put_some(8, 42, 48, "nodata");
	seal("cut");

	/* Over what the log has already: its data, and nothing. */
	next_step();
	put_some(3, 2, 2, "inlog");
	put_some(9, 2, 8, "inlog");
	put_some(2, 40, 46, "inlog");
	put_some(6, 4, 4, "");
	seal("close");
	zero(6, 6, 6);
	seal("close");
}

/**
 * plan_make() - make the plan
 * @state: CUT: what goes on top of CLOSED, too
 * @commands: where mkvol's commands go, of that state alone; or NULL
 */
void plan_make(enum vol_state state, FILE *commands)
{
	memset(plan, 0, sizeof(plan));
	memset(is_data, 0, sizeof(is_data));
	step = 0;
	open_data = 0;
	out = state == CLOSED ? commands : NULL;
	plan_closed();
	log_blocks = 0;
	out = commands;
	if (state == CUT)
		plan_cut();
	for (uint32_t i = 0; i < SECTORS; i++)
		plan[i].had |= 1U << plan[i].now;
}

/**
 * plan_sector() - what is known of a sector
 * @sector: number
 */
const struct planned *plan_sector(uint32_t sector)
{
	return &plan[sector];
}

/**
 * plan_log_blocks() - length of the log that opening has to apply
 */
uint32_t plan_log_blocks(void)
{
	return log_blocks;
}

/**
 * plan_log_is_data() - is this block of the log a data block?
 * @log: blocks before it
 */
bool plan_log_is_data(uint32_t log)
{
	return is_data[log];
}

/**
 * plan_owner_slot() - the key slot of an owner
 * @ino: inode number of an owner
 */
uint32_t plan_owner_slot(uint32_t ino)
{
	for (size_t i = 0; i < sizeof(owners) / sizeof(*owners); i++)
		if (owners[i].ino == ino)
			return key_slots[owners[i].key];
	return 0;
}
