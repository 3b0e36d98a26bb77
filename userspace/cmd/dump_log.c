// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt dump, the log: its blocks, their entries, and what it says of one
 * record.
 */
#include "cmd/cmd.h"
#include "recover.h"

/**
 * struct log_view - one pass over the log
 * @low: the last low-water mark, after log_measure()
 * @end: the first block that isn't there, likewise
 * @last: block that was read last
 * @unread: it could not be read; that was said
 * @why: how the log ends
 */
struct log_view {
	struct volume *v;
	struct ic_recovery r;
	struct ic_log_walk walk;
	struct ic_log_block block;
	u8 data[IC_BLOCK_SIZE];
	u8 master[IC_KEY_SIZE];
	u64 low, end, last;
	bool unread;
	const char *why;
};

static u64 log_offset(const struct volume *v, u64 seq)
{
	return v->side_offset + ic_log_block_nr(&v->geo, seq) * IC_BLOCK_SIZE;
}

static int read_log(void *home, u64 seq, struct ic_log_block *block)
{
	struct log_view *lv = home;

	lv->last = seq;
	lv->unread = dev_read(lv->v->side, log_offset(lv->v, seq), block,
			      sizeof(*block));
	return lv->unread ? -EIO : 0;
}

static const struct ic_recovery_ops view_ops = { .read_log = read_log };

static void log_rewind(struct log_view *lv)
{
	ic_log_walk_start(&lv->walk, &lv->r, &lv->v->state);
}

/* The next block: 1, or 0 at the end. */
static int log_next(struct log_view *lv, u64 *seq)
{
	int more;

	*seq = lv->walk.seq;
	more = ic_log_walk_next(&lv->walk);
	if (lv->unread)
		lv->why = "a block that can't be read";
	else if (more < 0)
		lv->why = "a block that authenticates, but makes no sense";
	else if (*seq - lv->r.start == lv->v->geo.log_blocks)
		lv->why = "the ring is full";
	else if (lv->last != *seq)
		lv->why = "a block whose data blocks aren't all there";
	else
		lv->why = "no such block";
	return more > 0;
}

static void log_done(struct log_view *lv)
{
	ic_meta_key_free(lv->r.key);
	explicit_bzero(lv, sizeof(*lv));
}

/* Prepare a view, and find the log's end and its last mark. */
static int log_view(struct log_view *lv, struct volume *v,
		    const u8 vk[IC_KEY_SIZE])
{
	u64 seq;

	memset(lv, 0, sizeof(*lv));
	lv->v = v;
	lv->r.ops = &view_ops;
	lv->r.home = lv;
	lv->r.geo = &v->geo;
	lv->r.uuid = v->params.uuid;
	lv->r.log_master = lv->master;
	lv->r.block = &lv->block;
	lv->r.data = lv->data;
	if (!ic_derive_volume_key(vk, v->params.uuid, IC_LABEL_LOG,
				  lv->master))
		lv->r.key = ic_meta_key_new(lv->master);
	if (!lv->r.key)
		return fail(EX_FAIL, "libcrypto fails");
	log_rewind(lv);
	while (log_next(lv, &seq))
		if (lv->low < le64_to_cpu(lv->block.low))
			lv->low = le64_to_cpu(lv->block.low);
	lv->end = seq;
	return 0;
}

static void put_block(struct json_object *o, const struct log_view *lv, u64 seq)
{
	const struct ic_log_block *b = &lv->block;
	bool last = le16_to_cpu(b->flags) & IC_LOG_LAST;
	u64 at = ic_log_block_nr(&lv->v->geo, seq);

	put_u64(o, "seq", seq);
	put_u64(o, "place_in_ring", at - lv->v->geo.log_start);
	put_u64(o, "offset", log_offset(lv->v, seq));
	put_u64(o, "low", le64_to_cpu(b->low));
	put_u64(o, "entries", le16_to_cpu(b->count));
	put_u64(o, "data_blocks", ic_log_data_blocks(b));
	put_bool(o, "last", last);
}

/**
 * dump_log() - list the blocks that follow the committed tree
 * @o: receives them
 * @v: volume
 * @vk: volume key
 *
 * Return: 0 or an exit code.
 */
int dump_log(struct json_object *o, struct volume *v, const u8 vk[IC_KEY_SIZE])
{
	struct json_object *list;
	struct log_view lv;
	u64 seq;
	int ret;

	ret = log_view(&lv, v, vk);
	if (ret)
		return ret;
	put_u64(o, "first", lv.r.start);
	put_u64(o, "blocks", lv.end - lv.r.start);
	put_u64(o, "ring", v->geo.log_blocks);
	put_u64(o, "low", lv.low);
	put_u64(o, "end_offset", log_offset(v, lv.end));
	put_str(o, "ends_with", lv.why);
	list = put_list(o, "log");
	log_rewind(&lv);
	while (log_next(&lv, &seq))
		put_block(put_object(list, NULL), &lv, seq);
	log_done(&lv);
	return 0;
}

static const char *type_name(enum ic_log_type type)
{
	switch (type) {
	case IC_LOG_PUT:
		return "put";
	case IC_LOG_SET_OWNER:
		return "set-owner";
	case IC_LOG_SET_KEY:
		return "set-key";
	case IC_LOG_ZERO:
		return "zero";
	case IC_LOG_DATA:
		return "data";
	}
	return "unknown";
}

static void put_record(struct json_object *o, const struct ic_change *c)
{
	const union ic_record *rec = &c->rec;

	switch (c->type) {
	case IC_LOG_DATA:
	case IC_LOG_PUT:
		put_u64(o, "sector", c->nr);
		put_hex(o, "tag", rec->sector.tag, IC_TAG_SIZE);
		put_hex(o, "nonce", rec->sector.nonce, IC_NONCE_SIZE);
		put_u64(o, "owner", le32_to_cpu(rec->sector.owner));
		put_hex(o, c->type == IC_LOG_PUT ? "head" : "check", c->head,
			IC_HEAD_SIZE);
		break;
	case IC_LOG_SET_OWNER:
		put_u64(o, "ino", c->nr);
		put_hex(o, "salt", rec->owner.salt, IC_SALT_SIZE);
		put_u64(o, "gen", le32_to_cpu(rec->owner.gen));
		put_u64(o, "key_slot", le16_to_cpu(rec->owner.key_slot));
		put_u64(o, "flags", le16_to_cpu(rec->owner.flags));
		put_hex(o, "check", rec->owner.check, IC_CHECK_SIZE);
		break;
	case IC_LOG_SET_KEY:
		put_u64(o, "slot", c->nr);
		put_hex(o, "key_id", rec->key.key_id, IC_KEY_ID_SIZE);
		put_u64(o, "state", le32_to_cpu(rec->key.state));
		break;
	case IC_LOG_ZERO:
		put_u64(o, "sector", c->nr);
		put_u64(o, "sectors", c->count);
		break;
	}
}

/* Does the disk have what a PUT says? */
static bool on_disk(const struct volume *v, const struct ic_change *c,
		    bool *unread)
{
	u8 head[IC_HEAD_SIZE];

	*unread = dev_read((struct area_dev *)&v->data, v->data_offset +
			   c->nr * v->params.sector_size, head, sizeof(head));
	return !*unread && !memcmp(head, c->head, sizeof(head));
}

enum verdict { HOLDS, HOLDS_IN_LOG, HOLDS_NOT, IN_DOUBT };

/* What does recovery do with an entry? */
static enum verdict put_verdict(struct json_object *o,
				const struct log_view *lv, u64 seq,
				const struct ic_change *c)
{
	bool open = seq >= lv->low, unread, holds, whole;

	if (c->type == IC_LOG_DATA && open) {
		put_str(o, "recovery", "a fact; data in the log");
		return HOLDS_IN_LOG;
	}
	if (c->type != IC_LOG_PUT || !open) {
		put_str(o, "recovery", "a fact");
		return HOLDS;
	}
	holds = on_disk(lv->v, c, &unread);
	whole = c->rec.sector.owner ||
		lv->v->params.sector_size == IC_MIN_SECTOR_SIZE;
	put_str(o, "recovery", holds && whole ? "found on the disk" :
		holds ? "found on the disk, if all of it verifies" : unread ?
		"the disk can't be read" : "not on the disk");
	return holds ? HOLDS : unread ? IN_DOUBT : HOLDS_NOT;
}

/* Number of the data block of entry @i, which is a DATA. */
static u64 data_block_of(const struct log_view *lv, u64 seq, u32 i)
{
	for (u32 k = 0; k <= i; k++)
		seq += le64_to_cpu(lv->block.entry[k].what) >> 56 ==
		       IC_LOG_DATA;
	return seq;
}

static void put_data_block(struct json_object *o, const struct log_view *lv,
			   u64 seq)
{
	put_u64(o, "data_block", seq);
	put_u64(o, "data_block_offset", log_offset(lv->v, seq));
}

static void put_entry(struct json_object *list, const struct log_view *lv,
		      u64 seq, u32 i)
{
	struct json_object *o = put_object(list, NULL);
	struct ic_change c;
	int err = ic_log_change(&lv->block, i, &lv->v->geo, &c);

	put_u64(o, "entry", i);
	put_str(o, "type", err ? "makes no sense" : type_name(c.type));
	if (err) {
		put_hex(o, "bytes", (const u8 *)&lv->block.entry[i],
			sizeof(struct ic_log_entry));
		return;
	}
	put_record(o, &c);
	if (c.type == IC_LOG_DATA)
		put_data_block(o, lv, data_block_of(lv, seq, i));
	put_verdict(o, lv, seq, &c);
	explicit_bzero(&c, sizeof(c));
}

/**
 * dump_log_block() - show one block of the log
 * @o: receives it
 * @v: volume
 * @vk: volume key
 * @seq: its number
 *
 * Return: 0 or an exit code.
 */
int dump_log_block(struct json_object *o, struct volume *v,
		   const u8 vk[IC_KEY_SIZE], u64 seq)
{
	struct json_object *list;
	struct log_view lv;
	u64 at;
	int ret;

	ret = log_view(&lv, v, vk);
	if (ret)
		return ret;
	if (seq < lv.r.start || seq >= lv.end) {
		ret = lv.end == lv.r.start ?
		      fail(EX_USAGE, "the log is empty; its first block would be %llu",
			   (unsigned long long)lv.end) :
		      fail(EX_USAGE, "the log has blocks %llu to %llu only",
			   (unsigned long long)lv.r.start,
			   (unsigned long long)lv.end - 1);
		log_done(&lv);
		return ret;
	}
	log_rewind(&lv);
	do {
		log_next(&lv, &at);
	} while (lv.walk.seq <= seq);
	if (at != seq) {
		ret = fail(EX_USAGE, "block %llu is data block %llu of log block %llu",
			   (unsigned long long)seq,
			   (unsigned long long)(seq - at),
			   (unsigned long long)at);
		log_done(&lv);
		return ret;
	}
	put_block(o, &lv, seq);
	put_hex(o, "tag", lv.block.tag, IC_TAG_SIZE);
	put_hex(o, "nonce", lv.block.nonce, IC_NONCE_SIZE);
	put_hex(o, "next_salt", lv.block.next_salt, IC_SALT_SIZE);
	list = put_list(o, "list");
	for (u32 i = 0; i < le16_to_cpu(lv.block.count); i++)
		put_entry(list, &lv, seq, i);
	log_done(&lv);
	return 0;
}

static bool is_about(const struct ic_change *c, enum ic_log_type type, u64 nr)
{
	if (c->type == IC_LOG_ZERO && type == IC_LOG_PUT)
		return nr >= c->nr && nr - c->nr < c->count;
	if (c->type == IC_LOG_DATA && type == IC_LOG_PUT)
		return nr == c->nr;
	return c->type == type && c->nr == nr;
}

/**
 * dump_log_of() - show what the log says of one record
 * @o: receives it
 * @v: volume
 * @vk: volume key
 * @type: IC_LOG_PUT, which stands for ZERO and DATA too, or one of the others
 * @nr: sector, inode number or key slot
 * @rec: in: as the tree has it; out: as recovery would leave it
 * @data_at: a sector's only: receives the offset on the sidecar's device of the
 *	data that recovery would put in its place; 0 if none.  May be NULL
 *
 * Return: 0 or an exit code.
 */
int dump_log_of(struct json_object *o, struct volume *v,
		const u8 vk[IC_KEY_SIZE], enum ic_log_type type, u64 nr,
		union ic_record *rec, u64 *data_at)
{
	union ic_record redone = { 0 };
	struct json_object *list, *j;
	struct log_view lv;
	struct ic_change c;
	u64 seq, at = 0;
	int ret;

	ret = log_view(&lv, v, vk);
	if (ret)
		return ret;
	list = put_list(o, "log");
	log_rewind(&lv);
	while (log_next(&lv, &seq))
		for (u32 i = 0; i < le16_to_cpu(lv.block.count); i++) {
			if (ic_log_change(&lv.block, i, &v->geo, &c) ||
			    !is_about(&c, type, nr))
				continue;
			j = put_object(list, NULL);
			put_u64(j, "seq", seq);
			put_u64(j, "entry", i);
			put_str(j, "type", type_name(c.type));
			put_record(j, &c);
			if (c.type == IC_LOG_DATA)
				put_data_block(j, &lv,
					       data_block_of(&lv, seq, i));
			switch (put_verdict(j, &lv, seq, &c)) {
			case HOLDS_IN_LOG:
				at = log_offset(v, data_block_of(&lv, seq, i));
				redone = c.rec;
				*rec = c.rec;
				break;
			case HOLDS:
				*rec = c.rec;
				break;
			case IN_DOUBT:
				/*
				 * This writing may have taken the place of the
				 * data that the log has.
				 */
				at = 0;
				break;
			case HOLDS_NOT:
				break;
			}
		}
	/* Something later took the place of that data. */
	if (memcmp(&redone, rec, sizeof(redone)))
		at = 0;
	if (data_at)
		*data_at = at;
	explicit_bzero(&c, sizeof(c));
	log_done(&lv);
	return 0;
}
