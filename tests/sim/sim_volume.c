// SPDX-License-Identifier: GPL-2.0-only
/*
 * A volume in memory, the simulator's stand-in for the kernel's node cache: the
 * whole tree decrypted, owners, and sectors as the data path reads them.
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

bool data_open(const struct conf *conf, u64 key, u64 sector,
	       const struct ic_sector_record *rec, const u64 *tok, u64 *id)
{
	u64 base = stream_base(key, sector, rec->nonce);
	u8 tag[IC_TAG_SIZE];

	data_tag(conf, key, base, tok, tag);
	if (memcmp(tag, rec->tag, sizeof(tag)))
		return false;
	*id = tok[0] ^ mix(base + 1);
	return true;
}

/* What stands for a sector's ciphertext in the log: tokens, and whose they are. */
void data_block_pack(const struct conf *conf, u8 *block, const u64 *tok,
		     u32 src)
{
	memset(block, 0, IC_BLOCK_SIZE);
	memcpy(block, tok, conf->units * sizeof(*tok));
	memcpy(block + MAX_UNITS * sizeof(*tok), &src, sizeof(src));
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
	ic_node_init(&n->ns, &v->conf->geo, level, index);
	v->node[number] = n;
	if (level < v->conf->geo.levels - 1)
		n->parent = vol_node(v, level + 1, index / IC_FANOUT);
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
	v->bad_super = -1;
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

	ic_node_changed(&leaf_of(v, v->conf->geo.sector_leaf, sector, &slot)->ns);
}

union ic_record *vol_owner_rec(struct vol *v, u32 ino)
{
	u32 slot;
	struct node *n = leaf_of(v, v->conf->geo.owner_leaf, ino, &slot);

	return &n->d.rec[slot];
}

/* The leaf's old contents have to vanish from both places. */
static void erase_begin(struct vol *v, struct node *n)
{
	ic_node_changed(&n->ns);
	v->erase_until = ic_node_erase(&n->ns, v->log.gen);
}

static void owner_changed(struct vol *v, struct node *n,
			  const union ic_record *rec,
			  enum ic_owner_change change)
{
	if (change == IC_OWNER_ERASES)
		erase_begin(v, n);
	else if (change == IC_OWNER_FRESH)
		ic_node_changed(&n->ns);
	if (ic_owner_used(rec))
		v->owned = true;
}

/* Make or forget an owner: @rec is then as it is to be logged. */
void vol_set_owner(struct vol *v, u32 ino, union ic_record *rec)
{
	u32 slot;
	struct node *n = leaf_of(v, v->conf->geo.owner_leaf, ino, &slot);

	owner_changed(v, n, rec, ic_owner_set(&n->d.rec[slot], rec));
}

/* Recovery applies an owner's record. */
void vol_replay_owner(struct vol *v, u32 ino, const union ic_record *rec)
{
	u32 slot;
	struct node *n = leaf_of(v, v->conf->geo.owner_leaf, ino, &slot);

	owner_changed(v, n, rec, ic_owner_replay(&n->d.rec[slot], rec));
}

void vol_set_key(struct vol *v, u32 nr, const union ic_record *rec)
{
	u32 slot;
	struct node *n = leaf_of(v, 0, nr, &slot);

	n->d.rec[slot] = *rec;
	ic_node_changed(&n->ns);
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
enum seen vol_open(struct vol *v, const struct ic_sector_record *rec,
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
	struct ic_sector_record rec = vol_sector_rec(v, sector)->sector;
	static const struct ic_reader anybody = { .any = true };

	tok += hot * v->conf->units;
	*owned = rec.owner;
	if (!list_empty(&v->log.failed) &&
	    ic_read_take_failed(&v->log, &anybody, sector, (const u8 *)tok,
				&rec))
		return SEEN_ERROR;
	*owned = rec.owner;
	return vol_open(v, &rec, tok, sector, id);
}

static int load_node(struct vol *v, u32 level, u64 index, u64 word,
		     const u8 *tag)
{
	const struct ic_geometry *geo = &v->conf->geo;
	u64 block = ic_node_block(geo, level, index, ic_word_place(word)), i;
	struct node *n = vol_node(v, level, index);
	int err;

	disks_read(v->disks, block, &n->d);
	if (ic_word_tag(ic_word(n->d.tag, 0)) != ic_word_tag(word) ||
	    (tag && memcmp(tag, n->d.tag, IC_TAG_SIZE)))
		return -EBADMSG;
	err = ic_node_open(&n->d, keys.node, keys.uuid, level, index);
	if (!n->parent)
		n->ns.root_place = ic_word_place(word);
	if (!err && ic_node_loaded(&n->ns, &n->d))
		erase_begin(v, n);
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

/**
 * vol_load_tree() - read the tree that @v->state names, all of it
 * @v: the volume
 *
 * Return: 0 or a negative errno.
 */
int vol_load_tree(struct vol *v)
{
	const u8 *tag = v->state.root_tag;

	if (mem_is_zero(tag, IC_TAG_SIZE))
		return 0;
	return load_node(v, v->conf->geo.levels - 1, 0,
			 ic_word(tag, v->state.root_place), tag);
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
