// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a round of the log writes, which data it carries, which flush it needs, what
 * is held back, and whose waiting ends with it.  Shared code: log_rounds.h says how it
 * is used.
 *
 * A write that overwrites something has its PUTs logged, and made durable, before
 * its data is written: that is its intent.  While a round is written others append,
 * and all of them share the next one.
 *
 * Synced writes have their data logged together with their PUTs.  Else a write that
 * has to be durable costs two rounds one after the other: the intent and a flush,
 * then the data and a flush.  With its data in the log one is enough: nobody waits
 * until it is in its place, too.  The price is that it is written twice,
 * so this is for few sectors at a time, and only where crypto sectors are as large as
 * log blocks.  A failure to put it in its place stops the volume: whoever wrote it was
 * told that it is durable, and it is, in the log.  The next load tries again.
 */
#include "log_rounds.h"

/*
 * The data of writes with FUA is logged up to this size: larger ones gain less.
 */
#define FUA_SECTORS_MAX		16
/*
 * For a flush so many sectors that overwrite nothing may be logged, too: more fill the
 * log too soon.
 */
#define JOIN_SECTORS_MAX	16

/**
 * ic_rounds_init() - nobody waits
 * @r: to fill in
 * @log: the ring, from ic_log_init()
 * @ops: the home's
 * @log_data: crypto sectors are as large as log blocks
 */
void ic_rounds_init(struct ic_rounds *r, struct ic_log *log,
		    const struct ic_rounds_ops *ops, bool log_data)
{
	memset(r, 0, sizeof(*r));
	r->log = log;
	r->ops = ops;
	r->log_data = log_data;
	INIT_LIST_HEAD(&r->intents);
	INIT_LIST_HEAD(&r->writing);
	INIT_LIST_HEAD(&r->data);
	INIT_LIST_HEAD(&r->placing);
	INIT_LIST_HEAD(&r->held);
	INIT_LIST_HEAD(&r->logged);
	INIT_LIST_HEAD(&r->flushes);
}

/**
 * ic_rounds_room() - can this much be appended now?
 * @r: the rounds
 * @entries: entries, at most IC_LOG_WRITE_MAX
 * @intents: how many of them are PUTs before their data
 * @runs: how checkpoints fare
 * @since: how many had begun when the caller began to wait
 *
 * Return: what ic_log_room() says, or IC_LOG_FULL if a checkpoint has failed that
 * would have made room.  With IC_LOG_NO_LIVE what is held back has to be put in its
 * place, and a round has to come.
 */
enum ic_log_room ic_rounds_room(struct ic_rounds *r, u32 entries, u32 intents,
				const struct ic_checkpoint_runs *runs,
				u64 since)
{
	enum ic_log_room room = ic_log_room(r->log, entries, intents);

	/* While data is under way, its completion makes room. */
	if (room == IC_LOG_NO_LIVE && list_empty(&r->writing))
		r->urgent = r->ticket;
	if (room == IC_LOG_NO_SPACE && ic_checkpoint_failed(runs, since))
		return IC_LOG_FULL;
	return room;
}

/**
 * ic_rounds_appended() - something was appended
 * @r: the rounds
 * @checkpoint: receives whether the ring is so full that a checkpoint should run
 *
 * Return: true if there is a full block for a round to write.
 */
bool ic_rounds_appended(struct ic_rounds *r, bool *checkpoint)
{
	const struct ic_log *log = r->log;

	*checkpoint = !log->cutting && !READ_ONCE(r->cut_coming) &&
		      (ic_log_used(log) > IC_LOG_CHECKPOINT_AT(log->blocks) || ic_log_held(log));
	r->appended = log->head + !!log->count;
	return log->head > r->taken;
}

/**
 * ic_rounds_may_log_data() - may the data of a write with FUA be logged?
 * @r: the rounds
 * @sectors: that it has
 *
 * Context: no lock needed.
 */
bool ic_rounds_may_log_data(const struct ic_rounds *r, u32 sectors)
{
	return r->log_data && sectors <= FUA_SECTORS_MAX;
}

/*
 * May a write that overwrites nothing wait for a round? If a flush follows it, that
 * saves a request. Written in its place at once it is one that the flush has to wait
 * for, before its own. In the log it is part of that one, and what ends up side by
 * side, as the blocks of a journal with the last, goes to its place together.
 */
static bool has_room_to_join(const struct ic_rounds *r, u32 sectors)
{
	return ic_rounds_may_log_data(r, sectors) &&
	       r->joined + sectors <= JOIN_SECTORS_MAX;
}

/**
 * ic_rounds_decide() - have a write's PUTs to be durable before its data is written?
 * @r: the rounds
 * @req: a write: @puts and @fua set, its range locked; receives @intent and @joins
 * @empty: its sectors have no records
 * @may_end: its bio may end before its data is in its place
 * @may_join: likewise, and a flush will probably follow it soon
 *
 * With FUA it makes one round of two requests that would follow each other.
 */
void ic_rounds_decide(const struct ic_rounds *r, struct ic_request *req,
		      bool empty, bool may_end, bool may_join)
{
	const struct ic_log_write *w = &req->puts;
	bool must = !empty || ic_log_touches(r->log, w->sector,
					     w->sector + w->nr - 1);

	req->joins = !must && !req->fua && may_join &&
		     has_room_to_join(r, w->nr);
	req->intent = must || req->joins || (req->fua && may_end);
}

/*
 * Do so many writes wait that their PUTs are worth a flush? A flush costs the
 * same for few and for many. This is half of what may be in flight, so that the
 * other half can gather meanwhile.
 */
static bool enough_wait(const struct ic_rounds *r)
{
	return r->waiting >= IC_LOG_GATHER(r->log->live_max);
}

/**
 * ic_rounds_intend() - log a write's PUTs before its data
 * @r: the rounds, with room for it
 * @req: a write in IC_WRITE_INTEND: @puts, @fua, @may_log and @joins set
 * @ends: its bio ends now
 *
 * It goes on when a round says so; once the home drops the lock it may be through,
 * and gone.
 *
 * Return: true if a round has to come at once.
 */
bool ic_rounds_intend(struct ic_rounds *r, struct ic_request *req, bool ends)
{
	ic_log_intend(r->log, &req->puts);
	ic_write_step(req);
	req->ticket = r->ticket++;
	req->ended = ends;
	list_add_tail(&req->wait, &r->intents);
	r->waiting += req->puts.nr;
	if (req->joins)
		r->joined += req->puts.nr;
	if (ends)
		r->behind++;
	if (!ends || r->ops->wanted(req))
		r->urgent = r->ticket;
	return req->ticket < r->urgent || enough_wait(r);
}

/* A write waits for its PUTs no more. */
static void leave_intents(struct ic_rounds *r, const struct ic_request *req)
{
	r->waiting -= req->puts.nr;
	if (req->joins)
		r->joined -= req->puts.nr;
}

/**
 * ic_rounds_put() - log the PUTs of a write without an intent
 * @r: the rounds, with room for it
 * @req: a write whose data is in its place
 */
void ic_rounds_put(struct ic_rounds *r, struct ic_request *req)
{
	req->seq = ic_log_put(r->log, &req->puts);
	r->unflushed = true;
}

/**
 * ic_rounds_zero() - log that sectors have no records any more
 * @r: the rounds, with room for one entry
 * @req: the discard; receives @seq
 * @first: crypto sector
 * @last: crypto sector
 * @settled: an empty list; receives the failed writes of them, for the home to free
 */
void ic_rounds_zero(struct ic_rounds *r, struct ic_request *req, u64 first,
		    u64 last, struct list_head *settled)
{
	req->seq = ic_log_zero(r->log, first, last);
	ic_log_settle(r->log, first, last, settled);
}

/* The first write whose data is not on the disk. */
static u64 first_ticket(const struct ic_rounds *r)
{
	const struct list_head *list = list_empty(&r->writing) ?
		&r->intents : &r->writing;

	if (list_empty(list))
		return r->ticket;
	return list_entry(list->next, struct ic_request, wait)->ticket;
}

/* A write's data is on the disk, or failed: a flush may have waited for it. */
static void leave_writing(struct ic_rounds *r, struct ic_request *req)
{
	list_del(&req->wait);
	if (!list_empty(&r->flushes) &&
	    list_entry(r->flushes.next, struct ic_request, wait)->ticket <=
	    first_ticket(r))
		r->ops->kick(r);
}

/**
 * ic_rounds_write_done() - a write's data is written, and its records are in memory
 * @r: the rounds
 * @req: from ic_rounds_intend()
 * @settled: an empty list; receives the failed writes of its sectors, to be freed
 */
void ic_rounds_write_done(struct ic_rounds *r, struct ic_request *req,
			  struct list_head *settled)
{
	const struct ic_log_write *w = &req->puts;

	ic_log_complete(r->log, &req->puts);
	ic_log_settle(r->log, w->sector, w->sector + w->nr - 1, settled);
	/* Data that is in the log needs no flush of its place to be durable. */
	r->unflushed = r->unflushed || !w->data;
	leave_writing(r, req);
}

/**
 * ic_rounds_write_failed() - a write's data may or may not be on the disk
 * @r: the rounds
 * @req: from ic_rounds_intend()
 * @copies: struct ic_log_write, one for each of its sectors; what is left is the
 *	caller's to free
 * @err: 0, or a negative errno if there was no memory for them
 * @status: why it failed, a negative errno
 * @forgotten: an empty list; receives what is remembered no more, to be freed
 *
 * Both contents stay valid until the sectors are written or zeroed.
 *
 * Return: true if its bio has ended and said that all was well: then the next flush
 * says that it was not.
 */
bool ic_rounds_write_failed(struct ic_rounds *r, struct ic_request *req,
			    struct list_head *copies, int err, int status,
			    struct list_head *forgotten)
{
	struct ic_log *log = r->log;
	/* What is durable in the log stays so, and the next load puts it in place. */
	bool in_log = req->puts.data && req->seq < log->durable;
	bool late = req->ended && !in_log;

	if (late)
		r->late_err = status;
	leave_writing(r, req);
	/*
	 * What the log holds, or may hold, is newer, so the old contents must not
	 * come back: not by a commit, and if the writer was told that the new ones are
	 * durable not to a reader.
	 */
	if (in_log)
		ic_log_unplaced(log, copies);
	if (req->puts.data)
		err = -EIO;
	if (err) {
		/*
		 * The write stays in flight for good; the next load settles it.
		 * The home stops first, so that no checkpoint commits without
		 * it.
		 */
		r->ops->stop(r, req, err);
		list_del(&req->puts.list);
	} else if (!ic_log_fail(log, &req->puts, copies, forgotten)) {
		/*
		 * The other half of what may be in flight is for writes that
		 * succeed.
		 */
		r->ops->stop(r, req, -EIO);
	}
	return late;
}

/**
 * ic_rounds_wait_logged() - a request waits for its entries to be durable
 * @r: the rounds
 * @req: a discard, or a write with FUA whose data is durable; @seq set
 *
 * The home has a round come.
 */
void ic_rounds_wait_logged(struct ic_rounds *r, struct ic_request *req)
{
	list_add_tail(&req->wait, &r->logged);
}

/**
 * ic_rounds_wait_flush() - a request waits for all that completed so far
 * @r: the rounds
 * @req: a flush, or a write with FUA whose data has completed
 *
 * The home has a round come.
 */
void ic_rounds_wait_flush(struct ic_rounds *r, struct ic_request *req)
{
	req->ticket = req->preflush ? r->ticket : 0;
	list_add_tail(&req->wait, &r->flushes);
}

/**
 * ic_rounds_hurry() - somebody waits for writes whose bios have ended
 * @r: the rounds
 *
 * The home puts what is held back in its place, and has a round come.
 */
void ic_rounds_hurry(struct ic_rounds *r)
{
	r->urgent = r->ticket;
}

/**
 * ic_rounds_place_held() - what is held back goes to its place
 * @r: the rounds
 * @place: receives it, by @go
 */
void ic_rounds_place_held(struct ic_rounds *r, struct list_head *place)
{
	list_splice_init(&r->held, place);
}

/**
 * ic_rounds_cut() - cut the log
 * @r: the rounds
 * @next_salt: of what is logged from now on, random
 *
 * As ic_log_cut().  The home has a round come.
 */
void ic_rounds_cut(struct ic_rounds *r, const u8 next_salt[IC_SALT_SIZE])
{
	ic_log_cut(r->log, next_salt);
	/*
	 * The cut has logged the waiting PUTs again, so that a round under way
	 * can't let them go.
	 */
	r->urgent = r->ticket;
}

/**
 * ic_rounds_mark_flushes() - does the low-water mark need one more flush to move?
 * @r: the rounds
 *
 * After a flush with nothing following, what was settled is written down.  Data that
 * was logged came to its place after that flush: it takes one more.  Not of a device
 * that fails: nobody asked for this one, and an error stops the volume.
 *
 * Return: true if ic_flush_begin() is to come before ic_log_mark().
 */
bool ic_rounds_mark_flushes(struct ic_rounds *r)
{
	return !r->log->nr_failed && r->log->low < ic_log_settled(r->log);
}

/**
 * ic_flush_begin() - flush all devices
 * @log: the ring
 * @caches: of the devices
 * @flush: receives what to flush, and what is durable and settled by that
 */
void ic_flush_begin(struct ic_log *log, const struct ic_caches *caches,
		    struct ic_flush *flush)
{
	flush->sidecar = true;
	flush->data = !caches->same;
	flush->durable = log->next;
	flush->settles = true;
	flush->settled = ic_log_settled(log);
}

/**
 * ic_flush_end() - a flush has completed
 * @log: the ring
 * @flush: from ic_flush_begin() or a round
 */
void ic_flush_end(struct ic_log *log, const struct ic_flush *flush)
{
	if (flush->settles)
		ic_log_flushed(log, flush->settled);
	ic_log_durable(log, flush->durable);
}

/*
 * Is @req's data to be logged? With @flush also that of writes whose bios have
 * ended. That of writes that joined is logged in any case: it saves the flush
 * of their place.
 */
static bool wants_data(const struct ic_rounds *r, const struct ic_request *req,
		       bool flush)
{
	if (!req->may_log)
		return false;
	return req->ended ? flush || req->joins :
			    ic_rounds_may_log_data(r, req->puts.nr);
}

static void log_data(struct ic_rounds *r, struct ic_request *req)
{
	u32 i;

	for (i = 0; i < req->puts.nr; i++) {
		req->seq = r->log->head;
		ic_log_data(r->log, &req->puts, i, r->ops->data(req, i));
	}
	leave_intents(r, req);
	list_del(&req->wait);
	list_add_tail(&req->wait, &r->data);
}

/*
 * Log the data of writes that somebody waits for.  Those with FUA are waited for one
 * by one; the others by flushes, which have to wait for all.
 */
static u32 choose_data(struct ic_rounds *r)
{
	bool flush = !list_empty(&r->flushes) &&
		     r->waiting - r->joined <= IC_FLUSH_SECTORS_MAX;
	struct ic_request *req, *n;
	u32 sectors = 0, left;

	if (!r->log_data)
		return 0;
	list_for_each_entry(req, &r->intents, wait) {
		u32 more = wants_data(r, req, flush) ? req->puts.nr : 0;

		if (sectors + more > IC_LOG_DATA_MAX)
			break;
		sectors += more;
	}
	if (!sectors || !ic_log_data_begin(r->log, sectors))
		return 0;
	left = sectors;
	list_for_each_entry_safe(req, n, &r->intents, wait) {
		if (!wants_data(r, req, flush))
			continue;
		if (req->puts.nr > left)
			break;
		left -= req->puts.nr;
		log_data(r, req);
	}
	ic_log_data_end(r->log);
	return sectors;
}

/* Does somebody wait for a write that waits for the log? */
static bool is_urgent(const struct ic_rounds *r)
{
	const struct list_head *first = r->intents.next;

	return !list_empty(&r->intents) &&
	       list_entry(first, struct ic_request, wait)->ticket < r->urgent;
}

/* Must what is in the open block be durable now? */
static bool wants_durable(const struct ic_rounds *r)
{
	if (!list_empty(&r->logged) || !list_empty(&r->data))
		return true;
	return !list_empty(&r->intents) &&
	       (is_urgent(r) || !list_empty(&r->flushes) ||
		enough_wait(r));
}

/*
 * Take the flushes that have to wait for nothing but the devices. Writes with
 * FUA that are among them needn't wait for those before them.
 */
static void take_flushes(struct ic_rounds *r, struct ic_round *round)
{
	u64 first = first_ticket(r);
	struct ic_request *req, *n;

	list_for_each_entry_safe(req, n, &r->flushes, wait) {
		if (req->ticket > first)
			continue;
		list_del(&req->wait);
		list_add_tail(&req->wait, &round->flushes);
		if (!req->preflush)
			continue;
		round->late_err = round->late_err ? round->late_err :
						    r->late_err;
		r->late_err = 0;
	}
}

/**
 * ic_round_begin() - what the next round writes
 * @r: the rounds; no other round is under way
 * @caches: of the devices
 * @round: to fill in
 */
void ic_round_begin(struct ic_rounds *r, const struct ic_caches *caches,
		    struct ic_round *round)
{
	struct ic_log *log = r->log;
	bool closed = true;

	memset(round, 0, sizeof(*round));
	INIT_LIST_HEAD(&round->flushes);
	round->durable = wants_durable(r);
	if (round->durable || !list_empty(&r->flushes)) {
		round->nr_data = choose_data(r);
		closed = ic_log_close(log);
	}
	if (closed)
		take_flushes(r, round);
	round->from = log->next;
	round->to = log->head;
	round->full = !closed;
	round->again = !closed && round->from != round->to;
	r->taken = round->to;
	round->durable = round->durable || !list_empty(&round->flushes);
	/*
	 * If there is no data that only a flush makes durable, the log is
	 * enough.
	 */
	round->all = (!list_empty(&round->flushes) && r->unflushed) ||
		     round->to > r->flushed + IC_UNSETTLED_MAX;
	if (round->all) {
		r->unflushed = false;
		r->flushed = round->to;
	}
	/* FUA saves a request if nothing before is still to be flushed. */
	round->fua = round->durable && !round->all &&
		     log->durable == round->from && round->from < round->to &&
		     caches->sidecar;
}

/**
 * ic_round_written() - the round's blocks are written
 * @r: the rounds
 * @caches: of the devices
 * @round: from ic_round_begin()
 *
 * Return: true if @round's flush is to be made, else all is done that was to be.
 */
bool ic_round_written(struct ic_rounds *r, const struct ic_caches *caches,
		      struct ic_round *round)
{
	struct ic_log *log = r->log;
	struct ic_flush *flush = &round->flush;

	ic_log_written(log, round->to);
	if (!round->all && !round->durable && caches->sidecar)
		return false;
	/* Without any cache a flush is free, and moves the low-water mark. */
	if (round->all || (!caches->sidecar && !caches->data)) {
		ic_flush_begin(log, caches, flush);
		return true;
	}
	if (round->fua || !caches->sidecar || log->durable >= round->to) {
		ic_log_durable(log, round->to);
		return false;
	}
	if (caches->same) {
		ic_flush_begin(log, caches, flush);
		return true;
	}
	flush->sidecar = true;
	flush->durable = round->to;
	return true;
}

/**
 * ic_round_flushed() - the round's flush has completed
 * @r: the rounds
 * @round: from ic_round_begin()
 */
void ic_round_flushed(struct ic_rounds *r, struct ic_round *round)
{
	ic_flush_end(r->log, &round->flush);
}

/**
 * ic_round_is_stuck() - is the ring full, with no room to come?
 * @r: the rounds
 * @round: from ic_round_begin(), written and flushed
 * @runs: how checkpoints fare
 *
 * Return: true if a checkpoint failed that began after the open block could not be
 * closed: then the round has failed.
 */
bool ic_round_is_stuck(struct ic_rounds *r, const struct ic_round *round,
		       const struct ic_checkpoint_runs *runs)
{
	if (!round->full) {
		r->stuck_since = 0;
		return false;
	}
	if (!r->stuck_since) {
		r->stuck_since = READ_ONCE(runs->begun) + 1;
		return false;
	}
	return round->from == round->to &&
	       ic_checkpoint_failed(runs, r->stuck_since - 1);
}

static void told_init(struct ic_told *told)
{
	INIT_LIST_HEAD(&told->place);
	INIT_LIST_HEAD(&told->logged);
	INIT_LIST_HEAD(&told->failed);
}

/* Send data that is durable in the log to its place: @later, or at once. */
static void place_data(struct ic_rounds *r, struct list_head *later,
		       struct list_head *now)
{
	struct ic_request *req, *n;

	list_for_each_entry_safe(req, n, &r->data, wait) {
		if (req->seq >= r->log->durable)
			break;
		list_del(&req->wait);
		list_add_tail(&req->wait, &r->placing);
		if (!req->ended) {
			req->ended = true;
			r->behind++;
			r->ops->end_early(r, req);
		}
		/* A checkpoint may wait for it, or somebody for its sectors. */
		list_add_tail(&req->go, req->puts.data_before ||
			      r->ops->wanted(req) ? now : later);
	}
}

/**
 * ic_round_tell() - whom the round tells
 * @r: the rounds
 * @round: from ic_round_begin(), written and flushed
 * @told: receives them; besides, @round's flushes end
 *
 * What is logged with its data need not be put in its place at once, and if flushes
 * end it is not: a journal's commit block follows its flush, and lies next to what was
 * flushed.  The home has what is held come to its place soon, if no round does it.
 */
void ic_round_tell(struct ic_rounds *r, struct ic_round *round,
		   struct ic_told *told)
{
	bool hold = !list_empty(&round->flushes);
	struct ic_request *req, *n;
	u64 durable = r->log->durable;

	told_init(told);
	ic_rounds_place_held(r, &told->place);
	list_for_each_entry_safe(req, n, &r->intents, wait) {
		if (req->puts.now.last >= durable)
			break;
		leave_intents(r, req);
		list_del(&req->wait);
		list_add_tail(&req->wait, &r->writing);
		list_add_tail(&req->go, &told->place);
	}
	place_data(r, hold ? &r->held : &told->place, &told->place);
	list_for_each_entry_safe(req, n, &r->logged, wait) {
		if (req->seq >= durable)
			continue;
		list_del(&req->wait);
		list_add_tail(&req->wait, &told->logged);
	}
}

/**
 * ic_round_fail() - nobody's entries became durable, and none will
 * @r: the rounds
 * @round: from ic_round_begin(): something of it has failed
 * @told: receives all who waited
 *
 * Data that waited for its PUTs was never written, but the PUTs may be on the disk: so
 * those writes have failed, as if their data had been on its way.  What was held back
 * has been durable since the round before, and goes to its place.
 */
void ic_round_fail(struct ic_rounds *r, struct ic_round *round,
		   struct ic_told *told)
{
	told_init(told);
	ic_rounds_place_held(r, &told->place);
	list_splice_init(&r->intents, &told->failed);
	list_splice_tail_init(&r->data, &told->failed);
	r->waiting = 0;
	r->joined = 0;
	list_splice_init(&r->flushes, &told->logged);
	list_splice_tail_init(&r->logged, &told->logged);
	list_splice_tail_init(&round->flushes, &told->logged);
}
