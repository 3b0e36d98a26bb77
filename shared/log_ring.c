// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log's ring in memory.  Shared code; the caller holds the one lock that
 * guards all of struct ic_log, unless a function says otherwise.
 *
 * Blocks are filled in order.  The open block is closed when it is full, when
 * somebody has to wait for it, and by a cut; then its home seals and writes it.
 * A part of the ring is kept free, so that a cut, and logging again all that is
 * in flight, need no waiting.
 */
#include "log_ring.h"
#include "log_failed.h"

/*
 * Blocks that a cut may need.  It never waits for room in the ring, as these are
 * always free behind the open block:
 *
 * - Whatever is appended outside a cut asks room_for() first, which leaves them.
 * - A cut closes the open block: one.  It logs again what is in flight or has failed,
 *   @live sectors, which ic_log_room() bounds by @live_max: so many entries fill at
 *   most @live_max / IC_LOG_ENTRIES blocks.  The end of sealing closes the block that
 *   the last of them are in: one more.
 * - Until that cut is committed there is no other.  An entry that comes in between has
 *   asked room_for(), too, so the block that it is in can be closed by the end of
 *   sealing of a checkpoint that is tried again, and the reserve is still there.
 * - With the commit the ring begins at the cut.  What the cut and the end of sealing
 *   took is behind it: not more than the reserve, and the ring has room for that and
 *   for the reserve of the next cut, as both are less than a quarter of it:
 *   live_blocks() takes an eighth, and IC_MIN_LOG_BLOCKS is 64.
 *
 * The crash simulator looks after each cut, and after each end of sealing.
 */
static u32 cut_blocks(const struct ic_log *log)
{
	return log->live_max / IC_LOG_ENTRIES + 2;
}

static u32 live_blocks(u32 log_blocks)
{
	return log_blocks / 8 < 64 ? log_blocks / 8 : 64;
}

/**
 * ic_log_slots() - blocks that a log of this size keeps in memory
 * @log_blocks: length of the ring
 */
u32 ic_log_slots(u32 log_blocks)
{
	return 4 * live_blocks(log_blocks) + 2;
}

/**
 * ic_log_init() - prepare a ring
 * @log: to fill in
 * @log_blocks: its length
 * @nr_slots: ic_log_slots() of that
 * @slot: that many pointers to block buffers
 * @data_block: that many pointers, all NULL
 * @inflight: @log_blocks counters, zeroed
 */
void ic_log_init(struct ic_log *log, u32 log_blocks, u32 nr_slots,
		 struct ic_log_block **slot, const void **data_block,
		 u16 *inflight)
{
	u32 i;

	memset(log, 0, sizeof(*log));
	log->blocks = log_blocks;
	log->nr_slots = nr_slots;
	log->slot = slot;
	log->data_block = data_block;
	log->inflight = inflight;
	log->live_max = live_blocks(log_blocks) * IC_LOG_ENTRIES;
	INIT_LIST_HEAD(&log->writes);
	INIT_LIST_HEAD(&log->failed);
	for (i = 0; i < IC_LOG_BUCKETS; i++)
		INIT_LIST_HEAD(&log->bucket[i]);
}

static u32 slot_of(const struct ic_log *log, u64 seq)
{
	u32 slot;

	div_u64_rem(seq, log->nr_slots, &slot);
	return slot;
}

static struct ic_log_block *open_block(struct ic_log *log)
{
	return log->slot[slot_of(log, log->head)];
}

static u16 *inflight(struct ic_log *log, u64 seq)
{
	u32 nr;

	div_u64_rem(seq, log->blocks, &nr);
	return &log->inflight[nr];
}

/* Begin with block @seq. */
static void open_new(struct ic_log *log, u64 seq)
{
	log->head = seq;
	log->count = 0;
	log->data = 0;
	log->data_block[slot_of(log, seq)] = NULL;
	memset(open_block(log), 0, IC_BLOCK_SIZE);
}

/**
 * ic_log_start() - begin an empty log, which the next superblock will name
 * @log: the ring, nothing in it, nothing in flight
 * @seq: number of its first block
 *
 * It counts as a cut: all that was changed in memory before is older than this log.
 */
void ic_log_start(struct ic_log *log, u64 seq)
{
	log->tail = seq;
	log->cut = seq;
	log->relogged = seq;
	log->next = seq;
	log->durable = seq;
	log->complete = seq;
	log->low = seq;
	log->low_logged = seq;
	log->gen++;
	log->cutting = false;
	open_new(log, seq);
}

/* Would the ring, and the memory, hold @head as the open block? */
static enum ic_log_room room_for(const struct ic_log *log, u64 head)
{
	if (head + 1 + cut_blocks(log) - log->tail > log->blocks)
		return IC_LOG_NO_SPACE;
	if (head + 1 + cut_blocks(log) - log->next > log->nr_slots)
		return IC_LOG_NO_SLOT;
	return IC_LOG_ROOM;
}

/**
 * ic_log_room() - can this much be appended now?
 * @log: the ring
 * @entries: entries, at most IC_LOG_WRITE_MAX
 * @intents: how many of them are PUTs before their data
 */
enum ic_log_room ic_log_room(const struct ic_log *log, u32 entries,
			     u32 intents)
{
	if (intents && log->live + intents > log->live_max)
		return IC_LOG_NO_LIVE;
	return room_for(log, log->head +
			(log->count + entries) / IC_LOG_ENTRIES);
}

/* Close the open block: nothing is added to it any more; and open the next one. */
static void close_block(struct ic_log *log, const u8 *next_salt)
{
	struct ic_log_block *block = open_block(log);

	/*
	 * The mark can't be set later: whatever settled a write that @low
	 * passes has to be in this block or before.
	 */
	block->low = cpu_to_le64(log->low);
	log->low_logged = log->low;
	block->count = cpu_to_le16(log->count);
	if (next_salt) {
		block->flags = cpu_to_le16(IC_LOG_LAST);
		memcpy(block->next_salt, next_salt, IC_SALT_SIZE);
	}
	open_new(log, log->head + 1 + log->data);
}

/* Append one entry, for which there is room.  Returns the block that it is in. */
static u64 append(struct ic_log *log, const struct ic_log_entry *entry)
{
	u64 seq = log->head;

	open_block(log)->entry[log->count++] = *entry;
	if (log->count == IC_LOG_ENTRIES)
		close_block(log, NULL);
	return seq;
}

static void make_entry(struct ic_log_entry *entry, enum ic_log_type type,
		       u64 nr)
{
	memset(entry, 0, sizeof(*entry));
	entry->what = cpu_to_le64((u64)type << 56 | nr);
}

/**
 * ic_log_append_puts() - log the records of a write
 * @log: the ring, with room
 * @write: sector, nr, rec and head set
 * @place: receives the blocks that hold them
 */
void ic_log_append_puts(struct ic_log *log, const struct ic_log_write *write,
			struct ic_log_place *place)
{
	struct ic_log_entry entry;
	u32 i;

	place->first = log->head;
	for (i = 0; i < write->nr; i++) {
		make_entry(&entry, IC_LOG_PUT, write->sector + i);
		entry.rec.sector = write->rec[i];
		memcpy(entry.head, write->head[i], IC_HEAD_SIZE);
		place->last = append(log, &entry);
	}
}

/**
 * ic_log_hold() - the low-water mark is not to pass these blocks
 * @log: the ring
 * @place: blocks
 */
void ic_log_hold(struct ic_log *log, const struct ic_log_place *place)
{
	u64 seq;

	for (seq = place->first; seq <= place->last; seq++)
		++*inflight(log, seq);
}

/**
 * ic_log_release() - what ic_log_hold() held is settled
 * @log: the ring
 * @place: blocks; none any more
 */
void ic_log_release(struct ic_log *log, struct ic_log_place *place)
{
	u64 seq;

	for (seq = place->first; seq <= place->last; seq++)
		--*inflight(log, seq);
	place->first = 1;
	place->last = 0;
}

/**
 * ic_log_intend() - log PUTs of a write whose data must wait for them
 * @log: the ring, with room
 * @write: sector, nr, rec and head set; they stay until it completed
 *
 * The data may be written once @log->durable is beyond write->now.last.
 */
void ic_log_intend(struct ic_log *log, struct ic_log_write *write)
{
	ic_log_append_puts(log, write, &write->now);
	ic_log_hold(log, &write->now);
	write->before = IC_LOG_NOWHERE;
	write->past = IC_LOG_NOWHERE;
	write->past_before = IC_LOG_NOWHERE;
	write->data = false;
	write->data_before = false;
	log->live += write->nr;
	list_add_tail(&write->list, &log->writes);
}

/**
 * ic_log_put() - log PUTs of a write without an intent, whose data is written
 * @log: the ring, with room
 * @write: sector, nr, rec and head set
 *
 * Return: the last block that holds them.
 */
u64 ic_log_put(struct ic_log *log, const struct ic_log_write *write)
{
	struct ic_log_place place;

	ic_log_append_puts(log, write, &place);
	return place.last;
}

/**
 * ic_log_set() - log an owner or key record
 * @log: the ring, with room
 * @type: IC_LOG_SET_OWNER or IC_LOG_SET_KEY
 * @nr: inode number or key slot
 * @rec: its new contents
 */
void ic_log_set(struct ic_log *log, enum ic_log_type type, u64 nr,
		const union ic_record *rec)
{
	struct ic_log_entry entry;

	make_entry(&entry, type, nr);
	entry.rec = *rec;
	append(log, &entry);
	memzero_explicit(&entry, sizeof(entry));
}

/* Forget ZEROs that are durable. */
static void prune_zeros(struct ic_log *log)
{
	while (log->zero_nr && log->zero[log->zero_first].seq < log->durable) {
		log->zero_first = (log->zero_first + 1) % IC_LOG_ZEROS;
		log->zero_nr--;
	}
	if (log->zero_over && log->zero_all < log->durable)
		log->zero_over = false;
}

/**
 * ic_log_zero() - log that sectors have no record any more
 * @log: the ring, with room for one entry
 * @first: crypto sector
 * @last: crypto sector
 *
 * The caller has zeroed the records in memory before, so that a cut that follows finds
 * them so.
 *
 * Return: the block that holds it.
 */
u64 ic_log_zero(struct ic_log *log, u64 first, u64 last)
{
	struct ic_log_zero *z;
	struct ic_log_entry entry;
	u64 seq;

	make_entry(&entry, IC_LOG_ZERO, first);
	entry.count = cpu_to_le64(last - first + 1);
	seq = append(log, &entry);
	prune_zeros(log);
	if (log->zero_nr == IC_LOG_ZEROS) {
		log->zero_over = true;
		log->zero_all = seq;
		return seq;
	}
	z = &log->zero[(log->zero_first + log->zero_nr++) % IC_LOG_ZEROS];
	z->first = first;
	z->last = last;
	z->seq = seq;
	return seq;
}

/**
 * ic_log_touches() - must a write over zero records be logged before its data?
 * @log: the ring
 * @first: crypto sector
 * @last: crypto sector; of one write
 *
 * Return: true if a ZERO that is not durable, or a failed write, touches one of
 * them.  No other entry can make a crash bring back a record: writes of one
 * sector are ordered, and what is zero in memory is so by a ZERO or was never
 * anything else.
 */
bool ic_log_touches(struct ic_log *log, u64 first, u64 last)
{
	const struct ic_log_write *w;
	u64 sector;
	u32 i;

	prune_zeros(log);
	if (log->zero_over)
		return true;
	for (i = 0; i < log->zero_nr; i++) {
		const struct ic_log_zero *z =
			&log->zero[(log->zero_first + i) % IC_LOG_ZEROS];

		if (z->first <= last && z->last >= first)
			return true;
	}
	if (list_empty(&log->failed))
		return false;
	for (sector = first; sector <= last; sector++)
		list_for_each_entry(w, &log->bucket[ic_log_bucket(sector)], same)
			if (w->sector == sector)
				return true;
	return false;
}

/**
 * ic_log_complete() - a write's data is written, and its records are in memory
 * @log: the ring
 * @write: from ic_log_intend()
 */
void ic_log_complete(struct ic_log *log, struct ic_log_write *write)
{
	list_del(&write->list);
	log->live -= write->nr;
	log->data_before -= write->data_before;
	ic_log_release(log, &write->now);
	ic_log_release(log, &write->before);
	ic_log_release(log, &write->past);
	ic_log_release(log, &write->past_before);
}

/**
 * ic_log_data_begin() - is there room for the data of writes in flight?
 * @log: the ring
 * @sectors: how many, at most IC_LOG_DATA_MAX
 *
 * Return: true if it can be logged now, by ic_log_data() for each sector and
 * ic_log_data_end(), with nothing else in between.
 */
bool ic_log_data_begin(struct ic_log *log, u32 sectors)
{
	bool full = log->count + sectors > IC_LOG_ENTRIES;

	if (sectors > IC_LOG_DATA_MAX ||
	    room_for(log, log->head + full + 1 + sectors))
		return false;
	if (full)
		close_block(log, NULL);
	return true;
}

/**
 * ic_log_data() - log the data of one sector, too
 * @log: the ring, after ic_log_data_begin()
 * @write: from ic_log_intend(), its data not submitted
 * @nr: which of its sectors; all of them have to follow
 * @data: its ciphertext, IC_BLOCK_SIZE bytes that stay until the block is written
 *
 * Once @log->durable is beyond the block, the write is durable.
 */
void ic_log_data(struct ic_log *log, struct ic_log_write *write, u32 nr,
		 const void *data)
{
	struct ic_log_entry entry;

	write->data = true;
	make_entry(&entry, IC_LOG_DATA, write->sector + nr);
	entry.rec.sector = write->rec[nr];
	log->data++;
	log->data_block[slot_of(log, log->head + log->data)] = data;
	append(log, &entry);
}

/**
 * ic_log_data_end() - close the block, which the data follows
 * @log: the ring, after ic_log_data()
 */
void ic_log_data_end(struct ic_log *log)
{
	if (log->count)
		close_block(log, NULL);
}

/**
 * ic_log_set_checks() - complete the DATA entries of a closed block
 * @log: the ring
 * @seq: the block, closed and not sealed yet: its home's own
 * @key: that it will be sealed under
 *
 * Context: may sleep; no lock needed.
 * Return: 0 or a negative errno.
 */
int ic_log_set_checks(struct ic_log *log, u64 seq, struct ic_meta_key *key)
{
	struct ic_log_block *block = log->slot[slot_of(log, seq)];
	u32 i;
	int err;

	for (i = 0; i < le16_to_cpu(block->count); i++) {
		struct ic_log_entry *e = &block->entry[i];

		if (le64_to_cpu(e->what) >> 56 != IC_LOG_DATA)
			continue;
		err = ic_log_check(e, key, ic_log_data_block(log, ++seq),
				   e->head);
		if (err)
			return err;
	}
	return 0;
}

/**
 * ic_log_sealing() - how is a closed block to be sealed?
 * @log: the ring
 * @seq: a closed block that isn't sealed yet, and no data block
 * @s: to fill in
 *
 * The keys are those of the newest generation and of the one before, by the parity
 * of a generation, which is the number of cuts before a block.  The first block under
 * a salt is chained to nothing.
 */
void ic_log_sealing(const struct ic_log *log, u64 seq,
		    struct ic_log_sealing *s)
{
	static const u8 nothing[IC_TAG_SIZE];
	u64 gen = seq >= log->cut ? log->gen : log->gen - 1;

	s->seq = seq;
	s->block = log->slot[slot_of(log, seq)];
	s->key = gen & 1;
	s->prev = seq == log->tail || seq == log->cut ? nothing : log->prev_tag;
}

/**
 * ic_log_seal_next() - seal a block
 * @log: the ring
 * @s: from ic_log_sealing(), for blocks in their order
 * @key: the home's two
 * @uuid: the volume's
 * @nonce: fresh
 *
 * Context: may sleep; no lock needed: the next call of ic_log_sealing() comes after
 * this.
 * Return: 0 or a negative errno.
 */
int ic_log_seal_next(struct ic_log *log, const struct ic_log_sealing *s,
		     struct ic_meta_key *const key[2],
		     const u8 uuid[IC_UUID_SIZE],
		     const u8 nonce[IC_NONCE_SIZE])
{
	int err = ic_log_set_checks(log, s->seq, key[s->key]);

	if (!err)
		err = ic_log_seal(s->block, key[s->key], uuid, s->seq, s->prev,
				  nonce);
	if (!err)
		memcpy(log->prev_tag, s->block->tag, IC_TAG_SIZE);
	return err;
}

/**
 * ic_log_close() - close the open block if it holds anything
 * @log: the ring
 *
 * Return: false if there is no room for another open block; then the block stays
 * open until closed ones were written, or a cut was committed.
 */
bool ic_log_close(struct ic_log *log)
{
	if (!log->count)
		return true;
	if (room_for(log, log->head + 1))
		return false;
	close_block(log, NULL);
	return true;
}

/**
 * ic_log_seal_end() - all nodes of a checkpoint are sealed
 * @log: the ring
 *
 * What they hold is logged by now, and it has to be durable before they are
 * committed: else a crash could apply a part of it, and an older owner record
 * would come back over a newer one.  So @log->relogged moves here.
 *
 * It takes the rest of what is kept free for a cut, so that it never has to wait: what
 * is in the open block was left there by the cut, or was appended when there was more
 * room than that.
 */
void ic_log_seal_end(struct ic_log *log)
{
	if (log->count)
		close_block(log, NULL);
	log->relogged = log->head;
}

/**
 * ic_log_mark() - close the open block, just to write down the low-water mark
 * @log: the ring
 *
 * Return: true if a block was closed; false if the last one has the mark, or the ring
 * is more than half full.
 */
bool ic_log_mark(struct ic_log *log)
{
	if (log->count || log->low <= log->low_logged ||
	    ic_log_used(log) > log->blocks / 2 ||
	    room_for(log, log->head + 1))
		return false;
	close_block(log, NULL);
	return true;
}

/**
 * ic_log_can_cut() - is there room in memory for a cut?
 * @log: the ring
 *
 * Return: false until more closed blocks were written; the ring itself always
 * has the room.
 */
bool ic_log_can_cut(const struct ic_log *log)
{
	return log->head + 1 + cut_blocks(log) - log->next <= log->nr_slots;
}

/*
 * Mark the failed writes whose sectors have newer data in the log. If such a
 * write were logged again after that data, recovery could take it for the newer one.
 * It needn't be logged: the cut isn't committed before the newer data is in place, and
 * that settles the failed write.
 */
static void mark_outdated(struct ic_log *log)
{
	const struct ic_log_write *w;
	struct ic_log_write *f;
	u64 sector;

	if (list_empty(&log->failed))
		return;
	list_for_each_entry(f, &log->failed, list)
		f->outdated = false;
	list_for_each_entry(w, &log->writes, list) {
		if (!w->data)
			continue;
		for (sector = w->sector; sector < w->sector + w->nr; sector++)
			list_for_each_entry(f, &log->bucket[ic_log_bucket(sector)],
					    same)
				if (f->sector == sector)
					f->outdated = true;
	}
}

/**
 * ic_log_cut() - what was logged so far will be in the next committed tree
 * @log: the ring, no other cut outstanding, ic_log_can_cut()
 * @next_salt: of what is logged from now on, random
 *
 * Logs again what is in flight.  Before the superblock that names @log->cut may
 * be written, all blocks before what ic_log_seal_end() says have to be durable,
 * and so has the data in place of writes whose data was logged before the cut:
 * @log->data_before of them are left.
 */
void ic_log_cut(struct ic_log *log, const u8 next_salt[IC_SALT_SIZE])
{
	struct ic_log_write *w;

	close_block(log, next_salt);
	log->cut = log->head;
	log->gen++;
	log->cutting = true;
	log->forgotten = 0;
	mark_outdated(log);
	/*
	 * Failed writes are logged first, as later writes of their sectors may
	 * be in flight.
	 */
	list_for_each_entry(w, &log->failed, list) {
		w->before = w->now;
		w->past_before = w->past;
		w->past = IC_LOG_NOWHERE;
		if (w->outdated) {
			w->now = IC_LOG_NOWHERE;
			continue;
		}
		ic_log_append_puts(log, w, &w->now);
		ic_log_hold(log, &w->now);
	}
	list_for_each_entry(w, &log->writes, list) {
		w->before = w->now;
		ic_log_append_puts(log, w, &w->now);
		ic_log_hold(log, &w->now);
		log->data_before += w->data && !w->data_before;
		w->data_before = w->data;
	}
}

/**
 * ic_log_held() - does a failed write keep the low-water mark far back?
 * @log: the ring
 *
 * The sector may fail for ever, and the mark can't pass the write's PUT.  But a cut logs
 * that again, further on.  Without one a single bad sector would leave half a ring of
 * other writes unsettled, and recovery would have to ask the disk about each.  It would
 * also find the failed writes that were forgotten, and might have to remember them.
 *
 * Return: true if that is so far that a cut is worth it.
 */
bool ic_log_held(const struct ic_log *log)
{
	u64 low = log->low > log->tail ? log->low : log->tail;
	u32 max = log->blocks / 8;

	if (max > IC_LOG_HELD_MAX)
		max = IC_LOG_HELD_MAX;
	return !list_empty(&log->failed) && !log->cutting &&
	       (log->head - low > max || log->forgotten > log->live_max / 8);
}

/**
 * ic_log_committed() - the superblock that names @log->cut is durable
 * @log: the ring
 */
void ic_log_committed(struct ic_log *log)
{
	struct ic_log_write *w;

	list_for_each_entry(w, &log->failed, list) {
		ic_log_release(log, &w->before);
		ic_log_release(log, &w->past_before);
	}
	list_for_each_entry(w, &log->writes, list)
		ic_log_release(log, &w->before);
	log->tail = log->cut;
	log->cutting = false;
	if (log->complete < log->tail)
		log->complete = log->tail;
}

/**
 * ic_log_settled() - how far all writes have completed
 * @log: the ring
 *
 * Return: what to hand to ic_log_flushed() when a flush of the data device that
 * begins after this call has completed.
 */
u64 ic_log_settled(struct ic_log *log)
{
	while (log->complete < log->head && !*inflight(log, log->complete))
		log->complete++;
	return log->complete;
}

/**
 * ic_log_flushed() - a flush of the data device has completed
 * @log: the ring
 * @settled: from ic_log_settled() before it began
 */
void ic_log_flushed(struct ic_log *log, u64 settled)
{
	if (log->low < settled)
		log->low = settled;
}

/**
 * ic_log_written() - closed blocks were written
 * @log: the ring
 * @next: first block that wasn't
 */
void ic_log_written(struct ic_log *log, u64 next)
{
	log->next = next;
}

/**
 * ic_log_durable() - written blocks are durable
 * @log: the ring
 * @durable: first block that isn't
 */
void ic_log_durable(struct ic_log *log, u64 durable)
{
	if (log->durable < durable)
		log->durable = durable;
	prune_zeros(log);
}
