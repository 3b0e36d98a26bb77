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
#include "recover.h"

#define MAX_BLOCKS	256	/* writings */
#define MAX_RING	128
#define MAX_EVENTS	(MAX_RING * IC_LOG_ENTRIES)

/* What was sealed, and under which circumstances. */
struct writing {
	struct ic_log_block	plain;
	u64			seq;
	u8			salt[IC_SALT_SIZE];
	u8			prev_tag[IC_TAG_SIZE];
	u8			tag[IC_TAG_SIZE];
	bool			bad;		/* damaged on the disk */
};

/* The array of sector records, as the list of what happened to it. */
struct event {
	u64			first, last;
	struct ic_sector_record	rec;
};

struct records {
	struct event	event[MAX_EVENTS];
	unsigned int	nr;
	u64		sets;		/* hash of the owner and key records */
};

static struct writing writings[MAX_BLOCKS];
static unsigned int nr_writings;
static struct ic_log_block ring[MAX_RING];
static struct writing *in_ring[MAX_RING];
static struct records real, model;

static struct ic_params params;
static struct ic_geometry geo;
static struct ic_state state;
static u8 master[IC_KEY_SIZE];
static struct ic_meta_key *log_key, *seal_key;
static u8 heads[8], unreadable, unverified;
static unsigned int reads, steps, stop_after;
static bool want_unsettled, with_tool;

/* The volume's records before recovery: every third sector was written. */
static void initial(u64 sector, struct ic_sector_record *rec)
{
	memset(rec, 0, sizeof(*rec));
	if (sector % 3)
		return;
	memset(rec->tag, 0x11, sizeof(rec->tag));
	rec->owner = cpu_to_le32(sector % 2);
}

static void lookup(const struct records *r, u64 sector,
		   struct ic_sector_record *rec)
{
	for (unsigned int i = r->nr; i-- > 0;)
		if (sector >= r->event[i].first && sector <= r->event[i].last) {
			*rec = r->event[i].rec;
			return;
		}
	initial(sector, rec);
}

static void change(struct records *r, u64 first, u64 last,
		   const struct ic_sector_record *rec)
{
	struct event *e = &r->event[r->nr];

	/* Runs that are cut short and repeated say the same again. */
	if (r->nr == MAX_EVENTS)
		return;
	e->first = first;
	e->last = last;
	if (rec)
		e->rec = *rec;
	else
		memset(&e->rec, 0, sizeof(e->rec));
	r->nr++;
}

/* Order matters: the newest record of a number is what counts. */
static void hash(struct records *r, enum ic_log_type type, u64 nr,
		 const union ic_record *rec)
{
	u64 h = r->sets * 31 + type * 7 + nr;

	for (unsigned int i = 0; i < IC_RECORD_SIZE; i++)
		h = (h ^ rec->bytes[i]) * 0x100000001b3ULL;
	r->sets = h;
}

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
	/* Three passes over the ring, each one block past the end. */
	DIE_IF(++reads > 3 * (params.log_blocks + 1));
	DIE_IF(ic_log_block_nr(&geo, seq) < geo.log_start ||
	       ic_log_block_nr(&geo, seq) >= geo.place_start[0]);
	*block = ring[ic_log_block_nr(&geo, seq) - geo.log_start];
	return 0;
}

static int op_read_head(void *home, u64 sector, u8 head[IC_HEAD_SIZE])
{
	(void)home;
	DIE_IF(sector >= geo.data_sectors);
	if (!can_read(sector))
		return -EIO;
	disk_head(sector, head);
	return 0;
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

static int op_verify(void *home, u64 sector, const struct ic_sector_record *rec)
{
	(void)home;
	DIE_IF(sector >= geo.data_sectors || rec->owner);
	if (!can_read(sector))
		return -EIO;
	return unverified & (1 << (sector & 7)) ? -EBADMSG : 0;
}

static int op_progress(void *home)
{
	(void)home;
	return steps++ == stop_after ? -EINTR : 0;
}

static const struct ic_recovery_ops ops = {
	.read_log = op_read_log,
	.read_head = op_read_head,
	.get_sector = op_get_sector,
	.set_sector = op_set_sector,
	.set_owner = op_set_owner,
	.set_key = op_set_key,
	.zero = op_zero,
	.unsettled = op_unsettled,
	.verify = op_verify,
	.progress = op_progress,
};

static const struct ic_recovery_ops ops_untorn = {
	.read_log = op_read_log,
	.read_head = op_read_head,
	.get_sector = op_get_sector,
	.set_sector = op_set_sector,
	.set_owner = op_set_owner,
	.set_key = op_set_key,
	.zero = op_zero,
	.unsettled = op_unsettled,
	.progress = op_progress,
};

static void set_salt(struct ic_meta_key *key, const u8 salt[IC_SALT_SIZE])
{
	u8 bytes[IC_KEY_SIZE];

	DIE_IF(ic_derive_log_key(master, salt, bytes));
	DIE_IF(ic_meta_key_set(key, bytes));
}

/* One entry: 48 bytes as they are, or a sensible one in few bytes. */
static void take_entry(struct input *in, struct ic_log_entry *e)
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

static void write_block(struct chain *c, const struct ic_log_block *plain,
			u8 odd)
{
	u8 nonce[IC_NONCE_SIZE] = { nr_writings, nr_writings >> 8 };
	struct ic_log_block block = *plain;
	struct writing *w;
	u32 slot;

	if (nr_writings == MAX_BLOCKS)
		return;
	w = &writings[nr_writings++];
	w->plain = *plain;
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
	DIE_IF(ic_log_seal(&block, seal_key, params.uuid, w->seq, w->prev_tag,
			   nonce));
	memcpy(w->tag, block.tag, sizeof(w->tag));
	if (odd & 8) {
		((u8 *)&block)[(odd >> 4) * 257] ^= 0x40;
		w->bad = true;
	}
	slot = ic_log_block_nr(&geo, c->seq) - geo.log_start;
	ring[slot] = block;
	in_ring[slot] = w;
	memcpy(c->prev_tag, w->tag, sizeof(c->prev_tag));
	c->seq++;
	if (le16_to_cpu(plain->flags) & IC_LOG_LAST) {
		memcpy(c->salt, plain->next_salt, sizeof(c->salt));
		memset(c->prev_tag, 0, sizeof(c->prev_tag));
	}
}

static void take_block(struct input *in, struct chain *c)
{
	u8 how = take_u8(in), odd = how & B_ODD ? take_u8(in) : 0;
	unsigned int n = how & B_ENTRIES, again = 0;
	struct ic_log_block plain = { 0 };
	u8 back = take_u8(in);

	for (unsigned int i = 0; i < n; i++)
		take_entry(in, &plain.entry[i]);
	if (how & B_FULL && !(how & B_REPEAT) && n) {
		for (unsigned int i = n; i < IC_LOG_ENTRIES; i++)
			plain.entry[i] = plain.entry[i % n];
		n = IC_LOG_ENTRIES;
	}
	/* A mark that stays behind the block by a little. */
	plain.low = cpu_to_le64(c->seq > back ? c->seq - back : 0);
	plain.count = cpu_to_le16(n);
	if (how & B_LAST) {
		plain.flags = cpu_to_le16(IC_LOG_LAST);
		memset(plain.next_salt, take_u8(in), sizeof(plain.next_salt));
	}
	if (how & B_HEADER) {
		u8 field = take_u8(in);

		if (field & 1)
			plain.low = cpu_to_le64(take_u64(in));
		if (field & 2)
			plain.count = cpu_to_le16(n + take_u8(in));
		if (field & 4)
			plain.flags = cpu_to_le16(take_u16(in));
		if (field & 8)
			plain.zero = cpu_to_le32(take_u8(in));
		if (field & 16)
			take(in, plain.next_salt, sizeof(plain.next_salt));
		if (field & 32)
			plain.count = cpu_to_le16(take_u16(in));
	}
	if (how & B_REPEAT)
		again = take_u8(in);
	do {
		write_block(c, &plain, odd);
		odd = 0;
	} while (again--);
}

/* The block that recovery has to find next; NULL at the end. */
static const struct writing *next_writing(struct chain *c, u64 start)
{
	const struct writing *w;

	if (c->seq - start >= params.log_blocks)
		return NULL;
	w = in_ring[ic_log_block_nr(&geo, c->seq) - geo.log_start];
	if (!w || w->bad || w->seq != c->seq ||
	    memcmp(w->salt, c->salt, sizeof(c->salt)) ||
	    memcmp(w->prev_tag, c->prev_tag, sizeof(c->prev_tag)))
		return NULL;
	c->seq++;
	memcpy(c->prev_tag, w->tag, sizeof(c->prev_tag));
	if (le16_to_cpu(w->plain.flags) & IC_LOG_LAST) {
		memcpy(c->salt, w->plain.next_salt, sizeof(c->salt));
		memset(c->prev_tag, 0, sizeof(c->prev_tag));
	}
	return w;
}

static bool header_good(const struct writing *w)
{
	const struct ic_log_block *b = &w->plain;
	u16 flags = le16_to_cpu(b->flags);

	return le16_to_cpu(b->count) <= IC_LOG_ENTRIES && flags <= 1 &&
	       !b->zero && le64_to_cpu(b->low) <= w->seq &&
	       (flags == 1) == !mem_is_zero(b->next_salt, IC_SALT_SIZE);
}

/* All numbers within bounds, all unused bytes zero. */
static bool entry_good(const struct ic_log_entry *e)
{
	u64 what = le64_to_cpu(e->what), nr = what << 8 >> 8;
	u64 count = le64_to_cpu(e->count);

	switch (what >> 56) {
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

/* What recovery has to come to: 0, or an error. */
static int expect(u64 *end, bool torn)
{
	const struct writing *w;
	struct chain c = { .seq = state.log_seq };
	u64 low = 0;
	bool candidates = false;
	int pass;

	memcpy(c.salt, state.log_salt, sizeof(c.salt));
	model.nr = 0;
	model.sets = 0;
	while ((w = next_writing(&c, state.log_seq))) {
		if (!header_good(w))
			return -EINVAL;
		if (low < le64_to_cpu(w->plain.low))
			low = le64_to_cpu(w->plain.low);
	}
	*end = c.seq;
	for (pass = 0; pass < (torn && candidates ? 2 : 1); pass++) {
		memset(&c, 0, sizeof(c));
		c.seq = state.log_seq;
		memcpy(c.salt, state.log_salt, sizeof(c.salt));
		while ((w = next_writing(&c, state.log_seq))) {
			const struct ic_log_block *b = &w->plain;

			for (u32 i = 0; i < le16_to_cpu(b->count); i++) {
				const struct ic_log_entry *e = &b->entry[i];
				u64 what = le64_to_cpu(e->what);
				u64 nr = what << 8 >> 8;
				u8 type = what >> 56, head[IC_HEAD_SIZE];
				bool open = type == IC_LOG_PUT &&
					    w->seq >= low;
				struct ic_sector_record rec;

				if (!entry_good(e))
					return -EINVAL;
				if (pass && !open)
					continue;
				if (pass) {
					lookup(&model, nr, &rec);
					if (!rec.owner && can_read(nr) &&
					    !mem_is_zero(&rec, sizeof(rec)) &&
					    unverified & (1 << (nr & 7)))
						change(&model, nr, nr, NULL);
					continue;
				}
				if (type == IC_LOG_ZERO) {
					change(&model, nr,
					       nr + le64_to_cpu(e->count) - 1,
					       NULL);
					continue;
				}
				if (type != IC_LOG_PUT) {
					hash(&model, type, nr, &e->rec);
					continue;
				}
				candidates |= open;
				disk_head(nr, head);
				if (open && !can_read(nr) && !want_unsettled)
					return -EIO;
				if (open && !can_read(nr))
					continue;
				if (open && memcmp(head, e->head, sizeof(head)))
					continue;
				change(&model, nr, nr, &e->rec.sector);
			}
		}
	}
	return 0;
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
		if (in_ring[i])
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
		       fuzz_number(json, "log.kept") != r->kept ||
		       fuzz_number(json, "log.low") != r->low);
	}
	json_object_put(json);
	dump(img.path, r);
}

static void run(bool torn)
{
	static struct ic_log_block block;
	struct ic_recovery r = {
		.ops = torn ? &ops : &ops_untorn,
		.home = &real,
		.geo = &geo,
		.uuid = params.uuid,
		.log_master = master,
		.key = log_key,
		.block = &block,
	};
	u64 end = 0;
	int err, want;

	want = expect(&end, torn);
	/* Cut short, where the input says, then whole, over what that left. */
	real.nr = 0;
	real.sets = 0;
	reads = 0;
	steps = 0;
	err = ic_recover(&r, &state);
	DIE_IF(err > 0);
	if (err == -EINTR) {
		REACHED("recovery cut short");
		stop_after = ~0U;
		real.sets = 0;
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
	DIE_IF(real.sets != model.sets);
	if (real.nr < MAX_EVENTS && model.nr < MAX_EVENTS)
		compare();
}

static bool start(struct input *in)
{
	u8 sel = take_u8(in);

	params.sector_size = 4096;
	params.cipher = 1;
	params.data_sectors = sel & 1 ? 20000 : IC_MAX_DATA_BYTES / 4096;
	params.owners = sel & 2 ? 2000 : IC_MAX_OWNERS;
	params.log_blocks = sel & 4 ? 64 : 64 + take_u8(in) % (MAX_RING - 63);
	memset(params.uuid, 0xa5, sizeof(params.uuid));
	DIE_IF(ic_geometry_init(&geo, &params));
	memset(&state, 0, sizeof(state));
	state.epoch = 1;
	state.log_seq = sel & 8 ? take_u64(in) >> 1 : 1 + take_u8(in);
	memset(state.log_salt, sel, sizeof(state.log_salt));
	take(in, heads, sizeof(heads));
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
		if (in_ring[i])
			memset(&ring[i], 0, sizeof(ring[i]));
		in_ring[i] = NULL;
	}
	c.seq = state.log_seq;
	memcpy(c.salt, state.log_salt, sizeof(c.salt));
	while (in.n && nr_writings < MAX_BLOCKS)
		take_block(&in, &c);
	run(torn);
	return 0;
}
