// SPDX-License-Identifier: GPL-2.0-only
/*
 * The home of the rounds of the log: what each of them decides, shared/log_rounds.c
 * says; here it is done on the simulated disks, one step at a time, with other things
 * in between.  The kernel's is dm-target/log/log_write.c.
 */
#include "sim.h"

enum { LW_IDLE, LW_WRITE, LW_WAIT, LW_FLUSH };

static struct bio *bio_of(const struct ic_request *req)
{
	return list_entry(req, struct bio, req);
}

/* These writes may go to the device now; when they do is decided elsewhere. */
static void submit_all(struct list_head *place)
{
	struct ic_request *req, *n;

	list_for_each_entry_safe(req, n, place, go) {
		list_del(&req->go);
		ic_write_step(req);
	}
}

/* Somebody waits for what is held back from its place. */
void vol_place(struct vol *v)
{
	struct list_head place;

	INIT_LIST_HEAD(&place);
	ic_rounds_place_held(&v->rounds, &place);
	submit_all(&place);
}

/* Somebody waits for writes that have ended. */
void vol_hurry(struct vol *v)
{
	if (!v->rounds.behind)
		return;
	ic_rounds_hurry(&v->rounds);
	vol_place(v);
	v->kicked = true;
}

/*
 * What the rounds ask of their home.
 */
static bool op_wanted(const struct ic_request *req)
{
	return bio_of(req)->wanted;
}

static const void *op_data(const struct ic_request *req, u32 i)
{
	struct bio *b = bio_of(req);
	const struct conf *conf = b->vol->conf;
	u8 *block;

	if (!b->data) {
		trace(b->vol->run, "bio %lu: data logged", b->id);
		b->data = malloc(b->nr * IC_BLOCK_SIZE);
	}
	block = b->data + i * IC_BLOCK_SIZE;
	data_block_pack(conf, block, &b->tok[i * conf->units], b->id);
	return block;
}

static void op_end_early(struct ic_rounds *rounds, struct ic_request *req)
{
	bio_end_early(list_entry(rounds, struct vol, rounds), bio_of(req));
}

static void op_kick(struct ic_rounds *rounds)
{
	list_entry(rounds, struct vol, rounds)->kicked = true;
}

static void op_stop(struct ic_rounds *rounds, const struct ic_request *req,
		    int err)
{
	struct vol *v = list_entry(rounds, struct vol, rounds);

	trace(v->run, "bio %lu stops the volume: error %d", bio_of(req)->id,
	      err);
	v->failed = true;
}

const struct ic_rounds_ops sim_rounds_ops = {
	.wanted = op_wanted,
	.data = op_data,
	.end_early = op_end_early,
	.kick = op_kick,
	.stop = op_stop,
};

/*
 * The log's writer: does what each round says, and lets other things happen between
 * its steps.
 */
static void lw_drop(struct vol *v)
{
	u32 i;

	for (i = 0; i < v->lw_nr; i++)
		dio_put(v->lw_dio[i]);
	v->lw_nr = 0;
}

/* Wait for what was issued.  Returns 1, 0 to go on waiting, or an error. */
static int lw_wait(struct vol *v)
{
	int err = 1;
	u32 i;

	for (i = 0; i < v->lw_nr; i++) {
		if (!v->lw_dio[i]->done)
			return 0;
		if (v->lw_dio[i]->err)
			err = v->lw_dio[i]->err;
	}
	lw_drop(v);
	return err;
}

static void logged(struct vol *v, struct bio *b, bool ok)
{
	if (b->kind == BIO_DISCARD && ok && v->conf->pass_down)
		b->st = D_PASS;
	else
		bio_end(v, b, ok);
}

static bool lw_fail(struct vol *v)
{
	struct ic_request *req, *n;
	struct ic_told told;

	trace(v->run, "the log can't be written");
	v->lw_st = LW_IDLE;
	ic_round_fail(&v->rounds, &v->round, &told);
	submit_all(&told.place);
	list_for_each_entry_safe(req, n, &told.failed, wait) {
		bio_write_failed(v, bio_of(req));
		bio_end(v, bio_of(req), false);
	}
	list_for_each_entry_safe(req, n, &told.logged, wait)
		logged(v, bio_of(req), false);
	return true;
}

static bool lw_end(struct vol *v)
{
	struct ic_round *round = &v->round;
	struct ic_request *req, *n;
	struct ic_told told;

	if (ic_round_is_stuck(&v->rounds, round, &v->checkpoints))
		return lw_fail(v);
	v->lw_st = LW_IDLE;
	ic_round_tell(&v->rounds, round, &told);
	submit_all(&told.place);
	list_for_each_entry_safe(req, n, &told.logged, wait)
		logged(v, bio_of(req), true);
	v->mark |= !list_empty(&round->flushes);
	list_for_each_entry_safe(req, n, &round->flushes, wait)
		bio_end(v, bio_of(req), !req->preflush || !round->late_err);
	if (round->full)
		v->want_checkpoint = true;
	v->kicked |= round->again;
	return true;
}

static bool lw_start(struct vol *v)
{
	if (v->failed || !v->kicked)
		return false;
	v->kicked = false;
	vol_caches(v, &v->caches);
	ic_round_begin(&v->rounds, &v->caches, &v->round);
	v->lw_next = v->round.from;
	v->lw_st = LW_WRITE;
	return true;
}

static bool lw_written(struct vol *v)
{
	int err = lw_wait(v);

	if (!err)
		return false;
	if (err < 0) {
		/* The chain is broken: nothing after it could be found. */
		v->failed = true;
		return lw_fail(v);
	}
	if (!ic_round_written(&v->rounds, &v->caches, &v->round))
		return lw_end(v);
	v->lw_nr = issue_flush(v, &v->round.flush, v->lw_dio);
	v->lw_st = LW_FLUSH;
	return true;
}

static bool lw_flushed(struct vol *v)
{
	int err = lw_wait(v);

	if (!err)
		return false;
	if (err < 0) {
		v->failed = true;
		return lw_fail(v);
	}
	ic_round_flushed(&v->rounds, &v->round);
	return lw_end(v);
}

bool vol_log_step(struct vol *v)
{
	switch (v->lw_st) {
	case LW_IDLE:
		return lw_start(v);
	case LW_WRITE:
		if (v->lw_next == v->round.to) {
			v->lw_st = LW_WAIT;
			return true;
		}
		if (log_write_block(v, v->lw_next++, v->round.fua,
				    &v->lw_dio[v->lw_nr++]))
			abort();
		return true;
	case LW_WAIT:
		return lw_written(v);
	case LW_FLUSH:
		return lw_flushed(v);
	}
	abort();
}

/*
 * Timers.
 */
static bool mark_step(struct vol *v)
{
	struct ic_caches caches;
	u32 i;

	if (v->mark_dio[0]) {
		for (i = 0; i < 2; i++)
			if (v->mark_dio[i] && !v->mark_dio[i]->done)
				return false;
		for (i = 0; i < 2; i++) {
			v->failed |= v->mark_dio[i] && v->mark_dio[i]->err;
			dio_put(v->mark_dio[i]);
			v->mark_dio[i] = NULL;
		}
		if (v->failed)
			return true;
		ic_flush_end(&v->log, &v->mark_flush);
	} else if (!v->mark) {
		return false;
	} else if (ic_rounds_mark_flushes(&v->rounds)) {
		v->mark = false;
		vol_caches(v, &caches);
		ic_flush_begin(&v->log, &caches, &v->mark_flush);
		issue_flush(v, &v->mark_flush, v->mark_dio);
		return true;
	}
	v->mark = false;
	if (ic_log_mark(&v->log))
		v->kicked = true;
	return true;
}

/* Let timer @which expire.  Returns false if it doesn't run. */
bool vol_timer(struct vol *v, u32 which)
{
	switch (which) {
	case T_PLACE:
		if (list_empty(&v->rounds.held))
			return false;
		vol_place(v);
		return true;
	case T_DRAIN:
		if (list_empty(&v->rounds.intents) || !v->rounds.behind)
			return false;
		vol_hurry(v);
		return true;
	default:
		return mark_step(v);
	}
}
