// SPDX-License-Identifier: GPL-2.0-only
/*
 * damage: what docs/tool.md says that a damaged block costs, and no more.
 */
#include <string.h>

#include "damage.h"

/* All that needs one of these leaves: sectors, sectors of owners, of keys. */
static void lose_leaves(uint64_t first, uint64_t end, struct expected *e)
{
	for (uint32_t i = 0; i < SECTORS; i++) {
		const struct planned *p = plan_sector(i);
		uint64_t leaf = layout_sector_leaf(i);

		if (leaf >= first && leaf < end)
			e->lost[i] = true;
		if (!p->owner)
			continue;
		leaf = layout_owner_leaf(p->owner);
		if (leaf >= first && leaf < end)
			e->lost[i] = true;
		leaf = layout_key_leaf(plan_owner_slot(p->owner));
		if (leaf >= first && leaf < end)
			e->lost[i] = true;
	}
}

/* What block @log, or a later one, says: all contents since then are possible. */
static void lose_log(uint32_t log, struct expected *e)
{
	for (uint32_t i = 0; i < SECTORS; i++) {
		if (plan_sector(i)->log < (int)log)
			continue;
		e->lost[i] = true;
		e->old[i] = true;
	}
}

/* The log block that a data block belongs to. */
static uint32_t log_block_of(uint32_t log)
{
	while (log && plan_log_is_data(log))
		log--;
	return log;
}

static void expect_gone(const struct spot *spot, enum damage damage,
			struct expected *e)
{
	const struct planned *p = plan_sector(spot->block % SECTORS);
	uint64_t first, end;

	switch (spot->kind) {
	case ROOT:
		memset(e->lost, true, sizeof(e->lost));
		break;
	case KEY_LEAF:
	case OWNER_LEAF:
	case SECTOR_LEAF:
	case INNER:
		layout_under(spot->level, spot->index, &first, &end);
		lose_leaves(first, end, e);
		break;
	case LOG_BLOCK:
	case LOG_DATA:
		lose_log(log_block_of(spot->log), e);
		break;
	case DATA:
		e->lost[spot->block] = true;
		break;
	case DATA_LOGGED:
		/* It is put in place again. */
		e->lost[spot->block] = damage == READ || damage == BOTH;
		break;
	case DATA_OPEN:
		/* Not known to be written: what was there before is as good. */
		e->lost[spot->block] = true;
		e->old[spot->block] = p->now;
		break;
	default:
		/* SUPER_NEW: the other one, with its log, says the same. */
		break;
	}
}

/*
 * A device's error may pass: where opening for writing would make final what it
 * costs, it is refused, and only reading is possible.
 */
static bool may_refuse(const struct spot *spot, enum damage damage,
		       enum vol_state state)
{
	bool no_read = damage != WRITE;
	bool no_write = damage == WRITE || damage == BOTH;

	switch (spot->kind) {
	case SUPER_NEW:
		return no_read;
	case SUPER_OLD:
		/* Where the log has a cut, it may be the newer one. */
		return no_write || state == CUT;
	case LOG_BLOCK:
	case LOG_DATA:
		return no_read;
	case KEY_LEAF:
	case OWNER_LEAF:
	case SECTOR_LEAF:
	case INNER:
		return no_read && state == CUT;
	case ROOT:
		return no_read;
	case OTHER_PLACE:
		return no_write && state == CUT;
	case DATA_LOGGED:
		return no_write;
	case DATA_OPEN:
		/* If the log has other data of it. */
		return no_read && plan_sector(spot->block)->logged;
	default:
		return false;
	}
}

/**
 * expect() - what may be lost with this block?
 * @spot: the block
 * @damage: what is done to it
 * @state: of the volume
 * @e: receives it
 */
void expect(const struct spot *spot, enum damage damage, enum vol_state state,
	    struct expected *e)
{
	memset(e, 0, sizeof(*e));
	if (damage <= ZERO)
		e->opens = spot->kind != ROOT;
	else
		e->opens = !may_refuse(spot, damage, state);
	/* Reading only, too, nobody is shown less than was synced unasked. */
	e->reads = damage == WRITE ||
		   (spot->kind != ROOT && (damage <= ZERO ||
		    (spot->kind != LOG_BLOCK && spot->kind != LOG_DATA)));
	/* What only refuses to be written can still be read. */
	if (damage != WRITE)
		expect_gone(spot, damage, e);
	else if (spot->kind == DATA_LOGGED)
		e->lost[spot->block] = true;
}
