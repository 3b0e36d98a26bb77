// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bios in an active volume, each a small state machine of which one at random takes
 * its next step.  The order of a write's steps is shared/write_steps.c's.
 */
#include "sim.h"

static bool ranged(const struct bio *b)
{
	return b->kind == BIO_WRITE || b->kind == BIO_DISCARD ||
	       b->kind == BIO_READ;
}

/* Must @later wait for @b, which came before it? */
static bool in_its_way(const struct bio *later, const struct bio *b)
{
	const struct ic_sectors first = {
		b->first, b->first + b->nr - 1, b->kind != BIO_READ
	};
	const struct ic_sectors second = {
		later->first, later->first + later->nr - 1,
		later->kind != BIO_READ
	};

	if (!ranged(b) ||
	    (b->kind == BIO_WRITE && ic_write_left_range(&b->req)))
		return false;
	return ic_sectors_conflict(&first, &second);
}

/* Bios of the same sectors go one after the other, but for reads. */
static bool range_free(struct vol *v, struct bio *bio)
{
	bool is_free = true;
	struct bio *b;

	list_for_each_entry(b, &v->run->bios, list) {
		if (b == bio)
			break;
		if (!in_its_way(bio, b))
			continue;
		b->wanted = true;
		is_free = false;
	}
	if (!is_free && !bio->blocked) {
		bio->blocked = true;
		vol_hurry(v);
	}
	return is_free;
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

static void bio_free(struct vol *v, struct bio *b)
{
	struct run *run = v->run;

	if (b->req.ended)
		v->rounds.behind--;
	if (b->inst && b->kind == BIO_WRITE && !b->req.ended)
		run->model.inst[b->inst].users--;
	dio_put(b->dio);
	free(b->data);
	list_del(&b->list);
	run->nr_bios--;
	free(b);
}

void bio_end(struct vol *v, struct bio *b, bool ok)
{
	struct model *m = &v->run->model;
	u32 i;

	trace(v->run, "bio %lu ends: %s", b->id, ok ? "ok" : "failed");
	for (i = 0; ranged(b) && b->kind != BIO_READ && i < b->nr; i++) {
		/* It is durable, in the log: the next load tries again. */
		if (b->held)
			continue;
		if (b->req.ended)
			model_behind(&m->sector[b->first + i], b->id, ok);
		else
			model_end(m, &m->sector[b->first + i], b->id, ok,
				  b->fua);
	}
	if (b->kind == BIO_FORGET)
		model_end(m, &m->owner[b->ino], b->id, ok, false);
	if (b->req.ended && !b->held && !ok && v->late > b->req.ticket)
		v->late = b->req.ticket;
	if (b->kind == BIO_FLUSH && ok) {
		if (b->req.ticket > v->late)
			run_fail(v->run, "a flush ends well after a write that failed");
		model_flushed(m, b->since);
	} else if (b->kind == BIO_FLUSH) {
		v->late = ~0ULL;
	}
	bio_free(v, b);
}

/* It ends for its issuer before its data is in place. */
void bio_end_early(struct vol *v, struct bio *b)
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
}

/* The volume failed, or goes away: whoever waits is told so. */
void vol_fail_bios(struct vol *v)
{
	struct list_head *bios = &v->run->bios;

	while (!list_empty(bios)) {
		struct bio *b = list_entry(bios->next, struct bio, list);

		if (b->kind == BIO_WRITE && b->req.puts.list.next)
			list_del(&b->req.puts.list);
		bio_end(v, b, false);
	}
	v->owner_by = NULL;
}

static void free_failed(struct list_head *list)
{
	struct failed *f, *n;

	list_for_each_entry_safe(f, n, list, w.list)
		free(f);
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
	b->req.puts.sector = sector;
	b->req.puts.nr = b->nr;
	b->req.puts.rec = b->rec;
	b->req.puts.head = (const u8 (*)[IC_HEAD_SIZE])b->head;
}

static bool leaves_empty(struct vol *v, const struct bio *b)
{
	u64 first = hot_sector(v->conf, b->first), s;

	for (s = first; s < first + b->nr; s++)
		if (!mem_is_zero(vol_sector_rec(v, s), IC_RECORD_SIZE))
			return false;
	return true;
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
void bio_write_failed(struct vol *v, struct bio *b)
{
	struct list_head list, forgotten;
	u32 i;

	INIT_LIST_HEAD(&list);
	INIT_LIST_HEAD(&forgotten);
	for (i = 0; i < b->nr; i++) {
		struct failed *f = calloc(1, sizeof(*f));

		f->rec = b->rec[i];
		memcpy(f->head[0], b->head[i], IC_HEAD_SIZE);
		f->w.sector = b->req.puts.sector + i;
		f->w.nr = 1;
		f->w.rec = &f->rec;
		f->w.head = (const u8 (*)[IC_HEAD_SIZE])f->head;
		f->id = model_content(b->id, i);
		list_add_tail(&f->w.list, &list);
	}
	b->held = !ic_rounds_write_failed(&v->rounds, &b->req, &list, 0, -EIO,
					  &forgotten) && b->req.ended;
	free_failed(&list);
	/* The target cuts, too, where the mark is far back for other reasons. */
	v->want_checkpoint |= v->log.forgotten && ic_log_held(&v->log);
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

/*
 * May it go on?  If it can't, @b waits: until a checkpoint has failed that began after
 * it did.  @early: nothing has changed yet, so that @b alone fails.
 */
static int room(struct vol *v, struct bio *b, u32 entries, u32 intents,
		bool early)
{
	enum ic_log_room room;

	if (!b->waits)
		b->runs = v->checkpoints.begun;
	room = ic_rounds_room(&v->rounds, entries, intents, &v->checkpoints,
			      b->runs);
	if (!room) {
		b->waits = false;
		return 1;
	}
	if (room == IC_LOG_NO_LIVE)
		vol_place(v);
	b->waits = true;
	if (room == IC_LOG_NO_SPACE) {
		if (v->checkpoints.bad > b->runs + 3)
			run_fail(v->run, "bio %lu waits on, while checkpoints fail",
				 b->id);
		v->want_checkpoint = true;
		return 0;
	}
	if (room != IC_LOG_FULL) {
		v->kicked = true;
		return 0;
	}
	trace(v->run, "bio %lu: no room, and none to come", b->id);
	if (!early)
		v->failed = true;
	return -EIO;
}

/* Something was appended. */
static void appended(struct vol *v)
{
	if (ic_rounds_appended(&v->rounds, &v->should_checkpoint))
		v->kicked = true;
}

/*
 * Change the record of @b's owner, one step; nobody else changes one meanwhile.  When
 * it is done @v's owner_by is NULL.
 */
static bool change_owner(struct vol *v, struct bio *b,
			 union ic_record *rec)
{
	switch (b->change) {
	case IC_CHANGE_MEMORY:
		vol_set_owner(v, b->ino, rec);
		break;
	case IC_CHANGE_LOG:
		if (room(v, b, 1, 0, false) <= 0)
			return false;
		ic_log_set(&v->log, IC_LOG_SET_OWNER, b->ino,
			   vol_owner_rec(v, b->ino));
		appended(v);
		break;
	default:
		v->owner_by = b;
		break;
	}
	b->change = ic_change_next(b->change);
	if (b->change == IC_CHANGE_DONE)
		v->owner_by = NULL;
	return true;
}

/* Wait until the sectors are free; a write or a discard begins then. */
static bool begin(struct vol *v, struct bio *b)
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
	struct inst *inst = &m->inst[b->inst];
	union ic_record rec = { 0 };

	if (!b->ino || inst->made) {
		ic_write_step(&b->req);
		return true;
	}
	if (v->owner_by != b) {
		if (v->owner_by || earlier_forget(v, b))
			return false;
		model_begin(m, &m->owner[b->ino], b->inst, b->inst, b->id);
	}
	memcpy(rec.owner.salt, inst->salt, IC_SALT_SIZE);
	rec.owner.gen = cpu_to_le32(inst->gen);
	rec.owner.flags = cpu_to_le16(IC_OWNER_USED);
	if (!change_owner(v, b, &rec))
		return false;
	if (b->change == IC_CHANGE_DONE) {
		inst->made = true;
		model_end(m, &m->owner[b->ino], b->id, true, false);
	}
	return true;
}

/* Is a write that completed on the data device with FUA durable there? */
static bool data_fua(const struct vol *v)
{
	return v->conf->data_fua || !v->conf->cache[v->conf->disks - 1];
}

static bool write_seal(struct vol *v, struct bio *b)
{
	encrypt(v, b);
	b->req.fua = b->fua;
	b->req.fua_kept = data_fua(v);
	ic_write_step(&b->req);
	return true;
}

static bool write_decide(struct vol *v, struct bio *b)
{
	b->req.may_log = rng_pct(v->rng, v->conf->w_data);
	ic_rounds_decide(&v->rounds, &b->req, leaves_empty(v, b), b->req.may_log,
			 b->req.may_log && !b->wanted &&
			 rng_pct(v->rng, v->conf->w_join));
	ic_write_step(&b->req);
	trace(v->run, "bio %lu: write %u+%u, owner %u%s%s", b->id, b->first,
	      b->nr, b->ino, b->req.intent ? ", intent" : "",
	      b->fua ? ", FUA" : "");
	return true;
}

static bool write_intend(struct vol *v, struct bio *b)
{
	int may = room(v, b, b->nr, b->nr, true);
	bool ends = !b->fua &&
		    (b->req.joins || rng_pct(v->rng, v->conf->w_behind));

	if (may <= 0 && b->req.joins) {
		ic_write_unjoin(&b->req);
		return true;
	}
	if (!may)
		return false;
	if (may < 0) {
		bio_end(v, b, false);
		return true;
	}
	b->req.may_log = b->req.may_log && (ends || b->fua);
	if (ic_rounds_intend(&v->rounds, &b->req, ends))
		v->kicked = true;
	appended(v);
	if (ends)
		bio_end_early(v, b);
	return true;
}

/* A cut while it is written logs the PUTs again; they still are durable. */
static bool write_data(struct vol *v, struct bio *b)
{
	u32 units = v->conf->units;

	if (!b->dio) {
		b->dio = dio_data(v->disks, b->first * units, b->nr * units,
				  b->tok, b->id, b->fua && v->conf->data_fua &&
				  !b->req.puts.data);
		/* A checkpoint mustn't wait for it, unless the log has its data. */
		b->dio->stalls = v->conf->stalls && !b->req.puts.data;
		return true;
	}
	if (!b->dio->done)
		return false;
	if (b->dio->err) {
		if (b->req.intent)
			bio_write_failed(v, b);
		bio_end(v, b, false);
		return true;
	}
	ic_write_step(&b->req);
	return true;
}

/* Its PUTs are logged, and its data is in its place. */
static void write_stored(struct vol *v, struct bio *b)
{
	ic_write_step(&b->req);
	switch (b->req.state) {
	case IC_WRITE_WAIT_LOG:
		ic_rounds_wait_logged(&v->rounds, &b->req);
		break;
	case IC_WRITE_WAIT_FLUSH:
		ic_rounds_wait_flush(&v->rounds, &b->req);
		break;
	default:
		return;
	}
	v->kicked = true;
}

static bool write_complete(struct vol *v, struct bio *b)
{
	struct list_head settled;

	INIT_LIST_HEAD(&settled);
	ic_rounds_write_done(&v->rounds, &b->req, &settled);
	free_failed(&settled);
	write_stored(v, b);
	return true;
}

static bool write_put(struct vol *v, struct bio *b)
{
	if (room(v, b, b->nr, 0, false) <= 0)
		return false;
	ic_rounds_put(&v->rounds, &b->req);
	appended(v);
	write_stored(v, b);
	return true;
}

static bool step_write(struct vol *v, struct bio *b)
{
	switch (b->req.state) {
	case IC_WRITE_RANGE:
		if (!begin(v, b))
			return false;
		ic_write_step(&b->req);
		return true;
	case IC_WRITE_OWNER:
		return write_owner(v, b);
	case IC_WRITE_SEAL:
		return write_seal(v, b);
	case IC_WRITE_DECIDE:
		return write_decide(v, b);
	case IC_WRITE_INTEND:
		return write_intend(v, b);
	case IC_WRITE_LOGGING:
		return false;
	case IC_WRITE_DATA:
		return write_data(v, b);
	case IC_WRITE_STORE:
		store(v, b);
		ic_write_step(&b->req);
		return true;
	case IC_WRITE_PUT:
		return write_put(v, b);
	case IC_WRITE_COMPLETE:
		return write_complete(v, b);
	case IC_WRITE_WAIT_LOG:
	case IC_WRITE_WAIT_FLUSH:
		return false;
	case IC_WRITE_END:
		bio_end(v, b, true);
		return true;
	}
	abort();
}

static bool step_discard(struct vol *v, struct bio *b)
{
	u64 first = hot_sector(v->conf, b->first);
	u32 i, n = b->nr * v->conf->units;
	struct list_head settled;

	switch (b->st) {
	case D_RANGE:
		if (!begin(v, b))
			return false;
		b->st = D_ZERO;
		return true;
	case D_ZERO:
		vol_zero(v, first, first + b->nr - 1);
		b->st = D_LOG;
		return true;
	case D_LOG:
		if (room(v, b, 1, 0, false) <= 0)
			return false;
		INIT_LIST_HEAD(&settled);
		ic_rounds_zero(&v->rounds, &b->req, first, first + b->nr - 1,
			       &settled);
		free_failed(&settled);
		appended(v);
		trace(v->run, "bio %lu: discard %u+%u", b->id, b->first, b->nr);
		if (!v->conf->pass_down && !b->fua) {
			bio_end(v, b, true);
			return true;
		}
		ic_rounds_wait_logged(&v->rounds, &b->req);
		v->kicked = true;
		b->st = D_LOGGED;
		return true;
	case D_LOGGED:
		return false;
	case D_PASS:
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

/* Compare what a read has found; with @zeros that is all zeros. */
static void read_ends(struct vol *v, struct bio *b, bool zeros)
{
	u64 first = hot_sector(v->conf, b->first), id;
	char why[1000];
	enum seen seen;
	u32 i;

	for (i = 0; i < b->nr; i++) {
		id = 0;
		seen = zeros ? SEEN_ZERO :
			       vol_open(v, &b->rec[i],
					&b->tok[i * v->conf->units], first + i,
					&id);
		v->run->stats->reads++;
		if (!model_check_read(&v->run->model, v, b, i, seen, id, why,
				      sizeof(why)))
			run_fail(v->run, "%s", why);
	}
	bio_end(v, b, true);
}

static bool step_forget(struct vol *v, struct bio *b)
{
	struct model *m = &v->run->model;
	struct inst *inst = &m->inst[b->inst];
	union ic_record rec = { 0 };

	if (b->st == G_IDLE) {
		if (v->owner_by || inst->users)
			return false;
		if (!inst->made) {
			/* Nothing was ever written for it. */
			bio_free(v, b);
			return true;
		}
		inst->forgetting = true;
		model_begin(m, &m->owner[b->ino], 0, 0, b->id);
		b->st = G_CHANGE;
	}
	ic_owner_tombstone(&rec, inst->gen);
	if (!change_owner(v, b, &rec))
		return false;
	if (b->change != IC_CHANGE_DONE)
		return true;
	inst->forgotten = true;
	trace(v->run, "bio %lu: forget %u", b->id, b->ino);
	bio_end(v, b, true);
	return true;
}

/* Is there anything to decrypt?  If not, the read is over. */
static bool read_judge(struct vol *v, struct bio *b)
{
	u64 first = hot_sector(v->conf, b->first);
	bool any = false;
	u32 i;

	for (i = 0; i < b->nr; i++) {
		switch (ic_read_judge(&b->who, &b->rec[i])) {
		case IC_READ_DATA:
			any = true;
			break;
		case IC_READ_ZEROS:
			break;
		case IC_READ_LOST:
			run_fail(v->run, "sector %lu has lost its record",
				 first + i);
		case IC_READ_OTHERS:
			/* It fails, and nothing was read. */
			bio_end(v, b, false);
			return false;
		}
	}
	if (any || ic_read_may_hold(&v->log, &b->who, first,
				    first + b->nr - 1, b->rec))
		return true;
	read_ends(v, b, true);
	return false;
}

static bool step_read(struct vol *v, struct bio *b)
{
	u64 first = hot_sector(v->conf, b->first);
	u32 units = v->conf->units, i;

	switch (b->st) {
	case R_RANGE:
		if (!range_free(v, b))
			return false;
		b->since = v->run->model.clock;
		b->st = b->ahead ? R_AHEAD : R_RECORDS;
		return true;
	case R_AHEAD:
	case R_DATA:
		memcpy(b->tok, &v->disks->tok[b->first * units],
		       b->nr * units * sizeof(*b->tok));
		b->st = b->st == R_AHEAD ? R_RECORDS : R_DECRYPT;
		return true;
	case R_RECORDS:
		for (i = 0; i < b->nr; i++)
			b->rec[i] = vol_sector_rec(v, first + i)->sector;
		if (read_judge(v, b))
			b->st = b->ahead ? R_DECRYPT : R_DATA;
		return true;
	case R_DECRYPT:
		for (i = 0; i < b->nr; i++)
			if (ic_read_take_failed(&v->log, &b->who, first + i,
						(const u8 *)&b->tok[i * units],
						&b->rec[i])) {
				bio_end(v, b, false);
				return true;
			}
		read_ends(v, b, false);
		return true;
	}
	abort();
}

static bool step_bio(struct vol *v, struct bio *b)
{
	switch (b->kind) {
	case BIO_READ:
		return step_read(v, b);
	case BIO_WRITE:
		return step_write(v, b);
	case BIO_DISCARD:
		return step_discard(v, b);
	case BIO_FORGET:
		return step_forget(v, b);
	case BIO_FLUSH:
		if (b->st != F_NEW)
			return false;
		b->since = v->run->model.clock;
		b->req.preflush = true;
		ic_rounds_wait_flush(&v->rounds, &b->req);
		v->kicked = true;
		b->st = F_WAITS;
		return true;
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
	b->vol = v;
	what = rng_below(&run->rng, 100);
	if (c->w_read && rng_pct(&run->rng, c->w_read)) {
		b->kind = BIO_READ;
		new_range(run, b);
		b->ahead = rng_pct(&run->rng, 50);
		b->who.any = rng_pct(&run->rng, 50);
		b->who.ino = b->who.any || rng_pct(&run->rng, 50) ? 0 :
			     1 + rng_below(&run->rng, c->inos);
	} else if (what < c->w_flush) {
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
	return vol_log_step(v) || disks_complete_one(v->disks) ||
	       vol_timer(v, T_PLACE) || vol_timer(v, T_DRAIN) || vol_timer(v, T_MARK);
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
	if (rng_pct(v->rng, 2))
		done = vol_timer(v, rng_below(v->rng, T_COUNT));
	else if (what < 2)
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
