// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a plain disk could hold.
 *
 * Each sector has a list of writes and zeroings in their order.  The first one is
 * durable, by a flush or FUA; after a crash the sector holds that one's
 * contents, or any later one's.  Owner records have such lists too.
 */
#include "sim.h"

u64 model_content(u64 bio, u32 i)
{
	return bio * 128 + i + 1;
}

static void list_push(struct mlist *list, const struct mop *op)
{
	if (list->nr == list->max) {
		list->max = list->max ? 2 * list->max : 4;
		list->op = realloc(list->op, list->max * sizeof(*list->op));
	}
	list->op[list->nr++] = *op;
	if (!op->id)
		list->zero = ZERO_SINCE_CUT | ZERO_SINCE_COMMIT;
}

/* Only @op is left in the list. */
static void list_reset(struct mlist *list, u64 id, u32 inst)
{
	struct mop op = { .id = id, .inst = inst, .state = MOP_ACKED };

	list->nr = 0;
	list->zero = 0;
	list_push(list, &op);
}

void model_init(struct model *m, const struct conf *conf)
{
	u32 i;

	memset(m, 0, sizeof(*m));
	m->conf = conf;
	m->sector = calloc(conf->hot, sizeof(*m->sector));
	m->inst = calloc(1, sizeof(*m->inst));
	m->nr_inst = 1;
	for (i = 0; i < conf->hot; i++)
		list_reset(&m->sector[i], 0, 0);
	for (i = 0; i <= MAX_INO; i++)
		list_reset(&m->owner[i], 0, 0);
}

void model_free(struct model *m)
{
	u32 i;

	for (i = 0; i < m->conf->hot; i++)
		free(m->sector[i].op);
	for (i = 0; i <= MAX_INO; i++)
		free(m->owner[i].op);
	free(m->sector);
	free(m->inst);
}

/* Begin a new life of an inode number. */
u32 model_inst(struct model *m, u32 ino, struct rng *rng)
{
	struct inst *inst;

	m->inst = realloc(m->inst, (m->nr_inst + 1) * sizeof(*m->inst));
	inst = &m->inst[m->nr_inst];
	memset(inst, 0, sizeof(*inst));
	inst->ino = ino;
	inst->gen = m->nr_inst;
	rng_bytes(rng, inst->salt, IC_SALT_SIZE);
	return m->nr_inst++;
}

void model_begin(struct model *m, struct mlist *list, u64 id, u32 inst,
		 u64 bio)
{
	struct mop op = { .id = id, .inst = inst, .bio = bio };

	(void)m;
	list_push(list, &op);
}

/* Operation @nr is durable: what came before it is past. */
static void make_floor(struct model *m, struct mlist *list, u32 nr)
{
	bool owner = list >= m->owner && list <= m->owner + MAX_INO;
	u32 i;

	for (i = 0; i < nr && owner; i++) {
		struct mop *op = &list->op[i];

		if (op->inst && op->inst != list->op[nr].inst) {
			m->inst[op->inst].gone = true;
			m->inst[op->inst].must_erase = true;
		}
	}
	memmove(list->op, list->op + nr, (list->nr - nr) * sizeof(*list->op));
	list->nr -= nr;
}

void model_end(struct model *m, struct mlist *list, u64 bio, bool ok,
	       bool durable)
{
	u32 i;

	m->clock++;
	for (i = 0; i < list->nr; i++) {
		struct mop *op = &list->op[i];

		if (op->bio != bio || op->state != MOP_FLIGHT)
			continue;
		op->state = ok ? MOP_ACKED : MOP_FAILED;
		op->acked = m->clock;
		if (ok && durable)
			make_floor(m, list, i);
		return;
	}
}

/* A write that had been acknowledged early is over. */
void model_behind(struct mlist *list, u64 bio, bool ok)
{
	u32 i;

	for (i = 0; i < list->nr; i++) {
		if (list->op[i].bio != bio || !list->op[i].behind)
			continue;
		list->op[i].behind = false;
		if (!ok)
			list->op[i].state = MOP_FAILED;
	}
}

/* A failed write is not remembered any more, as others of its sector failed since. */
void model_forgotten(struct mlist *list, u64 id)
{
	u32 i;

	for (i = 0; i < list->nr; i++)
		list->op[i].forgotten |= list->op[i].id == id;
}

/*
 * Is what the disk has of a forgotten write?  Or in part: the rest is then of another
 * failed one, or of what was there before.
 */
static bool is_forgotten(const struct conf *conf, const struct mlist *list,
			 const u32 *src, u32 hot, enum seen seen)
{
	u32 i, j;

	if (seen == SEEN_DATA ||
	    (seen == SEEN_ZERO && (!conf->zero_torn ||
				   conf->atomic == conf->units)))
		return false;

	src += hot * conf->units;
	for (i = 0; i < list->nr; i++)
		for (j = 0; j < conf->units && list->op[i].forgotten; j++)
			if (src[j] == list->op[i].bio)
				return true;
	return false;
}

/* Recovery could not put a sector's data in place. */
void model_lost(struct mlist *list)
{
	struct mop op = { .id = ID_ERROR, .state = MOP_FAILED };

	list_push(list, &op);
}

static void flushed(struct model *m, struct mlist *list, u64 since)
{
	u32 i;

	for (i = list->nr; i--;) {
		if (list->op[i].state == MOP_ACKED &&
		    list->op[i].acked <= since) {
			make_floor(m, list, i);
			return;
		}
	}
}

/* A flush that was submitted at @since has completed. */
void model_flushed(struct model *m, u64 since)
{
	u32 i;

	for (i = 0; i < m->conf->hot; i++)
		flushed(m, &m->sector[i], since);
	for (i = 1; i <= m->conf->inos; i++)
		flushed(m, &m->owner[i], since);
}

/* The leaf of owners was written twice: what was forgotten is gone for good. */
void model_erased(struct model *m)
{
	u32 i;

	for (i = 1; i < m->nr_inst; i++)
		if (m->inst[i].forgotten)
			m->inst[i].erased = true;
}

/*
 * A checkpoint's cut: the log that follows knows of no zeros but what there is, or
 * was before a write that isn't in place.
 */
void model_cut(struct model *m)
{
	u32 i, j;

	for (i = 0; i < m->conf->hot; i++) {
		struct mlist *list = &m->sector[i];
		bool zero = false;

		for (j = 0; j < list->nr; j++) {
			const struct mop *op = &list->op[j];

			zero |= !op->id || op->state == MOP_FLIGHT ||
				op->behind;
		}
		if (!zero || !list->zero)
			list->zero &= ~ZERO_SINCE_CUT;
		else
			list->zero |= ZERO_SINCE_CUT;
	}
}

/* The log behind the cut is what counts from now on. */
void model_committed(struct model *m)
{
	u32 i;

	for (i = 0; i < m->conf->hot; i++)
		if (!(m->sector[i].zero & ZERO_SINCE_CUT))
			m->sector[i].zero = 0;
}

void found_init(struct found *f, const struct conf *conf)
{
	memset(f, 0, sizeof(*f));
	f->seen = calloc(conf->hot, sizeof(*f->seen));
	f->id = calloc(conf->hot, sizeof(*f->id));
}

void found_free(struct found *f)
{
	free(f->seen);
	free(f->id);
}

bool found_equal(const struct found *a, const struct found *b,
		 const struct conf *conf, u32 *hot)
{
	for (*hot = 0; *hot < conf->hot; ++*hot)
		if (a->seen[*hot] != b->seen[*hot] ||
		    a->id[*hot] != b->id[*hot])
			return false;
	return !memcmp(a->inst, b->inst, sizeof(a->inst));
}

static bool torn(const struct conf *conf, const u32 *src, u32 hot)
{
	u32 i;

	src += hot * conf->units;
	for (i = 1; i < conf->units; i++)
		if (src[i] != src[0])
			return true;
	return false;
}

static int describe(const struct model *m, const struct mlist *list, u32 from,
		    char *buf, size_t len)
{
	int n = 0;
	u32 i;

	for (i = from; i < list->nr && n < (int)len; i++) {
		const struct mop *op = &list->op[i];
		const struct inst *inst = &m->inst[op->inst];

		n += snprintf(buf + n, len - n, " ");
		if (op->id == ID_ERROR)
			n += snprintf(buf + n, len - n, "error");
		else if (!op->id)
			n += snprintf(buf + n, len - n, "zeros");
		else
			n += snprintf(buf + n, len - n, "%lu", op->id / 128);
		if (op->inst)
			n += snprintf(buf + n, len - n, "(life %u of %u%s)",
				      op->inst, inst->ino,
				      inst->gone ? ", gone" :
				      inst->forgetting ? ", being forgotten" :
				      "");
		n += snprintf(buf + n, len - n, "%s",
			      op->state == MOP_ACKED ? "" :
			      op->state == MOP_FAILED ? "/failed" :
			      "/under way");
	}
	return n;
}

/* May a sector with these operations, from number @from, read so? */
static bool allowed(const struct model *m, const struct mlist *list, u32 from,
		    enum seen seen, u64 id)
{
	u32 i;

	for (i = from; i < list->nr; i++) {
		const struct mop *op = &list->op[i];
		const struct inst *inst = &m->inst[op->inst];

		switch (seen) {
		case SEEN_ZERO:
			if (!op->id)
				return true;
			/*
			 * A lost record verifies against nothing, as a torn
			 * sector does.
			 */
			if (op->id == ID_ERROR && m->conf->zero_torn &&
			    m->conf->atomic < m->conf->units)
				return true;
			break;
		case SEEN_DATA:
			if (op->id == id && !inst->gone)
				return true;
			break;
		case SEEN_ERROR:
			if (op->id == ID_ERROR || inst->forgetting ||
			    inst->gone)
				return true;
			break;
		}
	}
	return false;
}

/*
 * A torn sector is an error, or zeros if it was that not long ago.  If it was
 * nothing else before it has to be zeros: a journal is read up to there.
 */
static bool torn_may_be(const struct model *m, const struct mlist *list,
			enum seen seen, bool unknown)
{
	switch (seen) {
	case SEEN_ZERO:
		return m->conf->zero_torn || list->zero;
	case SEEN_ERROR:
		return unknown || (!m->conf->zero_torn &&
				   (list->op[0].id || list->nr > 2));
	case SEEN_DATA:
		break;
	}
	return false;
}

static const char *name(enum seen seen, u64 id, char buf[32])
{
	if (seen == SEEN_ZERO)
		return "zeros";
	if (seen == SEEN_ERROR)
		return "an error";
	snprintf(buf, 32, "%lu", id / 128);
	return buf;
}

/*
 * Return which life the owner record is of; 0 for none, ~0 for an unknown salt.
 */
static u32 owner_found(const struct model *m, struct vol *v, u32 ino)
{
	const struct ic_owner_record *rec = &vol_owner_rec(v, ino)->owner;
	u32 i;

	if (!(le16_to_cpu(rec->flags) & IC_OWNER_USED))
		return 0;
	for (i = 1; i < m->nr_inst; i++)
		if (!memcmp(m->inst[i].salt, rec->salt, IC_SALT_SIZE))
			return i;
	return ~0U;
}

static bool check_owner(struct model *m, struct vol *v, u32 ino,
			struct found *found, char *why, size_t len)
{
	const struct mlist *list = &m->owner[ino];
	u32 inst = owner_found(m, v, ino), i;
	int n;

	found->inst[ino] = inst;
	for (i = 0; i < list->nr; i++)
		if (list->op[i].id == inst)
			return true;
	n = snprintf(why, len, "owner %u: its record is of life %u, allowed:",
		     ino, inst);
	for (i = 0; i < list->nr && n < (int)len; i++)
		n += snprintf(why + n, len - n, " %lu", list->op[i].id);
	return false;
}

static bool check_count(struct vol *v, char *why, size_t len)
{
	const struct ic_geometry *geo = &v->conf->geo;
	u64 i, n = 0;

	for (i = geo->owner_leaf; i < geo->sector_leaf; i++)
		if (v->node[i])
			n += ic_owners_in(&v->node[i]->d);
	if (n && !(v->state.flags & IC_STATE_OWNED)) {
		snprintf(why, len, "the superblock says that no sector has an owner");
		return false;
	}
	if (n == v->state.nr_owners)
		return true;
	snprintf(why, len, "%lu owners, the superblock says %lu", n,
		 v->state.nr_owners);
	return false;
}

/**
 * model_check() - compare a volume that was just recovered
 * @m: the model
 * @v: active
 * @img: its disks
 * @found: receives what there is
 * @why: receives what is wrong
 * @len: its size
 */
bool model_check(struct model *m, struct vol *v, const struct image *img,
		 struct found *found, char *why, size_t len)
{
	char buf[32];
	u32 hot, ino;
	int n;

	for (ino = 1; ino <= m->conf->inos; ino++)
		if (!check_owner(m, v, ino, found, why, len))
			return false;
	if (!v->read_only && !check_count(v, why, len))
		return false;
	for (hot = 0; hot < m->conf->hot; hot++) {
		bool owned, mixed = torn(m->conf, img->src, hot);
		u64 id = 0;
		enum seen seen = vol_read(v, img->tok, hot, &id, &owned);

		found->seen[hot] = seen;
		found->id[hot] = id;
		if (allowed(m, &m->sector[hot], 0, seen, id))
			continue;
		if (is_forgotten(m->conf, &m->sector[hot], img->src, hot, seen))
			continue;
		if (mixed && torn_may_be(m, &m->sector[hot], seen, owned ||
					 v->read_errors || v->unsure[hot]))
			continue;
		/* Recovery could not read or write the sector's place. */
		if (v->skipped[hot] && seen == SEEN_ERROR)
			continue;
		n = snprintf(why, len, "sector %u (%lu)%s: found %s, allowed:",
			     hot, hot_sector(m->conf, hot),
			     mixed ? ", torn" : "", name(seen, id, buf));
		describe(m, &m->sector[hot], 0, why + n, len - n);
		return false;
	}
	return true;
}

/* A read while all is well: the last contents, or a failed write's. */
bool model_check_live(struct model *m, struct vol *v, u32 hot, char *why,
		      size_t len)
{
	const struct mlist *list = &m->sector[hot];
	bool owned, mixed = torn(m->conf, v->disks->src, hot);
	enum seen seen;
	char buf[32];
	u32 i, from = 0;
	u64 id = 0;
	int n;

	for (i = 0; i < list->nr; i++) {
		if (list->op[i].state == MOP_FLIGHT || list->op[i].behind)
			return true;
		if (list->op[i].state == MOP_ACKED)
			from = i;
	}
	seen = vol_read(v, v->disks->tok, hot, &id, &owned);
	if (allowed(m, list, from, seen, id) || (mixed && seen == SEEN_ERROR) ||
	    is_forgotten(m->conf, list, v->disks->src, hot, seen))
		return true;
	n = snprintf(why, len, "read of sector %u (%lu): found %s, allowed:",
		     hot, hot_sector(m->conf, hot), name(seen, id, buf));
	describe(m, list, from, why + n, len - n);
	return false;
}

/*
 * Sector @i of a read has come to its end.  It may have what was there when the read
 * began, or what was written since; and nothing that isn't the reader's.
 */
bool model_check_read(struct model *m, struct vol *v, const struct bio *b,
		      u32 i, enum seen seen, u64 id, char *why, size_t len)
{
	u32 hot = b->first + i, from = 0, j;
	const struct mlist *list = &m->sector[hot];
	bool mine = seen != SEEN_DATA || b->who.any, others = false;
	char buf[32];
	int n;

	for (j = 0; j < list->nr; j++) {
		const struct mop *op = &list->op[j];

		if (op->state == MOP_ACKED && op->acked <= b->since)
			from = j;
		mine |= op->id == id && m->inst[op->inst].ino == b->who.ino;
		others |= m->inst[op->inst].ino != b->who.ino;
	}
	/*
	 * A write of another's that failed may be there.  Or the volume has stopped, as
	 * data that the log has can't be put in place.
	 */
	if (seen == SEEN_ERROR && ((others && !b->who.any) || v->failed))
		return true;
	if (mine && (allowed(m, list, from, seen, id) ||
		     (torn(m->conf, v->disks->src, hot) && seen == SEEN_ERROR) ||
		     is_forgotten(m->conf, list, v->disks->src, hot, seen)))
		return true;
	n = snprintf(why, len, "read %lu of sector %u (%lu): found %s%s, allowed:",
		     b->id, hot, hot_sector(m->conf, hot),
		     name(seen, id, buf), mine ? "" : ", another's");
	describe(m, list, from, why + n, len - n);
	return false;
}

/* What was found after a crash is durable from now on. */
void model_restart(struct model *m, struct vol *v, const struct found *found)
{
	u32 i, j;

	for (i = 0; i < m->conf->hot; i++) {
		struct mlist *list = &m->sector[i];
		u32 inst = 0;

		for (j = 0; j < list->nr; j++)
			if (list->op[j].id == found->id[i])
				inst = list->op[j].inst;
		list_reset(list, found->seen[i] == SEEN_ZERO ? 0 :
			   found->seen[i] == SEEN_ERROR ? ID_ERROR :
			   found->id[i], found->seen[i] == SEEN_DATA ? inst : 0);
	}
	for (i = 1; i <= m->conf->inos; i++)
		list_reset(&m->owner[i], found->inst[i], found->inst[i]);
	for (i = 1; i < m->nr_inst; i++) {
		struct inst *inst = &m->inst[i];
		const struct ic_owner_record *rec =
			&vol_owner_rec(v, inst->ino)->owner;
		bool there = found->inst[inst->ino] == i;

		inst->users = 0;
		inst->forgetting = false;
		inst->made = there;
		inst->gone = !there;
		/*
		 * A life that was made and lost leaves no record by which it
		 * could be erased.
		 */
		inst->forgotten = !there && (inst->must_erase ||
			(le16_to_cpu(rec->flags) & IC_OWNER_ERASED &&
			 le32_to_cpu(rec->gen) == inst->gen));
	}
}
