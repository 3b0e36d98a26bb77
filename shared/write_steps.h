/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The order of one write's own steps, which writes of the same sectors wait for each
 * other, and the order in which an owner's or a key's record changes.  Shared code:
 * the kernel and the crash simulator do what the state says, and ask here what is
 * next.
 */
#ifndef IC_WRITE_STEPS_H
#define IC_WRITE_STEPS_H

#include "log_ring.h"

/**
 * enum ic_write_state - what a write has to do next, or waits for
 * @IC_WRITE_RANGE: it waits until those that were at its sectors before it have left
 *	them, and until there is room in memory and in the log
 * @IC_WRITE_OWNER: its owner's key is looked up; if the owner has no record yet, that
 *	is made, and logged
 * @IC_WRITE_SEAL: its data is encrypted into memory of its own, and all is taken that
 *	its completion needs
 * @IC_WRITE_DECIDE: its home says whether its PUTs have to be durable before its data
 *	is written: that is its intent
 * @IC_WRITE_INTEND: its PUTs are appended to the log
 * @IC_WRITE_LOGGING: the log has its PUTs, and a round will say when it may go on
 * @IC_WRITE_DATA: its data is written in its place
 * @IC_WRITE_STORE: its data is in its place, so its records change in memory
 * @IC_WRITE_PUT: its PUTs are appended to the log, as it had no intent
 * @IC_WRITE_COMPLETE: the ring learns that what its intent said has been done
 * @IC_WRITE_WAIT_LOG: its bio ends when its PUTs are durable
 * @IC_WRITE_WAIT_FLUSH: its bio ends when all that has completed so far is durable
 * @IC_WRITE_END: its bio ends, if it has not ended before
 */
enum ic_write_state {
	IC_WRITE_RANGE,
	IC_WRITE_OWNER,
	IC_WRITE_SEAL,
	IC_WRITE_DECIDE,
	IC_WRITE_INTEND,
	IC_WRITE_LOGGING,
	IC_WRITE_DATA,
	IC_WRITE_STORE,
	IC_WRITE_PUT,
	IC_WRITE_COMPLETE,
	IC_WRITE_WAIT_LOG,
	IC_WRITE_WAIT_FLUSH,
	IC_WRITE_END,
};

/**
 * struct ic_request - a write, discard or flush, as the log and its writer see it
 * @wait: in one of the lists of struct ic_rounds, or in one that the home was given
 * @go: in a list of writes whose data is submitted together, or in @held
 * @puts: of a write: what the ring keeps of it
 * @seq: last log block with its entries, or (@puts.data) with its data
 * @ticket: of a write: its place in the order of the log; of a flush: the ticket of
 *	the first write that it needn't wait for
 * @state: of a write: enum ic_write_state
 * @fua: a write whose bio ends only when it is durable
 * @fua_kept: of a write: the data device makes durable at once what is written with FUA
 * @intent: of a write: its PUTs have to be durable before its data is written
 * @joins: a write that overwrites nothing, and is logged before its data only
 *	because a flush will wait for it
 * @may_log: its data stays where it is after its bio has ended, so that it may be
 *	logged, too
 * @ended: a write whose bio has ended
 * @preflush: of a flush: it waits for all that ended before it; else it is a write
 *	with FUA, which has completed, and waits for nothing but the devices
 */
struct ic_request {
	struct list_head	wait;
	struct list_head	go;
	struct ic_log_write	puts;
	u64			seq;
	u64			ticket;
	enum ic_write_state	state : 8;
	bool			fua;
	bool			fua_kept;
	bool			intent;
	bool			joins;
	bool			may_log;
	bool			ended;
	bool			preflush;
};

/*
 * Its data is in its place and its PUTs are logged: what does its bio wait for? With an
 * intent and FUA both are durable.
 */
static inline enum ic_write_state
ic_write_after_put(const struct ic_request *req)
{
	if (!req->fua || req->ended || (req->intent && req->fua_kept))
		return IC_WRITE_END;
	return req->fua_kept ? IC_WRITE_WAIT_LOG : IC_WRITE_WAIT_FLUSH;
}

/**
 * ic_write_next() - what a write does next
 * @state: what it has done
 * @req: the write
 *
 *	RANGE, OWNER, SEAL, DECIDE	nothing of it is on its way yet
 *	INTEND, LOGGING			only with an intent
 *	DATA, STORE			then, and only then, its records are in memory
 *	COMPLETE or PUT			with an intent or without
 *	WAIT_LOG or WAIT_FLUSH		with FUA, if that takes more
 *	END
 *
 * A write that fails ends at once.  This is inline, as most callers know the state.
 */
static inline enum ic_write_state
ic_write_next(enum ic_write_state state, const struct ic_request *req)
{
	switch (state) {
	case IC_WRITE_RANGE:
		return IC_WRITE_OWNER;
	case IC_WRITE_OWNER:
		return IC_WRITE_SEAL;
	case IC_WRITE_SEAL:
		return IC_WRITE_DECIDE;
	case IC_WRITE_DECIDE:
		return req->intent ? IC_WRITE_INTEND : IC_WRITE_DATA;
	case IC_WRITE_INTEND:
		return IC_WRITE_LOGGING;
	case IC_WRITE_LOGGING:
		return IC_WRITE_DATA;
	case IC_WRITE_DATA:
		return IC_WRITE_STORE;
	case IC_WRITE_STORE:
		/* What a cut finds complete has to be in the leaves. */
		return req->intent ? IC_WRITE_COMPLETE : IC_WRITE_PUT;
	case IC_WRITE_PUT:
	case IC_WRITE_COMPLETE:
		return ic_write_after_put(req);
	case IC_WRITE_WAIT_LOG:
	case IC_WRITE_WAIT_FLUSH:
	case IC_WRITE_END:
		break;
	}
	return IC_WRITE_END;
}

void ic_write_unjoin(struct ic_request *req);

/* A write has done what its state says. */
static inline void ic_write_step(struct ic_request *req)
{
	req->state = ic_write_next(req->state, req);
}

/**
 * ic_write_left_range() - may others come to the sectors of a write?
 * @req: the write
 *
 * One that only waits for a flush has its contents in place, and its PUTs in the log,
 * in front of those of whoever comes next.
 */
static inline bool ic_write_left_range(const struct ic_request *req)
{
	return req->state >= IC_WRITE_WAIT_FLUSH;
}

/* Sectors that a bio uses; a discard writes, too. */
struct ic_sectors {
	u64	first;
	u64	last;
	bool	write;
};

/* Has the bio that came later to wait until the other has left its sectors? */
static inline bool ic_sectors_conflict(const struct ic_sectors *a,
				       const struct ic_sectors *b)
{
	return (a->write || b->write) &&
	       a->first <= b->last && b->first <= a->last;
}

/**
 * enum ic_change_state - how far the change of an owner's or a key's record is
 * @IC_CHANGE_NEW: nothing has been done
 * @IC_CHANGE_MEMORY: the record in memory changes
 * @IC_CHANGE_LOG: a SET is appended to the log
 * @IC_CHANGE_DONE: sectors may name it, or nothing does any more
 */
enum ic_change_state {
	IC_CHANGE_NEW,
	IC_CHANGE_MEMORY,
	IC_CHANGE_LOG,
	IC_CHANGE_DONE,
};

enum ic_change_state ic_change_next(enum ic_change_state state);

#endif /* IC_WRITE_STEPS_H */
