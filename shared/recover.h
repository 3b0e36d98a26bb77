/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recovery: bring the committed tree up to what the log says.
 */
#ifndef IC_RECOVER_H
#define IC_RECOVER_H

#include "log_format.h"

/**
 * struct ic_try - a sector that the disk is asked about
 * @sector: crypto sector
 * @rec: for @verify: its record
 * @head: from @read_heads: the first IC_HEAD_SIZE bytes of its ciphertext
 * @err: from both: 0 or a negative errno
 * @of: for @verify: which of those for @read_heads it is
 */
struct ic_try {
	u64			sector;
	struct ic_sector_record	rec;
	u8			head[IC_HEAD_SIZE];
	int			err;
	u32			of;
};

/**
 * struct ic_recovery_ops - what recovery asks of its home
 * @read_log: read block number @seq of the log, as it is on the disk
 * @read_heads: read the beginnings of @n sectors, side by side if that is faster;
 *	one that can't be read is left unsettled
 * @get_sector: copy a sector's record
 * @set_sector: change it
 * @set_data: likewise, for a sector whose data is in the log: nothing about it
 *	is unsettled any more
 * @redo: put a sector's data in its place, IC_BLOCK_SIZE bytes, and return 1; or
 *	0 if it is given up: without it the log must not go
 * @set_owner: change an owner record
 * @set_key: change a key record
 * @zero: make the records of sectors [first, last] zero
 * @unsettled: the data can't be read, so that it isn't known whether this record
 *	or the one before holds: keep both, unless nothing is committed
 * @verify: do @n volume-key sectors authenticate?  0, -EBADMSG, or an error that
 *	leaves one as it is.  NULL if no sector can be torn.
 * @pause: a read failed and is tried again: give the error time to pass
 * @claim: before anything is committed: a superblock was passed over, see
 *	ic_commit_same().  NULL if nothing is ever committed
 * @progress: called after each block: a good time to write changes out, or to
 *	stop
 *
 * Those with a result return 0 or a negative errno, which ends recovery.
 * Any may sleep.
 */
struct ic_recovery_ops {
	int (*read_log)(void *home, u64 seq, struct ic_log_block *block);
	void (*read_heads)(void *home, struct ic_try *tries, u32 n);
	int (*get_sector)(void *home, u64 sector, struct ic_sector_record *rec);
	int (*set_sector)(void *home, u64 sector,
			  const struct ic_sector_record *rec);
	int (*set_data)(void *home, u64 sector,
			const struct ic_sector_record *rec);
	int (*redo)(void *home, u64 sector, const void *data);
	int (*set_owner)(void *home, u32 ino, const union ic_record *rec);
	int (*set_key)(void *home, u32 slot, const union ic_record *rec);
	int (*zero)(void *home, u64 first, u64 last);
	int (*unsettled)(void *home, u64 sector,
			 const struct ic_sector_record *rec,
			 const u8 head[IC_HEAD_SIZE]);
	void (*verify)(void *home, struct ic_try *tries, u32 n);
	void (*pause)(void *home);
	int (*claim)(void *home);
	int (*progress)(void *home);
};

/**
 * struct ic_recovery - one run of recovery
 * @ops: the home's
 * @home: handed to @ops
 * @geo: the volume's
 * @uuid: the volume's
 * @log_master: ic_derive_volume_key() with IC_LABEL_LOG
 * @key: a key of the home's, set to one salt's after the other
 * @block: buffer for one block
 * @data: buffer for one data block
 * @tries: buffer for IC_LOG_TRIES of them
 * @zero_torn: a sector of which the disk has neither the old nor the new contents
 *	becomes zero, whatever it was before; needs @ops->verify
 * @read_only: nothing is committed, and nothing is to be written
 * @super_unread: one of the superblocks could not be read, and may be the newer one
 * @give_up_unreadable: go on without what can't be read, whatever that costs
 * @start: out: number of the first block
 * @end: out: number of the first block that isn't there
 * @next: out: number that the next log begins with: @end, or the one behind a block
 *	that can't be read
 * @unread_block: out: number of the block that ended the log because it can't be read
 * @end_unread: out: there is such a block
 * @doubt: out: that block, or the superblock, may hide more than the log's end
 * @gave_up_log: out: there was such doubt, and what is hidden was given up
 * @low: out: the last low-water mark
 * @cuts: out: salts that were followed
 * @facts: out: entries below the mark
 * @candidates: out: PUTs above it
 * @kept: out: how many of @candidates the disk confirmed
 * @unread: out: how many of @candidates could not be read
 * @logged: out: sectors above the mark whose data is in the log
 * @redone: out: how many of @logged were put in place
 * @torn: out: writings of the volume's own sectors that the disk has in part; with
 *	@zero_torn sectors that are zero now
 */
struct ic_recovery {
	const struct ic_recovery_ops	*ops;
	void				*home;
	const struct ic_geometry	*geo;
	const u8			*uuid;
	const u8			*log_master;
	struct ic_meta_key		*key;
	struct ic_log_block		*block;
	void				*data;
	struct ic_try			*tries;

	bool	zero_torn;
	bool	read_only;
	bool	super_unread;
	bool	give_up_unreadable;

	u64	start;
	u64	end;
	u64	next;
	u64	unread_block;
	bool	end_unread;
	bool	doubt;
	bool	gave_up_log;
	u64	low;
	u64	cuts;
	u64	facts;
	u64	candidates;
	u64	kept;
	u64	unread;
	u64	logged;
	u64	redone;
	u64	torn;
	u32	nr_data;	/* DATA entries of the block, so far */
	u32	nr_tries;	/* its length, for the block */
	u32	next_try;	/* of the next PUT */
	u32	nr_whole;	/* those that are verified, behind them */
};

/* For each entry of a block, its beginning and all of it. */
#define IC_LOG_TRIES	(2 * IC_LOG_ENTRIES)

int ic_recover(struct ic_recovery *r, const struct ic_state *state);

/**
 * struct ic_log_walk - one pass over the log; what dump and check use too
 * @at: number of the block in @r->block
 * @seq: of the next one
 * @unread: number of the block that was read last ...
 * @is_unread: ... which failed
 */
struct ic_log_walk {
	struct ic_recovery	*r;
	u64			at;
	u64			seq;
	u64			unread;
	bool			is_unread;
	u8			salt[IC_SALT_SIZE];
	u8			prev_tag[IC_TAG_SIZE];
	bool			fresh;	/* the salt's key is not set yet */
};

void ic_log_walk_start(struct ic_log_walk *walk, struct ic_recovery *r,
		       const struct ic_state *state);
int ic_log_walk_next(struct ic_log_walk *walk);

#endif /* IC_RECOVER_H */
