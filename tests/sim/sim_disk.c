// SPDX-License-Identifier: GPL-2.0-only
/*
 * Simulated disks.  A write is issued and completes later.  With a volatile
 * cache nothing is durable until a flush that began after its completion has
 * completed, or unless it was written with FUA; without one, what completed is
 * durable.  A crash keeps, loses, or tears each of the others on its own.
 *
 * A data sector's ciphertext is 8 bytes for each 512-byte unit: a crash treats
 * a unit as a whole, so these stand for all of it.
 */
#include "sim.h"

static struct blk *free_blks;

/* Freed blocks are chained through their contents. */
struct blk *blk_new(void)
{
	struct blk *b = free_blks;

	if (b)
		memcpy(&free_blks, b->d, sizeof(free_blks));
	else
		b = malloc(sizeof(*b));
	b->ref = 1;
	return b;
}

void blk_put(struct blk *blk)
{
	if (!blk || --blk->ref)
		return;
	memcpy(blk->d, &free_blks, sizeof(free_blks));
	free_blks = blk;
}

void image_init(struct image *img, const struct conf *conf)
{
	memset(img, 0, sizeof(*img));
	img->nr_side = conf->geo.blocks;
	img->nr_units = conf->hot * conf->units;
	img->side = calloc(img->nr_side, sizeof(*img->side));
	img->tok = calloc(img->nr_units, sizeof(*img->tok));
	img->src = calloc(img->nr_units, sizeof(*img->src));
}

void image_copy(struct image *to, const struct image *from)
{
	u32 i;

	*to = *from;
	to->side = malloc(to->nr_side * sizeof(*to->side));
	to->tok = malloc(to->nr_units * sizeof(*to->tok));
	to->src = malloc(to->nr_units * sizeof(*to->src));
	memcpy(to->side, from->side, to->nr_side * sizeof(*to->side));
	memcpy(to->tok, from->tok, to->nr_units * sizeof(*to->tok));
	memcpy(to->src, from->src, to->nr_units * sizeof(*to->src));
	for (i = 0; i < to->nr_side; i++)
		if (to->side[i])
			to->side[i]->ref++;
}

void image_free(struct image *img)
{
	u32 i;

	for (i = 0; i < img->nr_side; i++)
		blk_put(img->side[i]);
	free(img->side);
	free(img->tok);
	free(img->src);
	memset(img, 0, sizeof(*img));
}

/* @img becomes the disks' contents. */
void disks_init(struct disks *disks, const struct conf *conf, struct rng *rng,
		struct image *img)
{
	memset(disks, 0, sizeof(*disks));
	disks->conf = conf;
	disks->rng = rng;
	disks->durable = *img;
	disks->tok = malloc(img->nr_units * sizeof(*img->tok));
	disks->src = malloc(img->nr_units * sizeof(*img->src));
	memcpy(disks->tok, img->tok, img->nr_units * sizeof(*img->tok));
	memcpy(disks->src, img->src, img->nr_units * sizeof(*img->src));
	INIT_LIST_HEAD(&disks->ops);
	memset(img, 0, sizeof(*img));
}

void dio_put(struct dio *dio)
{
	if (!dio || --dio->ref)
		return;
	blk_put(dio->blk);
	free(dio->tok);
	free(dio);
}

static void dio_drop(struct dio *dio)
{
	list_del(&dio->list);
	dio_put(dio);
}

void disks_free(struct disks *disks)
{
	while (!list_empty(&disks->ops))
		dio_drop(list_entry(disks->ops.next, struct dio, list));
	image_free(&disks->durable);
	free(disks->tok);
	free(disks->src);
}

static struct dio *issue(struct disks *disks, enum dio_kind kind, u32 disk)
{
	struct dio *dio = malloc(sizeof(*dio));

	memset(dio, 0, offsetof(struct dio, mask));
	dio->ref = 2;
	dio->kind = kind;
	dio->disk = disk;
	dio->issued = ++disks->clock;
	list_add_tail(&dio->list, &disks->ops);
	disks->nr_open++;
	return dio;
}

static void event(struct disks *disks)
{
	if (disks->event)
		disks->event(disks, disks->arg);
}

/* Write the first @units units of a block of the sidecar. */
struct dio *dio_side(struct disks *disks, u64 block, const void *data,
		     u32 units, bool fua)
{
	struct dio *dio = issue(disks, DIO_SIDE, 0);

	dio->pos = block;
	dio->len = units;
	dio->fua = fua;
	memset(dio->mask, 1, units);
	dio->blk = blk_new();
	memcpy(dio->blk->d, data, units * UNIT);
	event(disks);
	return dio;
}

struct dio *dio_data(struct disks *disks, u32 unit, u32 units, const u64 *tok,
		     u32 src, bool fua)
{
	struct dio *dio = issue(disks, DIO_DATA, disks->conf->disks - 1);

	dio->pos = unit;
	dio->len = units;
	dio->fua = fua;
	dio->src = src;
	memset(dio->mask, 1, units);
	dio->tok = malloc(units * sizeof(*tok));
	memcpy(dio->tok, tok, units * sizeof(*tok));
	event(disks);
	return dio;
}

struct dio *dio_flush(struct disks *disks, u32 disk)
{
	return issue(disks, DIO_FLUSH, disk);
}

/* The units of @dio that @mask selects come to be in @img. */
static void apply(struct image *img, const struct dio *dio, const u8 *mask)
{
	struct blk *old, *blk;
	bool all = true;
	u32 i;

	if (dio->kind == DIO_DATA) {
		for (i = 0; i < dio->len; i++) {
			if (!mask[i])
				continue;
			img->tok[dio->pos + i] = dio->tok[i];
			img->src[dio->pos + i] = dio->src;
		}
		return;
	}
	for (i = 0; i < BLOCK_UNITS; i++)
		all = all && i < dio->len && mask[i];
	old = img->side[dio->pos];
	if (all) {
		dio->blk->ref++;
		img->side[dio->pos] = dio->blk;
	} else {
		blk = blk_new();
		if (old)
			memcpy(blk->d, old->d, IC_BLOCK_SIZE);
		else
			memset(blk->d, 0, IC_BLOCK_SIZE);
		for (i = 0; i < dio->len; i++)
			if (mask[i])
				memcpy(blk->d + i * UNIT, dio->blk->d + i * UNIT,
				       UNIT);
		img->side[dio->pos] = blk;
	}
	blk_put(old);
}

/* What @dio writes is on the disk: nothing issued before it can come over it. */
static void supersede(struct disks *disks, const struct dio *dio)
{
	struct dio *d;
	u32 i;

	list_for_each_entry(d, &disks->ops, list) {
		if (d == dio)
			break;
		if (d->kind != dio->kind)
			continue;
		if (d->kind == DIO_SIDE) {
			for (i = 0; i < d->len && d->pos == dio->pos; i++)
				if (i < dio->len && dio->mask[i])
					d->mask[i] = 0;
			continue;
		}
		for (i = 0; i < d->len; i++) {
			u32 u = d->pos + i - dio->pos;

			if (d->pos + i >= dio->pos && u < dio->len &&
			    dio->mask[u])
				d->mask[i] = 0;
		}
	}
}

static void make_durable(struct disks *disks, struct dio *dio)
{
	supersede(disks, dio);
	apply(&disks->durable, dio, dio->mask);
	dio_drop(dio);
}

/* A failed write leaves old or new contents, each of its atomic units whole. */
static void fail_write(struct disks *disks, struct dio *dio)
{
	u32 how = rng_below(disks->rng, 3), i;
	u32 step = dio->kind == DIO_DATA ? disks->conf->atomic : 1;

	dio->err = -EIO;
	if (dio->kind == DIO_SIDE && dio->len == 1 && how == 2) {
		/* A sector that reads as something else, or not at all. */
		memset(dio->blk->d, 0, UNIT);
		disks->durable.super_failed = true;
		how = 1;
	}
	for (i = 0; i < dio->len; i++) {
		if (how == 2 && i % step)
			dio->mask[i] = dio->mask[i - 1];
		else
			dio->mask[i] = how == 2 ? rng_next(disks->rng) >> 63 :
						  how;
	}
}

/* Return: has anything become durable? */
static bool flushed(struct disks *disks, const struct dio *flush)
{
	bool any = false;
	struct list_head *at = disks->ops.next;

	while (at != &disks->ops) {
		struct dio *d = list_entry(at, struct dio, list);

		at = at->next;
		if (d->kind != DIO_FLUSH && d->disk == flush->disk && d->done &&
		    d->completed < flush->issued) {
			make_durable(disks, d);
			any = true;
		}
	}
	return any;
}

/* Complete one operation, well or not. */
void disks_complete(struct disks *disks, struct dio *dio)
{
	const struct conf *c = disks->conf;
	u32 fail = dio->kind == DIO_FLUSH ?
		   (c->cache[dio->disk] ? c->fail_flush : 0) :
		   dio->kind == DIO_DATA ? c->fail_data : c->fail_side;
	u32 i;

	dio->done = true;
	dio->completed = ++disks->clock;
	disks->nr_open--;
	if (fail && rng_permille(disks->rng, fail)) {
		if (dio->kind == DIO_FLUSH)
			dio->err = -EIO;
		else
			fail_write(disks, dio);
	}
	if (dio->kind == DIO_FLUSH) {
		i = !dio->err && flushed(disks, dio);
		dio_drop(dio);
		if (i)
			event(disks);
		return;
	}
	for (i = 0; dio->kind == DIO_DATA && i < dio->len; i++) {
		if (!dio->mask[i])
			continue;
		disks->tok[dio->pos + i] = dio->tok[i];
		disks->src[dio->pos + i] = dio->src;
	}
	if (!c->cache[dio->disk] || (dio->fua && !dio->err))
		make_durable(disks, dio);
	event(disks);
}

/* Return: false if nothing is under way, or all of that stalls. */
bool disks_complete_one(struct disks *disks)
{
	u32 n, nr = disks->nr_open;
	struct dio *d;

	if (disks->stall)
		list_for_each_entry(d, &disks->ops, list)
			nr -= !d->done && d->stalls;
	if (!nr)
		return false;
	n = rng_below(disks->rng, nr);
	list_for_each_entry(d, &disks->ops, list) {
		if (!d->done && !(disks->stall && d->stalls) && !n--) {
			disks_complete(disks, d);
			return true;
		}
	}
	abort();
}

/* The power went while a superblock was written: the sector can't be read. */
static void spoil(struct image *img, u64 block)
{
	struct blk *blk = blk_new();

	memcpy(blk->d, img->side[block]->d, IC_BLOCK_SIZE);
	memset(blk->d, 0, UNIT);
	blk_put(img->side[block]);
	img->side[block] = blk;
	img->super_failed = true;
}

/*
 * Read a block of the sidecar as the disk has it now: of what is in its cache, the
 * write that completed last.
 */
void disks_read(const struct disks *disks, u64 block, void *buf)
{
	const struct blk *b = disks->durable.side[block];
	const struct dio *d, *next;
	u64 after = 0;
	u32 i;

	if (b)
		memcpy(buf, b->d, IC_BLOCK_SIZE);
	else
		memset(buf, 0, IC_BLOCK_SIZE);
	do {
		next = NULL;
		list_for_each_entry(d, &disks->ops, list)
			if (d->pos == block && d->kind == DIO_SIDE && d->done &&
			    d->completed > after &&
			    (!next || d->completed < next->completed))
				next = d;
		for (i = 0; next && i < next->len; i++)
			if (next->mask[i])
				memcpy((u8 *)buf + i * UNIT,
				       next->blk->d + i * UNIT, UNIT);
		after = next ? next->completed : 0;
	} while (next);
}

/* Copies of the data that the disks have now, and of which write each unit is of. */
u64 *disks_tokens(const struct disks *disks, u32 **src)
{
	u32 nr = disks->durable.nr_units;
	u64 *tok = malloc(nr * sizeof(*tok));

	*src = malloc(nr * sizeof(**src));
	memcpy(tok, disks->tok, nr * sizeof(*tok));
	memcpy(*src, disks->src, nr * sizeof(**src));
	return tok;
}

/* A crash now: make one of the contents that may be left. */
void disks_crash(const struct disks *disks, struct rng *rng,
		 struct image *img)
{
	static const u8 keeps[] = { 0, 10, 50, 50, 90, 100 };
	u32 keep = keeps[rng_below(rng, sizeof(keeps))];
	u32 tear = rng_pct(rng, 50) ? 30 : 0;
	const struct dio *d;
	u8 mask[MAX_WRITE * MAX_UNITS];

	image_copy(img, &disks->durable);
	list_for_each_entry(d, &disks->ops, list) {
		u32 step = d->kind == DIO_DATA ? disks->conf->atomic : 1, i;

		if (d->kind == DIO_FLUSH)
			continue;
		/* Only superblocks are written as a single sector. */
		if (d->kind == DIO_SIDE && d->len == 1 && !d->done &&
		    rng_pct(rng, 20)) {
			spoil(img, d->pos);
			continue;
		}
		if (!rng_pct(rng, tear)) {
			if (rng_pct(rng, keep))
				apply(img, d, d->mask);
			continue;
		}
		for (i = 0; i < d->len; i++) {
			if (i % step)
				mask[i] = mask[i - 1];
			else
				mask[i] = rng_next(rng) >> 63;
		}
		for (i = 0; i < d->len; i++)
			mask[i] &= d->mask[i];
		apply(img, d, mask);
	}
}

/* After a recovery no sector counts as torn any more. */
void disks_settle(struct disks *disks)
{
	u32 i;

	for (i = 0; i < disks->durable.nr_units; i++) {
		disks->durable.src[i] = 0;
		disks->src[i] = 0;
	}
}
