// SPDX-License-Identifier: GPL-2.0-only
/*
 * Activation in the simulator: what activation_order.c and recover.c ask for, done
 * on the simulated disks, some of which can't be read.  The kernel's is
 * dm-target/load/.
 */
#include "sim.h"

/*
 * Recovery's home.
 */
static int op_read_log(void *home, u64 seq, struct ic_log_block *block)
{
	struct vol *v = home;

	if (seq == v->bad_log && v->bad_reads) {
		v->bad_reads -= v->bad_reads != BAD_FOR_GOOD;
		return -EIO;
	}
	disks_read(v->disks, ic_log_block_nr(&v->conf->geo, seq), block);
	return 0;
}

/* This error lasts only until the block is read again. */
static void op_pause(void *home)
{
	(void)home;
}

/*
 * A block of the log that can't be read: one of it, for a moment; the one behind
 * its end, for good; or one in the middle, for good, which mustn't pass for the end.
 */
static void spoil_log(struct vol *v, struct ic_recovery *r)
{
	struct ic_log_walk walk;
	u64 last = 0;

	ic_log_walk_start(&walk, r, &v->state);
	while (ic_log_walk_next(&walk) > 0)
		last = walk.at;
	switch (rng_below(v->rng, 3)) {
	case 0:
		v->bad_log = r->start +
			     rng_below(v->rng, walk.seq - r->start + 1);
		v->bad_reads = 1 + rng_below(v->rng, 2);
		break;
	case 1:
		v->bad_log = walk.seq;
		v->bad_reads = BAD_FOR_GOOD;
		break;
	case 2:
		if (last <= r->start)
			break;
		v->bad_log = r->start + rng_below(v->rng, last - r->start);
		v->bad_reads = BAD_FOR_GOOD;
		v->must_refuse = true;
		break;
	}
}

/* Does the device fail to read a sector while @v is activated? */
bool vol_unreadable(const struct vol *v, u32 hot)
{
	return v->read_errors &&
	       mix(v->read_seed ^ hot) % 1000 < v->conf->fail_read;
}

/* What a read of a sector gives; a read-only volume has some in memory. */
static const u64 *ciphertext(const struct vol *v, u32 hot)
{
	const u64 *tok = v->in_memory ? v->in_memory->tok : v->disks->tok;

	return tok + hot * v->conf->units;
}

static void op_read_heads(void *home, struct ic_try *tries, u32 n)
{
	struct vol *v = home;
	u32 hot;

	for (struct ic_try *t = tries; t < tries + n; t++) {
		t->err = -EIO;
		if (!sector_hot(v->conf, t->sector, &hot) ||
		    vol_unreadable(v, hot))
			continue;
		memcpy(t->head, ciphertext(v, hot), IC_HEAD_SIZE);
		t->err = 0;
	}
}

static int op_get_sector(void *home, u64 sector, struct ic_sector_record *rec)
{
	*rec = vol_sector_rec(home, sector)->sector;
	return 0;
}

static int op_set_sector(void *home, u64 sector,
			 const struct ic_sector_record *rec)
{
	vol_sector_rec(home, sector)->sector = *rec;
	vol_dirty_sector(home, sector);
	return 0;
}

static int op_set_owner(void *home, u32 ino, const union ic_record *rec)
{
	vol_replay_owner(home, ino, rec);
	return 0;
}

static int op_set_key(void *home, u32 slot, const union ic_record *rec)
{
	vol_set_key(home, slot, rec);
	return 0;
}

static bool sector_unsettled(struct vol *v, u64 sector)
{
	const struct failed *f;

	list_for_each_entry(f, &v->unsettled, w.list)
		if (f->w.sector == sector)
			return true;
	return false;
}

/* A sector's failures are past once something newer is known of it. */
static void drop_unsettled(struct vol *v, u64 first, u64 last)
{
	struct list_head *at = v->unsettled.next;

	while (at != &v->unsettled) {
		struct failed *f = list_entry(at, struct failed, w.list);

		at = at->next;
		if (f->w.sector < first || f->w.sector > last)
			continue;
		list_del(&f->w.list);
		free(f);
		v->adopted--;
	}
}

static int op_set_data(void *home, u64 sector,
		       const struct ic_sector_record *rec)
{
	drop_unsettled(home, sector, sector);
	return op_set_sector(home, sector, rec);
}

/*
 * One that the device can't read, or write: the volume isn't activated, or, if
 * that was asked for, it is given up.
 */
static int give_up(struct vol *v, u32 hot)
{
	if (!v->give_up) {
		v->refused = true;
		return -EIO;
	}
	v->skipped[hot] = true;
	if (v->run)
		model_lost(&v->run->model.sector[hot]);
	return 0;
}

static void keep_in_memory(struct vol *v, u32 hot, const u64 *tok, u32 src)
{
	u32 first = hot * v->conf->units, i;

	for (i = 0; i < v->conf->units; i++) {
		v->in_memory->tok[first + i] = tok[i];
		v->in_memory->src[first + i] = src;
	}
}

static int op_redo(void *home, u64 sector, const void *data)
{
	struct vol *v = home;
	u64 tok[MAX_UNITS];
	struct dio *dio;
	u32 hot, src;
	int err;

	if (!sector_hot(v->conf, sector, &hot))
		return -EINVAL;
	if (sector_unsettled(v, sector))
		return give_up(v, hot);
	memcpy(tok, data, sizeof(tok));
	memcpy(&src, data + sizeof(tok), sizeof(src));
	if (v->read_only) {
		keep_in_memory(v, hot, tok, src);
		return 1;
	}
	dio = dio_data(v->disks, hot * v->conf->units, v->conf->units, tok,
		       src, false);
	disks_complete(v->disks, dio);
	err = dio->err;
	dio_put(dio);
	return err ? give_up(v, hot) : 1;
}

static int op_zero(void *home, u64 first, u64 last)
{
	struct vol *v = home;

	vol_zero(v, first, last);
	drop_unsettled(v, first, last);
	return 0;
}

static int op_unsettled(void *home, u64 sector,
			const struct ic_sector_record *rec,
			const u8 head[IC_HEAD_SIZE])
{
	struct vol *v = home;
	struct failed *f;

	if (v->adopted >= ic_unsettled_max(&v->log)) {
		v->refused = true;
		return -EIO;
	}
	f = calloc(1, sizeof(*f));
	f->rec = *rec;
	memcpy(f->head[0], head, IC_HEAD_SIZE);
	f->w.sector = sector;
	f->w.nr = 1;
	f->w.rec = &f->rec;
	f->w.head = f->head;
	list_add_tail(&f->w.list, &v->unsettled);
	v->adopted++;
	return 0;
}

static int verify(void *home, u64 sector, const struct ic_sector_record *rec)
{
	struct vol *v = home;
	u32 hot;
	u64 id;

	if (!sector_hot(v->conf, sector, &hot))
		return -EINVAL;
	if (vol_unreadable(v, hot) || v->skipped[hot])
		return -EIO;
	return data_open(v->conf, keys.data, sector, rec, ciphertext(v, hot),
			 &id) ? 0 : -EBADMSG;
}

static void op_verify(void *home, struct ic_try *tries, u32 n)
{
	for (u32 i = 0; i < n; i++)
		tries[i].err = verify(home, tries[i].sector, &tries[i].rec);
}

static int op_claim(void *home)
{
	return vol_claim(home);
}

static int op_progress(void *home)
{
	struct vol *v = home;

	if (v->partial && rng_pct(v->rng, 25))
		return vol_first_checkpoint(v, true);
	return 0;
}

static const struct ic_recovery_ops recovery_ops = {
	.read_log = op_read_log,
	.read_heads = op_read_heads,
	.get_sector = op_get_sector,
	.set_sector = op_set_sector,
	.set_data = op_set_data,
	.redo = op_redo,
	.set_owner = op_set_owner,
	.set_key = op_set_key,
	.zero = op_zero,
	.unsettled = op_unsettled,
	.verify = op_verify,
	.pause = op_pause,
	.claim = op_claim,
	.progress = op_progress,
};

static const struct ic_recovery_ops recovery_ops_whole = {
	.read_log = op_read_log,
	.read_heads = op_read_heads,
	.get_sector = op_get_sector,
	.set_sector = op_set_sector,
	.set_data = op_set_data,
	.redo = op_redo,
	.set_owner = op_set_owner,
	.set_key = op_set_key,
	.zero = op_zero,
	.unsettled = op_unsettled,
	.pause = op_pause,
	.claim = op_claim,
	.progress = op_progress,
};

/*
 * Activation's home: activation_order.c says what comes when.
 */
static int op_flush(void *home)
{
	struct vol *v = home;

	return v->conf->cache[0] ? wait_dio(v, dio_flush(v->disks, 0)) : 0;
}

static int op_judge(void *home, struct ic_super_copy copy[2])
{
	struct vol *v = home;
	union {
		struct ic_super	sb;
		u8		block[IC_BLOCK_SIZE];
	} read;
	u32 nr;

	for (nr = 0; nr < 2; nr++) {
		if (v->bad_super == (int)nr) {
			ic_super_unread(&copy[nr], -EIO);
			continue;
		}
		disks_read(v->disks, IC_SUPER_BLOCK(nr), &read);
		ic_super_judge(&read.sb, nr, keys.super, &copy[nr]);
		/* Only a superblock that is being written may be lost. */
		if (copy[nr].err && !v->disks->durable.super_failed)
			return copy[nr].err;
	}
	return 0;
}

static void op_chosen(void *home, const struct ic_super_copy *best,
		      const struct ic_super_copy *other)
{
	struct vol *v = home;

	(void)other;
	v->state = best->state;
	v->loaded = v->state.epoch;
	v->owned = v->state.flags & IC_STATE_OWNED;
}

static int op_load_root(void *home)
{
	return vol_load_tree(home);
}

static int op_recover(void *home, struct ic_activation *a)
{
	struct vol *v = home;
	struct ic_recovery *r = &v->rec;
	int err;

	r->ops = v->conf->atomic < v->conf->units ? &recovery_ops :
						    &recovery_ops_whole;
	r->home = v;
	r->geo = &v->conf->geo;
	r->uuid = keys.uuid;
	r->log_master = keys.log_master;
	r->key = v->log_key[0];
	r->block = &v->rec_block;
	r->data = v->rec_data;
	r->tries = v->rec_tries;
	r->zero_torn = v->conf->zero_torn && r->ops->verify;
	r->read_only = v->read_only;
	r->super_unread = a->super_unread;
	if (v->log_errors && v->bad_super < 0)
		spoil_log(v, r);
	err = ic_recover(r, &v->state);
	if (err)
		v->refused |= v->bad_reads == BAD_FOR_GOOD || r->doubt;
	a->nr_unsettled = v->adopted;
	return err;
}

static int op_new_salt(void *home, u64 gen)
{
	struct vol *v = home;

	rng_bytes(v->rng, v->cut_salt, IC_SALT_SIZE);
	return vol_log_key(v, gen, v->cut_salt);
}

static void op_adopt(void *home)
{
	struct vol *v = home;

	while (!list_empty(&v->unsettled)) {
		struct failed *f = list_entry(v->unsettled.next, struct failed,
					      w.list);

		list_del(&f->w.list);
		ic_log_adopt(&v->log, &f->w);
	}
}

static int op_commit(void *home)
{
	return vol_first_checkpoint(home, false);
}

static const struct ic_activation_ops activation_ops = {
	.flush = op_flush,
	.judge = op_judge,
	.chosen = op_chosen,
	.load_root = op_load_root,
	.recover = op_recover,
	.new_salt = op_new_salt,
	.adopt = op_adopt,
	.commit = op_commit,
};

/**
 * vol_activate() - load, recover, and, unless it is read-only, commit
 * @v: new
 *
 * Return: 0 or a negative errno; @v->refused is set if so because too much could
 * not be read.
 */
int vol_activate(struct vol *v)
{
	struct ic_activation a = {
		.ops = &activation_ops,
		.home = v,
		.params = &v->conf->params,
		.recovery = &v->rec,
		.log = &v->log,
		.read_only = v->read_only,
	};
	int err = ic_activate(&a);

	v->refused |= a.no_room;
	v->active = !err;
	return err;
}
