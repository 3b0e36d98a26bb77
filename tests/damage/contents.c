// SPDX-License-Identifier: GPL-2.0-only
/*
 * damage: a sector's contents, as mkvol's command "fill" makes them.
 */
#include <endian.h>
#include <string.h>

#include "damage.h"

const char * const damage_names[NR_DAMAGES] = {
	[FLIP] = "flip", [ZERO] = "zero", [READ] = "read", [WRITE] = "write",
	[BOTH] = "both", [PENDING] = "pending",
};

const char * const kind_names[NR_KINDS] = {
	[SUPER_NEW]	= "newer superblock",
	[SUPER_OLD]	= "older superblock",
	[GAP]		= "beside a superblock",
	[LOG_BLOCK]	= "log block",
	[LOG_DATA]	= "data block of the log",
	[LOG_END]	= "block behind the log's end",
	[LOG_FREE]	= "free block of the log",
	[KEY_LEAF]	= "leaf of keys",
	[OWNER_LEAF]	= "leaf of owners",
	[SECTOR_LEAF]	= "leaf of sectors",
	[INNER]		= "inner node",
	[ROOT]		= "root",
	[OTHER_PLACE]	= "other place of a node",
	[NO_NODE]	= "place of no node",
	[DATA]		= "sector",
	[DATA_LOGGED]	= "sector whose data is logged",
	[DATA_OPEN]	= "sector being written",
	[DATA_FREE]	= "sector of zeros",
};

/**
 * contents() - which contents are these?
 * @sector: number
 * @buf: BLOCK bytes
 *
 * Return: their number, 0 for zeros, or -1: nothing that was ever written there.
 */
int contents(uint32_t sector, const void *buf)
{
	static uint8_t want[BLOCK];
	uint64_t word;

	memcpy(&word, buf, sizeof(word));
	word = le64toh(word);
	if (word && (word >> 8 != sector || !(word & 0xff)))
		return -1;
	fill(sector, word & 0xff, want);
	return memcmp(want, buf, BLOCK) ? -1 : (int)(word & 0xff);
}

/**
 * fill() - make contents
 * @sector: number
 * @number: of the contents, 0 for zeros
 * @buf: receives BLOCK bytes
 */
void fill(uint32_t sector, uint8_t number, void *buf)
{
	uint64_t word = number ? htole64((uint64_t)sector << 8 | number) : 0;

	for (size_t i = 0; i < BLOCK; i += sizeof(word))
		memcpy((uint8_t *)buf + i, &word, sizeof(word));
}
