// SPDX-License-Identifier: GPL-2.0-only
/*
 * What goes on in an active volume, each a small state machine of which one at
 * random takes its next step: bios, and the writer of the log.
 */
#include "sim.h"

/* States of bios.  Of a write: */
enum {
	W_RANGE, W_OWNER, W_OWNER_SET, W_DECIDE, W_ROOM, W_INTENT, W_LOGGED,
	W_ISSUE, W_DATA, W_PUT, W_FUA
};

/* Of a discard, a forget, a flush: */
enum { D_RANGE, D_ZERO, D_LOG, D_DURABLE, D_PASSED };
enum { G_IDLE, G_SET, G_LOG };
enum { F_WAITS, F_TAKEN };

enum { LW_IDLE, LW_WRITE, LW_WAIT, LW_FLUSH, LW_FLUSHING };

static bool ranged(const struct bio *b)
{
	return b->kind == BIO_WRITE || b->kind == BIO_DISCARD;
}

/* Bios of the same sectors go one after the other. */
static bool range_free(struct vol *v, const struct bio *bio)
{
	const struct bio *b;

	list_for_each_entry(b, &v->run->bios, list) {
		if (b == bio)
			return true;
		if (ranged(b) && b->st != W_FUA &&
		    b->first < bio->first + bio->nr &&
		    bio->first < b->first + b->nr)
			return false;
	}
	abort();
}

/* An inode number is used again only when its last life was forgotten. */
static bool earlier_forget(struct vol *v, const struct bio *bio)
{
	const struct bio *b;

	list_for_each_entry(b, &v->run->bios, list) {
		if (b == bio)
			return false;
		if (b->kind == BIO_FORGET && b->ino == bio->ino)
			return true;
	}
	abort();
}

static void bio_free(struct run *run, struct bio *b)
{
	if (b->inst && b->kind == BIO_WRITE && !b->behind)
		run->model.inst[b->inst].users--;
	dio_put(b->dio);
	free(b->data);
	list_del(&b->list);
	run->nr_bios--;
	free(b);
}

static void bio_end(struct vol *v, struct bio *b, bool ok)
{
	struct model *m = &v->run->model;
	u32 i;

	trace(v->run, "bio %lu ends: %s", b->id, ok ? "ok" : "failed");
	if (b->behind && !ok)
		v->late = true;
	for (i = 0; ranged(b) && i < b->nr; i++) {
		if (b->behind)
			model_behind(&m->sector[b->first + i], b->id, ok);
		else
			model_end(m, &m->sector[b->first + i], b->id, ok,
				  b->fua);
	}
	if (b->kind == BIO_FORGET)
		model_end(m, &m->owner[b->ino], b->id, ok, false);
	if (b->kind == BIO_FLUSH && ok)
		model_flushed(m, b->since);
	bio_free(v->run, b);
}

/* It ends for its issuer before its data is in place. */
static void end_early(struct vol *v, struct bio *b)
{
	struct model *m = &v->run->model;
	u32 i, j;

	trace(v->run, "bio %lu ends early", b->id);
	for (i = 0; i < b->nr; i++) {
		struct mlist *list = &m->sector[b->first + i];

		model_end(m, list, b->id, true, b->fua);
		for (j = 0; j < list->nr; j++)
			list->op[j].behind |= list->op[j].bio == b->id;
	}
	/* The file system may delete the file now. */
	if (b->inst)
		m->inst[b->inst].users--;
	b->behind = true;
}

/* The volume failed, or goes away: whoever waits is told so. */
void vol_fail_bios(struct vol *v)
{
	struct list_head *bios = &v->run->bios;

	while (!list_empty(bios)) {
		struct bio *b = list_entry(bios->next, struct bio, list);

		if (b->kind == BIO_WRITE && b->lw.list.next)
			list_del(&b->lw.list);
		bio_end(v, b, false);
	}
	v->owner_busy = false;
}

static void settle(struct vol *v, const struct bio *b)
{
	u64 first = hot_sector(v->conf, b->first);
	struct ic_log_write *w, *n;
	struct list_head settled;

	INIT_LIST_HEAD(&settled);
	ic_log_settle(&v->log, first, first + b->nr - 1, &settled);
	list_for_each_entry_safe(w, n, &settled, list)
		free(list_entry(&w->list, struct failed, w.list));
}

static void encrypt(struct vol *v, struct bio *b)
{
	u64 sector = hot_sector(v->conf, b->first), key = keys.data;
	u32 units = v->conf->units, i;

	if (b->ino)
		key = data_key(b->ino, &vol_owner_rec(v, b->ino)->owner);
	for (i = 0; i < b->nr; i++) {
		struct ic_sector_record *rec = &b->rec[i];
		u64 *tok = &b->tok[i * units];

		vol_nonce(v, rec->nonce);
		rec->owner = cpu_to_le32(b->ino);
		data_seal(v->conf, key, sector + i, model_content(b->id, i),
			  rec->nonce, tok, rec->tag);
		memcpy(b->head[i], tok, IC_HEAD_SIZE);
	}
	b->lw.sector = sector;
	b->lw.nr = b->nr;
	b->lw.rec = b->rec;
	b->lw.head = (const u8 (*)[IC_HEAD_SIZE])b->head;
}

/* Must, or will, the records be durable before the data may be written? */
static bool needs_intent(struct vol *v, const struct bio *b)
{
	u64 first = hot_sector(v->conf, b->first), s;

	for (s = first; s < first + b->nr; s++)
		if (!mem_is_zero(vol_sector_rec(v, s), IC_RECORD_SIZE))
			return true;
	return ic_log_touches(&v->log, first, first + b->nr - 1) ||
	       rng_pct(v->rng, v->conf->w_join);
}

/* The data is written: only now its records take effect. */
static void store(struct vol *v, const struct bio *b)
{
	u64 first = hot_sector(v->conf, b->first);
	u32 i;

	for (i = 0; i < b->nr; i++) {
		vol_sector_rec(v, first + i)->sector = b->rec[i];
		vol_dirty_sector(v, first + i);
	}
	if (b->ino)
		v->owned = true;
}

/* Either contents may be on the disk from now on. */
static void write_failed(struct vol *v, struct bio *b)
{
	struct list_head list, forgotten;
	u32 i;

	INIT_LIST_HEAD(&list);
	INIT_LIST_HEAD(&forgotten);
	for (i = 0; i < b->nr; i++) {
		struct failed *f = calloc(1, sizeof(*f));

		f->rec = b->rec[i];
		memcpy(f->head[0], b->head[i], IC_HEAD_SIZE);
		f->w.sector = b->lw.sector + i;
		f->w.nr = 1;
		f->w.rec = &f->rec;
		f->w.head = (const u8 (*)[IC_HEAD_SIZE])f->head;
		f->id = model_content(b->id, i);
		list_add_tail(&f->w.list, &list);
	}
	if (!ic_log_fail(&v->log, &b->lw, &list, &forgotten))
		v->failed = true;
	v->want_checkpoint |= ic_log_held(&v->log);
	while (!list_empty(&forgotten)) {
		struct failed *f = list_entry(forgotten.next, struct failed,
					      w.list);
		u32 hot;

		if (sector_hot(v->conf, f->w.sector, &hot))
			model_forgotten(&v->run->model.sector[hot], f->id);
		list_del(&f->w.list);
		free(f);
		v->run->stats->forgotten++;
	}
}

static void owner_record(struct vol *v, const struct bio *b)
{
	struct inst *inst = &v->run->model.inst[b->inst];
	union ic_record rec = { 0 };

	memcpy(rec.owner.salt, inst->salt, IC_SALT_SIZE);
	rec.owner.gen = cpu_to_le32(inst->gen);
	rec.owner.flags = cpu_to_le16(IC_OWNER_USED);
	vol_set_owner(v, b->ino, &rec);
}

static bool durable(struct vol *v, u64 seq)
{
	if (v->log.durable > seq)
		return true;
	v->want = true;
	return false;
}

/* May it go on?  What nothing will change is an error, not a wait. */
static int room(struct vol *v, u32 entries, u32 intents)
{
	switch (ic_log_room(&v->log, entries, intents)) {
	case IC_LOG_ROOM:
		return 1;
	case IC_LOG_NO_LIVE:
		return list_empty(&v->log.writes) ? -EIO : 0;
	case IC_LOG_NO_SPACE:
		v->want_checkpoint = true;
		return 0;
	default:
		return 0;
	}
}

static bool write_begin(struct vol *v, struct bio *b)
{
	struct model *m = &v->run->model;
	u32 i;

	if (!range_free(v, b))
		return false;
	for (i = 0; i < b->nr; i++)
		model_begin(m, &m->sector[b->first + i],
			    b->kind == BIO_WRITE ? model_content(b->id, i) : 0,
			    b->inst, b->id);
	return true;
}

static bool write_owner(struct vol *v, struct bio *b)
{
	struct model *m = &v->run->model;

	if (!b->ino || m->inst[b->inst].created) {
		b->st = W_DECIDE;
		return true;
	}
	if (v->owner_busy || earlier_forget(v, b))
		return false;
	v->owner_busy = true;
	m->inst[b->inst].created = true;
	model_begin(m, &m->owner[b->ino], b->inst, b->inst, b->id);
	owner_record(v, b);
	b->st = W_OWNER_SET;
	return true;
}

static bool write_owner_set(struct vol *v, struct bio *b)
{
	struct model *m = &v->run->model;

	if (room(v, 1, 0) <= 0)
		return false;
	ic_log_set(&v->log, IC_LOG_SET_OWNER, b->ino,
		   vol_owner_rec(v, b->ino));
	m->inst[b->inst].logged = true;
	model_end(m, &m->owner[b->ino], b->id, true, false);
	v->owner_busy = false;
	b->st = W_DECIDE;
	return true;
}

static bool write_decide(struct vol *v, struct bio *b)
{
	if (b->ino && !v->run->model.inst[b->inst].logged)
		return false;
	encrypt(v, b);
	b->intent = needs_intent(v, b);
	b->st = b->intent ? W_ROOM : W_ISSUE;
	trace(v->run, "bio %lu: write %u+%u, owner %u%s%s", b->id, b->first,
	      b->nr, b->ino, b->intent ? ", intent" : "",
	      b->fua ? ", FUA" : "");
	return true;
}

static bool write_room(struct vol *v, struct bio *b)
{
	int may = room(v, b->nr, b->nr);

	if (!may)
		return false;
	if (may < 0) {
		bio_end(v, b, false);
		return true;
	}
	ic_log_intend(&v->log, &b->lw);
	b->ticket = v->ticket++;
	b->st = W_INTENT;
	if (!b->fua && rng_pct(v->rng, v->conf->w_behind))
		end_early(v, b);
	return true;
}

static bool write_data(struct vol *v, struct bio *b)
{
	u32 units = v->conf->units;

	b->dio = dio_data(v->disks, b->first * units, b->nr * units, b->tok,
			  b->id, b->fua);
	b->st = W_DATA;
	return true;
}

static bool write_done(struct vol *v, struct bio *b)
{
	if (!b->dio->done)
		return false;
	if (b->dio->err && b->data) {
		/* It is durable, in the log: the next load tries again. */
		trace(v->run, "bio %lu: data that the log holds", b->id);
		v->failed = true;
		return true;
	}
	if (b->dio->err) {
		if (b->intent)
			write_failed(v, b);
		bio_end(v, b, false);
		return true;
	}
	store(v, b);
	if (!b->intent) {
		b->st = W_PUT;
		return true;
	}
	ic_log_complete(&v->log, &b->lw);
	settle(v, b);
	/* The PUTs and the data are durable. */
	bio_end(v, b, true);
	return true;
}

static bool write_put(struct vol *v, struct bio *b)
{
	if (room(v, b->nr, 0) <= 0)
		return false;
	b->wait = ic_log_put(&v->log, &b->lw);
	if (b->fua)
		b->st = W_FUA;
	else
		bio_end(v, b, true);
	return true;
}

static bool step_write(struct vol *v, struct bio *b)
{
	switch (b->st) {
	case W_RANGE:
		if (!write_begin(v, b))
			return false;
		b->st = W_OWNER;
		return true;
	case W_OWNER:
		return write_owner(v, b);
	case W_OWNER_SET:
		return write_owner_set(v, b);
	case W_DECIDE:
		return write_decide(v, b);
	case W_ROOM:
		return write_room(v, b);
	case W_INTENT:
		/* Nobody is in a hurry for one that has ended. */
		if (b->behind && v->log.durable <= b->lw.now.last &&
		    !rng_pct(v->rng, 10))
			return false;
		if (!durable(v, b->lw.now.last))
			return false;
		b->st = W_ISSUE;
		return true;
	case W_LOGGED:
		if (!durable(v, b->wait))
			return false;
		if (!b->behind)
			end_early(v, b);
		b->st = W_ISSUE;
		return true;
	case W_ISSUE:
		/* A cut in between logs the PUTs again; they still are durable. */
		return write_data(v, b);
	case W_DATA:
		return write_done(v, b);
	case W_PUT:
		return write_put(v, b);
	case W_FUA:
		if (!durable(v, b->wait))
			return false;
		bio_end(v, b, true);
		return true;
	}
	abort();
}

static bool step_discard(struct vol *v, struct bio *b)
{
	u64 first = hot_sector(v->conf, b->first);
	u32 i, n = b->nr * v->conf->units;

	switch (b->st) {
	case D_RANGE:
		if (!write_begin(v, b))
			return false;
		b->st = D_ZERO;
		return true;
	case D_ZERO:
		vol_zero(v, first, first + b->nr - 1);
		b->st = D_LOG;
		return true;
	case D_LOG:
		if (room(v, 1, 0) <= 0)
			return false;
		b->wait = ic_log_zero(&v->log, first, first + b->nr - 1);
		settle(v, b);
		trace(v->run, "bio %lu: discard %u+%u", b->id, b->first, b->nr);
		if (v->conf->pass_down || b->fua)
			b->st = D_DURABLE;
		else
			bio_end(v, b, true);
		return true;
	case D_DURABLE:
		if (!durable(v, b->wait))
			return false;
		if (!v->conf->pass_down) {
			bio_end(v, b, true);
			return true;
		}
		for (i = 0; i < n; i++)
			b->tok[i] = rng_pct(v->rng, 50) ? 0 : rng_next(v->rng);
		b->dio = dio_data(v->disks, b->first * v->conf->units, n,
				  b->tok, b->id, false);
		b->st = D_PASSED;
		return true;
	case D_PASSED:
		if (!b->dio->done)
			return false;
		bio_end(v, b, true);
		return true;
	}
	abort();
}

static bool step_forget(struct vol *v, struct bio *b)
{
	struct model *m = &v->run->model;
	union ic_record rec = { 0 };

	switch (b->st) {
	case G_IDLE:
		if (v->owner_busy || m->inst[b->inst].users)
			return false;
		if (!m->inst[b->inst].logged) {
			/* Nothing was ever written for it. */
			bio_free(v->run, b);
			return true;
		}
		v->owner_busy = true;
		m->inst[b->inst].forgetting = true;
		model_begin(m, &m->owner[b->ino], 0, 0, b->id);
		b->st = G_SET;
		return true;
	case G_SET:
		rec.owner.gen = cpu_to_le32(m->inst[b->inst].gen);
		rec.owner.flags = cpu_to_le16(IC_OWNER_ERASED);
		vol_set_owner(v, b->ino, &rec);
		b->st = G_LOG;
		return true;
	case G_LOG:
		if (room(v, 1, 0) <= 0)
			return false;
		ic_log_set(&v->log, IC_LOG_SET_OWNER, b->ino,
			   vol_owner_rec(v, b->ino));
		m->inst[b->inst].forgotten = true;
		v->owner_busy = false;
		trace(v->run, "bio %lu: forget %u", b->id, b->ino);
		bio_end(v, b, true);
		return true;
	}
	abort();
}

static bool step_bio(struct vol *v, struct bio *b)
{
	switch (b->kind) {
	case BIO_WRITE:
		return step_write(v, b);
	case BIO_DISCARD:
		return step_discard(v, b);
	case BIO_FORGET:
		return step_forget(v, b);
	case BIO_FLUSH:
		return false;
	}
	abort();
}

/*
 * The log's writer: closes the open block when somebody waits, seals and writes
 * what is closed, flushes, and tells those who waited.
 */
static bool take_flushes(struct vol *v)
{
	u64 first = v->ticket;
	bool any = false;
	struct bio *b;

	list_for_each_entry(b, &v->run->bios, list)
		if (b->kind == BIO_WRITE && b->intent && b->st > W_ROOM &&
		    !b->data && b->ticket < first)
			first = b->ticket;
	list_for_each_entry(b, &v->run->bios, list) {
		if (b->kind != BIO_FLUSH)
			continue;
		if (b->ticket > first) {
			/* What it has to wait for isn't written yet. */
			v->want = true;
			continue;
		}
		b->st = F_TAKEN;
		any = true;
	}
	if (any) {
		v->lw_late = v->late;
		v->late = false;
	}
	return any;
}

/* Some that somebody waits for have their data logged as well. */
static void log_data(struct vol *v, bool flush)
{
	struct bio *b, *chosen[IC_LOG_DATA_MAX];
	u32 n = 0, sectors = 0, i, j;

	if (v->conf->params.sector_size != IC_BLOCK_SIZE)
		return;
	list_for_each_entry(b, &v->run->bios, list) {
		if (b->kind != BIO_WRITE || b->st != W_INTENT ||
		    !(b->behind ? flush : b->fua) ||
		    sectors + b->nr > IC_LOG_DATA_MAX ||
		    !rng_pct(v->rng, v->conf->w_data))
			continue;
		chosen[n++] = b;
		sectors += b->nr;
	}
	if (!n || !ic_log_data_begin(&v->log, sectors))
		return;
	for (i = 0; i < n; i++) {
		b = chosen[i];
		trace(v->run, "bio %lu: data logged", b->id);
		b->data = malloc(b->nr * IC_BLOCK_SIZE);
		for (j = 0; j < b->nr; j++) {
			u8 *block = b->data + j * IC_BLOCK_SIZE;

			data_block_pack(v->conf, block,
					&b->tok[j * v->conf->units], b->id);
			b->wait = v->log.head;
			ic_log_data(&v->log, &b->lw, j, block);
		}
		b->st = W_LOGGED;
	}
	ic_log_data_end(&v->log);
}

static bool flushes_wait(struct vol *v)
{
	struct bio *b;

	list_for_each_entry(b, &v->run->bios, list)
		if (b->kind == BIO_FLUSH)
			return true;
	return false;
}

static void end_flushes(struct vol *v, bool ok)
{
	struct list_head *at = v->run->bios.next;

	while (at != &v->run->bios) {
		struct bio *b = list_entry(at, struct bio, list);

		at = at->next;
		if (b->kind == BIO_FLUSH && b->st == F_TAKEN)
			bio_end(v, b, ok);
	}
}

static bool lw_start(struct vol *v)
{
	struct ic_log *log = &v->log;
	bool close = v->want || flushes_wait(v), closed = true;

	if (v->failed)
		return false;
	if (!close && !log->count && rng_pct(v->rng, 10))
		ic_log_mark(log);
	if (close) {
		log_data(v, flushes_wait(v));
		closed = ic_log_close(log);
	}
	if (!closed)
		v->want_checkpoint = true;
	v->lw_data = closed && take_flushes(v);
	v->lw_flush = v->lw_data || (v->want && log->durable < log->head);
	v->lw_next = log->next;
	v->lw_end = log->head;
	v->want = false;
	if (v->lw_next == v->lw_end && !v->lw_flush)
		return false;
	v->lw_st = LW_WRITE;
	return true;
}

static void lw_drop(struct vol *v)
{
	u32 i;

	for (i = 0; i < v->lw_nr; i++)
		dio_put(v->lw_dio[i]);
	v->lw_nr = 0;
}

static bool lw_wait(struct vol *v)
{
	bool err = false;
	u32 i;

	for (i = 0; i < v->lw_nr; i++) {
		if (!v->lw_dio[i]->done)
			return false;
		err |= v->lw_dio[i]->err;
	}
	lw_drop(v);
	if (err) {
		/* The chain is broken: nothing after it could be found. */
		trace(v->run, "the log can't be written");
		v->failed = true;
		v->lw_st = LW_IDLE;
		return true;
	}
	ic_log_written(&v->log, v->lw_end);
	if (v->conf->log_fua)
		ic_log_durable(&v->log, v->lw_end);
	v->lw_st = v->lw_data || (v->lw_flush && !v->conf->log_fua) ||
		   rng_pct(v->rng, 10) ? LW_FLUSH : LW_IDLE;
	return true;
}

static bool lw_flush(struct vol *v)
{
	bool data = v->lw_data || rng_pct(v->rng, 30);
	u32 i;

	v->lw_settled = ic_log_settled(&v->log);
	v->lw_moves = data || v->conf->disks == 1;
	for (i = 0; i < v->conf->disks; i++)
		if (!i || data)
			v->lw_dio[v->lw_nr++] = dio_flush(v->disks, i);
	v->lw_st = LW_FLUSHING;
	return true;
}

static bool lw_flushed(struct vol *v)
{
	bool err = false;
	u32 i;

	for (i = 0; i < v->lw_nr; i++) {
		if (!v->lw_dio[i]->done)
			return false;
		err |= v->lw_dio[i]->err;
	}
	lw_drop(v);
	v->lw_st = LW_IDLE;
	if (!err) {
		ic_log_durable(&v->log, v->lw_end);
		if (v->lw_moves)
			ic_log_flushed(&v->log, v->lw_settled);
	}
	end_flushes(v, !err && !v->lw_late);
	return true;
}

bool vol_log_step(struct vol *v)
{
	switch (v->lw_st) {
	case LW_IDLE:
		return lw_start(v);
	case LW_WRITE:
		if (v->lw_next == v->lw_end) {
			v->lw_st = LW_WAIT;
			return true;
		}
		if (log_write_block(v, v->lw_next++, &v->lw_dio[v->lw_nr++]))
			abort();
		return true;
	case LW_WAIT:
		return lw_wait(v);
	case LW_FLUSH:
		return lw_flush(v);
	case LW_FLUSHING:
		return lw_flushed(v);
	}
	abort();
}

/*
 * New bios.
 */
static void new_range(struct run *run, struct bio *b)
{
	const struct conf *c = &run->conf;
	u32 max = rng_pct(&run->rng, 5) ? MAX_WRITE :
		  rng_pct(&run->rng, 50) ? 2 : 10;
	u32 end;

	b->first = rng_below(&run->rng, c->hot);
	/* Some sectors are dearer than others. */
	if (rng_pct(&run->rng, 50))
		b->first = rng_below(&run->rng, 1 + c->hot / 8);
	b->nr = 1 + rng_below(&run->rng, max);
	end = b->first < c->hot_first ? c->hot_first : c->hot;
	if (b->first + b->nr > end)
		b->nr = end - b->first;
}

static void new_owned(struct run *run, struct bio *b)
{
	struct model *m = &run->model;

	b->ino = 1 + rng_below(&run->rng, run->conf.inos);
	if (!run->life[b->ino]) {
		run->life[b->ino] = model_inst(m, b->ino, &run->rng);
		trace(run, "ino %u begins life %u", b->ino, run->life[b->ino]);
	}
	b->inst = run->life[b->ino];
	m->inst[b->inst].users++;
}

static bool new_bio(struct vol *v)
{
	struct run *run = v->run;
	const struct conf *c = &run->conf;
	struct bio *b;
	u32 what;

	if (!v->active || run->draining || v->failed ||
	    run->nr_bios >= c->depth)
		return false;
	b = calloc(1, sizeof(*b));
	b->id = ++run->next_bio;
	b->since = run->model.clock;
	b->ticket = v->ticket;
	what = rng_below(&run->rng, 100);
	if (what < c->w_flush) {
		b->kind = BIO_FLUSH;
	} else if (what < c->w_flush + c->w_discard) {
		b->kind = BIO_DISCARD;
		new_range(run, b);
		b->fua = rng_pct(&run->rng, c->w_fua);
	} else if (what < c->w_flush + c->w_discard + c->w_forget) {
		b->kind = BIO_FORGET;
		b->ino = 1 + rng_below(&run->rng, c->inos);
		b->inst = run->life[b->ino];
		run->life[b->ino] = 0;
		if (!b->inst)
			b->kind = BIO_FLUSH;
	} else {
		b->kind = BIO_WRITE;
		new_range(run, b);
		b->fua = rng_pct(&run->rng, c->w_fua);
		if (rng_pct(&run->rng, c->w_owned))
			new_owned(run, b);
	}
	list_add_tail(&b->list, &run->bios);
	run->nr_bios++;
	return true;
}

static bool step_random_bio(struct vol *v)
{
	struct run *run = v->run;
	struct bio *b;
	u32 n;

	if (!run->nr_bios)
		return false;
	n = rng_below(&run->rng, run->nr_bios);
	list_for_each_entry(b, &run->bios, list)
		if (!n--)
			return step_bio(v, b);
	return false;
}

/* Try all in turn. */
static bool step_any(struct vol *v)
{
	struct list_head *at;

	for (at = v->run->bios.next; at != &v->run->bios; at = at->next)
		if (step_bio(v, list_entry(at, struct bio, list)))
			return true;
	return vol_log_step(v) || disks_complete_one(v->disks);
}

/**
 * vol_step() - something happens
 * @v: active
 *
 * Return: false if nothing can, unless there is a checkpoint.
 */
bool vol_step(struct vol *v)
{
	u32 what = rng_below(v->rng, 10);
	bool done;

	v->run->step++;
	if (what < 2)
		done = disks_complete_one(v->disks);
	else if (what < 4)
		done = vol_log_step(v);
	else if (what < 5)
		done = new_bio(v);
	else
		done = step_random_bio(v);
	return done || step_any(v) || new_bio(v);
}

/**
 * vol_pump() - a checkpoint waits: let something else happen
 * @v: the volume
 */
void vol_pump(struct vol *v)
{
	v->idle = vol_step(v) ? 0 : v->idle + 1;
	if (v->idle > 100)
		run_fail(v->run,
			 "hangs: a checkpoint waits, and nothing else can happen");
	if (v->run->step > v->run->step_limit)
		run_fail(v->run, "does not come to an end");
}
