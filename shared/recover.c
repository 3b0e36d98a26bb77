// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recovery.  Shared code: no I/O of its own, no allocation.
 *
 * The log is read up to four times, one block in memory.  The first pass finds
 * its end and the last low-water mark.  The second applies it in order: entries
 * below the mark are facts; a PUT above it holds if the disk has the beginning of
 * its ciphertext, so that of several the newest which the disk has wins, and
 * without one the older record stays.  A ZERO beats all before it.  Where the log
 * has a sector's data, its record is a fact, too; if nothing later took its
 * place, the third pass puts the data there.
 *
 * Where sectors can be torn, a PUT of one of the volume's own sectors doesn't hold over
 * zeros unless all of its ciphertext verifies.  So a torn sector that was zeros before
 * reads as zeros, which a journal needs that is replayed up to where it was being
 * written.  A torn sector that had contents is an error.  If it became zeros, too, an
 * attacker could make zeros of what was flushed long ago, by taking the end of the log
 * away: then an older mark is the last one, and says that the sector may be torn.  With
 * zero_torn, for journals that aren't discarded before, that risk is taken: PUTs are
 * judged by their beginnings, and a fourth pass makes zeros of what then verifies
 * against nothing.
 *
 * A run doesn't depend on runs before it: if one is cut short, wherever that is, the
 * next run over the same log and data comes to the same result, also if changes were
 * committed in between under the same salt.
 */
#include "recover.h"

/**
 * ic_log_walk_start() - begin at the log's first block
 * @walk: to fill in
 * @r: ops->read_log, geo, uuid, log_master, key and block set
 * @state: of the committed superblock
 */
void ic_log_walk_start(struct ic_log_walk *walk, struct ic_recovery *r,
		       const struct ic_state *state)
{
	memset(walk, 0, sizeof(*walk));
	walk->r = r;
	walk->seq = state->log_seq;
	memcpy(walk->salt, state->log_salt, IC_SALT_SIZE);
	walk->fresh = true;
	r->start = walk->seq;
	r->cuts = 0;
}

static int read_block(struct ic_log_walk *walk, u64 seq, void *block)
{
	struct ic_recovery *r = walk->r;
	int err = r->ops->read_log(r->home, seq, block);

	walk->is_unread = err;
	walk->unread = seq;
	return err;
}

static int set_key(struct ic_log_walk *walk)
{
	u8 bytes[IC_KEY_SIZE];
	int err;

	err = ic_derive_log_key(walk->r->log_master, walk->salt, bytes);
	if (!err)
		err = ic_meta_key_set(walk->r->key, bytes);
	memzero_explicit(bytes, sizeof(bytes));
	walk->fresh = false;
	return err;
}

/*
 * Are the data blocks there that follow r->block, and make one with it? Return:
 * 1, 0 or a negative errno.
 */
static int check_data(struct ic_log_walk *walk)
{
	struct ic_recovery *r = walk->r;
	u64 seq = walk->seq;
	u8 check[IC_HEAD_SIZE];
	u32 i;
	int err;

	for (i = 0; i < le16_to_cpu(r->block->count); i++) {
		const struct ic_log_entry *e = &r->block->entry[i];

		if (le64_to_cpu(e->what) >> 56 != IC_LOG_DATA)
			continue;
		if (++seq - r->start >= r->geo->log_blocks)
			return 0;
		err = read_block(walk, seq, r->data);
		if (!err)
			err = ic_log_check(e, r->key, r->data, check);
		if (err)
			return err;
		if (crypto_memneq(check, e->head, IC_HEAD_SIZE))
			return 0;
	}
	return 1;
}

/**
 * ic_log_walk_next() - read the next block into @walk->r->block
 * @walk: from ic_log_walk_start()
 *
 * Return: 1 if there is one, number @walk->at; 0 at the log's end; or a negative
 * errno.
 */
int ic_log_walk_next(struct ic_log_walk *walk)
{
	struct ic_recovery *r = walk->r;
	int err;

	/* The ring holds no more than this, however its blocks are chained. */
	if (walk->seq - r->start >= r->geo->log_blocks)
		return 0;
	if (walk->fresh) {
		err = set_key(walk);
		if (err)
			return err;
	}
	err = read_block(walk, walk->seq, r->block);
	if (err)
		return err;
	err = ic_log_open(r->block, r->key, r->uuid, walk->seq, walk->prev_tag);
	if (err == -EBADMSG)
		return 0;
	if (err)
		return err;
	err = check_data(walk);
	if (err <= 0)
		return err;
	memcpy(walk->prev_tag, r->block->tag, IC_TAG_SIZE);
	walk->at = walk->seq;
	walk->seq += 1 + ic_log_data_blocks(r->block);
	if (le16_to_cpu(r->block->flags) & IC_LOG_LAST) {
		memcpy(walk->salt, r->block->next_salt, IC_SALT_SIZE);
		memset(walk->prev_tag, 0, IC_TAG_SIZE);
		walk->fresh = true;
		r->cuts++;
	}
	return 1;
}

/*
 * Walk on in one pass. Return: as ic_log_walk_next(), also for a block that
 * can't be read.
 */
static int pass(struct ic_recovery *r, const struct ic_state *state)
{
	struct ic_log_walk walk;
	int more;

	r->low = 0;
	ic_log_walk_start(&walk, r, state);
	while ((more = ic_log_walk_next(&walk)) > 0) {
		u64 low = le64_to_cpu(r->block->low);

		if (r->low < low)
			r->low = low;
	}
	r->end = walk.seq;
	r->end_unread = walk.is_unread;
	r->unread_block = walk.unread;
	memzero_explicit(&walk, sizeof(walk));
	return more;
}

/*
 * A block is read so often, with all before it, until it counts as unreadable.
 */
#define READ_TRIES	3

/*
 * Does anything show that the log went on behind block @seq, which is its end as
 * far as we can tell?  It does if the place of a later one holds it, or if none
 * of these can be read, which isn't a bad place but a device that fails.
 *
 * @r->next becomes the first block behind @seq that can be read.
 */
static bool goes_on(struct ic_recovery *r, u64 seq)
{
	u64 last = r->start + r->geo->log_blocks;
	bool any = false;

	r->next = seq;
	for (; seq < last; seq++) {
		if (r->ops->read_log(r->home, seq, r->block)) {
			r->next += r->next == seq;
			continue;
		}
		any = true;
		if (ic_log_is_later(r->block, seq, r->geo->log_blocks))
			return true;
	}
	return !any && r->next != r->end;
}

/*
 * Find the log's end.
 *
 * A block that can't be read is not the end of the log by itself: it may be in
 * the middle, and a read error may pass.  But where it alone fails, again and
 * again, and no later one was written, it is the end, or was the very last block
 * and is lost; the new log begins behind it.
 *
 * If a superblock can't be read it may be the newer one.  Then its checkpoint
 * began with a cut, which is in our log, or its log is somewhere behind the end.
 */
static int find_end(struct ic_recovery *r, const struct ic_state *state)
{
	u64 before = 0;
	int err, tries;

	for (tries = 1; ; tries++) {
		err = pass(r, state);
		if (!r->end_unread)
			break;
		/*
		 * If reads fail now here, now there, it is the device, and not
		 * a bad block.
		 */
		if (tries > 1 && r->unread_block != before) {
			r->doubt = true;
			return err;
		}
		if (tries == READ_TRIES)
			break;
		before = r->unread_block;
		r->ops->pause(r->home);
	}
	r->next = r->end;
	if (err < 0 && !r->end_unread)
		return err;
	if (!r->end_unread && !r->super_unread)
		return 0;
	r->doubt = goes_on(r, r->end_unread ? r->unread_block : r->end) ||
		   (r->super_unread && r->cuts);
	r->gave_up_log = r->doubt && r->give_up_unreadable;
	if (r->doubt == r->gave_up_log)
		return 0;
	return r->end_unread ? err : -EIO;
}

/*
 * The disk has a part of this writing. What was there before may be an earlier
 * PUT, which the disk can't confirm any more, but not what the log has data of.
 * So nothing older comes back, but zeros do.
 */
static int torn_put(struct ic_recovery *r, const struct ic_change *c)
{
	struct ic_sector_record rec;
	int err;

	r->torn++;
	err = r->ops->get_sector(r->home, c->nr, &rec);
	if (err || mem_is_zero(&rec, sizeof(rec)))
		return err;
	return r->ops->set_sector(r->home, c->nr, &c->rec.sector);
}

/* Nobody knows whether the disk has this writing; @old is what was there before. */
static int unsettled(struct ic_recovery *r, const struct ic_change *c,
		     const struct ic_sector_record *old)
{
	int err = r->ops->unsettled(r->home, c->nr, &c->rec.sector, c->head);

	/*
	 * Who doesn't commit can keep but one of the two. Zeros would pass for
	 * the sector's contents, which a wrong record doesn't.
	 */
	if (!err && r->read_only && mem_is_zero(old, sizeof(*old)))
		err = r->ops->set_sector(r->home, c->nr, &c->rec.sector);
	return err;
}

/* A PUT above the mark: does the disk have it? */
static int try_put(struct ic_recovery *r, const struct ic_change *c)
{
	const struct ic_try *disk = &r->tries[r->next_try++];
	struct ic_sector_record rec;
	int err;

	r->candidates++;
	if (disk->err == -EBADMSG)
		return torn_put(r, c);
	if (disk->err) {
		r->unread++;
		err = r->ops->get_sector(r->home, c->nr, &rec);
		if (err)
			return err;
		/*
		 * This PUT was logged again after its data had been: it holds,
		 * whatever the disk has.
		 */
		if (!memcmp(&rec, &c->rec.sector, sizeof(rec)))
			return 0;
		return unsettled(r, c, &rec);
	}
	if (memcmp(disk->head, c->head, IC_HEAD_SIZE))
		return 0;
	r->kept++;
	return r->ops->set_sector(r->home, c->nr, &c->rec.sector);
}

static int apply(struct ic_recovery *r, u64 seq, const struct ic_change *c)
{
	if (c->type == IC_LOG_PUT && seq >= r->low)
		return try_put(r, c);
	r->facts++;
	switch (c->type) {
	case IC_LOG_DATA:
		r->logged += seq >= r->low;
		return r->ops->set_data(r->home, c->nr, &c->rec.sector);
	case IC_LOG_PUT:
		return r->ops->set_sector(r->home, c->nr, &c->rec.sector);
	case IC_LOG_SET_OWNER:
		return r->ops->set_owner(r->home, c->nr, &c->rec);
	case IC_LOG_SET_KEY:
		return r->ops->set_key(r->home, c->nr, &c->rec);
	case IC_LOG_ZERO:
		return r->ops->zero(r->home, c->nr, c->nr + c->count - 1);
	}
	return -EINVAL;
}

/*
 * The log has this data, and nothing after it took its place: put it where it
 * belongs. If it is below the mark it is there.
 */
static int redo(struct ic_recovery *r, u64 seq, const struct ic_change *c)
{
	struct ic_sector_record rec;
	int err;

	if (c->type != IC_LOG_DATA)
		return 0;
	r->nr_data++;
	if (seq < r->low)
		return 0;
	err = r->ops->get_sector(r->home, c->nr, &rec);
	if (err || memcmp(&rec, &c->rec.sector, sizeof(rec)))
		return err;
	err = r->ops->read_log(r->home, seq + r->nr_data, r->data);
	if (err)
		return err;
	err = r->ops->redo(r->home, c->nr, r->data);
	if (err <= 0)
		return err;
	r->redone++;
	return 0;
}

typedef int (*change_fn)(struct ic_recovery *r, u64 seq,
			 const struct ic_change *c);

static int each_change(struct ic_recovery *r, u64 seq, change_fn fn)
{
	struct ic_change c;
	int err = 0;
	u32 i;

	for (i = 0; i < le16_to_cpu(r->block->count) && !err; i++) {
		err = ic_log_change(r->block, i, r->geo, &c);
		if (!err)
			err = fn(r, seq, &c);
	}
	memzero_explicit(&c, sizeof(c));
	return err;
}

static int add_put(struct ic_recovery *r, u64 seq, const struct ic_change *c)
{
	if (c->type == IC_LOG_PUT && seq >= r->low)
		r->tries[r->nr_tries++].sector = c->nr;
	return 0;
}

/* A volume-key sector was being written at the crash: is it whole, or torn? */
static int add_torn(struct ic_recovery *r, u64 seq, const struct ic_change *c)
{
	struct ic_try *try = r->tries, *end = try + r->nr_tries;
	int err;

	if (c->type != IC_LOG_PUT || seq < r->low)
		return 0;
	for (; try < end; try++)
		if (try->sector == c->nr)
			return 0;
	err = r->ops->get_sector(r->home, c->nr, &try->rec);
	if (err || try->rec.owner || mem_is_zero(&try->rec, sizeof(try->rec)))
		return err;
	try->sector = c->nr;
	r->nr_tries++;
	return 0;
}

/* The sector begins as it should. Is the rest there, too? */
static int add_whole(struct ic_recovery *r, u64 seq, const struct ic_change *c)
{
	const struct ic_try *disk;
	struct ic_try *whole;

	if (c->type != IC_LOG_PUT || seq < r->low)
		return 0;
	disk = &r->tries[r->next_try++];
	if (c->rec.sector.owner || disk->err ||
	    memcmp(disk->head, c->head, IC_HEAD_SIZE))
		return 0;
	whole = &r->tries[r->nr_tries + r->nr_whole++];
	whole->sector = c->nr;
	whole->rec = c->rec.sector;
	whole->of = r->next_try - 1;
	return 0;
}

static void verify_whole(struct ic_recovery *r, u64 seq)
{
	const struct ic_try *whole = r->tries + r->nr_tries;
	u32 i;

	r->next_try = 0;
	r->nr_whole = 0;
	each_change(r, seq, add_whole);
	if (r->nr_whole)
		r->ops->verify(r->home, r->tries + r->nr_tries, r->nr_whole);
	for (i = 0; i < r->nr_whole; i++)
		r->tries[whole[i].of].err = whole[i].err;
}

static int apply_block(struct ic_recovery *r, u64 seq)
{
	r->nr_tries = 0;
	/* Whoever applies the block finds out where it makes no sense. */
	each_change(r, seq, add_put);
	if (r->nr_tries)
		r->ops->read_heads(r->home, r->tries, r->nr_tries);
	if (r->nr_tries && r->ops->verify && !r->zero_torn)
		verify_whole(r, seq);
	r->next_try = 0;
	return each_change(r, seq, apply);
}

static int redo_block(struct ic_recovery *r, u64 seq)
{
	r->nr_data = 0;
	return each_change(r, seq, redo);
}

static int torn_block(struct ic_recovery *r, u64 seq)
{
	const struct ic_try *try;
	int err;

	r->nr_tries = 0;
	err = each_change(r, seq, add_torn);
	if (!err && r->nr_tries)
		r->ops->verify(r->home, r->tries, r->nr_tries);
	for (try = r->tries; !err && try < r->tries + r->nr_tries; try++) {
		if (try->err != -EBADMSG)
			continue;
		r->torn++;
		err = r->ops->zero(r->home, try->sector, try->sector);
	}
	return err;
}

static int each_block(struct ic_recovery *r, const struct ic_state *state,
		      int (*fn)(struct ic_recovery *r, u64 seq))
{
	struct ic_log_walk walk;
	u64 end = r->end;
	int err = 0;

	ic_log_walk_start(&walk, r, state);
	while (!err && walk.seq < end) {
		u64 seq = walk.seq;

		err = ic_log_walk_next(&walk);
		if (err <= 0) {
			/* This block could be read a moment ago. */
			err = err ? err : -EIO;
			break;
		}
		err = fn(r, seq);
		if (!err)
			err = r->ops->progress(r->home);
	}
	memzero_explicit(&walk, sizeof(walk));
	return err;
}

/**
 * ic_recover() - apply the log that follows the committed tree
 * @r: all but what is marked "out" set
 * @state: of the committed superblock
 *
 * On success the home commits a checkpoint under a fresh salt, with @r->next as
 * the number of the next log's first block, before it serves any I/O.
 *
 * Context: may sleep.
 * Return: 0; -EINVAL for a log that authenticates but makes no sense; or an error
 * of the home's.
 */
int ic_recover(struct ic_recovery *r, const struct ic_state *state)
{
	int err;

	r->doubt = false;
	r->gave_up_log = false;
	r->facts = 0;
	r->candidates = 0;
	r->kept = 0;
	r->unread = 0;
	r->logged = 0;
	r->redone = 0;
	r->torn = 0;
	err = find_end(r, state);
	if (!err && r->super_unread && r->ops->claim && !r->read_only)
		err = r->ops->claim(r->home);
	if (!err && r->end != r->start)
		err = each_block(r, state, apply_block);
	if (!err && r->logged)
		err = each_block(r, state, redo_block);
	if (!err && r->candidates && r->zero_torn)
		err = each_block(r, state, torn_block);
	memzero_explicit(r->block, IC_BLOCK_SIZE);
	return err;
}
