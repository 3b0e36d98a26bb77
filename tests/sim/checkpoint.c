// SPDX-License-Identifier: GPL-2.0-only
/*
 * The steps of a checkpoint.  While one runs, everything else goes on: each step
 * lets some of it happen in between.
 */
#include "sim.h"

enum commit_mode { COMMIT_LIVE, COMMIT_FIRST, COMMIT_PARTIAL };

struct commit {
	struct vol		*v;
	enum commit_mode	mode;
	u64			relogged;	/* blocks before are written */
};

#define MAX_NODES 2048

/*
 * Sealing, or keying, fails now and then, as it does where there is no memory.
 */
static bool crypto_fails(const struct commit *c)
{
	struct vol *v = c->v;

	return c->mode == COMMIT_LIVE && v->run && v->conf->fail_seal &&
	       rng_permille(v->rng, v->conf->fail_seal);
}

/* Wait for a write or flush. */
int wait_dio(struct vol *v, struct dio *dio)
{
	int err;

	while (!dio->done) {
		if (v->run)
			vol_pump(v);
		else
			disks_complete(v->disks, dio);
	}
	err = dio->err;
	dio_put(dio);
	return err;
}

static void go_on(struct vol *v)
{
	u32 n = v->run ? rng_below(v->rng, v->conf->slow) : 0;

	while (n-- && vol_step(v))
		;
}

/* Neither waits for room, as shared/log_ring.c says: is it so? */
static void check_fits(const struct vol *v, const char *what)
{
	const struct ic_log *log = &v->log;

	if (v->run && (ic_log_used(log) > log->blocks ||
		       log->head + 1 - log->next > log->nr_slots))
		run_fail(v->run, "after %s the log is longer than its ring",
			 what);
}

static int cut(void *home, struct ic_state *next)
{
	struct commit *c = home;
	struct vol *v = c->v;
	struct ic_log *log = &v->log;

	if (c->mode == COMMIT_PARTIAL)
		return 0;
	if (c->mode == COMMIT_LIVE && !log->cutting) {
		if (crypto_fails(c))
			return -ENOMEM;
		while (!ic_log_can_cut(log)) {
			if (v->failed)
				return -EIO;
			v->kicked = true;
			vol_pump(v);
		}
		rng_bytes(v->rng, v->cut_salt, IC_SALT_SIZE);
		ic_rounds_cut(&v->rounds, v->cut_salt);
		check_fits(v, "a cut");
		v->rounds.cut_coming = false;
		v->kicked = true;
		if (v->run)
			model_cut(&v->run->model);
		trace(v->run, "a new part of the log from %lu", log->cut);
		if (vol_log_key(v, log->gen, v->cut_salt))
			return -EIO;
	}
	memcpy(next->log_salt, v->cut_salt, IC_SALT_SIZE);
	next->log_seq = log->cut;
	go_on(v);
	return 0;
}

static struct ic_node_state *parent_of(const struct node *n)
{
	return n->parent ? &n->parent->ns : NULL;
}

/* Tell the parent, or the next superblock, which writing of @n holds. */
static void name_sealed(struct node *n, const struct ic_node *sealed,
			struct ic_state *next)
{
	ic_node_name(&n->ns, sealed, n->parent ? &n->parent->d : NULL, next);
	if (n->parent)
		ic_node_changed(&n->parent->ns);
}

static int seal_node(struct commit *c, struct node *n, struct ic_state *next,
		     struct dio **dio)
{
	struct vol *v = c->v;
	u64 block;
	u8 nonce[IC_NONCE_SIZE];
	struct ic_node copy, sealed;
	bool write;
	int err;

	n->in_seal = true;
	*dio = NULL;
	write = ic_node_take(&n->ns, parent_of(n), &n->d, v->log.gen, &copy,
			     next);
	if (!write) {
		name_sealed(n, NULL, next);
		return 0;
	}
	if (crypto_fails(c))
		return -ENOMEM;
	do {
		sealed = copy;
		vol_nonce(v, nonce);
		err = ic_node_seal(&sealed, keys.node, keys.uuid, n->level,
				   n->index, nonce);
	} while (err == -EAGAIN);
	if (err)
		return err;
	name_sealed(n, &sealed, next);
	block = ic_node_block(&v->conf->geo, n->level, n->index,
			      n->ns.sealed_place);
	*dio = dio_side(v->disks, block, &sealed, BLOCK_UNITS, false);
	return 0;
}

static int seal(void *home, struct ic_state *next)
{
	struct commit *c = home;
	struct vol *v = c->v;
	struct dio *dio[MAX_NODES];
	struct node *todo[MAX_NODES];
	u32 nr = 0, order, i, nr_todo;
	u64 at;
	int err = 0, e;

	for (order = 0; order < IC_SEAL_ORDERS && !err; order++) {
		nr_todo = 0;
		for (at = 0; at < v->nr_nodes; at++)
			if (v->node[at] && v->node[at]->ns.dirty &&
			    v->node[at]->ns.order == order)
				todo[nr_todo++] = v->node[at];
		for (i = 0; i < nr_todo && !err; i++) {
			err = seal_node(c, todo[i], next, &dio[nr]);
			if (dio[nr])
				nr++;
			go_on(v);
		}
	}
	if (v->owned)
		next->flags |= IC_STATE_OWNED;
	for (i = 0; i < nr; i++) {
		e = wait_dio(v, dio[i]);
		if (e && !err)
			err = e;
	}
	return err;
}

/* Seal one block of the log and issue its write. */
int log_write_block(struct vol *v, u64 seq, bool fua, struct dio **dio)
{
	const void *block = ic_log_data_block(&v->log, seq);
	struct ic_log_sealing sealing;
	u8 nonce[IC_NONCE_SIZE];
	int err;

	if (!block) {
		ic_log_sealing(&v->log, seq, &sealing);
		vol_nonce(v, nonce);
		err = ic_log_seal_next(&v->log, &sealing, v->log_key,
				       keys.uuid, nonce);
		if (err)
			return err;
		block = sealing.block;
	}
	*dio = dio_side(v->disks, ic_log_block_nr(&v->conf->geo, seq), block,
			BLOCK_UNITS, fua);
	return 0;
}

/* Does the log's writer run, so that this has to leave the log to that? */
static bool concurrent(const struct commit *c)
{
	return c->v->run && c->mode == COMMIT_LIVE;
}

/*
 * Wait until what the sealed nodes hold is logged, and the log up to there is
 * durable.
 */
static int relogged(void *home)
{
	struct commit *c = home;
	struct vol *v = c->v;
	struct ic_log *log = &v->log;
	struct dio *dio;
	u64 seq;
	int err;

	if (c->mode == COMMIT_PARTIAL)
		return 0;
	ic_log_seal_end(log);
	check_fits(v, "the end of sealing");
	for (seq = log->next; !concurrent(c) && seq < log->relogged; seq++) {
		err = log_write_block(v, seq, false, &dio);
		if (!err)
			err = wait_dio(v, dio);
		if (err)
			return err;
		ic_log_written(log, seq + 1);
	}
	v->kicked = true;
	while (!ic_log_is_relogged(log)) {
		if (v->failed)
			return -EIO;
		vol_pump(v);
	}
	return 0;
}

/*
 * Wait until the data that leaves the log with the commit is where it belongs.
 */
static int in_place(void *home)
{
	struct commit *c = home;
	struct vol *v = c->v;

	vol_place(v);
	while (!ic_log_is_in_place(&v->log)) {
		if (v->failed)
			return -EIO;
		vol_pump(v);
	}
	return 0;
}

void vol_caches(const struct vol *v, struct ic_caches *caches)
{
	caches->sidecar = v->conf->cache[0];
	caches->data = v->conf->cache[v->conf->disks - 1];
	caches->same = v->conf->disks == 1;
}

/* Begin the flushes that @flush names; returns how many. */
u32 issue_flush(struct vol *v, const struct ic_flush *flush,
		struct dio *dio[2])
{
	u32 nr = 0;

	if (flush->sidecar)
		dio[nr++] = dio_flush(v->disks, 0);
	if (flush->data)
		dio[nr++] = dio_flush(v->disks, v->conf->disks - 1);
	return nr;
}

/* Flush all disks. */
int vol_flush(struct vol *v)
{
	struct ic_caches caches;
	struct ic_flush what;
	struct dio *dio[2];
	u32 i, nr;
	int err = 0, e;

	vol_caches(v, &caches);
	ic_flush_begin(&v->log, &caches, &what);
	nr = issue_flush(v, &what, dio);
	for (i = 0; i < nr; i++) {
		e = wait_dio(v, dio[i]);
		if (e)
			err = e;
	}
	if (!err)
		ic_flush_end(&v->log, &what);
	return err;
}

static int flush(void *home)
{
	struct commit *c = home;
	struct vol *v = c->v;

	if (v->failed)
		return -EIO;
	if (vol_flush(v))
		v->failed = true;
	if (v->failed)
		return -EIO;
	go_on(v);
	return 0;
}

static int write_super(void *home, const struct ic_state *next)
{
	struct commit *c = home;
	struct vol *v = c->v;
	u8 nonce[IC_NONCE_SIZE];
	struct ic_super sb;
	int err;

	vol_nonce(v, nonce);
	err = crypto_fails(c) ? -ENOMEM :
	      ic_super_seal(&sb, keys.super, &v->conf->params, next, nonce);
	if (err)
		return err;
	err = wait_dio(v, dio_side(v->disks, IC_SUPER_BLOCK(next->epoch & 1),
				   &sb, 1, true));
	if (err)
		v->failed = true;
	return err;
}

static void committed(void *home, const struct ic_state *next)
{
	struct commit *c = home;
	struct vol *v = c->v;
	u64 i;

	v->state = *next;
	if (v->run)
		v->run->epoch = next->epoch;
	if (c->mode != COMMIT_PARTIAL)
		ic_log_committed(&v->log);
	if (c->mode == COMMIT_LIVE && v->run)
		model_committed(&v->run->model);
	for (i = 0; i < v->nr_nodes; i++) {
		struct node *n = v->node[i];

		if (!n || !n->in_seal)
			continue;
		n->in_seal = false;
		if (ic_node_committed(&n->ns, parent_of(n), v->log.gen))
			ic_node_changed(&n->ns);
	}
	if (v->run && v->erase_until && v->erase_until <= v->log.gen) {
		v->erase_until = 0;
		model_erased(&v->run->model);
		v->run->erased++;
		v->run->stats->erased++;
	}
	if (v->run && v->active)
		v->run->stats->checkpoints++;
}

static void failed(void *home, int err)
{
	struct commit *c = home;
	struct vol *v = c->v;
	u64 i;

	if (v->run && err == -ENOMEM)
		v->run->stats->unsealed++;
	for (i = 0; i < v->nr_nodes; i++) {
		struct node *n = v->node[i];

		if (!n || !n->in_seal)
			continue;
		n->in_seal = false;
		ic_node_failed(&n->ns);
	}
}

static const struct ic_commit_ops commit_ops = {
	.cut = cut,
	.seal = seal,
	.relogged = relogged,
	.in_place = in_place,
	.flush = flush,
	.write_super = write_super,
	.committed = committed,
	.failed = failed,
};

/* Begin a checkpoint while the volume is in use. */
int vol_checkpoint(struct vol *v)
{
	struct commit c = { .v = v, .mode = COMMIT_LIVE };
	int err;

	v->in_commit = true;
	v->disks->stall = true;
	v->rounds.cut_coming = !v->log.cutting;
	ic_checkpoint_begins(&v->checkpoints);
	err = ic_commit(&commit_ops, &c, &v->state);
	ic_checkpoint_ends(&v->checkpoints, err);
	v->in_commit = false;
	v->disks->stall = false;
	v->kicked = true;
	v->want_checkpoint = false;
	v->should_checkpoint = false;
	trace(v->run, "checkpoint: epoch %lu, %d", v->state.epoch, err);
	return err;
}

static bool dirty(const struct vol *v)
{
	u64 i;

	for (i = 0; i < v->nr_nodes; i++)
		if (v->node[i] && v->node[i]->ns.dirty)
			return true;
	return false;
}

/* No bio is under way: make checkpoints until everything is in the tree. */
bool vol_close(struct vol *v)
{
	u32 tries;

	for (tries = 0; !v->failed && tries < 20; tries++) {
		/*
		 * A cut logs again what failed, and then the log isn't empty.
		 */
		if (!dirty(v) && (ic_log_empty(&v->log) ||
				  (tries && !list_empty(&v->log.failed))))
			return true;
		vol_checkpoint(v);
	}
	return false;
}

/* A superblock was passed over: commit the other one again, over it. */
int vol_claim(struct vol *v)
{
	struct commit c = { .v = v, .mode = COMMIT_PARTIAL };

	return ic_commit_same(&commit_ops, &c, &v->state);
}

/* Commit at the end of recovery, or, with @partial, in its course. */
int vol_first_checkpoint(struct vol *v, bool partial)
{
	struct commit c = {
		.v = v,
		.mode = partial ? COMMIT_PARTIAL : COMMIT_FIRST,
	};

	return ic_commit(&commit_ops, &c, &v->state);
}
