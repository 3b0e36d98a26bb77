/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the writer of the log decides.  Shared code, as the ring is (log_ring.h): the
 * kernel and the crash simulator run it.
 *
 * The log is written in rounds, one after the other, each for all who wait: it
 * writes what was appended before it began, flushes what has to be flushed, and
 * tells those who waited for that.  This code keeps who waits for what; it does no
 * I/O, takes no lock and never sleeps.  Its home calls it under the lock that guards
 * the ring, and does what it says:
 *
 *	ic_round_begin()	then seal and write blocks [from, to)
 *	ic_round_written()	then flush what @flush names, if it names anything
 *	ic_round_flushed()	if there was something to flush
 *	ic_round_is_stuck()	the ring is full, and stays so: the round has failed
 *	ic_round_tell()		then submit, or end, the requests that are listed
 *
 * If any of it fails, ic_round_fail() takes the place of the steps that are left.
 */
#ifndef IC_LOG_ROUNDS_H
#define IC_LOG_ROUNDS_H

#include "tunables.h"
#include "write_steps.h"

struct ic_rounds;

/**
 * struct ic_rounds_ops - what the rounds ask of their home
 * @wanted: does somebody wait for the sectors of @req, a write whose bio has just
 *	ended?  Whoever begins to wait later sees that @behind isn't 0, and calls
 *	ic_rounds_hurry()
 * @data: the ciphertext of sector @i of @req, which stays until that is in its place
 * @end_early: the bio of @req ends now: it is durable, in the log
 * @kick: another round could get further
 * @stop: nothing is to be written any more: @req, a write that failed, can't be kept
 *	in memory until its sectors are written again
 *
 * All are called under the home's lock, and must not sleep.
 */
struct ic_rounds_ops {
	bool (*wanted)(const struct ic_request *req);
	const void *(*data)(const struct ic_request *req, u32 i);
	void (*end_early)(struct ic_rounds *rounds, struct ic_request *req);
	void (*kick)(struct ic_rounds *rounds);
	void (*stop)(struct ic_rounds *rounds, const struct ic_request *req,
		     int err);
};

/**
 * struct ic_rounds - who waits for the log
 * @log: the ring
 * @ops: what the home provides
 * @log_data: crypto sectors are as large as log blocks, so that data may be logged
 * @intents: writes whose data waits for their PUTs to be durable, by ticket
 * @writing: writes whose PUTs are durable and whose data is under way, by ticket
 * @data: writes whose data is logged, too, and not durable yet
 * @placing: those whose data is durable, and on its way to its place
 * @held: of @placing, by @go, what isn't yet: it may have neighbours in the next round
 * @logged: those that wait for their entries to be durable: discards, and writes with
 *	FUA
 * @flushes: those that wait for all that completed before them to be durable
 * @ticket: of the next write that comes to @intents
 * @urgent: somebody waits for those in @intents with lower tickets
 * @behind: writes whose bios have ended, and that are not through
 * @waiting: sectors in @intents
 * @joined: those of them that overwrite nothing
 * @unflushed: data was written that neither the log holds nor a flush covers
 * @flushed: first block that the last round which flushed all devices was not for
 * @late_err: a write failed after its bio had ended; the next flush says so
 * @taken: first block that the last round left to the next
 * @appended: first block after those with entries of a bio's, or of an owner's
 * @cut_coming: a checkpoint has begun, and will cut the log
 * @stuck_since: checkpoints begun when the open block first could not be closed, plus
 *	one
 */
struct ic_rounds {
	struct ic_log			*log;
	const struct ic_rounds_ops	*ops;
	bool				log_data;
	struct list_head		intents;
	struct list_head		writing;
	struct list_head		data;
	struct list_head		placing;
	struct list_head		held;
	struct list_head		logged;
	struct list_head		flushes;
	u64				ticket;
	u64				urgent;
	u32				behind;
	u32				waiting;
	u32				joined;
	bool				unflushed;
	u64				flushed;
	int				late_err;
	u64				taken;
	u64				appended;
	bool				cut_coming;
	u64				stuck_since;
};

/**
 * struct ic_checkpoint_runs - how checkpoints have fared
 * @begun: so many have begun
 * @bad: number of the last one, from 1 on, if it failed
 */
struct ic_checkpoint_runs {
	u64	begun;
	u64	bad;
};

/* Which devices have a volatile cache; with @same there is but one device. */
struct ic_caches {
	bool	sidecar;
	bool	data;
	bool	same;
};

/**
 * struct ic_flush - a flush of devices
 * @sidecar: it is flushed, first
 * @data: the data device is flushed
 * @durable: log blocks before are durable once it has completed
 * @settles: all devices are flushed, ...
 * @settled: ... and log blocks before are settled by that
 */
struct ic_flush {
	bool	sidecar;
	bool	data;
	u64	durable;
	bool	settles;
	u64	settled;
};

/**
 * struct ic_round - one round
 * @from: first block to write
 * @to: block after the last one
 * @fua: they are written with FUA, as no flush follows
 * @nr_data: sectors whose data it logs
 * @again: another round could get further at once
 * @full: there is no room to close the open block: it takes a checkpoint
 * @flush: what is to be flushed after that
 * @flushes: struct ic_request, by @wait: those that end with it
 * @late_err: of @flushes, those with @preflush end with this error
 * @durable: what it writes has to be durable when it ends; for log_rounds.c only
 * @all: it flushes all devices; for log_rounds.c only
 */
struct ic_round {
	u64			from;
	u64			to;
	bool			fua;
	u32			nr_data;
	bool			again;
	bool			full;
	struct ic_flush		flush;
	struct list_head	flushes;
	int			late_err;
	bool			durable;
	bool			all;
};

/**
 * struct ic_told - whose waiting ends with a round
 * @place: writes, by @go: their data is submitted
 * @logged: requests, by @wait: their entries are durable, or failed
 * @failed: writes, by @wait: their entries may not be durable
 */
struct ic_told {
	struct list_head	place;
	struct list_head	logged;
	struct list_head	failed;
};

void ic_rounds_init(struct ic_rounds *r, struct ic_log *log,
		    const struct ic_rounds_ops *ops, bool log_data);

enum ic_log_room ic_rounds_room(struct ic_rounds *r, u32 entries, u32 intents,
				const struct ic_checkpoint_runs *runs,
				u64 since);
bool ic_rounds_appended(struct ic_rounds *r, bool *checkpoint);
void ic_rounds_decide(const struct ic_rounds *r, struct ic_request *req,
		      bool empty, bool may_end, bool may_join);
bool ic_rounds_may_log_data(const struct ic_rounds *r, u32 sectors);
bool ic_rounds_intend(struct ic_rounds *r, struct ic_request *req, bool ends);
void ic_rounds_put(struct ic_rounds *r, struct ic_request *req);
void ic_rounds_zero(struct ic_rounds *r, struct ic_request *req, u64 first,
		    u64 last, struct list_head *settled);
void ic_rounds_write_done(struct ic_rounds *r, struct ic_request *req,
			  struct list_head *settled);
bool ic_rounds_write_failed(struct ic_rounds *r, struct ic_request *req,
			    struct list_head *copies, int err, int status,
			    struct list_head *forgotten);
void ic_rounds_wait_logged(struct ic_rounds *r, struct ic_request *req);
void ic_rounds_wait_flush(struct ic_rounds *r, struct ic_request *req);
void ic_rounds_hurry(struct ic_rounds *r);
void ic_rounds_place_held(struct ic_rounds *r, struct list_head *place);
void ic_rounds_cut(struct ic_rounds *r, const u8 next_salt[IC_SALT_SIZE]);
bool ic_rounds_mark_flushes(struct ic_rounds *r);

void ic_flush_begin(struct ic_log *log, const struct ic_caches *caches,
		    struct ic_flush *flush);
void ic_flush_end(struct ic_log *log, const struct ic_flush *flush);

void ic_round_begin(struct ic_rounds *r, const struct ic_caches *caches,
		    struct ic_round *round);
bool ic_round_written(struct ic_rounds *r, const struct ic_caches *caches,
		      struct ic_round *round);
void ic_round_flushed(struct ic_rounds *r, struct ic_round *round);
bool ic_round_is_stuck(struct ic_rounds *r, const struct ic_round *round,
		       const struct ic_checkpoint_runs *runs);
void ic_round_tell(struct ic_rounds *r, struct ic_round *round,
		   struct ic_told *told);
void ic_round_fail(struct ic_rounds *r, struct ic_round *round,
		   struct ic_told *told);

/* A checkpoint begins; one at a time. */
static inline void ic_checkpoint_begins(struct ic_checkpoint_runs *runs)
{
	WRITE_ONCE(runs->begun, runs->begun + 1);
}

/* The one that has begun last ends, with 0 or a negative errno. */
static inline void ic_checkpoint_ends(struct ic_checkpoint_runs *runs, int err)
{
	WRITE_ONCE(runs->bad, err ? runs->begun : 0);
}

/*
 * Has a checkpoint failed that began after @since of them had?  Whoever waits for
 * one has it called, and gives up only when that one, not one before it, has failed.
 */
static inline bool ic_checkpoint_failed(const struct ic_checkpoint_runs *runs,
					u64 since)
{
	return READ_ONCE(runs->bad) > since;
}

#endif /* IC_LOG_ROUNDS_H */
