/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The log's ring in memory: what is appended, what is durable, what is still in
 * flight, how far everything is settled, and what a cut has to log again.
 *
 * It does no I/O, takes no lock and never sleeps: its home calls it under one lock,
 * and seals and writes the blocks that it closes.
 */
#ifndef IC_LOG_RING_H
#define IC_LOG_RING_H

#include "log_format.h"

/* A write has at most so many sectors, so that its PUTs are in two blocks at most. */
#define IC_LOG_WRITE_MAX	80
/* The data of so many sectors can follow a block. */
#define IC_LOG_DATA_MAX		64

/* The log blocks that hold a write's PUTs; there are none if @last < @first. */
struct ic_log_place {
	u64	first;
	u64	last;
};

/**
 * struct ic_log_write - a data write whose PUTs were logged before it
 * @list: in log->writes, or in log->failed
 * @sector: first crypto sector
 * @nr: sectors, at most IC_LOG_WRITE_MAX
 * @rec: their records
 * @head: the beginnings of their ciphertext
 * @now: the blocks that hold its PUTs
 * @before: the blocks before the last cut that hold them, if it was logged there, too
 * @data: its data is logged, too
 * @data_before: its data is in a block before the last cut
 * @past: of a failed write: the first block with a PUT of an older failed write of the
 *	same sector that has been forgotten
 * @past_before: of a failed write: as @past, for the blocks before the last cut
 * @adopted: of a failed write: it comes from recovery, by ic_log_adopt()
 * @same: of a failed write: in log->bucket[]
 * @outdated: of a failed write: the cut that is being made doesn't log it again
 * @unplaced: of a failed write: only the log has its data, by ic_log_unplaced()
 */
struct ic_log_write {
	struct list_head		list;
	u64				sector;
	u32				nr;
	const struct ic_sector_record	*rec;
	const u8			(*head)[IC_HEAD_SIZE];
	struct ic_log_place		now;
	struct ic_log_place		before;
	bool				data;
	bool				data_before;
	struct ic_log_place		past;
	struct ic_log_place		past_before;
	bool				adopted;
	struct list_head		same;
	bool				outdated;
	bool				unplaced;
};

/* A ZERO that is not durable yet. */
struct ic_log_zero {
	u64	first;		/* crypto sectors */
	u64	last;
	u64	seq;		/* block that holds it */
};

#define IC_LOG_ZEROS	256
#define IC_LOG_BUCKETS	256
/* If failed writes keep the low-water mark so many blocks back, a cut is due. */
#define IC_LOG_HELD_MAX	1024
/* So many failed writes of one sector are remembered. */
#define IC_LOG_SAME_MAX	4

/**
 * struct ic_log - the ring
 * @blocks: its length
 * @nr_slots: blocks that can be in memory
 * @slot: block numbered n, from @next to @head, is in slot[n % nr_slots]
 * @data_block: in a data block's slot, what is written there; else NULL
 * @inflight: for each block of the ring, writes whose PUTs it holds and that
 *	have not completed
 * @tail: first block that recovery from the committed superblock needs
 * @cut: first block after the last cut; @tail if that cut was committed
 * @relogged: blocks before this one have to be durable for the next superblock
 * @next: first block that is not written
 * @head: the open block
 * @durable: first block that is not durable
 * @complete: no block before this one holds a PUT of a write in flight
 * @low: the low-water mark, for blocks that are closed from now on
 * @low_logged: the highest mark in a closed block
 * @count: entries in the open block
 * @data: of these, DATA entries
 * @data_before: writes in flight whose data was logged before the last cut: a
 *	checkpoint has to wait for them
 * @live: sectors of writes in flight, failed ones included
 * @live_max: bound of @live
 * @gen: grows with every cut
 * @cutting: the last cut is not committed yet
 * @prev_tag: tag of the last sealed block; used by whoever seals, without the lock
 * @writes: in flight, in the order they were logged
 * @failed: writes of one sector each that failed, oldest first
 * @nr_failed: length of @failed
 * @forgotten: failed writes that were forgotten since the last cut
 * @bucket: @failed, hashed by sector: there may be many, and whoever looks for one
 *	holds the lock
 * @zero: ring of ZEROs that are not durable
 * @zero_all: if @zero_over is set, some ZEROs found no room in @zero: until this block
 *	is durable any sector may be in one of them
 */
struct ic_log {
	u32			blocks;
	u32			nr_slots;
	struct ic_log_block	**slot;
	const void		**data_block;
	u16			*inflight;
	u64			tail;
	u64			cut;
	u64			relogged;
	u64			next;
	u64			head;
	u64			durable;
	u64			complete;
	u64			low;
	u64			low_logged;
	u32			count;
	u32			data;
	u32			data_before;
	u32			live;
	u32			live_max;
	u64			gen;
	bool			cutting;
	u8			prev_tag[IC_TAG_SIZE];
	struct list_head	writes;
	struct list_head	failed;
	u32			nr_failed;
	u32			forgotten;
	struct list_head	bucket[IC_LOG_BUCKETS];
	struct ic_log_zero	zero[IC_LOG_ZEROS];
	u32			zero_first;
	u32			zero_nr;
	bool			zero_over;
	u64			zero_all;
};

/**
 * struct ic_log_sealing - a closed block that is to be sealed
 * @seq: its number
 * @block: its contents, its home's own
 * @key: which of the home's two keys it is sealed under
 * @prev: the tag that it is chained to
 */
struct ic_log_sealing {
	u64			seq;
	struct ic_log_block	*block;
	u32			key;
	const u8		*prev;
};

/* The answers of ic_log_room(). */
enum ic_log_room {
	IC_LOG_ROOM = 0,	/* go on */
	IC_LOG_NO_SLOT,		/* wait until closed blocks were written */
	IC_LOG_NO_SPACE,	/* wait until a cut was committed */
	IC_LOG_NO_LIVE,		/* wait until a write completed */
	IC_LOG_FULL,		/* of ic_rounds_room() only: nobody will cut it */
};

u32 ic_log_slots(u32 log_blocks);
void ic_log_init(struct ic_log *log, u32 log_blocks, u32 nr_slots,
		 struct ic_log_block **slot, const void **data_block,
		 u16 *inflight);
void ic_log_start(struct ic_log *log, u64 seq);

enum ic_log_room ic_log_room(const struct ic_log *log, u32 entries,
			     u32 intents);
void ic_log_intend(struct ic_log *log, struct ic_log_write *write);
u64 ic_log_put(struct ic_log *log, const struct ic_log_write *write);
void ic_log_set(struct ic_log *log, enum ic_log_type type, u64 nr,
		const union ic_record *rec);
u64 ic_log_zero(struct ic_log *log, u64 first, u64 last);
bool ic_log_touches(struct ic_log *log, u64 first, u64 last);
void ic_log_complete(struct ic_log *log, struct ic_log_write *write);
bool ic_log_fail(struct ic_log *log, struct ic_log_write *write,
		 struct list_head *failed, struct list_head *forgotten);
u32 ic_log_failed_sectors(const struct ic_log *log);
void ic_log_settle(struct ic_log *log, u64 first, u64 last,
		   struct list_head *settled);
const struct ic_log_write *ic_log_candidate(const struct ic_log *log,
					    u64 sector, const u8 *head);
bool ic_log_only_has(const struct ic_log *log, u64 sector,
		     const struct ic_log_write *found);
void ic_log_adopt(struct ic_log *log, struct ic_log_write *failed);
void ic_log_unplaced(struct ic_log *log, struct list_head *failed);

bool ic_log_data_begin(struct ic_log *log, u32 sectors);
void ic_log_data(struct ic_log *log, struct ic_log_write *write, u32 nr,
		 const void *data);
void ic_log_data_end(struct ic_log *log);
int ic_log_set_checks(struct ic_log *log, u64 seq, struct ic_meta_key *key);
void ic_log_sealing(const struct ic_log *log, u64 seq,
		    struct ic_log_sealing *s);
int ic_log_seal_next(struct ic_log *log, const struct ic_log_sealing *s,
		     struct ic_meta_key *const key[2],
		     const u8 uuid[IC_UUID_SIZE],
		     const u8 nonce[IC_NONCE_SIZE]);

bool ic_log_close(struct ic_log *log);
void ic_log_seal_end(struct ic_log *log);
bool ic_log_mark(struct ic_log *log);
bool ic_log_can_cut(const struct ic_log *log);
bool ic_log_held(const struct ic_log *log);
void ic_log_cut(struct ic_log *log, const u8 next_salt[IC_SALT_SIZE]);
void ic_log_committed(struct ic_log *log);
u64 ic_log_settled(struct ic_log *log);
void ic_log_flushed(struct ic_log *log, u64 settled);
void ic_log_written(struct ic_log *log, u64 next);
void ic_log_durable(struct ic_log *log, u64 durable);

/* What is written for block @seq if it is a data block, or NULL. */
static inline const void *ic_log_data_block(const struct ic_log *log, u64 seq)
{
	u32 slot;

	div_u64_rem(seq, log->nr_slots, &slot);
	return log->data_block[slot];
}

/* Blocks of the ring that are taken, the open one included. */
static inline u64 ic_log_used(const struct ic_log *log)
{
	return log->head + 1 - log->tail;
}

/*
 * Is all written that sealed nodes may hold?  A checkpoint waits for that after
 * ic_log_seal_end().
 */
static inline bool ic_log_is_relogged(const struct ic_log *log)
{
	return READ_ONCE(log->next) >= log->relogged;
}

/*
 * Is the data in place that the log before the cut holds?  A checkpoint waits for
 * that, and for no other data.
 */
static inline bool ic_log_is_in_place(const struct ic_log *log)
{
	return !READ_ONCE(log->data_before);
}

/* Has anything been logged since the last cut? */
static inline bool ic_log_empty(const struct ic_log *log)
{
	return log->head == log->cut && !log->count;
}

#endif /* IC_LOG_RING_H */
