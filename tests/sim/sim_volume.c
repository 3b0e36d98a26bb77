// SPDX-License-Identifier: GPL-2.0-only
/*
 * A volume in memory, the simulator's stand-in for the kernel's node cache and
 * activation: the whole tree decrypted, owners, and the home of recovery.
 */
#include "sim.h"

struct keys keys;

static struct node *free_nodes;
static struct vol *free_vols;

/*
 * Data sectors: a keyed stream and a keyed checksum over the 8 bytes that stand
 * for each unit.
 */
static u64 stream_base(u64 key, u64 sector, const u8 nonce[IC_NONCE_SIZE])
{
	u64 a;
	u32 b;

	memcpy(&a, nonce, sizeof(a));
	memcpy(&b, nonce + sizeof(a), sizeof(b));
	return mix(key ^ mix(a ^ mix(b ^ mix(sector))));
}

static void data_tag(const struct conf *conf, u64 key, u64 base,
		     const u64 *tok, u8 tag[IC_TAG_SIZE])
{
	u64 h = base;
	u32 i;

	for (i = 0; i < conf->units; i++)
		h = mix(h ^ tok[i]);
	memcpy(tag, &h, sizeof(h));
	h = mix(h ^ key);
	memcpy(tag + sizeof(h), &h, sizeof(h));
}

void data_seal(const struct conf *conf, u64 key, u64 sector, u64 id,
	       const u8 nonce[IC_NONCE_SIZE], u64 *tok, u8 tag[IC_TAG_SIZE])
{
	u64 base = stream_base(key, sector, nonce);
	u32 i;

	for (i = 0; i < conf->units; i++)
		tok[i] = id ^ mix(base + i + 1);
	data_tag(conf, key, base, tok, tag);
}

static bool data_open(const struct conf *conf, u64 key, u64 sector,
		      const struct ic_sector_record *rec, const u64 *tok,
		      u64 *id)
{
	u64 base = stream_base(key, sector, rec->nonce);
	u8 tag[IC_TAG_SIZE];

	data_tag(conf, key, base, tok, tag);
	if (memcmp(tag, rec->tag, sizeof(tag)))
		return false;
	*id = tok[0] ^ mix(base + 1);
	return true;
}

u64 data_key(u32 ino, const struct ic_owner_record *rec)
{
	u64 salt[2];

	memcpy(salt, rec->salt, sizeof(salt));
	return mix(salt[0] ^ mix(salt[1] ^ mix(ino ^
			   (u64)le32_to_cpu(rec->gen) << 32)));
}

struct node *vol_node(struct vol *v, u32 level, u64 index)
{
	u64 number = ic_node_number(&v->conf->geo, level, index);
	struct node *n = v->node[number];

	if (n)
		return n;
	n = free_nodes;
	if (n)
		memcpy(&free_nodes, &n->d, sizeof(free_nodes));
	else
		n = malloc(sizeof(*n));
	memset(n, 0, sizeof(*n));
	n->level = level;
	n->index = index;
	v->node[number] = n;
	return n;
}

static void node_free(struct node *n)
{
	if (!n)
		return;
	memcpy(&n->d, &free_nodes, sizeof(free_nodes));
	free_nodes = n;
}

struct vol *vol_new(const struct conf *conf, struct disks *disks,
		    struct rng *rng)
{
	u32 slots = ic_log_slots(conf->geo.log_blocks), i;
	struct vol *v = free_vols;

	if (v) {
		struct ic_log_block **slot = v->slot;
		struct ic_meta_key *k0 = v->log_key[0], *k1 = v->log_key[1];
		const void **data_block = v->data_block;
		u16 *inflight = v->inflight;

		free_vols = v->pool;
		memset(v, 0, sizeof(*v));
		v->slot = slot;
		v->log_key[0] = k0;
		v->log_key[1] = k1;
		v->data_block = data_block;
		memset(data_block, 0, slots * sizeof(*data_block));
		v->inflight = inflight;
		memset(inflight, 0, conf->geo.log_blocks * sizeof(*inflight));
	} else {
		u8 zero[IC_KEY_SIZE] = { 0 };

		v = calloc(1, sizeof(*v));
		v->slot = calloc(slots, sizeof(*v->slot));
		for (i = 0; i < slots; i++)
			v->slot[i] = malloc(sizeof(**v->slot));
		v->data_block = calloc(slots, sizeof(*v->data_block));
		v->inflight = calloc(conf->geo.log_blocks,
				     sizeof(*v->inflight));
		v->log_key[0] = ic_meta_key_new(zero);
		v->log_key[1] = ic_meta_key_new(zero);
	}
	v->conf = conf;
	v->disks = disks;
	v->rng = rng;
	v->nonce = rng_next(rng);
	v->nr_nodes = conf->geo.nodes;
	v->node = calloc(v->nr_nodes, sizeof(*v->node));
	v->skipped = calloc(conf->hot, 1);
	v->unsure = calloc(conf->hot, 1);
	ic_log_init(&v->log, conf->geo.log_blocks, slots, v->slot,
		    v->data_block, v->inflight);
	v->late = ~0ULL;
	ic_rounds_init(&v->rounds, &v->log, &sim_rounds_ops,
		       conf->params.sector_size == IC_BLOCK_SIZE);
	INIT_LIST_HEAD(&v->unsettled);
	return v;
}

static void free_failed(struct list_head *list)
{
	while (!list_empty(list)) {
		struct failed *f = list_entry(list->next, struct failed, w.list);

		list_del(&f->w.list);
		free(f);
	}
}

void vol_free(struct vol *v)
{
	u64 i;

	for (i = 0; i < v->nr_nodes; i++)
		node_free(v->node[i]);
	free(v->node);
	free(v->skipped);
	free(v->unsure);
	for (i = 0; i < v->lw_nr; i++)
		dio_put(v->lw_dio[i]);
	dio_put(v->mark_dio[0]);
	dio_put(v->mark_dio[1]);
	free_failed(&v->unsettled);
	free_failed(&v->log.failed);
	v->pool = free_vols;
	free_vols = v;
}

void vol_nonce(struct vol *v, u8 nonce[IC_NONCE_SIZE])
{
	memset(nonce, 0, IC_NONCE_SIZE);
	v->nonce++;
	memcpy(nonce, &v->nonce, sizeof(v->nonce));
}

int vol_log_key(struct vol *v, u64 gen, const u8 salt[IC_SALT_SIZE])
{
	u8 bytes[IC_KEY_SIZE];
	int err = ic_derive_log_key(keys.log_master, salt, bytes);

	return err ? err : ic_meta_key_set(v->log_key[gen & 1], bytes);
}

static struct node *leaf_of(struct vol *v, u64 base, u64 nr, u32 *slot)
{
	return vol_node(v, 0, base + div_u64_rem(nr, IC_LEAF_RECORDS, slot));
}

union ic_record *vol_sector_rec(struct vol *v, u64 sector)
{
	u32 slot;
	struct node *n = leaf_of(v, v->conf->geo.sector_leaf, sector, &slot);

	return &n->d.rec[slot];
}

void vol_dirty_sector(struct vol *v, u64 sector)
{
	u32 slot;

	leaf_of(v, v->conf->geo.sector_leaf, sector, &slot)->dirty = true;
}

union ic_record *vol_owner_rec(struct vol *v, u32 ino)
{
	u32 slot;
	struct node *n = leaf_of(v, v->conf->geo.owner_leaf, ino, &slot);

	return &n->d.rec[slot];
}

/* The old contents of the record have to vanish from both places. */
void vol_set_owner(struct vol *v, u32 ino, const union ic_record *rec)
{
	u32 slot;
	struct node *n = leaf_of(v, v->conf->geo.owner_leaf, ino, &slot);
	union ic_record *old = &n->d.rec[slot];
	__le16 erasing = 0;

	if (!mem_is_zero(old, sizeof(*old)) &&
	    (memcmp(old, rec, sizeof(*rec)) ||
	     le16_to_cpu(rec->owner.flags) & IC_OWNER_ERASED)) {
		n->erase = 2;
		n->erase_gen = v->log.gen;
	}
	if (le16_to_cpu(rec->owner.flags) & IC_OWNER_USED && old->owner.flags &&
	    memcmp(old, rec, sizeof(*rec)))
		erasing = cpu_to_le16(IC_OWNER_ERASING);
	*old = *rec;
	old->owner.flags |= erasing;
	n->dirty = true;
	if (le16_to_cpu(rec->owner.flags) & IC_OWNER_USED)
		v->owned = true;
}

void vol_zero(struct vol *v, u64 first, u64 last)
{
	u64 s;

	for (s = first; s <= last; s++) {
		memset(vol_sector_rec(v, s), 0, sizeof(union ic_record));
		vol_dirty_sector(v, s);
	}
}

/* Read and decrypt a sector as the data path does. */
static enum seen read_with(struct vol *v, const struct ic_sector_record *rec,
			   const u64 *tok, u64 sector, u64 *id)
{
	u32 ino = le32_to_cpu(rec->owner);
	u64 key = keys.data;

	if (mem_is_zero(rec, sizeof(*rec)))
		return SEEN_ZERO;
	if (ino) {
		union ic_record *o = vol_owner_rec(v, ino);

		if (!(le16_to_cpu(o->owner.flags) & IC_OWNER_USED))
			return SEEN_ERROR;
		key = data_key(ino, &o->owner);
	}
	return data_open(v->conf, key, sector, rec, tok, id) ? SEEN_DATA :
							      SEEN_ERROR;
}

/**
 * vol_read() - read a sector as the data path does
 * @v: active volume
 * @tok: ciphertext of the hot sectors
 * @hot: sector
 * @id: receives the contents
 * @owned: receives whether the record names an owner
 */
enum seen vol_read(struct vol *v, const u64 *tok, u32 hot, u64 *id,
		   bool *owned)
{
	u64 sector = hot_sector(v->conf, hot);
	const struct ic_sector_record *rec = &vol_sector_rec(v, sector)->sector;
	const struct ic_log_write *w = NULL;

	tok += hot * v->conf->units;
	if (!list_empty(&v->log.failed))
		w = ic_log_candidate(&v->log, sector, (const u8 *)tok);
	if (w)
		rec = &w->rec[0];
	*owned = rec->owner;
	return read_with(v, rec, tok, sector, id);
}

/*
 * Recovery's home.
 */
static int op_read_log(void *home, u64 seq, struct ic_log_block *block)
{
	struct vol *v = home;
	u64 nr = ic_log_block_nr(&v->conf->geo, seq);
	const struct blk *b = v->disks->durable.side[nr];

	if (seq == v->bad_log && v->bad_reads) {
		v->bad_reads -= v->bad_reads != BAD_FOR_GOOD;
		return -EIO;
	}
	if (b)
		memcpy(block, b->d, sizeof(*block));
	else
		memset(block, 0, sizeof(*block));
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

static void op_read_heads(void *home, struct ic_try *tries, u32 n)
{
	struct vol *v = home;
	u32 hot;

	for (struct ic_try *t = tries; t < tries + n; t++) {
		t->err = -EIO;
		if (!sector_hot(v->conf, t->sector, &hot) ||
		    vol_unreadable(v, hot))
			continue;
		memcpy(t->head, &v->disks->tok[hot * v->conf->units],
		       IC_HEAD_SIZE);
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
	vol_set_owner(home, ino, rec);
	return 0;
}

static int op_set_key(void *home, u32 slot, const union ic_record *rec)
{
	struct vol *v = home;
	u32 i;
	struct node *n = leaf_of(v, 0, slot, &i);

	n->d.rec[i] = *rec;
	n->dirty = true;
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

/* What stands for a sector's ciphertext in the log: tokens, and whose they are. */
void data_block_pack(const struct conf *conf, u8 *block, const u64 *tok,
		     u32 src)
{
	memset(block, 0, IC_BLOCK_SIZE);
	memcpy(block, tok, conf->units * sizeof(*tok));
	memcpy(block + MAX_UNITS * sizeof(*tok), &src, sizeof(src));
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
	struct failed *f = calloc(1, sizeof(*f));

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
	return data_open(v->conf, keys.data, sector, rec,
			 &v->disks->tok[hot * v->conf->units], &id) ?
	       0 : -EBADMSG;
}

static void op_verify(void *home, struct ic_try *tries, u32 n)
{
	for (u32 i = 0; i < n; i++)
		tries[i].err = verify(home, tries[i].sector, &tries[i].rec);
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
	.progress = op_progress,
};

static bool owner_leaf(const struct vol *v, const struct node *n)
{
	return !n->level && n->index >= v->conf->geo.owner_leaf &&
	       n->index < v->conf->geo.sector_leaf;
}

/* Owners in a leaf; 0 if it isn't one of owners. */
u32 used_owners(const struct vol *v, const struct node *n)
{
	u32 i, used = 0;

	if (!owner_leaf(v, n))
		return 0;
	for (i = 0; i < IC_LEAF_RECORDS; i++)
		if (le16_to_cpu(n->d.rec[i].owner.flags) & IC_OWNER_USED)
			used++;
	return used;
}

static int load_node(struct vol *v, u32 level, u64 index, u64 word,
		     const u8 *tag)
{
	const struct ic_geometry *geo = &v->conf->geo;
	u64 block = ic_node_block(geo, level, index, ic_word_place(word)), i;
	const struct blk *b = v->disks->durable.side[block];
	struct node *n = vol_node(v, level, index);
	int err;

	if (!b)
		return -EBADMSG;
	memcpy(&n->d, b->d, IC_BLOCK_SIZE);
	if (ic_word_tag(ic_word(n->d.tag, 0)) != ic_word_tag(word) ||
	    (tag && memcmp(tag, n->d.tag, IC_TAG_SIZE)))
		return -EBADMSG;
	err = ic_node_open(&n->d, keys.node, keys.uuid, level, index);
	n->committed = ic_word_place(word);
	n->used = used_owners(v, n);
	if (!err && owner_leaf(v, n) && ic_left_to_erase(&n->d)) {
		n->erase = 2;
		n->erase_gen = v->log.gen;
		n->dirty = true;
	}
	if (!level)
		return err;
	for (i = 0; i < IC_FANOUT && !err; i++) {
		u64 w = le64_to_cpu(n->d.word[i]);

		if (w)
			err = load_node(v, level - 1, index * IC_FANOUT + i, w,
					NULL);
	}
	return err;
}

static int newest_super(struct vol *v)
{
	struct ic_super_copy copy[2];
	struct ic_super sb;
	const char *why;
	int best;
	u32 nr;

	for (nr = 0; nr < 2; nr++) {
		const struct blk *b =
			v->disks->durable.side[IC_SUPER_BLOCK(nr)];

		memcpy(&sb, b->d, sizeof(sb));
		ic_super_judge(&sb, nr, keys.super, &copy[nr]);
		/* Only a superblock that is being written may be lost. */
		if (copy[nr].err && !v->disks->durable.super_failed)
			return copy[nr].err;
	}
	best = ic_super_choose(copy, &why);
	if (best < 0)
		return best;
	v->state = copy[best].state;
	return 0;
}

/* Before the first commit of what could not be read: is there room for it? */
static bool adopt(struct vol *v)
{
	u32 blocks = v->adopted ? v->adopted / IC_LOG_ENTRIES + 1 : 0;

	if (v->adopted > v->log.live_max ||
	    v->rec.next - v->rec.start + blocks > v->log.blocks)
		return false;
	while (!list_empty(&v->unsettled)) {
		struct failed *f = list_entry(v->unsettled.next, struct failed,
					      w.list);

		list_del(&f->w.list);
		ic_log_adopt(&v->log, &f->w);
	}
	return true;
}

/**
 * vol_activate() - load, recover, and commit
 * @v: new
 *
 * Return: 0 or a negative errno; @v->refused is set if so because too much could
 * not be read.
 */
int vol_activate(struct vol *v)
{
	struct ic_recovery *r = &v->rec;
	const u8 *tag = v->state.root_tag;
	int err;

	/* What the superblock is read from has to be on the medium. */
	err = vol_flush(v);
	if (!err)
		err = newest_super(v);
	if (err)
		return err;
	v->root_committed = v->state.root_place;
	if (!mem_is_zero(tag, IC_TAG_SIZE))
		err = load_node(v, v->conf->geo.levels - 1, 0,
				ic_word(tag, v->state.root_place), tag);
	if (err)
		return err;
	v->owned = v->state.flags & IC_STATE_OWNED;

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
	if (v->log_errors)
		spoil_log(v, r);
	err = ic_recover(r, &v->state);
	if (err) {
		v->refused |= v->bad_reads == BAD_FOR_GOOD;
		return err;
	}
	ic_log_start(&v->log, r->next);
	rng_bytes(v->rng, v->cut_salt, IC_SALT_SIZE);
	err = vol_log_key(v, v->log.gen, v->cut_salt);
	if (err)
		return err;
	if (!adopt(v)) {
		v->refused = true;
		return -EIO;
	}
	err = vol_first_checkpoint(v, false);
	v->active = !err;
	return err;
}

/**
 * vol_format() - make an empty volume
 * @conf: the run's
 * @img: to fill in
 * @rng: of the run
 */
void vol_format(const struct conf *conf, struct image *img, struct rng *rng)
{
	struct ic_state state = { .epoch = 1 };
	u32 i;

	image_init(img, conf);
	for (i = 0; i < img->nr_units; i++)
		img->tok[i] = rng_next(rng);
	for (i = 0; i < 2; i++) {
		u8 nonce[IC_NONCE_SIZE];
		struct ic_super sb;

		state.epoch = 2 - i;
		rng_bytes(rng, state.log_salt, IC_SALT_SIZE);
		rng_bytes(rng, nonce, sizeof(nonce));
		if (ic_super_seal(&sb, keys.super, &conf->params, &state,
				  nonce))
			abort();
		img->side[IC_SUPER_BLOCK(i)] = blk_new();
		memset(img->side[IC_SUPER_BLOCK(i)]->d, 0, IC_BLOCK_SIZE);
		memcpy(img->side[IC_SUPER_BLOCK(i)]->d, &sb, sizeof(sb));
	}
}
