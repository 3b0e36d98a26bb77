/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * damage: damage a volume's blocks, one at a time, and judge what is lost.
 *
 * A "block" is 4096 bytes of either device, which is a sector of the volume, too.
 */
#ifndef DAMAGE_H
#define DAMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define BLOCK		4096
#define SECTORS		1270	/* of the volume: 10 leaves of 127 */
#define OWNERS		62992	/* 496 leaves, so that the sectors' are under two nodes */
#define LOG_BLOCKS	64
#define PROBE		31	/* contents that a trial writes */

enum vol_state { CLOSED, CUT };
enum damage { FLIP, ZERO, READ, WRITE, BOTH, PENDING, NR_DAMAGES };

/* What a block is, in this state of the volume. */
enum kind {
	SUPER_NEW, SUPER_OLD, GAP,
	LOG_BLOCK, LOG_DATA, LOG_END, LOG_FREE,
	KEY_LEAF, OWNER_LEAF, SECTOR_LEAF, INNER, ROOT,
	OTHER_PLACE,	/* of a node that is there: the next checkpoint may write it */
	NO_NODE,	/* either place of a node that is all zero */
	DATA,
	DATA_LOGGED,	/* its data is in the log only */
	DATA_OPEN,	/* the log does not say whether its data is in place */
	DATA_FREE,
	NR_KINDS
};

/* Which device a block is on. */
enum { ON_DATA, ON_SIDE, NR_DEVS };

/**
 * struct spot - a block that can be damaged
 * @dev: ON_DATA or ON_SIDE
 * @block: number, from the start of the data area or the sidecar
 * @level: of a node
 * @index: of a node, within its level
 * @log: of a block of the log: how many are before it
 */
struct spot {
	int		dev;
	uint64_t	block;
	enum kind	kind;
	uint32_t	level;
	uint64_t	index;
	uint32_t	log;
};

/**
 * struct planned - what is known of a sector
 * @now: number of its contents; 0: zeros
 * @had: contents it had at some time, by bit
 * @owner: inode number, 0: the volume
 * @log: last block of the log that says anything about it; -1: none
 * @waits: its data is in the log only
 * @logged: the log has data of it, maybe of another writing
 * @open: the log does not say whether its data is in place
 */
struct planned {
	uint8_t		now;
	uint32_t	had;
	uint32_t	owner;
	int		log;
	bool		waits;
	bool		logged;
	bool		open;
};

/**
 * struct expected - what a trial may lose
 * @lost: this sector may be an error
 * @old: and may have contents from before
 * @written: has contents PROBE
 * @maybe: has them, or not
 * @opens: the volume has to open for writing
 * @reads: the volume has to open at all
 */
struct expected {
	bool	lost[SECTORS];
	bool	old[SECTORS];
	bool	written[SECTORS];
	bool	maybe[SECTORS];
	bool	opens, reads;
};

extern const char * const damage_names[NR_DAMAGES];
extern const char * const kind_names[NR_KINDS];

/* plan.c */
#define NR_KEYS		4
extern const uint32_t key_slots[NR_KEYS];

void plan_make(enum vol_state state, FILE *commands);
const struct planned *plan_sector(uint32_t sector);
uint32_t plan_log_blocks(void);
uint32_t plan_owner_slot(uint32_t ino);
bool plan_log_is_data(uint32_t log);

/* layout.c */
uint64_t layout_read(const char *vk, const char *data, const char *side);
struct spot layout_spot(int dev, uint64_t block);
uint64_t layout_blocks(int dev);
void layout_under(uint32_t level, uint64_t index, uint64_t *first,
		  uint64_t *end);
uint64_t layout_owner_leaf(uint32_t ino);
uint64_t layout_key_leaf(uint32_t slot);
uint64_t layout_sector_leaf(uint32_t sector);
uint64_t layout_data_offset(void);

/* expect.c */
void expect(const struct spot *spot, enum damage damage, enum vol_state state,
	    struct expected *e);

/* contents.c */
int contents(uint32_t sector, const void *buf);
void fill(uint32_t sector, uint8_t number, void *buf);

#endif /* DAMAGE_H */
