// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the log and recovery: a ring whose blocks hold what the input says,
 * sealed and chained; some of them damaged, replayed or cut off; recovered over
 * records in memory, in one go and cut short.
 *
 * Input: the volume and its state, then blocks with their entries.  The result is
 * compared with a recovery of its own, much simpler one: no key, no chain, every
 * step from what was put into the ring.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "records.h"
#include "recover.h"

#define MAX_BLOCKS	256	/* writings */

/* What was sealed, and under which circumstances. */
struct writing {
	struct ic_log_block	plain;
	u64			seq;
	u8			salt[IC_SALT_SIZE];
	u8			prev_tag[IC_TAG_SIZE];
	u8			tag[IC_TAG_SIZE];
	bool			bad;		/* damaged on the disk */
	u8			data[IC_LOG_ENTRIES];	/* of DATA: the check is of these bytes */
	bool			lies[IC_LOG_ENTRIES];	/* ... and does not say so */
};

/* What the input says of an entry's data block. */
enum {
	D_FILL = 3,		/* its bytes */
	D_LIES = 4,		/* the check is another one */
	D_FLIP = 8,		/* one bit is flipped on the disk */
	D_OTHER = 16,		/* other bytes are on the disk */
	D_NOT = 32,		/* it never got there */
};

/* A block to be written, and that for each of its entries. */
struct plain {
	struct ic_log_block	block;
	u8			data[IC_LOG_ENTRIES];
};

static struct writing writings[MAX_BLOCKS];
static unsigned int nr_writings;
static struct ic_log_block ring[MAX_RING];
static struct writing *in_ring[MAX_RING];
static bool used[MAX_RING];
static struct records real, model;

static struct ic_params params;
static struct ic_geometry geo;
static struct ic_state state;
static u8 master[IC_KEY_SIZE];
static struct ic_meta_key *log_key, *seal_key;
static u8 heads[8], unreadable, unverified;
static unsigned int reads, steps, stop_after;
static bool want_unsettled, with_tool;

/* What a sector's ciphertext begins with. */
static void disk_head(u64 sector, u8 head[IC_HEAD_SIZE])
{
	memset(head, heads[sector & 7] & 3, IC_HEAD_SIZE);
}

static bool can_read(u64 sector)
{
	return !(unreadable & (1 << (sector & 7)));
}

static int op_read_log(void *home, u64 seq, struct ic_log_block *block)
{
	DIE_IF(home != &real);
	/* Four passes over the ring, each one block past the end, and data. */
	DIE_IF(++reads > 5 * (params.log_blocks + 1));
	DIE_IF(ic_log_block_nr(&geo, seq) < geo.log_start ||
	       ic_log_block_nr(&geo, seq) >= geo.place_start[0]);
	*block = ring[ic_log_block_nr(&geo, seq) - geo.log_start];
	return 0;
}

static void op_read_heads(void *home, struct ic_try *tries, u32 n)
{
	(void)home;
	for (struct ic_try *t = tries; t < tries + n; t++) {
		DIE_IF(t->sector >= geo.data_sectors);
		t->err = can_read(t->sector) ? 0 : -EIO;
		if (!t->err)
			disk_head(t->sector, t->head);
	}
}

static int op_get_sector(void *home, u64 sector, struct ic_sector_record *rec)
{
	DIE_IF(sector >= geo.data_sectors);
	lookup(home, sector, rec);
	return 0;
}

static int op_set_sector(void *home, u64 sector,
			 const struct ic_sector_record *rec)
{
	DIE_IF(sector >= geo.data_sectors);
	change(home, sector, sector, rec);
	return 0;
}

static int op_set_data(void *home, u64 sector,
		       const struct ic_sector_record *rec)
{
	DIE_IF(geo.sector_size != IC_BLOCK_SIZE);
	return op_set_sector(home, sector, rec);
}

static void hash_redo(struct records *r, u64 sector, u8 fill)
{
	r->redos = (r->redos * 31 + sector) * 0x100000001b3ULL + fill;
	r->redone++;
}

static bool filled_with(const void *block, u8 fill)
{
	const u8 *p = block;

	return p[0] == fill && !memcmp(p, p + 1, IC_BLOCK_SIZE - 1);
}

static int op_redo(void *home, u64 sector, const void *data)
{
	u8 fill = *(const u8 *)data;

	DIE_IF(sector >= geo.data_sectors || !filled_with(data, fill));
	hash_redo(home, sector, fill);
	return 1;
}

static int op_set_owner(void *home, u32 ino, const union ic_record *rec)
{
	DIE_IF(ino >= geo.owners);
	hash(home, IC_LOG_SET_OWNER, ino, rec);
	return 0;
}

static int op_set_key(void *home, u32 slot, const union ic_record *rec)
{
	DIE_IF(slot >= IC_KEY_SLOTS);
	hash(home, IC_LOG_SET_KEY, slot, rec);
	return 0;
}

static int op_zero(void *home, u64 first, u64 last)
{
	DIE_IF(first > last || last >= geo.data_sectors);
	change(home, first, last, NULL);
	return 0;
}

static int op_unsettled(void *home, u64 sector,
			const struct ic_sector_record *rec,
			const u8 head[IC_HEAD_SIZE])
{
	(void)home;
	(void)rec;
	(void)head;
	DIE_IF(sector >= geo.data_sectors || can_read(sector));
	return want_unsettled ? 0 : -EIO;
}

static void op_verify(void *home, struct ic_try *tries, u32 n)
{
	(void)home;
	for (struct ic_try *t = tries; t < tries + n; t++) {
		DIE_IF(t->sector >= geo.data_sectors || t->rec.owner);
		t->err = !can_read(t->sector) ? -EIO :
			 unverified & (1 << (t->sector & 7)) ? -EBADMSG : 0;
	}
}

static int op_progress(void *home)
{
	(void)home;
	return steps++ == stop_after ? -EINTR : 0;
}

static const struct ic_recovery_ops ops = {
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
	.progress = op_progress,
};

static void set_salt(struct ic_meta_key *key, const u8 salt[IC_SALT_SIZE])
{
	u8 bytes[IC_KEY_SIZE];

	DIE_IF(ic_derive_log_key(master, salt, bytes));
	DIE_IF(ic_meta_key_set(key, bytes));
}

/* 48 bytes as they are, or a sensible entry in few bytes. */
static void take_fields(struct input *in, struct ic_log_entry *e)
{
	u8 how = take_u8(in), seed;
	u64 nr, count;

	memset(e, 0, sizeof(*e));
	if (how & 0x80) {
		take(in, e, sizeof(*e));
		return;
	}
	nr = take_u8(in);
	if (how & 8)
		nr = geo.data_sectors - 1 - nr;
	if (how & 16)
		nr = geo.owners - nr;
	if (how & 32)
		nr = IC_KEY_SLOTS - nr;
	if (how & 64)
		nr |= take_u64(in);
	e->what = cpu_to_le64((u64)(how & 7) << 56 | (nr & (~0ULL >> 8)));
	seed = take_u8(in);
	if ((how & 7) == IC_LOG_ZERO) {
		count = seed;
		if (how & 16)
			count += geo.data_sectors - nr - 128;
		/* So that first and count add up to little. */
		if (how & 32)
			count -= nr;
		e->count = cpu_to_le64(count);
		return;
	}
	memset(e->rec.bytes, seed, sizeof(e->rec));
	if ((how & 7) == IC_LOG_PUT) {
		memset(e->head, seed & 3, sizeof(e->head));
		e->rec.sector.owner = cpu_to_le32(seed >> 7);
	}
}

static bool is_data(const struct ic_log_entry *e)
{
	return le64_to_cpu(e->what) >> 56 == IC_LOG_DATA;
}

/* One entry; of a DATA also what becomes of its data block. */
static void take_entry(struct input *in, struct plain *p, unsigned int i)
{
	take_fields(in, &p->block.entry[i]);
	p->data[i] = is_data(&p->block.entry[i]) ? take_u8(in) : 0;
}

enum {
	B_ENTRIES = 7,		/* how many follow */
	B_HEADER = 8,		/* low, count, flags as the input says */
	B_LAST = 16,
	B_ODD = 32,		/* replayed, damaged, out of the chain: see there */
	B_REPEAT = 64,		/* more blocks like this one */
	B_FULL = 128,		/* as many entries as there can be */
};

struct chain {
	u64	seq;
	u8	salt[IC_SALT_SIZE];
	u8	prev_tag[IC_TAG_SIZE];
};

static u32 slot_of(u64 seq)
{
	return ic_log_block_nr(&geo, seq) - geo.log_start;
}

/* Complete the DATA entries, and write their data blocks; returns how many. */
static u32 write_data(struct writing *w, const struct plain *p, u64 seq)
{
	u16 count = le16_to_cpu(w->plain.count);
	u8 data[IC_BLOCK_SIZE];
	u32 n = 0;

	for (u32 i = 0; i < IC_LOG_ENTRIES && i < count; i++) {
		struct ic_log_entry *e = &w->plain.entry[i];
		u8 how = p->data[i], *block;
		u32 slot;

		if (!is_data(e))
			continue;
		w->data[i] = 0xd0 | (how & D_FILL);
		w->lies[i] = how & D_LIES;
		memset(data, w->data[i], sizeof(data));
		DIE_IF(ic_log_check(e, seal_key, data, e->head));
		e->head[how >> 5] ^= w->lies[i];
		slot = slot_of(seq + ++n);
		if (how & D_NOT)
			continue;
		block = (u8 *)&ring[slot];
		memset(block, how & D_OTHER ? how : w->data[i], sizeof(data));
		block[(how >> 4) * 256] ^= how & D_FLIP;
		used[slot] = true;
		in_ring[slot] = NULL;
	}
	return n;
}

static void write_block(struct chain *c, const struct plain *p, u8 odd)
{
	u8 nonce[IC_NONCE_SIZE] = { nr_writings, nr_writings >> 8 };
	struct ic_log_block block;
	struct writing *w;
	u32 slot, data;

	if (nr_writings == MAX_BLOCKS)
		return;
	w = &writings[nr_writings++];
	w->plain = p->block;
	w->seq = c->seq;
	memcpy(w->salt, c->salt, sizeof(w->salt));
	memcpy(w->prev_tag, c->prev_tag, sizeof(w->prev_tag));
	w->bad = false;
	if (odd & 1)
		w->seq += odd >> 4;
	if (odd & 2)
		w->salt[odd >> 4] ^= 1;
	if (odd & 4)
		w->prev_tag[odd >> 4] ^= 1;
	set_salt(seal_key, w->salt);
	data = write_data(w, p, c->seq);
	block = w->plain;
	DIE_IF(ic_log_seal(&block, seal_key, params.uuid, w->seq, w->prev_tag,
			   nonce));
	memcpy(w->tag, block.tag, sizeof(w->tag));
	if (odd & 8) {
		((u8 *)&block)[(odd >> 4) * 257] ^= 0x40;
		w->bad = true;
	}
	slot = slot_of(c->seq);
	ring[slot] = block;
	in_ring[slot] = w;
	used[slot] = true;
	memcpy(c->prev_tag, w->tag, sizeof(c->prev_tag));
	c->seq += 1 + data;
	if (le16_to_cpu(w->plain.flags) & IC_LOG_LAST) {
		memcpy(c->salt, w->plain.next_salt, sizeof(c->salt));
		memset(c->prev_tag, 0, sizeof(c->prev_tag));
	}
}

static void take_block(struct input *in, struct chain *c)
{
	u8 how = take_u8(in), odd = how & B_ODD ? take_u8(in) : 0;
	unsigned int n = how & B_ENTRIES, again = 0;
	static struct plain p;
	struct ic_log_block *plain = &p.block;
	u8 back = take_u8(in);

	memset(&p, 0, sizeof(p));
	for (unsigned int i = 0; i < n; i++)
		take_entry(in, &p, i);
	if (how & B_FULL && !(how & B_REPEAT) && n) {
		for (unsigned int i = n; i < IC_LOG_ENTRIES; i++) {
			plain->entry[i] = plain->entry[i % n];
			p.data[i] = p.data[i % n];
		}
		n = IC_LOG_ENTRIES;
	}
	/* A mark that stays behind the block by a little. */
	plain->low = cpu_to_le64(c->seq > back ? c->seq - back : 0);
	plain->count = cpu_to_le16(n);
	if (how & B_LAST) {
		plain->flags = cpu_to_le16(IC_LOG_LAST);
		memset(plain->next_salt, take_u8(in), sizeof(plain->next_salt));
	}
	if (how & B_HEADER) {
		u8 field = take_u8(in);

		if (field & 1)
			plain->low = cpu_to_le64(take_u64(in));
		if (field & 2)
			plain->count = cpu_to_le16(n + take_u8(in));
		if (field & 4)
			plain->flags = cpu_to_le16(take_u16(in));
		if (field & 8)
			plain->zero = cpu_to_le32(take_u8(in));
		if (field & 16)
			take(in, plain->next_salt, sizeof(plain->next_salt));
		if (field & 32)
			plain->count = cpu_to_le16(take_u16(in));
	}
	if (how & B_REPEAT)
		again = take_u8(in);
	do {
		write_block(c, &p, odd);
		odd = 0;
	} while (again--);
}

static bool header_good(const struct writing *w)
{
	const struct ic_log_block *b = &w->plain;
	u16 flags = le16_to_cpu(b->flags);

	return le16_to_cpu(b->count) <= IC_LOG_ENTRIES && flags <= 1 &&
	       !b->zero && le64_to_cpu(b->low) <= w->seq &&
	       (flags == 1) == !mem_is_zero(b->next_salt, IC_SALT_SIZE);
}

/* Are its data blocks there?  Counts them. */
static bool data_good(const struct writing *w, u64 start, u32 *n)
{
	*n = 0;
	for (u32 i = 0; i < le16_to_cpu(w->plain.count); i++) {
		if (!is_data(&w->plain.entry[i]))
			continue;
		if (w->seq + ++*n >= start + params.log_blocks || w->lies[i] ||
		    !filled_with(&ring[slot_of(w->seq + *n)], w->data[i]))
			return false;
	}
	return true;
}

/* The block that recovery has to find next; NULL at the end. */
static const struct writing *next_writing(struct chain *c, u64 start)
{
	const struct writing *w;
	u32 data = 0;

	if (c->seq - start >= params.log_blocks)
		return NULL;
	w = in_ring[slot_of(c->seq)];
	if (!w || w->bad || w->seq != c->seq ||
	    memcmp(w->salt, c->salt, sizeof(c->salt)) ||
	    memcmp(w->prev_tag, c->prev_tag, sizeof(c->prev_tag)))
		return NULL;
	if (header_good(w) && !data_good(w, start, &data)) {
		REACHED("data block refused");
		return NULL;
	}
	c->seq += 1 + data;
	memcpy(c->prev_tag, w->tag, sizeof(c->prev_tag));
	if (le16_to_cpu(w->plain.flags) & IC_LOG_LAST) {
		memcpy(c->salt, w->plain.next_salt, sizeof(c->salt));
		memset(c->prev_tag, 0, sizeof(c->prev_tag));
	}
	return w;
}

/* All numbers within bounds, all unused bytes zero. */
static bool entry_good(const struct ic_log_entry *e)
{
	u64 what = le64_to_cpu(e->what), nr = what << 8 >> 8;
	u64 count = le64_to_cpu(e->count);

	switch (what >> 56) {
	case IC_LOG_DATA:
		return nr < geo.data_sectors && geo.sector_size == 4096;
	case IC_LOG_PUT:
		return nr < geo.data_sectors;
	case IC_LOG_SET_OWNER:
		return nr < geo.owners &&
		       mem_is_zero(e->head, sizeof(e->head));
	case IC_LOG_SET_KEY:
		return nr < IC_KEY_SLOTS &&
		       mem_is_zero(e->head, sizeof(e->head));
	case IC_LOG_ZERO:
		return mem_is_zero((const u8 *)e + 16, sizeof(*e) - 16) &&
		       count && count <= geo.data_sectors &&
		       nr <= geo.data_sectors - count;
	}
	return false;
}

static bool zero_torn(void)
{
	return heads[3] & 64;
}

/* The first time over the log: 0, or an error. */
static int expect_applied(const struct writing *w, u64 low, bool torn,
			  bool *candidates)
{
	const struct ic_log_block *b = &w->plain;
	struct ic_sector_record rec;

	for (u32 i = 0; i < le16_to_cpu(b->count); i++) {
		const struct ic_log_entry *e = &b->entry[i];
		u64 what = le64_to_cpu(e->what), nr = what << 8 >> 8;
		u8 type = what >> 56, head[IC_HEAD_SIZE];
		bool open = type == IC_LOG_PUT && w->seq >= low;

		if (!entry_good(e))
			return -EINVAL;
		if (type == IC_LOG_ZERO) {
			change(&model, nr, nr + le64_to_cpu(e->count) - 1,
			       NULL);
			continue;
		}
		if (type == IC_LOG_DATA) {
			model.logged += w->seq >= low;
		} else if (type != IC_LOG_PUT) {
			hash(&model, type, nr, &e->rec);
			continue;
		}
		*candidates |= open;
		disk_head(nr, head);
		lookup(&model, nr, &rec);
		if (open && !can_read(nr) && !want_unsettled &&
		    memcmp(&rec, &e->rec.sector, sizeof(rec)))
			return -EIO;
		if (open && (!can_read(nr) ||
			     memcmp(head, e->head, sizeof(head))))
			continue;
		/* It begins as it should, but isn't there as a whole. */
		if (open && torn && !zero_torn() && !e->rec.sector.owner &&
		    unverified & (1 << (nr & 7)) &&
		    mem_is_zero(&rec, sizeof(rec)))
			continue;
		change(&model, nr, nr, &e->rec.sector);
	}
	return 0;
}

/* The second: what is put in place. */
static void expect_redone(const struct writing *w, u64 low)
{
	struct ic_sector_record rec;

	for (u32 i = 0; i < le16_to_cpu(w->plain.count); i++) {
		const struct ic_log_entry *e = &w->plain.entry[i];
		u64 nr = le64_to_cpu(e->what) << 8 >> 8;

		if (!is_data(e) || w->seq < low)
			continue;
		lookup(&model, nr, &rec);
		if (!memcmp(&rec, &e->rec.sector, sizeof(rec)))
			hash_redo(&model, nr, w->data[i]);
	}
}

/* The third: what was torn. */
static void expect_torn(const struct writing *w, u64 low)
{
	struct ic_sector_record rec;

	for (u32 i = 0; i < le16_to_cpu(w->plain.count); i++) {
		u64 what = le64_to_cpu(w->plain.entry[i].what);
		u64 nr = what << 8 >> 8;

		if (what >> 56 != IC_LOG_PUT || w->seq < low)
			continue;
		lookup(&model, nr, &rec);
		if (!rec.owner && can_read(nr) &&
		    !mem_is_zero(&rec, sizeof(rec)) &&
		    unverified & (1 << (nr & 7)))
			change(&model, nr, nr, NULL);
	}
}

static void chain_start(struct chain *c)
{
	memset(c, 0, sizeof(*c));
	c->seq = state.log_seq;
	memcpy(c->salt, state.log_salt, sizeof(c->salt));
}

/* What recovery has to come to: 0, or an error. */
static int expect(u64 *end, bool torn)
{
	const struct writing *w;
	bool candidates = false;
	struct chain c;
	u64 low = 0;
	int err = 0;

	model.nr = 0;
	model.sets = 0;
	model.redos = 0;
	model.logged = 0;
	model.redone = 0;
	chain_start(&c);
	while ((w = next_writing(&c, state.log_seq))) {
		if (!header_good(w))
			return -EINVAL;
		if (low < le64_to_cpu(w->plain.low))
			low = le64_to_cpu(w->plain.low);
	}
	*end = c.seq;
	chain_start(&c);
	while (!err && (w = next_writing(&c, state.log_seq)))
		err = expect_applied(w, low, torn, &candidates);
	chain_start(&c);
	while (!err && (w = next_writing(&c, state.log_seq)))
		expect_redone(w, low);
	chain_start(&c);
	while (!err && torn && candidates && zero_torn() &&
	       (w = next_writing(&c, state.log_seq)))
		expect_torn(w, low);
	return err;
}

static void compare_at(u64 sector)
{
	struct ic_sector_record a, b;

	if (sector >= geo.data_sectors)
		return;
	lookup(&real, sector, &a);
	lookup(&model, sector, &b);
	DIE_IF(memcmp(&a, &b, sizeof(a)));
}

/* The same records, wherever one of the two did anything. */
static void compare(void)
{
	const struct records *const both[] = { &real, &model };

	for (int k = 0; k < 2; k++)
		for (unsigned int i = 0; i < both[k]->nr; i++) {
			const struct event *e = &both[k]->event[i];

			/* The last writings of a long log stand for the rest. */
			if (i + 100 < both[k]->nr)
				continue;
			compare_at(e->first);
			compare_at(e->first - 1);
			compare_at(e->last);
			compare_at(e->last + 1);
		}
}

/* Show all of it, one block, and what it has of a sector and of an owner. */
static void dump(const char *path, const struct ic_recovery *r)
{
	const char *args[] = { "dump", path, "-k", fuzz_vk_path(), NULL, NULL };
	const struct ic_log_entry *e = &writings[0].plain.entry[0];
	char text[64];

	args[4] = "--log";
	fuzz_tool(cmd_dump, heads[0] & 4, args);
	snprintf(text, sizeof(text), "--log-block=%llu",
		 (unsigned long long)r->start + (heads[1] >> 3));
	args[4] = text;
	fuzz_tool(cmd_dump, heads[0] & 8, args);
	snprintf(text, sizeof(text), "--%s=%llu", heads[0] & 32 ? "owner" :
		 "record", nr_writings ? (unsigned long long)
		 (le64_to_cpu(e->what) << 8 >> 8) : 0);
	if (!fuzz_tool(cmd_dump, heads[0] & 16, args))
		REACHED("log dumped");
}

/* Did we take all sectors that can be torn for just that, as the tool has to? */
static bool none_verifies(const struct ic_recovery *r)
{
	if (geo.sector_size == IC_MIN_SECTOR_SIZE)
		return !r->ops->verify;
	return r->ops->verify && !r->zero_torn && unverified == 0xff;
}

/* What the tool makes of the same log, on a device with the same contents. */
static void check(const struct ic_recovery *r, int want)
{
	static struct image img = { .fd = -1 };
	u8 zeros[IC_NONCE_SIZE] = { 0 }, head[IC_HEAD_SIZE];
	const char *args[] = { "check", NULL, "-k", fuzz_vk_path(), NULL };
	u64 data = volume_data_offset(&geo, false);
	struct json_object *json;
	struct ic_super sb;
	int ret;

	if (img.fd < 0)
		image_new(&img);
	image_clear(&img, data + geo.data_sectors * geo.sector_size);
	state.epoch = 2;
	DIE_IF(ic_super_seal(&sb, fuzz_key(params.uuid, IC_LABEL_SUPER),
			     &params, &state, zeros));
	image_put(&img, HEADER_BYTES, &sb, sizeof(sb));
	for (u32 i = 0; i < params.log_blocks; i++)
		if (used[i])
			image_put(&img, HEADER_BYTES + IC_BLOCK_SIZE *
				  (geo.log_start + i), &ring[i],
				  sizeof(ring[i]));
	for (u32 i = 0; i < params.log_blocks * IC_LOG_ENTRIES; i++) {
		const struct writing *w = in_ring[i / IC_LOG_ENTRIES];
		u64 what = w ? le64_to_cpu(w->plain.entry[i % IC_LOG_ENTRIES]
					   .what) : 0;
		u64 nr = what << 8 >> 8;

		if (what >> 56 != IC_LOG_PUT || nr >= geo.data_sectors)
			continue;
		disk_head(nr, head);
		image_put(&img, data + nr * geo.sector_size, head,
			  sizeof(head));
	}
	args[1] = img.path;
	json = fuzz_json(cmd_check, args, &ret);
	DIE_IF(!json);
	REACHED("log checked by the tool");
	DIE_IF((want == -EINVAL) != !!fuzz_number(json, "kinds.log"));
	if (!want) {
		DIE_IF(fuzz_number(json, "log.blocks") != r->end - r->start ||
		       fuzz_number(json, "log.facts") != r->facts ||
		       fuzz_number(json, "log.candidates") != r->candidates ||
		       fuzz_number(json, "log.low") != r->low);
		/* Not one of these sectors verifies on that device. */
		DIE_IF(none_verifies(r) &&
		       (fuzz_number(json, "log.kept") != r->kept ||
			fuzz_number(json, "log.redone") != r->redone));
	}
	json_object_put(json);
	dump(img.path, r);
}

static void run(bool torn)
{
	static struct ic_try tries[IC_LOG_TRIES];
	static struct ic_log_block block;
	static u8 data[IC_BLOCK_SIZE];
	struct ic_recovery_ops now = ops;
	struct ic_recovery r = {
		.ops = &now,
		.home = &real,
		.geo = &geo,
		.uuid = params.uuid,
		.log_master = master,
		.key = log_key,
		.block = &block,
		.data = data,
		.tries = tries,
		.zero_torn = torn && zero_torn(),
	};
	u64 end = 0;
	int err, want;

	if (!torn)
		now.verify = NULL;
	want = expect(&end, torn);
	/* Cut short, where the input says, then whole, over what that left. */
	real.nr = 0;
	real.sets = 0;
	real.redos = 0;
	real.redone = 0;
	reads = 0;
	steps = 0;
	err = ic_recover(&r, &state);
	DIE_IF(err > 0);
	if (err == -EINTR) {
		REACHED("recovery cut short");
		stop_after = ~0U;
		real.sets = 0;
		real.redos = 0;
		real.redone = 0;
		reads = 0;
		err = ic_recover(&r, &state);
	}
	DIE_IF(err != want);
	/* No secret stays in the buffer. */
	DIE_IF(!mem_is_zero(&block, sizeof(block)));
	if (with_tool && params.owners == 2000 && !unreadable &&
	    params.data_sectors == 20000)
		check(&r, err);
	if (err) {
		REACHED("log refused");
		return;
	}
	DIE_IF(r.start != state.log_seq || r.end != end);
	DIE_IF(r.kept + r.unread > r.candidates);
	if (r.end != r.start)
		REACHED("log recovered");
	if (r.cuts)
		REACHED("salts followed");
	if (r.kept)
		REACHED("PUT confirmed by the disk");
	if (r.torn)
		REACHED("torn sector");
	if (r.redone)
		REACHED("data put in place");
	DIE_IF(real.sets != model.sets);
	DIE_IF(r.logged != model.logged || r.redone != real.redone);
	if (real.nr == MAX_EVENTS || model.nr == MAX_EVENTS)
		return;
	compare();
	DIE_IF(real.redone != model.redone || real.redos != model.redos);
}

static bool start(struct input *in)
{
	u8 sel = take_u8(in);

	params.cipher = 1;
	params.data_sectors = sel & 1 ? 20000 : IC_MAX_DATA_BYTES / 4096;
	params.owners = sel & 2 ? 2000 : IC_MAX_OWNERS;
	params.log_blocks = sel & 4 ? 64 : 64 + take_u8(in) % (MAX_RING - 63);
	memset(params.uuid, 0xa5, sizeof(params.uuid));
	memset(&state, 0, sizeof(state));
	state.epoch = 1;
	state.log_seq = sel & 8 ? take_u64(in) >> 1 : 1 + take_u8(in);
	memset(state.log_salt, sel, sizeof(state.log_salt));
	take(in, heads, sizeof(heads));
	/* Smaller ones can't have their data in the log. */
	params.sector_size = heads[7] & 128 ? 2048 : 4096;
	DIE_IF(ic_geometry_init(&geo, &params));
	unreadable = take_u8(in);
	unverified = take_u8(in);
	want_unsettled = sel & 16;
	with_tool = sel & 128;
	stop_after = sel & 32 ? take_u8(in) : ~0U;
	return sel & 64;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	struct chain c = { 0 };
	bool torn;

	if (!log_key) {
		log_key = ic_meta_key_new(fuzz_vk);
		seal_key = ic_meta_key_new(fuzz_vk);
		DIE_IF(!log_key || !seal_key);
	}
	torn = start(&in);
	DIE_IF(ic_derive_volume_key(fuzz_vk, params.uuid, IC_LABEL_LOG,
				    master));
	nr_writings = 0;
	for (unsigned int i = 0; i < MAX_RING; i++) {
		if (used[i])
			memset(&ring[i], 0, sizeof(ring[i]));
		in_ring[i] = NULL;
		used[i] = false;
	}
	c.seq = state.log_seq;
	memcpy(c.salt, state.log_salt, sizeof(c.salt));
	while (in.n && nr_writings < MAX_BLOCKS)
		take_block(&in, &c);
	run(torn);
	return 0;
}
